//! What ends or mends: commands of the client and of the host that no code is presented to.

use super::*;

impl Run {
    pub(super) fn cancel(&mut self, variant: u8, on: u8, how: u8) {
        let now = self.now;
        let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)) else { return };
        let login = if variant & 1 != 0 { latest(&self.logins, 0).unwrap() } else { given.login.clone() };
        let named = (given.oob_code.as_str(), given.login.transaction.as_str());
        let handle = self.verifier.open_oob_code(&given.login.session, &given.oob_code).unwrap();
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = ReferenceModel::cancel(&login, &before, named, millis(now), &mut about);
        let oob_code = given.oob_code.clone();
        let step = self.verifier.cancel(&login.session, self.record.clone(), &handle, now);
        let Some(seen) = self.commit(step, how) else { return };
        self.judge(&seen, &before, expected_of("cancel", &login, about, &expected, now));
        if expected.is_ok() {
            let asked = self.snapshot.asked(&oob_code).expect("it stays for exact answers");
            assert_eq!(asked.state, State::Cancelled("requested".to_owned()));
        }
    }

    pub(super) fn remove(&mut self, variant: u8, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, on) else { return };
        let ids: Vec<AuthenticatorId> = self.record.authenticators().iter().map(|known| known.id()).collect();
        let elsewhere = "email|dev_0000000000000000".parse().unwrap();
        let id = latest(&ids, how & 3).filter(|_| variant & 1 == 0).unwrap_or(elsewhere);
        let before = self.snapshot.clone();
        let expected = self.model.rules.remove(&login, &before, &id.to_string(), millis(now));
        let step = self.verifier.remove(&login.session, self.record.clone(), id, now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = expected_of("remove", &login, Some(id.to_string()), &expected, now);
        let known = before.known(&id.to_string());
        if let (Ok(()), Some(known)) = (&expected, known) {
            let line = |known: &Known| format!("removed {} {}", known.id, known.address());
            if known.waits_in().is_none() {
                said.ends = Some(("removed", true));
                said.told.push(line(known));
                let mut rest = before.authenticators.iter().filter(|other| other.id != known.id);
                if !rest.clone().any(Known::is_active) {
                    said.told.extend(rest.by_ref().filter(|other| other.is_disabled()).map(line));
                }
            }
        }
        self.judge(&seen, &before, said);
        if let (Ok(elevation), Some(known)) = (&seen.result, known) {
            self.goes_on(elevation);
            self.model.removed(known, &self.snapshot);
        }
    }

    pub(super) fn regenerate(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, on) else { return };
        let before = self.snapshot.clone();
        let expected = self.model.rules.regenerate(&login, &before, millis(now));
        let step = self.verifier.regenerate_recovery_codes(
            &login.session,
            self.record.clone(),
            now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let Some(seen) = self.commit(step, how) else { return };
        let set = self.snapshot.recovery.as_ref().map(|set| set.id.clone()).filter(|_| expected.is_ok());
        let mut said = expected_of("regenerate_recovery_codes", &login, set.clone(), &expected, now);
        said.ends = expected.is_ok().then_some(("recovery_regenerated", true));
        said.told.extend(set.map(|set| format!("regenerated {set}")));
        self.judge(&seen, &before, said);
        if let Ok(new) = seen.result {
            self.goes_on(&new.elevation);
            self.model.regenerated(&new.recovery_codes, millis(now));
            self.recovery = new.recovery_codes;
        }
    }

    pub(super) fn provision(&mut self, on: u8, how: u8) {
        let (now, to) = (self.now, address(on));
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = self.model.rules.provision(&before, to.as_str(), millis(now), &mut about);
        let step = self.verifier.provision(
            self.record.clone(),
            &to.clone().into(),
            now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let Some(seen) = self.commit(step, how) else { return };
        let former = before.authenticators.iter().find(|known| known.is_provisioned());
        let present = about.clone();
        let mut told = Vec::new();
        let mut ends = None;
        if let Ok(id) = &seen.result {
            let id = id.to_string();
            assert!(present.as_ref().is_none_or(|present| *present == id), "an address is there once");
            let after = self.snapshot.known(&id).expect("it is there");
            assert_eq!(after.address(), to.as_str());
            // One that is disabled keeps its place; only an address that is new moves it, and it stays disabled.
            let leaves = |former: &&Known| former.id != id && (present.is_none() || former.is_active());
            let left = former.filter(leaves);
            ends = left.map(|_| ("replaced", false));
            told.extend(left.map(|former| format!("removed {} {}", former.id, former.address())));
            if present.is_none() {
                assert!(after.is_provisioned());
                assert_eq!(after.is_active(), former.is_none_or(Known::is_active), "disabled stays disabled");
                told.extend(after.is_active().then(|| format!("added {id} {}", to.as_str())));
            }
            about = Some(id);
        }
        let said = Expected { told, ends, ..host_expected("provision", about, &expected, now) };
        self.judge(&seen, &before, said);
        if let Ok(id) = seen.result {
            self.model.provisioned(&id.to_string(), &self.snapshot);
        }
    }

    pub(super) fn deprovision(&mut self, on: u8, how: u8) {
        let (now, from) = (self.now, address(on));
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = ReferenceModel::deprovision(&before, from.as_str(), &mut about);
        let step = self.verifier.deprovision(self.record.clone(), &from.clone().into(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let left = about.as_ref().and_then(|id| before.known(id)).filter(|known| known.is_active());
        let told: Vec<String> =
            left.map(|known| format!("removed {} {}", known.id, known.address())).into_iter().collect();
        if let Some(known) = left {
            assert!(self.snapshot.known(&known.id).is_none(), "it is gone");
        }
        let ends = left.map(|_| ("deprovisioned", false));
        let said = Expected { told, ends, ..host_expected("deprovision", about.clone(), &expected, now) };
        self.judge(&seen, &before, said);
    }

    pub(super) fn report(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(mail) = latest(&self.mails, on) else { return };
        let report = if how & 1 == 0 { DeliveryReport::Failed } else { DeliveryReport::Delivered };
        let before = self.snapshot.clone();
        let mut about = None;
        let of = (mail.oob_code.as_str(), mail.sends);
        let lifts = ReferenceModel::report(&before, of, report, millis(now), &mut about);
        let step = self.verifier.report_delivery(self.record.clone(), mail.id, report, now);
        let Some(seen) = self.commit(step, how) else { return };
        assert_eq!(seen.result, Ok(lifts), "a failed message lifts the cool-down once");
        let said = host_expected("report_delivery", about, &Ok(()), now);
        self.judge(&seen, &before, said);
    }

    pub(super) fn unlock(&mut self, how: u8) {
        let now = self.now;
        let before = self.snapshot.clone();
        let step = self.verifier.unlock(self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("unlock", None, &Ok(()), now);
        said.told.push("unlocked".to_owned());
        self.judge(&seen, &before, said);
        self.model.rules.budgets.unlocked(millis(now));
    }

    pub(super) fn revoke_sessions(&mut self, how: u8) {
        let now = self.now;
        let before = self.snapshot.clone();
        let step = self.verifier.revoke_sessions(self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let ends = Some(("revoked", false));
        let said = Expected { ends, ..host_expected("revoke_sessions", None, &Ok(()), now) };
        self.judge(&seen, &before, said);
        self.model.rules.budgets.revoked(millis(now));
        self.model.forgot_all_devices();
    }

    pub(super) fn remove_authenticator(&mut self, on: u8, how: u8) {
        let now = self.now;
        let ids: Vec<AuthenticatorId> = self.record.authenticators().iter().map(|known| known.id()).collect();
        let elsewhere = "email|dev_0000000000000000".parse().unwrap();
        let id = latest(&ids, on & 3).unwrap_or(elsewhere);
        let before = self.snapshot.clone();
        let expected = ReferenceModel::remove_authenticator(&before, &id.to_string(), millis(now));
        let step = self.verifier.remove_authenticator(self.record.clone(), id, now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("remove_authenticator", Some(id.to_string()), &expected, now);
        let left =
            before.known(&id.to_string()).filter(|known| expected.is_ok() && known.waits_in().is_none());
        said.ends = left.map(|_| ("removed", false));
        said.told.extend(left.map(|known| format!("removed {} {}", known.id, known.address())));
        self.judge(&seen, &before, said);
        if expected.is_ok() {
            assert!(self.snapshot.known(&id.to_string()).is_none(), "it is gone, and the latch stays");
        }
    }

    pub(super) fn reset(&mut self, how: u8) {
        let now = self.now;
        let before = self.snapshot.clone();
        let step = self.verifier.reset(self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("reset", None, &Ok(()), now);
        said.ends = Some(("reset", false));
        said.told.push("reset".to_owned());
        self.judge(&seen, &before, said);
        self.model.reset(&self.snapshot);
        self.model.forgot_all_devices();
    }
}
