//! Messages: the code that a host sends now, and the descriptor that its outbox keeps for later. A descriptor must
//! never hold a code.

use time::OffsetDateTime;

use crate::{
    factor::factor::Channel,
    keys::{derive, keyring::KeyRing},
    machine::challenge::ChallengeState,
    outcome::{effect_id::EffectId, notify::Notify},
    record::{authenticator::Authenticator, challenge::Challenge},
    value::{
        binding_code::BindingCode,
        email_address::EmailAddress,
        id::{ChallengeId, DestinationKey},
        name::Subject,
        purpose::Purpose,
    },
};

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

/// A message to send, without the code: what a host stores in its outbox, in the transaction that stores the record,
/// and later turns into the message with [`render`](crate::Verifier::render).
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
