//! An embeddable second-factor core: authenticator apps, one-time codes by email and recovery codes, as
//! explicit state machines without I/O.
//!
//! `countersign` decides; the host acts. It owns no socket, no clock, no entropy, no mailer, no database and no
//! thread. A host gives it a record, a request, the time and randomness; it gives back the next record, and the
//! effects to carry out once that record is safely stored. Its words are those of Auth0's MFA API: associate,
//! challenge, `oob_code`, `binding_code`, recovery code, `mfa_token`.
//!
//! # The one rule
//!
//! **Load the account, take one step, store it by compare-and-swap, and only then look at what happened.**
//!
//! ```
//! use countersign::{Account, BindingCode, Outcome, Session, Store, Verified, Verifier, drive};
//! # use std::{error::Error, sync::Arc};
//! # use time::OffsetDateTime;
//!
//! async fn verify<S>(
//!     verifier: &Verifier, // keys and policy: built once
//!     store: &S,           // a row a user, written under a condition
//!     session: &Session,
//!     (oob_code, typed): (&str, &str),
//!     now: fn() -> OffsetDateTime,
//! ) -> Result<Outcome<Verified>, Box<dyn Error + Send + Sync>>
//! where
//!     S: Store<Record = Account, Error: Error + Send + Sync + 'static>,
//! {
//!     let handle = verifier.open_oob_code(session, oob_code)?; // authentic, and of this transaction: no storage touched
//!     let code = BindingCode::parse(typed)?; // malformed input costs no attempt
//!     let step = |account| verifier.verify_oob(session, account, &handle, &code, now(), None);
//!     // Loads, steps and swaps; if another step came first, nothing happened, and it begins anew.
//!     Ok(drive(store, session.subject(), step).await?) // now carry out its effects and answer with its result
//! }
//! ```
//!
//! A rejection is an outcome and not an error: a wrong code changes the record, so every command that can write
//! returns a [`Step`], and its verdict is sealed until the record that was charged for it is stored. Twenty parallel
//! guesses on three servers cost twenty attempts, or start over.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | the commands | [`Verifier`] |
//! | the record | [`Account`] |
//! | whether a stored record is of a later release | `record::StoredVersion`, behind `serde` |
//! | the host's loop | [`drive`], [`store`] |
//! | what the store must promise | [`Store`], [`LocalStore`], [`BlockingStore`] |
//! | the step, for a loop of your own | [`Step`], [`Write`], [`Swap`], [`step`] |
//! | what a host carries out, and its outbox | [`Effect`], [`effect`] |
//! | factors, and what their enrollment answers | [`factor`] |
//! | who asks, and what a host keeps of it | [`FirstFactor`], [`Session`], [`Elevation`], [`session`] |
//! | codes and tokens | [`BindingCode`], [`code`] |
//! | one-time passwords of an app or a device, what its QR code says | [`factor::OtpSetup`], [`otp`] |
//! | what was proven | [`Evidence`], [`evidence`] |
//! | what to log | [`audit`] |
//! | why a client was refused | [`Denial`] |
//! | bounds, presets, guess probability | [`policy`], [`Policy`] |
//! | remembered devices | [`Verifier::recognize`], [`policy::Remember`] |
//! | what an attack does to its victim | [`threat_model`], [`Lane`](record::Lane) |
//! | keys and their rotation | [`keys`], [`KeyRing`] |
//! | the machines | [`machine`] |
//! | proving an address without an account: sign-up, a forgotten password | [`address_proof`] |
//! | what is and is not defended against | [`threat_model`] |
//! | whether a store keeps its promise | the crate `countersign-conformance` |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `serde` | the stored form of records, descriptors and audit events |
//! | `wire` | the requests, replies and errors of Auth0's MFA API, as types and pure functions |
//!
//! With and without them the crate is `no_std` with `alloc`, also where there is no atomic compare-and-swap: it builds
//! for `thumbv6m-none-eabi`.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate)]
// Nothing that a client or a stored byte can say may make the library panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm
    )
)]

