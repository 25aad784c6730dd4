//! The operations and their gradients: every implementation against the reference, and against
//! finite differences.

mod common;

use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData, TensorPrimitive, activation};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use common::{
    Case, PARTS, adam_by, adam_cases, assert_adam_close, assert_close, assert_loss_close, conv_by, flat,
    loss_by, loss_cases, lstm_by, lstm_data, random,
};
use quickdraw_core::Pooling;
use quickdraw_core::ops::{
    self, AdamStep, Dropout, Float, KernelBackend, Lengths, LstmWeights, ModelBackend, plain,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

type Differentiable = Autodiff<Flex>;

/// Flex with nothing but its tensor operations: the defaults of `KernelBackend` are tested through
/// it.
mod plain_kernels {
    use super::*;

    pub fn lstm(
        x: &Tensor<Flex, 3>,
        weights: &LstmWeights<Float<Flex>>,
        lengths: &Lengths,
        d_output: Tensor<Flex, 3>,
    ) -> Vec<Vec<f32>> {
        let x = x.clone().into_primitive().tensor();
        let saved = plain::lstm_forward::<Flex>(x.clone(), weights.clone(), lengths);
        let output = saved.output.clone();
        let d_output = d_output.into_primitive().tensor();
        let (d_x, d) = plain::lstm_backward::<Flex>(d_output, x, weights.clone(), lengths, saved);
        [output, d_x, d.input, d.recurrent, d.bias].map(|t| t.into_data().to_vec().unwrap()).into()
    }
}

fn cases() -> Vec<Case> {
    let case = |lengths: &[usize], n_steps, d_input, d_hidden, n_directions| Case {
        lengths: lengths.to_vec(),
        n_steps,
        d_input,
        d_hidden,
        n_directions,
    };
    vec![
        case(&[5], 5, 3, 4, 2),
        case(&[1], 1, 1, 1, 2),
        case(&[4, 7, 1, 7, 0, 3], 7, 3, 5, 2),
        case(&[2, 3], 6, 6, 16, 2),
        case(&[0, 0], 2, 2, 3, 2),
        case(&[6, 2, 9], 9, 4, 8, 1),
        // Several shards, blocks of columns, and chunks of rows.
        case(&(0..75).map(|b| (b * 7) % 23).collect::<Vec<_>>(), 22, 17, 37, 2),
        case(&[13; 40], 13, 70, 70, 2),
    ]
}

#[test]
fn lstm_and_its_gradients_agree_with_autodiff_of_the_reference() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (number, case) in cases().iter().enumerate() {
        let data = lstm_data(&mut rng, case);
        let lengths = Lengths::new(case.lengths.clone());
        let expected = lstm_by::<Differentiable>(&data, |x, input, recurrent, bias| {
            let weights = LstmWeights { input: input.unsqueeze(), recurrent, bias: bias.unsqueeze() };
            let [output, _, _] = plain::lstm(x, weights, &lengths);
            output
        });
        let by_flex = lstm_by::<Differentiable>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
        let by_ndarray = lstm_by::<Autodiff<NdArray>>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
        let device = Default::default();
        let weights = LstmWeights {
            input: Tensor::<Flex, 2>::from_data(data[1].clone(), &device).into_primitive().tensor(),
            recurrent: Tensor::<Flex, 3>::from_data(data[2].clone(), &device).into_primitive().tensor(),
            bias: Tensor::<Flex, 1>::from_data(data[3].clone(), &device).into_primitive().tensor(),
        };
        let by_plain_kernels = plain_kernels::lstm(
            &Tensor::from_data(data[0].clone(), &device),
            &weights,
            &lengths,
            Tensor::from_data(data[4].clone(), &device),
        );
        for (form, found) in [("flex", by_flex), ("ndarray", by_ndarray), ("plain kernels", by_plain_kernels)]
        {
            for (part, (found, expected)) in PARTS.iter().zip(found.iter().zip(&expected)) {
                assert_close(&format!("case {number}, {form}, {part}"), found, expected, 1e-5);
            }
        }
    }
}

