//! Dot products of quantized inputs with int8 weights: the two instructions that WebAssembly has.
//!
//! [`Int16`] multiplies inputs of 16 bits, which every engine with SIMD does. [`Int8`] multiplies
//! inputs of 8 bits with the relaxed dot product, twice as many at a time and without widening; it
//! needs the feature `relaxed-simd` and an engine that gives all 8 bits of both operands their
//! meaning ([`int8_operand`]).

use std::fmt::Debug;
use std::marker::PhantomData;

/// Columns of a panel, see [`Matrix`](super::linear::Matrix).
pub(super) const PANEL: usize = 16;

/// Columns of a matrix that stay side by side in a panel.
pub(super) const GROUP: usize = 4;

/// The largest [`Arithmetic::DEPTH`].
pub(super) const MAX_DEPTH: usize = 4;

/// The largest absolute value of an int8 weight. Quantization leaves out -128, files may have it.
const MAX_WEIGHT: usize = 128;

/// Sign of the inputs of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Inputs {
    /// Any sign.
    Signed,
    /// ReLU outputs, or an image: never negative, so that all 8 bits are for the magnitude.
    NonNegative,
}

/// How the engine's relaxed dot product reads its second operand, of which the standard defines
/// seven bits.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(all(target_arch = "wasm32", feature = "relaxed-simd")), allow(dead_code))]
pub(super) enum Operand {
    /// As numbers from 0 to 255: `vpdpbusd` of AVX-VNNI.
    Unsigned,
    /// As numbers from -128 to 127: `sdot` of ARM.
    Signed,
}

#[cfg(any(test, not(all(target_arch = "wasm32", feature = "relaxed-simd"))))]
impl Operand {
    /// The integer that the bits of an input represent.
    fn number(self, input: u8) -> i32 {
        match self {
            Self::Unsigned => i32::from(input),
            Self::Signed => i32::from(input as i8),
        }
    }
}

/// How an input becomes an integer of 8 or 16 bits: as `round(input * largest / max) + shift`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    /// The largest absolute value before the shift.
    pub largest: f32,
    /// Zero point: added to the inputs, and subtracted from the sums again.
    pub shift: i32,
    /// How the dot product reads 8 bits.
    pub operand: Operand,
}

/// A kind of integer dot product.
pub(super) trait Arithmetic: Debug {
    /// A quantized input.
    type Input: Copy + Default + From<u8>;
    /// A weight as stored.
    type Weight: Copy + Default + From<i8>;

    /// Consecutive weights of a column that one instruction multiplies: they are adjacent in
    /// memory.
    const DEPTH: usize;

    /// Writes weights of four columns, of which row `r` of `block` has the `r`-th of each, column
    /// by column. `to` is `[GROUP, DEPTH]`; rows from `DEPTH` on are ignored.
    fn interleave(block: &[[i8; GROUP]; MAX_DEPTH], to: &mut [Self::Weight]) {
        for (column, to) in to.chunks_exact_mut(Self::DEPTH).enumerate() {
            for (to, row) in to.iter_mut().zip(block) {
                *to = row[column].into();
            }
        }
    }

    /// Rounds `values * factor` and adds the shift. The results fit their type.
    fn round(values: &[f32], factor: f32, shift: i32, rounded: &mut [Self::Input]);

    /// Runs `f`, which calls [`dot`](Self::dot), where the compiler may use the instructions that
    /// it needs.
    fn vectorize(f: impl FnOnce());

    /// `start` plus the sums of products of each row with each column of each panel. A row has as
    /// many inputs as a column of a panel has weights.
    fn dot<const R: usize, const P: usize>(
        rows: [&[Self::Input]; R],
        panels: [&[Self::Weight]; P],
        start: [&[i32]; P],
        operand: Operand,
    ) -> [[[i32; PANEL]; P]; R];
}

/// 16-bit inputs. `W` is `i8`, or `i16` for weights that are reused many times: twice the memory,
/// one instruction less.
#[derive(Debug)]
pub(super) struct Int16<W = i8>(PhantomData<W>);

/// 8-bit inputs.
#[derive(Debug)]
pub(super) struct Int8;

impl<W> Int16<W> {
    /// The encoding of the inputs of a matrix of `n_rows` rows, so that no sum overflows.
    pub(super) fn encoding(n_rows: usize) -> Encoding {
        let largest = f32::from(i16::MAX).min((i32::MAX as usize / (MAX_WEIGHT * n_rows.max(1))) as f32);
        Encoding { largest, shift: 0, operand: Operand::Signed }
    }
}

