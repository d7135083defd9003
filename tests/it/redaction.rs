//! What shows in `Debug`, in audit events and in what is stored for later: never a secret.

use std::fmt::Debug;

use countersign::{
    Account, BindingCode, ChallengeRequest, Committed, Effect, Key, KeyRing, MfaToken, Policy, Purpose,
    RecoveryCode, Standalone, Swap, Verifier,
};
use countersign_testkit::{World, address, subject};

/// The secrets of a world, in every spelling in which one could slip out.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn text(&mut self, secret: &str) {
        assert!(secret.len() >= 6, "{secret:?} is too short to be looked for");
        self.0.push(secret.to_owned());
        self.bytes(secret.as_bytes());
    }

    fn bytes(&mut self, secret: &[u8]) {
        self.0.push(format!("{secret:?}").trim_matches(['[', ']']).to_owned());
        self.0.push(secret.iter().map(|byte| format!("{byte:02x}")).collect());
        self.0.push(secret.iter().map(|byte| format!("{byte:02X}")).collect());
        let hexes: Vec<_> = secret.iter().map(|byte| format!("{byte:#x}")).collect();
        self.0.push(hexes.join(", "));
    }

    /// The seeds of a record, as its stored form spells them.
    fn seeds(&mut self, record: &impl serde::Serialize) {
        fn walk(value: &serde_json::Value, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(fields) => {
                    for (name, value) in fields {
                        match value.as_str() {
                            Some(text) if name == "seed" || name == "hash" => found.push(text.to_owned()),
                            _ => walk(value, found),
                        }
                    }
                }
                serde_json::Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
                _ => {}
            }
        }
        let before = self.0.len();
        walk(&serde_json::to_value(record).unwrap(), &mut self.0);
        assert!(self.0.len() > before, "the record has secrets");
    }

    fn absent_from(&self, what: &str, shown: &str) {
        for secret in &self.0 {
            assert!(!shown.contains(secret.as_str()), "{what} shows {secret:?}: {shown}");
        }
        assert!(!shown.contains("user@example.com"), "{what} shows an address in full: {shown}");
    }

    fn check(&self, what: &str, value: &impl Debug) {
        self.absent_from(what, &format!("{value:?}"));
        self.absent_from(what, &format!("{value:#?}"));
    }
}