#[test]
fn lstm_gradients_agree_with_finite_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let case = &cases()[2];
    let data = lstm_data(&mut rng, case);
    let lengths = Lengths::new(case.lengths.clone());
    let gradients = lstm_by::<Differentiable>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
    let device = Default::default();
    let loss = |data: &[TensorData; 5]| -> f64 {
        let output = ops::lstm::<Flex>(
            Tensor::from_data(data[0].clone(), &device),
            Tensor::from_data(data[1].clone(), &device),
            Tensor::from_data(data[2].clone(), &device),
            Tensor::from_data(data[3].clone(), &device),
            &lengths,
        );
        let weight = data[4].as_slice::<f32>().unwrap();
        flat(output).iter().zip(weight).map(|(a, b)| f64::from(a * b)).sum()
    };
    for part in 0..4 {
        for _ in 0..40 {
            let i = rng.random_range(0..data[part].num_elements());
            let step = 1e-2;
            let moved = |by: f32| {
                let mut data = data.clone();
                data[part].as_mut_slice::<f32>().unwrap()[i] += by;
                loss(&data)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let found = f64::from(gradients[part + 1][i]);
            assert!(
                (found - slope).abs() < 2e-3 * (1.0 + slope.abs()),
                "{}[{i}]: {found}, by differences {slope}",
                PARTS[part + 1]
            );
        }
    }
}

/// An LSTM of which all weights differ, by PyTorch: `reference/lstm_reference.py`.
#[test]
fn lstm_and_its_gradients_agree_with_pytorch() {
    let reference: Value = serde_json::from_str(include_str!("reference/lstm_reference.json")).unwrap();
    let lengths = Lengths::new(serde_json::from_value::<Vec<usize>>(reference["lengths"].clone()).unwrap());
    let tensor = |name: &str| -> TensorData {
        let Value::Object(tensor) = &reference["tensors"][name] else { panic!("no tensor {name}") };
        let values: Vec<f32> = serde_json::from_value(tensor["values"].clone()).unwrap();
        let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
        TensorData::new(values, shape)
    };
    let data = ["x", "input", "recurrent", "bias", "d_output"].map(tensor);
    let by_flex = lstm_by::<Differentiable>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
    let by_ndarray = lstm_by::<Autodiff<NdArray>>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
    let by_plain = lstm_by::<Differentiable>(&data, |x, input, recurrent, bias| {
        let weights = LstmWeights { input: input.unsqueeze(), recurrent, bias: bias.unsqueeze() };
        let [output, _, _] = plain::lstm(x, weights, &lengths);
        output
    });
    let names = ["output", "d_x", "d_input", "d_recurrent", "d_bias"];
    for (form, found) in [("flex", by_flex), ("ndarray", by_ndarray), ("plain", by_plain)] {
        for (name, found) in names.into_iter().zip(found) {
            assert_close(&format!("{form}, {name}"), &found, &tensor(name).to_vec::<f32>().unwrap(), 1e-5);
        }
    }
}

#[test]
fn lstm_ignores_what_lies_in_the_padding() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let case = &cases()[2];
    let data = lstm_data(&mut rng, case);
    let lengths = Lengths::new(case.lengths.clone());
    let device = Default::default();
    let run = |x: TensorData| {
        let x = Tensor::<Flex, 3>::from_data(x, &device);
        let input = Tensor::<Flex, 2>::from_data(data[1].clone(), &device);
        let recurrent = Tensor::<Flex, 3>::from_data(data[2].clone(), &device);
        let bias = Tensor::<Flex, 1>::from_data(data[3].clone(), &device);
        let by_flex = ops::lstm(x.clone(), input.clone(), recurrent.clone(), bias.clone(), &lengths);
        let weights = LstmWeights { input: input.unsqueeze(), recurrent, bias: bias.unsqueeze() };
        let [by_plain, _, _] = plain::lstm(x, weights, &lengths);
        [flat(by_flex), flat(by_plain)]
    };
    let mut disturbed = data[0].clone();
    let values = disturbed.as_mut_slice::<f32>().unwrap();
    for (b, &length) in case.lengths.iter().enumerate() {
        let row = case.n_steps * case.d_input;
        values[b * row + length * case.d_input..(b + 1) * row].fill(f32::NAN);
    }
    assert_eq!(run(data[0].clone()), run(disturbed));
}

