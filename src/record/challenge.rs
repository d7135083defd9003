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
    machine::{
        challenge::{CancelReason, ChallengeInput, ChallengeState},
        transition::IllegalTransition,
    },
    policy::settings::Resend,
    record::authenticator::Authenticator,
    session::oob_code::seal_handle,
    value::{
        binding_code::{BindingCode, CodeForm},
        id::{AuthenticatorId, ChallengeId, KeyId, TransactionId},
        instant::Millis,
        lane::Lane,
        name::Subject,
        opaque::OobCode,
        purpose::Purpose,
    },
};

/// A challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Challenge {
    pub(super) id: ChallengeId,
    key_id: KeyId,
    pub(super) transaction: TransactionId,
    pub(super) authenticator: AuthenticatorId,
    /// The channel that its messages go by.
    channel: Channel,
    pub(super) purpose: Purpose,
    pub(super) form: CodeForm,
    pub(super) lane: Lane,
    /// When it was issued. The handle carries it.
    pub(super) issued: Millis,
    pub(super) deadline: Millis,
    state: ChallengeState,
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

    /// How long its code is.
    #[must_use]
    pub const fn form(&self) -> CodeForm {
        self.form
    }

    /// The lane that it was issued in, and whose limits its wrong codes are charged to.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        self.lane
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
    pub(crate) fn issue(
        key: &TransientKey,
        (transaction, authenticator): (TransactionId, AuthenticatorId),
        (channel, purpose, form, lane): (Channel, Purpose, CodeForm, Lane),
        (issued, deadline): (Millis, Millis),
        draws: &mut Draws,
    ) -> Self {
        let id = draws.bytes("challenge");
        let seed = draws.seed("binding");
        Self {
            id: ChallengeId(id),
            key_id: key.id,
            transaction,
            authenticator,
            channel,
            purpose,
            form,
            lane,
            issued,
            deadline,
            state: ChallengeState::issued(seed),
        }
    }

    /// When its code dies, if nothing ends it before.
    pub(crate) const fn deadline_ms(&self) -> Millis {
        self.deadline
    }

    /// Counts another message, with the same code or a new one as the policy says. One that is over stays as it is.
    pub(crate) fn resend(&mut self, resend: Resend) {
        let input = match resend {
            Resend::Repeat => ChallengeInput::Repeat,
            Resend::Rotate => ChallengeInput::Rotate,
        };
        // The machine refuses it for a challenge that is over.
        let _ = self.state.apply(input);
    }

    /// Notes that its code was presented.
    pub(super) fn accept(&mut self) -> Result<(), IllegalTransition> {
        self.state.apply(ChallengeInput::Accept)
    }

    /// Notes that a wrong code was presented, and how many attempts are left.
    pub(super) fn reject(&mut self, attempts_left: u8) -> Result<(), IllegalTransition> {
        self.state.apply(ChallengeInput::Reject { attempts_left })
    }

    /// Expires it if it waits and its deadline has come, and says whether it did.
    pub(crate) fn expire(&mut self, now: Millis) -> bool {
        now >= self.deadline && self.state.apply(ChallengeInput::Deadline).is_ok()
    }

    /// Cancels it if it waits, and says whether it did.
    pub(crate) fn cancel(&mut self, cause: CancelReason) -> bool {
        self.state.apply(ChallengeInput::Cancel(cause)).is_ok()
    }

    /// Ends it, if it waits, because another takes its place.
    pub(super) fn supersede(&mut self, now: Millis) {
        if !self.expire(now) {
            self.cancel(CancelReason::Superseded);
        }
    }

    /// Whether it is for this authenticator in this transaction.
    pub(super) fn is_of(&self, transaction: TransactionId, authenticator: AuthenticatorId) -> bool {
        self.transaction == transaction && self.authenticator == authenticator
    }

    /// Whether it waits for its code.
    pub(crate) const fn is_pending(&self) -> bool {
        self.state.is_pending()
    }

    /// Whether it waits for its code and its deadline is ahead.
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
            form: self.form,
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
