//! Who asks: sessions of a first factor, and those that the host elevated.

use super::*;

impl Run {
    /// A first factor was right: one that was prepared just now, or one that was prepared for the login before and waited.
    pub(super) fn begin(&mut self, variant: u8) {
        let own = variant & 2 == 0;
        let whose = if own { subject() } else { Subject::new("user-2").unwrap() };
        let record = if own { self.record.clone() } else { account(&whose) };
        let fresh = crate::fixture::first_factor(&self.verifier, &record);
        let waited = self.prepared.clone().filter(|_| own && variant & 4 != 0);
        if own {
            self.prepared = Some((fresh.clone(), record.epoch().get()));
        }
        let (first_factor, epoch) = waited.unwrap_or((fresh, record.epoch().get()));
        let drawn = crate::fixture::entropy(&mut self.rng);
        let begun = self.verifier.begin(first_factor, &record, self.now, &drawn);
        if epoch != record.epoch().get() {
            let denial = begun.map(|_| ()).expect_err("what ended sessions ends a first factor that waits");
            return assert_eq!(denial, Denial::ExpiredToken);
        }
        let token = begun.expect("a first factor of this epoch begins").token;
        let named = variant & 1 == 0;
        let client = client();
        let session = self.verifier.open(token.expose(), named.then_some(&client), self.now).unwrap();
        assert_eq!(session.subject(), &whose);
        let begun = millis(self.now);
        let lifetime = self.model.rules.settings.token_lifetime.whole_milliseconds();
        let expires = begun + u64::try_from(lifetime).unwrap();
        self.tokens.push(token.expose().to_owned());
        self.login(session, (own, named), None, (begun, expires), false);
    }

    pub(super) fn elevate(&mut self, variant: u8, how: u8) {
        // Another token, or the same one, prolonged.
        self.elevations += u32::from(how & 1 == 0);
        let own = variant & 8 == 0;
        let whose = if own { subject() } else { Subject::new("user-2").unwrap() };
        let mut scopes = ElevatedScopes::ALL;
        scopes.enroll &= variant & 1 == 0;
        scopes.read_authenticators &= variant & 2 == 0;
        scopes.remove_authenticators &= variant & 4 == 0;
        let record = if own { self.record.clone() } else { account(&whose) };
        let until = self.now.saturating_add(Duration::hours(1));
        let by_device = how & BY_DEVICE != 0;
        let elevation = crate::fixture::elevation(&record, self.elevations, self.now, by_device);
        let session = Session::elevated(elevation, scopes, until);
        self.login(session, (own, true), Some(scopes), (millis(self.now), millis(until)), by_device);
    }

    pub(super) fn login(
        &mut self,
        session: Session,
        (own, named): (bool, bool),
        scopes: Option<ElevatedScopes>,
        (begun, expires): (u64, u64),
        by_device: bool,
    ) {
        let transaction = serde_json::to_value(session.transaction()).unwrap();
        let transaction = transaction.as_str().unwrap().to_owned();
        let epoch = session.epoch().get();
        self.logins.push(Login {
            session,
            own,
            named,
            scopes,
            by_device,
            device: None,
            transaction,
            epoch,
            begun,
            expires,
        });
    }
}
