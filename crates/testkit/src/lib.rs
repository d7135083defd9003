//! What the tests, the benches and the checks of countersign share: a world to drive the library in, accounts that are
//! measured, and the floors that they are measured against.
//!
//! Everything goes through the library's public face. This crate is for the project's own evidence and is never
//! published; a host tests its store with the conformance kit. It must never decide anything that the library
//! decides.

#![allow(clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod app;
pub mod cases;
#[cfg(feature = "criterion")]
pub mod clock;
pub mod floor;
pub mod login;
pub mod meter;
pub mod minima;
mod oob;
mod proof;
pub mod schedule;
mod world;

pub use app::{App, wrong_otp};
pub use oob::{Given, Mail, Need};
pub use proof::{Letter, Proving};
pub use world::*;
