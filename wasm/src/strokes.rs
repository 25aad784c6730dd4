//! Packed strokes in, a [`Drawing`] out, and back to the data set's form.

use quickdraw_core::{Drawing, Error};

/// A drawing out of the points of all its strokes (x and y in turn) and the index of each stroke's first point.
///
/// # Errors
///
/// What is wrong, with the stroke and the point counted from 0.
pub(crate) fn drawing(points: &[f32], offsets: &[u32]) -> Result<Drawing, String> {
    let (points, rest) = points.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("the last of {} points has no y", points.len() + 1));
    }
    let mut strokes = Vec::with_capacity(offsets.len());
    for (index, &start) in offsets.iter().enumerate() {
        let end = offsets.get(index + 1).map_or(points.len(), |&end| end as usize);
        let stroke = points.get(start as usize..end).ok_or_else(|| {
            format!("stroke {index} (counted from 0): from point {start} to {end} of {}", points.len())
        })?;
        strokes.push(stroke.to_vec());
    }
    Drawing::from_strokes(strokes).map_err(|error: Error| error.to_string())
}

/// The strokes of a drawing as the data set writes them: `[[x...], [y...]]` a stroke.
pub(crate) fn channels(drawing: &Drawing) -> Vec<[Vec<f32>; 2]> {
    drawing
        .strokes()
        .iter()
        .map(|points| [0, 1].map(|axis| points.iter().map(|point| point[axis]).collect()))
        .collect()
}
