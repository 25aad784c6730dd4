//! A network's weights as safetensors bytes, and back.
//!
//! Tensors are named by their path in [`Model`], `lstms.0.recurrent` for one. Written as float32 or float16, read
//! into float32.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::{Error, Model};

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightType {
    /// Four bytes a number, exact.
    F32,
    /// Two bytes a number, rounded to 11 significant bits.
    F16,
}

/// Writes a network's weights as safetensors.
///
/// # Errors
/// When a weight is not finite (or not in float16).
pub fn save<B: Backend>(model: &Model<B>, weight_type: WeightType) -> Result<Vec<u8>, Error> {
    let mut collector = Collector { path: Vec::new(), tensors: BTreeMap::new() };
    model.visit(&mut collector);
    let mut stored = Vec::with_capacity(collector.tensors.len());
    for (name, (shape, values)) in collector.tensors {
        let mut bytes = Vec::with_capacity(values.len() * 4);
        let mut finite = true;
        for value in values {
            match weight_type {
                WeightType::F32 => {
                    finite &= value.is_finite();
                    bytes.extend(value.to_le_bytes());
                }
                WeightType::F16 => {
                    let value = f16::from_f32(value);
                    finite &= value.is_finite();
                    bytes.extend(value.to_le_bytes());
                }
            }
        }
        if !finite {
            return Err(Error::NotFinite { name });
        }
        stored.push((name, shape, bytes));
    }
    let dtype = match weight_type {
        WeightType::F32 => Dtype::F32,
        WeightType::F16 => Dtype::F16,
    };
    let mut views = Vec::with_capacity(stored.len());
    for (name, shape, bytes) in &stored {
        let view = TensorView::new(dtype, shape.clone(), bytes).map_err(invalid)?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(invalid)
}

/// Puts stored weights into a network of the same configuration.
///
/// # Errors
/// When the bytes are not safetensors or end early; when a tensor is missing, superfluous, of another shape or
/// number type, or not finite.
pub fn load<B: Backend>(model: Model<B>, bytes: &[u8], device: &B::Device) -> Result<Model<B>, Error> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| unreadable(error, bytes.len()))?;
    let mut loader = Loader::<B> {
        path: Vec::new(),
        stored: tensors.iter().collect(),
        error: None,
        device: device.clone(),
        _backend: PhantomData,
    };
    let model = model.map(&mut loader);
    if let Some(error) = loader.error {
        return Err(error);
    }
    match loader.stored.into_keys().next() {
        Some(name) => Err(Error::UnexpectedTensor { name: name.to_owned() }),
        None => Ok(model),
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

/// The float32 values of a stored tensor.
fn values(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, Error> {
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => {
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        Dtype::F16 => {
            view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        found => {
            return Err(Error::WrongDtype { name: name.to_owned(), found: format!("{found:?}") });
        }
    };
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(Error::NotFinite { name: name.to_owned() })
    }
}

struct Collector {
    path: Vec<String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
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
        self.tensors.insert(self.path.join("."), (shape, values));
    }
}

struct Loader<'a, B: Backend> {
    path: Vec<String>,
    stored: BTreeMap<&'a str, TensorView<'a>>,
    error: Option<Error>,
    device: B::Device,
    _backend: PhantomData<B>,
}

impl<B: Backend> Loader<'_, B> {
    fn take<const D: usize>(&mut self, expected: Vec<usize>) -> Result<Tensor<B, D>, Error> {
        let name = self.path.join(".");
        let view =
            self.stored.remove(name.as_str()).ok_or_else(|| Error::MissingTensor { name: name.clone() })?;
        if view.shape() != expected {
            return Err(Error::WrongShape { name, found: view.shape().to_vec(), expected });
        }
        let data = TensorData::new(values(&name, &view)?, expected);
        Ok(Tensor::from_data(data, &self.device))
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
