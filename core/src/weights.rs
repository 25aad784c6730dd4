//! Reads and writes a network's weights as safetensors bytes.
//!
//! Tensors are named by their path in [`Model`], `lstms.0.recurrent` for one. Written as float32,
//! float16, or int8 with scales; read into float32.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::int8::{self, Quantized};
use crate::{Error, Model};

/// The data type in which weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightType {
    /// float32, exact.
    F32,
    /// float16, rounded to 11 significant bits.
    F16,
    /// int8 for matrices, with a float32 scale for each column; biases and other vectors are
    /// float32.
    Int8,
}

/// A tensor of a network in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// All tensors of a network by their names, for other formats than safetensors.
pub fn tensors<B: Backend>(model: &Model<B>) -> BTreeMap<String, NamedTensor> {
    let mut collector = Collector { path: Vec::new(), tensors: BTreeMap::new() };
    model.visit(&mut collector);
    collector.tensors
}

/// Writes a network's weights as safetensors.
///
/// With [`WeightType::Int8`] a matrix `NAME` `[R, C]` is of type I8, and `NAME.scale` `[C]` of type
/// F32 holds the scale of each column; matrices `[D, R, C]` have scales `[D, C]`.
///
/// # Errors
/// When a weight is not finite (or not in float16).
pub fn save<B: Backend>(model: &Model<B>, weight_type: WeightType) -> Result<Vec<u8>, Error> {
    let mut stored = Vec::new();
    for (name, tensor) in tensors(model) {
        if !tensor.values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite { name });
        }
        store(name, tensor, weight_type, &mut stored)?;
    }
    let mut views = Vec::with_capacity(stored.len());
    for Stored { name, dtype, shape, bytes } in &stored {
        views.push((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).map_err(invalid)?));
    }
    // Wide types come first in the file, so that every tensor is aligned.
    safetensors::serialize(views, None).map_err(invalid)
}

/// A tensor as it is stored in the file.
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn store(
    name: String,
    tensor: NamedTensor,
    weight_type: WeightType,
    stored: &mut Vec<Stored>,
) -> Result<(), Error> {
    let NamedTensor { shape, values } = tensor;
    let f32s = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    match (weight_type, int8::scale_shape(&shape)) {
        (WeightType::Int8, Some(scale_shape)) => {
            let Quantized { values, scales } =
                int8::quantize(&values, shape[shape.len() - 2], shape[shape.len() - 1]);
            stored.push(Stored {
                name: scale_name(&name),
                dtype: Dtype::F32,
                shape: scale_shape,
                bytes: f32s(&scales),
            });
            let bytes = values.iter().map(|value| value.to_le_bytes()[0]).collect();
            stored.push(Stored { name, dtype: Dtype::I8, shape, bytes });
        }
        (WeightType::F32, _) | (WeightType::Int8, None) => {
            stored.push(Stored { name, dtype: Dtype::F32, shape, bytes: f32s(&values) });
        }
        (WeightType::F16, _) => {
            let values: Vec<f16> = values.into_iter().map(f16::from_f32).collect();
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { name });
            }
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            stored.push(Stored { name, dtype: Dtype::F16, shape, bytes });
        }
    }
    Ok(())
}

const SCALE: &str = ".scale";

/// The variances of batch normalisation.
const VARIANCE: &str = ".running_var";

fn scale_name(name: &str) -> String {
    format!("{name}{SCALE}")
}

/// Loads stored weights into a network of the same configuration.
///
/// # Errors
/// When the bytes are not safetensors or end early; when a tensor is missing, superfluous, of
/// another shape or data type, or not finite; when a variance is negative; when the scales of an
/// int8 tensor are missing or not above 0, or belong to no int8 tensor.
pub fn load<B: Backend>(model: Model<B>, bytes: &[u8], device: &B::Device) -> Result<Model<B>, Error> {
    let reader = Reader::open(bytes)?;
    let mut loader =
        Loader::<B> { path: Vec::new(), reader, error: None, device: device.clone(), _backend: PhantomData };
    let model = model.map(&mut loader);
    match loader.error {
        Some(error) => Err(error),
        None => loader.reader.finish().map(|()| model),
    }
}

