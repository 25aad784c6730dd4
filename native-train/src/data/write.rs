//! Drawings as lines of JSON.

use std::fmt::Write as _;

use quickdraw_core::Drawing;
use serde_json::{Value, json};

use super::simplified::Fields;

/// A line of JSON as the data set has it, of a drawing in simplified form; `fields` are those of [`fields`].
pub(crate) fn line(drawing: &Drawing, fields: &str, word: &str) -> String {
    let mut line = format!("{{\"word\":{},{fields}\"drawing\":[", Value::from(word));
    for (index, stroke) in drawing.strokes().iter().enumerate() {
        line.push_str(if index == 0 { "[" } else { ",[" });
        for axis in 0..2 {
            line.push_str(if axis == 0 { "[" } else { ",[" });
            for (index, point) in stroke.iter().enumerate() {
                // Writing into a String cannot fail.
                let _ = write!(line, "{}{}", if index == 0 { "" } else { "," }, point[axis] as u8);
            }
            line.push(']');
        }
        line.push(']');
    }
    line.push_str("]}\n");
    line
}

/// The fields of a line of JSON besides `word` and `drawing`, each with a comma behind it.
pub(crate) fn fields(fields: &Fields<'_>) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            let _ = write!(text, "\"{name}\":{value},");
        }
    };
    add("countrycode", fields.countrycode.map(Value::from));
    add("timestamp", fields.timestamp.map(Value::from));
    add("recognized", fields.recognized.map(Value::from));
    add("key_id", fields.key_id.map(Value::from));
    add("soft", fields.soft.as_ref().map(|soft| json!(soft)));
    text
}
