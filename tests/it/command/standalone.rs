//! The machines on their own: purposes kept apart, attempts that hold, and the host's commands on a standalone record.

use countersign::{
    BindingCode, Denial, Effect, Policy, Step, Swap, Verifier,
    command::{Asked, Label, Purpose},
    effect::{Delivery, DeliveryReport, Descriptor, Notice, RenderError},
    machine::{CancelReason, ChallengeState, Enrollment},
    policy::{FactorUse, Settings},
    record::Standalone,
    step::Committed,
};
use countersign_testkit::{
    Mail, START, World, address, code, entropy, json, keys, millis, policy, subject, wrong,
};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use time::{Duration, OffsetDateTime};

struct Row {
    verifier: Verifier,
    rng: ChaCha20Rng,
    now: OffsetDateTime,
    record: Standalone,
    stored: bool,
    outbox: Vec<Descriptor>,
    mails: Vec<Mail>,
}

fn reset() -> Purpose {
    Purpose::Action { label: Label::new("password-reset").unwrap(), digest: [7; 32] }
}

impl Row {
    fn verified(policy: Policy) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let record = Standalone::verified(
            &subject(),
            address("user@example.com"),
            &countersign_testkit::entropy(&mut rng),
        );
        let verifier = Verifier::new(keys(), policy);
        Self { verifier, rng, now: START, record, stored: false, outbox: Vec::new(), mails: Vec::new() }
    }

    fn run<T>(&mut self, step: Step<T, Standalone>) -> Result<T, Denial> {
        let committed = step.commit(|write| {
            assert_eq!(write.expected, self.stored.then_some(self.record.revision()), "replaced or inserted");
            let same = write.record.revision() == self.record.revision();
            assert_eq!(
                same, !self.stored,
                "the first write has the revision that was drawn, each other a new one"
            );
            self.stored = true;
            let stored = serde_json::to_string(&write.record).unwrap();
            self.record = serde_json::from_str(&stored).unwrap();
            self.outbox.extend(write.outbox);
            Ok::<_, std::convert::Infallible>(Swap::Stored)
        });
        let Committed::Done(outcome) = committed.unwrap() else { panic!("nobody else writes here") };
        let (result, effects) = outcome.into_parts();
        for effect in effects {
            if let Effect::Send(mail) = effect {
                self.mails.push(mail.into());
            }
        }
        result
    }

    fn ask(&mut self, purpose: &Purpose) -> Result<Asked, Denial> {
        let step = self.verifier.ask(
            self.record.clone(),
            purpose,
            self.now,
            &countersign_testkit::entropy(&mut self.rng),
        );
        self.run(step)
    }

    fn answer(&mut self, asked: &Asked, purpose: &Purpose, code: &BindingCode) -> Result<(), Denial> {
        let handle = self.verifier.open_standalone_code(&subject(), asked.oob_code.expose())?;
        let step = self.verifier.answer(self.record.clone(), &handle, purpose, code, self.now);
        self.run(step).map(drop)
    }
}

#[test]
fn a_code_for_one_purpose_is_wrong_for_every_other() {
    let mut row = Row::verified(Policy::default());
    let asked = row.ask(&reset()).unwrap();
    let right = row.mails[0].code.clone();
    assert_eq!(row.answer(&asked, &Purpose::Authenticate, &right).unwrap_err(), Denial::ForeignOobCode);
    assert_eq!(row.ask(&Purpose::Confirm).unwrap_err(), Denial::AddressInUse);
    assert_eq!(row.answer(&asked, &reset(), &right), Ok(()));
    assert_eq!(row.answer(&asked, &reset(), &right).unwrap_err(), Denial::OobCodeUsed);
}

#[test]
fn email_that_may_not_authenticate_may_not_do_so_alone_either() {
    let mut row = Row::verified(Policy::strict());
    assert_eq!(row.ask(&Purpose::Authenticate).unwrap_err(), Denial::UnsupportedChallengeType);
    assert!(row.ask(&reset()).is_ok());
}

#[test]
fn a_standalone_address_is_asked_for_what_its_factor_is_good_for() {
    let limited = |to| Verifier::new(keys(), policy(|settings| settings.factors.email = to));
    let mut world = World::new(Policy::default());
    for (email, purpose, admitted) in [
        (FactorUse::Off, Purpose::Confirm, false),
        (FactorUse::Off, Purpose::Authenticate, false),
        (FactorUse::ConfirmOnly, Purpose::Confirm, true),
        (FactorUse::ConfirmOnly, Purpose::Authenticate, false),
        (FactorUse::Authenticate, Purpose::Confirm, true),
        (FactorUse::Authenticate, Purpose::Authenticate, true),
    ] {
        let to = address("user@example.com");
        let record = if purpose == Purpose::Confirm {
            Standalone::unconfirmed(&subject(), to, &entropy(&mut world.rng))
        } else {
            Standalone::verified(&subject(), to, &entropy(&mut world.rng))
        };
        let step = limited(email).ask(record, &purpose, world.now, &entropy(&mut world.rng));
        let outcome = step.commit(|_| Ok::<_, ()>(countersign::Swap::Stored)).unwrap().done().unwrap();
        let expected = if admitted { None } else { Some(Denial::UnsupportedChallengeType) };
        assert_eq!(outcome.into_parts().0.err(), expected, "{email:?} {purpose:?}");
    }
}

