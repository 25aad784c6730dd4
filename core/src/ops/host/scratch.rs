//! Temporary buffers that each thread reuses: allocating fresh memory at every step would cost a
//! good part of the time of the arithmetic.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use super::bf16::Tile;

/// The buffers that a thread keeps.
type Free<T> = RefCell<Vec<Vec<T>>>;

/// What buffers hold.
pub(crate) trait Value: Copy + 'static {
    /// What fills a buffer's new memory.
    const ZERO: Self;

    /// The free buffers of each thread.
    fn free() -> &'static LocalKey<Free<Self>>;
}

macro_rules! value {
    ($type:ty, $zero:expr) => {
        impl Value for $type {
            const ZERO: Self = $zero;

            fn free() -> &'static LocalKey<Free<Self>> {
                thread_local! {
                    static FREE: Free<$type> = const { RefCell::new(Vec::new()) };
                }
                &FREE
            }
        }
    };
}
value!(f32, 0.0);
value!(Tile, Tile::ZERO);

/// Buffers that a thread keeps; no operation needs more at a time.
const MAX_FREE: usize = 16;

/// A buffer whose memory goes back to the thread that drops it.
pub(crate) struct Scratch<T: Value = f32>(Vec<T>);

impl<T: Value> Scratch<T> {
    /// `n` uninitialised values: the caller overwrites them all.
    pub(crate) fn any(n: usize) -> Self {
        let mut values = take(n);
        values.resize(n, T::ZERO);
        Self(values)
    }

    /// `n` zeros.
    pub(crate) fn zeros(n: usize) -> Self {
        let mut scratch = Self::any(n);
        scratch.fill(T::ZERO);
        scratch
    }

    /// What `fill` puts into an empty vector, which has room for `n` values.
    pub(crate) fn filled(n: usize, fill: impl FnOnce(&mut Vec<T>)) -> Self {
        let mut values = take(n);
        values.clear();
        values.reserve(n);
        fill(&mut values);
        Self(values)
    }
}

/// The free buffer that fits `n` values best, with what it held, or a new one.
fn take<T: Value>(n: usize) -> Vec<T> {
    T::free().with_borrow_mut(|free| {
        let fitting = (0..free.len()).filter(|&i| free[i].capacity() >= n);
        let best = fitting.min_by_key(|&i| free[i].capacity());
        best.map_or_else(Vec::new, |i| free.swap_remove(i))
    })
}

impl<T: Value> Drop for Scratch<T> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        // A thread that is ending has no pool left.
        let _ = T::free().try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < MAX_FREE {
                free.push(values);
            }
        });
    }
}

impl<T: Value> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Value> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
