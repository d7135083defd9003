//! The factors. This room must never decide whether a factor may be used: that is the policy and the commands.

#![allow(clippy::module_inception, reason = "the room has the name of its main type")]

pub(crate) mod factor;
