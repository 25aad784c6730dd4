//! Matrix products of bf16 factors (the upper half of an f32) with sums in f32, by dedicated
//! instructions: tiles of AMX (Intel Xeons from 2023 on), or vectors of AVX512-BF16 (AMD from Zen 4
//! on, Intel Xeons from 2021 on).
//!
//! In: f32 values in rows, rounded here into tiles, to nearest even. Out: blocks of sums. All
//! target-specific code, and with it all unsafe code of these products, is in this file;
//! [`tiles`](super::tiles) makes products of any size of it.

// Browsers have no such instructions: there Instructions has no value, and code that takes one is
// compiled out.
#![cfg_attr(target_family = "wasm", allow(dead_code, unused_variables))]

use std::marker::PhantomData;

/// Rows of a tile on the left-hand side, columns of one on the right-hand side.
pub(super) const SIDE: usize = 16;

/// Values that a tile has along the inner dimension of a product.
pub(super) const DEPTH: usize = 2 * SIDE;

/// Sixteen rows of sixteen pairs of bf16, the first of a pair in the lower half. On the left-hand
/// side of a product row r holds 32 neighbouring values of the matrix's row r; on the right-hand
/// side row p holds the values of the matrix's rows 2p and 2p + 1, pair by pair in 16 columns.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Tile([[u32; SIDE]; SIDE]);

impl Tile {
    /// All zeros.
    pub(super) const ZERO: Self = Self([[0; SIDE]; SIDE]);
}

/// A row-major matrix in a slice, its rows `stride` values apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
    pub(super) stride: usize,
}

impl Rows<'_> {
    /// A value, 0 outside.
    fn get(&self, row: usize, column: usize) -> f32 {
        let inside = row < self.n_rows && column < self.n_columns;
        if inside { self.values[row * self.stride + column] } else { 0.0 }
    }
}

/// Sums of at most two tiles of rows and two of columns.
#[repr(C, align(64))]
pub(super) struct Sums([[f32; 2 * SIDE]; 2 * SIDE]);

impl Sums {
    pub(super) fn zeros() -> Self {
        Self([[0.0; 2 * SIDE]; 2 * SIDE])
    }

    /// Row `r` of the sums.
    #[inline(always)]
    pub(super) fn row(&self, r: usize) -> &[f32; 2 * SIDE] {
        &self.0[r]
    }
}

/// How products of bf16 are computed. A value proves that this machine has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(not(target_family = "wasm"))]
    Portable,
}

impl Instructions {
    /// The arithmetic of AMX in portable code: slow, for tests on any machine.
    #[cfg(not(target_family = "wasm"))]
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// The fastest that this machine supports, if any.
    #[cfg(not(target_family = "wasm"))]
    pub fn fastest() -> Option<Self> {
        Self::all().into_iter().find(|&instructions| instructions != Self::PORTABLE)
    }

