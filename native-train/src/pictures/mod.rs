//! Pictures of drawings and figures: [`canvas`] is shared by all, [`drawings`] renders drawings.

pub(crate) mod canvas;
pub mod drawings;
