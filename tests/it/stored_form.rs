//! Golden records: what an earlier build stored, a later one must read; and what no build stored, none may.
//!
//! `tests/golden/` holds accounts and a proof of an address, and what hosts keep beside them (elevations with their
//! sessions, descriptors in their outbox), in JSON and in postcard, as version 1 wrote them. They are never regenerated: a change that cannot read them is a break of the stored form. `--ignored
//! write` writes the files that are missing, for a new version.

use std::{fmt::Debug, fs, path::PathBuf};

use countersign::{
    Account, Denial, Elevation, Policy,
    address_proof::{AddressProof, ProofPolicy, ProofPurpose},
    code::{DeviceToken, RecoveryCode},
    command::OtpRequest,
    effect::Descriptor,
    evidence::Method,
    policy::Remember,
};
use countersign_testkit::{Proving, World, code, hotp, totp, wrong};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Enrolls an address on a device that is remembered: its token, and the recovery codes.
fn enroll_and_remember(world: &mut World, to: &str) -> (DeviceToken, Vec<RecoveryCode>) {
    let session = world.login();
    let associated = world.associate(&session, to).unwrap();
    let right = world.mail().code;
    let verified = world.verify_remembering(&session, associated.oob_code.expose(), &right).unwrap();
    (verified.device.unwrap(), associated.answer.recovery_codes.unwrap())
}

/// Five active authenticators, ten recovery codes, a remembered
/// device and three live challenges in three transactions: the account whose
/// size is bounded.
fn full() -> World {
    let mut world = World::new(Policy::default());
    enroll_and_remember(&mut world, "first.person@example.com");
    for number in 2..=5 {
        world.pass(300);
        let elevated = world.elevated();
        let associated = world.associate(&elevated, &format!("person.{number}@example.com")).unwrap();
        let right = world.mail().code;
        world.verify(&elevated, associated.oob_code.expose(), &right).unwrap();
    }
    world.pass(4000);
    for _ in 0..3 {
        world.pass(60);
        let session = world.login();
        world.challenge(&session).unwrap();
    }
    world
}

/// A record with every optional part: an unconfirmed authenticator, one with a name that is preferred, a spent recovery code, a remembered device, all
/// challenge states in both lanes, a hardened lane and a long code.
fn varied() -> Account {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.recovery_use = countersign::policy::RecoveryUse::Replace;
        settings.attempts = 2;
        settings.cool_down = time::Duration::ZERO;
        settings.code_lifetime = time::Duration::seconds(60);
        settings.guess_bucket = countersign::policy::Rate::new(3, time::Duration::seconds(360));
    }));
    let (device, codes) = enroll_and_remember(&mut world, "user@example.com");
    let provisioned = world.provision("provisioned@example.com").unwrap();
    world.pass(60);
    let recovering = world.login();
    world.recover(&recovering, &codes[0]).unwrap();
    let elevated = world.elevated();
    world.associate(&elevated, "unconfirmed@example.com").unwrap();
    let on_provisioned = countersign::ChallengeRequest::default().authenticator(provisioned);
    // Exhausted, superseded, cancelled, expired, pending.
    let session = world.login();
    let exhausted = world.challenge_with(&session, &on_provisioned).unwrap();
    let bad = wrong(&world.mail().code);
    for _ in 0..2 {
        world.verify(&session, exhausted.oob_code.expose(), &bad).unwrap_err();
    }
    world.pass(60);
    let session = world.login();
    world.challenge(&session).unwrap();
    world.pass(45);
    let cancelled = world.challenge(&session).unwrap();
    let handle = world.verifier.open_oob_code(&session, cancelled.oob_code.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&session, account, &handle, world.now);
    world.run(step).unwrap();
    let session = world.login();
    let expired = world.challenge(&session).unwrap();
    world.pass(60);
    let denied = world.verify(&session, expired.oob_code.expose(), &code("000000"));
    assert_eq!(denied.unwrap_err(), Denial::ExpiredOobCode);
    let session = world.login();
    let hardened = world.challenge(&session).unwrap();
    let bad = wrong(&world.mail().code);
    world.verify(&session, hardened.oob_code.expose(), &bad).unwrap_err();
    assert!(world.challenge(&session).unwrap().form.is_long());
    let session = world.login_on(&device);
    assert!(!world.challenge(&session).unwrap().form.is_long());
    let elevated = world.elevated();
    world.rename(&elevated, provisioned, Some("work")).unwrap();
    world.prefer(&elevated, provisioned, true).unwrap();
    world.account()
}

