//! Every command once, on a record that has something stale in it: what it answered, wrote, sent, told and logged.
//!
//! `tests/golden/transcript.v1.json` holds all of it. A difference is a change of what hosts store, send and log.
//! `--ignored write_the_transcript` writes the file anew; read the difference before it is committed.

use std::{convert::Infallible, fmt::Debug, fs, path::PathBuf};

use countersign::{
    Account, AuthenticatorId, BindingCode, ChallengeRequest, Denial, Effect, Policy, Session, Step, Swap,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    code::{OtpCode, RecoveryCode},
    effect::DeliveryReport,
    factor::AuthenticatorName,
    record::Record,
    session::OobHandle,
    step::Effects,
};
use countersign_testkit::{App, World, address, email, entropy, json, subject, totp, wrong};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An account with two addresses and recovery codes; of two logins the earlier is over, and nothing was pruned since.
struct Scene {
    world: World,
    session: Session,
    handle: OobHandle,
    right: BindingCode,
    codes: Vec<RecoveryCode>,
    own: AuthenticatorId,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new(countersign_testkit::policy(|settings| settings.max_authenticators = 2));
        let (own, codes) = world.enroll("user@example.com");
        world.provision("provisioned@example.com").unwrap();
        world.pass(4_000);
        let over = world.login();
        world.challenge(&over).unwrap();
        world.pass(550);
        let session = world.login();
        let challenged = world.challenge(&session).unwrap();
        let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
        let right = world.mail().code;
        world.pass(100);
        Self { world, session, handle, right, codes, own }
    }

    /// Takes one step on the account that is stored.
    fn play<T: Debug>(&mut self, step: impl FnOnce(&mut Self, Account) -> Step<T>) -> Value {
        self.take(step).told
    }

    fn take<T: Debug>(&mut self, step: impl FnOnce(&mut Self, Account) -> Step<T>) -> Played<T> {
        let account = self.world.account();
        let played = play(&account, step(self, account.clone()));
        self.world.store.put(played.record.clone());
        played
    }

    fn verify(&mut self, code: &BindingCode) -> Value {
        self.play(|scene, account| {
            scene.world.verifier.verify_oob(
                &scene.session,
                account,
                &scene.handle,
                code,
                scene.world.now,
                None,
            )
        })
    }

    fn associate(&mut self, session: &Session, to: &str) -> Value {
        self.play(|Self { world, .. }, account| {
            let entropy = entropy(&mut world.rng);
            world.verifier.associate(session, account, &email(to), world.now, &entropy)
        })
    }

    /// Begins the enrollment of an app in a world of its own.
    fn associate_app(&mut self) -> (Value, App) {
        self.world = World::new(Policy::default());
        self.session = self.world.login();
        let played = self.take(|Self { world, session, .. }, account| {
            let entropy = entropy(&mut world.rng);
            world.verifier.associate(session, account, &totp(), world.now, &entropy)
        });
        let app = App::scan(played.result.unwrap().setup.otp().unwrap());
        (played.told, app)
    }

    /// A login of somebody with an app.
    fn with_an_app(&mut self) -> App {
        self.world = World::new(Policy::default());
        let (.., app) = self.world.enroll_totp();
        self.world.pass(4_000);
        self.session = self.world.login();
        app
    }

    fn present(&mut self, code: &OtpCode) -> Value {
        self.play(|Self { world, session, .. }, account| {
            world.verifier.verify_otp(session, account, &code.clone().into(), world.now, None)
        })
    }

    fn provision(&mut self, to: &str) -> Value {
        self.play(|Self { world, .. }, account| {
            let entropy = entropy(&mut world.rng);
            world.verifier.provision(account, &email(to), world.now, &entropy)
        })
    }

    fn challenge(&mut self, session: &Session) -> Value {
        self.play(|Self { world, .. }, account| {
            let entropy = entropy(&mut world.rng);
            world.verifier.challenge(session, account, &ChallengeRequest::default(), world.now, &entropy)
        })
    }

    fn recover(&mut self, code: &RecoveryCode) -> Value {
        self.play(|scene, account| {
            scene.world.verifier.verify_recovery(&scene.session, account, code, scene.world.now)
        })
    }
}

