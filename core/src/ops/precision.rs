//! In which numbers matrix products are computed: set once for each kind of device, for the whole program.

use std::sync::OnceLock;

/// In which numbers the factors of matrix products are; sums and everything else are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes. Where a GPU multiplies matrices of f32 on tensor cores, those keep 11 bits of each factor's mantissa
    /// (TF32).
    #[default]
    F32,
    /// Two bytes with the range of f32 and 8 bits of mantissa: the factors of products are rounded to them, the weights
    /// that training changes stay f32.
    Bf16,
}

/// The precision is set once, before anything was computed, so that a backward pass has that of its forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the precision is already {0:?}: it is set once, before anything is computed")]
pub struct PrecisionAlreadySet(pub Precision);

/// The precision of a kind of device.
pub(super) struct Setting(OnceLock<Precision>);

impl Setting {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Sets it, unless it is another already, be it that something was computed in f32.
    pub(super) fn set(&self, precision: Precision) -> Result<(), PrecisionAlreadySet> {
        match *self.0.get_or_init(|| precision) {
            set if set == precision => Ok(()),
            set => Err(PrecisionAlreadySet(set)),
        }
    }

    /// What was set, else f32.
    pub(super) fn get(&self) -> Precision {
        *self.0.get_or_init(Precision::default)
    }
}
