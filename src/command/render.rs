//! `render`: turns a stored descriptor into its effect.

use core::fmt;
use time::OffsetDateTime;

use crate::{
    command::verifier::Verifier,
    machine::challenge::ChallengeState,
    outcome::{
        effect::Effect,
        send::{self, Descriptor, Message},
    },
    record::{
        account::Account,
        record::{Body as _, Internal as _},
    },
    value::instant::Millis,
};

/// Why a descriptor gives no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RenderError {
    /// Its challenge was answered, ended or replaced, its code was rotated, its address was proven, or its deadline has
    /// passed: drop it.
    NotLive,
    /// Its key is not in the ring: drop it.
    KeyUnknown,
    /// **Misuse.** It belongs to another subject, or to another kind of record, than the one that was given, or the record
    /// to another tenant.
    WrongRecord,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLive => "the message is not live any more",
            Self::KeyUnknown => "the key of the message's challenge is not in the ring",
            Self::WrongRecord => {
                "the message belongs to another subject than the record, or the record to another tenant"
            }
        })
    }
}

impl core::error::Error for RenderError {}

impl Verifier {
    /// Derives the effect that a descriptor stands for: [`Effect::Send`], [`Effect::Notify`] or
    /// [`Effect::EndSessions`]. The code of a message is the one that was promised, and never in a store.
    ///
    /// # Errors
    /// [`RenderError`] if the message is not worth sending any more.
    pub fn render(
        &self,
        account: &Account,
        descriptor: &Descriptor,
        now: OffsetDateTime,
    ) -> Result<Effect, RenderError> {
        let record = account.body();
        let now = Millis::from(now);
        if descriptor.subject() != record.subject() || !record.is_of(self.keys.tenant()) {
            return Err(RenderError::WrongRecord);
        }
        let promised = match descriptor {
            Descriptor::Notify(notify) => return Ok(Effect::Notify(notify.clone())),
            Descriptor::Link(_) => return Err(RenderError::WrongRecord),
            Descriptor::EndSessions(end) => return Ok(Effect::EndSessions(end.clone())),
            Descriptor::Send(promised) => promised,
        };
        let challenge =
            record.challenges().iter().find(|known| known.id() == promised.challenge && known.is_live(now));
        let challenge = challenge.ok_or(RenderError::NotLive)?;
        let authenticator =
            record.authenticators().iter().find(|known| known.id() == challenge.authenticator());
        let authenticator = authenticator.ok_or(RenderError::NotLive)?;
        let same_code = match challenge.state() {
            ChallengeState::Pending(pending) => pending.generation() == promised.generation,
            ChallengeState::Verified
            | ChallengeState::Exhausted
            | ChallengeState::Expired
            | ChallengeState::Cancelled(_) => false,
        };
        let destination = authenticator.factor().destination_by(challenge.channel());
        if !same_code || destination.as_ref() != Some(&promised.to) {
            return Err(RenderError::NotLive);
        }
        let message = send::message(&self.keys, record.subject(), authenticator, challenge);
        let (message, _) = message.ok_or(RenderError::KeyUnknown)?;
        // An earlier message of the same challenge keeps its own id.
        Ok(Effect::Send(Message { id: promised.id, ..message }))
    }
}
