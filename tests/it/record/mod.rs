//! The tests of what is stored, each in a file of the name that its source has in `src/record`.

mod account;
mod validate;