/// The policy of the moment decides, not the one under which the code was sent.
#[test]
fn a_policy_that_became_stricter_takes_no_code_of_before() {
    let off: fn(&mut Settings) = |settings| settings.factors.email = FactorUse::Off;
    let one: fn(&mut Settings) = |settings| settings.failure_cap = 1;
    for (change, denial) in [(off, Denial::UnsupportedChallengeType), (one, Denial::AuthenticatorDisabled)] {
        let mut row = Row::verified(Policy::default());
        let asked = row.ask(&reset()).unwrap();
        let right = row.mails[0].code.clone();
        row.answer(&asked, &reset(), &wrong(&right)).unwrap_err();
        row.verifier = Verifier::new(keys(), countersign_testkit::policy(change));
        assert_eq!(row.answer(&asked, &reset(), &right).unwrap_err(), denial);
        row.verifier = Verifier::new(keys(), Policy::default());
        assert_eq!(row.answer(&asked, &reset(), &right), Ok(()));
    }
}

#[test]
fn an_address_that_nobody_confirmed_is_good_for_nothing_else() {
    let mut row = Row::verified(Policy::default());
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let drawn = countersign_testkit::entropy(&mut rng);
    row.record = Standalone::unconfirmed(&subject(), address("user@example.com"), &drawn);
    for purpose in [Purpose::Authenticate, reset()] {
        assert_eq!(row.ask(&purpose).unwrap_err(), Denial::UnknownAuthenticator);
    }
    assert!(!row.stored);
}

/// A later policy with a higher cap does not bring it back.
#[test]
fn an_address_that_was_disabled_stays_so_under_any_policy() {
    let one = |settings: &mut Settings| settings.failure_cap = 1;
    let mut row = Row::verified(countersign_testkit::policy(one));
    let asked = row.ask(&reset()).unwrap();
    let guess = wrong(&row.mails[0].code);
    row.answer(&asked, &reset(), &guess).unwrap_err();
    row.verifier = Verifier::new(keys(), Policy::default());
    row.now += Duration::HOUR;
    assert_eq!(row.ask(&reset()).unwrap_err(), Denial::AuthenticatorDisabled);
}

#[test]
fn attempts_hold_until_the_deadline_whatever_is_asked() {
    let mut row = Row::verified(countersign_testkit::policy(|settings| settings.cool_down = Duration::ZERO));
    let asked = row.ask(&reset()).unwrap();
    let guess = wrong(&row.mails[0].code);
    for attempts_left in (0..5).rev() {
        assert_eq!(
            row.answer(&asked, &reset(), &guess).unwrap_err(),
            Denial::InvalidBindingCode { attempts_left }
        );
    }
    assert_eq!(row.ask(&reset()).unwrap_err(), Denial::AttemptsExhausted);
    assert_eq!(row.ask(&Purpose::Authenticate).unwrap_err(), Denial::AttemptsExhausted);
    row.now = asked.expires;
    let asked = row.ask(&reset()).unwrap();
    let guess = wrong(&row.mails[1].code);
    for _ in 0..4 {
        row.answer(&asked, &reset(), &guess).unwrap_err();
    }
    // The tenth guess empties the bucket but for what 300 s gave back, which is less than one.
    row.answer(&asked, &reset(), &guess).unwrap_err();
    row.now += Duration::seconds(1);
    assert!(matches!(row.ask(&reset()).unwrap_err(), Denial::Locked { .. }));
}

#[test]
fn a_message_is_rendered_reported_and_its_cool_down_lifted_once() {
    let mut row = Row::verified(Policy::default());
    row.ask(&reset()).unwrap();
    let (sent, descriptor) = (row.mails[0].clone(), row.outbox[0].clone());
    let Ok(Effect::Send(mail)) = row.verifier.render_standalone(&row.record, &descriptor, row.now) else {
        panic!()
    };
    let mail = Mail::from(mail);
    assert_eq!((mail.code.expose(), mail.id), (sent.code.expose(), sent.id));
    assert!(matches!(row.ask(&reset()).unwrap().delivery, Delivery::CoolingDown { .. }));
    let report = |row: &mut Row| {
        let failed = DeliveryReport::Failed;
        let step = row.verifier.report_standalone_delivery(row.record.clone(), sent.id, failed, row.now);
        row.run(step).unwrap()
    };
    assert!(report(&mut row));
    assert!(!report(&mut row));
    let asked = row.ask(&reset()).unwrap();
    assert_eq!(asked.delivery, Delivery::Sent);
    assert_eq!(row.answer(&asked, &reset(), &sent.code), Ok(()));
    let rendered = row.verifier.render_standalone(&row.record, &descriptor, row.now);
    assert_eq!(rendered.map(drop), Err(RenderError::NotLive));
}