#[test]
fn convolution_and_its_gradients_agree_with_the_reference_and_with_burn() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let device = Default::default();
    for (lengths, n_steps, kernel_len, stride) in [
        (vec![7usize], 7usize, 5usize, 1usize),
        (vec![1, 9, 0, 4], 9, 5, 1),
        (vec![3, 9, 8, 2], 9, 5, 2),
        (vec![3, 1, 8], 11, 3, 3),
        (vec![2, 6], 6, 4, 2),
        (vec![5, 2], 6, 1, 1),
    ] {
        let (b, c, n) = (lengths.len(), 3, 4);
        let n_output = n_steps.div_ceil(stride);
        let data = [
            random(&mut rng, [b, n_steps, c]),
            random(&mut rng, [kernel_len * c, n]),
            random(&mut rng, [n]),
            random(&mut rng, [b, n_output, n]),
        ];
        let of = Lengths::new(lengths.clone());
        let what = format!("lengths {lengths:?}, kernel {kernel_len}, stride {stride}");
        let expected = conv_by::<Differentiable>(&data, |x, w, b| plain::conv(x, w, b, stride, &of));
        let by_flex = conv_by::<Differentiable>(&data, |x, w, b| ops::conv(x, w, b, stride, &of));
        let by_ndarray = conv_by::<Autodiff<NdArray>>(&data, |x, w, b| ops::conv(x, w, b, stride, &of));
        let primitive =
            |i: usize| Tensor::<Flex, 3>::from_data(data[i].clone(), &device).into_primitive().tensor();
        let weights = ops::ConvWeights {
            weight: Tensor::<Flex, 2>::from_data(data[1].clone(), &device).into_primitive().tensor(),
            bias: Tensor::<Flex, 1>::from_data(data[2].clone(), &device).into_primitive().tensor(),
        };
        let output = plain::conv_forward::<Flex>(primitive(0), weights.clone(), stride, &of);
        let (d_x, d) = plain::conv_backward::<Flex>(primitive(3), primitive(0), weights, stride, &of, true);
        let by_plain_kernels: Vec<Vec<f32>> =
            [output, d_x.unwrap(), d.weight, d.bias].map(|t| t.into_data().to_vec().unwrap()).into();
        for (form, found) in [("flex", by_flex), ("ndarray", by_ndarray), ("plain kernels", by_plain_kernels)]
        {
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_close(&format!("{what}, {form}, part {part}"), found, expected, 1e-5);
            }
        }

        // burn's own convolution of each drawing alone: the same window as TensorFlow's SAME at
        // stride 1.
        let weight = Tensor::<Flex, 2>::from_data(data[1].clone(), &device)
            .reshape([kernel_len, c, n])
            .permute([2, 1, 0]);
        let bias = Tensor::<Flex, 1>::from_data(data[2].clone(), &device);
        for (drawing, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let left = (kernel_len - 1) / 2;
            let x = Tensor::<Flex, 3>::from_data(data[0].clone(), &device)
                .slice([drawing..drawing + 1, 0..length])
                .swap_dims(1, 2);
            let x = x.pad([(0, 0), (0, 0), (left, kernel_len - 1 - left)], 0.0);
            let options = burn::tensor::ops::ConvOptions::new([stride], [0], [1], 1);
            let by_burn = burn::tensor::module::conv1d(x, weight.clone(), Some(bias.clone()), options);
            let by_burn = flat(by_burn.swap_dims(1, 2));
            let ours = &expected[0][drawing * n_output * n..][..by_burn.len()];
            assert_close(&format!("{what}, burn's, drawing {drawing}"), ours, &by_burn, 1e-5);
        }
    }
}

