//! What a machine says to an input that its state does not take. It must never change a state.

use core::fmt;

/// An input that the machine has no edge for in its present state, which is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IllegalTransition;

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the machine has no such transition")
    }
}

impl core::error::Error for IllegalTransition {}
