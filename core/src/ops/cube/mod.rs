//! The operations as kernels for GPUs, in the language of CubeCL, for every backend of burn-cubecl.
//!
//! In and out: the tensors of [`KernelBackend`]. Matrix products are the backend's own; the kernels here are what it
//! lacks: the walk through an LSTM's steps in one launch ([`lstm`]), the windows of a convolution ([`conv`]), and the way
//! from padded batches to the rows that exist and back ([`rows`]).

mod conv;
mod devices;
mod lstm;
mod precision;
mod rows;

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::kernel::matmul::MatmulStrategy;
use burn_cubecl::kernel::{cast, into_contiguous, matmul};
use burn_cubecl::ops::numeric;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};

use super::{ConvWeights, Float, KernelBackend, Lengths, LstmSaved, LstmWeights, plain};
#[cfg(feature = "cuda")]
pub use devices::n_cuda_devices;
#[cfg(feature = "wgpu")]
pub use devices::wgpu_adapter;
pub use precision::{Precision, PrecisionAlreadySet, precision, set_precision};

/// Every backend of burn-cubecl that computes in f32.
impl<R: CubeRuntime, Bool: BoolElement> KernelBackend for CubeBackend<R, f32, i32, Bool> {
    fn lstm_forward(
        x: Float<Self>,
        weights: LstmWeights<Float<Self>>,
        lengths: &Lengths,
    ) -> LstmSaved<Float<Self>> {
        let layer = lstm::Layer::of(&x, &weights);
        if !layer.fits(x.client.properties()) {
            return plain::lstm_forward::<Self>(x, weights, lengths);
        }
        layer.forward::<Self, R>(x, weights, lengths)
    }

    fn lstm_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        weights: LstmWeights<Float<Self>>,
        lengths: &Lengths,
        saved: LstmSaved<Float<Self>>,
    ) -> (Float<Self>, LstmWeights<Float<Self>>) {
        let layer = lstm::Layer::of(&x, &weights);
        if !layer.fits(x.client.properties()) {
            return plain::lstm_backward::<Self>(d_output, x, weights, lengths, saved);
        }
        layer.backward::<Self, R>(d_output, x, weights, lengths, saved)
    }

    fn conv_forward(
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        lengths: &Lengths,
    ) -> Float<Self> {
        conv::forward(x, weights, stride, lengths)
    }

    fn conv_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        lengths: &Lengths,
    ) -> (Float<Self>, ConvWeights<Float<Self>>) {
        conv::backward::<Self, R>(d_output, x, weights, stride, lengths)
    }
}

/// Values of a tensor that the kernels read or write, at most: they number them in 32 bits, and a loop steps once past the
/// end.
const MAX_VALUES: usize = 1 << 31;

fn assert_numbered(shape: &Shape) {
    let n_values = shape.num_elements();
    assert!(n_values <= MAX_VALUES, "{n_values} values are too many for one operation; use a smaller batch");
}

/// A contiguous f32 tensor on the device of `like`, whose values are still to be written.
fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: impl Into<Shape>) -> CubeTensor<R> {
    let shape = shape.into();
    assert_numbered(&shape);
    let (client, device) = (like.client.clone(), like.device.clone());
    numeric::empty_device_contiguous_dtype(client, device, shape, DType::F32)
}

/// A tensor of zeros on the device of `like`.
fn zeros<R: CubeRuntime>(like: &CubeTensor<R>, shape: impl Into<Shape>) -> CubeTensor<R> {
    numeric::zeros_client(like.client.clone(), like.device.clone(), shape.into(), DType::F32)
}

/// The product of two matrices, or of two batches of them, by the backend's own kernels in the [`precision`] that was set.
/// The result is contiguous and f32.
fn product<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let mut shape = a.shape();
    let last = shape.num_dims() - 1;
    shape[last] = b.shape()[last];
    let out = empty(&a, shape);
    let dtype = precision().dtype();
    let (a, b) = (cast(a, dtype), cast(b, dtype));
    matmul::matmul(a, b, Some(out), MatmulStrategy::default(), DType::F32)
        .unwrap_or_else(|error| panic!("the device has no kernel for this matrix product: {error:?}"))
}

/// The tensor as a kernel's array: its values in order.
fn array<R: CubeRuntime>(tensor: CubeTensor<R>) -> cubecl::prelude::ArrayArg<R> {
    assert_numbered(&tensor.shape());
    into_contiguous(tensor).into_array_arg()
}

fn dims<R: CubeRuntime, const D: usize>(tensor: &CubeTensor<R>) -> [usize; D] {
    tensor.shape().dims()
}