impl Int8 {
    /// The encoding of the inputs of a matrix of `n_rows` rows; `None` if a sum could overflow.
    pub(super) fn encoding(n_rows: usize, inputs: Inputs, operand: Operand) -> Option<Encoding> {
        let (largest, shift) = match (inputs, operand) {
            (Inputs::Signed, Operand::Unsigned) => (127.0, 128),
            (Inputs::Signed, Operand::Signed) => (127.0, 0),
            (Inputs::NonNegative, Operand::Unsigned) => (255.0, 0),
            (Inputs::NonNegative, Operand::Signed) => (255.0, -128),
        };
        // Sums of the inputs as they are, and of what the shift adds, fit 32 bits.
        let max_rows = i32::MAX as usize / (2 * 255 * MAX_WEIGHT);
        (n_rows <= max_rows).then_some(Encoding { largest, shift, operand })
    }

    /// The encoding where the engine multiplies inputs of 8 bits faster than of 16.
    pub(super) fn fast_encoding(n_rows: usize, inputs: Inputs) -> Option<Encoding> {
        Self::encoding(n_rows, inputs, int8_operand()?)
    }
}

/// How the engine reads the second operand of its relaxed dot product; `None` where that cannot be
/// used with 8 bits: in engines that add pairs of products in 16 bits, saturated or not, and where
/// this was built without `relaxed-simd`.
///
/// XNNPACK finds it out in the same way (`src/configs/hardware-config.c`).
fn int8_operand() -> Option<Operand> {
    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    let operand = {
        use std::arch::wasm32::{i8x16_splat, i32x4_extract_lane, i32x4_splat};
        // The operands are not known to the compiler, which would compute what it thinks best.
        let sum = |operands: [i8; 2]| {
            let [weight, input] = std::hint::black_box(operands);
            let sums = relaxed_dot(i8x16_splat(weight), i8x16_splat(input), i32x4_splat(0));
            i32x4_extract_lane::<0>(sums)
        };
        match [sum([127, -1]), sum([-128, -128])] {
            [129_540, -65_536] => Some(Operand::Unsigned), // 4 * 127 * 255, 4 * -128 * 128
            [-508, 65_536] => Some(Operand::Signed),       // 4 * 127 * -1, 4 * -128 * -128
            _ => None,
        }
    };
    #[cfg(not(all(target_arch = "wasm32", feature = "relaxed-simd")))]
    let operand = None;
    operand
}

/// The second operands that tests multiply by: in portable code any, in an engine the one that it
/// reads, if it reads all of its 8 bits.
#[cfg(test)]
pub(super) fn operands() -> Vec<Operand> {
    match cfg!(all(target_arch = "wasm32", feature = "relaxed-simd")) {
        true => int8_operand().into_iter().collect(),
        false => vec![Operand::Unsigned, Operand::Signed],
    }
}

/// Four products of int8 weights with inputs of 8 bits, plus a sum, in each of four lanes.
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
#[target_feature(enable = "relaxed-simd")]
#[inline]
fn relaxed_dot(
    weights: std::arch::wasm32::v128,
    inputs: std::arch::wasm32::v128,
    sums: std::arch::wasm32::v128,
) -> std::arch::wasm32::v128 {
    std::arch::wasm32::i32x4_relaxed_dot_i8x16_i7x16_add(weights, inputs, sums)
}

/// Types of weights that [`Int16`] multiplies.
pub(super) trait Weight: Copy + Default + Debug + From<i8> + Into<i32> {
    /// Eight weights in 16 bits each.
    ///
    /// # Safety
    /// Eight weights are read from `weights` on, which needs no alignment.
    #[cfg(target_arch = "wasm32")]
    unsafe fn load(weights: *const Self) -> std::arch::wasm32::v128;
}

impl Weight for i8 {
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    unsafe fn load(weights: *const Self) -> std::arch::wasm32::v128 {
        // SAFETY: the caller's.
        unsafe { std::arch::wasm32::i16x8_load_extend_i8x8(weights) }
    }
}

impl Weight for i16 {
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    unsafe fn load(weights: *const Self) -> std::arch::wasm32::v128 {
        // SAFETY: the caller's.
        unsafe { std::arch::wasm32::v128_load(weights.cast()) }
    }
}

impl<W: Weight> Arithmetic for Int16<W> {
    type Input = i16;
    type Weight = W;

    const DEPTH: usize = 2;

