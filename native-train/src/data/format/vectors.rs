//! The strokes of a simplified drawing as text, 64 bytes at a time, on processors with AVX2.
//!
//! Numbers are found and computed for all bytes at once, as if one ended at each: its digits are in
//! the three bytes before. Those that do end are then moved together. What depends on the text is
//! decided once for a list, not once for a number, so that the processor rarely guesses wrong. The
//! idea of looking at blocks through bit masks is that of simdjson (Langdale and Lemire, "Parsing
//! Gigabytes of JSON per Second", 2019).

use std::arch::x86_64::__m256i;

use pulp::x86::V3;

use super::packed::{GROUP, pack_stroke};

/// Bytes that are looked at together.
const N: usize = 64;

/// Bytes before one that tell what ends there: three digits.
const BEFORE: usize = 3;

/// For each set of bits of a byte, where they are, from the first on.
const PLACES: [[u8; GROUP]; 256] = {
    let mut all = [[0; GROUP]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut bit, mut n) = (0, 0);
        while bit < GROUP {
            if set >> bit & 1 == 1 {
                all[set][n] = bit as u8;
                n += 1;
            }
            bit += 1;
        }
        set += 1;
    }
    all
};

/// Reads `[[[x...],[y...]],...]` at the start of `text`, appends the strokes to `packed`
/// ([`pack`](super::packed::pack)), and tells what of the text is behind them.
///
/// Nothing if they have another form, and then `packed` may have any of them. `numbers` is memory
/// that is used again.
pub(crate) fn read<'a>(
    simd: V3,
    text: &'a [u8],
    numbers: &mut Vec<u8>,
    packed: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    // What is inlined into the closure is compiled for such processors.
    simd.vectorize(|| read_inlined(simd, text, numbers, packed))
}

#[inline(always)]
fn read_inlined<'a>(
    simd: V3,
    text: &'a [u8],
    numbers: &mut Vec<u8>,
    packed: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    if !text.starts_with(b"[[[") {
        return None;
    }
    // How many numbers there have been, and which are the first of the lists of this stroke.
    let (mut n, mut x_start, mut y_start, mut is_y) = (0, 0, 0, false);
    // Bits: the byte belongs between two lists. The upper half is of the next block.
    let mut between = 0_u128;
    let mut at = BEFORE;
    loop {
        let rest = text.get(at - BEFORE..)?;
        let mut padded = [0; BEFORE + N];
        let window = match rest.first_chunk() {
            Some(window) => window,
            None if rest.len() > BEFORE => {
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            }
            None => return None,
        };
        let Block { values, ends, mut lists, others, wrong } = block(simd, window);

        if numbers.len() < n + N + GROUP {
            numbers.resize(2 * (n + N + GROUP), 0);
        }
        let n_before = n;
        for (index, values) in values.as_chunks::<GROUP>().0.iter().enumerate() {
            let set = (ends >> (GROUP * index)) as u8;
            let places = PLACES[usize::from(set)];
            let moved = simd
                .ssse3
                ._mm_shuffle_epi8(pulp::cast([*values, [0_u8; GROUP]]), pulp::cast([places, [0_u8; GROUP]]));
            let [moved, _]: [[u8; GROUP]; 2] = pulp::cast(moved);
            *numbers[n..].first_chunk_mut()? = moved;
            n += set.count_ones() as usize;
        }

        while lists != 0 {
            let index = lists.trailing_zeros();
            lists &= lists - 1;
            let up_to_here = u64::MAX >> (63 - index);
            let end = n_before + (ends & up_to_here).count_ones() as usize;
            let after = text.get(at + index as usize + 1..)?;
            let n_between = if !is_y {
                y_start = end;
                if !after.starts_with(b",[") {
                    return None;
                }
                2
            } else {
                let n_points = end - y_start;
                if n_points != y_start - x_start {
                    return None;
                }
                pack_stroke(&numbers[x_start..], &numbers[y_start..], n_points, packed)?;
                x_start = end;
                if after.starts_with(b"]]") {
                    let is_right = wrong & up_to_here == 0 && (others ^ between as u64) & up_to_here == 0;
                    return is_right.then(|| &after[2..]);
                }
                if !after.starts_with(b"],[[") {
                    return None;
                }
                4
            };
            between |= ((1 << n_between) - 1) << (index + 1);
            is_y = !is_y;
        }
        if wrong != 0 || others != between as u64 {
            return None;
        }
        between >>= N;
        at += N;
    }
}