/// The network with its weights fake-quantized to int8: each matrix is rounded as
/// [`WeightType::Int8`] stores it, but with column scales that clip nothing. Weights that were
/// rounded once are stored without further loss.
///
/// The parameters keep their identities, so that the gradients of the rounded network can be
/// applied to the original ("straight-through estimator": Bengio et al., "Estimating or Propagating
/// Gradients Through Stochastic Neurons", 2013).
pub fn rounded<B: Backend>(model: Model<B>) -> Model<B> {
    model.map(&mut Rounder)
}

struct Rounder;

impl<B: Backend> ModuleMapper<B> for Rounder {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if D < 2 {
            return param;
        }
        param.map(|weights| {
            let requires_grad = weights.is_require_grad();
            let weights = weights.detach();
            let max_abs = weights.clone().abs().max_dim(D - 2);
            let scales = (max_abs / int8::MAX_INT8).clamp_min(f32::MIN_POSITIVE);
            ((weights / scales.clone()).round() * scales).detach().set_require_grad(requires_grad)
        })
    }
}

/// The data type of a file's weights.
///
/// # Errors
/// When the bytes are not safetensors or end early.
pub fn weight_type(bytes: &[u8]) -> Result<WeightType, Error> {
    let stored = Reader::open(bytes)?.stored;
    let has = |dtype| stored.values().any(|view| view.dtype() == dtype);
    Ok(match (has(Dtype::I8), has(Dtype::F16)) {
        (true, _) => WeightType::Int8,
        (false, true) => WeightType::F16,
        (false, false) => WeightType::F32,
    })
}

/// Whether the matrices of a file are int8.
///
/// # Errors
/// As [`weight_type`].
pub fn are_int8(bytes: &[u8]) -> Result<bool, Error> {
    Ok(weight_type(bytes)? == WeightType::Int8)
}

/// The tensors of a file, taken one by one.
pub(crate) struct Reader<'a> {
    stored: BTreeMap<String, TensorView<'a>>,
}

