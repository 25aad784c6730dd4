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

/// Several drawings; `firsts` has the index of each one's first stroke.
///
/// # Errors
///
/// As [`drawing`], with the drawing counted from 0.
pub(crate) fn drawings(points: &[f32], offsets: &[u32], firsts: &[u32]) -> Result<Vec<Drawing>, String> {
    let point = |stroke: usize| offsets.get(stroke).map_or(points.len() / 2, |&point| point as usize);
    let read = |index: usize| {
        let first = firsts[index] as usize;
        let end = firsts.get(index + 1).map_or(offsets.len(), |&first| first as usize);
        let (start, points_end) = (point(first), point(end));
        let strokes = offsets.get(first..end).and_then(|offsets| {
            let from_start = |&offset: &u32| offset.checked_sub(start as u32);
            offsets.iter().map(from_start).collect::<Option<Vec<u32>>>()
        });
        let points = points.get(2 * start..2 * points_end);
        let (Some(offsets), Some(points)) = (strokes, points) else {
            return Err(format!("strokes {first} to {end} of {}", offsets.len()));
        };
        drawing(points, &offsets)
    };
    let numbered =
        |index: usize| read(index).map_err(|message| format!("drawing {index} (counted from 0): {message}"));
    (0..firsts.len()).map(numbered).collect()
}

/// The strokes of a drawing as the data set writes them: `[[x...], [y...]]` a stroke.
pub(crate) fn channels(drawing: &Drawing) -> Vec<[Vec<f32>; 2]> {
    drawing
        .strokes()
        .iter()
        .map(|points| [0, 1].map(|axis| points.iter().map(|point| point[axis]).collect()))
        .collect()
}
