//! Erasing what was secret and is no longer needed.
//!
//! A secret that stays in freed memory or in a dead stack frame can turn up in a crash dump or a later allocation.
//! Here it is overwritten at full speed, and a barrier keeps the compiler from leaving that out. This module must
//! never decide what is secret. It cannot erase copies made by the compiler.

use core::ops::{Deref, DerefMut};

/// Overwrites `bytes` with zeros.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
    #[cfg(test)]
    tests::WIPED.set(tests::WIPED.get() + bytes.len());
}

/// Overwrites whole words with zeros.
pub(crate) fn wipe_words<T: Copy + Default>(words: &mut [T]) {
    words.fill(T::default());
    zeroize::optimization_barrier(words);
    #[cfg(test)]
    tests::WIPED.set(tests::WIPED.get() + size_of_val(words));
}

/// A buffer on the stack, erased when it goes.
#[derive(Clone)]
pub(crate) struct SecretArray<const N: usize>([u8; N]);

impl<const N: usize> SecretArray<N> {
    pub(crate) const fn new() -> Self {
        Self::of([0; N])
    }

    pub(crate) const fn of(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> Deref for SecretArray<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for SecretArray<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for SecretArray<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use core::cell::Cell;

    std::thread_local! {
        /// How many bytes this thread has wiped. What was wiped in memory that is freed, no safe code can look at.
        pub(crate) static WIPED: Cell<usize> = const { Cell::new(0) };
    }

    /// How many bytes are wiped when this goes.
    pub(crate) fn wiped_with<T>(secret: T) -> usize {
        wiped_by(|| drop(secret)).1
    }

    /// What this gives, and how many bytes it wipes on its way.
    pub(crate) fn wiped_by<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = WIPED.get();
        let given = work();
        (given, WIPED.get() - before)
    }

    #[test]
    fn what_is_wiped_is_zero() {
        let mut bytes = [7; 100];
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 100]);
        let mut words = [7_u32; 9];
        let ((), wiped) = wiped_by(|| wipe_words(&mut words));
        assert_eq!((words, wiped), ([0; 9], 36));
    }

    #[test]
    fn a_buffer_holds_what_is_written_and_is_wiped_when_it_goes() {
        let mut buffer = SecretArray::<9>::new();
        assert_eq!(*buffer, [0; 9]);
        buffer[8] = 1;
        assert_eq!(buffer[7..], [0, 1]);
        assert_eq!(wiped_with(buffer), 9);
    }
}