impl<'a> Reader<'a> {
    /// Reads the file's list of tensors.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| unreadable(error, bytes.len()))?;
        Ok(Self { stored: tensors.tensors().into_iter().collect() })
    }

    /// The tensor of that name as float32 numbers.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let view = self.take(name, shape)?;
        if !(view.dtype() == Dtype::I8 && int8::scale_shape(shape).is_some()) {
            let values = values(name, &view)?;
            // The square root of a variance is taken.
            let negative = values.iter().find(|&&value| value < 0.0 && name.ends_with(VARIANCE));
            return match negative {
                Some(&found) => Err(Error::NegativeVariance { name: name.to_owned(), found }),
                None => Ok(values),
            };
        }
        let quantized = self.scaled(name, &view, shape)?;
        let [.., n_rows, n_columns] = *shape else { unreachable!("scales have a shape for matrices alone") };
        Ok(int8::dequantize(&quantized, n_rows, n_columns))
    }

    /// The matrix (or consecutive matrices) of that name in int8, quantized if it is stored as
    /// floats.
    pub(crate) fn quantized(&mut self, name: &str, shape: &[usize]) -> Result<Quantized, Error> {
        let view = self.take(name, shape)?;
        if view.dtype() == Dtype::I8 {
            return self.scaled(name, &view, shape);
        }
        let (n_rows, n_columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        Ok(int8::quantize(&values(name, &view)?, n_rows, n_columns))
    }

    /// Checks that all tensors were taken.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.stored.into_keys().next() {
            Some(name) => Err(match name.strip_suffix(SCALE) {
                Some(name) => Error::OrphanScale { name: name.to_owned() },
                None => Error::UnexpectedTensor { name },
            }),
            None => Ok(()),
        }
    }

    fn take(&mut self, name: &str, expected: &[usize]) -> Result<TensorView<'a>, Error> {
        let view = self.stored.remove(name).ok_or_else(|| Error::MissingTensor { name: name.to_owned() })?;
        if view.shape() != expected {
            let (found, expected) = (view.shape().to_vec(), expected.to_vec());
            return Err(Error::WrongShape { name: name.to_owned(), found, expected });
        }
        Ok(view)
    }

    /// int8 values with their scales.
    fn scaled(&mut self, name: &str, view: &TensorView<'_>, shape: &[usize]) -> Result<Quantized, Error> {
        let scale_name = scale_name(name);
        let scales = self.stored.remove(&scale_name);
        let scales = scales.ok_or_else(|| Error::MissingScale { name: name.to_owned() })?;
        if scales.dtype() != Dtype::F32 {
            return Err(wrong_dtype(&scale_name, scales.dtype(), "F32"));
        }
        let expected = int8::scale_shape(shape).unwrap_or_default();
        if scales.shape() != expected {
            let found = scales.shape().to_vec();
            return Err(Error::WrongShape { name: scale_name, found, expected });
        }
        let scales: Vec<f32> = f32s(scales.data());
        if let Some(column) = scales.iter().position(|scale| !(scale.is_finite() && *scale > 0.0)) {
            return Err(Error::InvalidScale { name: name.to_owned(), column, found: scales[column] });
        }
        // A scale near the largest float32 is finite, but its products may not be.
        if !scales.iter().all(|scale| (scale * int8::MAX_INT8).is_finite()) {
            return Err(Error::NotFinite { name: name.to_owned() });
        }
        let values = view.data().iter().map(|&byte| i8::from_le_bytes([byte])).collect();
        Ok(Quantized { values, scales })
    }
}

fn invalid(error: SafeTensorError) -> Error {
    Error::InvalidWeights { message: error.to_string() }
}

fn unreadable(error: SafeTensorError, n_bytes: usize) -> Error {
    match error {
        SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::MetadataIncompleteBuffer => {
            Error::TruncatedWeights { message: format!("found {n_bytes} bytes, expected more ({error})") }
        }
        error => invalid(error),
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The float32 values of a tensor that is stored as floating-point numbers.
fn values(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, Error> {
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => f32s(view.data()),
        Dtype::F16 => {
            view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        found => {
            return Err(wrong_dtype(name, found, "F32, F16 or, for a matrix, I8"));
        }
    };
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(Error::NotFinite { name: name.to_owned() })
    }
}

fn wrong_dtype(name: &str, found: Dtype, expected: &'static str) -> Error {
    Error::WrongDtype { name: name.to_owned(), found: format!("{found:?}"), expected }
}

struct Collector {
    path: Vec<String>,
    tensors: BTreeMap<String, NamedTensor>,
}

impl<B: Backend> ModuleVisitor<B> for Collector {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let data = param.val().into_data().convert::<f32>();
        let shape = data.shape.to_vec();
        let values = data.into_vec().expect("float32 after the conversion");
        self.tensors.insert(self.path.join("."), NamedTensor { shape, values });
    }
}

struct Loader<'a, B: Backend> {
    path: Vec<String>,
    reader: Reader<'a>,
    error: Option<Error>,
    device: B::Device,
    _backend: PhantomData<B>,
}

impl<B: Backend> Loader<'_, B> {
    fn take<const D: usize>(&mut self, expected: Vec<usize>) -> Result<Tensor<B, D>, Error> {
        let values = self.reader.floats(&self.path.join("."), &expected)?;
        Ok(Tensor::from_data(TensorData::new(values, expected), &self.device))
    }
}

impl<B: Backend> ModuleMapper<B> for Loader<'_, B> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.error.is_some() {
            return param;
        }
        match self.take::<D>(param.lazy_shape().to_vec()) {
            Ok(tensor) => {
                let id = param.id;
                param.transform_for_load(tensor, id)
            }
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