#[test]
fn image_convolution_and_its_gradients_agree_with_the_reference_and_with_burn() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let device = Default::default();
    for (n_images, side, c, n, stride) in [
        (1, 1, 1, 1, 1),
        (2, 5, 3, 4, 1),
        (3, 6, 2, 5, 2),
        (2, 7, 4, 3, 2),
        (2, 8, 3, 2, 3),
        (37, 9, 5, 7, 1),
    ] {
        let side_out = usize::div_ceil(side, stride);
        let data = [
            random(&mut rng, [n_images, side * side, c]),
            random(&mut rng, [9 * c, n]),
            random(&mut rng, [n]),
            random(&mut rng, [n_images, side_out * side_out, n]),
        ];
        let what = format!("{n_images} images of {side} pixels, {c} channels, stride {stride}");
        // burn's own convolution with burn's own gradients.
        let expected = conv_by::<Differentiable>(&data, |x, weight, bias| {
            let x = x.reshape([n_images, side, side, c]).permute([0, 3, 1, 2]);
            let weight = weight.reshape([3, 3, c, n]).permute([3, 2, 0, 1]);
            let options = burn::tensor::ops::ConvOptions::new([stride; 2], [1; 2], [1; 2], 1);
            let output = burn::tensor::module::conv2d(x, weight, Some(bias), options);
            output.permute([0, 2, 3, 1]).reshape([n_images, side_out * side_out, n])
        });
        let by_flex = conv_by::<Differentiable>(&data, |x, w, b| ops::image_conv(x, w, b, stride));
        let by_ndarray = conv_by::<Autodiff<NdArray>>(&data, |x, w, b| ops::image_conv(x, w, b, stride));
        let primitive =
            |i: usize| Tensor::<Flex, 3>::from_data(data[i].clone(), &device).into_primitive().tensor();
        let weights = ops::ConvWeights {
            weight: Tensor::<Flex, 2>::from_data(data[1].clone(), &device).into_primitive().tensor(),
            bias: Tensor::<Flex, 1>::from_data(data[2].clone(), &device).into_primitive().tensor(),
        };
        let output = plain::image_conv_forward::<Flex>(primitive(0), weights.clone(), stride);
        let (d_x, d) = plain::image_conv_backward::<Flex>(primitive(3), primitive(0), weights, stride, true);
        let by_plain_kernels: Vec<Vec<f32>> =
            [output, d_x.unwrap(), d.weight, d.bias].map(|t| t.into_data().to_vec().unwrap()).into();
        for (form, found) in [("flex", by_flex), ("ndarray", by_ndarray), ("plain kernels", by_plain_kernels)]
        {
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_close(&format!("{what}, {form}, part {part}"), found, expected, 1e-5);
            }
        }
    }
}

