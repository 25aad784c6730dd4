//! The network with products in bf16, as the processor computes them.
//!
//! The precision is a whole program's, so what is in bf16 is computed by a second process of the
//! same test.

use std::process::Command;

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use quickdraw_core::ops::host::set_precision;
use quickdraw_core::ops::{Precision, cross_entropy};
use quickdraw_core::{Activation, Drawing, Ink, Model, ModelConfig, Pooling};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Tells the second process where to write its result.
const RESULT: &str = "QUICKDRAW_BF16_RESULT";

const N_CLASSES: usize = 10;
const N_DRAWINGS: usize = 40;

type Device = burn_flex::FlexDevice;

/// Scribbles of 1 to 60 points, a new stroke every seven.
fn inks(config: &ModelConfig) -> Vec<Ink> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut drawing = || {
        let n_points = rng.random_range(1..=60);
        let points: Vec<[f32; 2]> =
            (0..n_points).map(|_| [0; 2].map(|_: u8| f32::from(rng.random::<u8>()))).collect();
        Drawing::from_strokes(points.chunks(7).map(<[_]>::to_vec).collect()).unwrap()
    };
    (0..N_DRAWINGS).map(|_| config.ink_of(&drawing())).collect()
}

/// Collects the gradient of each parameter; the statistics of batch normalisation have none.
struct Collect<'a> {
    gradients: &'a <Autodiff<Flex> as burn::tensor::backend::AutodiffBackend>::Gradients,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor<Autodiff<Flex>> for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<Flex>, D>>) {
        let gradient = param.val().grad(self.gradients);
        self.found.extend(gradient.map(|gradient| gradient.into_data().to_vec().unwrap()));
    }
}

/// Logits, and the gradients of all parameters.
fn logits_and_gradients(config: &ModelConfig) -> Vec<Vec<f32>> {
    let device = Device::default();
    Flex::seed(&device, 1);
    let model: Model<Autodiff<Flex>> = config.init(&device).unwrap();
    let inks = inks(config);
    let logits = model.forward_training(&config.batch(&inks, &device).unwrap(), 7).unwrap();
    let labels: Vec<usize> = (0..N_DRAWINGS).map(|i| i * 7 % N_CLASSES).collect();
    let targets =
        labels.iter().flat_map(|&label| (0..N_CLASSES).map(move |k| f32::from(u8::from(k == label))));
    let targets = TensorData::new(targets.collect::<Vec<f32>>(), [N_DRAWINGS, N_CLASSES]);
    let [loss, _] = cross_entropy(logits.clone(), Tensor::from_data(targets, &device), &labels);
    let gradients = loss.backward();
    let mut collect = Collect { gradients: &gradients, found: vec![logits.into_data().to_vec().unwrap()] };
    model.visit(&mut collect);
    collect.found
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Logits and gradients of two networks whose gradients jump where a rounded value changes sides,
/// by rectification and maxima, the second with an image branch and more such places, and of one
/// without any; and the least cosine with those of f32 of each.
fn of_all_networks() -> [(Vec<Vec<f32>>, f64); 3] {
    let best = ModelConfig { num_nodes: 40, ..ModelConfig::best(N_CLASSES) };
    let smooth = ModelConfig { conv_activation: Activation::None, pooling: Pooling::Sum, ..best.clone() };
    let image = ModelConfig { image_conv: vec![8, 20], image_stride: vec![2, 2], ..best.clone() };
    [(best, 0.99), (image, 0.98), (smooth, 0.9999)]
        .map(|(config, cosine)| (logits_and_gradients(&config), cosine))
}

#[test]
fn a_network_in_bf16_has_the_logits_and_gradients_of_f32_but_for_rounding() {
    if let Some(path) = std::env::var_os(RESULT) {
        set_precision(Precision::Bf16).unwrap();
        std::fs::write(path, serde_json::to_vec(&of_all_networks()).unwrap()).unwrap();
        return;
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("bf16.json");
    let in_bf16 = || -> [(Vec<Vec<f32>>, f64); 3] {
        let status = Command::new(std::env::current_exe().unwrap()).env(RESULT, &path).status().unwrap();
        assert!(status.success(), "the second process: {status}");
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
    };
    let found = in_bf16();
    for (network, ((found, least), (expected, _))) in found.iter().zip(of_all_networks()).enumerate() {
        assert_eq!(found.len(), expected.len());
        let mut n_different = 0;
        let size = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let largest = expected.iter().map(|values| size(values)).fold(0.0, f32::max);
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            n_different += usize::from(found != expected);
            // A bias that batch normalisation cancels has a gradient of rounding errors alone.
            if size(expected) < 1e-5 * largest {
                continue;
            }
            let cosine = cosine(found, expected);
            assert!(cosine > *least, "network {network}, part {part}: cosine {cosine}");
        }
        assert!(n_different + 1 >= expected.len(), "network {network} was not computed in bf16");
    }
    assert_eq!(in_bf16(), found, "the same again");
    assert!(set_precision(Precision::Bf16).is_err(), "f32 was computed here");
}
