//! The element-wise half of an LSTM step, in SIMD vectors of any width.
//!
//! In: the pre-activations of the gates, cells, and gradients of outputs. Out: activations, cells,
//! outputs, and gradients of the pre-activations. The products are in
//! [`recurrent`](super::recurrent).

use pulp::{Simd, WithSimd};

/// Arguments of the logistic function beyond this are clamped: the result is within 3e-9 of 0 or 1
/// there, and four denominators `1 + e^x` can still be multiplied with each other in f32.
const LARGEST_EXPONENT: f32 = 20.0;

/// `1 + e^x` for `x` clamped to -20..20, with a relative error below 3e-7; NaN stays NaN.
///
/// Splits `x` into `n ln 2 + r` with `|r| <= ln 2 / 2` and evaluates a polynomial of degree 6 in
/// `r` (the coefficients are those of Cephes' `expf`).
#[inline(always)]
fn one_plus_exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let splat = |value| simd.splat_f32s(value);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);

    let x = clamp(simd, x);
    let shifted = fma(x, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = simd.sub_f32s(shifted, splat(ROUND));
    let r = fma(n, splat(-LN2_LOW), fma(n, splat(-LN2_HIGH), x));
    let p = splat(1.987_569_1e-4);
    let p = fma(p, r, splat(1.398_199_9e-3));
    let p = fma(p, r, splat(8.333_452e-3));
    let p = fma(p, r, splat(4.166_579_6e-2));
    let p = fma(p, r, splat(1.666_666_5e-1));
    let p = fma(p, r, splat(5e-1));
    let value = fma(simd.mul_f32s(p, r), r, simd.add_f32s(r, splat(1.0)));
    // 2^n: n moved from the low bits of the mantissa into the exponent, whose zero is 127.
    let bits = simd.transmute_u32s_f32s(shifted);
    let bits = simd.mul_u32s(bits, simd.splat_u32s(1 << 23));
    let two_to_n = simd.transmute_f32s_u32s(simd.add_u32s(bits, simd.splat_u32s(127 << 23)));
    fma(value, two_to_n, splat(1.0))
}

/// `x` within ±[`LARGEST_EXPONENT`]; NaN stays NaN.
#[inline(always)]
fn clamp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    #[cfg(target_arch = "wasm32")]
    {
        // pulp's minimum propagates NaN of either operand, which takes several instructions.
        use std::arch::wasm32::{f32x4_pmax, f32x4_pmin, f32x4_splat, v128};
        assert_eq!(size_of::<S::f32s>(), size_of::<v128>());
        // SAFETY: both are four f32.
        unsafe {
            let x = std::mem::transmute_copy::<S::f32s, v128>(&x);
            let x = f32x4_pmax(f32x4_pmin(x, f32x4_splat(LARGEST_EXPONENT)), f32x4_splat(-LARGEST_EXPONENT));
            let _ = simd;
            std::mem::transmute_copy::<v128, S::f32s>(&x)
        }
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        // The instructions return their second operand where one is NaN.
        let x = simd.min_f32s(simd.splat_f32s(LARGEST_EXPONENT), x);
        simd.max_f32s(simd.splat_f32s(-LARGEST_EXPONENT), x)
    }
}

/// The hyperbolic tangent, with an absolute error below 3e-7.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let denominator = one_plus_exp(simd, simd.add_f32s(x, x));
    simd.sub_f32s(simd.splat_f32s(1.0), simd.div_f32s(simd.splat_f32s(2.0), denominator))
}

/// Activates input, forget, candidate and output gate: the logistic function and, for the
/// candidate, the hyperbolic tangent, with an absolute error below 5e-7. One division serves all
/// four, because divisions dominate the time.
#[inline(always)]
pub(crate) fn activate<S: Simd>(simd: S, z: [S::f32s; 4]) -> [S::f32s; 4] {
    let mul = |a, b| simd.mul_f32s(a, b);
    let negative = |x| simd.neg_f32s(x);
    let input = one_plus_exp(simd, negative(z[0]));
    let forget = one_plus_exp(simd, negative(z[1]));
    let candidate = one_plus_exp(simd, simd.add_f32s(z[2], z[2]));
    let output = one_plus_exp(simd, negative(z[3]));
    let first = mul(input, forget);
    let second = mul(candidate, output);
    let inverse = simd.div_f32s(simd.splat_f32s(1.0), mul(first, second));
    let of_first = mul(inverse, second);
    let of_second = mul(inverse, first);
    let twice = simd.add_f32s(of_second, of_second);
    [
        mul(of_first, forget),
        mul(of_first, input),
        simd.negate_mul_add_e_f32s(twice, output, simd.splat_f32s(1.0)),
        mul(of_second, candidate),
    ]
}

/// Loads at most a vector of values; missing ones are zero.
#[inline(always)]
pub(crate) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0 {
        [whole] => *whole,
        _ => simd.partial_load_f32s(values),
    }
}

/// Stores as many values of a vector as there is room for, at most all.
#[inline(always)]
pub(crate) fn store<S: Simd>(simd: S, to: &mut [f32], values: S::f32s) {
    match S::as_mut_simd_f32s(to).0 {
        [whole] => *whole = values,
        _ => simd.partial_store_f32s(to, values),
    }
}

