//! Bytes of a model folder and JavaScript strokes in, JavaScript predictions out: the binding of `quickdraw-core` that
//! the npm package `quickdraw-rnn` wraps.
//!
//! Nothing is computed here. This crate turns JavaScript values into core's types and back, and core's errors into
//! JavaScript `Error`s with a `code`. Fetching, options and lifetimes are left to the package's TypeScript.

#![deny(missing_docs)]
#![deny(clippy::unwrap_used)]

mod strokes;

use burn_ndarray::NdArray;
use js_sys::{Error as JsError, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Runs once, when the module is instantiated: a panic is a fault of ours, and its message must not get lost.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&format!("quickdraw-rnn: {panic}").into());
    }));
}

/// A recogniser: a model folder's labels and network.
#[wasm_bindgen]
pub struct Classifier {
    classifier: quickdraw_core::Classifier<NdArray>,
}

#[wasm_bindgen]
impl Classifier {
    /// Reads a model folder from the bytes of `model.json` and `weights.safetensors`.
    ///
    /// # Errors
    ///
    /// An `Error` with the code `invalid-model` and core's message.
    #[wasm_bindgen(constructor)]
    pub fn new(model_json: &[u8], weights: &[u8]) -> Result<Classifier, JsValue> {
        let classifier = quickdraw_core::Classifier::from_bytes(model_json, weights, &Default::default())
            .map_err(|error| failure("invalid-model", &error.to_string()))?;
        Ok(Self { classifier })
    }

    /// The categories the model knows, in the order of its classes.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Vec<String> {
        self.classifier.labels().to_vec()
    }

    /// The `max_results` most probable categories as `{ label, probability }[]`, best first.
    ///
    /// Strokes in the pen's coordinates pass through the data set's simplification first; with `is_simplified` they
    /// are taken as they are.
    ///
    /// # Errors
    ///
    /// An `Error` with the code `invalid-strokes` that names the stroke and the point.
    pub fn classify(
        &self,
        strokes: &JsValue,
        max_results: usize,
        is_simplified: bool,
    ) -> Result<JsValue, JsValue> {
        let mut drawing = strokes::drawing(strokes).map_err(invalid_strokes)?;
        if !is_simplified {
            drawing = drawing.simplify();
        }
        let predictions = self.classifier.classify(&drawing, max_results).map_err(invalid_strokes)?;
        to_js(&predictions)
    }
}

/// Strokes in the data set's simplified form: `[[x...], [y...]]` a stroke, in 0..255.
///
/// # Errors
///
/// An `Error` with the code `invalid-strokes` that names the stroke and the point.
#[wasm_bindgen]
pub fn simplify(strokes: &JsValue) -> Result<JsValue, JsValue> {
    let drawing = strokes::drawing(strokes).map_err(invalid_strokes)?;
    to_js(&strokes::channels(&drawing.simplify()))
}

fn invalid_strokes(error: impl std::fmt::Display) -> JsValue {
    failure("invalid-strokes", &error.to_string())
}

fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    serde_wasm_bindgen::to_value(value).map_err(|error| failure("internal", &error.to_string()))
}

/// An `Error` that the package's TypeScript can tell from others by its `code`.
fn failure(code: &str, message: &str) -> JsValue {
    let error = JsError::new(message);
    // Setting a property of an object made one line above cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
