//! Errors of drawings, batches and model folders.
//!
//! A message says what is wrong, where, and what was expected. Strokes and points are counted from
//! 0, and the message says so. Callers that read files add path and line.

use crate::ink_format::InkFormat;

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON, or a field has the wrong type or is missing.
    #[error("column {column} of the line: {message}")]
    InvalidJson {
        /// Position in the line where reading stopped, in bytes, counted from 1.
        column: usize,
        /// What the JSON reader expected there.
        message: String,
    },

    /// The category of a record is empty.
    #[error("`word` is empty: expected the name of the drawing's category")]
    EmptyWord,

    /// A probability in `soft` is negative or not finite.
    #[error(
        "`soft` gives \"{category}\" the probability {found}: expected a finite number that is not negative"
    )]
    InvalidSoft {
        /// The category.
        category: String,
        /// Its probability as read.
        found: f32,
    },

    /// A drawing has no stroke.
    #[error("the drawing has no strokes: expected at least one")]
    EmptyDrawing,

    /// A stroke has no point.
    #[error("stroke {stroke} (counted from 0) has no points: expected at least one")]
    EmptyStroke {
        /// Index of the stroke.
        stroke: usize,
    },

    /// A stroke of a record is not `[[x...], [y...]]` or `[[x...], [y...], [t...]]`.
    #[error(
        "stroke {stroke} (counted from 0) has the wrong number of lists, {found}: expected 2 (x, y) or 3 (x, y, time)"
    )]
    WrongChannels {
        /// Index of the stroke.
        stroke: usize,
        /// How many lists it has.
        found: usize,
    },

    /// A stroke of a record has x and y of different lengths.
    #[error("stroke {stroke} (counted from 0) has {n_x} x and {n_y} y: expected as many of each")]
    UnequalChannels {
        /// Index of the stroke.
        stroke: usize,
        /// How many x it has.
        n_x: usize,
        /// How many y it has.
        n_y: usize,
    },

    /// A coordinate is not finite, or too large.
    #[error(
        "stroke {stroke}, point {point} (counted from 0) is at ({x}, {y}): expected finite coordinates between \
         -10000000 and 10000000"
    )]
    InvalidCoordinate {
        /// Index of the stroke.
        stroke: usize,
        /// Index of the point in the stroke.
        point: usize,
        /// Its x as read.
        x: f32,
        /// Its y as read.
        y: f32,
    },

    /// An image has the wrong number of pixels.
    #[error("the image has {message}")]
    InvalidImage {
        /// What was found and what was expected.
        message: String,
    },

    /// A batch without inks was requested.
    #[error("a batch needs at least one ink, found none")]
    EmptyBatch,

    /// The inks of one batch have different formats.
    #[error(
        "ink {index} (counted from 0) of the batch has the format {found}: expected {expected} as in the inks before it"
    )]
    MixedInkFormats {
        /// Index of the first ink that differs.
        index: usize,
        /// Its format.
        found: InkFormat,
        /// The format of the inks before it.
        expected: InkFormat,
    },

    /// A batch has another format than the model reads.
    #[error("the batch holds {found} ink: expected {expected} ink, which this model reads")]
    WrongInkFormat {
        /// The format of the batch.
        found: InkFormat,
        /// The format of the model.
        expected: InkFormat,
    },

    /// A batch has no images, and the model has an image branch.
    #[error(
        "the batch was made without images: expected one from `ModelConfig::batch`, as this model has an image branch"
    )]
    MissingImages,

    /// A field of the model's configuration has an invalid value.
    #[error("configuration field `{field}`: {message}")]
    InvalidConfig {
        /// Name of the field.
        field: &'static str,
        /// What was found and what was expected.
        message: String,
    },

    /// `model.json` could not be read.
    #[error("model.json: {message}")]
    InvalidModelJson {
        /// What was found and what was expected.
        message: String,
    },

    /// The model folder was written in a format that this version does not read.
    #[error("model.json: format {found} is unknown, this version reads format {supported}")]
    UnknownFormat {
        /// The format number of the folder.
        found: u32,
        /// The format number that this version reads.
        supported: u32,
    },

    /// The number of labels differs from the number of classes.
    #[error("model.json: {found} labels, expected {expected}, one for each class")]
    LabelCount {
        /// How many labels there are.
        found: usize,
        /// How many classes the network has.
        expected: usize,
    },

    /// Two classes of a model have the same label.
    #[error("model.json: the label \"{label}\" occurs twice, expected each label once")]
    DuplicateLabel {
        /// The label.
        label: String,
    },

    /// The weights are shorter than their header says.
    #[error("weights.safetensors is cut short: {message}")]
    TruncatedWeights {
        /// What was found and what was expected.
        message: String,
    },

    /// The weights are not a safetensors file.
    #[error("weights.safetensors: {message}")]
    InvalidWeights {
        /// What was found and what was expected.
        message: String,
    },

    /// A tensor of the network is not among the weights.
    #[error("weights.safetensors: tensor `{name}` is missing")]
    MissingTensor {
        /// Name of the tensor.
        name: String,
    },

    /// A tensor among the weights does not belong to the network.
    #[error("weights.safetensors: tensor `{name}` does not belong to the configured network")]
    UnexpectedTensor {
        /// Name of the tensor.
        name: String,
    },

    /// A tensor has another shape than the network.
    #[error("weights.safetensors: tensor `{name}` has the shape {found:?}, expected {expected:?}")]
    WrongShape {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape in the network.
        expected: Vec<usize>,
    },

    /// A tensor has an unsupported data type.
    #[error("weights.safetensors: tensor `{name}` has the type {found}, expected {expected}")]
    WrongDtype {
        /// Name of the tensor.
        name: String,
        /// Its data type.
        found: String,
        /// The supported data types.
        expected: &'static str,
    },

    /// An int8 tensor has no scales.
    #[error(
        "weights.safetensors: tensor `{name}` has the type I8, but its scales `{name}.scale` are missing"
    )]
    MissingScale {
        /// Name of the tensor.
        name: String,
    },

    /// There are scales for a tensor that is not int8, or that does not exist.
    #[error(
        "weights.safetensors: `{name}.scale` are the scales of no tensor: expected `{name}` with the type I8"
    )]
    OrphanScale {
        /// Name of the tensor that the scales would be for.
        name: String,
    },

    /// A scale of an int8 tensor is zero, negative or not finite.
    #[error(
        "weights.safetensors: `{name}.scale` holds {found} for column {column} (counted from 0): expected a \
         finite number above 0"
    )]
    InvalidScale {
        /// Name of the tensor.
        name: String,
        /// Index of the column, counted through all matrices of the tensor.
        column: usize,
        /// Its scale as read.
        found: f32,
    },

    /// A variance of batch normalisation is negative.
    #[error("weights.safetensors: tensor `{name}` holds the variance {found}: expected 0 or more")]
    NegativeVariance {
        /// Name of the tensor.
        name: String,
        /// The first that is negative.
        found: f32,
    },

    /// The network gives NaN or an infinity for a drawing.
    #[error("the network gives {found} for the drawing: its weights are damaged or too large")]
    NotFiniteOutput {
        /// The first such value.
        found: f32,
    },

    /// A tensor holds NaN or an infinity.
    #[error("weights.safetensors: tensor `{name}` holds a number that is not finite")]
    NotFinite {
        /// Name of the tensor.
        name: String,
    },
}
