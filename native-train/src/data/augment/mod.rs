//! Augmentation: a drawing -> the same thing drawn a little differently.

mod combine;
mod redraw;
mod square;
mod trace;
mod vary;

pub(crate) use combine::with_strokes_of;
pub use combine::{borrow_strokes, interpolate};
pub use redraw::redraw;
pub use trace::{Picture, trace};
pub use vary::{Augmentation, UNFINISHED};
