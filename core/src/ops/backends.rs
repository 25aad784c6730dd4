//! Which backend uses which implementation of the operations.
//!
//! The backends are named here and nowhere else in this crate: by Rust's orphan rule, its traits
//! can be implemented for them only here. The backends of burn-cubecl (burn-cuda, burn-wgpu) have
//! one implementation in [`cube`](super::cube).

#[cfg(any(feature = "flex", feature = "ndarray"))]
mod on_host {
    use std::borrow::Cow;

    use burn::tensor::backend::Backend;
    use burn::tensor::{Shape, TensorData, TensorMetadata};

    use crate::Pooling;
    use crate::ops::host::{self, conv, image_conv, loss, lstm, norm, pool};
    use crate::ops::{
        AdamStep, ConvWeights, CrossEntropy, Dropout, Float, KernelBackend, Lengths, LstmSaved, LstmWeights,
        Normalized,
    };

    /// A backend whose tensors are in host memory.
    pub(super) trait HostBackend: Backend {
        /// The values of a tensor, row-major; copies only if they are not contiguous.
        fn values(tensor: &Float<Self>) -> Cow<'_, [f32]>;

        /// A tensor of these values.
        fn from_values(values: Vec<f32>, shape: impl Into<Shape>) -> Float<Self> {
            Self::float_from_data(TensorData::new(values, shape), &Self::Device::default())
        }
    }