    #[inline(always)]
    fn round(values: &[f32], factor: f32, _: i32, rounded: &mut [i16]) {
        for (values, rounded) in values.chunks(8).zip(rounded.chunks_mut(8)) {
            #[cfg(target_arch = "wasm32")]
            if !scalar::is_on()
                && let (Ok(values), 8) = (<&[f32; 8]>::try_from(values), rounded.len())
            {
                use std::arch::wasm32::{i16x8_narrow_i32x4, v128_store};
                // SAFETY: eight f32 are read, eight i16 written; neither needs alignment.
                unsafe {
                    let [low, high] = [0, 4].map(|at| round_four(values.as_ptr().add(at), factor, 0));
                    v128_store(rounded.as_mut_ptr().cast(), i16x8_narrow_i32x4(low, high));
                }
                continue;
            }
            for (rounded, value) in rounded.iter_mut().zip(values) {
                *rounded = (value * factor + ROUND).to_bits() as i16;
            }
        }
    }

    #[inline(always)]
    fn vectorize(f: impl FnOnce()) {
        f();
    }

    #[cfg(target_arch = "wasm32")]
    #[allow(clippy::needless_range_loop)] // Loops over constants are unrolled, and the sums stay in registers.
    #[inline(always)]
    fn dot<const R: usize, const P: usize>(
        rows: [&[i16]; R],
        panels: [&[W]; P],
        #[cfg_attr(not(test), expect(unused_variables))] start: [&[i32]; P],
        _: Operand,
    ) -> [[[i32; PANEL]; P]; R] {
        use std::arch::wasm32::{i32x4_add, i32x4_dot_i16x8, i32x4_splat, v128, v128_load32_splat};
        #[cfg(test)]
        if scalar::is_on() {
            return scalar_dot::<2, R, P, _, _>(rows, panels, start, i32::from);
        }
        let n_pairs = panels[0].len() / (2 * PANEL);
        assert!(panels.iter().all(|panel| panel.len() == n_pairs * 2 * PANEL));
        assert!(rows.iter().all(|row| row.len() == 2 * n_pairs));
        let mut sums: [[[v128; VECTORS]; P]; R] = [[[i32x4_splat(0); VECTORS]; P]; R];
        for k in 0..n_pairs {
            // SAFETY: k < n_pairs, and the lengths are checked above; loads need no alignment.
            let pairs: [v128; R] =
                std::array::from_fn(|r| unsafe { v128_load32_splat(rows[r].as_ptr().add(2 * k).cast()) });
            for p in 0..P {
                for v in 0..VECTORS {
                    // SAFETY: as above.
                    let weights = unsafe { W::load(panels[p].as_ptr().add(k * 2 * PANEL + v * 8)) };
                    for r in 0..R {
                        sums[r][p][v] = i32x4_add(sums[r][p][v], i32x4_dot_i16x8(pairs[r], weights));
                    }
                }
            }
        }
        // SAFETY: both are R * P * 16 numbers of 32 bits without gaps.
        unsafe { std::mem::transmute_copy(&sums) }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn dot<const R: usize, const P: usize>(
        rows: [&[i16]; R],
        panels: [&[W]; P],
        start: [&[i32]; P],
        _: Operand,
    ) -> [[[i32; PANEL]; P]; R] {
        scalar_dot::<2, R, P, _, _>(rows, panels, start, i32::from)
    }
}

impl Arithmetic for Int8 {
    /// The bits; the operand says of what number.
    type Input = u8;
    type Weight = i8;

    const DEPTH: usize = 4;

    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    fn interleave(block: &[[i8; GROUP]; MAX_DEPTH], to: &mut [i8]) {
        use std::arch::wasm32::{i8x16_shuffle, v128_load, v128_store};
        assert_eq!(to.len(), 16);
        // SAFETY: both are 16 bytes long; neither needs alignment.
        unsafe {
            let rows = v128_load(block.as_ptr().cast());
            let columns = i8x16_shuffle::<0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15>(rows, rows);
            v128_store(to.as_mut_ptr().cast(), columns);
        }
    }

