//! The seeds: journeys played with fixed keys and randomness, and what came out of them. `cargo run -p
//! countersign-properties --bin seeds` writes them to `fuzz/corpus`; the `record` property edits these very records.

use countersign::{
    Account, BindingCode, ChallengeRequest, Effect, EmailAddress, Policy, Session, Step,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    code::RecoveryCode,
    effect::{Descriptor, EffectId},
};
use time::{Duration, OffsetDateTime};

use crate::fixture::{START, account, address, client, elevated, ring, rng, subject, verifier};

/// What somebody who took part in a journey holds.
#[derive(Default)]
pub struct Known {
    pub sessions: Vec<Session>,
    pub handles: Vec<String>,
    pub codes: Vec<BindingCode>,
    pub recovery: Vec<RecoveryCode>,
    pub mails: Vec<EffectId>,
    pub outbox: Vec<Descriptor>,
    /// The tokens of remembered devices.
    pub devices: Vec<String>,
}

struct Player {
    verifier: countersign::Verifier,
    rng: rand::rngs::ChaCha20Rng,
    record: Account,
    stages: Vec<Account>,
    known: Known,
    now: OffsetDateTime,
}

impl Player {
    fn take<T>(&mut self, step: Step<T>) -> Option<T> {
        let outbox = std::cell::RefCell::new(Vec::new());
        let committed = step.commit(|write| {
            self.record = write.record;
            *outbox.borrow_mut() = write.outbox;
            Ok::<_, std::convert::Infallible>(countersign::Swap::Stored)
        });
        let outcome = committed.ok()?.done()?;
        self.known.outbox.extend(outbox.into_inner());
        let (result, effects) = outcome.into_parts();
        for effect in effects {
            if let Effect::Send(mail) = effect {
                self.known.mails.push(mail.id);
                self.known.codes.extend(mail.content.code().cloned());
            }
        }
        self.stages.push(self.record.clone());
        result.ok()
    }

    fn login(&mut self) -> Session {
        let token = crate::fixture::begin(&self.verifier, &self.record, self.now, &mut self.rng).token;
        self.verifier.open(token.expose(), Some(&client()), self.now).unwrap()
    }

