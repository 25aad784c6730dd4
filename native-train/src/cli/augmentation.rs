//! The flags that vary drawings, of `train` and of `augment`.

use crate::data::Augmentation;

/// A switch: on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

impl Switch {
    pub(super) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Augmentation flags. Lengths are in units of the 0..255 square of a drawing.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentationFlags {
    /// All of the below at their usual strength, or none; each can then be set by itself [default:
    /// on, with --preset tutorial off]
    #[arg(long, value_enum)]
    pub augment: Option<Switch>,
    /// Standard deviation of the rotation, radians
    #[arg(long, value_name = "X")]
    pub augment_rotate: Option<f32>,
    /// Standard deviation of the logarithm of the scale of each axis
    #[arg(long, value_name = "X")]
    pub augment_scale: Option<f32>,
    /// Standard deviation of the horizontal shear
    #[arg(long, value_name = "X")]
    pub augment_shear: Option<f32>,
    /// Probability of a mirror image
    #[arg(long, value_name = "X")]
    pub augment_flip: Option<f32>,
    /// Standard deviation of the amplitude of the elastic distortion
    #[arg(long, value_name = "X")]
    pub augment_elastic: Option<f32>,
    /// Standard deviation of the jitter of each point
    #[arg(long, value_name = "X")]
    pub augment_jitter: Option<f32>,
    /// Probability that a stroke is left out, in half of the drawings of more than three
    #[arg(long, value_name = "X")]
    pub augment_drop_strokes: Option<f32>,
    /// Probability that a stroke's direction is reversed
    #[arg(long, value_name = "X")]
    pub augment_reverse_strokes: Option<f32>,
    /// Probability that the order of the strokes is reversed
    #[arg(long, value_name = "X")]
    pub augment_reverse_order: Option<f32>,
    /// Standard deviation of each stroke's own translation; a sixtieth of it is that of its own
    /// rotation and scale
    #[arg(long, value_name = "X")]
    pub augment_loosen_strokes: Option<f32>,
    /// Probability that some strokes are replaced by those of another drawing of the category
    #[arg(long, value_name = "X")]
    pub augment_borrow_strokes: Option<f32>,
    /// Probability that a drawing is truncated: better predictions while somebody draws. In half of
    /// those that end within a stroke the network is told that the pen is down
    #[arg(long, value_name = "X")]
    pub augment_prefix: Option<f32>,
    /// Probability that a drawing is re-rendered as dense, shaky pointer events, as in a browser,
    /// and simplified
    #[arg(long, value_name = "X")]
    pub augment_redraw: Option<f32>,
    /// Probability that a drawing is traced from a picture of it, as strokesFromImage does: better
    /// predictions for pictures, worse ones for strokes. Slow (100 drawings/s a core): for augment
    /// rather than train
    #[arg(long, value_name = "X")]
    pub augment_trace: Option<f32>,
}

impl AugmentationFlags {
    /// A preset's augmentation, overridden by the flags.
    pub(super) fn over(&self, preset: Augmentation) -> Augmentation {
        let base = match self.augment {
            Some(Switch::On) => Augmentation::default(),
            Some(Switch::Off) => Augmentation::none(),
            None => preset,
        };
        Augmentation {
            rotate: self.augment_rotate.unwrap_or(base.rotate),
            scale: self.augment_scale.unwrap_or(base.scale),
            shear: self.augment_shear.unwrap_or(base.shear),
            flip: self.augment_flip.unwrap_or(base.flip),
            elastic: self.augment_elastic.unwrap_or(base.elastic),
            jitter: self.augment_jitter.unwrap_or(base.jitter),
            drop_strokes: self.augment_drop_strokes.unwrap_or(base.drop_strokes),
            reverse_strokes: self.augment_reverse_strokes.unwrap_or(base.reverse_strokes),
            reverse_order: self.augment_reverse_order.unwrap_or(base.reverse_order),
            loosen_strokes: self.augment_loosen_strokes.unwrap_or(base.loosen_strokes),
            borrow_strokes: self.augment_borrow_strokes.unwrap_or(base.borrow_strokes),
            prefix: self.augment_prefix.unwrap_or(base.prefix),
            redraw: self.augment_redraw.unwrap_or(base.redraw),
            trace: self.augment_trace.unwrap_or(base.trace),
        }
    }
}
