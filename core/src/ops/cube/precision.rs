//! In which numbers the matrix products of the GPU kernels compute.

use std::sync::OnceLock;

use burn::tensor::DType;

/// In which numbers the factors of matrix products are; sums and everything else are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes. Where a device multiplies matrices of f32 on tensor cores, those keep 11 bits of each factor's mantissa
    /// (TF32).
    #[default]
    F32,
    /// Two bytes with the range of f32 and 8 bits of mantissa: the factors of products are rounded to them, the weights
    /// that training changes stay f32.
    Bf16,
}

impl Precision {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// The precision is set once, before anything was computed, so that a backward pass has that of its forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the precision is already {0:?}: it is set once, before anything is computed")]
pub struct PrecisionAlreadySet(pub Precision);

static PRECISION: OnceLock<Precision> = OnceLock::new();

/// Sets the precision of the GPU kernels for the whole program. The device must know the numbers.
///
/// # Errors
/// When another precision was set before, or something was already computed in f32.
pub fn set_precision(precision: Precision) -> Result<(), PrecisionAlreadySet> {
    match *PRECISION.get_or_init(|| precision) {
        set if set == precision => Ok(()),
        set => Err(PrecisionAlreadySet(set)),
    }
}

/// The precision of the GPU kernels: what was set, else f32.
pub fn precision() -> Precision {
    *PRECISION.get_or_init(Precision::default)
}