    #[inline(always)]
    fn round(values: &[f32], factor: f32, shift: i32, rounded: &mut [u8]) {
        for (values, rounded) in values.chunks(16).zip(rounded.chunks_mut(16)) {
            #[cfg(target_arch = "wasm32")]
            if !scalar::is_on()
                && let (Ok(values), 16) = (<&[f32; 16]>::try_from(values), rounded.len())
            {
                use std::arch::wasm32::{
                    i16x8_narrow_i32x4, i32x4_splat, u8x16_narrow_i16x8, v128_and, v128_store,
                };
                // SAFETY: 16 f32 are read, 16 bytes written; neither needs alignment.
                unsafe {
                    let [a, b, c, d] = [0, 4, 8, 12].map(|at| {
                        v128_and(round_four(values.as_ptr().add(at), factor, shift), i32x4_splat(0xff))
                    });
                    let bytes = u8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
                    v128_store(rounded.as_mut_ptr().cast(), bytes);
                }
                continue;
            }
            for (rounded, value) in rounded.iter_mut().zip(values) {
                let whole = (value * factor + ROUND).to_bits().wrapping_add_signed(shift);
                *rounded = whole as u8;
            }
        }
    }

    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    #[target_feature(enable = "relaxed-simd")]
    fn vectorize(f: impl FnOnce()) {
        f();
    }

    #[cfg(not(all(target_arch = "wasm32", feature = "relaxed-simd")))]
    #[inline(always)]
    fn vectorize(f: impl FnOnce()) {
        f();
    }

    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    #[allow(clippy::needless_range_loop)] // Loops over constants are unrolled, and the sums stay in registers.
    #[inline(always)]
    fn dot<const R: usize, const P: usize>(
        rows: [&[u8]; R],
        panels: [&[i8]; P],
        start: [&[i32]; P],
        #[cfg_attr(not(test), expect(unused_variables))] operand: Operand,
    ) -> [[[i32; PANEL]; P]; R] {
        use std::arch::wasm32::{v128, v128_load, v128_load32_splat};
        #[cfg(test)]
        if scalar::is_on() {
            return scalar_dot::<4, R, P, _, _>(rows, panels, start, |input| operand.number(input));
        }
        let n_groups = panels[0].len() / (4 * PANEL);
        assert!(panels.iter().all(|panel| panel.len() == n_groups * 4 * PANEL));
        assert!(rows.iter().all(|row| row.len() == 4 * n_groups));
        assert!(start.iter().all(|start| start.len() == PANEL));
        let mut sums: [[[v128; VECTORS]; P]; R] = [std::array::from_fn(|p| {
            // SAFETY: the length of `start` is checked above.
            std::array::from_fn(|v| unsafe { v128_load(start[p].as_ptr().add(4 * v).cast()) })
        }); R];
        for k in 0..n_groups {
            // SAFETY: k < n_groups, and the lengths are checked above; loads need no alignment.
            let inputs: [v128; R] =
                std::array::from_fn(|r| unsafe { v128_load32_splat(rows[r].as_ptr().add(4 * k).cast()) });
            for p in 0..P {
                for v in 0..VECTORS {
                    // SAFETY: as above.
                    let weights = unsafe { v128_load(panels[p].as_ptr().add(k * 4 * PANEL + v * 16).cast()) };
                    for r in 0..R {
                        sums[r][p][v] = relaxed_dot(weights, inputs[r], sums[r][p][v]);
                    }
                }
            }
        }
        // SAFETY: both are R * P * 16 numbers of 32 bits without gaps.
        unsafe { std::mem::transmute_copy(&sums) }
    }

    #[cfg(not(all(target_arch = "wasm32", feature = "relaxed-simd")))]
    fn dot<const R: usize, const P: usize>(
        rows: [&[u8]; R],
        panels: [&[i8]; P],
        start: [&[i32]; P],
        operand: Operand,
    ) -> [[[i32; PANEL]; P]; R] {
        scalar_dot::<4, R, P, _, _>(rows, panels, start, |input| operand.number(input))
    }
}

/// Scalar code on WebAssembly, with which tests compare the SIMD code.
#[cfg(target_arch = "wasm32")]
pub(super) mod scalar {
    #[cfg(test)]
    static IS_ON: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

    /// Runs `f` without SIMD. For single-threaded programs, as those of WebAssembly are.
    #[cfg(test)]
    pub(crate) fn run<T>(f: impl FnOnce() -> T) -> T {
        use std::sync::atomic::Ordering;
        IS_ON.store(true, Ordering::Relaxed);
        let value = f();
        IS_ON.store(false, Ordering::Relaxed);
        value
    }

