//! The machines as pure data: states and the inputs that move them. A machine must never see a code, a budget, a
//! clock or a record.

pub(crate) mod challenge;
pub(crate) mod enrollment;
pub(crate) mod transition;

pub use self::{
    challenge::{CancelReason, ChallengeInput, ChallengeState, Pending},
    enrollment::{EnrolledBy, Enrollment, EnrollmentInput, Transition, Unconfirmed},
    transition::IllegalTransition,
};
