//! JavaScript strokes in, a [`Drawing`] out, and back.
//!
//! A stroke is a list of points `{ x, y }`, or the data set's `[[x...], [y...]]` with an optional third list, the
//! times. What the coordinates mean is left to core.

use std::fmt::Display;

use js_sys::{Array, ArrayBuffer};
use quickdraw_core::{Drawing, Error};
use serde::Deserialize;
use wasm_bindgen::{JsCast, JsValue};

#[derive(Deserialize)]
struct Point {
    x: f32,
    y: f32,
}

/// Reads strokes from JavaScript.
///
/// # Errors
///
/// What is wrong, with the stroke and the point counted from 0, and what was expected.
pub(crate) fn drawing(strokes: &JsValue) -> Result<Drawing, String> {
    let Some(strokes) = strokes.dyn_ref::<Array>() else {
        return Err(format!("strokes: found {}, expected an array of strokes", kind(strokes)));
    };
    let strokes = strokes
        .iter()
        .enumerate()
        .map(|(index, stroke)| points(index, &stroke))
        .collect::<Result<Vec<_>, _>>()?;
    Drawing::from_strokes(strokes).map_err(|error| error.to_string())
}

/// The strokes of a drawing as the data set writes them: `[[x...], [y...]]` a stroke.
pub(crate) fn channels(drawing: &Drawing) -> Vec<[Vec<f32>; 2]> {
    drawing
        .strokes()
        .iter()
        .map(|points| [0, 1].map(|axis| points.iter().map(|point| point[axis]).collect()))
        .collect()
}

fn points(stroke: usize, value: &JsValue) -> Result<Vec<[f32; 2]>, String> {
    let Some(elements) = value.dyn_ref::<Array>() else {
        return Err(format!(
            "stroke {stroke} (counted from 0): found {}, expected an array of points {{ x, y }} or [[x...], [y...]]",
            kind(value)
        ));
    };
    if is_list(&elements.get(0)) {
        return points_from_channels(stroke, elements);
    }
    let at = |point: usize, message: &dyn Display| {
        format!("stroke {stroke}, point {point} (counted from 0): {message}")
    };
    elements
        .iter()
        .enumerate()
        .map(|(point, element)| {
            if !element.is_object() || is_list(&element) {
                let found = kind(&element);
                return Err(at(point, &format!("found {found}, expected {{ x, y }}")));
            }
            let Point { x, y } = serde_wasm_bindgen::from_value(element)
                .map_err(|error| at(point, &format!("{}, expected {{ x, y }} of numbers", reason(error))))?;
            Ok([x, y])
        })
        .collect()
}

fn points_from_channels(stroke: usize, channels: &Array) -> Result<Vec<[f32; 2]>, String> {
    let found = channels.length() as usize;
    if !(2..=3).contains(&found) {
        return Err(Error::WrongChannels { stroke, found }.to_string());
    }
    let x = coordinates(stroke, "x", &channels.get(0))?;
    let y = coordinates(stroke, "y", &channels.get(1))?;
    if x.len() != y.len() {
        let (n_x, n_y) = (x.len(), y.len());
        return Err(Error::UnequalChannels { stroke, n_x, n_y }.to_string());
    }
    Ok(x.into_iter().zip(y).map(|(x, y)| [x, y]).collect())
}

fn coordinates(stroke: usize, axis: &str, channel: &JsValue) -> Result<Vec<f32>, String> {
    if !is_list(channel) {
        return Err(format!(
            "stroke {stroke} (counted from 0): {axis} is {}, expected an array of numbers",
            kind(channel)
        ));
    }
    Array::from(channel)
        .iter()
        .enumerate()
        .map(|(point, coordinate)| {
            serde_wasm_bindgen::from_value(coordinate).map_err(|error| {
                let reason = reason(error);
                format!("stroke {stroke}, point {point} (counted from 0): {axis}: {reason}")
            })
        })
        .collect()
}

/// The message of an error, without the `Error: ` that JavaScript puts before it.
fn reason(error: serde_wasm_bindgen::Error) -> String {
    JsValue::from(error).unchecked_into::<js_sys::Error>().message().into()
}

fn is_list(value: &JsValue) -> bool {
    Array::is_array(value) || ArrayBuffer::is_view(value)
}

/// What JavaScript calls a value, for messages.
fn kind(value: &JsValue) -> String {
    if value.is_null() {
        "null".to_owned()
    } else if Array::is_array(value) {
        "an array".to_owned()
    } else {
        let name = value.js_typeof().as_string().unwrap_or_default();
        match name.as_str() {
            "undefined" => name,
            "object" => "an object".to_owned(),
            _ => format!("a {name}"),
        }
    }
}