#[test]
fn an_administrator_lifts_a_lock() {
    let mut row = Row::verified(countersign_testkit::policy(|settings| {
        settings.guess_bucket = countersign::policy::Rate::new(1, Duration::hours(1));
    }));
    let asked = row.ask(&reset()).unwrap();
    row.answer(&asked, &reset(), &wrong(&row.mails[0].code.clone())).unwrap_err();
    row.now += Duration::seconds(300);
    assert!(matches!(row.ask(&reset()).unwrap_err(), Denial::Locked { .. }));
    let step = row.verifier.unlock_standalone(row.record.clone(), row.now);
    row.run(step).unwrap();
    assert!(row.ask(&reset()).is_ok());
}

/// L25: a wrong code that both disables the address and locks the record ends the challenge as it does in an account.
#[test]
fn a_code_that_disables_and_locks_ends_a_challenge_as_in_an_account() {
    let both = || {
        countersign_testkit::policy(|settings| {
            settings.failure_cap = 1;
            settings.guess_bucket = countersign::policy::Rate::new(1, Duration::hours(1));
        })
    };
    let ended = ChallengeState::Cancelled(CancelReason::Disabled);

    let mut row = Row::verified(both());
    let asked = row.ask(&reset()).unwrap();
    let denial = row.answer(&asked, &reset(), &wrong(&row.mails[0].code.clone())).unwrap_err();
    assert_eq!(denial, Denial::InvalidBindingCode { attempts_left: 4 });
    assert_eq!(row.record.challenge().unwrap().state(), &ended);
    assert_eq!(row.record.authenticator().enrollment(), &Enrollment::Disabled);

    let mut world = World::new(both());
    world.enroll("user@example.com");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let guess = wrong(&world.mail().code);
    assert_eq!(world.verify(&session, challenged.oob_code.expose(), &guess).unwrap_err(), denial);
    let account = world.account();
    assert_eq!(account.challenges().last().unwrap().state(), &ended);
    assert_eq!(account.authenticators()[0].enrollment(), &Enrollment::Disabled);

    // The same is told of either, in the same order.
    let told = |outbox: &[Descriptor]| -> Vec<_> {
        let notices = outbox.iter().filter_map(|descriptor| match descriptor {
            Descriptor::Notify(notify) => Some(&notify.notice),
            _ => None,
        });
        let names = notices.filter_map(|event| match event {
            Notice::Disabled { .. } => Some("disabled"),
            Notice::Locked { .. } => Some("locked"),
            _ => None,
        });
        names.collect()
    };
    assert_eq!(told(&row.outbox), ["disabled", "locked"]);
    assert_eq!(told(&world.store.outbox.borrow()), ["disabled", "locked"]);
}

#[test]
fn whoever_lacks_the_handle_spends_nothing() {
    let mut row = Row::verified(Policy::default());
    let asked = row.ask(&reset()).unwrap();
    let before = row.record.clone();
    let forged = asked.oob_code.expose().replace(&asked.oob_code.expose()[40..44], "AAAA");
    assert_eq!(
        row.verifier.open_standalone_code(&subject(), &forged).map(drop),
        Err(Denial::MalformedOobCode)
    );
    let other = countersign::Subject::new("user-2").unwrap();
    let foreign = row.verifier.open_standalone_code(&other, asked.oob_code.expose());
    assert_eq!(foreign.map(drop), Err(Denial::MalformedOobCode));
    assert_eq!(row.answer(&asked, &reset(), &code("1234567")).unwrap_err(), Denial::MalformedCode);
    assert_eq!(row.record, before);
}

#[test]
fn an_unlock_ends_the_cool_down_that_a_wild_clock_began() {
    let mut row = Row::verified(Policy::default());
    row.now = START + Duration::days(4_000);
    row.ask(&reset()).unwrap();
    row.now = START;
    let asked = |row: &mut Row| row.ask(&reset()).map(|asked| asked.delivery);
    assert!(matches!(asked(&mut row), Ok(Delivery::CoolingDown { .. }) | Err(Denial::TooManySends { .. })));
    let step = row.verifier.unlock_standalone(row.record.clone(), row.now);
    row.run(step).unwrap();
    assert_eq!(json(&row.record)["updated"], millis(row.now), "no clock disagrees any more");
    // Long enough for the budget of messages, too, which the same clock had emptied.
    row.now += Duration::hours(2);
    assert_eq!(asked(&mut row), Ok(Delivery::Sent));
}