/// What one step did.
struct Played<T, R = Account> {
    result: Result<T, Denial>,
    effects: Effects,
    /// As it is stored afterwards.
    record: R,
    told: Value,
}

fn play<T: Debug, R: Record + Serialize + Clone>(before: &R, step: Step<T, R>) -> Played<T, R> {
    let (mut written, mut outbox) = (None, json!(null));
    let committed = step.commit(|write| {
        outbox = json!(write.outbox);
        written = Some(write.record);
        Ok::<_, Infallible>(Swap::Stored)
    });
    let outcome = committed.unwrap().done().unwrap();
    let audit = json!(outcome.audit());
    let (result, effects) = outcome.into_parts();
    let told = json!({
        "result": format!("{result:?}"),
        "record": written.as_ref().map(|after| changes(before, after)),
        "outbox": outbox,
        "effects": effects.iter().map(said).collect::<Vec<_>>(),
        "audit": audit,
    });
    Played { result, effects, record: written.unwrap_or_else(|| before.clone()), told }
}

/// An effect with what its `Debug` hides.
fn said(effect: &Effect) -> Value {
    let shown = format!("{effect:?}");
    match effect {
        Effect::Send(message) => json!([shown, message.content.code().map(BindingCode::expose)]),
        Effect::IssueToken(token) => json!([shown, token.id()]),
        _ => json!([shown]),
    }
}

/// The fields of the stored record that are new or different.
fn changes<R: Serialize>(before: &R, after: &R) -> Value {
    let (before, mut after) = (json(before), json(after));
    let fields: &mut Map<_, _> = after.as_object_mut().unwrap();
    fields.retain(|name, value| before[name] != *value);
    after
}

