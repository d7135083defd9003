//! The machines as pure data: states and the inputs that move them. A machine must never see a code, a budget, a
//! clock or a record.

pub mod challenge;
pub mod enrollment;
pub(crate) mod transition;

pub use transition::IllegalTransition;
