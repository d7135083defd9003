//! Effects: what the host carries out once the record is stored.
//!
//! An effect is a plain value with typed data: no text, no link, no template. Each has an id that is the same whenever
//! the same effect is computed again, so that carrying one out twice can be noticed. [`SendEmail`] holds a code and so
//! cannot be serialised; its [`Descriptor`] holds none and can be stored with the record.

use core::fmt;

use time::OffsetDateTime;

use crate::{
    address::EmailAddress,
    authenticator::{Authenticator, AuthenticatorId, Channel},
    challenge::{Challenge, ChallengeId, ChallengeState, Purpose},
    clock::Millis,
    code::BindingCode,
    derive,
    evidence::Evidence,
    keys::{DestinationKey, KeyRing},
    name::{Audience, ClientId, Scope, Subject},
    session::{Grant, Session},
    transaction::TransactionId,
};

/// The stable id of an effect, the same whenever the same effect is computed: an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub(crate) [u8; 16]);

impl EffectId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn send(channel: Channel, subject: &Subject, challenge: &ChallengeId, sends: u32) -> Self {
        let kind = match channel {
            Channel::Email => "send-email",
        };
        Self(derive::effect_id(subject, kind, &[&challenge.0], Some(sends)))
    }

    fn token(subject: &Subject, transaction: &TransactionId) -> Self {
        Self(derive::effect_id(subject, "issue-token", &[&transaction.0], None))
    }

    fn notify(subject: &Subject, kind: &str, about: Option<&AuthenticatorId>, revision: u64) -> Self {
        let (prefix, device) = about.map_or((&[][..], &[][..]), |id| (id.prefix(), &id.device()[..]));
        Self(derive::effect_id(subject, kind, &[prefix, device, &revision.to_be_bytes()], None))
    }
}

/// Base64url, 22 characters.
impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::base64url::encode(&self.0))
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the host has to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send a code. Report a failure with [`report_delivery`](crate::Verifier::report_delivery).
    SendEmail(SendEmail),
    /// Answer the client with a token.
    IssueToken(IssueToken),
    /// Tell the account's holder.
    Notify(Notify),
}

/// Send this code to this address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SendEmail {
    /// The idempotency key, one for each message that was charged.
    pub id: EffectId,
    /// Whose challenge it is.
    pub subject: Subject,
    /// Where it goes: the address as it was verified, or is to be.
    pub to: EmailAddress,
    /// What the code is for; the message should say it.
    pub purpose: Purpose,
    /// The code. It belongs into the body of the message and never into its subject.
    pub code: BindingCode,
    /// When the code dies.
    pub expires: OffsetDateTime,
    /// The same for every message to this address, whichever account asks.
    pub destination_key: DestinationKey,
}

/// The second factor is proven: answer the client with a token.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct IssueToken {
    /// The idempotency key, one for each transaction. Asking again for a recovery's answer gives the same effect again: a
    /// host that must not issue two tokens keeps the ids it has carried out.
    pub id: EffectId,
    /// For whom.
    pub subject: Subject,
    /// For which client.
    pub client: ClientId,
    /// For which audience; empty if none was asked for.
    pub audience: Audience,
    /// With which scope.
    pub scope: Scope,
    /// What was proven.
    pub evidence: Evidence,
}

impl IssueToken {
    /// The token of a first-factor session; an elevated one gets none.
    pub(crate) fn of(session: &Session, evidence: &Evidence) -> Option<Self> {
        let Grant::FirstFactor { audience, scope, .. } = session.grant() else { return None };
        Some(Self {
            id: EffectId::token(session.subject(), &session.transaction()),
            subject: session.subject().clone(),
            client: session.client().clone(),
            audience: audience.clone(),
            scope: scope.clone(),
            evidence: evidence.clone(),
        })
    }
}

/// Tell the account's holder that something happened. The host chooses the addresses: NIST SP 800-63B-4 section 4.6 wants
/// them independent of what changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Notify {
    /// The idempotency key.
    pub id: EffectId,
    /// Whose account.
    pub subject: Subject,
    /// What happened.
    pub event: Event,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

impl Notify {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> OffsetDateTime {
        Millis(self.at).to_datetime()
    }

    pub(crate) fn new(subject: &Subject, event: Event, revision: u64, now: Millis) -> Self {
        let id = EffectId::notify(subject, event.kind(), event.about(), revision);
        Self { id, subject: subject.clone(), event, at: now.0 }
    }
}

