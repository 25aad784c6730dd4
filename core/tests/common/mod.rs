//! Operations and their gradients as plain numbers, on any backend: what the tests of the
//! operations compare.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use quickdraw_core::ModelBackend;
use quickdraw_core::ops::{self, AdamStep, KernelBackend};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sizes of an LSTM layer and its batch.
pub struct Case {
    pub lengths: Vec<usize>,
    pub n_steps: usize,
    pub d_input: usize,
    pub d_hidden: usize,
    pub n_directions: usize,
}

/// Values between -1 and 1.
pub fn random(rng: &mut ChaCha8Rng, shape: impl Into<burn::tensor::Shape>) -> TensorData {
    let shape = shape.into();
    let values: Vec<f32> = (0..shape.num_elements()).map(|_| rng.random_range(-1.0..1.0)).collect();
    TensorData::new(values, shape)
}

/// Asserts equal values up to a tolerance, which is relative to the largest where that is above 1.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let scale = expected.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "{what}[{i}]: {f}, expected {e}");
    }
}

/// The values in order.
pub fn flat<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

/// Output and gradients of x, input, recurrent and bias, for the loss `sum(output * d_output)`.
pub fn lstm_by<B: AutodiffBackend>(
    data: &[TensorData; 5],
    run: impl Fn(Tensor<B, 3>, Tensor<B, 2>, Tensor<B, 3>, Tensor<B, 1>) -> Tensor<B, 3>,
) -> Vec<Vec<f32>> {
    let device = Default::default();
    let x = Tensor::<B, 3>::from_data(data[0].clone(), &device).require_grad();
    let input = Tensor::<B, 2>::from_data(data[1].clone(), &device).require_grad();
    let recurrent = Tensor::<B, 3>::from_data(data[2].clone(), &device).require_grad();
    let bias = Tensor::<B, 1>::from_data(data[3].clone(), &device).require_grad();
    let output = run(x.clone(), input.clone(), recurrent.clone(), bias.clone());
    let d_output = Tensor::<B, 3>::from_data(data[4].clone(), &device);
    let gradients = (output.clone() * d_output).sum().backward();
    vec![
        flat(output),
        flat(x.grad(&gradients).unwrap()),
        flat(input.grad(&gradients).unwrap()),
        flat(recurrent.grad(&gradients).unwrap()),
        flat(bias.grad(&gradients).unwrap()),
    ]
}

/// x, input, recurrent, bias and d_output.
pub fn lstm_data(rng: &mut ChaCha8Rng, case: &Case) -> [TensorData; 5] {
    let Case { lengths, n_steps, d_input, d_hidden: h, n_directions: d } = case;
    let b = lengths.len();
    [
        random(rng, [b, *n_steps, *d_input]),
        random(rng, [*d_input, d * 4 * h]),
        random(rng, [*d, *h, 4 * h]),
        random(rng, [d * 4 * h]),
        random(rng, [b, *n_steps, d * h]),
    ]
}

/// The results of [`lstm_by`].
pub const PARTS: [&str; 5] = ["output", "d_x", "d_input", "d_recurrent", "d_bias"];

/// Output and gradients of x, weight and bias, for the loss `sum(output * d_output)`.
pub fn conv_by<B: AutodiffBackend>(
    data: &[TensorData; 4],
    run: impl Fn(Tensor<B, 3>, Tensor<B, 2>, Tensor<B, 1>) -> Tensor<B, 3>,
) -> Vec<Vec<f32>> {
    let device = Default::default();
    let x = Tensor::<B, 3>::from_data(data[0].clone(), &device).require_grad();
    let weight = Tensor::<B, 2>::from_data(data[1].clone(), &device).require_grad();
    let bias = Tensor::<B, 1>::from_data(data[2].clone(), &device).require_grad();
    let output = run(x.clone(), weight.clone(), bias.clone());
    let d_output = Tensor::<B, 3>::from_data(data[3].clone(), &device);
    let gradients = (output.clone() * d_output).sum().backward();
    vec![
        flat(output),
        flat(x.grad(&gradients).unwrap()),
        flat(weight.grad(&gradients).unwrap()),
        flat(bias.grad(&gradients).unwrap()),
    ]
}