#[test]
fn nothing_public_shows_a_secret() {
    let mut secrets = Secrets::default();
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.recovery_use = countersign::RecoveryUse::Replace;
    }));
    secrets.bytes(&[0x11; 32]);
    secrets.bytes(&[0x22; 32]);

    // An enrolment in progress: a live challenge and pending recovery codes.
    let token: MfaToken = world.begin();
    secrets.text(token.expose());
    let session = world.login();
    let account = world.account();
    let step = world
        .verifier
        .associate(&session, account, address("user@example.com"), world.now, &mut world.rng)
        .unwrap();
    let shown_step = format!("{step:?} {step:#?}");
    let (write, sealed) = step.into_parts();
    let write = write.unwrap();
    secrets.seeds(&write.record);
    let shown_parts = format!("{write:?} {write:#?} {sealed:?}");
    let pending: Account = write.record.clone();
    assert_eq!(world.store.swap(write), Ok(Swap::Stored));
    let committed = sealed.open(Swap::Stored);
    let shown_committed = format!("{committed:?} {committed:#?}");
    let Committed::Done(outcome) = committed else { panic!() };
    let Some(Effect::SendEmail(mail)) = outcome.effects.first() else { panic!() };
    let associated = outcome.result.as_ref().unwrap();
    secrets.text(mail.code.expose());
    secrets.text(associated.oob_code.expose());
    for code in associated.recovery_codes.as_ref().unwrap() {
        secrets.text(code.expose());
    }
    let handle = world.verifier.open_oob_code(&session, associated.oob_code.expose()).unwrap();

    secrets.absent_from("Step", &shown_step);
    secrets.absent_from("Write and Sealed", &shown_parts);
    secrets.absent_from("Committed", &shown_committed);
    secrets.check("Outcome", &outcome);
    secrets.check("SendEmail", mail);
    secrets.check("Effect", &outcome.effects);
    secrets.check("Associated", associated);
    secrets.check("AuditEvent", &outcome.audit);
    secrets.check("Account", &pending);
    secrets.check("Authenticator", &pending.authenticators());
    secrets.check("Challenge", &pending.challenges());
    secrets.check("Handle", &handle);
    secrets.check("Session", &session);
    secrets.check("MfaToken", &token);
    secrets.check("Verifier", &world.verifier);
    secrets.check("AuthenticatorView", &world.verifier.authenticators(&session, &pending, world.now));
    secrets.check("BindingCode", &BindingCode::parse(mail.code.expose()));
    let recovery = associated.recovery_codes.clone().unwrap();
    secrets.check("RecoveryCode", &RecoveryCode::parse(recovery[0].expose()));
    secrets.check("Key", &Key::new(1, &[0x11; 32]).unwrap());
    secrets.check("KeyRing", &countersign_testkit::keys());
    let descriptors = world.store.outbox.borrow().clone();
    secrets.check("Descriptor", &descriptors);
    secrets.check("Message", &world.verifier.render(&pending, &descriptors[0], world.now).unwrap());

    // Confirmed, challenged, recovered.
    let code = mail.code.clone();
    let oob_code = associated.oob_code.expose().to_owned();
    let verification = world.verify(&session, &oob_code, &code).unwrap();
    secrets.check("Verification", &verification);
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge_with(&session, &ChallengeRequest::default()).unwrap();
    secrets.text(challenged.oob_code.expose());
    secrets.text(world.mail().code.expose());
    secrets.check("Challenged", &challenged);
    let session = world.login();
    let recovered = world.recover(&session, &recovery[0]).unwrap();
    secrets.text(recovered.replacement.as_ref().unwrap().expose());
    secrets.check("Recovered", &recovered);
    let account = world.account();
    secrets.seeds(&account);
    secrets.check("Account", &account);
    secrets.check("IssueToken", &world.tokens);
    secrets.check("AuditEvent", &world.audits);

    // What is logged and what waits in the outbox holds none in its stored form, either.
    secrets.absent_from("stored audit events", &serde_json::to_string(&world.audits).unwrap());
    let outbox =
        serde_json::to_string(&*world.store.outbox.borrow()).unwrap().replace("user@example.com", "");
    secrets.absent_from("the outbox", &outbox);
}

#[test]
fn standalone_records_show_no_secret() {
    let mut secrets = Secrets::default();
    let mut rng = World::new(Policy::default()).rng;
    let verifier = Verifier::new(countersign_testkit::keys(), Policy::default());
    let record = Standalone::unconfirmed(&subject(), address("user@example.com"), &mut rng).unwrap();
    let (write, sealed) =
        verifier.ask(record, &Purpose::Confirm, countersign_testkit::START, &mut rng).unwrap().into_parts();
    let record = write.unwrap().record;
    secrets.seeds(&record);
    let outcome = sealed.open(Swap::Stored).done().unwrap();
    let Some(Effect::SendEmail(mail)) = outcome.effects.first() else { panic!() };
    secrets.text(mail.code.expose());
    secrets.text(outcome.result.as_ref().unwrap().oob_code.expose());
    secrets.check("Standalone", &record);
    secrets.check("Asked", &outcome);
}

#[test]
fn the_check_itself_sees_a_secret() {
    let mut secrets = Secrets::default();
    secrets.text("123456");
    for shown in ["code 123456", "[49, 50, 51, 52, 53, 54]", "313233343536"] {
        let seen = std::panic::catch_unwind(|| secrets.absent_from("the control", shown));
        assert!(seen.is_err(), "{shown}");
    }
    let ring: Result<KeyRing, _> =
        KeyRing::new("t", Key::new(1, &[1; 32]).unwrap(), Key::new(1, &[2; 32]).unwrap());
    assert!(format!("{:?}", ring.unwrap()).contains("transient: [1]"));
}