/// What an account's holder is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// An authenticator became active.
    Added {
        /// Which.
        authenticator: AuthenticatorId,
        /// Its address.
        address: EmailAddress,
    },
    /// An authenticator is gone.
    Removed {
        /// Which.
        authenticator: AuthenticatorId,
        /// The address it had.
        address: EmailAddress,
    },
    /// An authenticator reached the cap of wrong codes in a row.
    Disabled {
        /// Which.
        authenticator: AuthenticatorId,
        /// Its address.
        address: EmailAddress,
    },
    /// A recovery code was used.
    RecoveryUsed {
        /// The set.
        recovery: AuthenticatorId,
        /// How many codes are left.
        remaining: u8,
    },
    /// The recovery codes were replaced as a set.
    RecoveryRegenerated {
        /// The new set.
        recovery: AuthenticatorId,
    },
    /// So many wrong recovery codes came that the bucket is empty.
    RecoveryGuessed {
        /// The set.
        recovery: AuthenticatorId,
    },
    /// So many wrong codes came that the account is locked.
    Locked {
        /// The authenticator that was guessed at last.
        authenticator: AuthenticatorId,
        /// Until when, in milliseconds since the Unix epoch.
        until: u64,
    },
    /// The host lifted the lock.
    Unlocked,
    /// The host dropped all factors.
    Reset,
    /// **For the operator.** The record was last written more than a minute after this step's time: clocks disagree.
    ClockDisagrees {
        /// By how many milliseconds this step's clock is behind.
        behind_ms: u64,
    },
}

impl Event {
    /// A stable name, which is part of the effect's id.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Added { .. } => "notify-added",
            Self::Removed { .. } => "notify-removed",
            Self::Disabled { .. } => "notify-disabled",
            Self::RecoveryUsed { .. } => "notify-recovery-used",
            Self::RecoveryRegenerated { .. } => "notify-recovery-regenerated",
            Self::RecoveryGuessed { .. } => "notify-recovery-guessed",
            Self::Locked { .. } => "notify-locked",
            Self::Unlocked => "notify-unlocked",
            Self::Reset => "notify-reset",
            Self::ClockDisagrees { .. } => "notify-clock-disagrees",
        }
    }

    const fn about(&self) -> Option<&AuthenticatorId> {
        match self {
            Self::Added { authenticator, .. }
            | Self::Removed { authenticator, .. }
            | Self::Disabled { authenticator, .. }
            | Self::Locked { authenticator, .. } => Some(authenticator),
            Self::RecoveryUsed { recovery, .. }
            | Self::RecoveryRegenerated { recovery }
            | Self::RecoveryGuessed { recovery } => Some(recovery),
            Self::Unlocked | Self::Reset | Self::ClockDisagrees { .. } => None,
        }
    }
}

/// A message to send, without the code: what a host stores in its outbox, in the transaction that stores the record, and
/// later turns into the message with [`render`](crate::Verifier::render).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Descriptor {
    /// A [`SendEmail`].
    SendEmail(EmailDescriptor),
    /// A [`Notify`], whole.
    Notify(Notify),
}

impl Descriptor {
    /// The idempotency key of the effect it stands for.
    #[must_use]
    pub const fn id(&self) -> EffectId {
        match self {
            Self::SendEmail(email) => email.id,
            Self::Notify(notify) => notify.id,
        }
    }
}

/// A [`SendEmail`] without its code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct EmailDescriptor {
    /// The idempotency key.
    pub id: EffectId,
    /// Whose challenge it is.
    pub subject: Subject,
    /// Where it goes.
    pub to: EmailAddress,
    /// The challenge whose code it carries.
    pub challenge: ChallengeId,
    /// Which of the challenge's codes: how often it had been replaced.
    pub generation: u32,
}

/// What [`render`](crate::Verifier::render) makes of a descriptor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message {
    /// Send this code.
    SendEmail(SendEmail),
    /// Tell the account's holder.
    Notify(Notify),
}

/// The message of a waiting challenge's latest send, with its descriptor; nothing if its key is gone.
pub(crate) fn message(
    keys: &KeyRing,
    subject: &Subject,
    authenticator: &Authenticator,
    challenge: &Challenge,
) -> Option<(SendEmail, EmailDescriptor)> {
    let ChallengeState::Pending(pending) = &challenge.state else { return None };
    let channel = authenticator.factor.channel();
    let to = authenticator.factor.address();
    let id = EffectId::send(channel, subject, &challenge.id, pending.sends);
    let email = SendEmail {
        id,
        subject: subject.clone(),
        to: to.clone(),
        purpose: challenge.purpose.clone(),
        code: challenge.code(keys, subject, authenticator)?,
        expires: challenge.deadline.to_datetime(),
        destination_key: derive::destination_key(&keys.durable().destination, channel.as_str(), to.as_str()),
    };
    let descriptor = EmailDescriptor {
        id,
        subject: subject.clone(),
        to: to.clone(),
        challenge: challenge.id,
        generation: pending.generation,
    };
    Some((email, descriptor))
}

/// The id of a waiting challenge's latest message.
pub(crate) fn latest_send(subject: &Subject, channel: Channel, challenge: &Challenge) -> Option<EffectId> {
    let ChallengeState::Pending(pending) = &challenge.state else { return None };
    Some(EffectId::send(channel, subject, &challenge.id, pending.sends))
}