    #[cfg(feature = "flex")]
    impl HostBackend for burn_flex::Flex {
        fn values(tensor: &Float<Self>) -> Cow<'_, [f32]> {
            match tensor.as_slice::<f32>() {
                Some(values) => Cow::Borrowed(values),
                None => Cow::Owned(tensor.to_contiguous().storage::<f32>().to_vec()),
            }
        }
    }

    #[cfg(feature = "ndarray")]
    impl HostBackend for burn_ndarray::NdArray<f32> {
        fn values(tensor: &Float<Self>) -> Cow<'_, [f32]> {
            let burn_ndarray::NdArrayTensor::F32(storage) = tensor else {
                panic!("the network computes in f32, not {:?}", tensor.dtype());
            };
            let view = storage.view();
            match view.to_slice() {
                Some(values) => Cow::Borrowed(values),
                None => Cow::Owned(view.iter().copied().collect()),
            }
        }
    }

    fn dims<B: Backend, const D: usize>(tensor: &Float<B>) -> [usize; D] {
        tensor.shape().dims()
    }

    fn lstm_shape<B: Backend>(x: &Float<B>, weights: &LstmWeights<Float<B>>) -> lstm::Shape {
        let [n_drawings, n_steps, d_input] = dims::<B, 3>(x);
        let [n_directions, d_hidden, _] = dims::<B, 3>(&weights.recurrent);
        lstm::Shape { n_drawings, n_steps, d_input, d_hidden, n_directions }
    }

    fn conv_shape<B: Backend>(x: &Float<B>, weights: &ConvWeights<Float<B>>, stride: usize) -> conv::Shape {
        let [n_drawings, n_steps, d_input] = dims::<B, 3>(x);
        let [d_window, d_output] = dims::<B, 2>(&weights.weight);
        let kernel_len = d_window / d_input;
        conv::Shape { n_drawings, n_steps, d_input, d_output, kernel_len, stride }
    }

    fn image_conv_shape<B: Backend>(
        x: &Float<B>,
        weights: &ConvWeights<Float<B>>,
        stride: usize,
    ) -> image_conv::Shape {
        let [n_images, n_pixels, d_input] = dims::<B, 3>(x);
        let [_, d_output] = dims::<B, 2>(&weights.weight);
        image_conv::Shape { n_images, side: n_pixels.isqrt(), d_input, d_output, stride }
    }

    impl<B: HostBackend> HostKernels for B {}

    /// The operations of [`crate::ops::host`] on tensors.
    pub(super) trait HostKernels: HostBackend {
        fn lstm_forward_on_host(
            x: Float<Self>,
            weights: LstmWeights<Float<Self>>,
            lengths: &Lengths,
        ) -> LstmSaved<Float<Self>> {
            let shape = lstm_shape::<Self>(&x, &weights);
            let forward = lstm::forward(
                &Self::values(&x),
                lstm::Weights {
                    input: &Self::values(&weights.input),
                    recurrent: &Self::values(&weights.recurrent),
                    bias: &Self::values(&weights.bias),
                },
                lengths.as_slice(),
                shape,
                host::arithmetic(),
            );
            let lstm::Shape { n_drawings, n_steps, d_hidden, n_directions, .. } = shape;
            let n_rows: usize = lengths.as_slice().iter().sum();
            LstmSaved {
                output: Self::from_values(forward.output, [n_drawings, n_steps, n_directions * d_hidden]),
                gates: Self::from_values(forward.gates, [n_directions, n_rows, 4 * d_hidden]),
                cells: Self::from_values(forward.cells, [n_directions, n_rows, d_hidden]),
            }
        }

        fn lstm_backward_on_host(
            d_output: Float<Self>,
            x: Float<Self>,
            weights: LstmWeights<Float<Self>>,
            lengths: &Lengths,
            saved: LstmSaved<Float<Self>>,
        ) -> (Float<Self>, LstmWeights<Float<Self>>) {
            let shape = lstm_shape::<Self>(&x, &weights);
            let gradients = lstm::backward(
                &Self::values(&d_output),
                &Self::values(&x),
                lstm::Weights {
                    input: &Self::values(&weights.input),
                    recurrent: &Self::values(&weights.recurrent),
                    bias: &Self::values(&weights.bias),
                },
                lengths.as_slice(),
                shape,
                host::arithmetic(),
                &Self::values(&saved.output),
                &Self::values(&saved.gates),
                &Self::values(&saved.cells),
            );
            let lstm::Shape { n_drawings, n_steps, d_input, d_hidden, n_directions } = shape;
            let width = n_directions * 4 * d_hidden;
            (
                Self::from_values(gradients.x, [n_drawings, n_steps, d_input]),
                LstmWeights {
                    input: Self::from_values(gradients.input, [d_input, width]),
                    recurrent: Self::from_values(gradients.recurrent, [n_directions, d_hidden, 4 * d_hidden]),
                    bias: Self::from_values(gradients.bias, [width]),
                },
            )
        }

        fn conv_forward_on_host(
            x: Float<Self>,
            weights: ConvWeights<Float<Self>>,
            stride: usize,
            lengths: &Lengths,
        ) -> Float<Self> {
            let shape = conv_shape::<Self>(&x, &weights, stride);
            let output = conv::forward(
                &Self::values(&x),
                &Self::values(&weights.weight),
                &Self::values(&weights.bias),
                lengths.as_slice(),
                shape,
                host::arithmetic(),
            );
            Self::from_values(output, [shape.n_drawings, shape.n_output_steps(), shape.d_output])
        }

        fn image_conv_forward_on_host(
            x: Float<Self>,
            weights: ConvWeights<Float<Self>>,
            stride: usize,
        ) -> Float<Self> {
            let shape = image_conv_shape::<Self>(&x, &weights, stride);
            let output = image_conv::forward(
                &Self::values(&x),
                &Self::values(&weights.weight),
                &Self::values(&weights.bias),
                shape,
                host::arithmetic(),
            );
            Self::from_values(output, [shape.n_images, shape.output_side().pow(2), shape.d_output])
        }

        fn image_conv_backward_on_host(
            d_output: Float<Self>,
            x: Float<Self>,
            weights: ConvWeights<Float<Self>>,
            stride: usize,
            wants_d_x: bool,
        ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
            let shape = image_conv_shape::<Self>(&x, &weights, stride);
            let gradients = image_conv::backward(
                &Self::values(&d_output),
                &Self::values(&x),
                &Self::values(&weights.weight),
                shape,
                host::arithmetic(),
                wants_d_x,
            );
            let weight_shape = weights.weight.shape();
            (
                gradients.x.map(|d_x| Self::from_values(d_x, x.shape())),
                ConvWeights {
                    weight: Self::from_values(gradients.weight, weight_shape),
                    bias: Self::from_values(gradients.bias, [shape.d_output]),
                },
            )
        }

        fn norm_relu_forward_on_host(
            x: Float<Self>,
            gamma: Float<Self>,
            beta: Float<Self>,
            epsilon: f32,
        ) -> Normalized<Float<Self>> {
            let found =
                norm::forward(&Self::values(&x), &Self::values(&gamma), &Self::values(&beta), epsilon);
            Normalized {
                output: Self::from_values(found.output, x.shape()),
                mean: Self::from_values(found.mean, gamma.shape()),
                variance: Self::from_values(found.variance, gamma.shape()),
            }
        }

        fn norm_relu_backward_on_host(
            d_output: Float<Self>,
            x: Float<Self>,
            gamma: Float<Self>,
            beta: Float<Self>,
            [mean, variance]: [Float<Self>; 2],
            epsilon: f32,
        ) -> [Float<Self>; 3] {
            let [d_x, d_gamma, d_beta] = norm::backward(
                &Self::values(&d_output),
                &Self::values(&x),
                [&Self::values(&gamma), &Self::values(&beta)],
                [&Self::values(&mean), &Self::values(&variance)],
                epsilon,
            );
            let of_channels = |values| Self::from_values(values, gamma.shape());
            [Self::from_values(d_x, x.shape()), of_channels(d_gamma), of_channels(d_beta)]
        }

        fn pool_forward_on_host(x: Float<Self>, pooling: Pooling, lengths: &Lengths) -> Float<Self> {
            let [n_drawings, n_steps, c] = dims::<Self, 3>(&x);
            let output = pool::forward(&Self::values(&x), lengths.as_slice(), n_steps, c, pooling);
            Self::from_values(output, [n_drawings, pooling.n_parts() * c])
        }

        fn pool_backward_on_host(
            d_output: Float<Self>,
            x: Float<Self>,
            pooling: Pooling,
            lengths: &Lengths,
        ) -> Float<Self> {
            let [n_drawings, n_steps, c] = dims::<Self, 3>(&x);
            let d_x = pool::backward(
                &Self::values(&d_output),
                &Self::values(&x),
                lengths.as_slice(),
                n_steps,
                c,
                pooling,
            );
            Self::from_values(d_x, [n_drawings, n_steps, c])
        }

        fn dropout_on_host(x: Float<Self>, dropout: Dropout) -> Float<Self> {
            let [n_drawings, n_steps, c] = dims::<Self, 3>(&x);
            let output = host::dropout::dropout(&Self::values(&x), n_steps * c, c, dropout);
            Self::from_values(output, [n_drawings, n_steps, c])
        }

        fn adam_on_host(
            parameter: Float<Self>,
            gradient: Float<Self>,
            moments: [Float<Self>; 2],
            step: AdamStep,
        ) -> (Float<Self>, [Float<Self>; 2]) {
            let shape = parameter.shape();
            let [first, second] = &moments;
            let [parameter, first, second] = host::adam::step(
                &Self::values(&parameter),
                &Self::values(&gradient),
                [&Self::values(first), &Self::values(second)],
                &step,
            );
            let tensor = |values| Self::from_values(values, shape.clone());
            (tensor(parameter), [tensor(first), tensor(second)])
        }

        fn cross_entropy_on_host(
            logits: Float<Self>,
            targets: Float<Self>,
            labels: &[usize],
        ) -> CrossEntropy<Float<Self>> {
            let [n_drawings, n_classes] = dims::<Self, 2>(&logits);
            let found =
                loss::cross_entropy(&Self::values(&logits), &Self::values(&targets), labels, n_classes);
            CrossEntropy {
                loss: Self::from_values(vec![found.loss], [1]),
                d_logits: Self::from_values(found.d_logits, [n_drawings, n_classes]),
                n_correct: Self::from_values(vec![found.n_correct as f32], [1]),
            }
        }

        fn sum_of_squares_on_host(tensors: Vec<Float<Self>>) -> Float<Self> {
            assert!(!tensors.is_empty(), "at least one tensor");
            let sum = tensors.iter().map(|x| host::adam::sum_of_squares(&Self::values(x))).sum::<f64>();
            Self::from_values(vec![sum as f32], [1])
        }

        fn scale_on_host(x: Float<Self>, factor: Float<Self>) -> Float<Self> {
            let factor = Self::values(&factor)[0];
            // Without clipping the factor is 1, and there is nothing to do.
            if factor == 1.0 { x } else { Self::float_mul_scalar(x, factor.into()) }
        }

        fn conv_backward_on_host(
            d_output: Float<Self>,
            x: Float<Self>,
            weights: ConvWeights<Float<Self>>,
            stride: usize,
            lengths: &Lengths,
            wants_d_x: bool,
        ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
            let shape = conv_shape::<Self>(&x, &weights, stride);
            let gradients = conv::backward(
                &Self::values(&d_output),
                &Self::values(&x),
                &Self::values(&weights.weight),
                lengths.as_slice(),
                shape,
                wants_d_x,
                host::arithmetic(),
            );
            let d_window = shape.kernel_len * shape.d_input;
            let x_shape = [shape.n_drawings, shape.n_steps, shape.d_input];
            (
                gradients.x.map(|d_x| Self::from_values(d_x, x_shape)),
                ConvWeights {
                    weight: Self::from_values(gradients.weight, [d_window, shape.d_output]),
                    bias: Self::from_values(gradients.bias, [shape.d_output]),
                },
            )
        }
    }

    macro_rules! kernels_on_host {
        ($backend:ty) => {
            impl KernelBackend for $backend {
                fn lstm_forward(
                    x: Float<Self>,
                    weights: LstmWeights<Float<Self>>,
                    lengths: &Lengths,
                ) -> LstmSaved<Float<Self>> {
                    Self::lstm_forward_on_host(x, weights, lengths)
                }

                fn lstm_backward(
                    d_output: Float<Self>,
                    x: Float<Self>,
                    weights: LstmWeights<Float<Self>>,
                    lengths: &Lengths,
                    saved: LstmSaved<Float<Self>>,
                ) -> (Float<Self>, LstmWeights<Float<Self>>) {
                    Self::lstm_backward_on_host(d_output, x, weights, lengths, saved)
                }

                fn conv_forward(
                    x: Float<Self>,
                    weights: ConvWeights<Float<Self>>,
                    stride: usize,
                    lengths: &Lengths,
                ) -> Float<Self> {
                    Self::conv_forward_on_host(x, weights, stride, lengths)
                }

                fn conv_backward(
                    d_output: Float<Self>,
                    x: Float<Self>,
                    weights: ConvWeights<Float<Self>>,
                    stride: usize,
                    lengths: &Lengths,
                    wants_d_x: bool,
                ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
                    Self::conv_backward_on_host(d_output, x, weights, stride, lengths, wants_d_x)
                }

                fn image_conv_forward(
                    x: Float<Self>,
                    weights: ConvWeights<Float<Self>>,
                    stride: usize,
                ) -> Float<Self> {
                    Self::image_conv_forward_on_host(x, weights, stride)
                }

                fn image_conv_backward(
                    d_output: Float<Self>,
                    x: Float<Self>,
                    weights: ConvWeights<Float<Self>>,
                    stride: usize,
                    wants_d_x: bool,
                ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
                    Self::image_conv_backward_on_host(d_output, x, weights, stride, wants_d_x)
                }

                fn norm_relu_forward(
                    x: Float<Self>,
                    gamma: Float<Self>,
                    beta: Float<Self>,
                    epsilon: f32,
                ) -> Normalized<Float<Self>> {
                    Self::norm_relu_forward_on_host(x, gamma, beta, epsilon)
                }

                fn norm_relu_backward(
                    d_output: Float<Self>,
                    x: Float<Self>,
                    gamma: Float<Self>,
                    beta: Float<Self>,
                    statistics: [Float<Self>; 2],
                    epsilon: f32,
                ) -> [Float<Self>; 3] {
                    Self::norm_relu_backward_on_host(d_output, x, gamma, beta, statistics, epsilon)
                }

                fn pool_forward(x: Float<Self>, pooling: Pooling, lengths: &Lengths) -> Float<Self> {
                    Self::pool_forward_on_host(x, pooling, lengths)
                }

                fn pool_backward(
                    d_output: Float<Self>,
                    x: Float<Self>,
                    pooling: Pooling,
                    lengths: &Lengths,
                ) -> Float<Self> {
                    Self::pool_backward_on_host(d_output, x, pooling, lengths)
                }

                fn dropout(x: Float<Self>, dropout: Dropout) -> Float<Self> {
                    Self::dropout_on_host(x, dropout)
                }

                fn adam(
                    parameter: Float<Self>,
                    gradient: Float<Self>,
                    moments: [Float<Self>; 2],
                    step: AdamStep,
                ) -> (Float<Self>, [Float<Self>; 2]) {
                    Self::adam_on_host(parameter, gradient, moments, step)
                }

                fn cross_entropy(
                    logits: Float<Self>,
                    targets: Float<Self>,
                    labels: &[usize],
                ) -> CrossEntropy<Float<Self>> {
                    Self::cross_entropy_on_host(logits, targets, labels)
                }

                fn sum_of_squares(tensors: Vec<Float<Self>>) -> Float<Self> {
                    Self::sum_of_squares_on_host(tensors)
                }

                fn scale(x: Float<Self>, factor: Float<Self>) -> Float<Self> {
                    Self::scale_on_host(x, factor)
                }
            }
        };
    }

    #[cfg(feature = "flex")]
    kernels_on_host!(burn_flex::Flex);
    #[cfg(feature = "ndarray")]
    kernels_on_host!(burn_ndarray::NdArray<f32>);
}
