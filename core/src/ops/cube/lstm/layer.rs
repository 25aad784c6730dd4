//! Sizes shared by the host, which plans and launches, and the kernels.

/// Gates of a unit: input, forget, candidate, output.
pub(super) const N_GATES: usize = 4;

/// Drawings that a thread works on.
pub(super) const N_LANES: usize = 4;

/// Sizes of a layer and its batch.
#[derive(Clone, Copy)]
pub(in crate::ops::cube) struct Layer {
    pub n_drawings: usize,
    pub n_steps: usize,
    pub d_input: usize,
    pub d_hidden: usize,
    pub n_directions: usize,
}
