//! A challenge as the record keeps it: its state, its authenticator, its purpose and its deadline. This module must
//! never compare a code or touch a budget.

use time::OffsetDateTime;

use crate::{
    factor::destination::Channel,
    keys::{
        derive::{self, Binding},
        draws::Draws,
        keyring::{KeyRing, TransientKey},
    },
    machine::challenge::{CancelReason, ChallengeInput, ChallengeState},
    record::authenticator::Authenticator,
    session::oob_code::seal_handle,
    value::{
        binding_code::BindingCode,
        id::{AuthenticatorId, ChallengeId, KeyId, TransactionId},
        instant::Millis,
        name::Subject,
        opaque::OobCode,
        purpose::Purpose,
    },
};

/// A challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Challenge {
    pub(crate) id: ChallengeId,
    pub(super) key_id: KeyId,
    pub(crate) transaction: TransactionId,
    pub(crate) authenticator: AuthenticatorId,
    /// The channel that its messages go by.
    pub(crate) channel: Channel,
    pub(crate) purpose: Purpose,
    pub(crate) digits: u8,
    /// When it was issued. The handle carries it.
    pub(super) issued: Millis,
    pub(crate) deadline: Millis,
    pub(crate) state: ChallengeState,
}

impl Challenge {
    /// The public id.
    #[must_use]
    pub const fn id(&self) -> ChallengeId {
        self.id
    }

    /// What a right code is good for.
    #[must_use]
    pub const fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// The authenticator that the code goes to.
    #[must_use]
    pub const fn authenticator(&self) -> AuthenticatorId {
        self.authenticator
    }

    /// The channel that its messages go by.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// When its code dies, if nothing ends it before.
    #[must_use]
    pub fn deadline(&self) -> OffsetDateTime {
        self.deadline.to_datetime()
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &ChallengeState {
        &self.state
    }

    /// Issues a challenge, whose first message is counted as sent.
    pub(crate) fn issue(key: &TransientKey, terms: Terms, draws: &mut Draws) -> Self {
        let id = draws.bytes("challenge");
        let seed = draws.seed("binding");
        let Terms { transaction, authenticator, channel, purpose, digits, issued, deadline } = terms;
        let state = ChallengeState::issued(seed);
        Self {
            id: ChallengeId(id),
            key_id: key.id,
            transaction,
            authenticator,
            channel,
            purpose,
            digits,
            issued,
            deadline,
            state,
        }
    }

    /// Cancels it, if it waits; one that is over stays as it is.
    pub(crate) fn cancel(&mut self, cause: CancelReason) {
        // The machine refuses it for a challenge that is over.
        let _ = self.state.apply(ChallengeInput::Cancel(cause));
    }

    pub(crate) const fn is_pending(&self) -> bool {
        self.state.is_pending()
    }

    pub(crate) fn is_live(&self, now: Millis) -> bool {
        self.is_pending() && now < self.deadline
    }

    /// Its key, if the ring has it and it was in use when the challenge was issued.
    pub(crate) fn key<'a>(&self, keys: &'a KeyRing) -> Option<&'a TransientKey> {
        keys.transient_by_id(self.key_id).filter(|key| key.was_in_use(self.issued))
    }

    /// The code that answers it, while it waits and its key is known.
    pub(crate) fn code(
        &self,
        keys: &KeyRing,
        subject: &Subject,
        authenticator: &Authenticator,
    ) -> Option<BindingCode> {
        let ChallengeState::Pending(pending) = &self.state else { return None };
        let key = self.key(keys)?;
        let binding = Binding {
            subject,
            authenticator: &self.authenticator,
            channel: self.channel.as_str(),
            address: authenticator.factor.address_by(self.channel)?,
            transaction: &self.transaction,
            challenge: &self.id,
            purpose: self.purpose.parts(),
            generation: pending.generation(),
            digits: self.digits,
            seed: pending.seed(),
        };
        Some(derive::binding_code(&key.binding, &binding))
    }

    /// The handle that names it, while its key is known.
    pub(crate) fn handle(&self, keys: &KeyRing, subject: &Subject) -> Option<OobCode> {
        let span = (self.issued, self.deadline);
        Some(seal_handle(self.key(keys)?, subject, &self.id, &self.transaction, span))
    }
}

/// The terms that a challenge is issued on, fixed for its life.
pub(crate) struct Terms {
    pub(crate) transaction: TransactionId,
    pub(crate) authenticator: AuthenticatorId,
    pub(crate) channel: Channel,
    pub(crate) purpose: Purpose,
    pub(crate) digits: u8,
    pub(crate) issued: Millis,
    pub(crate) deadline: Millis,
}
