//! Random numbers that several parts need.

use std::f32::consts::TAU;

use rand::Rng;

/// A Bernoulli trial. With probability 0 no random number is used.
pub(crate) fn chance(probability: f32, rng: &mut impl Rng) -> bool {
    probability > 0.0 && rng.random::<f32>() < probability
}

/// Two independent standard normal numbers (Box and Muller, 1958).
pub(crate) fn normal_pair(rng: &mut impl Rng) -> [f32; 2] {
    // 1 - [0, 1) lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
    [radius * cos, radius * sin]
}