/// An app and a device that signed in, and an app that waits for its confirmation.
fn with_apps() -> World {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.factors.hotp = countersign::policy::FactorUse::Authenticate;
    }));
    world.enroll_totp();
    world.pass(60);
    let elevated = world.elevated();
    let (device, app) = world.associate_otp(&elevated, &hotp()).unwrap();
    let request = OtpRequest::new(app.of_counter(2)).authenticator(device.authenticator);
    world.verify_otp(&elevated, request).unwrap();
    world.associate_otp(&elevated, &totp()).unwrap();
    world
}

/// What a host keeps with its sessions: after a code of a message, of an app, a recovery code and a remembered device.
fn elevations() -> Vec<Elevation> {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.remember = Some(Remember::new(time::Duration::days(30), true));
    }));
    let (_, codes, app) = world.enroll_totp();
    let elevated = world.elevated();
    let associated = world.associate(&elevated, "user@example.com").unwrap();
    let right = world.mail().code;
    world.verify(&elevated, associated.oob_code.expose(), &right).unwrap();
    world.pass(60);
    let session = world.login();
    let device = world.verify_otp_remembering(&session, app.at(world.now)).unwrap().device.unwrap();
    let session = world.login();
    world.recover(&session, &codes[0]).unwrap();
    let session = world.login_on(&device);
    world.verify_device(&session).unwrap();
    let session = world.login_on(&device);
    let by_mail = countersign::ChallengeRequest::default().authenticator(associated.authenticator);
    let challenged = world.challenge_with(&session, &by_mail).unwrap();
    let right = world.mail().code;
    world.verify(&session, challenged.oob_code.expose(), &right).unwrap();
    world.tokens.iter().map(|token| token.elevation.clone()).collect()
}

/// What waits in an outbox: messages with a code and with a link, notices, and the ends of sessions.
fn descriptors() -> Vec<Descriptor> {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    world.pass(3_600);
    let elevated = world.elevated();
    world.regenerate(&elevated).unwrap();
    world.remove(&elevated, id).unwrap();
    world.revoke_sessions();
    let mut kept = world.store.outbox.borrow().clone();
    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(ProofPurpose::Confirm);
    kept.extend(proving.outbox);
    kept
}

/// A proof of an address with both purposes asked for, whose address was proven once.
fn address_proof() -> AddressProof {
    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(ProofPurpose::Reset);
    let token = proving.letter().token;
    proving.link(ProofPurpose::Reset, &token, None).unwrap();
    proving.pass(60);
    proving.ask(ProofPurpose::Confirm);
    proving.pass(60);
    proving.ask(ProofPurpose::Reset);
    proving.record
}

