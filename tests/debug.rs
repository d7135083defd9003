//! What shows: `Debug` of whatever holds a secret, and the JSON of what is logged or stored beside the record.

mod support;

use std::fmt::Debug;

use countersign::{
    Descriptor, Effect, EmailAddress, FirstFactor, Key, KeyRing, NewFactor, Policy, Purpose, RecoveryUse,
    Settings, Standalone, Swap, Verifier,
};
use serde_json::Value;
use support::{World, address, client, json, subject};

const ADDRESS: &str = "distinctive.name@distinctive-domain.example";

fn secret(start: u8) -> [u8; 32] {
    std::array::from_fn(|place| start.wrapping_add(u8::try_from(place).unwrap().wrapping_mul(37)))
}

/// Everything that was shown, and everything that must not be in it.
#[derive(Default)]
struct Watch {
    shown: Vec<(&'static str, String)>,
    secrets: Vec<(String, String)>,
}

impl Watch {
    fn show<T: Debug>(&mut self, what: &'static str, value: &T) {
        self.shown.push((what, format!("{value:?}")));
        self.shown.push((what, format!("{value:#?}")));
    }

    fn text(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 8, "too short to tell from chance: {what}");
        self.secrets.push((what.to_owned(), secret.to_owned()));
    }

    /// Bytes, in every form in which a careless `Debug` could print them, by pieces of six bytes.
    fn bytes(&mut self, what: &str, secret: &[u8]) {
        for piece in secret.chunks_exact(6) {
            let decimal: Vec<_> = piece.iter().map(u8::to_string).collect();
            let hex: Vec<_> = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            let forms = [decimal.join(","), hex.join(","), hex.join(",0x"), hex.concat(), base64(piece)];
            for form in forms {
                self.text(what, &form.to_uppercase());
                self.text(what, &form);
            }
        }
    }

    /// What leaks in a text, white space aside.
    fn leaks_in(&self, text: &str) -> Option<&str> {
        let bare: String = text.split_whitespace().collect();
        self.secrets.iter().find(|(_, secret)| bare.contains(secret)).map(|(what, _)| what.as_str())
    }

