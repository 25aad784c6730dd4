//! The precision of the processor's matrix products.

use super::bf16::Instructions;
use crate::ops::precision::{Precision, PrecisionAlreadySet, Setting};

/// How matrix products are computed. A backward pass must use that of its forward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Factors and sums in f32.
    #[default]
    F32,
    /// Factors rounded to bf16, sums in f32, by these instructions.
    Bf16(Instructions),
}

static PRECISION: Setting = Setting::new();

/// Sets the precision of the processor's kernels for the whole program.
///
/// Without instructions for bf16 ([`Instructions::fastest`]) products in bf16 give the same results
/// but are much slower than those in f32.
///
/// # Errors
/// When another precision was set before, or something was already computed in f32.
pub fn set_precision(precision: Precision) -> Result<(), PrecisionAlreadySet> {
    PRECISION.set(precision)
}

/// The arithmetic of the precision that was set, or f32, the only one in WebAssembly.
pub fn arithmetic() -> Arithmetic {
    match PRECISION.get() {
        Precision::F32 => Arithmetic::F32,
        #[cfg(not(target_family = "wasm"))]
        Precision::Bf16 => Arithmetic::Bf16(Instructions::fastest().unwrap_or(Instructions::PORTABLE)),
        #[cfg(target_family = "wasm")]
        Precision::Bf16 => Arithmetic::F32,
    }
}