/// The commands on an account.
fn accounts() -> Vec<(&'static str, Value)> {
    let mut told = Vec::new();
    let mut tell =
        |name, play: &mut dyn FnMut(&mut Scene) -> Value| told.push((name, play(&mut Scene::new())));
    tell("begin", &mut |scene| json!(scene.world.begin().expose()));
    tell("associate, by a first factor", &mut |scene| {
        scene.world = World::new(Policy::default());
        let session = scene.world.login();
        scene.associate(&session, "user@example.com")
    });
    tell("associate, elevated", &mut |scene| {
        scene.world.deprovision("provisioned@example.com").unwrap();
        scene.world.pass(4_000);
        let elevated = scene.world.elevated();
        scene.associate(&elevated, "new@example.com")
    });
    tell("associate, refused", &mut |scene| {
        let session = scene.session.clone();
        scene.associate(&session, "new@example.com")
    });
    tell("challenge", &mut |scene| {
        let session = scene.world.login();
        scene.challenge(&session)
    });
    tell("challenge, again", &mut |scene| {
        let session = scene.session.clone();
        scene.challenge(&session)
    });
    tell("challenge, cooling down", &mut |scene| {
        let session = scene.session.clone();
        scene.challenge(&session);
        scene.challenge(&session)
    });
    tell("verify_oob, right", &mut |scene| scene.verify(&scene.right.clone()));
    tell("verify_oob, wrong", &mut |scene| scene.verify(&wrong(&scene.right)));
    tell("verify_oob, used", &mut |scene| {
        scene.verify(&scene.right.clone());
        scene.verify(&scene.right.clone())
    });
    tell("verify_oob, too late", &mut |scene| {
        scene.world.pass(250);
        scene.verify(&scene.right.clone())
    });
    tell("verify_oob, a confirmation", &mut |scene| {
        scene.world = World::new(Policy::default());
        scene.session = scene.world.login();
        let associated = scene.world.associate(&scene.session, "user@example.com").unwrap();
        let handle = scene.world.verifier.open_oob_code(&scene.session, associated.oob_code.expose());
        scene.handle = handle.unwrap();
        scene.verify(&scene.world.mail().code)
    });
    tell("verify_oob, remembering", &mut |scene| {
        let played = scene.take(|scene, account| {
            let Scene { world, session, handle, right, .. } = scene;
            let entropy = entropy(&mut world.rng);
            world.verifier.verify_oob(session, account, handle, right, world.now, Some(&entropy))
        });
        let token = played.result.unwrap().device.unwrap();
        json!([played.told, token.expose()])
    });
    tell("verify_device", &mut |scene| {
        let keys = countersign_testkit::keys();
        scene.world.verifier = countersign::Verifier::new(keys, Policy::auth0());
        let token = scene.world.remember();
        let session = scene.world.login_on(&token);
        scene.play(|scene, account| scene.world.verifier.verify_device(&session, account, scene.world.now))
    });
    tell("forget", &mut |scene| {
        scene.world.pass(3_600);
        scene.world.remember();
        let (elevated, device) = (scene.world.elevated(), scene.world.account().devices()[0].id());
        scene.play(|scene, account| scene.world.verifier.forget(&elevated, account, device, scene.world.now))
    });
    tell("associate, an app", &mut |scene| scene.associate_app().0);
    tell("verify_otp, a confirmation", &mut |scene| {
        let (_, app) = scene.associate_app();
        scene.present(&app.at(scene.world.now))
    });
    tell("verify_otp, right", &mut |scene| {
        let app = scene.with_an_app();
        scene.present(&app.at(scene.world.now))
    });
    tell("verify_otp, wrong", &mut |scene| {
        let app = scene.with_an_app();
        scene.present(&app.at(scene.world.now + time::Duration::hours(1)))
    });
    tell("verify_otp, used", &mut |scene| {
        let app = scene.with_an_app();
        let code = app.at(scene.world.now);
        scene.present(&code);
        scene.session = scene.world.login();
        scene.present(&code)
    });
    tell("challenge, an app", &mut |scene| {
        scene.with_an_app();
        let session = scene.session.clone();
        scene.challenge(&session)
    });
    tell("verify_recovery, right", &mut |scene| scene.recover(&scene.codes[3].clone()));
    tell("verify_recovery, again", &mut |scene| {
        scene.recover(&scene.codes[3].clone());
        scene.recover(&scene.codes[3].clone())
    });
    tell("verify_recovery, wrong", &mut |scene| {
        scene.recover(&RecoveryCode::parse(&"2".repeat(24)).unwrap())
    });
    tell("regenerate_recovery_codes", &mut |scene| {
        let elevated = scene.world.elevated();
        let played = scene.take(|Scene { world, .. }, account| {
            let entropy = entropy(&mut world.rng);
            world.verifier.regenerate_recovery_codes(&elevated, account, world.now, &entropy)
        });
        let codes = played.result.unwrap();
        json!([played.told, codes.recovery_codes.iter().map(RecoveryCode::expose).collect::<Vec<_>>()])
    });
    tell("cancel", &mut |scene| {
        scene.play(|scene, account| {
            scene.world.verifier.cancel(&scene.session, account, &scene.handle, scene.world.now)
        })
    });
    tell("remove", &mut |scene| {
        let elevated = scene.world.elevated();
        scene.play(|scene, account| {
            scene.world.verifier.remove(&elevated, account, scene.own, scene.world.now)
        })
    });
    tell("rename", &mut |scene| {
        let elevated = scene.world.elevated();
        let name = AuthenticatorName::new("work").unwrap();
        scene.play(|Scene { world, own, .. }, account| {
            world.verifier.rename(&elevated, account, *own, Some(&name), world.now)
        })
    });
    tell("prefer", &mut |scene| {
        let elevated = scene.world.elevated();
        scene.play(|Scene { world, own, .. }, account| {
            world.verifier.prefer(&elevated, account, *own, true, world.now)
        })
    });
    tell("provision, in the place of another", &mut |scene| scene.provision("other@example.com"));
    tell("provision, an address that is there", &mut |scene| scene.provision("user@example.com"));
    tell("provision, too many", &mut |scene| {
        scene.world.deprovision("provisioned@example.com").unwrap();
        let elevated = scene.world.elevated();
        let associated = scene.world.associate(&elevated, "second@example.com").unwrap();
        let right = scene.world.mail().code;
        scene.world.verify(&elevated, associated.oob_code.expose(), &right).unwrap();
        scene.provision("third@example.com")
    });
    tell("deprovision", &mut |scene| {
        scene.play(|Scene { world, .. }, account| {
            world.verifier.deprovision(account, &email("provisioned@example.com"), world.now)
        })
    });
    tell("report_delivery", &mut |scene| {
        scene.play(|Scene { world, .. }, account| {
            world.verifier.report_delivery(account, world.mail().id, DeliveryReport::Failed, world.now)
        })
    });
    tell("unlock", &mut |scene| {
        scene.play(|Scene { world, .. }, account| world.verifier.unlock(account, world.now))
    });
    tell("reset", &mut |scene| {
        scene.play(|Scene { world, .. }, account| world.verifier.reset(account, world.now))
    });
    told
}

