//! What shows in `Debug`, in audit events and in what is stored for later: never a secret.

use std::{collections::BTreeSet, fmt::Debug, fs, path::Path};

use countersign::{
    Account, BindingCode, ChallengeRequest, Effect, Key, KeyRing, NewFactor, Policy, Swap,
    address_proof::{ProofPolicy, ProofPurpose},
    code::{MfaToken, RecoveryCode},
    effect::Descriptor,
    machine::{ChallengeState, Enrollment},
    policy::Rate,
    step::Committed,
    wire,
};
use countersign_testkit::{Proving, World, address, policy, subject, wrong};

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
        settings.recovery_use = countersign::policy::RecoveryUse::Replace;
    }));
    secrets.bytes(&[0x11; 32]);
    secrets.bytes(&[0x22; 32]);

    // An enrollment in progress: a live challenge and pending recovery codes.
    let token: MfaToken = world.begin();
    secrets.text(token.expose());
    let session = world.login();
    let account = world.account();
    let step = world.verifier.associate(
        &session,
        account,
        &NewFactor::email(address("user@example.com")),
        world.now,
        &countersign_testkit::entropy(&mut world.rng),
    );
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
    let (shown_outcome, audit) = (format!("{outcome:?} {outcome:#?}"), outcome.audit().clone());
    let (result, effects) = outcome.into_parts();
    let Some(Effect::Send(mail)) = effects.first() else { panic!() };
    let associated = result.as_ref().unwrap();
    let sent = associated.setup.sent().unwrap();
    let code = mail.content.code().unwrap().clone();
    secrets.text(code.expose());
    secrets.text(sent.oob_code.expose());
    for code in associated.recovery_codes.as_ref().unwrap() {
        secrets.text(code.expose());
    }
    let handle = world.verifier.open_oob_code(&session, sent.oob_code.expose()).unwrap();

    secrets.absent_from("Step", &shown_step);
    secrets.absent_from("Write and Sealed", &shown_parts);
    secrets.absent_from("Committed", &shown_committed);
    secrets.absent_from("Outcome", &shown_outcome);
    secrets.check("Message", mail);
    secrets.check("Content", &mail.content);
    secrets.check("Destination", &mail.to);
    secrets.check("Effect", &effects.first());
    secrets.check("Effects", &effects);
    secrets.check("Associated", associated);
    secrets.check("Setup", &associated.setup);
    secrets.check("Sent", sent);
    secrets.check("AuditEvent", &audit);
    secrets.check("Account", &pending);
    secrets.check("Authenticator", &pending.authenticators());
    secrets.check("Challenge", &pending.challenges());
    secrets.check("ChallengeState", &pending.challenges()[0].state());
    secrets.check("ChallengeId", &pending.challenges()[0].id());
    secrets.check("TransactionId", &session.transaction());
    secrets.check("Enrollment", &pending.authenticators()[0].enrollment());
    let Enrollment::Unconfirmed(unconfirmed) = pending.authenticators()[0].enrollment() else { panic!() };
    secrets.check("Unconfirmed", unconfirmed);
    let ChallengeState::Pending(waiting) = pending.challenges()[0].state() else { panic!() };
    secrets.check("Pending", waiting);
    secrets.check("Factor", &pending.authenticators()[0].factor());
    secrets.check("EmailFactor", &pending.authenticators()[0].factor());
    secrets.check("FactorLabel", &pending.authenticators()[0].factor().label());
    secrets.check("OobCode", &sent.oob_code);
    secrets.check(
        "StaleKeys and KeyUse",
        &countersign::Verifier::new(other_keys(), Policy::default()).stale_keys(&pending),
    );
    secrets.check("EmailAddress", &address("user@example.com"));
    secrets.check("NewFactor", &NewFactor::from(address("user@example.com")));
    secrets.check("ChallengeRequest", &ChallengeRequest::default());
    let first_factor = world.prepare();
    secrets.check("FirstFactor", &first_factor);
    let begun = world.begin_with(first_factor).unwrap();
    secrets.text(begun.token.expose());
    secrets.check("Begun", &begun);
    secrets.check("Elevation", &countersign_testkit::elevation(&pending, 1, world.now));
    secrets.check("OobHandle", &handle);
    secrets.check("Session", &session);
    secrets.check("MfaToken", &token);
    secrets.check("Verifier", &world.verifier);
    secrets.check("AuthenticatorView", &world.verifier.authenticators(&session, &pending, world.now));
    secrets.check("BindingCode", &BindingCode::parse(code.expose()));
    let recovery = associated.recovery_codes.clone().unwrap();
    secrets.check("RecoveryCode", &RecoveryCode::parse(recovery[0].expose()));
    secrets.check("Key", &Key::new(&[0x11; 32]).unwrap());
    secrets.check("KeyId", &Key::new(&[0x11; 32]).unwrap().transient_id("tests"));
    secrets.check("KeyRing", &countersign_testkit::keys());
    secrets.check("Entropy", &countersign::Entropy::from_bytes([0x11; 32]));
    let descriptors = world.store.outbox.borrow().clone();
    secrets.check("Descriptor", &descriptors);
    let Some(Descriptor::Send(message)) = descriptors.first() else { panic!() };
    secrets.check("MessageDescriptor", message);
    secrets.check("DestinationKey", &mail.destination_key);
    secrets.check("Effect", &world.verifier.render(&pending, &descriptors[0], world.now).unwrap());

    // Confirmed, challenged, recovered.
    let oob_code = sent.oob_code.expose().to_owned();
    let verification = world.verify(&session, &oob_code, &code).unwrap();
    secrets.check("Verified", &verification);
    // On a remembered device.
    world.pass(60);
    let remembered = world.remember();
    secrets.text(remembered.expose());
    secrets.seeds(&world.account());
    secrets.check("DeviceToken", &remembered);
    let on_device = world.login_on(&remembered);
    secrets.check("Session", &on_device);
    let account = world.account();
    secrets.check("Device", &account.devices());
    secrets.check("DeviceView", &world.verifier.devices(&on_device, &account, world.now).unwrap());
    let skipping = countersign::Verifier::new(countersign_testkit::keys(), Policy::auth0());
    let (_, sealed) = skipping.verify_device(&on_device, account, world.now).into_parts();
    secrets.check("Remembered", &sealed.open(Swap::Stored).done().unwrap().into_parts().0.unwrap());
    // L10: the replies showed mfa_token, oob_code and recovery codes.
    let policy = world.verifier.policy().clone();
    secrets.check("AssociateReply", &wire::AssociateReply::new(associated, &policy, world.now));
    let requirements = world.requirements();
    let required = wire::MfaRequired::new(&token, &requirements);
    secrets.check("MfaRequired", &required);
    secrets.check("Secret", &required.mfa_token);
    secrets.text("an access token");
    secrets.text("an id token");
    let reply = wire::TokenReply::new("an access token".into(), 60, "openid");
    let reply = reply.with_id_token(Some("an id token".into())).with_recovery_code(Some(&recovery[0]));
    let reply = reply.with_device(Some(&remembered), world.now);
    secrets.check("TokenReply", &reply);
    // What a client is sent holds them all the same.
    let sent = serde_json::to_string(&reply).unwrap();
    assert!(sent.contains("an access token") && sent.contains(recovery[0].expose()), "{sent}");
    world.pass(60);
    let session = world.login();
    let challenged = world.challenge_with(&session, &ChallengeRequest::default()).unwrap();
    secrets.text(challenged.oob_code.expose());
    secrets.text(world.mail().code.expose());
    secrets.check("Challenged", &challenged.answer);
    secrets.check("Prompt", &challenged.prompt);
    secrets.check("ChallengeReply", &wire::ChallengeReply::new(&challenged.answer, &policy, world.now));
    let session = world.login();
    let recovered = world.recover(&session, &recovery[0]).unwrap();
    secrets.text(recovered.replacement.as_ref().unwrap().expose());
    secrets.check("Recovered", &recovered);
    let account = world.account();
    secrets.seeds(&account);
    secrets.check("Account", &account);
    secrets.check("IssueToken", &world.tokens);
    secrets.check("Evidence", &world.tokens[0].evidence());
    let row = &world.verifier.authenticators(&session, &account, world.now);
    let entries = row.iter().flatten().map(wire::AuthenticatorEntry::new).collect::<Vec<_>>();
    secrets.check("AuthenticatorEntry", &entries);
    let devices = world.verifier.devices(&session, &account, world.now).unwrap();
    secrets.check("DeviceEntry", &devices.iter().map(wire::DeviceEntry::new).collect::<Vec<_>>());
    secrets.check("AuditEvent", &world.audits);
    let session = world.elevated();
    let id = account.authenticators()[0].id();
    let (_, sealed) = world.verifier.remove(&session, account.clone(), id, world.now).into_parts();
    let outcome = sealed.open(Swap::Stored).done().unwrap();
    let [Effect::EndSessions(end), Effect::Notify(notify), ..] = outcome.effects() else { panic!() };
    secrets.check("EndSessions", end);
    secrets.check("EndReason", &end.reason);
    secrets.check("Epoch", &end.epoch);
    let entropy = countersign_testkit::entropy(&mut world.rng);
    let step = world.verifier.regenerate_recovery_codes(&session, account, world.now, &entropy);
    let regenerated = step.into_parts().1.open(Swap::Stored).done().unwrap().into_parts().0.unwrap();
    for code in &regenerated.recovery_codes {
        secrets.text(code.expose());
    }
    secrets.check("Regenerated", &regenerated);
    secrets.check("Notify", notify);

    // What is logged and what waits in the outbox holds none in its stored form, either.
    secrets.absent_from("stored audit events", &serde_json::to_string(&world.audits).unwrap());
    let outbox =
        serde_json::to_string(&*world.store.outbox.borrow()).unwrap().replace("user@example.com", "");
    secrets.absent_from("the outbox", &outbox);
}

