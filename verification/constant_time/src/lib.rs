//! What the two checks of constant time share: the client requests to valgrind, the scene in which secrets are marked,
//! the verifications that are observed, and the comparisons that must be caught.
//!
//! `ct` runs every verification under valgrind's memcheck with its secrets marked as undefined; `dudect` times them.
//! See `check.sh` for both.

pub mod app;
pub mod cases;
pub mod controls;
pub mod observe;
pub mod presented;
pub mod scene;
pub mod valgrind;
