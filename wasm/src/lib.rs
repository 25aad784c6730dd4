//! Bytes of a model folder and JavaScript strokes in, JavaScript predictions out: the binding of
//! `quickdraw-core` that the npm package `quickdraw-rnn` wraps.
//!
//! Nothing is computed here. This crate turns JavaScript values into core's types and back, and
//! core's errors into JavaScript `Error`s with a `code`. Fetching, options and lifetimes are left
//! to the package's TypeScript.

#![deny(missing_docs)]
#![deny(clippy::unwrap_used)]

mod strokes;

use js_sys::{Error as JsError, Reflect};
use quickdraw_core::{Drawing, Image, ModelCard, Outputs, QuantizedClassifier, Simplifier};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Runs once, when the module is instantiated: a panic is a fault of ours, and its message must not
/// get lost.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&format!("quickdraw-rnn: {panic}").into());
    }));
}

/// A recogniser: a model folder's labels and network.
#[wasm_bindgen]
pub struct Classifier {
    network: Network,
    /// What one drawing leaves for the next, which is often the same one with more points.
    simplifier: Simplifier,
}

/// The two ways to compute.
enum Network {
    /// Integers: the fastest.
    Int8(Box<QuantizedClassifier>),
    /// burn's tensors in float32.
    #[cfg(feature = "float32")]
    Float32(Box<quickdraw_core::Classifier<burn_ndarray::NdArray>>),
}

/// Calls the same method of either network.
macro_rules! with_network {
    ($network:expr, $classifier:ident => $call:expr) => {
        match $network {
            Network::Int8($classifier) => $call,
            #[cfg(feature = "float32")]
            Network::Float32($classifier) => $call,
        }
    };
}

#[wasm_bindgen]
impl Classifier {
    /// Reads a model folder from the bytes of `model.json` and `weights.safetensors`; computes with
    /// integers if `int8`, and by default if the weights are int8.
    ///
    /// # Errors
    ///
    /// An `Error` with the code `invalid-model` and core's message, or `no-float32` where that
    /// would be needed and this module has it not.
    #[wasm_bindgen(constructor)]
    pub fn new(model_json: &[u8], weights: &[u8], int8: Option<bool>) -> Result<Classifier, JsValue> {
        let invalid = |error: quickdraw_core::Error| failure("invalid-model", &error.to_string());
        let int8 = int8.map_or_else(|| quickdraw_core::weights::are_int8(weights), Ok).map_err(invalid)?;
        let network = if int8 {
            Network::Int8(Box::new(QuantizedClassifier::from_bytes(model_json, weights).map_err(invalid)?))
        } else {
            #[cfg(feature = "float32")]
            {
                let device = Default::default();
                let read = quickdraw_core::Classifier::from_bytes(model_json, weights, &device);
                Network::Float32(Box::new(read.map_err(invalid)?))
            }
            #[cfg(not(feature = "float32"))]
            return Err(failure("no-float32", "this module computes in int8 alone"));
        };
        Ok(Self { network, simplifier: Simplifier::default() })
    }

    /// Whether it computes with integers.
    #[wasm_bindgen(getter)]
    pub fn int8(&self) -> bool {
        matches!(self.network, Network::Int8(_))
    }

    /// The probability from which on a top-1 prediction is correct in 95 of 100 cases, if the model
    /// is calibrated.
    #[wasm_bindgen(getter)]
    pub fn threshold(&self) -> Option<f32> {
        self.card().threshold(false)
    }

    /// The same for drawings whose pen is down.
    #[wasm_bindgen(getter, js_name = penDownThreshold)]
    pub fn pen_down_threshold(&self) -> Option<f32> {
        self.card().threshold(true)
    }