/// The commands on a proof of an address, one after another.
fn proofs() -> Vec<(&'static str, Value)> {
    let mut world = World::new(Policy::default());
    let verifier = AddressVerifier::new(countersign_testkit::keys(), ProofPolicy::default());
    let mut record = AddressProof::new(&subject(), address("user@example.com"));
    let mut told = vec![("a proof of an address", json(&record))];
    for purpose in [ProofPurpose::Confirm, ProofPurpose::Reset] {
        world.pass(60);
        let step = verifier.ask(record.clone(), purpose, world.now, &entropy(&mut world.rng));
        let asked = play(&record, step);
        told.push(("ask", asked.told));
        record = asked.record;
        let [Effect::Send(message)] = &asked.effects[..] else { panic!("one message") };
        let (token, code) = message.content.link().unwrap();
        let handle = asked.result.unwrap().oob_code;
        let handle = verifier.open_handle(&subject(), purpose, handle.expose()).unwrap();
        let link = verifier.open_link(&subject(), purpose, token.expose()).unwrap();
        let guess = BindingCode::parse("12345678901234567890").unwrap();
        for code in [&guess, code, code] {
            let step = verifier.verify_code(record.clone(), &handle, code, world.now);
            let played = play(&record, step);
            told.push(("verify_code", played.told));
            record = played.record;
        }
        let step = verifier.verify_link(record.clone(), &link, Some(&handle), world.now);
        told.push(("verify_link", play(&record, step).told));
    }
    let step = verifier.ask(record.clone(), ProofPurpose::Reset, world.now, &entropy(&mut world.rng));
    let asked = play(&record, step);
    let [Effect::Send(message)] = &asked.effects[..] else { panic!("one message") };
    let (token, _) = message.content.link().unwrap();
    let link = verifier.open_link(&subject(), ProofPurpose::Reset, token.expose()).unwrap();
    let step = verifier.verify_link(asked.record.clone(), &link, None, world.now);
    told.push(("verify_link", play(&asked.record, step).told));
    let absent = AddressProof::absent(&subject());
    let step = verifier.ask(absent.clone(), ProofPurpose::Reset, world.now, &entropy(&mut world.rng));
    told.push(("ask", play(&absent, step).told));
    told
}

fn transcript() -> Value {
    let told = accounts().into_iter().chain(proofs());
    told.map(|(name, played)| json!({ "name": name, "played": played })).collect()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transcript.v1.json")
}

#[test]
#[ignore = "writes the golden transcript anew"]
fn write_the_transcript() {
    fs::write(path(), serde_json::to_string_pretty(&transcript()).unwrap() + "\n").unwrap();
}

#[test]
fn every_command_does_what_the_transcript_says() {
    let golden: Value = serde_json::from_slice(&fs::read(path()).unwrap()).unwrap();
    let (golden, played) = (golden.as_array().unwrap(), transcript());
    let played = played.as_array().unwrap();
    for (golden, played) in golden.iter().zip(played) {
        assert_eq!(played, golden);
    }
    assert_eq!(played.len(), golden.len());
}