    fn associate(&mut self, session: &Session, to: EmailAddress) {
        let step = self.verifier.associate(
            session,
            self.record.clone(),
            &to.into(),
            self.now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let answer = self.take(step).unwrap();
        self.known.recovery.extend(answer.recovery_codes.into_iter().flatten());
        self.hold(session, answer.setup.sent().unwrap().oob_code.expose());
    }

    fn challenge(&mut self, session: &Session) {
        let request = ChallengeRequest::default();
        let step = self.verifier.challenge(
            session,
            self.record.clone(),
            &request,
            self.now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let answer = self.take(step).unwrap();
        self.hold(session, answer.prompt.sent().unwrap().oob_code.expose());
    }

    fn hold(&mut self, session: &Session, handle: &str) {
        self.known.sessions.push(session.clone());
        self.known.handles.push(handle.to_owned());
    }

    /// Answers; a device on which that completes a sign-in is remembered.
    fn verify(&mut self, session: &Session, code: &BindingCode) {
        let handle = self.verifier.open_oob_code(session, self.known.handles.last().unwrap()).unwrap();
        let drawn = crate::fixture::entropy(&mut self.rng);
        let record = self.record.clone();
        let step = self.verifier.verify_oob(session, record, &handle, code, self.now, Some(&drawn));
        let device = self.take(step).and_then(|verified| verified.device);
        self.known.devices.extend(device.map(|token| token.expose().to_owned()));
    }

    fn pass(&mut self, seconds: i64) {
        self.now += Duration::seconds(seconds);
    }
}

/// A journey through most of what a record can hold: its stages, and what its user knows at the end.
#[must_use]
pub fn journey() -> (Vec<Account>, Known) {
    let mut player = Player {
        verifier: verifier(Policy::default()),
        rng: rng(5),
        record: account(&subject()),
        stages: Vec::new(),
        known: Known::default(),
        now: START,
    };
    let wrong = BindingCode::parse("999999").unwrap();
    let first = player.login();
    player.associate(&first, address(0));
    player.verify(&first, &wrong);
    let right = player.known.codes.last().unwrap().clone();
    player.verify(&first, &right);
    player.pass(61);
    let recovering = player.login();
    let code = player.known.recovery[3].clone();
    let step = player.verifier.verify_recovery(&recovering, player.record.clone(), &code, player.now);
    player.take(step);
    player.pass(61);
    let second = player.login();
    player.challenge(&second);
    player.verify(&second, &wrong);
    player.pass(61);
    let elevated = elevated(&player.record, 1, player.now);
    player.associate(&elevated, address(1));
    let step = player.verifier.provision(
        player.record.clone(),
        &address(2).into(),
        player.now,
        &crate::fixture::entropy(&mut player.rng),
    );
    player.take(step);
    // Another browser, and then the first one, whose device is remembered already.
    let third = player.login();
    player.challenge(&third);
    let right = player.known.codes.last().unwrap().clone();
    player.verify(&third, &right);
    player.pass(61);
    let fourth = player.login();
    let fourth = player.verifier.recognize(fourth, &player.known.devices[0].clone());
    player.challenge(&fourth);
    player.verify(&fourth, &wrong);
    (player.stages, player.known)
}

/// The stages of the journey.
#[must_use]
pub fn accounts() -> Vec<Account> {
    journey().0
}

/// A proof of an address before and after an ask, and its descriptors.
fn proofs() -> (Vec<AddressProof>, Vec<Descriptor>) {
    let verifier = AddressVerifier::new(ring("fuzz"), ProofPolicy::default());
    let (mut record, mut rng) = (AddressProof::new(&subject(), address(0)), rng(6));
    let (mut stages, mut outbox) = (vec![record.clone()], Vec::new());
    for purpose in [ProofPurpose::Confirm, ProofPurpose::Reset] {
        let step = verifier.ask(record.clone(), purpose, START, &crate::fixture::entropy(&mut rng));
        let write = step.into_parts().0.expect("an ask is written");
        record = write.record;
        outbox.extend(write.outbox);
        stages.push(record.clone());
    }
    (stages, outbox)
}

/// The stored form of a record whose active authenticators have as many failures as any may have.
fn with_most_failures(record: &Account) -> Vec<u8> {
    let mut stored = serde_json::to_value(record).unwrap();
    let known = stored["v1"]["authenticators"].as_array_mut().unwrap();
    known
        .iter_mut()
        .filter(|known| known["enrollment"] == "active")
        .for_each(|known| known["failures"] = serde_json::json!({"unknown": 100, "known": 100}));
    serde_json::to_vec(&stored).unwrap()
}

/// Every seed of a target: its name and its bytes.
#[must_use]
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: String, prefix: &[u8], bytes: Vec<u8>| seeds.push((name, [prefix, &bytes].concat()));
    match target {
        "record" => {
            for (stage, record) in accounts().iter().enumerate() {
                add(format!("account-{stage}.json"), &[0], serde_json::to_vec(record).unwrap());
                add(format!("account-{stage}.postcard"), &[1], postcard::to_stdvec(record).unwrap());
                add(format!("capped-{stage}.json"), &[0], with_most_failures(record));
                let stage = u8::try_from(stage).unwrap();
                add(format!("edited-{stage}.postcard"), &[5, stage], vec![7, 0, 1]);
                add(format!("edited-{stage}.json"), &[6, stage], vec![9, 0, 0, 1]);
            }
            let (proofs, links) = proofs();
            for (stage, record) in proofs.iter().enumerate() {
                add(format!("address-proof-{stage}.json"), &[2], serde_json::to_vec(record).unwrap());
                add(format!("address-proof-{stage}.postcard"), &[3], postcard::to_stdvec(record).unwrap());
            }
            for (number, descriptor) in links.iter().enumerate() {
                add(format!("link-{number}.json"), &[4], serde_json::to_vec(descriptor).unwrap());
            }
            for (number, descriptor) in journey().1.outbox.iter().enumerate() {
                add(format!("descriptor-{number}.json"), &[4], serde_json::to_vec(descriptor).unwrap());
            }
        }
        "input" => {
            let texts = [
                (0_u8, "123456"),
                (0, "12 34-56"),
                (0, "１２３４５６７８９"),
                (1, "2345-6789-ABCD-EFGH-JKLM-NPQR"),
                (1, "zzzz yyyy xxxx wwww vvvv uuuu"),
                (2, "user@example.com"),
                (2, "ünï@exämple.com"),
                (2, "a@b..c"),
                (3, "user-1"),
                (3, "a\u{7f}b"),
                (4, "password-reset"),
                (5, "email|dev_0123456789abcDEF"),
                (5, "recovery-code|dev_0123456789abcDEF"),
                (6, "enroll read:authenticators remove:authenticators"),
                (6, "oob otp"),
                (7, "12\u{200b}3456"),
                (2, "user@example.com."),
            ];
            for (number, (kind, text)) in texts.into_iter().enumerate() {
                add(format!("text-{number}"), &[kind, 0], text.as_bytes().to_vec());
                add(format!("long-{number}"), &[kind, 230], text.as_bytes().to_vec());
            }
        }
        "wire" => {
            let token = "grant_type=http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2F";
            let forms = [
                (1_u8, format!("{token}mfa-oob&client_id=c&mfa_token=t&oob_code=o&binding_code=012345")),
                (1, format!("{token}mfa-otp&client_id=c&client_secret=s&mfa_token=t&otp=012345")),
                (1, format!("{token}mfa-recovery-code&client_assertion=a&mfa_token=t&recovery_code=r")),
                (1, "grant_type=password&username=u&password=p+q%20r&audience=a&scope=s".to_owned()),
                (3, "client_id=c&mfa_token=t&challenge_type=oob+otp&authenticator_id=email%7Cdev_0123456789abcDEF".to_owned()),
                (5, "client_id=c&email=user%40example.com".to_owned()),
                (3, "client_id=c&mfa_token=t&challenge_type=oob++otp".to_owned()),
                (3, "client_id=c&mfa_token=t&challenge_type=oob%09otp".to_owned()),
                (0, r#"{"grant_type":"password","username":"u","password":"p"}"#.to_owned()),
                (0, r#"{"grant_type":"http://auth0.com/oauth/grant-type/mfa-oob","mfa_token":"t","oob_code":"o","binding_code":"1"}"#.to_owned()),
                (0, r#"{"grant_type":null,"unknown":[1,{"a":1.5}],"otp":""}"#.to_owned()),
                (2, r#"{"mfa_token":"t","challenge_type":"oob","authenticator_id":"email|dev_0123456789abcDEF"}"#.to_owned()),
                (4, r#"{"authenticator_types":["oob"],"oob_channels":["email"],"email":"user@example.com"}"#.to_owned()),
                (4, r#"{"authentication_types":["otp"],"oob_channels":null,"name":"phone"}"#.to_owned()),
                (6, r#"{"name":"work phone"}"#.to_owned()),
                (6, r#"{"name":null}"#.to_owned()),
                (6, r#"{"preferred":true}"#.to_owned()),
                (7, "name=work+phone&preferred=false".to_owned()),
                (1, "grant_type=urn%3Acountersign%3Agrant-type%3Amfa-device&mfa_token=t&remember_device=true&device_token=d".to_owned()),
            ];
            for (number, (kind, body)) in forms.into_iter().enumerate() {
                add(format!("body-{number}"), &[kind], body.into_bytes());
            }
            let headers = [
                (0_u8, "Application/JSON ; charset=utf-8"),
                (0, "application/x-www-form-urlencoded"),
                (0, "text/plain"),
                (1, "\u{15}Bearer  token "),
                (1, "aBasic dTpw"),
                (2, "Y2xpZW50JTNBMTpzK2NyZXQlMjY="),
                (2, "dTpw"),
                (2, "dXA="),
                (3, "\u{5}name secret"),
                (3, "\u{4}n:%&+=\u{e9}"),
                (4, "\u{1}\u{4}\0\0\0\0\0\0\u{2}"),
                (4, ""),
            ];
            for (number, (kind, text)) in headers.into_iter().enumerate() {
                add(format!("header-{number}"), &[0x80 + kind], text.as_bytes().to_vec());
            }
            for which in 0..40_u8 {
                add(format!("refusal-{which}"), &[0xc0, which, which, 1, 0, 0], vec![]);
            }
            add("token".to_owned(), &[0xc1, 0, 1, 0, 0, 0], b"token\n\0openid \"email\"".to_vec());
            add("token-recovery".to_owned(), &[0xc1, 0, 2, 0, 0, 0], b"23456789ABCDEFGHJKLMNPQR".to_vec());
            for policy in 0..3 {
                add(format!("journey-{policy}"), &[0xc2, policy, 29, 0, 61, 0], b"ab@example.com".to_vec());
                add(
                    format!("journey-long-{policy}"),
                    &[0xc2, policy, 200, 0, 61, 0],
                    b"somebody@x.example".to_vec(),
                );
            }
        }
        "tokens" => {
            // The kind, the opener, the time, the client, the session; then an edit or none.
            for kind in [0, 1, 4_u8] {
                for opener in 0..10 {
                    add(format!("valid-{kind}-{opener}"), &[kind, opener, 5, 0, 1, 0], vec![]);
                }
                for change in 0..11 {
                    add(format!("edited-{kind}-{change}"), &[kind, 0, 5, 0, 1, 0], vec![change, 9, 0, 1]);
                }
                for (number, at) in [-61_i16, -60, 599, 600, 3_600, 7_199, 7_200].into_iter().enumerate() {
                    let [low, high] = at.to_le_bytes();
                    add(format!("time-{kind}-{number}"), &[kind, 0, low, high, 1, 0], vec![]);
                }
                add(format!("shorter-{kind}"), &[kind, 8, 0x10, 0x0e, 1, 0], vec![]);
                add(format!("client-{kind}"), &[kind, 0, 5, 0, 2, 1], vec![]);
                add(format!("raw-{kind}"), &[2 | kind, 0, 5, 0, 1, 0], b"AQEAAAAGdXNlci0x".to_vec());
            }
        }
        "operations" => {
            for (name, commands) in crate::operations::journeys() {
                for policy in crate::operations::CHOICES {
                    add(format!("{name}-{policy}"), &[policy, 0x5a], commands.concat());
                }
            }
            for (name, known, commands) in crate::address_proof::journeys() {
                for policy in 0..4 {
                    add(format!("proof-{name}-{policy}"), &[0xc0 + policy, 0x5a, known], commands.concat());
                }
            }
        }
        other => panic!("no such target: {other}"),
    }
    seeds
}