/// What the bytes of a text are. Bits have the first byte lowest.
struct Block {
    /// The number that ends before each.
    values: [u8; N],
    /// Bits: no digit, but there is one before it.
    ends: u64,
    /// Bits: an end that is `]`.
    lists: u64,
    /// Bits: neither a digit nor an end.
    others: u64,
    /// Bits: an end that is neither `,` nor `]` or whose number is more than 255, a digit after a
    /// leading zero or after three digits.
    wrong: u64,
}

/// Looks at the last `N` bytes of `text`.
#[inline(always)]
fn block(simd: V3, text: &[u8; BEFORE + N]) -> Block {
    const HALF: usize = N / 2;
    let (avx, avx2) = (simd.avx, simd.avx2);
    let all = |byte: u8| avx._mm256_set1_epi8(byte as i8);
    let and = |a, b| avx2._mm256_and_si256(a, b);
    let and_not = |a, b| avx2._mm256_andnot_si256(b, a);
    let or = |a, b| avx2._mm256_or_si256(a, b);
    let add = |a, b| avx2._mm256_add_epi8(a, b);
    let equal = |a, b| avx2._mm256_cmpeq_epi8(a, b);
    // By digits: what it stands for, and the most that may follow two hundred and less, or more, as
    // a signed number.
    let table = |values: [i8; 16]| -> __m256i { pulp::cast([values, values]) };
    let look_up = |table, digits| avx2._mm256_shuffle_epi8(table, digits);
    let tens = table([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 0, 0, 0, 0, 0, 0]);
    let hundreds = table([0, 100, 200_u8 as i8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let most = table([99, 99, 55, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0]);

    let mut values = [[0_u8; HALF]; 2];
    let (mut ends, mut lists, mut others, mut wrong) = (0, 0, 0, 0);
    for (half, values) in values.iter_mut().enumerate() {
        // The bytes that stand so many places before.
        let load = |before: usize| -> __m256i {
            let bytes: &[u8; HALF] =
                text[BEFORE + HALF * half - before..].first_chunk().expect("enough bytes");
            pulp::cast(*bytes)
        };
        let digit = |bytes| avx2._mm256_sub_epi8(bytes, all(b'0'));
        let is_digit = |digit| equal(avx2._mm256_min_epu8(digit, all(9)), digit);
        let bits = |bytes| u64::from(avx2._mm256_movemask_epi8(bytes) as u32) << (HALF * half);

        let byte = load(0);
        let is_here = is_digit(digit(byte));
        let (one, ten, hundred) = (digit(load(1)), digit(load(2)), digit(load(3)));
        let (has_one, is_ten) = (is_digit(one), is_digit(ten));
        let has_ten = and(has_one, is_ten);
        let has_hundred = and(has_ten, is_digit(hundred));
        let hundred = and(hundred, has_hundred);
        let low = add(one, look_up(tens, and(ten, has_ten)));
        *values = pulp::cast(add(low, look_up(hundreds, hundred)));

        let is_close = equal(byte, all(b']'));
        let is_mark = or(is_close, equal(byte, all(b',')));
        let is_too_large = avx2._mm256_cmpgt_epi8(low, look_up(most, hundred));
        let is_end = and_not(has_one, is_here);
        let has_leading_zero = and_not(equal(one, all(0)), is_ten);
        let is_wrong_end = and(is_end, or(is_too_large, and_not(all(0xff), is_mark)));
        ends |= bits(is_end);
        lists |= bits(and(is_end, is_close));
        others |= bits(and_not(all(0xff), or(is_here, has_one)));
        wrong |= bits(or(is_wrong_end, and(is_here, or(has_hundred, has_leading_zero))));
    }
    Block { values: pulp::cast(values), ends, lists, others, wrong }
}
