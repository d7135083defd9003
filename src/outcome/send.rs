//! Messages: the code that a host sends now, and the descriptor that its outbox keeps for later. A descriptor must
//! never hold a code.

use time::OffsetDateTime;

use crate::{
    factor::destination::Destination,
    keys::{derive, keyring::KeyRing},
    machine::challenge::ChallengeState,
    outcome::{effect_id::EffectId, notify::Notify},
    record::{authenticator::Authenticator, challenge::Challenge},
    value::{
        binding_code::BindingCode,
        id::{ChallengeId, DestinationKey},
        name::Subject,
        purpose::Purpose,
    },
};

/// Send this content to this destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The idempotency key, one for each message that was charged.
    pub id: EffectId,
    /// Whose challenge it is.
    pub subject: Subject,
    /// Where it goes, and by which channel: the destination as it was verified, or is to be.
    pub to: Destination,
    /// What it carries. It belongs into the body of the message and never into its subject.
    pub content: Content,
    /// What the content is for; the message should name it.
    pub purpose: Purpose,
    /// When the content stops working.
    pub expires: OffsetDateTime,
    /// The same for every message to this destination, whichever account asks.
    pub destination_key: DestinationKey,
}

/// What a message carries: a secret, so it is not serialised and `Debug` redacts it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// A code to type where it was asked for.
    Code(BindingCode),
}

impl Content {
    /// The code to type, if the message carries one.
    #[must_use]
    pub const fn code(&self) -> Option<&BindingCode> {
        match self {
            Self::Code(code) => Some(code),
        }
    }
}

/// A message or a notice without what is secret in it: what a host stores in its outbox, in the transaction that stores
/// the record, and later turns back into the effect with [`render`](crate::Verifier::render).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Descriptor {
    /// A [`Message`] without its content.
    Send(MessageDescriptor),
    /// A [`Notify`], whole.
    Notify(Notify),
}

impl Descriptor {
    /// The idempotency key of the effect it stands for.
    #[must_use]
    pub const fn id(&self) -> EffectId {
        match self {
            Self::Send(message) => message.id,
            Self::Notify(notify) => notify.id,
        }
    }

    /// Whose effect it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        match self {
            Self::Send(message) => &message.subject,
            Self::Notify(notify) => &notify.subject,
        }
    }
}

/// A [`Message`] without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct MessageDescriptor {
    /// The idempotency key.
    pub id: EffectId,
    /// Whose challenge it is.
    pub subject: Subject,
    /// Where it goes.
    pub to: Destination,
    /// The challenge whose code it carries.
    pub challenge: ChallengeId,
    /// Which of the challenge's codes: how often it had been replaced.
    pub generation: u32,
}

/// The message of a waiting challenge's latest send, with its descriptor; nothing if its key is gone.
pub(crate) fn message(
    keys: &KeyRing,
    subject: &Subject,
    authenticator: &Authenticator,
    challenge: &Challenge,
) -> Option<(Message, MessageDescriptor)> {
    let ChallengeState::Pending(pending) = challenge.state() else { return None };
    let to = authenticator.factor().destination_by(challenge.channel())?;
    let id = EffectId::send(challenge.channel(), subject, &challenge.id(), pending.sends());
    let descriptor = MessageDescriptor {
        id,
        subject: subject.clone(),
        to: to.clone(),
        challenge: challenge.id(),
        generation: pending.generation(),
    };
    let key = &keys.durable().destination;
    let message = Message {
        id,
        subject: subject.clone(),
        content: Content::Code(challenge.code(keys, subject, authenticator)?),
        purpose: challenge.purpose().clone(),
        expires: challenge.deadline(),
        destination_key: derive::destination_key(key, to.channel().as_str(), &to.counting_form()),
        to,
    };
    Some((message, descriptor))
}

/// The id of a waiting challenge's latest message.
pub(crate) fn latest_send(subject: &Subject, challenge: &Challenge) -> Option<EffectId> {
    let ChallengeState::Pending(pending) = challenge.state() else { return None };
    Some(EffectId::send(challenge.channel(), subject, &challenge.id(), pending.sends()))
}
