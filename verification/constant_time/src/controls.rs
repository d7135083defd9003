//! Comparisons that a check of constant time must catch. Each is given the same secrets as the library.
//!
//! A plain loop that leaves early will not do: at high optimisation the compiler makes one vector comparison of it, and
//! a check that stays silent about that is right. Each byte therefore passes through `black_box`.

use std::hint::black_box;

/// Leaves at the first difference: a branch on a secret.
#[inline(never)]
#[must_use]
pub fn early_exit(a: &[u8], b: &[u8]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if black_box(*a) != black_box(*b) {
            return false;
        }
    }
    a.len() == b.len()
}

/// What anybody writes first: `==` on two slices of unknown length, which calls the C library.
#[inline(never)]
#[must_use]
pub fn slice_equality(a: &[u8], b: &[u8]) -> bool {
    black_box(a) == black_box(b)
}

/// Looks a byte up in a table: an address that depends on a secret.
#[inline(never)]
#[must_use]
pub fn table_lookup(table: &[u8; 256], secret: u8) -> u8 {
    table[usize::from(black_box(secret))]
}
