//! Buffers for the time of an operation, used again by the next one on the same thread: asking the system for fresh
//! memory at every step would cost as much as a good part of the arithmetic.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers that a thread keeps; no operation needs more at a time.
const MAX_FREE: usize = 16;

/// A buffer whose memory goes back to the thread that drops it.
pub(crate) struct Scratch(Vec<f32>);

impl Scratch {
    /// `n` values, whatever they are: the caller overwrites them all.
    pub(crate) fn any(n: usize) -> Self {
        let mut values = take(n);
        values.resize(n, 0.0);
        Self(values)
    }

    /// `n` zeros.
    pub(crate) fn zeros(n: usize) -> Self {
        let mut scratch = Self::any(n);
        scratch.fill(0.0);
        scratch
    }

    /// What `fill` puts into an empty vector, which has room for `n` values.
    pub(crate) fn filled(n: usize, fill: impl FnOnce(&mut Vec<f32>)) -> Self {
        let mut values = take(n);
        values.clear();
        values.reserve(n);
        fill(&mut values);
        Self(values)
    }
}

/// The free buffer that fits `n` values best, with what it held, or a new one.
fn take(n: usize) -> Vec<f32> {
    FREE.with_borrow_mut(|free| {
        let fitting = (0..free.len()).filter(|&i| free[i].capacity() >= n);
        let best = fitting.min_by_key(|&i| free[i].capacity());
        best.map_or_else(Vec::new, |i| free.swap_remove(i))
    })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        // A thread that is just ending has no place left to keep it.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < MAX_FREE {
                free.push(values);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