#[test]
fn batch_normalisation_and_its_gradients_agree_with_autodiff_of_the_reference() {
    fn by<B: AutodiffBackend>(
        data: &[TensorData; 4],
        run: impl Fn(Tensor<B, 3>, Tensor<B, 1>, Tensor<B, 1>) -> Tensor<B, 3>,
    ) -> Vec<Vec<f32>> {
        let device = Default::default();
        let x = Tensor::<B, 3>::from_data(data[0].clone(), &device).require_grad();
        let [gamma, beta] =
            [1, 2].map(|i: usize| Tensor::<B, 1>::from_data(data[i].clone(), &device).require_grad());
        let output = run(x.clone(), gamma.clone(), beta.clone());
        let d_output = Tensor::<B, 3>::from_data(data[3].clone(), &device);
        let gradients = (output.clone() * d_output).sum().backward();
        let of_channels = [gamma, beta].map(|tensor| flat(tensor.grad(&gradients).unwrap()));
        [vec![flat(output), flat(x.grad(&gradients).unwrap())], of_channels.into()].concat()
    }
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    let device = Default::default();
    const EPSILON: f32 = 1e-3;
    // More rows than a thread takes at a time, and fewer.
    for (b, p, c) in [(1, 2, 1), (3, 5, 4), (2, 3, 37), (30, 49, 5)] {
        let data = [
            random(&mut rng, [b, p, c]),
            random(&mut rng, [c]),
            random(&mut rng, [c]),
            random(&mut rng, [b, p, c]),
        ];
        let expected = by::<Differentiable>(&data, |x, gamma, beta| {
            let x: Tensor<_, 2> = x.flatten(0, 1);
            let mean = x.clone().mean_dim(0);
            let variance = (x.clone() - mean.clone()).square().mean_dim(0);
            let normal = (x - mean) / (variance + EPSILON).sqrt();
            activation::relu(normal * gamma.unsqueeze() + beta.unsqueeze()).reshape([b, p, c])
        });
        let by_flex = by::<Differentiable>(&data, |x, g, b| ops::norm_relu(x, g, b, EPSILON).0);
        let by_ndarray = by::<Autodiff<NdArray>>(&data, |x, g, b| ops::norm_relu(x, g, b, EPSILON).0);
        let primitive =
            |i: usize| Tensor::<Flex, 3>::from_data(data[i].clone(), &device).into_primitive().tensor();
        let vector =
            |i: usize| Tensor::<Flex, 1>::from_data(data[i].clone(), &device).into_primitive().tensor();
        let found = plain::norm_relu_forward::<Flex>(primitive(0), vector(1), vector(2), EPSILON);
        let statistics = [found.mean, found.variance];
        let [d_x, d_gamma, d_beta] = plain::norm_relu_backward::<Flex>(
            primitive(3),
            primitive(0),
            vector(1),
            vector(2),
            statistics,
            EPSILON,
        );
        let by_plain_kernels: Vec<Vec<f32>> =
            [found.output, d_x, d_gamma, d_beta].map(|t| t.into_data().to_vec().unwrap()).into();
        for (form, found) in [("flex", by_flex), ("ndarray", by_ndarray), ("plain kernels", by_plain_kernels)]
        {
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_close(&format!("[{b}, {p}, {c}], {form}, part {part}"), found, expected, 2e-5);
            }
        }
    }
}

/// Output and gradient of x, for the loss `sum(output * d_output)`.
fn pool_by<B: burn::tensor::backend::AutodiffBackend>(
    x: &TensorData,
    d_output: &TensorData,
    run: impl Fn(Tensor<B, 3>) -> Tensor<B, 2>,
) -> [Vec<f32>; 2] {
    let device = Default::default();
    let x = Tensor::<B, 3>::from_data(x.clone(), &device).require_grad();
    let output = run(x.clone());
    let d_output = Tensor::<B, 2>::from_data(d_output.clone(), &device);
    let gradients = (output.clone() * d_output).sum().backward();
    [flat(output), flat(x.grad(&gradients).unwrap())]
}

#[test]
fn pooling_and_its_gradient_agree_with_tensor_operations_on_each_drawing() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let lengths = [3usize, 5, 1, 4];
    let (n_steps, c) = (5, 6);
    for (pooling, width) in [(Pooling::Sum, c), (Pooling::MeanMax, 2 * c)] {
        let x = random(&mut rng, [lengths.len(), n_steps, c]);
        let d_output = random(&mut rng, [lengths.len(), width]);
        let of = Lengths::new(lengths.to_vec());
        let expected = pool_by::<Differentiable>(&x, &d_output, |x| {
            let drawings = lengths.iter().enumerate().map(|(b, &length)| {
                let steps = x.clone().slice([b..b + 1, 0..length]);
                match pooling {
                    Pooling::Sum => steps.sum_dim(1),
                    Pooling::MeanMax => Tensor::cat(vec![steps.clone().mean_dim(1), steps.max_dim(1)], 2),
                }
            });
            Tensor::cat(drawings.collect(), 0).squeeze_dim(1)
        });
        let by_flex = pool_by::<Differentiable>(&x, &d_output, |x| ops::pool(x, pooling, &of));
        let by_ndarray = pool_by::<Autodiff<NdArray>>(&x, &d_output, |x| ops::pool(x, pooling, &of));
        let device = Default::default();
        let primitive =
            |data: &TensorData| Tensor::<Flex, 3>::from_data(data.clone(), &device).into_primitive().tensor();
        let d_primitive = Tensor::<Flex, 2>::from_data(d_output.clone(), &device).into_primitive().tensor();
        let by_plain_kernels = [
            plain::pool_forward::<Flex>(primitive(&x), pooling, &of),
            plain::pool_backward::<Flex>(d_primitive, primitive(&x), pooling, &of),
        ]
        .map(|t| t.into_data().to_vec().unwrap());
        for (form, found) in [("flex", by_flex), ("ndarray", by_ndarray), ("plain kernels", by_plain_kernels)]
        {
            for (part, found, expected) in
                [("output", &found[0], &expected[0]), ("d_x", &found[1], &expected[1])]
            {
                assert_close(&format!("{pooling:?}, {form}, {part}"), found, expected, 1e-6);
            }
        }
    }
}