/// Everything that a client can present is derived, or stored as a keyed hash: no row holds any of it, in a format for
/// people or in one for machines. The controls are the seeds, which are there.
#[test]
fn nothing_that_a_client_can_present_is_stored() {
    let mut presented: Vec<String> = Vec::new();
    let mut world = World::new(policy(|settings| {
        settings.guess_bucket = Rate::new(1, time::Duration::hours(1));
        settings.attempts = 1;
    }));
    let (_, codes) = world.enroll("user@example.com");
    presented.extend(codes.iter().map(|code| code.expose().to_owned()));
    world.pass(3_600);
    presented.push(world.remember().expose().to_owned());
    let (mfa_token, elevated) = (world.begin(), world.elevated());
    presented.push(mfa_token.expose().to_owned());
    let (setup, app) = world.associate_otp(&elevated, &countersign_testkit::totp()).unwrap();
    let setup = setup.setup.otp().unwrap();
    presented.extend([setup.secret(), setup.barcode_uri()].map(str::to_owned));
    presented.push(app.at(world.now).expose().to_owned());
    for hardened in [false, true] {
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        assert_eq!(challenged.form.is_long(), hardened);
        let code = world.mail().code;
        presented.extend([challenged.oob_code.expose(), code.expose()].map(str::to_owned));
        presented.push(code.groups().collect::<Vec<_>>().join(" "));
        if !hardened {
            // The policy has one guess.
            world.verify(&session, challenged.oob_code.expose(), &wrong(&code)).unwrap_err();
        }
        world.pass(60);
    }
    let account = world.account();

    let mut proving = Proving::new(ProofPolicy::default());
    for purpose in [ProofPurpose::Confirm, ProofPurpose::Reset] {
        let (asked, letter) = (proving.ask(purpose), proving.letter());
        let texts = [asked.oob_code.expose(), letter.token.expose(), letter.code.expose()];
        presented.extend(texts.map(str::to_owned));
    }

    let mut stored: Vec<Vec<u8>> = Vec::new();
    for row in [serde_json::to_value(&account).unwrap(), serde_json::to_value(&proving.record).unwrap()] {
        let mut texts = Vec::new();
        walk(&row, &mut texts);
        assert!(texts.len() >= 3, "{row}");
        stored.extend(texts.into_iter().map(String::into_bytes));
    }
    stored.push(postcard::to_stdvec(&account).unwrap());
    stored.push(postcard::to_stdvec(&proving.record).unwrap());
    let holds = |text: &str| {
        let bytes = text.as_bytes();
        stored.iter().any(|row| row.windows(bytes.len()).any(|part| part == bytes))
    };
    for text in &presented {
        assert!(!holds(text), "a row holds {text}");
    }
    assert!(presented.len() >= 25);
    let mut seeds = Secrets::default();
    seeds.seeds(&account);
    assert!(seeds.0.iter().all(|seed| holds(seed)), "the control: what is stored is found");

    /// Every text of a row. Its numbers are times and counts.
    fn walk(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => fields.values().for_each(|value| walk(value, found)),
            serde_json::Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            serde_json::Value::String(text) => found.push(text.clone()),
            _ => {}
        }
    }
}