/// The golden files, by name, with what they hold.
fn goldens() -> [(&'static str, Value, Vec<u8>); 6] {
    fn both<T: serde::Serialize>(record: &T) -> (Value, Vec<u8>) {
        (serde_json::to_value(record).unwrap(), postcard::to_stdvec(record).unwrap())
    }
    let (full, varied, proof) = (both(&full().account()), both(&varied()), both(&address_proof()));
    let apps = both(&with_apps().account());
    let (elevations, descriptors) = (both(&elevations()), both(&descriptors()));
    [
        ("account-full.v1", full.0, full.1),
        ("account-varied.v1", varied.0, varied.1),
        ("account-apps.v1", apps.0, apps.1),
        ("address-proof.v1", proof.0, proof.1),
        ("elevations.v1", elevations.0, elevations.1),
        ("descriptors.v1", descriptors.0, descriptors.1),
    ]
}

/// The stored purpose to approve an action, with a digest of so many characters.
fn action(label: &str, digest: usize) -> Value {
    json!({"action": {"label": label, "digest": "A".repeat(digest)}})
}

#[test]
#[ignore = "writes golden files that are missing"]
fn write() {
    for (name, json, postcard) in goldens() {
        for (name, bytes) in [
            (format!("{name}.json"), serde_json::to_vec_pretty(&json).unwrap()),
            (format!("{name}.postcard"), postcard),
        ] {
            if !path(&name).exists() {
                fs::create_dir_all(path("")).unwrap();
                fs::write(path(&name), bytes).unwrap();
            }
        }
    }
}

#[test]
fn golden_records_load_and_save_as_they_were() {
    fn loads<T: serde::Serialize + DeserializeOwned + PartialEq + Debug>(name: &str) -> T {
        let (text, bytes) = (read(&format!("{name}.json")), read(&format!("{name}.postcard")));
        let json: T = serde_json::from_slice(&text).unwrap();
        let postcard: T = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(json, postcard);
        assert_eq!(postcard::to_stdvec(&postcard).unwrap(), bytes);
        let saved: Value = serde_json::to_value(&json).unwrap();
        assert_eq!(saved, serde_json::from_slice::<Value>(&text).unwrap());
        json
    }
    for name in ["account-full.v1", "account-varied.v1", "account-apps.v1"] {
        loads::<Account>(name);
    }
    loads::<AddressProof>("address-proof.v1");
    let methods: Vec<_> =
        loads::<Vec<Elevation>>("elevations.v1").iter().map(|one| one.evidence().method).collect();
    for method in [Method::Otp, Method::RecoveryCode, Method::Device, Method::Oob] {
        assert!(methods.contains(&method), "{methods:?}");
    }
    let kinds = loads::<Vec<Descriptor>>("descriptors.v1");
    for is in [
        |one: &Descriptor| matches!(one, Descriptor::Send(_)),
        |one: &Descriptor| matches!(one, Descriptor::Link(_)),
        |one: &Descriptor| matches!(one, Descriptor::Notify(_)),
        |one: &Descriptor| matches!(one, Descriptor::EndSessions(_)),
    ] {
        assert!(kinds.iter().any(is), "{kinds:?}");
    }
}

#[test]
fn what_is_written_today_is_what_the_golden_files_hold() {
    for (name, json, postcard) in goldens() {
        let golden: Value = serde_json::from_slice(&read(&format!("{name}.json"))).unwrap();
        assert_eq!(json, golden, "{name}");
        assert_eq!(postcard, read(&format!("{name}.postcard")), "{name}");
    }
}

#[test]
fn the_readme_says_what_a_full_account_weighs() {
    let bytes = read("account-full.v1.postcard").len();
    let said = format!("takes {},{:03} bytes in postcard", bytes / 1_000, bytes % 1_000);
    let readme = include_str!("../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(&said), "README.md: a full account {said}");
}

#[test]
fn a_golden_record_still_works() {
    let mut world = full();
    let golden: Account = postcard::from_bytes(&read("account-full.v1.postcard")).unwrap();
    world.store.put(golden);
    let session = world.login();
    let challenged = world.challenge(&session).unwrap();
    let right = world.mail().code;
    assert!(world.verify(&session, challenged.oob_code.expose(), &right).unwrap().completed);
}

#[test]
fn a_full_account_is_small() {
    let account = full().account();
    assert_eq!(account.authenticators().len(), 5);
    assert_eq!(countersign_testkit::recovery_codes_left(&account), 10);
    assert_eq!(account.challenges().iter().filter(|known| known.state().is_pending()).count(), 3);
    let size = postcard::to_stdvec(&account).unwrap().len();
    println!("a full account takes {size} bytes in postcard");
    assert!(size <= 1_500, "{size}");
}

#[test]
fn corrupt_records_are_refused_with_what_is_wrong() {
    let edits: [(&str, Edit); 61] = [
        ("integer `1`, expected a text", |r| r["subject"] = json!(1)),
        ("integer `1`, expected 16 bytes", |r| r["challenges"][0]["id"] = json!(1)),
        ("map, expected a list of at most 72", |r| r["authenticators"] = json!({})),
        ("missing field `ledger`", |r| drop(r.as_object_mut().unwrap().remove("ledger"))),
        ("unknown field `admin`", |r| r["admin"] = json!(true)),
        ("subject is empty", |r| r["subject"] = json!("")),
        ("subject is longer than 255 bytes", |r| r["subject"] = json!("s".repeat(256))),
        ("the revision is 2^53 or above", |r| r["revision"] = json!(u64::MAX)),
        ("expected u64", |r| r["revision"] = json!(-1)),
        ("an authenticator id is given twice", |r| {
            let first = r["authenticators"][0].clone();
            r["authenticators"].as_array_mut().unwrap().push(first);
        }),
        ("a list has more than 72 elements", |r| {
            let first = r["authenticators"][0].clone();
            r["authenticators"] = json!(vec![first; 73]);
        }),
        ("not an authenticator id", |r| r["authenticators"][0]["id"] = json!("email|dev_short")),
        ("of another kind than its factor", |r| {
            let id = r["authenticators"][0]["id"].as_str().unwrap().replace("email", "recovery-code");
            r["authenticators"][0]["id"] = json!(id);
        }),
        ("not of the form name@domain", |r| {
            r["authenticators"][0]["factor"]["email"]["address"] = json!("nobody")
        }),
        ("unknown variant `carrier_pigeon`", |r| {
            r["authenticators"][0]["factor"] = json!({"carrier_pigeon": "x"})
        }),
        ("more than 100 failures", |r| r["authenticators"][0]["failures"]["unknown"] = json!(101)),
        ("more than 100 failures", |r| r["authenticators"][0]["failures"]["known"] = json!(101)),
        ("missing field `known`", |r| {
            drop(r["authenticators"][0]["failures"].as_object_mut().unwrap().remove("known"))
        }),
        ("unknown variant `superuser`", |r| r["authenticators"][0]["enrollment"] = json!("superuser")),
        ("unknown variant `self_made`", |r| r["authenticators"][0]["origin"] = json!("self_made")),
        ("more than one authenticator is provisioned", |r| {
            r["authenticators"][0]["origin"] = json!("provisioned");
            r["authenticators"][1]["origin"] = json!("provisioned");
        }),
        ("a challenge id is given twice", |r| r["challenges"][1]["id"] = r["challenges"][0]["id"].clone()),
        ("a challenge is for an unknown authenticator", |r| {
            let id = r["challenges"][0]["authenticator"].clone();
            let list = r["authenticators"].as_array_mut().unwrap();
            list.retain(|authenticator| authenticator["id"] != id);
            for transaction in r["transactions"].as_array_mut().unwrap() {
                transaction["pairs"] = json!([]);
            }
        }),
        ("a challenge belongs to no transaction", |r| r["transactions"] = json!([])),
        ("has not 6 to 9 digits", |r| r["challenges"][0]["form"] = json!({"short": 3})),
        ("has not 6 to 9 digits", |r| r["challenges"][0]["form"] = json!({"short": 20})),
        ("unknown variant `longer`", |r| r["challenges"][0]["form"] = json!("longer")),
        ("unknown variant `other`", |r| r["challenges"][0]["lane"] = json!("other")),
        ("unknown variant `other`", |r| r["transactions"][0]["lane"] = json!("other")),
        ("expected 16 bytes as base64url", |r| r["challenges"][0]["id"] = json!("AAAA")),
        ("a challenge ends before it was issued", |r| r["challenges"][0]["issued"] = json!(u64::MAX)),
        ("expected 4 bytes as base64url", |r| r["challenges"][0]["key_id"] = json!("AAAA")),
        ("a challenge outlives its transaction", |r| r["challenges"][0]["deadline"] = json!(u64::MAX)),
        ("does not fit the state of its authenticator", |r| r["challenges"][0]["purpose"] = json!("confirm")),
        ("to approve an action", |r| r["challenges"][0]["purpose"] = action("password-reset", 43)),
        ("or to reset a password", |r| r["challenges"][0]["purpose"] = json!("reset")),
        ("outside [a-z0-9_-]", |r| r["challenges"][0]["purpose"] = action("Password", 43)),
        ("expected 32 bytes", |r| r["challenges"][0]["purpose"] = action("password-reset", 42)),
        ("a challenge has no count of attempts", |r| r["transactions"][0]["pairs"] = json!([])),
        ("attempts_left exceeds 10", |r| r["transactions"][0]["pairs"][0]["attempts_left"] = json!(200)),
        ("attempts are counted twice", |r| {
            let pair = r["transactions"][0]["pairs"][0].clone();
            r["transactions"][0]["pairs"].as_array_mut().unwrap().push(pair);
        }),
        ("attempts are counted for an unknown authenticator", |r| {
            let mut pair = r["transactions"][0]["pairs"][0].clone();
            pair["authenticator"] = json!("email|dev_AAAAAAAAAAAAAAAA");
            r["transactions"][0]["pairs"].as_array_mut().unwrap().push(pair);
        }),
        ("more than 5 recovery attempts", |r| r["transactions"][0]["recovery_attempts"] = json!(6)),
        ("ends before it begins", |r| r["transactions"][0]["begun"] = json!(u64::MAX)),
        ("there are recovery codes, and the user is not enrolled", |r| {
            r["devices"] = json!([]);
            r["enrolled"] = json!(false);
        }),
        ("a device is remembered, and the user is not enrolled", |r| r["enrolled"] = json!(false)),
        ("missing field `devices`", |r| drop(r.as_object_mut().unwrap().remove("devices"))),
        ("name is longer than 128 bytes", |r| r["authenticators"][0]["name"] = json!("n".repeat(129))),
        ("name contains a control character", |r| r["authenticators"][0]["name"] = json!("a\u{1b}b")),
        ("name is empty", |r| r["authenticators"][0]["name"] = json!("")),
        ("the preferred authenticator is not there, or not confirmed", |r| {
            r["preferred"] = json!("email|dev_AAAAAAAAAAAAAAAA");
        }),
        ("a device id is given twice", |r| {
            let first = r["devices"][0].clone();
            r["devices"].as_array_mut().unwrap().push(first);
        }),
        ("a list has more than 8 elements", |r| {
            let first = r["devices"][0].clone();
            r["devices"] = json!(vec![first; 9]);
        }),
        ("not the id of a remembered device", |r| r["devices"][0]["id"] = json!("device_short")),
        ("expected 16 bytes", |r| r["devices"][0]["seed"] = json!("AAAA")),
        ("expected 4 bytes", |r| r["devices"][0]["key"] = json!("AAAA")),
        ("no confirmed authenticator vouched for a device", |r| {
            r["devices"][0]["vouched_by"] = json!("email|dev_AAAAAAAAAAAAAAAA");
        }),
        ("a device was used before it was remembered", |r| {
            let since = r["devices"][0]["since"].as_u64().unwrap();
            r["devices"][0]["last_used"] = json!(since - 1);
        }),
        ("a device is not remembered for 1 ms to 90 days", |r| {
            r["devices"][0]["expires"] = r["devices"][0]["since"].clone();
        }),
        ("a device is not remembered for 1 ms to 90 days", |r| {
            let since = r["devices"][0]["since"].as_u64().unwrap();
            r["devices"][0]["expires"] = json!(since + 90 * 86_400_000 + 1);
        }),
        ("the recovery set has an id of another kind", |r| {
            r["recovery"]["id"] = r["authenticators"][0]["id"].clone()
        }),
    ];
    refuses::<Account>("account-full.v1.json", &edits);
}

/// An absent budget is no full one: the ledger has exactly those of its version.
#[test]
fn a_ledger_without_one_of_its_budgets_is_refused() {
    let golden: Value = serde_json::from_slice(&read("account-varied.v1.json")).unwrap();
    fn tables(ledger: &Value, path: String, found: &mut Vec<String>) {
        if let Value::Object(table) = ledger {
            for (name, value) in table {
                found.push(format!("{path}/{name}"));
                tables(value, format!("{path}/{name}"), found);
            }
        }
    }
    let mut fields = Vec::new();
    tables(&golden["v1"]["ledger"], "/v1/ledger".to_owned(), &mut fields);
    assert_eq!(fields.len(), 4 + 2 + 1 + 2 * (1 + 4 + 4), "{fields:?}");
    for field in fields {
        let (table, name) = field.rsplit_once('/').unwrap();
        let (mut without, mut beside) = (golden.clone(), golden.clone());
        without.pointer_mut(table).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        let told = serde_json::from_value::<Account>(without).unwrap_err().to_string();
        assert!(told.contains(&format!("missing field `{name}`")), "{field}: {told}");
        beside.pointer_mut(table).unwrap()["more"] = json!(0);
        let told = serde_json::from_value::<Account>(beside).unwrap_err().to_string();
        assert!(told.contains("unknown field `more`"), "{field}: {told}");
    }
}

type Edit = fn(&mut Value);

/// Reads a golden record, and requires that with each edit it is refused with that message.
fn refuses<T: DeserializeOwned + Debug>(golden: &str, edits: &[(&str, Edit)]) {
    let golden: Value = serde_json::from_slice(&read(golden)).unwrap();
    assert!(serde_json::from_value::<T>(golden.clone()).is_ok());
    for (message, edit) in edits {
        let mut record = golden.clone();
        edit(&mut record["v1"]);
        let error = serde_json::from_value::<T>(record).expect_err(message).to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }
}

/// A set of recovery codes that is shown and not yet in force.
fn pending(count: u8) -> Value {
    json!({"id": "recovery-code|dev_Zyfkf4FwLBKk2aEe", "key_id": "AAAAAQ", "count": count, "seed": "h0Ut7hjM0BWa4rOf4ofPcg"})
}

#[test]
fn corrupt_records_with_pending_and_spent_parts_are_refused() {
    let unconfirmed = |r: &mut Value, recovery: Value| {
        r["authenticators"][2]["enrollment"]["unconfirmed"]["recovery"] = recovery;
    };
    let golden: Value = serde_json::from_slice(&read("account-varied.v1.json")).unwrap();
    for (count, fits) in [(0, false), (1, true), (16, true), (17, false)] {
        let mut record = golden.clone();
        unconfirmed(&mut record["v1"], pending(count));
        assert_eq!(serde_json::from_value::<Account>(record).is_ok(), fits, "{count}");
    }
    refuses::<Account>(
        "account-varied.v1.json",
        &[
            ("a pending recovery set has not 1 to 16 codes", |r| {
                r["authenticators"][2]["enrollment"]["unconfirmed"]["recovery"] = pending(0);
            }),
            ("a pending recovery set has an id of another kind", |r| {
                let mut set = pending(10);
                set["id"] = json!("email|dev_Zyfkf4FwLBKk2aEe");
                r["authenticators"][2]["enrollment"]["unconfirmed"]["recovery"] = set;
            }),
            ("an unconfirmed authenticator belongs to no transaction", |r| {
                r["authenticators"][2]["enrollment"]["unconfirmed"]["transaction"] =
                    json!("AAAAAAAAAAAAAAAAAAAAAA");
            }),
            ("a provisioned authenticator is unconfirmed", |r| {
                r["authenticators"][1]["origin"] = json!("enrolled");
                r["authenticators"][2]["origin"] = json!("provisioned");
            }),
            ("a transaction id is given twice", |r| {
                r["transactions"][5]["id"] = r["transactions"][4]["id"].clone();
            }),
            ("two challenges wait for one pair", |r| {
                let last = r["challenges"].as_array().unwrap().len() - 1;
                for other in [last - 1, last - 2] {
                    for part in ["state", "transaction", "authenticator"] {
                        r["challenges"][other][part] = r["challenges"][last][part].clone();
                    }
                }
            }),
            ("no confirmed authenticator vouched for a device", |r| {
                r["devices"][0]["vouched_by"] = r["authenticators"][2]["id"].clone();
            }),
            ("the preferred authenticator is not there, or not confirmed", |r| {
                r["preferred"] = r["authenticators"][2]["id"].clone();
            }),
            ("a recovery code spent no transaction", |r| r["transactions"][1]["spent"] = Value::Null),
            ("a transaction spent two recovery codes", |r| {
                let spent = r["recovery"]["spent"][0].clone();
                r["recovery"]["spent"].as_array_mut().unwrap().push(spent);
            }),
        ],
    );
}

#[test]
fn corrupt_records_with_apps_are_refused() {
    refuses::<Account>(
        "account-apps.v1.json",
        &[
            ("a one-time password has not 6 to 8 digits", |r| {
                r["authenticators"][0]["factor"]["totp"]["digits"] = json!(5);
            }),
            ("a one-time password has not 6 to 8 digits", |r| {
                r["authenticators"][1]["factor"]["hotp"]["digits"] = json!(9);
            }),
            ("a step has not 1 to 120 seconds", |r| {
                r["authenticators"][0]["factor"]["totp"]["step"] = json!(0);
            }),
            ("a step has not 1 to 120 seconds", |r| {
                r["authenticators"][0]["factor"]["totp"]["step"] = json!(121);
            }),
            ("an unconfirmed authenticator has accepted a code", |r| {
                r["authenticators"][2]["factor"]["totp"]["last_step"] = json!(1);
            }),
            ("an authenticator of one-time passwords is provisioned", |r| {
                r["authenticators"][0]["origin"] = json!("provisioned");
            }),
            ("of another kind than its factor", |r| {
                let factor = r["authenticators"][1]["factor"].clone();
                r["authenticators"][0]["factor"] = factor;
            }),
            ("unknown variant `md5`", |r| {
                r["authenticators"][0]["factor"]["totp"]["algorithm"] = json!("md5");
            }),
            ("unknown variant `plain`", |r| {
                r["authenticators"][0]["factor"]["totp"]["secret"] = json!({"plain": "x"});
            }),
            ("expected 16 bytes", |r| {
                r["authenticators"][0]["factor"]["totp"]["secret"]["derived"]["seed"] = json!("AAAA");
            }),
            ("unknown field `counter`", |r| {
                r["authenticators"][1]["factor"]["hotp"]["counter"] = json!(1);
            }),
        ],
    );
    // A device that is not confirmed has no counter behind it.
    let unconfirmed_device = |last_counter: Value| {
        let golden = String::from_utf8(read("account-apps.v1.json")).unwrap();
        let mut record: Value =
            serde_json::from_str(&golden.replace("totp|dev_3ehwPIrAoye0nI5j", "hotp|dev_3ehwPIrAoye0nI5j"))
                .unwrap();
        let known = &mut record["v1"]["authenticators"];
        let mut factor = known[1]["factor"].clone();
        factor["hotp"]["last_counter"] = last_counter;
        known[2]["factor"] = factor;
        serde_json::from_value::<Account>(record).map_err(|error| error.to_string())
    };
    assert!(unconfirmed_device(Value::Null).is_ok());
    for counter in [0, 1, 2] {
        let error = unconfirmed_device(json!(counter)).unwrap_err();
        assert!(error.contains("an unconfirmed authenticator has accepted a code"), "{error}");
    }
    // A challenge is answered by a message, which an app does not get.
    let golden: Value = serde_json::from_slice(&read("account-full.v1.json")).unwrap();
    let apps: Value = serde_json::from_slice(&read("account-apps.v1.json")).unwrap();
    let mut record = golden;
    let challenged = record["v1"]["challenges"][0]["authenticator"].clone();
    let app = &apps["v1"]["authenticators"][0];
    let known = record["v1"]["authenticators"].as_array_mut().unwrap();
    known.push(app.clone());
    record["v1"]["challenges"][0]["authenticator"] = app["id"].clone();
    let transaction = record["v1"]["challenges"][0]["transaction"].clone();
    for entry in record["v1"]["transactions"].as_array_mut().unwrap() {
        if entry["id"] == transaction {
            let mut pair = entry["pairs"][0].clone();
            assert_eq!(pair["authenticator"], challenged);
            pair["authenticator"] = app["id"].clone();
            entry["pairs"].as_array_mut().unwrap().push(pair);
        }
    }
    let error = serde_json::from_value::<Account>(record).unwrap_err().to_string();
    assert!(error.contains("a challenge goes by a channel that its authenticator has not"), "{error}");
}

/// A stored app goes on with the secret that its owner scanned: these codes were computed from the record and the durable
/// key by tests/vectors/generate.py.
#[test]
fn apps_of_a_golden_record_keep_their_secrets() {
    let golden: Account = serde_json::from_slice(&read("account-apps.v1.json")).unwrap();
    let ids: Vec<_> = golden.authenticators().iter().map(countersign::record::Authenticator::id).collect();
    for (id, right, other) in [(ids[0], "921296", "973035"), (ids[1], "738816", "267335")] {
        let mut world = with_apps();
        world.store.put(golden.clone());
        world.now = time::OffsetDateTime::from_unix_timestamp(58_908_961 * 30).unwrap();
        let session = world.login();
        let code = |text| OtpRequest::new(countersign::code::OtpCode::parse(text).unwrap()).authenticator(id);
        assert!(world.verify_otp(&session, code(other)).is_err(), "{id}");
        assert!(world.verify_otp(&session, code(right)).unwrap().completed, "{id}");
    }
}

/// The last counter of all was accepted: nothing is right any more, and nothing overflows.
#[test]
fn a_counter_at_its_end_accepts_nothing() {
    let mut world = with_apps();
    let account = countersign_testkit::edited(&world.account(), |record| {
        record["authenticators"][0]["factor"]["totp"]["last_step"] = json!(u64::MAX);
        record["authenticators"][1]["factor"]["hotp"]["last_counter"] = json!(u64::MAX);
    });
    let account = account.unwrap();
    let ids: Vec<_> = account.authenticators().iter().map(countersign::record::Authenticator::id).collect();
    world.store.put(account);
    world.pass(60);
    let session = world.login();
    for id in &ids[..2] {
        let code = countersign::code::OtpCode::parse("123456").unwrap();
        let denial = world.verify_otp(&session, OtpRequest::new(code).authenticator(*id)).unwrap_err();
        assert_eq!(denial, Denial::InvalidOtpCode { attempts_left: 4 });
    }
}

#[test]
fn corrupt_proofs_of_an_address_are_refused() {
    refuses::<AddressProof>(
        "address-proof.v1.json",
        &[
            ("the revision is 2^53 or above", |r| r["revision"] = json!(1_u64 << 53)),
            ("a proof of an address has no address", |r| r["address"] = Value::Null),
            ("name@domain", |r| r["address"] = json!("nobody")),
            ("expected 16 bytes", |r| r["seed"] = json!("AAAA")),
            ("missing field `reset`", |r| {
                r["sends"].as_object_mut().unwrap().remove("reset");
            }),
            ("missing field `long_send`", |r| {
                r["sends"]["confirm"].as_object_mut().unwrap().remove("long_send");
            }),
            ("unknown field `attempts`", |r| r["attempts"] = json!(5)),
            ("unknown field `pay`", |r| r["sends"]["pay"] = r["sends"]["reset"].clone()),
            ("unknown field `guess`", |r| r["sends"]["reset"]["guess"] = json!(0)),
            ("invalid value", |r| r["generation"] = json!(1_u64 << 32)),
        ],
    );
}

/// A record whose count of proofs is at its end goes on: what was sent before is dead all the same.
#[test]
fn the_last_generation_is_followed_by_the_first() {
    let mut proving = Proving::new(ProofPolicy::default());
    proving.ask(ProofPurpose::Reset);
    let edit = |record: &mut Value| record["generation"] = json!(u32::MAX);
    proving.record = countersign_testkit::edited(&proving.record, edit).unwrap();
    proving.ask(ProofPurpose::Reset);
    let token = proving.letter().token;
    proving.link(ProofPurpose::Reset, &token, None).unwrap();
    assert_eq!(countersign_testkit::json(&proving.record)["generation"], 0);
    assert!(proving.link(ProofPurpose::Reset, &token, None).is_err());
}

#[test]
fn truncated_and_flipped_bytes_never_panic_and_never_allocate_without_bound() {
    let golden = read("account-varied.v1.postcard");
    for end in 0..golden.len() {
        assert!(postcard::from_bytes::<Account>(&golden[..end]).is_err(), "{end}");
    }
    for place in 0..golden.len() {
        for bit in 0..8 {
            let mut bytes = golden.clone();
            bytes[place] ^= 1 << bit;
            if let Ok(account) = postcard::from_bytes::<Account>(&bytes) {
                let saved = postcard::to_stdvec(&account).unwrap();
                assert_eq!(postcard::from_bytes::<Account>(&saved).unwrap(), account);
            }
        }
    }
    // A length of 2^28 in front of a list is refused without believing it.
    let mut huge = postcard::to_stdvec(&0_u8).unwrap();
    huge.extend(postcard::to_stdvec(&"user-1").unwrap());
    huge.extend(postcard::to_stdvec(&(1_u64, true)).unwrap());
    huge.extend([0xff, 0xff, 0xff, 0x7f]);
    assert!(postcard::from_bytes::<Account>(&huge).is_err());
}