/// Parameter, gradient and both moments, and a step of Adam for them.
pub fn adam_cases() -> Vec<([TensorData; 4], AdamStep)> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut cases = Vec::new();
    for shape in [[1, 1], [7, 9], [300, 333]] {
        let mut values = [(); 4].map(|()| random(&mut rng, shape));
        // A mean of squares is not negative.
        values[3] = TensorData::new(values[3].iter::<f32>().map(|value| value * value).collect(), shape);
        for time in [1, 1000] {
            let step = AdamStep {
                learning_rate: 0.01,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                weight_decay: 0.1,
                time,
            };
            cases.push((values.clone(), step));
        }
    }
    cases
}

/// Parameter and moments after a step of Adam, the sum of the squares of gradient and first moment,
/// and the gradient times that sum.
pub fn adam_by<B: KernelBackend>(values: &[TensorData; 4], step: AdamStep) -> [Vec<f32>; 5] {
    let [parameter, gradient, first, second] =
        values.each_ref().map(|data| Tensor::<B, 2>::from_data(data.clone(), &Default::default()));
    let (parameter, [first, second]) = ops::adam(parameter, gradient.clone(), [first, second], step);
    let float = |x: Tensor<B, 2>| x.into_primitive().tensor();
    let squares = ops::sum_of_squares::<B>(vec![float(gradient.clone()), float(first.clone())]);
    let scaled = ops::scale(gradient, squares.clone());
    [flat(parameter), flat(first), flat(second), flat(squares), flat(scaled)]
}

/// Asserts equal results of [`adam_by`], up to a tolerance.
pub fn assert_adam_close(found: &[Vec<f32>; 5], expected: &[Vec<f32>; 5], tolerance: f32) {
    let parts = ["parameter", "first moment", "second moment", "squares", "scaled gradient"];
    for (what, (found, expected)) in parts.iter().zip(found.iter().zip(expected)) {
        assert_close(&format!("{what} of {} values", expected.len()), found, expected, tolerance);
    }
}

/// Logits, targets and labels: peaked, flat and equal, targets that sum to 1, to less and to more,
/// more rows than a thread takes at a time.
pub fn loss_cases() -> Vec<([TensorData; 2], Vec<usize>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut cases = Vec::new();
    for (n_drawings, n_classes, height) in [(1, 1, 1.0), (3, 7, 0.1), (150, 345, 30.0)] {
        let logits: Vec<f32> =
            (0..n_drawings * n_classes).map(|_| rng.random_range(-1.0..1.0) * height).collect();
        let labels: Vec<usize> = (0..n_drawings).map(|_| rng.random_range(0..n_classes)).collect();
        let mut targets = vec![0.0; logits.len()];
        for (row, &label) in targets.chunks_exact_mut(n_classes).zip(&labels) {
            row[label] += 0.7;
            row[rng.random_range(0..n_classes)] += rng.random_range(0.0..0.3);
        }
        let shape = [n_drawings, n_classes];
        cases.push(([TensorData::new(logits, shape), TensorData::new(targets, shape)], labels));
    }
    // All classes alike: the first is the guess. Targets that sum to more than 1.
    let alike = TensorData::new(vec![2.0f32; 6], [2, 3]);
    let targets = TensorData::new(vec![0.5f32, 0.5, 0.5, 0.0, 1.0, 0.5], [2, 3]);
    cases.push(([alike, targets], vec![0, 1]));
    cases
}

/// The loss, the number of correct predictions, and the gradient of the logits for three times the
/// loss.
pub fn loss_by<B: AutodiffBackend + ModelBackend>(
    [logits, targets]: &[TensorData; 2],
    labels: &[usize],
) -> [Vec<f32>; 3] {
    let device = Default::default();
    let logits = Tensor::<B, 2>::from_data(logits.clone(), &device).require_grad();
    let targets = Tensor::<B, 2>::from_data(targets.clone(), &device);
    let [loss, n_correct] = ops::cross_entropy(logits.clone(), targets, labels);
    let gradients = (loss.clone() * 3.0).backward();
    [flat(loss), flat(n_correct), flat(logits.grad(&gradients).unwrap())]
}

/// Asserts equal results of [`loss_by`], up to a tolerance.
pub fn assert_loss_close(found: &[Vec<f32>; 3], expected: &[Vec<f32>; 3], tolerance: f32) {
    for (what, (found, expected)) in ["loss", "correct", "gradient"].iter().zip(found.iter().zip(expected)) {
        assert_close(&format!("{what} of {} logits", expected.len()), found, expected, tolerance);
    }
}