#[test]
fn apps_and_devices_show_no_secret() {
    let mut secrets = Secrets::default();
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.factors.hotp = countersign::policy::FactorUse::Authenticate;
    }));
    for factor in [countersign_testkit::totp(), countersign_testkit::hotp()] {
        let session = world.login();
        let account = world.account();
        let entropy = countersign_testkit::entropy(&mut world.rng);
        let step = world.verifier.associate(&session, account, &factor, world.now, &entropy);
        let shown_step = format!("{step:?} {step:#?}");
        let (write, sealed) = step.into_parts();
        let record = write.unwrap().record;
        secrets.seeds(&record);
        let outcome = sealed.open(Swap::Stored).done().unwrap();
        let shown_outcome = format!("{outcome:?} {outcome:#?}");
        let associated = outcome.into_parts().0.unwrap();
        let setup = associated.setup.otp().unwrap();
        secrets.text(setup.secret());
        secrets.text(setup.barcode_uri());
        secrets.absent_from("Step", &shown_step);
        secrets.absent_from("Outcome", &shown_outcome);
        secrets.check("OtpSetup", setup);
        secrets.check("Setup", &associated.setup);
        secrets.check("Associated", &associated);
        secrets.check("Account", &record);
        secrets.check("TotpFactor and HotpFactor", record.authenticators()[0].factor());
        secrets.check("FactorLabel", &record.authenticators()[0].factor().label());
        let policy = world.verifier.policy().clone();
        let reply = wire::AssociateReply::new(&associated, &policy, world.now);
        secrets.check("AssociateReply", &reply);
        let sent = serde_json::to_string(&reply).unwrap();
        assert!(sent.contains(setup.secret()) && sent.contains(setup.barcode_uri()), "{sent}");
        let app = countersign_testkit::App::scan(setup);
        let code = if setup.barcode_uri().contains("hotp") { app.of_counter(0) } else { app.at(world.now) };
        secrets.text(code.expose());
        secrets.check("OtpCode", &code);
        secrets.check("NewFactor", &factor);
        secrets.check("KeyLabel", &countersign_testkit::key_label());
        secrets.check("OtpRequest", &countersign::command::OtpRequest::new(code.clone()));
        let entropy = countersign_testkit::entropy(&mut world.rng);
        let step = world.verifier.verify_otp(&session, record, &code.into(), world.now, Some(&entropy));
        let (write, sealed) = step.into_parts();
        secrets.check("Account", &write.unwrap().record);
        let outcome = sealed.open(Swap::Stored).done().unwrap();
        secrets.check("AuditEvent", outcome.audit());
        let verified = outcome.into_parts().0.unwrap();
        verified.device.iter().for_each(|token| secrets.text(token.expose()));
        secrets.check("Verified", &verified);
    }
}

