//! The kernels for GPUs against those for processors: the same tests for each backend that a
//! feature gives.
//!
//! Where a backend finds no device, its tests say so and pass, unless `QUICKDRAW_REQUIRE_GPU` is
//! set. Mesa's software Vulkan (Debian: mesa-vulkan-drivers) is a device for feature `wgpu`.

mod common;

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use common::{
    Case, PARTS, adam_by, adam_cases, assert_adam_close, assert_close, assert_loss_close, conv_by, flat,
    loss_by, loss_cases, lstm_by, lstm_data, random,
};
use quickdraw_core::ops::{self, Dropout, KernelBackend, Lengths};
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{Ink, InkBatch, Model, ModelBackend, ModelConfig, Pooling};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type OnHost = Autodiff<Flex>;

/// Tolerance, relative to the largest result.
fn tolerance<B: Backend>() -> f32 {
    // Sums are in another order, with another `exp`; the tensor cores of NVIDIA's GPUs round
    // factors to 11 bits.
    if B::name(&Default::default()).contains("cuda") { 1e-2 } else { 1e-4 }
}

/// `data` of `[B, T, C]` with NaN in the padding.
fn with_nan_padding(data: &TensorData, lengths: &[usize]) -> TensorData {
    let mut data = data.clone();
    let [_, n_steps, width] = data.shape.dims();
    let values = data.as_mut_slice::<f32>().unwrap();
    for (drawing, &length) in values.chunks_exact_mut(n_steps * width).zip(lengths) {
        drawing[length * width..].fill(f32::NAN);
    }
    data
}

fn lstm_and_its_gradients_agree_with_the_processor<B: AutodiffBackend + ModelBackend>() {
    let case = |lengths: &[usize], n_steps, d_input, d_hidden, n_directions| Case {
        lengths: lengths.to_vec(),
        n_steps,
        d_input,
        d_hidden,
        n_directions,
    };
    let cases = [
        case(&[1], 1, 1, 1, 2),
        case(&[1, 0, 1], 1, 3, 5, 1),
        case(&[4, 7, 1, 7, 0, 3, 2], 7, 3, 5, 2),
        case(&[0, 0], 2, 2, 3, 2),
        // Longer than every drawing, and one direction.
        case(&[6, 2, 9], 11, 4, 8, 1),
        // Several tiles, the last of them not full.
        case(&(0..75).map(|b| (b * 7) % 23).collect::<Vec<_>>(), 22, 17, 37, 2),
        // Recurrent weights that fit into shared memory in part.
        case(&(0..150).map(|b| (b * 5) % 9).collect::<Vec<_>>(), 8, 20, 144, 2),
        // Large tiles of a narrow layer.
        case(&(0..1100).map(|b| b % 4).collect::<Vec<_>>(), 3, 2, 6, 2),
        // More units than a block may have threads on some devices.
        case(&[2, 3], 3, 6, 300, 2),
        // Too wide for the kernels of devices with little shared memory, which then use tensor
        // operations.
        case(&[2, 1], 2, 2, 600, 1),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (number, case) in cases.iter().enumerate() {
        let mut data = lstm_data(&mut rng, case);
        let lengths = Lengths::new(case.lengths.clone());
        let expected = lstm_by::<OnHost>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
        data[0] = with_nan_padding(&data[0], &case.lengths);
        let found = lstm_by::<B>(&data, |x, i, r, b| ops::lstm(x, i, r, b, &lengths));
        for (part, (found, expected)) in PARTS.iter().zip(found.iter().zip(&expected)) {
            assert_close(&format!("case {number}, {part}"), found, expected, tolerance::<B>());
        }
    }
}

fn convolution_and_its_gradients_agree_with_the_processor<B: AutodiffBackend + ModelBackend>() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (lengths, n_steps, c, n, kernel_len, stride) in [
        (vec![7usize], 7usize, 3usize, 4usize, 5usize, 1usize),
        (vec![1, 9, 0, 4], 9, 3, 4, 5, 1),
        (vec![3, 9, 8, 2], 9, 5, 7, 5, 2),
        (vec![3, 1, 8], 11, 1, 1, 3, 3),
        (vec![2, 6], 6, 4, 6, 4, 2),
        (vec![5, 2], 6, 2, 3, 1, 1),
        (vec![0, 0], 3, 2, 3, 3, 1),
        ((0..70).map(|b| b % 41).collect(), 40, 17, 33, 5, 2),
        // More drawings than a launch has rows of blocks.
        ((0..70_000).map(|b| b % 3).collect(), 2, 1, 2, 3, 1),
    ] {
        let mut data = [
            random(&mut rng, [lengths.len(), n_steps, c]),
            random(&mut rng, [kernel_len * c, n]),
            random(&mut rng, [n]),
            random(&mut rng, [lengths.len(), n_steps.div_ceil(stride), n]),
        ];
        let of = Lengths::new(lengths.clone());
        let expected = conv_by::<OnHost>(&data, |x, w, b| ops::conv(x, w, b, stride, &of));
        data[0] = with_nan_padding(&data[0], &lengths);
        let found = conv_by::<B>(&data, |x, w, b| ops::conv(x, w, b, stride, &of));
        for (part, (found, expected)) in
            ["output", "d_x", "d_weight", "d_bias"].iter().zip(found.iter().zip(&expected))
        {
            let what = format!("{} drawings, kernel {kernel_len}, stride {stride}, {part}", lengths.len());
            assert_close(&what, found, expected, tolerance::<B>());
        }
    }
}

