//! The strokes of a drawing in simplified form as bytes.

use quickdraw_core::Drawing;

/// Number of values that are copied, and points that are packed, together.
pub(crate) const GROUP: usize = 8;

/// Appends the strokes of a drawing in simplified form to `packed`: for each its length in two
/// bytes, and its points, two bytes each.
pub(crate) fn pack(drawing: &Drawing, packed: &mut Vec<u8>) {
    for stroke in drawing.strokes() {
        packed.extend((stroke.len() as u16).to_le_bytes());
        packed.extend(stroke.iter().flat_map(|point| point.map(|value| value as u8)));
    }
}

/// Appends the stroke of the first `n` of `x` and of `y`, which go on to a multiple of [`GROUP`] at
/// least; `None` if it has too many points.
#[inline(always)]
pub(crate) fn pack_stroke(x: &[u8], y: &[u8], n: usize, packed: &mut Vec<u8>) -> Option<()> {
    packed.extend_from_slice(&u16::try_from(n).ok()?.to_le_bytes());
    let end = packed.len() + 2 * n;
    let (x, y) = (x.as_chunks::<GROUP>().0, y.as_chunks::<GROUP>().0);
    for (x, y) in x.iter().zip(y).take(n.div_ceil(GROUP)) {
        let mut points = [0; 2 * GROUP];
        for index in 0..GROUP {
            points[2 * index] = x[index];
            points[2 * index + 1] = y[index];
        }
        packed.extend_from_slice(&points);
    }
    packed.truncate(end);
    Some(())
}

/// The points of each stroke that was packed, two bytes each.
pub(crate) fn packed_strokes(mut packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (n, rest) = packed.split_first_chunk::<2>()?;
        let (points, rest) = rest.split_at_checked(2 * usize::from(u16::from_le_bytes(*n)))?;
        packed = rest;
        Some(points)
    })
}

/// The drawing that was packed; `None` if the bytes are not a drawing.
pub(crate) fn unpack(packed: &[u8]) -> Option<Drawing> {
    let mut n_bytes = 0;
    let strokes = packed_strokes(packed).map(|points| {
        n_bytes += 2 + points.len();
        points.chunks_exact(2).map(|point| [f32::from(point[0]), f32::from(point[1])]).collect()
    });
    let strokes = strokes.collect();
    if n_bytes != packed.len() {
        return None;
    }
    Drawing::from_strokes(strokes).ok()
}