#[test]
fn proofs_of_an_address_show_no_secret() {
    let mut secrets = Secrets::default();
    let mut proving = Proving::new(ProofPolicy::default());
    let verifier = proving.verifier.clone();
    let entropy = countersign_testkit::entropy(&mut proving.rng);
    let step = verifier.ask(proving.record.clone(), ProofPurpose::Confirm, proving.now, &entropy);
    let (write, sealed) = step.into_parts();
    let write = write.unwrap();
    let shown_write = format!("{write:?} {write:#?}");
    let (record, outbox) = (write.record, write.outbox);
    secrets.seeds(&record);
    let outcome = sealed.open(Swap::Stored).done().unwrap();
    let shown_outcome = format!("{outcome:?} {outcome:#?}");
    let (result, effects) = outcome.into_parts();
    let Some(Effect::Send(mail)) = effects.first() else { panic!() };
    let asked = result.unwrap();
    let (token, code) = mail.content.link().unwrap();
    secrets.text(code.expose());
    secrets.text(&code.groups().collect::<Vec<_>>().join(" "));
    secrets.text(token.expose());
    secrets.text(asked.oob_code.expose());
    secrets.check("AddressProof", &record);
    secrets.check("Asked", &asked);
    secrets.check("Message", mail);
    secrets.check("BindingCode", code);
    secrets.check("LinkToken", token);
    secrets.check("AddressVerifier", &verifier);
    secrets.absent_from("Outcome", &shown_outcome);
    secrets.absent_from("Write", &shown_write);
    let stored = serde_json::to_string(&outbox).unwrap().replace("user@example.com", "");
    secrets.absent_from("the outbox", &stored);
    secrets.check("Descriptor", &outbox);
    let Descriptor::Link(descriptor) = &outbox[0] else { panic!() };
    secrets.check("LinkDescriptor", descriptor);

    let purpose = ProofPurpose::Confirm;
    let handle = verifier.open_handle(&subject(), purpose, asked.oob_code.expose()).unwrap();
    let link = verifier.open_link(&subject(), purpose, token.expose()).unwrap();
    secrets.check("ProofHandle", &handle);
    secrets.check("ProofLink", &link);
    let (write, sealed) = verifier.verify_link(record, &link, Some(&handle), proving.now).into_parts();
    secrets.check("AddressProof", &write.unwrap().record);
    let outcome = sealed.open(Swap::Stored).done().unwrap();
    secrets.absent_from("audit", &serde_json::to_string(outcome.audit()).unwrap());
    secrets.check("ProvenAddress", &outcome.into_parts().0.unwrap());
}

