//! The owned text of names, addresses and contexts. It must never interpret what it holds.

/// A text that is set once. Clones share it, for a step clones the names of its session more often than it makes one.
#[cfg(target_has_atomic = "ptr")]
pub(crate) type Text = alloc::sync::Arc<str>;

/// A text that is set once. A target without atomic compare-and-swap, such as `thumbv6m-none-eabi`, has no `Arc`, so
/// each clone is a copy. Every text is bounded: the longest is a scope.
#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) type Text = alloc::boxed::Box<str>;