    fn check(&self) {
        for (what, text) in &self.shown {
            assert_eq!(self.leaks_in(text), None, "in {what}: {text}");
        }
    }
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url of a whole number of three-byte groups.
fn base64(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(BASE64URL[bits >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

/// The bytes of a stored text.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_usize, 0, Vec::new());
    for symbol in text.bytes() {
        bits = bits << 6 | BASE64URL.iter().position(|known| *known == symbol).expect("base64url");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}

/// Watches every seed and hash in a stored record; gives how many there were.
fn watch_seeds(watch: &mut Watch, value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(text) if name == "seed" || name == "hash" => {
                    watch.text(name, text);
                    watch.bytes(name, &decoded(text));
                    1
                }
                _ => watch_seeds(watch, value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(|value| watch_seeds(watch, value)).sum(),
        _ => 0,
    }
}

/// A world with keys that can be told from chance, and nine digits a code.
fn world(watch: &mut Watch) -> World {
    let mut settings = Settings::default();
    settings.code_digits = 9;
    settings.recovery_use = RecoveryUse::Replace;
    settings.cool_down = time::Duration::ZERO;
    let mut world = World::new(Policy::new(settings).unwrap());
    let keys = || [3, 90, 151].map(|start| Key::new(start, &secret(start)).unwrap());
    keys().iter().for_each(|key| watch.show("Key", key));
    let [transient, durable, older] = keys();
    let ring = KeyRing::new("context", transient, durable).unwrap().with_older_durable(older).unwrap();
    watch.show("KeyRing", &ring);
    assert_eq!(format!("{ring:?}"), r#"KeyRing { context: "context", transient: [3], durable: [90, 151] }"#);
    world.verifier = Verifier::new(ring, world.verifier.policy().clone());
    watch.show("Verifier", &world.verifier);
    for start in [3, 90, 151] {
        watch.bytes("a key", &secret(start));
    }
    watch.text("an address", ADDRESS);
    watch.text("a local part", ADDRESS.split_once('@').unwrap().0);
    world
}

#[test]
fn debug_shows_no_secret() {
    let watch = &mut Watch::default();
    let mut world = world(watch);
    let first_factor = FirstFactor::new(
        subject(),
        client(),
        countersign::Audience::new("").unwrap(),
        countersign::Scope::new("openid").unwrap(),
    );
    watch.show("FirstFactor", &first_factor);
    let token = world.verifier.begin(&first_factor, world.now, &mut world.rng).unwrap();
    watch.text("mfa_token", token.expose());
    watch.show("MfaToken", &token);
    let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    watch.show("Session", &session);
    watch.show("EmailAddress", &address(ADDRESS));
    watch.show("NewFactor", &NewFactor::from(address(ADDRESS)));
    watch.show("AddressError", &EmailAddress::parse(&format!("{ADDRESS}>")).unwrap_err());

    // An enrolment, its step and each of its parts.
    let account = world.account();
    let step =
        world.verifier.associate(&session, account, address(ADDRESS), world.now, &mut world.rng).unwrap();
    watch.show("Step", &step);
    let (write, sealed) = step.into_parts();
    watch.show("Write", &write);
    watch.show("Sealed", &sealed);
    let write = write.unwrap();
    assert_eq!(watch_seeds(watch, &json(&write.record)), 2, "a challenge's and a pending recovery set's");
    watch.show("Account, pending", &write.record);
    watch.show("Authenticator", &write.record.authenticators());
    watch.show("Factor", write.record.authenticators()[0].factor());
    watch.show("Enrollment", write.record.authenticators()[0].enrollment());
    watch.show("Challenge", &write.record.challenges());
    watch.show("ChallengeState", write.record.challenges()[0].state());
    let descriptor = write.outbox[0].clone();
    watch.show("Descriptor", &descriptor);
    watch.show("Message", &world.verifier.render(&write.record, &descriptor, world.now));
    world.store.put(write.record);
    let committed = sealed.open(Swap::Stored);
    watch.show("Committed", &committed);
    let outcome = committed.done().unwrap();
    watch.show("Outcome", &outcome);
    watch.show("Effect", &outcome.effects);
    watch.show("AuditEvent", &outcome.audit);
    let Effect::SendEmail(mail) = outcome.effects[0].clone() else { panic!("a message") };
    watch.show("SendEmail", &mail);
    watch.show("BindingCode", &mail.code);
    watch.text("a binding code", mail.code.expose());
    let associated = outcome.result.unwrap();
    watch.show("Associated", &associated);
    watch.show("OobCode", &associated.oob_code);
    watch.text("oob_code", associated.oob_code.expose());
    let codes = associated.recovery_codes.unwrap();
    watch.show("RecoveryCode", &codes);
    codes.iter().for_each(|code| watch.text("a recovery code", code.expose()));
    let handle = world.verifier.open_oob_code(&session, associated.oob_code.expose()).unwrap();
    watch.show("Handle", &handle);

    // Confirmed, challenged, recovered.
    let verification = world.verify(&session, associated.oob_code.expose(), &mail.code);
    watch.show("Verification", &verification);
    let session = world.login();
    let challenged = world.challenge(&session);
    watch.show("Challenged", &challenged);
    watch.text("oob_code", challenged.unwrap().oob_code.expose());
    let code = world.mail().code;
    watch.text("a binding code", code.expose());
    watch_seeds(watch, &json(&world.account()));
    let other = world.login();
    let recovered = world.recover(&other, &codes[0]).unwrap();
    watch.show("Recovered", &recovered);
    watch.text("a recovery code", recovered.replacement.unwrap().expose());
    let account = world.account();
    assert_eq!(watch_seeds(watch, &json(&account)), 12, "a challenge, ten live codes, a spent one");
    watch.show("Account", &account);
    watch.show("AuthenticatorView", &world.verifier.authenticators(&other, &account, world.now));
    world.provision("another.distinctive@name.example").unwrap();
    world.deprovision("another.distinctive@name.example").unwrap();
    watch.text("an address", "another.distinctive@name.example");
    watch.show("Event", &world.events);
    watch.show("IssueToken", &world.tokens);
    watch.show("audits", &world.audits);
    watch.show("outbox", &world.store.outbox);

    // The machines alone.
    let record = Standalone::unconfirmed(&subject(), address(ADDRESS), &mut world.rng).unwrap();
    let step = world.verifier.ask(record, &Purpose::Confirm, world.now, &mut world.rng).unwrap();
    let (write, sealed) = step.into_parts();
    let record = write.unwrap().record;
    assert_eq!(watch_seeds(watch, &serde_json::to_value(&record).unwrap()), 1);
    watch.show("Standalone", &record);
    let outcome = sealed.open(Swap::Stored).done().unwrap();
    watch.show("Outcome<Asked>", &outcome);
    let Effect::SendEmail(mail) = &outcome.effects[0] else { panic!("a message") };
    watch.text("a binding code", mail.code.expose());
    let asked = outcome.result.unwrap();
    watch.text("oob_code", asked.oob_code.expose());
    let handle = world.verifier.open_standalone_code(&subject(), asked.oob_code.expose()).unwrap();
    watch.show("Handle", &handle);
    let step = world.verifier.answer(record, &handle, &Purpose::Confirm, &mail.code, world.now);
    watch.show("Outcome<Answered>", &step.into_parts().1.open(Swap::Stored));
    watch.check();
}

#[test]
fn the_json_of_audit_events_and_descriptors_holds_no_secret() {
    let watch = &mut Watch::default();
    let mut world = world(watch);
    let token = world.begin();
    watch.text("mfa_token", token.expose());
    let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    let associated = world.associate(&session, ADDRESS).unwrap();
    let codes = associated.recovery_codes.unwrap();
    codes.iter().for_each(|code| watch.text("a recovery code", code.expose()));
    let code = world.mail().code;
    watch_seeds(watch, &json(&world.account()));
    for guess in [support::wrong(&code), code] {
        watch.text("a binding code", guess.expose());
        let _ = world.verify(&session, associated.oob_code.expose(), &guess);
    }
    watch.text("oob_code", associated.oob_code.expose());
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    watch.text("oob_code", challenged.oob_code.expose());
    let code = world.mail().code;
    watch.text("a binding code", code.expose());
    watch_seeds(watch, &json(&world.account()));
    for code in [&codes[0], &codes[0]] {
        let recovered = world.recover(&session, code).unwrap();
        watch.text("a recovery code", recovered.replacement.unwrap().expose());
    }
    let audits = world.audits.iter().map(|audit| serde_json::to_string(audit).unwrap());
    watch.shown.extend(audits.map(|text| ("an audit event", text)));
    assert_eq!(watch.shown.iter().filter(|(what, _)| *what == "an audit event").count(), 6);
    watch.check();
    // A descriptor says where its message goes, and no more.
    watch.secrets.retain(|(what, _)| !matches!(what.as_str(), "an address" | "a local part"));
    let outbox = world.store.outbox.borrow();
    for descriptor in outbox.iter() {
        let text = serde_json::to_string(descriptor).unwrap();
        assert!(!matches!(descriptor, Descriptor::SendEmail(_)) || text.contains(ADDRESS));
        watch.shown.push(("a descriptor", text));
    }
    assert!(outbox.len() >= 4);
    watch.check();
}

/// The watch itself: what it looks for, it finds.
#[test]
fn the_watch_sees_every_form() {
    let mut watch = Watch::default();
    let bytes = secret(3);
    watch.bytes("bytes", &bytes);
    watch.text("a text", "123456789");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms = [
        format!("{bytes:?}"),
        format!("{bytes:#?}"),
        format!("{bytes:02x?}"),
        hex.to_uppercase(),
        base64(&bytes),
        hex,
        format!("{:?}", Some("123456789")),
    ];
    for form in forms {
        assert!(watch.leaks_in(&form).is_some(), "{form}");
    }
    assert_eq!(watch.leaks_in("nothing of it"), None);
}
