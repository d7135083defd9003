//! What does not compile: reading a verdict, its effects or a code before the store has answered, storing a code, and
//! reaching into a record.
//!
//! The cases stand in the folder above, each with its compiler message, so that it fails for the reason that is meant.
//! `commits.rs` and `reads_a_record.rs` are the controls that compile.

use countersign::{
    BindingCode, Effect, Session,
    address_proof::{ProofHandle, ProofLink},
    code::{DeviceToken, LinkToken, MfaToken, OobCode, RecoveryCode},
    session::OobHandle,
};
use static_assertions::{assert_eq_size, assert_impl_all, assert_not_impl_any};

#[test]
fn verdicts_and_effects_cannot_be_read_before_the_swap() {
    let cases = trybuild::TestCases::new();
    cases.pass("commits.rs");
    cases.compile_fail("peeks_at_*.rs");
    cases.compile_fail("forges_*.rs");
}

/// L4: another crate calls no internals of a record through its bound, and L5: it reads none past its checks. The first
/// are cases that fail; the second is in the case that passes, and would not if a record had a `deserialize` of its
/// own.
#[test]
fn nothing_outside_reaches_into_a_record() {
    let cases = trybuild::TestCases::new();
    cases.pass("reads_a_record.rs");
    cases.compile_fail("reaches_*.rs");
}

// What carries a code or a token has no stored form; its descriptor has.
assert_not_impl_any!(BindingCode: serde::Serialize);
assert_not_impl_any!(RecoveryCode: serde::Serialize);
assert_not_impl_any!(OobCode: serde::Serialize);
assert_not_impl_any!(MfaToken: serde::Serialize);
assert_not_impl_any!(DeviceToken: serde::Serialize);
assert_not_impl_any!(LinkToken: serde::Serialize);
assert_not_impl_any!(ProofHandle: serde::Serialize, serde::de::DeserializeOwned);
assert_not_impl_any!(ProofLink: serde::Serialize, serde::de::DeserializeOwned);
assert_not_impl_any!(countersign::effect::Message: serde::Serialize);
assert_not_impl_any!(countersign::effect::Content: serde::Serialize);
assert_not_impl_any!(Effect: serde::Serialize);
assert_not_impl_any!(Session: serde::Serialize, serde::de::DeserializeOwned);
assert_not_impl_any!(OobHandle: serde::Serialize, serde::de::DeserializeOwned);
assert_impl_all!(countersign::effect::Descriptor: serde::Serialize, serde::de::DeserializeOwned);

// A record is a pointer: a step moves 8 bytes of it.
assert_eq_size!(countersign::Account, usize);
assert_eq_size!(countersign::address_proof::AddressProof, usize);

// Nor can a code be compared by `==`, which stops at the first difference.
assert_not_impl_any!(BindingCode: PartialEq, std::fmt::Display);
assert_not_impl_any!(RecoveryCode: PartialEq, std::fmt::Display);
assert_not_impl_any!(BindingCode: PartialEq, std::fmt::Display);
assert_not_impl_any!(LinkToken: PartialEq, std::fmt::Display);

// A verifier is shared between threads.
assert_impl_all!(countersign::Verifier: Send, Sync);
assert_impl_all!(countersign::Step<countersign::Verified>: Send);
