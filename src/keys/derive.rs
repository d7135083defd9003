//! Everything that is derived instead of stored, each from a server key and, where it is secret, a seed in the record.
//!
//! The same inputs give the same code again, so a code can be sent again and never has to be kept. Each derivation has
//! a label of its own and length-prefixed fields: no value of one kind can pass for another (domain separation), and
//! none for the same kind in another account, transaction, challenge, purpose or generation. The vectors in
//! `tests/vectors/` pin every one of them.

use crate::{
    crypto::{
        mac::{MacKey, Tag},
        seed::Seed,
        transcript::{Transcript, Unkeyed, finished_in_place},
    },
    value::{
        binding_code::{BindingCode, CodeForm},
        id::{AuthenticatorId, ChallengeId, DestinationKey, TenantTag, TransactionId, first_16},
        name::Subject,
        one_time_password::{OtpAlgorithm, SharedSecret},
        purpose::ProofPurpose,
        recovery_code::RecoveryCode,
    },
};

/// The version that stands in every token and handle.
pub(crate) const VERSION: u8 = 1;

/// The bytes that a handle and a link of a proof of an address begin with: version, key id, proof id, time of issue,
/// deadline.
pub(crate) const STAMP_BYTES: usize = 1 + 4 + 16 + 8 + 8;

/// The bytes that the token of a remembered device begins with: version, key id, device id, expiry.
pub(crate) const DEVICE_PREFIX_BYTES: usize = 1 + 4 + 16 + 8;

/// What a binding code is bound to.
pub(crate) struct Binding<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) authenticator: &'a AuthenticatorId,
    pub(crate) channel: &'a str,
    pub(crate) address: &'a [u8],
    pub(crate) transaction: &'a TransactionId,
    pub(crate) challenge: &'a ChallengeId,
    /// The purpose in three pieces, so that an action needs no allocation.
    pub(crate) purpose: [&'a [u8]; 3],
    pub(crate) generation: u32,
    pub(crate) form: CodeForm,
    pub(crate) seed: &'a Seed,
}

/// The binding code: MAC(binding; everything it is bound to, its form included). A short one is its first 8
/// bytes as an integer modulo 10^digits, a long one its first two times 8 bytes, each modulo 10^10.
pub(crate) fn binding_code(key: &MacKey, binding: &Binding<'_>) -> BindingCode {
    BindingCode::from_tag(&binding_tag(key, binding), binding.form)
}

fn binding_tag(key: &MacKey, binding: &Binding<'_>) -> Tag {
    let mut message = key.message();
    message
        .field(binding.subject.as_bytes())
        .prefixed(binding.authenticator.prefix(), binding.authenticator.device())
        .field(binding.channel.as_bytes())
        .field(binding.address)
        .fixed(&binding.transaction.0)
        .fixed(&binding.challenge.0)
        .joined(&binding.purpose)
        .fixed(&binding.generation.to_be_bytes())
        .fixed(&[binding.form.digits()])
        .fixed(&binding.seed.0);
    message.finish()
}

/// The tag of an `oob_code` over its prefix.
pub(crate) fn oob_tag(key: &MacKey, subject: &Subject, prefix: &[u8]) -> Tag {
    let mut message = key.message();
    message.field(subject.as_bytes()).field(prefix);
    message.finish()
}

/// What a link and the long code beside it are bound to.
pub(crate) struct LinkBinding<'a> {
    /// What the handle and the link begin with.
    pub(crate) stamp: &'a [u8; STAMP_BYTES],
    pub(crate) subject: &'a Subject,
    pub(crate) address: &'a [u8],
    pub(crate) purpose: ProofPurpose,
    pub(crate) generation: u32,
    pub(crate) seed: &'a Seed,
}

/// The outer tag of a handle or a link of a proof of an address. It takes no record to check it.
pub(crate) fn proof_tag(
    key: &MacKey,
    kind: &str,
    subject: &Subject,
    purpose: ProofPurpose,
    stamp: &[u8; STAMP_BYTES],
) -> Tag {
    let mut message = key.message();
    message.field(kind.as_bytes()).field(subject.as_bytes()).field(purpose.as_str().as_bytes()).fixed(stamp);
    message.finish()
}

/// The tag of which a link carries the first 16 bytes.
pub(crate) fn link_tag(key: &MacKey, link: &LinkBinding<'_>) -> Tag {
    let mut message = key.message();
    message
        .fixed(link.stamp)
        .field(link.subject.as_bytes())
        .field(link.address)
        .field(link.purpose.as_str().as_bytes())
        .fixed(&link.generation.to_be_bytes())
        .fixed(&link.seed.0);
    message.finish()
}

/// The long code beside a link: from a MAC of the same under a key of its own.
pub(crate) fn link_code(key: &MacKey, link: &LinkBinding<'_>) -> BindingCode {
    BindingCode::from_tag(&link_tag(key, link), CodeForm::Long)
}

