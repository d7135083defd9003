//! The rules of what ends or mends, and of reading: commands that no code is presented to.

use super::*;

impl ReferenceModel {
    /// Elevated `remove:authenticators`.
    pub(crate) fn remove(&self, login: &Login, snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        if !login.has(|scopes| scopes.remove_authenticators) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        let snapshot = snapshot.clone().at(now);
        let known = snapshot.known(id).ok_or(Denial::UnknownAuthenticator)?;
        if known.is_provisioned() { Err(Denial::ProvisionedAuthenticator) } else { Ok(()) }
    }

    /// Elevated `enroll`. Its holder is told of it by a message, and messages are budgeted.
    pub(crate) fn regenerate(&self, login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<()> {
        if !login.has(|scopes| scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        let usable =
            snapshot.authenticators.iter().any(|known| known.is_active() && known.completes(&self.settings));
        if !snapshot.enrolled || !usable {
            return Err(Denial::NotEnrolled);
        }
        let refused = self.budgets.no_sends(Sends::Lane(Lane::Known), now);
        let denial =
            |refused: Refused| refused.denial(snapshot.updated, now, |until| Denial::TooManySends { until });
        refused.map_or(Ok(()), |refused| Err(denial(refused)))
    }

    /// First factor; elevated `read:authenticators`. Gives the ids that must be listed, in their order.
    pub(crate) fn list(login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<Vec<String>> {
        if login.is_elevated() && !login.has(|scopes| scopes.read_authenticators) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        let ids = snapshot.authenticators.into_iter().map(|known| known.id);
        Ok(ids.chain(snapshot.recovery.map(|set| set.id)).collect())
    }

    /// The host. The address that is provisioned already, or enrolled by its user, counts once.
    pub(crate) fn provision(
        &self,
        snapshot: &Snapshot,
        address: &str,
        now: u64,
        about: &mut About,
    ) -> Verdict<()> {
        let snapshot = snapshot.clone().at(now);
        let present = snapshot.confirmed().find(|known| known.address() == address);
        *about = present.map(|known| known.id.clone());
        let replaces = snapshot.authenticators.iter().any(Known::is_provisioned);
        let full = snapshot.confirmed().count() >= usize::from(self.settings.max_authenticators);
        if present.is_none() && !replaces && full { Err(Denial::TooManyAuthenticators) } else { Ok(()) }
    }

    /// The host. One that is disabled stays, and is found.
    pub(crate) fn deprovision(snapshot: &Snapshot, address: &str, about: &mut About) -> Verdict<()> {
        let mut provisioned = snapshot.authenticators.iter().filter(|known| known.is_provisioned());
        let found = provisioned.find(|known| known.address() == address);
        let found = found.ok_or(Denial::UnknownAuthenticator)?;
        *about = Some(found.id.clone());
        Ok(())
    }

    /// An administrator. One that is provisioned and disabled stays.
    pub(crate) fn remove_authenticator(snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        let snapshot = snapshot.clone().at(now);
        let known = snapshot.known(id).ok_or(Denial::UnknownAuthenticator)?;
        let stays = known.is_provisioned() && known.is_disabled();
        if stays { Err(Denial::AuthenticatorDisabled) } else { Ok(()) }
    }

    /// The host. Whether a cool-down is lifted: that of a failed message which is its waiting challenge's latest, once.
    pub(crate) fn report(
        snapshot: &Snapshot,
        (handle, sends): (&str, u32),
        report: DeliveryReport,
        now: u64,
        about: &mut About,
    ) -> bool {
        let snapshot = snapshot.clone().at(now);
        let latest =
            |asked: &&Asked| matches!(asked.state, State::Pending { sends: known, .. } if known == sends);
        let Some(asked) = snapshot.asked(handle).filter(latest) else { return false };
        *about = Some(asked.authenticator.clone());
        let pair = snapshot.entry(&asked.transaction).and_then(|entry| entry.pair(&asked.authenticator));
        report == DeliveryReport::Failed && pair.is_some_and(|pair| pair.last_send.is_some())
    }
}
