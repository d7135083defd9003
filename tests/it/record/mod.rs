//! The tests of what is stored, each in a file of the name that its subject has in `src/record`.

mod validate;