    /// The categories the model knows, in the order of its classes.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Vec<String> {
        self.card().labels.clone()
    }

    /// The probability of each category, in the order of the labels.
    ///
    /// A drawing is the points of all its strokes, x and y in turn, and the index of each stroke's
    /// first point. Strokes in the pen's coordinates pass through the data set's simplification
    /// first; with `is_simplified` they are taken as they are. With `is_pen_down` the last stroke
    /// goes on.
    ///
    /// # Errors
    ///
    /// An `Error` with the code `invalid-strokes` that names the stroke and the point.
    pub fn probabilities(
        &mut self,
        points: &[f32],
        offsets: &[u32],
        is_simplified: bool,
        is_pen_down: bool,
    ) -> Result<Vec<f32>, JsValue> {
        let drawing = self.drawing(points, offsets, is_simplified, is_pen_down)?;
        with_network!(&mut self.network, classifier => classifier.probabilities(&drawing))
            .map_err(invalid_strokes)
    }

    /// The probability of each category and then the vector before the network's last layer, in one
    /// run of the network.
    ///
    /// # Errors
    ///
    /// As `probabilities`.
    pub fn outputs(
        &mut self,
        points: &[f32],
        offsets: &[u32],
        is_simplified: bool,
        is_pen_down: bool,
    ) -> Result<Vec<f32>, JsValue> {
        let drawing = self.drawing(points, offsets, is_simplified, is_pen_down)?;
        let outputs = with_network!(&mut self.network, classifier => classifier.outputs(&drawing));
        let Outputs { probabilities, embedding } = outputs.map_err(invalid_strokes)?;
        Ok([probabilities, embedding].concat())
    }

    /// The vector before the network's last layer.
    ///
    /// # Errors
    ///
    /// As `probabilities`.
    pub fn embedding(
        &mut self,
        points: &[f32],
        offsets: &[u32],
        is_simplified: bool,
        is_pen_down: bool,
    ) -> Result<Vec<f32>, JsValue> {
        let drawing = self.drawing(points, offsets, is_simplified, is_pen_down)?;
        with_network!(&mut self.network, classifier => classifier.embedding(&drawing))
            .map_err(invalid_strokes)
    }
}

impl Classifier {
    /// The drawing that the network reads.
    fn drawing(
        &mut self,
        points: &[f32],
        offsets: &[u32],
        is_simplified: bool,
        is_pen_down: bool,
    ) -> Result<Drawing, JsValue> {
        let drawing = strokes::drawing(points, offsets).map_err(invalid_strokes)?;
        let drawing = if is_simplified { drawing } else { self.simplifier.simplify(&drawing) };
        Ok(drawing.with_pen_down(is_pen_down))
    }

    fn card(&self) -> &ModelCard {
        with_network!(&self.network, classifier => classifier.card())
    }
}

/// Strokes in the data set's simplified form: `[[x...], [y...]]` a stroke, in 0..255.
///
/// # Errors
///
/// An `Error` with the code `invalid-strokes` that names the stroke and the point.
#[wasm_bindgen]
pub fn simplify(points: &[f32], offsets: &[u32]) -> Result<JsValue, JsValue> {
    let drawing = strokes::drawing(points, offsets).map_err(invalid_strokes)?;
    to_js(&strokes::channels(&drawing.simplify()))
}

/// The strokes of an image of lines, `[[x...], [y...]]` each, in its pixels; none if it is all paper.
///
/// `rgba` are the image's pixels from the top left, four bytes each, not premultiplied.
///
/// # Errors
///
/// An `Error` with the code `invalid-image` if they are not as many as width and height say.
#[wasm_bindgen]
pub fn trace(width: usize, height: usize, rgba: &[u8]) -> Result<JsValue, JsValue> {
    let invalid = |error: quickdraw_core::Error| failure("invalid-image", &error.to_string());
    let image = Image::from_rgba(width, height, rgba).map_err(invalid)?;
    match Drawing::from_image(&image) {
        Ok(drawing) => to_js(&strokes::channels(&drawing)),
        Err(quickdraw_core::Error::EmptyDrawing) => to_js(&[0_u8; 0]),
        Err(error) => Err(invalid(error)),
    }
}

/// Whether this module has float32: the others do not export it.
#[cfg(feature = "float32")]
#[wasm_bindgen]
pub fn float32() -> bool {
    true
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
