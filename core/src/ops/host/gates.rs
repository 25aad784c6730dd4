//! The element-wise half of an LSTM step, written so that the compiler turns it into vector code.
//!
//! In: the pre-activations of one row. Out: its activated gates, its cell and its output. The products
//! that make the pre-activations are in [`lstm`](super::lstm).
//!
//! There is no fused multiply-add here on purpose: every target rounds the same way, so a drawing gets
//! the same logits natively and in the browser up to the order of the sums in the matrix products.

/// `e^x` for finite `x`, with a relative error below 3e-7.
///
/// Splits `x` into `n ln 2 + r` with `|r| <= ln 2 / 2` and evaluates a polynomial of degree 6 in `r`
/// (the coefficients are those of Cephes' `expf`). Arguments outside -87.3..88.3 are clamped, so that
/// the result is neither infinite nor subnormal.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;

    let x = x.clamp(-87.3, 88.3);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let value = p * r * r + r + 1.0;
    let two_to_n = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    value * two_to_n
}

/// The logistic function, with an absolute error below 2e-7.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, with an absolute error below 3e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// Compiles a function for several vector widths and calls the widest that this machine has.
macro_rules! vectorised {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name($($arg: $ty),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $ty),*) {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $ty),*) {
                    body($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                {
                    // SAFETY: the features were detected on the line above.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

vectorised! {
    /// One LSTM step of `n` rows: activates the gates in place and writes cells and outputs.
    ///
    /// `gates` is `[n, 4H]` in the order input, forget, candidate, output: pre-activations in, activations
    /// out. `cells_before` is `[m, H]` with `m <= n`: rows from `m` on start from a cell of zero.
    /// `cells` and `outputs` are `[n, H]`.
    pub fn step_forward(
        gates: &mut [f32],
        cells_before: &[f32],
        cells: &mut [f32],
        outputs: &mut [f32],
        d_hidden: usize,
    ) {
        let h = d_hidden;
        for (row, z) in gates.chunks_exact_mut(4 * h).enumerate() {
            let (i, z) = z.split_at_mut(h);
            let (f, z) = z.split_at_mut(h);
            let (g, o) = z.split_at_mut(h);
            let c = &mut cells[row * h..][..h];
            let out = &mut outputs[row * h..][..h];
            match cells_before.get(row * h..(row + 1) * h) {
                Some(before) => {
                    for k in 0..h {
                        i[k] = sigmoid(i[k]);
                        f[k] = sigmoid(f[k]);
                        g[k] = tanh(g[k]);
                        o[k] = sigmoid(o[k]);
                        c[k] = f[k] * before[k] + i[k] * g[k];
                        out[k] = o[k] * tanh(c[k]);
                    }
                }
                None => {
                    for k in 0..h {
                        i[k] = sigmoid(i[k]);
                        f[k] = sigmoid(f[k]);
                        g[k] = tanh(g[k]);
                        o[k] = sigmoid(o[k]);
                        c[k] = i[k] * g[k];
                        out[k] = o[k] * tanh(c[k]);
                    }
                }
            }
        }
    }
}

vectorised! {
    /// The gradient of [`step_forward`], for `n` rows.
    ///
    /// `gates` holds activations and leaves as gradients of the pre-activations `[n, 4H]`;
    /// `d_outputs` `[n, H]` is the gradient of the outputs; `d_cells` `[n, H]` is the gradient that
    /// arrives at the cells from the step after, and leaves as the gradient of the cells before.
    pub fn step_backward(
        gates: &mut [f32],
        cells_before: &[f32],
        cells: &[f32],
        d_outputs: &[f32],
        d_cells: &mut [f32],
        d_hidden: usize,
    ) {
        let h = d_hidden;
        for (row, z) in gates.chunks_exact_mut(4 * h).enumerate() {
            let (i, z) = z.split_at_mut(h);
            let (f, z) = z.split_at_mut(h);
            let (g, o) = z.split_at_mut(h);
            let c = &cells[row * h..][..h];
            let d_out = &d_outputs[row * h..][..h];
            let d_c = &mut d_cells[row * h..][..h];
            let before = cells_before.get(row * h..(row + 1) * h);
            for k in 0..h {
                let tanh_c = tanh(c[k]);
                let d_cell = d_c[k] + d_out[k] * o[k] * (1.0 - tanh_c * tanh_c);
                d_c[k] = d_cell * f[k];
                // Kept for the forget gate below, whose cell before may not exist.
                f[k] = d_cell * f[k] * (1.0 - f[k]);
                let d_i = d_cell * g[k] * i[k] * (1.0 - i[k]);
                let d_g = d_cell * i[k] * (1.0 - g[k] * g[k]);
                o[k] = d_out[k] * tanh_c * o[k] * (1.0 - o[k]);
                i[k] = d_i;
                g[k] = d_g;
            }
            match before {
                Some(before) => f.iter_mut().zip(before).for_each(|(f, c)| *f *= c),
                None => f.fill(0.0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_stay_within_their_stated_error() {
        let mut worst = (0.0f64, 0.0f64, 0.0f64);
        for step in -400_000..=400_000 {
            let x = step as f32 * 2.5e-4;
            let exact = f64::from(x);
            let clamped = f64::from(x.clamp(-87.3, 88.3));
            let relative = (f64::from(exp(x)) / clamped.exp() - 1.0).abs();
            let logistic = (f64::from(sigmoid(x)) - 1.0 / (1.0 + (-exact).exp())).abs();
            let hyperbolic = (f64::from(tanh(x)) - exact.tanh()).abs();
            worst = (worst.0.max(relative), worst.1.max(logistic), worst.2.max(hyperbolic));
        }
        assert!(worst.0 < 3e-7, "exp: {}", worst.0);
        assert!(worst.1 < 2e-7, "sigmoid: {}", worst.1);
        assert!(worst.2 < 3e-7, "tanh: {}", worst.2);
        assert_eq!(tanh(f32::MAX), 1.0);
        assert_eq!(tanh(f32::MIN), -1.0);
        assert_eq!(sigmoid(0.0), 0.5);
    }
}
