//! What a client does about an app: it sets one up, and answers with its codes.

use countersign::{NewFactor, code::OtpCode, command::OtpRequest, otp::KeyLabel};

use super::*;

impl App {
    /// The code of a step, by another implementation.
    fn code(&self, step: u64) -> String {
        self.totp.generate(step.saturating_mul(self.totp.step())).to_string()
    }
}

impl Run {
    pub(super) fn associate_app(&mut self, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let now = self.now;
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = self.model.rules.associate_app(&login, &before, millis(now), &mut about);
        let factor = NewFactor::totp(KeyLabel::new("Example", "user@example.com").unwrap());
        let entropy = crate::fixture::entropy(&mut self.rng);
        let step = self.verifier.associate(&login.session, self.record.clone(), &factor, now, &entropy);
        let Some(seen) = self.commit(step, how) else { return };
        if let Ok(answer) = &seen.result {
            let id = answer.authenticator.to_string();
            match &about {
                Some(known) => assert_eq!(*known, id, "asking again shows the same app"),
                None => assert!(before.known(&id).is_none(), "a new one is new"),
            }
            about = Some(id);
        }
        self.judge(&seen, &before, expected_of("associate", &login, about, &expected, now));
        let Ok(answer) = seen.result else { return };
        if let Some(codes) = &answer.recovery_codes {
            self.model.shown(&answer.authenticator.to_string(), codes);
            self.recovery.extend(codes.iter().take(4).cloned());
        }
        let setup = answer.setup.otp().expect("a secret");
        let totp = Totp::from_url(setup.barcode_uri()).expect("a Key URI");
        assert_eq!(totp.secret().to_base32(), setup.secret(), "what is typed is what is scanned");
        let uri = setup.barcode_uri().to_owned();
        match self.apps.iter().find(|app| app.id == answer.authenticator) {
            Some(known) => assert_eq!(known.uri, uri, "asking again shows the same secret"),
            None => self.apps.push(App { login, id: answer.authenticator, uri, totp }),
        }
    }

    /// `how`: with bit 2 the app is not named, with 4 the session is the latest, with 5 a digit is too many; the lowest
    /// two say of which step the code is. A variant is four codes, of which the last is of that step; four wrong ones
    /// differ from the right ones in the one that bit 3 and the lowest say.
    pub(super) fn guess_otp(&mut self, (on, variant): (u8, u8), how: u8, right: bool) {
        let now = self.now;
        let Some(app) = latest(&self.apps, on) else { return };
        // The app is set up and confirmed in one login, and answers in every later one.
        let confirmed =
            self.snapshot.known(&app.id.to_string()).is_none_or(|known| known.waits_in().is_none());
        let latest_login = confirmed || how & 0x10 != 0;
        let login = if latest_login { latest(&self.logins, 0).unwrap() } else { app.login.clone() };
        let present = millis(now) / 1_000 / app.totp.step();
        let step = match how & 3 {
            0 => present,
            1 => present.saturating_sub(1),
            2 => present + 1,
            _ => present.saturating_sub(2),
        };
        let near: Vec<String> =
            (present.saturating_sub(2)..=present + 2).map(|step| app.code(step)).collect();
        let unused = (0_u32..).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap();
        let mut codes: Vec<String> = match variant & FOUR != 0 {
            true => (step.saturating_sub(3)..=step).map(|step| app.code(step)).collect(),
            false => vec![app.code(step)],
        };
        // In the first steps of all time there are no four yet.
        let is_four = codes.len() == 4;
        if !right {
            let place = usize::from(how >> 2 & 2 | how & 1) % codes.len();
            codes[place] = unused;
        }
        let mut digits = codes.concat();
        if how & 0x20 != 0 {
            digits.push('0');
        }
        let mut request = OtpRequest::new(match OtpCode::parse(&digits) {
            Ok(code) => code,
            Err(_) => return,
        });
        let named = (how & 4 == 0).then_some(app.id);
        request.authenticator = named;
        let before = self.snapshot.clone();
        let mut about = None;
        let id = named.map(|id| id.to_string());
        let of = (id.as_deref(), digits.len(), is_four);
        let waiting = self.model.rules.verify_otp(&login, &before, of, millis(now), &mut about);
        let meant = waiting.as_ref().ok().map(|waiting| &waiting.authenticator);
        let secret = self.apps.iter().find(|app| meant.is_some_and(|id| app.id.to_string() == *id)).cloned();
        if meant.is_some() && secret.is_none() {
            // A step that nobody saw has set it up.
            return;
        }
        let entropy = crate::fixture::entropy(&mut self.rng);
        let remember = (on & REMEMBER != 0).then_some(&entropy);
        let verify =
            || self.verifier.verify_otp(&login.session, self.record.clone(), &request, now, remember);
        let (step, again) = (verify(), verify());
        assert_eq!(step.writes(), again.writes(), "same inputs, same outputs");
        let Some(seen) = self.commit(step, how) else { return };
        let mut expected = expected_of("verify_otp", &login, about, &waiting, now);
        expected.evaluated = waiting.is_ok();
        let mut taken = None;
        if let (Ok(waiting), Some(secret)) = (&waiting, &secret) {
            let known = before.known(&waiting.authenticator).unwrap();
            let of = format!("{} {}", known.id, known.address());
            let window = self.model.rules.window(known.last_step(), millis(now));
            // Of two steps with one code the later counts.
            let to_come = |step: u64| known.last_step().is_none_or(|last| step > last);
            let shown = |step: u64| match is_four {
                // Each of the four is to come, not only the last.
                true => {
                    let row = step.saturating_sub(3)..=step;
                    row.clone().all(to_come)
                        && row.map(|step| secret.code(step)).collect::<String>() == digits
                }
                false => secret.code(step) == digits,
            };
            taken = window.into_iter().rev().find(|step| shown(*step));
            if taken.is_some() {
                self.right((&login, waiting), (&before, &of), &seen, remember.is_some(), &mut expected);
            } else if is_four {
                assert!(seen.outbox.is_none(), "four wrong codes write nothing");
                expected.verdict = Err(Denial::InvalidLongCode);
            } else {
                let of = (known.is_active(), of.as_str());
                let (attempts_left, told) = self.model.failed(&login, waiting, of, millis(now));
                expected.verdict = Err(Denial::InvalidOtpCode { attempts_left });
                expected.told.extend(told);
                self.model.ended(&self.snapshot, waiting, millis(now));
            }
        }
        self.judge(&seen, &before, expected);
        if let (Ok(verification), Ok(waiting), Some(step)) = (&seen.result, &waiting, taken) {
            self.model.stepped(&waiting.authenticator, step);
            self.verified(&login, waiting, &before, verification);
        }
    }
}
