//! Parsed, bounded and immutable values. A value must never exist that its type does not admit.

pub(crate) mod binding_code;
pub(crate) mod decimal_digit;
pub(crate) mod email_address;
pub(crate) mod epoch;
pub(crate) mod id;
pub(crate) mod instant;
pub(crate) mod lane;
pub(crate) mod name;
pub(crate) mod one_time_password;
pub(crate) mod opaque;
pub(crate) mod purpose;
pub(crate) mod recovery_code;
pub(crate) mod revision;
#[cfg(feature = "serde")]
pub(crate) mod serde_helpers;
pub(crate) mod text;
pub(crate) mod user_input;
