//! The server's keys, and the one MAC that everything is derived with.
//!
//! Two independent classes of key: **transient** ones for what lives for minutes (tokens, handles, binding codes) and
//! **durable** ones for what stays in the record (recovery codes, destination keys). Each class has one current key,
//! which makes everything new, and up to two others, which only verify. A key is chosen by the id that was stored with
//! what it made and never by trial; an unknown id fails closed. Ids are computed from the key, the class and the context.
//!
//! Keys never enter the record, and the record's seeds never leave it: the database alone yields no code, nor does a
//! key alone. This module must never print a key, compare a secret with `==`, or fall back to another key.
//!
//! Rotating is adding: put the new key in front and keep the old one as [retired](crate::KeyRing::retired_durable). Where
//! several nodes switch one after the other, each knows the new key as [staged](crate::KeyRing::staged_durable) before the
//! first uses it. A transient key is retired [at a time](crate::KeyRing::retired_transient): what claims to be made later is
//! refused, so that a leaked key is of no use once the tokens of that time have expired. It can go when nothing it made
//! can be alive: 10 minutes later, or 24 hours where addresses are [proven](crate::address_proof). A durable key can go when
//! [`Verifier::stale_keys`](crate::Verifier::stale_keys) finds nothing of it in any record.

pub(crate) mod derive;
pub(crate) mod draws;
pub(crate) mod keyring;

pub use self::keyring::KeyError;
pub use crate::value::id::KeyId;
