//! The rules of what a person sets about an authenticator.

use super::*;

impl ReferenceModel {
    /// Elevated `enroll`. What waits for its confirmation has no name yet that could be changed.
    pub(crate) fn rename(&self, login: &Login, snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        self.arranges(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        let known = snapshot.confirmed().any(|known| known.id == id);
        if known { Ok(()) } else { Err(Denial::UnknownAuthenticator) }
    }

    /// Elevated `enroll`. What stands already stands, whatever became of it, and anything may be preferred no more.
    pub(crate) fn prefer(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        (id, preferred): (&str, bool),
        now: u64,
    ) -> Verdict<()> {
        self.arranges(login, snapshot, now)?;
        let snapshot = snapshot.clone().at(now);
        let known = snapshot.confirmed().find(|known| known.id == id);
        let known = known.ok_or(Denial::UnknownAuthenticator)?;
        if !preferred || snapshot.preferred.as_deref() == Some(id) {
            Ok(())
        } else if known.is_disabled() {
            Err(Denial::AuthenticatorDisabled)
        } else if known.completes(&self.settings) {
            Ok(())
        } else {
            Err(Denial::UnsupportedChallengeType)
        }
    }

    fn arranges(&self, login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<()> {
        if !login.has(|scopes| scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)
    }
}
