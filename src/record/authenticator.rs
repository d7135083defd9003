//! Authenticators: what an account has enrolled, how each is named, and what a list of them shows.
//!
//! The factor is fixed when an authenticator is made: another address is another authenticator, with an enrollment of
//! its own. Of one-time passwords the counter moves on. This module must never depend on which factor it is.

use alloc::string::String;
use time::OffsetDateTime;

use crate::{
    factor::{destination::Channel, factor::Factor},
    machine::{
        enrollment::{Enrollment, EnrollmentInput, PendingRecovery, Transition, Unconfirmed},
        transition::IllegalTransition,
    },
    policy::{bounds::MAX_FAILURES, policy::Policy, settings::AtCap},
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::Millis,
        lane::{Lane, PerLane},
        name::AuthenticatorName,
    },
};

/// How an authenticator came into the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Origin {
    /// A person enrolled it and proved it with a code.
    Enrolled,
    /// The host had verified the address itself: Auth0's implicit enrollment.
    Provisioned,
}

/// One authenticator of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Authenticator {
    pub(super) id: AuthenticatorId,
    pub(super) factor: Factor,
    pub(super) enrollment: Enrollment,
    /// Wrong codes since the last right one, once a lane. No clock touches it.
    pub(super) failures: PerLane<u8>,
    origin: Origin,
    name: Option<AuthenticatorName>,
    created: Millis,
    last_used: Option<Millis>,
}

impl Authenticator {
    /// The public id.
    #[must_use]
    pub const fn id(&self) -> AuthenticatorId {
        self.id
    }

    /// What it proves.
    #[must_use]
    pub const fn factor(&self) -> &Factor {
        &self.factor
    }

