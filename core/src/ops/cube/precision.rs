//! The precision of the GPU kernels' matrix products.

use burn::tensor::DType;

use crate::ops::precision::Setting;
pub use crate::ops::precision::{Precision, PrecisionAlreadySet};

impl Precision {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

static PRECISION: Setting = Setting::new();

/// Sets the precision of the GPU kernels for the whole program. The device must support it.
///
/// # Errors
/// When another precision was set before, or something was already computed in f32.
pub fn set_precision(precision: Precision) -> Result<(), PrecisionAlreadySet> {
    PRECISION.set(precision)
}

/// The precision of the GPU kernels: the one that was set, or f32.
pub fn precision() -> Precision {
    PRECISION.get()
}
