//! What a client does about codes: it enrolls, asks for one, and answers.

use countersign::factor::Prompt;

use super::*;

impl Run {
    pub(super) fn associate(&mut self, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let (now, to) = (self.now, address(how & 3));
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = self.model.rules.associate(&login, &before, to.as_str(), millis(now), &mut about);
        let step = self.verifier.associate(
            &login.session,
            self.record.clone(),
            &to.clone().into(),
            now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let Some(seen) = self.commit(step, how) else { return };
        if let Ok(answer) = &seen.result {
            let id = answer.authenticator.to_string();
            match &about {
                Some(known) => assert_eq!(*known, id, "the same address has the same authenticator"),
                None => assert!(before.known(&id).is_none(), "a new one is new"),
            }
            about = Some(id.clone());
            let counts = crate::fixture::email_authenticates(&self.model.rules.settings);
            let shows =
                counts && before.known(&id).is_none() && before.clone().at(millis(now)).recovery.is_none();
            assert!(!shows || answer.recovery_codes.is_some(), "the first enrollment shows recovery codes");
            let again = before.clone().at(millis(now)).known(&id).is_some();
            let hidden = again && !login.named && login.scopes.is_none();
            assert!(
                !hidden || answer.recovery_codes.is_none(),
                "they are shown again to a named client alone"
            );
        }
        self.judge(&seen, &before, expected_of("associate", &login, about, &expected, now));
        let Ok(answer) = seen.result else { return };
        if let Some(codes) = &answer.recovery_codes {
            self.model.shown(&answer.authenticator.to_string(), codes);
            self.recovery.extend(codes.iter().take(4).cloned());
        }
        let sent = answer.setup.sent().expect("a message");
        assert_eq!(sent.form.digits(), expected.as_ref().unwrap().digits, "the form of the code");
        let given = (sent.oob_code.expose(), answer.expires, sent.delivery);
        self.hold(&login, given, &seen.effects, seen.outbox, &expected.unwrap());
    }

    pub(super) fn challenge(&mut self, variant: u8, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let now = self.now;
        let mut request = ChallengeRequest::default();
        let ids: Vec<AuthenticatorId> = self.record.authenticators().iter().map(|known| known.id()).collect();
        if variant & 1 != 0 {
            // One that is there, or has been or will be elsewhere.
            request.authenticator = latest(&ids, how & 3).or("email|dev_0000000000000000".parse().ok());
        }
        if variant & 2 != 0 {
            request.types = ChallengeTypes::parse(if variant & 4 != 0 { "otp" } else { "oob" });
        }
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = self.model.rules.challenge(&login, &before, &request, millis(now), &mut about);
        let step = self.verifier.challenge(
            &login.session,
            self.record.clone(),
            &request,
            now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let Some(seen) = self.commit(step, how) else { return };
        self.judge(&seen, &before, expected_of("challenge", &login, about.clone(), &expected, now));
        let Ok(answer) = seen.result else { return };
        assert_eq!(Some(answer.authenticator.to_string()), about, "the chosen authenticator");
        let Some(sending) = expected.unwrap() else {
            assert!(
                matches!(answer.prompt, Prompt::Otp { .. }) && seen.outbox.is_none(),
                "nothing is sent to an app"
            );
            assert_eq!(
                answer.expires,
                instant(login.expires),
                "a code of an app is taken as long as the token"
            );
            return;
        };
        let sent = answer.prompt.sent().expect("a message");
        assert_eq!(sent.form.digits(), sending.digits, "the form of the code");
        let given = (sent.oob_code.expose(), answer.expires, sent.delivery);
        self.hold(&login, given, &seen.effects, seen.outbox, &sending);
    }

    /// A handle came back, and perhaps a message with its code.
    fn hold(
        &mut self,
        login: &Login,
        (oob_code, expires, delivery): (&str, OffsetDateTime, Delivery),
        effects: &[Effect],
        outbox: Option<Vec<Descriptor>>,
        expected: &Sending,
    ) {
        let until = expected.cooling_until.map(instant);
        let delivered = until.map_or(Delivery::Sent, |until| Delivery::CoolingDown { until });
        assert_eq!(delivery, delivered, "what becomes of the message");
        assert_eq!(expires, instant(expected.deadline), "when the code dies");
        let asked = self.snapshot.asked(oob_code).expect("a handle names a challenge of the record").clone();
        if let Some(same) = &expected.same {
            assert_eq!(asked.id, *same, "asking again gives the same handle");
        }
        let State::Pending { generation, sends } = asked.state else { panic!("it waits") };
        let mailed = effects.iter().find_map(|effect| match effect {
            Effect::Send(mail) => Some(mail),
            _ => None,
        });
        assert_eq!(mailed.is_some(), until.is_none(), "a message is sent unless it is too soon");
        let Some(mail) = mailed else { return };
        self.model.rules.budgets.sent(expected.sends, millis(self.now));
        let known = self.snapshot.known(&asked.authenticator).unwrap();
        assert_eq!((mail.to.as_str(), mail.expires), (known.address(), expires));
        let code = mail.content.code().expect("a code").clone();
        assert_eq!(code.expose().len(), usize::from(asked.digits()));
        self.mails.push(Mail { id: mail.id, oob_code: oob_code.to_owned(), sends });
        let written = outbox.unwrap_or_default().into_iter();
        let mut mails = written.filter(|descriptor| matches!(descriptor, Descriptor::Send(_)));
        self.outbox = mails.next().map(|descriptor| (descriptor, code.clone()));
        match self.given.iter_mut().find(|known| known.oob_code == oob_code) {
            Some(known) => (known.code, known.generation) = (code, generation),
            None => self.given.push(Given {
                login: login.clone(),
                oob_code: oob_code.to_owned(),
                code,
                generation,
            }),
        }
    }

    pub(super) fn guess(&mut self, on: u8, how: u8, right: bool) {
        let now = self.now;
        let Some(given) = self.given.iter().rev().nth(usize::from(on % 16)) else { return };
        let digits = presented(&given.code, how, right);
        let asked = self.snapshot.asked(&given.oob_code);
        let generation = asked.map(|asked| &asked.state);
        if matches!(generation, Some(State::Pending { generation, .. }) if *generation != given.generation) {
            // A step that nobody saw has put another code in its place.
            return;
        }
        let code = BindingCode::parse(&digits).unwrap();
        let login = if how & 0x10 != 0 { latest(&self.logins, 0).unwrap() } else { given.login.clone() };
        let named = (given.oob_code.as_str(), given.login.transaction.as_str());
        let handle = self.verifier.open_oob_code(&given.login.session, &given.oob_code).unwrap();
        let before = self.snapshot.clone();
        let mut about = None;
        let rules = &self.model.rules;
        let waiting = rules.verify(&login, &before, named, digits.len(), millis(now), &mut about);
        let entropy = crate::fixture::entropy(&mut self.rng);
        let remember = (on & REMEMBER != 0).then_some(&entropy);
        let verify =
            || self.verifier.verify_oob(&login.session, self.record.clone(), &handle, &code, now, remember);
        let (step, again) = (verify(), verify());
        assert_eq!(step.writes(), again.writes(), "same inputs, same outputs");
        let Some(seen) = self.commit(step, how) else { return };
        let mut expected = expected_of("verify_oob", &login, about, &waiting, now);
        expected.evaluated = waiting.is_ok();
        if let Ok(waiting) = &waiting {
            let known = before.known(&waiting.authenticator).unwrap();
            let of = format!("{} {}", known.id, known.address());
            if right {
                self.right((&login, waiting), (&before, &of), &seen, remember.is_some(), &mut expected);
            } else if waiting.is_long {
                assert!(seen.outbox.is_none(), "a wrong long code writes nothing");
                expected.verdict = Err(Denial::InvalidLongCode);
            } else {
                let of = (known.is_active(), of.as_str());
                let (attempts_left, told) = self.model.failed(&login, waiting, of, millis(now));
                expected.verdict = Err(Denial::InvalidBindingCode { attempts_left });
                expected.told.extend(told);
                self.model.ended(&self.snapshot, waiting, millis(now));
            }
        }
        self.judge(&seen, &before, expected);
        if let (Ok(verification), Ok(waiting)) = (&seen.result, &waiting) {
            self.verified(&login, waiting, &before, verification);
        }
    }

    pub(super) fn recover(&mut self, on: u8, how: u8) {
        let now = self.now;
        let Some(login) = latest(&self.logins, how & 3) else { return };
        let unknown = RecoveryCode::parse("222222222222222222222222").unwrap();
        let code = latest(&self.recovery, on).filter(|_| on < 64).unwrap_or(unknown);
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = self.model.rules.recover(&login, &before, millis(now), &mut about);
        let step = self.verifier.verify_recovery(&login.session, self.record.clone(), &code, now);
        let Some(seen) = self.commit(step, how) else { return };
        let set = about.clone().unwrap_or_default();
        let mut said = expected_of("verify_recovery", &login, about, &expected, now);
        let came_to = match &expected {
            Ok(Recovery::Compared) => self.model.compared(&code),
            Ok(Recovery::Repeated) => self.model.repeated(&login, &code),
            Err(_) => Code::Another,
        };
        // Where it hangs on a step that nobody saw, the step itself says which of the two it is.
        let taken = seen.result.is_ok();
        let right = matches!(came_to, Code::Live | Code::Same) || came_to == Code::Unknown && taken;
        match &expected {
            Ok(Recovery::Compared) if right => {
                let remaining = self.snapshot.recovery.as_ref().map_or(0, |set| set.live.len());
                said.told.push(format!("used {set} {remaining}"));
                (said.evaluated, said.tokens) = (true, 1);
            }
            Ok(Recovery::Compared) => {
                let counted = self.model.rules.budgets.recovery_guessed(millis(now));
                assert_eq!(seen.outbox.is_some(), counted.is_some(), "what is counted is written");
                let tells = counted == Some(true) && self.model.rules.budgets.tells_of_recovery(millis(now));
                said.told.extend(tells.then(|| format!("guessed {set}")));
                (said.evaluated, said.verdict) = (true, Err(Denial::InvalidRecoveryCode));
            }
            Ok(Recovery::Repeated) if right => said.tokens = 1,
            Ok(Recovery::Repeated) => said.verdict = Err(Denial::TransactionSpent),
            Err(_) => {}
        }
        self.judge(&seen, &before, said);
        if let Ok(recovered) = seen.result {
            assert_eq!(recovered.repeated, expected == Ok(Recovery::Repeated));
            if !recovered.repeated {
                self.used_device(&login, &before);
            }
            self.model.recovered(&login, &code, &recovered);
            self.recovery.extend(recovered.replacement);
        }
    }
}