#[test]
fn a_drawing_without_steps_pools_to_zeros() {
    for pooling in [Pooling::Sum, Pooling::MeanMax] {
        let x = TensorData::new(vec![f32::NAN; 6], [1, 2, 3]);
        let output =
            ops::pool::<Flex>(Tensor::from_data(x, &Default::default()), pooling, &Lengths::new(vec![0]));
        assert!(flat(output).iter().all(|&value| value == 0.0));
    }
}

#[test]
fn dropout_masks_the_gradient_as_the_value() {
    fn check<B: burn::tensor::backend::AutodiffBackend + ModelBackend>() {
        for same_at_every_step in [false, true] {
            let dropout = Dropout { probability: 0.4, seed: 12, same_at_every_step };
            let x = Tensor::<B, 3>::ones([3, 7, 5], &Default::default()).require_grad();
            let output = ops::dropout(x.clone(), dropout);
            let gradients = output.clone().sum().backward();
            let d_x: Vec<f32> = x.grad(&gradients).unwrap().into_data().to_vec().unwrap();
            let output = flat(output);
            assert_eq!(output, d_x);
            assert!(output.contains(&0.0) && output.iter().any(|value| (value - 1.0 / 0.6).abs() < 1e-6));
        }
    }
    check::<Differentiable>();
    check::<Autodiff<NdArray>>();
    let dropout = Dropout { probability: 0.4, seed: 12, same_at_every_step: true };
    let x = || Tensor::<Flex, 3>::ones([3, 7, 5], &Default::default()).into_primitive().tensor();
    let values = |x: Float<Flex>| -> Vec<f32> { x.into_data().to_vec().unwrap() };
    let plain = values(plain::dropout::<Flex>(x(), dropout));
    assert_eq!(plain, values(plain::dropout::<Flex>(x(), dropout)), "the same seed chooses alike");
    assert!(plain.contains(&0.0) && plain.iter().any(|value| (value - 1.0 / 0.6).abs() < 1e-6));
}

/// As [`adam_by`], by the reference implementation.
fn plain_adam_by<B: KernelBackend>(values: &[TensorData; 4], step: AdamStep) -> [Vec<f32>; 5] {
    let float = |data: &TensorData| Tensor::<B, 2>::from_data(data.clone(), &Default::default());
    let [parameter, gradient, first, second] =
        values.each_ref().map(|data| float(data).into_primitive().tensor());
    let (parameter, [first, second]) = plain::adam::<B>(parameter, gradient.clone(), [first, second], step);
    let squares = plain::sum_of_squares::<B>(vec![gradient.clone(), first.clone()]);
    let scaled = plain::scale::<B>(gradient, squares.clone());
    let matrix = |x| flat(Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(x)));
    let squares = flat(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(squares)));
    [matrix(parameter), matrix(first), matrix(second), squares, matrix(scaled)]
}

