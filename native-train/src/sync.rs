//! Locks of threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that a thread which panicked cannot spoil: the panic itself ends the program.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
