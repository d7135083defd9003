//! Messages: the code or the link that a host sends now, and the descriptor that its outbox keeps for later. A descriptor must
//! never hold a code or a link.

use time::OffsetDateTime;

use crate::{
    crypto::seed::Seed,
    factor::destination::Destination,
    keys::{
        derive::{self, LinkBinding},
        keyring::KeyRing,
    },
    machine::challenge::ChallengeState,
    outcome::{effect_id::EffectId, end_sessions::EndSessions, notify::Notify},
    record::{authenticator::Authenticator, challenge::Challenge},
    session::proof_handle::{self, Stamp},
    value::{
        binding_code::BindingCode,
        email_address::EmailAddress,
        id::{ChallengeId, DestinationKey},
        instant::Millis,
        name::Subject,
        opaque::LinkToken,
        purpose::{ProofPurpose, Purpose},
    },
};

/// Send this content to this destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The idempotency key, one for each message that was charged.
    pub id: EffectId,
    /// Whose challenge or whose proof it is.
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
    /// A link to a page whose form takes its token, and a long code to type where it was asked for instead.
    Link {
        /// The token, for the fragment of the link.
        token: LinkToken,
        /// The code.
        code: BindingCode,
    },
}

impl Content {
    /// The code to type, if the message carries one.
    #[must_use]
    pub const fn code(&self) -> Option<&BindingCode> {
        match self {
            Self::Code(code) => Some(code),
            Self::Link { .. } => None,
        }
    }

    /// The token of the link and the long code, if the message carries these.
    #[must_use]
    pub const fn link(&self) -> Option<(&LinkToken, &BindingCode)> {
        match self {
            Self::Link { token, code } => Some((token, code)),
            Self::Code(_) => None,
        }
    }
}

/// A message or another effect without what is secret in it: what a host stores in its outbox, in the transaction that stores
/// the record, and later turns back into the effect with [`render`](crate::Verifier::render), or with
/// [that](crate::address_proof::AddressVerifier::render) of the record it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Descriptor {
    /// A [`Message`] without its content.
    Send(MessageDescriptor),
    /// A [`Notify`], whole.
    Notify(Notify),
    /// A [`Message`] of a [proof of an address](crate::address_proof), without its content.
    Link(LinkDescriptor),
    /// An [`EndSessions`], whole.
    EndSessions(EndSessions),
}

impl Descriptor {
    /// The idempotency key of the effect it stands for.
    #[must_use]
    pub const fn id(&self) -> EffectId {
        match self {
            Self::Send(message) => message.id,
            Self::Notify(notify) => notify.id,
            Self::Link(message) => message.id,
            Self::EndSessions(end) => end.id,
        }
    }

    /// Whose effect it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        match self {
            Self::Send(message) => &message.subject,
            Self::Notify(notify) => &notify.subject,
            Self::Link(message) => &message.subject,
            Self::EndSessions(end) => &end.subject,
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

/// A [`Message`] with a link, without its content. It holds nothing that anybody could present.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct LinkDescriptor {
    /// The idempotency key.
    pub id: EffectId,
    /// Whose address it is.
    pub subject: Subject,
    /// Where it goes.
    pub to: Destination,
    /// What its link is good for.
    pub purpose: ProofPurpose,
    /// Which ask of the record it answers.
    stamp: Stamp,
    /// How often the record's address had been proven or changed.
    generation: u32,
}

impl LinkDescriptor {
    /// Of an ask that was charged.
    pub(crate) fn new(
        subject: &Subject,
        address: EmailAddress,
        purpose: ProofPurpose,
        stamp: Stamp,
        generation: u32,
    ) -> Self {
        let to = Destination::Email(address);
        let id = EffectId::link(to.channel(), subject, &stamp.proof);
        Self { id, subject: subject.clone(), to, purpose, stamp, generation }
    }

    /// Whether its link still works for a record with this address and generation.
    pub(crate) fn is_live(&self, address: Option<&EmailAddress>, generation: u32, now: Millis) -> bool {
        let is_for_it = matches!(&self.to, Destination::Email(to) if address == Some(to));
        is_for_it && generation == self.generation && self.stamp.is_live(now)
    }
}

/// The message that a descriptor stands for; nothing if its key is gone.
pub(crate) fn link_message(keys: &KeyRing, descriptor: &LinkDescriptor, seed: &Seed) -> Option<Message> {
    let LinkDescriptor { id, subject, to, purpose, stamp, generation } = descriptor;
    let key = stamp.key_of(keys)?;
    let binding = LinkBinding {
        stamp: &stamp.bytes(),
        subject,
        address: to.as_str().as_bytes(),
        purpose: *purpose,
        generation: *generation,
        seed,
    };
    let secret = derive::link_tag(&key.link, &binding);
    let token = proof_handle::seal_link(key, subject, *purpose, stamp, secret.first());
    let destination = &keys.durable().destination;
    Some(Message {
        id: *id,
        subject: subject.clone(),
        content: Content::Link { token, code: derive::link_code(&key.link_code, &binding) },
        purpose: (*purpose).into(),
        expires: stamp.deadline.to_datetime(),
        destination_key: derive::destination_key(destination, to.channel().as_str(), &to.counting_form()),
        to: to.clone(),
    })
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
