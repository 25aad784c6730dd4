//! The operations on plain slices of `f32`, for backends in host memory.
//!
//! In: row-major slices and lengths. Out: vectors. Nothing here knows of tensors or backends.
//! Padding is never computed: the operations gather the valid time steps ("packed", as in PyTorch's
//! `pack_padded_sequence`), so padding costs a copy of zeros and no arithmetic.

pub mod adam;
mod bf16;
pub mod conv;
pub mod dropout;
pub(crate) mod gates;
pub mod image_conv;
pub mod loss;
pub mod lstm;
mod matrix;
pub mod norm;
pub mod pool;
mod precision;
mod product;
mod recurrent;
mod scratch;
mod tiled_lstm;
mod tiles;

pub use bf16::Instructions;
pub(crate) use matrix::Matrix;
pub use precision::{Arithmetic, arithmetic, set_precision};
pub(crate) use product::{Packed, product, transposed_products};
pub(crate) use scratch::Scratch;

/// A vector of `n` values, all of which the caller writes before it reads them: zeroing it first
/// would cost a pass over memory, which for the gates of a batch takes as long as activating them.
#[allow(clippy::uninit_vec)]
pub(crate) fn uninitialised(n: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n);
    // SAFETY: there is room for n values, every bit pattern is a valid f32, and none is read before
    // it is written.
    unsafe { values.set_len(n) };
    values
}

/// Runs both closures, on two threads where feature `rayon` is on.
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    #[cfg(feature = "rayon")]
    return rayon::join(a, b);
    #[cfg(not(feature = "rayon"))]
    (a(), b())
}

/// Calls `run` with each item and gives the results in their order; on several threads where
/// feature `rayon` is on.
pub(crate) fn for_each<T: Send, R: Send>(items: Vec<T>, run: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        // Split down to single items: each is a large piece of work, and the first are the longest.
        items.into_par_iter().with_max_len(1).map(run).collect()
    }
    #[cfg(not(feature = "rayon"))]
    items.into_iter().map(run).collect()
}

/// Adds `values` to the beginning of `sums`.
pub(crate) fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// Adds up the columns of `rows` (`[n, width]`) into `[width]`.
pub(crate) fn sum_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    add_rows(&mut sums, rows);
    sums
}

/// Adds each of `rows` (`[n, width]`) to `sums` (`[width]`).
pub(crate) fn add_rows(sums: &mut [f32], rows: &[f32]) {
    rows.chunks_exact(sums.len()).for_each(|row| add(sums, row));
}