    /// All that this machine supports, fastest first.
    #[cfg(not(target_family = "wasm"))]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if x86::has_avx512() && amx::is_permitted() {
            all.push(Self(Kind::Amx));
        }
        #[cfg(target_arch = "x86_64")]
        if x86::has_avx512() {
            all.push(Self(Kind::Avx512));
        }
        all.push(Self::PORTABLE);
        all
    }

    /// Makes this thread ready for products.
    pub(super) fn start(self) -> Kernel {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.0 == Kind::Amx {
            amx::configure();
        }
        Kernel { kind: self.0, this_thread: PhantomData }
    }

    /// Rounds a matrix whose rows lie along the inner dimension into a tile of `SIDE` of them:
    /// values `DEPTH * depth..` of rows `SIDE * side..`, zero where there are none.
    pub(super) fn round_along(self, rows: Rows<'_>, side: usize, depth: usize, to: &mut Tile) {
        let (row, column) = (SIDE * side, DEPTH * depth);
        match self.0 {
            #[cfg(not(target_family = "wasm"))]
            Kind::Portable => {
                let at = |r: usize, c: usize| bf16_bits(rows.get(row + r, column + c));
                *to = tile(|r, p| at(r, 2 * p) | at(r, 2 * p + 1) << 16);
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: values of Instructions other than PORTABLE exist where the processor has
            // AVX512-BF16.
            _ => unsafe { x86::round_along(rows, row, column, to) },
        }
    }

    /// Rounds a matrix whose columns lie along the inner dimension into a tile of `SIDE` of them:
    /// values `DEPTH * depth..` of columns `SIDE * side..`, zero where there are none.
    pub(super) fn round_across(self, rows: Rows<'_>, side: usize, depth: usize, to: &mut Tile) {
        let (row, column) = (DEPTH * depth, SIDE * side);
        match self.0 {
            #[cfg(not(target_family = "wasm"))]
            Kind::Portable => {
                let at = |r: usize, c: usize| bf16_bits(rows.get(row + r, column + c));
                *to = tile(|p, c| at(2 * p, c) | at(2 * p + 1, c) << 16);
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            _ => unsafe { x86::round_across(rows, row, column, to) },
        }
    }

    /// Rows of pairs become columns of pairs: what was a tile of the left-hand side is one of the
    /// right-hand side.
    pub(super) fn transpose(self, from: &Tile, to: &mut Tile) {
        match self.0 {
            #[cfg(not(target_family = "wasm"))]
            Kind::Portable => *to = tile(|r, p| from.0[p][r]),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            _ => unsafe { x86::transpose(from, to) },
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn tile(at: impl Fn(usize, usize) -> u32) -> Tile {
    Tile(std::array::from_fn(|r| std::array::from_fn(|p| at(r, p))))
}

/// The bits of a value rounded to bf16, to nearest even; subnormals become 0, as with the
/// instructions.
#[cfg(not(target_family = "wasm"))]
fn bf16_bits(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        return bits >> 16 | 0x40;
    }
    if value.abs() < f32::MIN_POSITIVE {
        return bits >> 31 << 15;
    }
    (bits + 0x7fff + (bits >> 16 & 1)) >> 16
}

/// Keeps a thread's tiles configured until it is dropped. One at a time per thread.
pub(super) struct Kernel {
    kind: Kind,
    /// The configuration of tiles is the thread's.
    this_thread: PhantomData<*const ()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.kind == Kind::Amx {
            amx::release();
        }
    }
}

impl Kernel {
    /// The product of `left`, one or two rows of `depth` tiles, and `right`, one or two columns of
    /// `depth` tiles. Writes as many tiles of sums.
    pub(super) fn multiply(&self, left: &[Tile], right: &[Tile], depth: usize, sums: &mut Sums) {
        if depth == 0 {
            *sums = Sums::zeros();
            return;
        }
        let sides = [left.len() / depth, right.len() / depth];
        assert!(left.len().is_multiple_of(depth) && right.len().is_multiple_of(depth));
        assert!(sides.iter().all(|side| (1..=2).contains(side)), "{sides:?} tiles of sums");
        match self.kind {
            // SAFETY: the kind proves that there is AMX, start() has configured this thread, and
            // both sides were checked above.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => unsafe { amx::multiply(left, right, depth, sides, sums) },
            // SAFETY: the kind proves that there is AVX512-BF16.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe {
                match sides[1] {
                    1 => x86::multiply::<1>(left, right, depth, sums),
                    _ => x86::multiply::<2>(left, right, depth, sums),
                }
            },
            #[cfg(not(target_family = "wasm"))]
            Kind::Portable => portable_multiply(left, right, depth, sums),
        }
    }
}

/// As TDPBF16PS: of each tile the sums of the first and of the second values of the pairs, one
/// after the other, then their sum. Products of two bf16 are exact in f32.
#[cfg(not(target_family = "wasm"))]
fn portable_multiply(left: &[Tile], right: &[Tile], depth: usize, sums: &mut Sums) {
    let first = |pair: u32| f32::from_bits(pair << 16);
    let second = |pair: u32| f32::from_bits(pair & 0xffff_0000);
    for (i, left) in left.chunks_exact(depth).enumerate() {
        for (j, right) in right.chunks_exact(depth).enumerate() {
            for r in 0..SIDE {
                for c in 0..SIDE {
                    let mut sum = 0.0;
                    for (left, right) in left.iter().zip(right) {
                        let mut of_tile = [0.0f32; 2];
                        for p in 0..SIDE {
                            let (a, b) = (left.0[r][p], right.0[p][c]);
                            of_tile[0] += first(a) * first(b);
                            of_tile[1] += second(a) * second(b);
                        }
                        sum += of_tile[0] + of_tile[1];
                    }
                    sums.0[SIDE * i + r][SIDE * j + c] = sum;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::sync::OnceLock;

    use super::{DEPTH, Rows, SIDE, Sums, Tile};

    /// Whether the processor has all features that the functions here need.
    pub(super) fn has_avx512() -> bool {
        static FOUND: OnceLock<bool> = OnceLock::new();
        *FOUND.get_or_init(|| {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512bf16")
        })
    }

    /// A mask of the first `n` of 16 values.
    fn first(n: usize) -> __mmask16 {
        ((1u32 << n.min(SIDE)) - 1) as __mmask16
    }

    /// Values `column..column + 16` of a row, zero where there are none.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(rows: Rows<'_>, row: usize, column: usize) -> __m512 {
        if row >= rows.n_rows || column >= rows.n_columns {
            return _mm512_setzero_ps();
        }
        let n = SIDE.min(rows.n_columns - column);
        let values = &rows.values[row * rows.stride + column..][..n];
        // SAFETY: the mask lets only the values of the slice be read.
        unsafe { _mm512_maskz_loadu_ps(first(n), values.as_ptr()) }
    }

    /// Both rounded to bf16, `low` first.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn round(low: __m512, high: __m512) -> __m512i {
        // SAFETY: both types are 64 bytes of plain data.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn row(values: __m512i) -> [u32; SIDE] {
        // SAFETY: both are 64 bytes, and every bit pattern is a valid u32.
        unsafe { std::mem::transmute::<__m512i, [u32; SIDE]>(values) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) fn round_along(rows: Rows<'_>, first_row: usize, column: usize, to: &mut Tile) {
        for (r, to) in to.0.iter_mut().enumerate() {
            let low = load(rows, first_row + r, column);
            let high = load(rows, first_row + r, column + SIDE);
            *to = row(round(low, high));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) fn round_across(rows: Rows<'_>, first_row: usize, column: usize, to: &mut Tile) {
        // 0, 16, 1, 17 and so on: the values of two rows become pairs.
        let pairs: [u16; DEPTH] = std::array::from_fn(|i| (i / 2 + i % 2 * SIDE) as u16);
        // SAFETY: both are 64 bytes.
        let pairs = unsafe { std::mem::transmute::<[u16; DEPTH], __m512i>(pairs) };
        for (p, to) in to.0.iter_mut().enumerate() {
            let even = load(rows, first_row + 2 * p, column);
            let odd = load(rows, first_row + 2 * p + 1, column);
            *to = row(_mm512_permutexvar_epi16(pairs, round(even, odd)));
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn transpose(from: &Tile, to: &mut Tile) {
        // SAFETY: both are 1024 bytes.
        let rows = unsafe { std::mem::transmute::<Tile, [__m512i; SIDE]>(*from) };
        let mut pairs = [_mm512_setzero_si512(); SIDE];
        for i in 0..SIDE / 2 {
            pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
        }
        // fours[4 i + j]: of rows 4 i to 4 i + 3 column 4 k + j in lane k.
        let mut fours = [_mm512_setzero_si512(); SIDE];
        for i in 0..SIDE / 4 {
            let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
            fours[4 * i] = _mm512_unpacklo_epi64(a, c);
            fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
            fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
            fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
        }
        let mut out = [_mm512_setzero_si512(); SIDE];
        for j in 0..SIDE / 4 {
            let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
            let (ab_even, ab_odd) =
                (_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b));
            let (cd_even, cd_odd) =
                (_mm512_shuffle_i32x4::<0b10_00_10_00>(c, d), _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d));
            out[j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_even, cd_even);
            out[4 + j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_odd, cd_odd);
            out[8 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_even, cd_even);
            out[12 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_odd, cd_odd);
        }
        // SAFETY: both are 1024 bytes, and every bit pattern is a valid u32.
        *to = unsafe { std::mem::transmute::<[__m512i; SIDE], Tile>(out) };
    }

    /// `C` columns of tiles of sums, in blocks of rows whose sums fill the registers.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) fn multiply<const C: usize>(left: &[Tile], right: &[Tile], depth: usize, sums: &mut Sums) {
        const ROWS: usize = 8;
        // SAFETY: all are 64 bytes of plain data.
        let pairs = |row: &[u32; SIDE]| unsafe { std::mem::transmute::<[u32; SIDE], __m512bh>(*row) };
        for (i, left) in left.chunks_exact(depth).enumerate() {
            for first in (0..SIDE).step_by(ROWS) {
                let mut block = [[_mm512_setzero_ps(); C]; ROWS];
                for (d, left) in left.iter().enumerate() {
                    for p in 0..SIDE {
                        let right: [__m512bh; C] = std::array::from_fn(|c| pairs(&right[c * depth + d].0[p]));
                        for (block, left) in block.iter_mut().zip(&left.0[first..first + ROWS]) {
                            let pair = pairs(&[left[p]; SIDE]);
                            for (sum, right) in block.iter_mut().zip(right) {
                                *sum = _mm512_dpbf16_ps(*sum, pair, right);
                            }
                        }
                    }
                }
                for (r, block) in block.iter().enumerate() {
                    for (c, values) in block.iter().enumerate() {
                        let to = &mut sums.0[SIDE * i + first + r][SIDE * c..][..SIDE];
                        // SAFETY: there is room for 16 values.
                        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), *values) };
                    }
                }
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;
    use std::sync::OnceLock;

    use super::{SIDE, Sums, Tile};

    /// Whether the processor has AMX-BF16 and the kernel permits this process to use it, requested
    /// once.
    pub(super) fn is_permitted() -> bool {
        static PERMITTED: OnceLock<bool> = OnceLock::new();
        *PERMITTED.get_or_init(|| {
            const AMX_BF16: u32 = 1 << 22;
            const AMX_TILE: u32 = 1 << 24;
            let needed = AMX_BF16 | AMX_TILE;
            __cpuid_count(7, 0).edx & needed == needed && request_permission()
        })
    }

    /// `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`: the system keeps 8 KB more for each
    /// thread that uses tiles.
    fn request_permission() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XFEATURE_XTILEDATA: u64 = 18;
        let mut result = ARCH_PRCTL;
        // SAFETY: the call reads no memory, and changes nothing but what threads may use.
        unsafe {
            asm!(
                "syscall",
                inout("rax") result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        result == 0
    }

    /// What LDTILECFG reads: palette 1, eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    static CONFIGURATION: Configuration = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = SIDE as u8;
            tile += 1;
        }
        Configuration(bytes)
    };

    /// Sets the sizes of this thread's tiles. Only where [`is_permitted`].
    pub(super) fn configure() {
        // SAFETY: Kind::Amx exists where tiles are permitted, and the instruction reads the 64
        // bytes of the configuration.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly, preserves_flags));
        }
    }

    /// Releases the tiles, so that the kernel need not save them.
    pub(super) fn release() {
        // SAFETY: as above; nothing keeps values in tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
    }

    /// The product of `sides[0]` rows and `sides[1]` columns of `depth` tiles each.
    ///
    /// # Safety
    /// The thread must be configured, `depth` at least 1, both sides 1 or 2, and `left` and `right`
    /// as long as these say.
    pub(super) unsafe fn multiply(
        left: &[Tile],
        right: &[Tile],
        depth: usize,
        sides: [usize; 2],
        sums: &mut Sums,
    ) {
        macro_rules! product {
            ($zero:tt $step:tt $store:tt) => {
                product!(@ $zero $step $store)
            };
            (@ [$($zero:literal)*] [$($step:literal)*] [$($store:literal)*]) => {
                // SAFETY: the loop reads `depth` tiles of 1024 bytes from each pointer that it
                // uses, which `left` and `right` hold; the tiles of sums lie in `sums`, whose rows
                // are 128 bytes long.
                unsafe {
                    asm!(
                        $($zero,)*
                        "2:",
                        $($step,)*
                        "add {l0}, 1024",
                        "add {l1}, 1024",
                        "add {r0}, 1024",
                        "add {r1}, 1024",
                        "dec {depth}",
                        "jnz 2b",
                        $($store,)*
                        l0 = inout(reg) left.as_ptr() => _,
                        l1 = inout(reg) left.as_ptr().wrapping_add(depth) => _,
                        r0 = inout(reg) right.as_ptr() => _,
                        r1 = inout(reg) right.as_ptr().wrapping_add(depth) => _,
                        depth = inout(reg) depth => _,
                        row = in(reg) size_of::<[u32; SIDE]>(),
                        sums = in(reg) sums.0.as_mut_ptr(),
                        sums_row = in(reg) size_of::<[f32; 2 * SIDE]>(),
                        out("tmm0") _,
                        out("tmm1") _,
                        out("tmm2") _,
                        out("tmm3") _,
                        out("tmm4") _,
                        out("tmm5") _,
                        out("tmm6") _,
                        out("tmm7") _,
                        options(nostack),
                    )
                }
            };
        }
        match sides {
            [1, 1] => product!(
                ["tilezero tmm0"]
                [
                    "tileloadd tmm4, [{l0} + {row}*1]"
                    "tileloadd tmm6, [{r0} + {row}*1]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                ]
                ["tilestored [{sums} + {sums_row}*1], tmm0"]
            ),
            [1, _] => product!(
                ["tilezero tmm0" "tilezero tmm1"]
                [
                    "tileloadd tmm4, [{l0} + {row}*1]"
                    "tileloadd tmm6, [{r0} + {row}*1]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm7, [{r1} + {row}*1]"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                ]
                [
                    "tilestored [{sums} + {sums_row}*1], tmm0"
                    "tilestored [{sums} + {sums_row}*1 + 64], tmm1"
                ]
            ),
            [_, 1] => product!(
                ["tilezero tmm0" "tilezero tmm2"]
                [
                    "tileloadd tmm6, [{r0} + {row}*1]"
                    "tileloadd tmm4, [{l0} + {row}*1]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm5, [{l1} + {row}*1]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                ]
                [
                    "tilestored [{sums} + {sums_row}*1], tmm0"
                    "tilestored [{sums} + {sums_row}*1 + 2048], tmm2"
                ]
            ),
            _ => product!(
                ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"]
                [
                    "tileloadd tmm4, [{l0} + {row}*1]"
                    "tileloadd tmm6, [{r0} + {row}*1]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm7, [{r1} + {row}*1]"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tileloadd tmm5, [{l1} + {row}*1]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                ]
                [
                    "tilestored [{sums} + {sums_row}*1], tmm0"
                    "tilestored [{sums} + {sums_row}*1 + 64], tmm1"
                    "tilestored [{sums} + {sums_row}*1 + 2048], tmm2"
                    "tilestored [{sums} + {sums_row}*1 + 2112], tmm3"
                ]
            ),
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;

    fn along(instructions: Instructions, rows: Rows<'_>, side: usize, depth: usize) -> Tile {
        let mut tile = Tile::ZERO;
        instructions.round_along(rows, side, depth, &mut tile);
        tile
    }

    #[test]
    fn values_are_rounded_to_nearest_even() {
        for (value, bits) in [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3f80),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
            (1e-40, 0x0000),
        ] {
            for instructions in Instructions::all() {
                let rows = Rows { values: &[value; 2], n_rows: 1, n_columns: 2, stride: 2 };
                let tile = along(instructions, rows, 0, 0);
                assert_eq!(tile.0[0][0], bits << 16 | bits, "{value} by {instructions:?}");
                assert!(tile.0.as_flattened()[1..].iter().all(|&pair| pair == 0));
            }
        }
        assert_eq!(bf16_bits(f32::NAN) & 0x7fc0, 0x7fc0);
    }

    #[test]
    fn all_instructions_round_alike() {
        let values: Vec<f32> = (0..45 * 50).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
        let rows = Rows { values: &values, n_rows: 45, n_columns: 47, stride: 50 };
        let tiles = |instructions: Instructions, side, depth| {
            let mut tiles = [Tile::ZERO; 3];
            instructions.round_along(rows, side, depth, &mut tiles[0]);
            instructions.round_across(rows, side, depth, &mut tiles[1]);
            let [along, _, transposed] = &mut tiles;
            instructions.transpose(along, transposed);
            tiles.map(|tile| tile.0)
        };
        for instructions in Instructions::all() {
            for (side, depth) in [(0, 0), (2, 0), (0, 1), (2, 1), (3, 2)] {
                let expected = tiles(Instructions::PORTABLE, side, depth);
                assert_eq!(tiles(instructions, side, depth), expected, "{instructions:?}");
            }
        }
    }
}
