//! The authenticators of an account: how one enters the list and leaves it. What belongs to one that left
//! must never stay, and neither may a device that it vouched for.

use alloc::vec::Vec;

use crate::{
    machine::enrollment::{EnrolledBy, Enrollment, EnrollmentInput, Transition, Unconfirmed},
    policy::settings::Settings,
    record::{account::AccountBody, authenticator::Authenticator, transaction::AttemptCounter},
    value::{
        id::{AuthenticatorId, TransactionId},
        name::AuthenticatorName,
    },
};

impl AccountBody {
    /// Lapses the unconfirmed authenticators that `chosen` picks.
    pub(super) fn expire(&mut self, chosen: impl Fn(&Authenticator, &Unconfirmed) -> bool) {
        let lapses = |known: &Authenticator| match &known.enrollment {
            Enrollment::Unconfirmed(state) => chosen(known, state),
            Enrollment::Active | Enrollment::Disabled => false,
        };
        self.drop_authenticators(EnrollmentInput::Lapse, lapses);
    }

    /// Gives `input` to the chosen authenticators and drops those that are gone, with their challenges and counts.
    fn drop_authenticators(&mut self, input: EnrollmentInput, chosen: impl Fn(&Authenticator) -> bool) {
        self.authenticators
            .retain_mut(|known| !chosen(known) || known.enrollment.apply(input) != Ok(Transition::Removed));
        let authenticators = &self.authenticators;
        let known = |id: AuthenticatorId| authenticators.iter().any(|known| known.id == id);
        self.challenges.retain(|challenge| known(challenge.authenticator));
        for transaction in &mut self.transactions {
            transaction.pairs.retain(|pair: &AttemptCounter| known(pair.authenticator));
        }
        let left: Vec<_> = self.authenticators.iter().map(|known| known.id).collect();
        self.preferred = self.preferred.filter(|id| left.contains(id));
        self.keep_devices_of(|id| left.contains(&id));
    }

    /// Adds an unconfirmed authenticator; if there are as many as the policy allows, the oldest of the same transaction
    /// lapses, or the oldest. One of the same transaction that was guessed at stays: with it would go its count. Says
    /// whether there was room.
    #[must_use]
    pub(crate) fn add_unconfirmed(
        &mut self,
        authenticator: Authenticator,
        transaction: TransactionId,
        settings: &Settings,
    ) -> bool {
        let guessed = |id| {
            let pair = self.transaction(transaction).and_then(|entry| entry.pair(id));
            pair.is_some_and(|pair| pair.attempts_left < settings.attempts)
        };
        let unconfirmed = self.authenticators.iter().filter_map(|known| match &known.enrollment {
            Enrollment::Unconfirmed(state) => Some((known.id, state.transaction() != transaction)),
            Enrollment::Active | Enrollment::Disabled => None,
        });
        if unconfirmed.clone().count() >= usize::from(settings.max_unconfirmed) {
            // The list is in the order of enrollment, and the first of equals is found.
            let oldest =
                unconfirmed.filter(|(id, _)| !guessed(*id)).min_by_key(|(_, of_another)| *of_another);
            let Some((oldest, _)) = oldest else { return false };
            self.expire(|known, _| known.id == oldest);
        }
        self.authenticators.push(authenticator);
        true
    }

    /// Adds an authenticator of the host's.
    pub(crate) fn add_provisioned(&mut self, authenticator: Authenticator) {
        self.authenticators.push(authenticator);
    }

    /// Lets an authenticator take over the failures of one that it replaces.
    pub(crate) fn inherit_failures(&mut self, id: AuthenticatorId, former: &Authenticator) {
        if let Some(heir) = self.authenticators.iter_mut().find(|known| known.id == id) {
            heir.inherit_failures(former);
        }
    }

    /// Gives an authenticator this name, or takes its name from it, and says whether that changed anything.
    pub(crate) fn rename(&mut self, id: AuthenticatorId, name: Option<&AuthenticatorName>) -> bool {
        let known = self.authenticators.iter_mut().find(|known| known.id == id);
        known.is_some_and(|known| known.rename(name))
    }

    /// Notes which authenticator a challenge takes first, or none.
    pub(crate) const fn prefer(&mut self, id: Option<AuthenticatorId>) {
        self.preferred = id;
    }

    /// Lapses an unconfirmed authenticator.
    pub(crate) fn lapse(&mut self, id: AuthenticatorId) {
        self.expire(|known, _| known.id == id);
    }

    /// Lapses what first-factor sessions had begun: an enrollment by one of them is not needed any more.
    pub(crate) fn lapse_first_factor_enrollments(&mut self) {
        self.expire(|_, state| state.enrolled_by() == EnrolledBy::FirstFactor);
    }

    /// Removes a confirmed authenticator.
    pub(crate) fn remove(&mut self, id: AuthenticatorId) {
        self.drop_authenticators(EnrollmentInput::Remove, |known| known.id == id);
    }

    /// Removes all confirmed authenticators and the recovery codes: the user is not enrolled any more.
    pub(crate) fn unenroll(&mut self) {
        self.drop_authenticators(EnrollmentInput::Remove, |known| !known.is_unconfirmed());
        self.recovery = None;
        self.enrolled = false;
    }

    /// Drops all authenticators, challenges, counts, devices and recovery codes: the user is not enrolled any
    /// more.
    pub(crate) fn forget_factors(&mut self) {
        self.authenticators.clear();
        self.preferred = None;
        self.challenges.clear();
        self.transactions.iter_mut().for_each(|transaction| transaction.pairs.clear());
        self.forget_devices();
        self.recovery = None;
        self.enrolled = false;
    }
}
