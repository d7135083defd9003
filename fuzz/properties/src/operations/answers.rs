//! What a right code comes to, of whichever factor it is.

use super::*;

impl Run {
    /// What is said of a right code. `of` is the authenticator and its address; `wanted` is whether the device is to be
    /// remembered.
    pub(super) fn right(
        &mut self,
        (login, waiting): (&Login, &Waiting),
        (before, of): (&Snapshot, &str),
        seen: &Seen<Verified>,
        wanted: bool,
        expected: &mut Expected,
    ) {
        let completes = waiting.completes && login.scopes.is_none();
        expected.tokens = usize::from(completes);
        let first = waiting.confirms && waiting.completes && !before.enrolled;
        expected.ends = first.then_some(("enrolled", true));
        expected.told.extend(waiting.confirms.then(|| format!("added {of}")));
        let remembers = completes && wanted && self.model.rules.settings.remember.is_some();
        let token = seen.result.as_ref().ok().and_then(|verification| verification.device.as_ref());
        assert_eq!(token.is_some(), remembers, "a completed sign-in has the device remembered");
        if let Some(token) = token {
            expected.device = Some(self.keep_cookie(login, token));
        }
    }

    /// A code was right, and the step that found it so was seen.
    pub(super) fn verified(
        &mut self,
        login: &Login,
        waiting: &Waiting,
        before: &Snapshot,
        verification: &Verified,
    ) {
        assert_eq!(verification.evidence.authenticator.unwrap().to_string(), waiting.authenticator);
        assert_eq!(
            verification.purpose,
            if waiting.confirms { Purpose::Confirm } else { Purpose::Authenticate },
            "a purpose answers its own"
        );
        let completes = waiting.completes && login.scopes.is_none();
        let elevates = completes || login.scopes.is_some();
        assert_eq!(verification.elevation.is_some(), elevates, "what the host keeps");
        verification.elevation.iter().for_each(|elevation| self.goes_on(elevation));
        if completes {
            self.used_device(login, before);
        }
        if let Some(token) = &verification.device {
            self.remembered(login, before, &waiting.authenticator, token);
        }
        let came = (verification.completed, verification.recovery_codes_live);
        self.model.succeeded(login, waiting, came, &self.snapshot);
    }
}