extern crate alloc;
#[cfg(any(test, countersign_constant_time))]
extern crate std;

pub mod command;
mod crypto;
pub mod factor;
pub mod keys;
pub mod machine;
pub mod otp;
mod outcome;
pub mod policy;
pub mod record;
pub mod session;
#[cfg(test)]
mod tests;
pub mod threat_model;
mod value;
#[cfg(feature = "wire")]
pub mod wire;

/// The generators that [`Entropy`] is drawn from, in the version that this crate speaks.
pub use rand_core;
/// The times of this crate, in the version that it speaks.
pub use time;

pub use command::{
    associate::Associated,
    authenticators::Requirements,
    begin::Begun,
    challenge::{ChallengeRequest, Challenged},
    verifier::Verifier,
    verify_oob::Verified,
};
#[cfg(countersign_constant_time)]
#[doc(hidden)]
pub use crypto::declassify::DECLASSIFY;
pub use crypto::entropy::Entropy;
pub use factor::factor::NewFactor;
pub use keys::keyring::{Key, KeyRing};
pub use outcome::{
    denial::Denial,
    drive::drive,
    effect::Effect,
    step::{Outcome, Step, Swap, Write},
    store::{BlockingStore, LocalStore, Store},
};
pub use policy::policy::Policy;
pub use record::account::Account;
pub use session::{
    elevation::Elevation,
    evidence::Evidence,
    session::{FirstFactor, Session},
};
pub use value::{
    binding_code::BindingCode, email_address::EmailAddress, id::AuthenticatorId, name::Subject,
    revision::Revision,
};

/// What comes of a step once the store has answered.
pub mod step {
    pub use crate::outcome::step::{Committed, Effects, Sealed};
}

/// The host's loop in its other forms, and how it fails.
pub mod store {
    pub use crate::outcome::drive::{DriveError, MAX_TRIES, drive_blocking, drive_with};
}

/// What the host carries out: messages, notices and tokens, and what its outbox keeps of them.
pub mod effect {
    pub use crate::{
        command::{render::RenderError, report_delivery::DeliveryReport},
        factor::{
            destination::{Channel, Destination, FactorLabel},
            setup::Delivery,
        },
        outcome::{
            effect_id::EffectId,
            end_sessions::{EndReason, EndSessions},
            issue_token::IssueToken,
            notify::{Notice, Notify},
            send::{Content, Descriptor, LinkDescriptor, Message, MessageDescriptor},
        },
        value::id::{ChallengeId, DestinationKey},
    };
}

/// The proof of an address without an account: to sign up with it, or to reset a forgotten password.
///
/// Whoever has no first factor yet cannot be asked for a second one, and whoever may be anybody must find nothing to use
/// up. So a message carries a link and a long code instead of a short one, wrong answers are neither counted nor written,
/// and a stranger who asks without end leaves the owner of the address with a link that works. Somebody who is signed in,
/// or signs up with a password that they have just set, has passed a first factor: their address is confirmed by
/// [`associate`](crate::Verifier::associate), with six digits.
///
/// [`AddressProof`](self::address_proof::AddressProof) is the record, with an example;
/// [`AddressVerifier`](self::address_proof::AddressVerifier) has the commands.
pub mod address_proof {
    pub use crate::{
        command::address_verifier::{AddressVerifier, Asked, ProvenAddress},
        policy::proof::{ProofPolicy, ProofSettings},
        record::address_proof::AddressProof,
        session::proof_handle::{ProofHandle, ProofLink},
        value::purpose::ProofPurpose,
    };
}

/// Codes and tokens: the texts that prove something.
pub mod code {
    pub use crate::value::{
        binding_code::CodeForm,
        one_time_password::OtpCode,
        opaque::{DeviceToken, LinkToken, MfaToken, OobCode},
        recovery_code::RecoveryCode,
        user_input::Malformed,
    };
}

/// What was proven, and how.
pub mod evidence {
    pub use crate::session::evidence::Method;
}

/// What a host logs of each decision.
pub mod audit {
    pub use crate::outcome::audit::{AuditEvent, Command};
}

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
