//! Committing a step, and judging what was seen of it.

use super::*;

impl Run {
    /// Commits a step as a store would that answers as `how` says. Nothing is seen of a step that was lost; where
    /// nobody knows, the record may have been written, and the outcome is gone.
    pub(super) fn commit<T>(&mut self, step: Step<T>, how: u8) -> Option<Seen<T>> {
        let before = self.record.clone();
        let expected = self.stored.then(|| before.revision());
        let mut written = None;
        let committed = step.commit(|write| {
            assert_eq!(write.expected, expected, "a step replaces what was loaded");
            assert!(
                expected.is_none() || write.record.revision() != before.revision(),
                "a write is a new revision"
            );
            if how & LOST != 0 {
                return Ok(Swap::Lost);
            }
            written = Some((write.record, write.outbox));
            if how & UNKNOWN != 0 { Err("the connection broke") } else { Ok(Swap::Stored) }
        });
        let (written, outbox) = written.unzip();
        let wrote = written.is_some();
        if let Some(record) = written {
            self.stored = true;
            let bytes = postcard::to_stdvec(&record).unwrap();
            assert!(bytes.len() <= 65_536, "a record of {} bytes", bytes.len());
            // JSON, the slower form, now and then.
            if record.revision().get() % 8 == 0 {
                let text = serde_json::to_vec(&record).unwrap();
                assert_eq!(serde_json::from_slice::<Account>(&text).unwrap(), record);
            }
            // The next step works on what was loaded.
            self.record = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(self.record, record);
            self.snapshot = Snapshot::of(&self.record);
        }
        match committed {
            Err(_) => {
                // The verdict is gone; what it did to the record is not, so the model reads it there.
                self.model.adopt(&self.snapshot);
                None
            }
            Ok(Committed::Lost) => {
                assert!(how & LOST != 0 && !wrote);
                assert_eq!(self.record, before);
                None
            }
            Ok(Committed::Done(outcome)) => {
                assert_eq!(wrote, self.record != before, "a step that writes changes the record");
                Some(Seen::of(outcome, outbox))
            }
        }
    }

    /// Compares what was seen with what the model says of it.
    pub(super) fn judge<T>(&mut self, seen: &Seen<T>, before: &Snapshot, mut expected: Expected) {
        if seen.outbox.is_some() {
            self.model.written(&self.snapshot, expected.at);
            // To unlock is also to take back what a wild clock has put on the record.
            let updated = if expected.command == "unlock" { 0 } else { before.updated };
            expected.told.extend(outcome::clock(updated, expected.at));
        }
        // An epoch begins with what ends sessions, and with nothing else.
        let raised = (before.epoch + 1).max(expected.at / 1_000);
        let epoch = if expected.ends.is_some() { raised } else { before.epoch };
        if seen.outbox.is_some() {
            assert_eq!(self.snapshot.epoch, epoch, "the epoch after {}", expected.command);
        }
        let mut secrets: Vec<&str> = vec!["@example.com"];
        secrets.extend(self.given.iter().map(|given| given.oob_code.as_str()));
        secrets.extend(self.tokens.iter().map(String::as_str));
        secrets.extend(self.cookies.iter().map(|cookie| cookie.token.as_str()));
        secrets.extend(self.recovery.iter().map(RecoveryCode::expose));
        secrets.extend(self.apps.iter().map(|app| app.uri.as_str()));
        outcome::check(seen, expected, &secrets);
    }

    /// What holds after every step, and what every reader must be told of it.
    pub(super) fn check(&mut self) {
        let now = millis(self.now);
        // A command that wrote nothing charged nothing: what was checked before still stands.
        if self.checked != Some(self.record.revision()) {
            self.model.check(&self.snapshot);
            self.checked = Some(self.record.revision());
        }
        for lane in Lane::ALL {
            let locked = self.model.rules.budgets.locked(lane, now).map(|locked| instant(locked.until()));
            assert_eq!(self.verifier.locked_until(&self.record, lane, self.now), locked, "locked until");
            let hardened = self.model.rules.budgets.is_hardened(lane, now);
            assert_eq!(self.verifier.is_hardened(&self.record, lane, self.now), hardened, "hardened");
        }
        self.check_requirements();
        if let Some(login) = self.logins.last() {
            let listed = self.verifier.authenticators(&login.session, &self.record, self.now);
            let ids = listed.map(|list| list.iter().map(|view| view.id.to_string()).collect::<Vec<_>>());
            assert_eq!(ids, ReferenceModel::list(login, &self.snapshot, now), "the list");
            self.check_devices(login);
        }
        let Some((descriptor, code)) = &self.outbox else { return };
        let Descriptor::Send(email) = descriptor else { unreachable!("only mails are kept") };
        let is_it = |id: &countersign::effect::ChallengeId| *id == email.challenge;
        let place = self.record.challenges().iter().position(|challenge| is_it(&challenge.id()));
        let asked = place.map(|place| &self.snapshot.challenges[place]);
        let live = asked.is_some_and(|asked| {
            let same =
                matches!(asked.state, State::Pending { generation, .. } if generation == email.generation);
            same && now < asked.deadline
        });
        match self.verifier.render(&self.record, descriptor, self.now) {
            Ok(Effect::Send(mail)) => {
                assert!(
                    live && mail.id == email.id
                        && mail.content.code().map(BindingCode::expose) == Some(code.expose()),
                    "{descriptor:?}"
                );
            }
            other => {
                assert!(!live && matches!(other, Err(RenderError::NotLive)), "{descriptor:?} gives {other:?}")
            }
        }
    }

    /// What a login that begins now needs, on no device.
    fn needed(&self) -> Requirements {
        let first_factor = self.verifier.prepare(&self.record);
        let entropy = Entropy::from_bytes([1; 32]);
        self.verifier.begin(first_factor, &self.record, self.now, &entropy).unwrap().requirements
    }

    fn check_requirements(&self) {
        let settings = &self.model.rules.settings;
        let Requirements { enrolled, challenge, enroll, remembered, .. } = self.needed();
        assert!(!remembered, "a login that presents no device is on none");
        let (kinds, other) = if enrolled { (challenge, enroll) } else { (enroll, challenge) };
        assert!(other.is_empty(), "a login needs a challenge or an enrollment");
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let mut expected = Vec::new();
        let has = |app: bool| {
            let mut known = self.snapshot.authenticators.iter().filter(|known| known.is_app() == app);
            !self.snapshot.enrolled || known.any(Known::is_active)
        };
        if crate::fixture::email_authenticates(settings) && has(false) {
            expected.push("email");
        }
        if self.snapshot.recovery.as_ref().is_some_and(|set| self.snapshot.enrolled && !set.live.is_empty()) {
            expected.push("recovery-code");
        }
        if settings.factors.totp == FactorUse::Authenticate && has(true) {
            expected.push("totp");
        }
        assert_eq!((kinds, enrolled), (expected, self.snapshot.enrolled), "what a login needs");
    }
}