/// The gradient of a step's element-wise half, for `n` rows.
pub(super) struct StepBackward<'a> {
    /// `[n, 4H]`, the activations.
    pub gates: &'a [f32],
    /// `[n, 4H]`: the gradients of the pre-activations, written here.
    pub d_gates: &'a mut [f32],
    /// `[m, H]` with `m <= n`: rows from `m` on started from a cell of zero.
    pub cells_before: &'a [f32],
    /// `[n, H]`.
    pub cells: &'a [f32],
    /// `[n, H]`, the gradient of the outputs.
    pub d_outputs: &'a [f32],
    /// `[n, H]`: the gradient of the cells from the following step, replaced by that of the
    /// previous cells.
    pub d_cells: &'a mut [f32],
    /// H.
    pub d_hidden: usize,
}

impl WithSimd for StepBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gates, d_gates, cells_before, cells, d_outputs, d_cells, d_hidden: h } = self;
        let rows = gates.chunks_exact(4 * h).zip(d_gates.chunks_exact_mut(4 * h));
        for (row, (gates, d_gates)) in rows.enumerate() {
            let span = row * h..(row + 1) * h;
            let (cells, d_outputs) = (&cells[span.clone()], &d_outputs[span.clone()]);
            let d_cells = &mut d_cells[span.clone()];
            let before = cells_before.get(span);
            for start in (0..h).step_by(S::F32_LANES) {
                let part = start..h.min(start + S::F32_LANES);
                let load = |values: &[f32]| load(simd, &values[part.clone()]);
                let gate = |k: usize| load(&gates[k * h..]);
                let cell_before = before.map_or(simd.splat_f32s(0.0), load);
                let [d_i, d_f, d_g, d_o, d_before] = step_gradient(
                    simd,
                    [gate(0), gate(1), gate(2), gate(3)],
                    [cell_before, load(cells)],
                    load(d_outputs),
                    load(d_cells),
                );
                for (k, values) in [d_i, d_f, d_g, d_o].into_iter().enumerate() {
                    store(simd, &mut d_gates[k * h..][part.clone()], values);
                }
                store(simd, &mut d_cells[part], d_before);
            }
        }
    }
}

/// Gradients of the four pre-activations and of the previous cell, from gates, previous and current
/// cells, and the gradients of output and cell.
#[inline(always)]
fn step_gradient<S: Simd>(
    simd: S,
    [i, f, g, o]: [S::f32s; 4],
    [cell_before, cell]: [S::f32s; 2],
    d_output: S::f32s,
    d_cell: S::f32s,
) -> [S::f32s; 5] {
    let mul = |a, b| simd.mul_f32s(a, b);
    let one_minus_product = |a, b| simd.negate_mul_add_e_f32s(a, b, simd.splat_f32s(1.0));
    // a (1 - a), the derivative of the logistic function.
    let slope = |a| simd.negate_mul_add_e_f32s(a, a, a);
    let tanh_cell = tanh(simd, cell);
    let d_cell = simd.mul_add_e_f32s(mul(d_output, o), one_minus_product(tanh_cell, tanh_cell), d_cell);
    [
        mul(mul(d_cell, g), slope(i)),
        mul(mul(d_cell, cell_before), slope(f)),
        mul(mul(d_cell, i), one_minus_product(g, g)),
        mul(mul(d_output, tanh_cell), slope(o)),
        mul(d_cell, f),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Activates the same value as every gate; gives input, forget, candidate and output gate, and
    /// `tanh`.
    struct Activate(f32);

    impl WithSimd for Activate {
        type Output = [f32; 5];

        fn with_simd<S: Simd>(self, simd: S) -> [f32; 5] {
            let z = simd.splat_f32s(self.0);
            let [i, f, g, o] = activate(simd, [z; 4]);
            [i, f, g, o, tanh(simd, z)].map(|values| {
                let mut first = [0.0];
                simd.partial_store_f32s(&mut first, values);
                first[0]
            })
        }
    }

    #[test]
    fn gates_stay_within_their_stated_error() {
        let arch = pulp::Arch::new();
        for step in -400_000..=400_000 {
            let x = step as f32 * 2.5e-4;
            let exact = f64::from(x);
            let logistic = 1.0 / (1.0 + (-exact).exp());
            let hyperbolic = exact.tanh();
            let expected = [logistic, logistic, hyperbolic, logistic, hyperbolic];
            for (gate, (found, expected)) in arch.dispatch(Activate(x)).into_iter().zip(expected).enumerate()
            {
                let error = (f64::from(found) - expected).abs();
                let bound = if gate < 4 { 5e-7 } else { 3e-7 };
                assert!(error < bound, "gate {gate} of {x}: {found}, expected {expected}");
            }
        }
        for huge in [1e4, f32::MAX, f32::INFINITY] {
            assert_eq!(arch.dispatch(Activate(huge))[2..], [1.0, 1.0, 1.0]);
            assert_eq!(arch.dispatch(Activate(-huge))[2], -1.0);
        }
        assert_eq!(arch.dispatch(Activate(0.0)), [0.5, 0.5, 0.0, 0.5, 0.0]);
        assert!(arch.dispatch(Activate(f32::NAN)).iter().all(|value| value.is_nan()));
    }
}