fn pooling_and_its_gradient_agree_with_the_processor<B: AutodiffBackend + ModelBackend>() {
    fn pool_by<B: AutodiffBackend + ModelBackend>(
        [x, d_output]: &[TensorData; 2],
        pooling: Pooling,
        lengths: &Lengths,
    ) -> [Vec<f32>; 2] {
        let device = Default::default();
        let x = Tensor::<B, 3>::from_data(x.clone(), &device).require_grad();
        let output = ops::pool(x.clone(), pooling, lengths);
        let d_output = Tensor::<B, 2>::from_data(d_output.clone(), &device);
        let gradients = (output.clone() * d_output).sum().backward();
        [flat(output), flat(x.grad(&gradients).unwrap())]
    }
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let of = [3, 7, 0, 1, 4];
    let lengths = Lengths::new(of.to_vec());
    for (pooling, n_parts) in [(Pooling::Sum, 1), (Pooling::MeanMax, 2)] {
        // Longer than every drawing.
        let mut data = [random(&mut rng, [5, 9, 13]), random(&mut rng, [5, n_parts * 13])];
        let expected = pool_by::<OnHost>(&data, pooling, &lengths);
        data[0] = with_nan_padding(&data[0], &of);
        let found = pool_by::<B>(&data, pooling, &lengths);
        for (part, (found, expected)) in ["output", "d_x"].iter().zip(found.iter().zip(&expected)) {
            assert_close(&format!("{pooling:?}, {part}"), found, expected, tolerance::<B>());
        }
    }
}

fn dropout_and_its_gradient_drop_what_the_processor_drops<B: AutodiffBackend + ModelBackend>() {
    fn drop_by<B: AutodiffBackend + ModelBackend>(
        [x, d_output]: &[TensorData; 2],
        dropout: Dropout,
    ) -> [Vec<f32>; 2] {
        let device = Default::default();
        let x = Tensor::<B, 3>::from_data(x.clone(), &device).require_grad();
        let output = ops::dropout(x.clone(), dropout);
        let d_output = Tensor::<B, 3>::from_data(d_output.clone(), &device);
        let gradients = (output.clone() * d_output).sum().backward();
        [flat(output), flat(x.grad(&gradients).unwrap())]
    }
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let data = [(); 2].map(|()| random(&mut rng, [70, 41, 33]));
    for (seed, same_at_every_step) in [(12, false), (12, true), (0xfedc_ba98_7654_3210, false)] {
        let dropout = Dropout { probability: 0.4, seed, same_at_every_step };
        let [expected, found] = [drop_by::<OnHost>(&data, dropout), drop_by::<B>(&data, dropout)];
        for (part, (found, expected)) in ["output", "d_x"].iter().zip(found.iter().zip(&expected)) {
            assert_close(&format!("{dropout:?}, {part}"), found, expected, 1e-6);
        }
    }
}

fn a_step_of_the_optimizer_agrees_with_the_processor<B: AutodiffBackend>()
where
    B::InnerBackend: KernelBackend,
{
    for (values, step) in adam_cases() {
        let (found, expected) = (adam_by::<B::InnerBackend>(&values, step), adam_by::<Flex>(&values, step));
        assert_adam_close(&found, &expected, 1e-5);
    }
}

fn the_loss_and_its_gradient_agree_with_the_processor<B: AutodiffBackend + ModelBackend>() {
    let mut cases = loss_cases();
    // More rows than a launch has blocks.
    let n = 70_000;
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let values = [(); 2].map(|()| random(&mut rng, [n, 3]));
    cases.push((values, (0..n).map(|row| row % 3).collect()));
    for (values, labels) in cases {
        let (found, expected) = (loss_by::<B>(&values, &labels), loss_by::<OnHost>(&values, &labels));
        assert_loss_close(&found, &expected, 1e-5);
    }
}