    /// Where it stands in its life.
    #[must_use]
    pub const fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }

    /// Wrong codes in a row, of both lanes together.
    #[must_use]
    pub fn failures(&self) -> u8 {
        let failures = Lane::ALL.map(|lane| *self.failures.of(lane));
        failures.into_iter().fold(0, u8::saturating_add)
    }

    /// Wrong codes in a row in one lane: since the last right code of that lane.
    #[must_use]
    pub const fn failures_in(&self, lane: Lane) -> u8 {
        *self.failures.of(lane)
    }

    /// How it came into the record.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// What the person calls it, if they gave it a name.
    #[must_use]
    pub const fn name(&self) -> Option<&AuthenticatorName> {
        self.name.as_ref()
    }

    /// When it came into the record.
    #[must_use]
    pub fn created(&self) -> OffsetDateTime {
        self.created.to_datetime()
    }

    /// When it last verified a code.
    #[must_use]
    pub fn last_used(&self) -> Option<OffsetDateTime> {
        self.last_used.map(Millis::to_datetime)
    }

    /// An authenticator that no code was presented for.
    pub(super) fn new(
        id: AuthenticatorId,
        factor: Factor,
        enrollment: Enrollment,
        origin: Origin,
        created: Millis,
    ) -> Self {
        let failures = PerLane::default();
        Self { id, factor, enrollment, failures, origin, name: None, created, last_used: None }
    }

    /// An authenticator that waits for its confirmation.
    pub(crate) fn unconfirmed(
        id: AuthenticatorId,
        factor: Factor,
        (state, name): (Unconfirmed, Option<AuthenticatorName>),
        created: Millis,
    ) -> Self {
        let new = Self::new(id, factor, Enrollment::Unconfirmed(state), Origin::Enrolled, created);
        Self { name, ..new }
    }

    /// An authenticator of the host's. It inherits the state and the failures of the one whose place it takes.
    pub(crate) fn provisioned(
        id: AuthenticatorId,
        factor: Factor,
        former: Option<Self>,
        created: Millis,
    ) -> Self {
        let mut new = Self::new(id, factor, Enrollment::Active, Origin::Provisioned, created);
        if let Some(former) = former {
            (new.enrollment, new.failures) = (former.enrollment, former.failures);
        }
        new
    }

    /// Confirms it, and returns the recovery codes that were shown with its enrollment.
    pub(super) fn confirm(&mut self) -> Result<Option<PendingRecovery>, IllegalTransition> {
        let pending = match &self.enrollment {
            Enrollment::Unconfirmed(state) => state.recovery().cloned(),
            Enrollment::Active | Enrollment::Disabled => None,
        };
        self.stays_after(EnrollmentInput::Confirm).map(|()| pending)
    }

    /// Disables it, for good.
    pub(super) fn disable(&mut self) -> Result<(), IllegalTransition> {
        self.stays_after(EnrollmentInput::Cap)
    }

    fn stays_after(&mut self, input: EnrollmentInput) -> Result<(), IllegalTransition> {
        match self.enrollment.apply(input)? {
            Transition::To => Ok(()),
            Transition::Removed => Err(IllegalTransition),
        }
    }

    /// Whether it is at the cap of failures in a row in this lane, and the policy wants longer codes then.
    pub(super) fn hardens_at_cap(&self, lane: Lane, policy: &Policy) -> bool {
        let settings = policy.settings();
        settings.at_cap == AtCap::Harden && self.failures_in(lane) >= settings.failure_cap
    }

    /// Notes the counter of a right one-time password: it and every one before it are over.
    pub(super) fn accept_counter(&mut self, counter: u64) -> Result<(), IllegalTransition> {
        self.factor = self.factor.one_time().ok_or(IllegalTransition)?.accepting(counter);
        Ok(())
    }

    /// Notes a right code: the failures in a row of its lane end.
    pub(super) const fn note_right_code(&mut self, lane: Lane, now: Millis) {
        *self.failures.of_mut(lane) = 0;
        self.last_used = Some(now);
    }

    /// Counts a wrong code, and returns how many there are in a row in its lane.
    pub(super) fn note_wrong_code(&mut self, lane: Lane) -> u8 {
        let failures = self.failures.of_mut(lane);
        // No record holds more, or it would not load: one that was edited may be there already.
        *failures = failures.saturating_add(1).min(MAX_FAILURES);
        *failures
    }

    /// Takes over the failures of an authenticator that it replaces, if those are more.
    pub(super) fn inherit_failures(&mut self, former: &Self) {
        for lane in Lane::ALL {
            let failures = self.failures.of_mut(lane);
            *failures = former.failures_in(lane).max(*failures);
        }
    }

    /// Gives it this name, or takes its name from it, and says whether that changed anything.
    pub(super) fn rename(&mut self, name: Option<&AuthenticatorName>) -> bool {
        core::mem::replace(&mut self.name, name.cloned()) != self.name
    }

    /// Its place in the order of use: when it last verified a code, and when it came into the record.
    pub(crate) const fn recency(&self) -> (Option<Millis>, Millis) {
        (self.last_used, self.created)
    }

    /// Whether it waits for its confirmation, and this transaction opened its enrollment.
    pub(crate) fn is_opened_in(&self, transaction: TransactionId) -> bool {
        match &self.enrollment {
            Enrollment::Unconfirmed(state) => state.transaction() == transaction,
            Enrollment::Active | Enrollment::Disabled => false,
        }
    }

    /// Whether it can be challenged.
    pub(crate) const fn is_active(&self) -> bool {
        matches!(self.enrollment, Enrollment::Active)
    }

    /// Whether it waits for its confirmation.
    pub(crate) const fn is_unconfirmed(&self) -> bool {
        matches!(self.enrollment, Enrollment::Unconfirmed(_))
    }

    /// Whether it is the host's.
    pub(crate) const fn is_provisioned(&self) -> bool {
        matches!(self.origin, Origin::Provisioned)
    }

    /// What a list of authenticators shows of it.
    pub(crate) fn view(&self, preferred: bool) -> AuthenticatorView {
        let status = match self.enrollment {
            Enrollment::Unconfirmed(_) => AuthenticatorStatus::Unconfirmed,
            Enrollment::Active => AuthenticatorStatus::Active,
            Enrollment::Disabled => AuthenticatorStatus::Disabled,
        };
        AuthenticatorView {
            id: self.id,
            channel: self.factor.channel(),
            name: self.name.clone(),
            destination: self.factor.destination().map(|destination| destination.masked()),
            status,
            preferred,
            provisioned: self.is_provisioned(),
            created: Some(self.created.to_datetime()),
            last_used: self.last_used.map(Millis::to_datetime),
        }
    }
}

/// One row of the list of authenticators, fit for a client: it holds no secret, the address masked, and the name as its
/// user gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AuthenticatorView {
    /// The public id.
    pub id: AuthenticatorId,
    /// The way its codes travel; absent if none is sent, as for recovery codes.
    pub channel: Option<Channel>,
    /// What the person calls it; absent if they gave it no name.
    pub name: Option<AuthenticatorName>,
    /// Its masked destination; absent if no code is sent.
    pub destination: Option<String>,
    /// Whether it can be used. Auth0's `active` is true for [`AuthenticatorStatus::Active`] alone.
    pub status: AuthenticatorStatus,
    /// Whether it is the one that [`challenge`](crate::Verifier::challenge) takes first, if it can be used.
    pub preferred: bool,
    /// Whether the host provisioned it; such a one cannot be removed by its user.
    pub provisioned: bool,
    /// When it was made; absent for recovery codes.
    pub created: Option<OffsetDateTime>,
    /// When it last verified a code.
    pub last_used: Option<OffsetDateTime>,
}

/// Whether an authenticator can be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AuthenticatorStatus {
    /// It waits for its confirmation.
    Unconfirmed,
    /// It can be challenged.
    Active,
    /// Too many wrong codes in a row; a new enrollment is needed.
    Disabled,
}