    /// Whether SIMD is switched off; outside of tests this is a constant.
    #[inline(always)]
    pub(crate) fn is_on() -> bool {
        #[cfg(test)]
        return IS_ON.load(std::sync::atomic::Ordering::Relaxed);
        #[cfg(not(test))]
        false
    }
}

/// Vectors of four sums in a panel.
#[cfg(target_arch = "wasm32")]
const VECTORS: usize = PANEL / 4;

/// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
const ROUND: f32 = 12_582_912.0;

/// Four values times `factor`, rounded, plus `shift`.
///
/// # Safety
/// Four f32 are read from `values` on, which needs no alignment.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
unsafe fn round_four(values: *const f32, factor: f32, shift: i32) -> std::arch::wasm32::v128 {
    use std::arch::wasm32::{f32x4_add, f32x4_mul, f32x4_splat, i32x4_splat, i32x4_sub, v128_load};
    // SAFETY: the caller's.
    let values = unsafe { v128_load(values.cast()) };
    let rounded = f32x4_add(f32x4_mul(values, f32x4_splat(factor)), f32x4_splat(ROUND));
    i32x4_sub(rounded, i32x4_splat(ROUND.to_bits() as i32 - shift))
}

/// [`Arithmetic::dot`] without SIMD.
#[cfg(any(test, not(all(target_arch = "wasm32", feature = "relaxed-simd"))))]
fn scalar_dot<const DEPTH: usize, const R: usize, const P: usize, I: Copy, W: Copy + Into<i32>>(
    rows: [&[I]; R],
    panels: [&[W]; P],
    start: [&[i32]; P],
    number: impl Fn(I) -> i32,
) -> [[[i32; PANEL]; P]; R] {
    let mut sums = [start.map(|start| <[i32; PANEL]>::try_from(start).expect("a number a column")); R];
    for (sums, row) in sums.iter_mut().zip(rows) {
        for (sums, panel) in sums.iter_mut().zip(panels) {
            for (inputs, weights) in row.chunks_exact(DEPTH).zip(panel.chunks_exact(DEPTH * PANEL)) {
                for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(DEPTH)) {
                    for (&input, &weight) in inputs.iter().zip(weights) {
                        *sum = sum.wrapping_add(number(input) * weight.into());
                    }
                }
            }
        }
    }
    sums
}

/// The quantization factor, which maps the largest absolute value to `largest`, and the scale that
/// dequantizes, its inverse.
pub(super) fn factor_and_scale(values: &[f32], largest: f32) -> [f32; 2] {
    // Separate lanes, and a comparison instead of `max`, which treats NaN specially: both
    // vectorize.
    let mut lanes = [0.0f32; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    let chunks = chunks.iter().map(<[f32; 8]>::as_slice).chain([rest]);
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            let size = value.abs();
            *lane = if size > *lane { size } else { *lane };
        }
    }
    let size = lanes.into_iter().fold(0.0, f32::max);
    // Values close to zero are too small to divide by, and are rounded to zero.
    let factor = if size < f32::MIN_POSITIVE * largest { 0.0 } else { largest / size };
    [factor, size / largest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_integer_and_to_the_even_one_between_two() {
        for (value, expected) in
            [(0.0, 0), (0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (1.49, 1), (-7.6, -8)]
        {
            let mut rounded = [7];
            Int16::<i8>::round(&[value], 1.0, 0, &mut rounded);
            assert_eq!(rounded, [expected], "{value}");
            let mut rounded = [7];
            Int8::round(&[value], 1.0, 128, &mut rounded);
            assert_eq!(i16::from(rounded[0]) - 128, expected, "{value}");
        }
        let whole: Vec<i16> = (-32767..=32767).collect();
        let values: Vec<f32> = whole.iter().map(|&value| f32::from(value)).collect();
        let mut rounded = vec![0; whole.len()];
        Int16::<i8>::round(&values, 1.0, 0, &mut rounded);
        assert_eq!(rounded, whole);
        let values: Vec<f32> = (0..=255u8).map(f32::from).collect();
        let mut rounded = vec![0; values.len()];
        for shift in [0, -128] {
            Int8::round(&values, 1.0, shift, &mut rounded);
            let expected: Vec<u8> = (0..=255u8).map(|value| value.wrapping_add_signed(shift as i8)).collect();
            assert_eq!(rounded, expected);
        }
    }

    #[test]
    fn the_largest_value_becomes_the_largest_integer() {
        assert_eq!(factor_and_scale(&[0.5, -1.0, 0.0], 100.0), [100.0, 0.01]);
        assert_eq!(factor_and_scale(&[0.0, 0.0], 100.0), [0.0, 0.0]);
        assert_eq!(factor_and_scale(&[1e-44; 9], 100.0)[0], 0.0);
    }
}