/// The gradients of a network's parameters, in the order of its fields.
struct Gradients<'a, B: AutodiffBackend> {
    of: &'a B::Gradients,
    values: Vec<Vec<f32>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_, B> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
        let gradient = parameter.val().grad(self.of).expect("every parameter has a gradient");
        self.values.push(flat(gradient));
    }
}

/// Logits, and the gradients of all parameters for the loss `sum(logits * d_logits)`.
fn model_by<B: AutodiffBackend + ModelBackend>(
    config: &ModelConfig,
    weights: &[u8],
    inks: &[Ink],
    d_logits: &TensorData,
) -> Vec<Vec<f32>> {
    let device = Default::default();
    let model: Model<B> = weights::load(config.init(&device).unwrap(), weights, &device).unwrap();
    let logits = model.forward(&InkBatch::new(inks, &device).unwrap()).unwrap();
    let d_logits = Tensor::<B, 2>::from_data(d_logits.clone(), &device);
    let of = (logits.clone() * d_logits).sum().backward();
    let mut gradients = Gradients::<B> { of: &of, values: vec![flat(logits)] };
    model.visit(&mut gradients);
    gradients.values
}

fn networks_and_their_gradients_agree_with_the_processor<B: AutodiffBackend + ModelBackend>() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let n_classes = 7;
    for config in [
        ModelConfig { num_nodes: 12, ..ModelConfig::tutorial(n_classes) },
        ModelConfig { num_nodes: 13, num_conv: vec![6, 9, 10], ..ModelConfig::fast(n_classes) },
        ModelConfig { num_nodes: 10, pooling: Pooling::Sum, ..ModelConfig::fast(n_classes) },
    ] {
        Flex::seed(&Default::default(), 3);
        let model: Model<Flex> = config.init(&Default::default()).unwrap();
        let weights = weights::save(&model, WeightType::F32).unwrap();
        let inks: Vec<Ink> = [21, 2, 40, 1, 33]
            .map(|n_points| {
                let points: Vec<[f32; 2]> =
                    (0..n_points).map(|_| [0, 1].map(|_| rng.random_range(0..=255) as f32)).collect();
                let strokes = points.chunks(7).map(<[_]>::to_vec).collect();
                Ink::from_drawing(&quickdraw_core::Drawing::from_strokes(strokes).unwrap(), config.ink)
            })
            .into();
        let d_logits = random(&mut rng, [inks.len(), n_classes]);
        let expected = model_by::<OnHost>(&config, &weights, &inks, &d_logits);
        let found = model_by::<B>(&config, &weights, &inks, &d_logits);
        assert_eq!(found.len(), expected.len());
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_close(&format!("{config:?}, part {part}"), found, expected, tolerance::<B>());
        }
    }
}

/// The tests for a backend, where there is a device.
macro_rules! tests_on {
    ($module:ident, $backend:ty, $device_exists:expr, $name:literal) => {
        mod $module {
            fn on_device(test: impl FnOnce()) {
                if $device_exists {
                    test();
                } else {
                    let message = concat!("not tested: there is no ", $name);
                    assert!(std::env::var_os("QUICKDRAW_REQUIRE_GPU").is_none(), "{message}");
                    println!("{message}");
                }
            }

            tests_on!(@each $backend,
                lstm_and_its_gradients_agree_with_the_processor,
                convolution_and_its_gradients_agree_with_the_processor,
                pooling_and_its_gradient_agree_with_the_processor,
                dropout_and_its_gradient_drop_what_the_processor_drops,
                a_step_of_the_optimizer_agrees_with_the_processor,
                the_loss_and_its_gradient_agree_with_the_processor,
                networks_and_their_gradients_agree_with_the_processor,
            );
        }
    };
    (@each $backend:ty, $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            on_device(super::$test::<burn::backend::Autodiff<$backend>>);
        })*
    };
}

#[cfg(feature = "cuda")]
tests_on!(
    cuda,
    burn_cuda::Cuda,
    quickdraw_core::ops::cube::n_cuda_devices().is_ok_and(|n| n > 0),
    "CUDA device"
);
#[cfg(feature = "wgpu")]
tests_on!(wgpu, burn_wgpu::Wgpu, quickdraw_core::ops::cube::wgpu_adapter().is_some(), "adapter for wgpu");
