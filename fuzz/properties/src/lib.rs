//! What must hold for any input, as one function on bytes for each fuzz target: it returns, or panics with what broke.
//!
//! The targets under `fuzz/` hand libFuzzer's inputs to these; `tests/corpora.rs` hands them the checked-in ones on a
//! stable compiler. Nothing here may depend on a clock, on entropy or on the order of runs: an input that fails must
//! fail again.

pub mod allocations;
pub mod input;
pub mod operations;
pub mod record;
pub mod seeds;
pub mod tokens;
pub mod wire;

mod address_proof;
mod budgets;
mod fixture;
mod headers;
mod model;
mod outcome;
mod reference_model;
mod replies;
mod snapshot;

/// The property of a target.
pub type Check = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Check); 5] = [
    ("operations", operations::check),
    ("record", record::check),
    ("tokens", tokens::check),
    ("input", input::check),
    ("wire", wire::check),
];