#[test]
fn a_step_of_the_optimizer_agrees_with_the_reference() {
    for (values, step) in adam_cases() {
        let pairs = [
            (adam_by::<Flex>(&values, step), plain_adam_by::<Flex>(&values, step)),
            (adam_by::<NdArray>(&values, step), plain_adam_by::<NdArray>(&values, step)),
        ];
        for (found, expected) in pairs {
            assert_adam_close(&found, &expected, 1e-5);
        }
    }
}

#[test]
fn a_convolution_whose_input_needs_no_gradient_has_the_same_weight_gradients() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let of = Lengths::new(vec![5, 0, 9, 2]);
    let [x, weight, bias, d_output] = [
        random(&mut rng, [4, 9, 3]),
        random(&mut rng, [15, 7]),
        random(&mut rng, [7]),
        random(&mut rng, [4, 5, 7]),
    ];
    let gradients = |tracked: bool| {
        let device = Default::default();
        let x = Tensor::<Differentiable, 3>::from_data(x.clone(), &device);
        let x = if tracked { x.require_grad() } else { x };
        let weight = Tensor::<Differentiable, 2>::from_data(weight.clone(), &device).require_grad();
        let bias = Tensor::<Differentiable, 1>::from_data(bias.clone(), &device).require_grad();
        let output = ops::conv(x.clone(), weight.clone(), bias.clone(), 2, &of);
        let gradients = (output * Tensor::from_data(d_output.clone(), &device)).sum().backward();
        let of_x = x.grad(&gradients).is_some();
        (of_x, flat(weight.grad(&gradients).unwrap()), flat(bias.grad(&gradients).unwrap()))
    };
    let ((with, d_weight, d_bias), (without, ..)) = (gradients(true), gradients(false));
    assert!(with && !without);
    assert_eq!((false, d_weight, d_bias), gradients(false));
}

/// As [`loss_by`], by burn's operations and gradients alone.
fn plain_loss_by<B: AutodiffBackend>([logits, targets]: &[TensorData; 2], labels: &[usize]) -> [Vec<f32>; 3] {
    let device = Default::default();
    let logits = Tensor::<B, 2>::from_data(logits.clone(), &device).require_grad();
    let targets = Tensor::<B, 2>::from_data(targets.clone(), &device);
    let n_correct = flat(logits.clone().inner().argmax(1).float())
        .iter()
        .zip(labels)
        .filter(|(guess, label)| **guess == **label as f32)
        .count();
    let loss = -(activation::log_softmax(logits.clone(), 1) * targets).sum() / labels.len() as f64;
    let gradients = (loss.clone() * 3.0).backward();
    [flat(loss), vec![n_correct as f32], flat(logits.grad(&gradients).unwrap())]
}

#[test]
fn the_loss_and_its_gradient_are_those_of_burn() {
    for (values, labels) in loss_cases() {
        let expected = plain_loss_by::<Differentiable>(&values, &labels);
        assert_loss_close(&loss_by::<Differentiable>(&values, &labels), &expected, 1e-6);
        assert_loss_close(&loss_by::<Autodiff<NdArray>>(&values, &labels), &expected, 1e-6);
        let [logits, targets] = values.each_ref().map(|data| {
            Tensor::<Flex, 2>::from_data(data.clone(), &Default::default()).into_primitive().tensor()
        });
        let plain = plain::cross_entropy::<Flex>(logits, targets, &labels);
        let values = |x| flat(Tensor::<Flex, 1>::from_primitive(TensorPrimitive::Float(x)));
        let d_logits = Tensor::<Flex, 2>::from_primitive(TensorPrimitive::Float(plain.d_logits)) * 3.0;
        assert_loss_close(&[values(plain.loss), values(plain.n_correct), flat(d_logits)], &expected, 1e-6);
    }
}

#[test]
fn every_backend_of_the_features_is_a_model_backend() {
    fn model_backend<B: ModelBackend>() {}
    fn kernel_backend<B: KernelBackend>() {}
    kernel_backend::<Flex>();
    kernel_backend::<NdArray>();
    model_backend::<Autodiff<Flex>>();
    model_backend::<Autodiff<NdArray>>();
}
