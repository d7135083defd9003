//! What a person sets about an authenticator: its name, and whether it is asked first.

use countersign::factor::AuthenticatorName;

use super::*;

/// The names that are given; none takes a name away.
const NAMES: [Option<&str>; 4] = [None, Some("home"), Some("work"), Some("☎ \u{202e}phone")];

impl Run {
    pub(super) fn rename(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, on) else { return };
        let (id, name) = (self.named(how >> 2), NAMES[usize::from(how & 3)]);
        let before = self.snapshot.clone();
        let expected = self.model.rules.rename(&login, &before, &id.to_string(), millis(now));
        let given = name.map(|name| AuthenticatorName::new(name).unwrap());
        let step = self.verifier.rename(&login.session, self.record.clone(), id, given.as_ref(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let changes = expected.is_ok() && self.model.name(&id.to_string()) != name;
        assert_eq!(seen.outbox.is_some(), changes, "a name that stands already writes nothing");
        self.judge(&seen, &before, expected_of("rename", &login, Some(id.to_string()), &expected, now));
        if expected.is_ok() {
            self.model.renamed(&id.to_string(), name);
        }
    }

    pub(super) fn prefer(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, on) else { return };
        let (id, preferred) = (self.named(how >> 2), how & 3 != 0);
        let about = id.to_string();
        let before = self.snapshot.clone();
        let expected = self.model.rules.prefer(&login, &before, (&about, preferred), millis(now));
        let step = self.verifier.prefer(&login.session, self.record.clone(), id, preferred, now);
        let Some(seen) = self.commit(step, how) else { return };
        let is_preferred = before.clone().at(millis(now)).preferred.as_ref() == Some(&about);
        let changes = expected.is_ok() && preferred != is_preferred;
        assert_eq!(seen.outbox.is_some(), changes, "a choice that stands already writes nothing");
        self.judge(&seen, &before, expected_of("prefer", &login, Some(about.clone()), &expected, now));
        if changes {
            self.model.preferred = preferred.then_some(about);
        }
    }

    /// An authenticator that is there, or one that nobody has.
    fn named(&self, which: u8) -> AuthenticatorId {
        let ids: Vec<AuthenticatorId> = self.record.authenticators().iter().map(|known| known.id()).collect();
        let nobodys = "email|dev_0000000000000000".parse().unwrap();
        latest(&ids, which & 7).unwrap_or(nobodys)
    }
}
