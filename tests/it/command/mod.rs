//! The tests of the commands and of their steps, each in a file of the name that its source has in `src/command`.

mod address_verifier;
mod admin;
mod associate;
mod authenticators;
mod begin;
mod challenge;
mod decide;
mod gate;
mod preferences;
mod provision;
mod recovery_codes;
mod remove;
mod render;
mod report_delivery;
mod send;
mod verify_oob;
mod verify_otp;
mod verify_recovery;