#[test]
fn bodies_of_requests_show_no_secret() {
    let mut secrets = Secrets::default();
    let fields = [
        "client_secret",
        "password",
        "mfa_token",
        "oob_code",
        "binding_code",
        "otp",
        "recovery_code",
        "device_token",
    ];
    let body: serde_json::Map<_, _> =
        fields.iter().map(|name| ((*name).to_owned(), format!("secret of {name}").into())).collect();
    fields.iter().for_each(|name| secrets.text(&format!("secret of {name}")));
    let text = serde_json::Value::from(body).to_string();
    let token: wire::TokenBody = serde_json::from_str(&text).unwrap();
    secrets.check("TokenBody", &token);
    secrets.check("Parameter", &token.mfa_token);
    secrets.check("ClientCredentials", &token.client());
    for grant in
        [wire::GRANT_MFA_OOB, wire::GRANT_MFA_OTP, wire::GRANT_MFA_RECOVERY_CODE, wire::GRANT_MFA_DEVICE]
    {
        let mut complete = token.clone();
        complete.grant_type = serde_json::from_value(grant.into()).ok();
        secrets.check("TokenGrant", &complete.grant().unwrap());
    }
    secrets.check("ChallengeBody", &serde_json::from_str::<wire::ChallengeBody>(&text).unwrap());
    secrets.check("UpdateBody", &serde_json::from_str::<wire::UpdateBody>(r#"{"name":"x"}"#).unwrap());
    secrets.check("AssociateBody", &serde_json::from_str::<wire::AssociateBody>(&text).unwrap());
    let wanted = r#"{"authenticator_types":["oob"],"oob_channels":["email"],"email":"user@example.com"}"#;
    let wanted = serde_json::from_str::<wire::AssociateBody>(wanted).unwrap();
    secrets.check("AssociateFactor", &wanted.factor().unwrap());
}

/// A ring that lacks the keys of the world.
fn other_keys() -> KeyRing {
    KeyRing::new("t", Key::new(&[0x33; 32]).unwrap(), Key::new(&[0x44; 32]).unwrap()).unwrap()
}

/// Types that hold no secret: kinds, errors, settings, and names that everybody may read.
const PLAIN: &str = "AddressError AtCap Audience AuthenticatorId AuthenticatorKind AuthenticatorName AuthenticatorUpdate CancelReason ChallengeInput ChallengeTypes Channel \
    ClientId CodeForm Command Delivery DeliveryReport Denial DeviceId DriveError EffectId ElevatedScopes Endpoint EnrollmentInput FactorUse \
    Factors Transition HotpSettings IllegalTransition InvalidAuthenticatorId InvalidDeviceId InvalidKeyLabel KeyError Label Lane Ledger Malformed Method MfaRequirements \
    NameError NameErrorKind Notice EnrolledBy OtpAlgorithm TotpSettings \
    Origin Policy PolicyError ProofPolicy ProofPurpose ProofSettings Purpose Rate RecoveryThrottle RecoveryUse Refusal Remember RenderError RequiredType Requirements \
    Resend Revision Scope Settings AuthenticatorStatus StoredVersion Subject Swap WhenExhausted";

/// Those of the conformance kit. A request of the kit shows nothing of its session and its code, as their types do not.
const PLAIN_OF_THE_KIT: &str = "AsyncKit Check Checked Concurrency Finding Kit ParsePartialReportError ParseRunIdError \
    PartialReport Participant Report Request RunId Verdict Violation";

/// The public types that print, by the listing of the public surface.
fn printing() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let listing = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in listing.lines().filter(|line| line.starts_with("impl")) {
            let Some((_, of)) = line.split_once("core::fmt::Debug for countersign") else { continue };
            let path = of.split(['<', ' ']).next().unwrap();
            found.insert(path.rsplit("::").next().unwrap().to_owned());
        }
    }
    found
}

