//! The precision of matrix products: set once for each kind of device, for the whole program.

use std::sync::OnceLock;

/// The precision of the factors of matrix products; sums and everything else are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// float32. On tensor cores of a GPU the factors keep 11 significant bits (TF32).
    #[default]
    F32,
    /// bfloat16, with the range of f32 and 8 significant bits: the factors of products are rounded
    /// to it; the master weights stay f32.
    Bf16,
}

/// The precision is set once, before anything is computed, so that a backward pass has that of its
/// forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the precision is already {0:?}: it is set once, before anything is computed")]
pub struct PrecisionAlreadySet(pub Precision);

/// The precision of a kind of device.
pub(super) struct Setting(OnceLock<Precision>);

impl Setting {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Sets it, unless it is fixed to another already, by an earlier call or because something was
    /// computed in f32.
    pub(super) fn set(&self, precision: Precision) -> Result<(), PrecisionAlreadySet> {
        match *self.0.get_or_init(|| precision) {
            set if set == precision => Ok(()),
            set => Err(PrecisionAlreadySet(set)),
        }
    }

    /// The one that was set, or f32.
    pub(super) fn get(&self) -> Precision {
        *self.0.get_or_init(Precision::default)
    }
}
