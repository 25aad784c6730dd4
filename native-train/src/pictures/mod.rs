//! Pictures of drawings and figures: [`canvas`] is what all of them are drawn on, [`drawings`] are
//! drawings alone.

pub(crate) mod canvas;
pub mod drawings;
