//! The library's own sources, as far as its codes need them.

#[path = "../../src/value/decimal_digit.rs"]
pub(crate) mod decimal_digit;
#[path = "../../src/value/instant.rs"]
pub(crate) mod instant;
#[path = "../../src/value/one_time_password.rs"]
pub(crate) mod one_time_password;
#[path = "../../src/value/user_input.rs"]
pub(crate) mod user_input;