/// The types that a test of this file prints: each is named in a call of `check` or `absent_from`.
fn walked(source: &str) -> BTreeSet<String> {
    let calls = source.split(['(', '\n']).filter_map(|call| call.trim_start().strip_prefix('"'));
    let names = calls.filter_map(|rest| rest.split('"').next());
    names.flat_map(|names| names.split(" and ")).map(str::to_owned).collect()
}

/// L10: a public type that no test prints could show a secret.
#[test]
fn every_public_type_that_prints_is_walked() {
    let plain = [PLAIN, PLAIN_OF_THE_KIT].join(" ");
    let plain: BTreeSet<_> = plain.split_whitespace().map(str::to_owned).collect();
    let (printing, walked) = (printing(), walked(include_str!("redaction.rs")));
    assert!(printing.len() > 100, "the listing was read: {printing:?}");
    let missing: Vec<_> =
        printing.iter().filter(|name| !plain.contains(*name) && !walked.contains(*name)).collect();
    assert!(missing.is_empty(), "no test prints {missing:?}");
    let gone: Vec<_> =
        plain.iter().filter(|name| !printing.contains(*name) || walked.contains(*name)).collect();
    assert!(gone.is_empty(), "PLAIN names {gone:?} for nothing");
    // The control: without its line, a type is missing.
    assert!(!super::redaction::walked("secrets.check(\"Account\", &account);").contains("TokenReply"));
    assert!(super::redaction::walked("secrets.check(\"TokenReply\", &reply);").contains("TokenReply"));
}

#[test]
fn the_check_itself_sees_a_secret() {
    let mut secrets = Secrets::default();
    secrets.text("123456");
    for shown in ["code 123456", "[49, 50, 51, 52, 53, 54]", "313233343536"] {
        let seen = std::panic::catch_unwind(|| secrets.absent_from("the control", shown));
        assert!(seen.is_err(), "{shown}");
    }
    let shown = format!("{:?}", other_keys());
    assert!(shown.contains(&Key::new(&[0x44; 32]).unwrap().durable_id("t").to_string()), "{shown}");
}