/// The inner tag of a device's token. It takes the record to check it: the device's seed goes into it.
pub(crate) fn device_tag(
    key: &MacKey,
    subject: &Subject,
    prefix: &[u8; DEVICE_PREFIX_BYTES],
    seed: &Seed,
) -> Tag {
    let mut message = key.message();
    message.field(subject.as_bytes()).fixed(prefix).fixed(&seed.0);
    message.finish()
}

/// The outer tag of a device's token. It takes no record to check it, so that a forged one loads none.
pub(crate) fn device_outer_tag(key: &MacKey, subject: &Subject, prefix: &[u8; DEVICE_PREFIX_BYTES]) -> Tag {
    let mut message = key.message();
    message.field(subject.as_bytes()).fixed(prefix);
    message.finish()
}

/// The tag of an `mfa_token` over its payload, which lies in a buffer with its length before it and, behind these
/// `framed` bytes, room for their padding; `None` if there is none.
pub(crate) fn token_tag(key: &MacKey, buffer: &mut [u8], framed: usize) -> Option<Tag> {
    finished_in_place(key, buffer, framed)
}

/// A recovery code of a new set. `authenticator` is the one that brings the set, or the set itself if it is made anew.
pub(crate) fn recovery_issue(
    key: &MacKey,
    subject: &Subject,
    authenticator: &AuthenticatorId,
    seed: &Seed,
    index: u32,
) -> RecoveryCode {
    let mut message = key.message();
    message
        .field(subject.as_bytes())
        .prefixed(authenticator.prefix(), authenticator.device())
        .fixed(&seed.0)
        .fixed(&index.to_be_bytes());
    RecoveryCode::from_tag(&message.finish())
}

/// The code that replaces a used one: the same whenever the same code is presented in the same transaction.
pub(crate) fn recovery_next(
    key: &MacKey,
    subject: &Subject,
    recovery: &AuthenticatorId,
    transaction: &TransactionId,
    presented: &RecoveryCode,
) -> RecoveryCode {
    let mut message = key.message();
    message
        .field(subject.as_bytes())
        .prefixed(recovery.prefix(), recovery.device())
        .fixed(&transaction.0)
        .fixed(presented.symbols());
    RecoveryCode::from_tag(&message.finish())
}

/// The stored form of a live recovery code.
pub(crate) fn recovery_hash(key: &MacKey, subject: &Subject, code: &RecoveryCode) -> Tag {
    let mut message = key.message();
    message.field(subject.as_bytes()).fixed(code.symbols());
    message.finish()
}

/// The secret of an authenticator of one-time passwords, in blocks of 32 bytes that are cut to what its
/// algorithm takes.
pub(crate) fn otp_secret(
    key: &MacKey,
    subject: &Subject,
    authenticator: &AuthenticatorId,
    seed: &Seed,
    algorithm: OtpAlgorithm,
) -> SharedSecret {
    SharedSecret::from_blocks(algorithm, |index| {
        let mut message = key.message();
        message
            .field(subject.as_bytes())
            .prefixed(authenticator.prefix(), authenticator.device())
            .fixed(&seed.0)
            .fixed(&index.to_be_bytes());
        message.finish()
    })
}

/// The key that tells a host which messages go to one mailbox, of the counting form of its address.
pub(crate) fn destination_key(key: &MacKey, channel: &str, counting_form: &str) -> DestinationKey {
    let mut message = key.message();
    message.field(channel.as_bytes()).field(counting_form.as_bytes());
    DestinationKey(*message.finish().first())
}

/// What a record carries of the context of its keys: SHA-256 over the context, first 8 bytes. No key enters it.
pub(crate) fn tenant_tag(context: &str) -> TenantTag {
    let mut message = Transcript::new(Unkeyed);
    message.fixed(b"countersign/v1/tenant").field(context.as_bytes());
    TenantTag(*message.finish().first_chunk().unwrap_or(&[0; 8]))
}

/// The stable id of an effect: SHA-256 over public facts, first 16 bytes. The kind comes in two pieces, so that one
/// with a channel in it needs no allocation.
pub(crate) fn effect_id(
    subject: &Subject,
    kind: (&str, &str),
    reference: &[&[u8]],
    sends: Option<u32>,
) -> [u8; 16] {
    let mut message = Transcript::new(Unkeyed);
    message
        .fixed(b"countersign/v1/effect")
        .field(subject.as_bytes())
        .joined(&[kind.0.as_bytes(), kind.1.as_bytes()])
        .joined(reference);
    match sends {
        Some(sends) => message.fixed(&sends.to_be_bytes()),
        None => message.fixed(&[]),
    };
    first_16(&message.finish())
}
