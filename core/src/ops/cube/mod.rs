//! The operations as kernels for GPUs, in the language of CubeCL, for every backend of burn-cubecl.
//!
//! In and out: the tensors of [`KernelBackend`]. Matrix products are the backend's own; the kernels
//! here are what it lacks: the recurrence of an LSTM in one launch ([`lstm`]), the windows of a
//! convolution ([`conv`]), packing and unpacking of padded batches ([`packing`]), and fused
//! element-wise operations ([`pool`], [`mod@dropout`], [`loss`], [`adam`]).

mod adam;
mod conv;
mod devices;
mod dropout;
mod loss;
mod lstm;
mod packing;
mod pool;
mod precision;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape, Tensor, TensorMetadata};
use burn_cubecl::kernel::matmul::MatmulStrategy;
use burn_cubecl::kernel::{cast, into_contiguous, matmul};
use burn_cubecl::ops::numeric;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};
use cubecl::prelude::{ArrayArg, ComputeClient, CubeCount, CubeDim, CubeElement};

use super::{
    AdamStep, ConvWeights, CrossEntropy, Dropout, Float, KernelBackend, Lengths, LstmSaved, LstmWeights,
    float, plain, tensor,
};
use crate::Pooling;
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
        wants_d_x: bool,
    ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
        conv::backward::<Self, R>(d_output, x, weights, stride, lengths, wants_d_x)
    }

    fn pool_forward(x: Float<Self>, pooling: Pooling, lengths: &Lengths) -> Float<Self> {
        pool::forward(x, pooling, lengths)
    }

    fn pool_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        pooling: Pooling,
        lengths: &Lengths,
    ) -> Float<Self> {
        pool::backward(d_output, x, pooling, lengths)
    }

    fn dropout(x: Float<Self>, dropout: Dropout) -> Float<Self> {
        dropout::dropout(x, dropout)
    }

    fn adam(
        parameter: Float<Self>,
        gradient: Float<Self>,
        moments: [Float<Self>; 2],
        step: AdamStep,
    ) -> (Float<Self>, [Float<Self>; 2]) {
        adam::step(parameter, gradient, moments, step)
    }

    fn cross_entropy(
        logits: Float<Self>,
        targets: Float<Self>,
        labels: &[usize],
    ) -> CrossEntropy<Float<Self>> {
        loss::cross_entropy(logits, targets, labels)
    }

    fn sum_of_squares(tensors: Vec<Float<Self>>) -> Float<Self> {
        adam::sum_of_squares(tensors)
    }

    fn scale(x: Float<Self>, factor: Float<Self>) -> Float<Self> {
        adam::scale(x, factor)
    }
}

/// Threads per block of the kernels without a launch plan.
const N_UNITS: u32 = 256;

/// Blocks for a kernel over `n_values` values.
fn flat_cubes<R: CubeRuntime>(client: &ComputeClient<R>, n_values: usize) -> (CubeCount, CubeDim) {
    let max_cubes = client.properties().hardware.max_cube_count.0 as usize;
    let n_cubes = n_values.div_ceil(N_UNITS as usize).clamp(1, max_cubes);
    (CubeCount::Static(n_cubes as u32, 1, 1), CubeDim::new_1d(N_UNITS))
}

/// Maximum values of a tensor in a kernel: element indices have 32 bits, and a loop steps once past
/// the end.
const MAX_VALUES: usize = 1 << 31;

fn assert_indexable(shape: &Shape) {
    let n_values = shape.num_elements();
    assert!(n_values <= MAX_VALUES, "{n_values} values are too many for one operation; use a smaller batch");
}

/// An uninitialised contiguous f32 tensor on the device of `like`.
fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: impl Into<Shape>) -> CubeTensor<R> {
    let shape = shape.into();
    assert_indexable(&shape);
    let (client, device) = (like.client.clone(), like.device.clone());
    numeric::empty_device_contiguous_dtype(client, device, shape, DType::F32)
}

/// A tensor of zeros on the device of `like`.
fn zeros<R: CubeRuntime>(like: &CubeTensor<R>, shape: impl Into<Shape>) -> CubeTensor<R> {
    numeric::zeros_client(like.client.clone(), like.device.clone(), shape.into(), DType::F32)
}

/// The product of two matrices, or of two batches of them, by the backend's own kernels in the
/// configured [`precision`]. The result is contiguous and f32.
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

/// The product `[N, C]`ᵀ `[N, M]`, `[C, M]`, in the configured [`precision`]. A batch has up to a
/// million rows and few columns: as one product it would keep only a few multiprocessors busy, so
/// the rows are split into parts ([`packing::Packing`]) whose products are summed.
fn product_over_rows<B, R: CubeRuntime>(
    a: CubeTensor<R>,
    b: CubeTensor<R>,
    packing: &packing::Packing<R>,
) -> CubeTensor<R>
where
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let ([_, c], [_, m]) = (dims(&a), dims(&b));
    let n_parts = packing.n_parts;
    let cut = |matrix: CubeTensor<R>, width: usize| -> Tensor<B, 3> {
        tensor::<B, 2>(matrix).reshape([n_parts, packing.n_rows / n_parts, width])
    };
    let products = product(float(cut(a, c).transpose()), float(cut(b, m))); // [parts, C, M]
    let products: Tensor<B, 2> = tensor::<B, 3>(products).reshape([n_parts, c * m]);
    let sum: Tensor<B, 2> = tensor(packing::sum_rows(float(products)));
    float(sum.reshape([c, m]))
}

/// Indices below 2^32 as a kernel's array of `u32`.
fn indices<R: CubeRuntime>(client: &ComputeClient<R>, numbers: &[usize]) -> ArrayArg<R> {
    let numbers: Vec<u32> = numbers.iter().map(|&number| number as u32).collect();
    let handle = client.create_from_slice(u32::as_bytes(&numbers));
    // SAFETY: this is the number of values in the buffer.
    unsafe { ArrayArg::from_raw_parts(handle, numbers.len()) }
}

/// The tensor as a kernel's array, its values in memory order.
fn array<R: CubeRuntime>(tensor: CubeTensor<R>) -> ArrayArg<R> {
    assert_indexable(&tensor.shape());
    into_contiguous(tensor).into_array_arg()
}

fn dims<R: CubeRuntime, const D: usize>(tensor: &CubeTensor<R>) -> [usize; D] {
    tensor.shape().dims()
}
