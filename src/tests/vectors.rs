//! The published vectors in `tests/vectors/`, which a second implementation computed, against the derivations here.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use serde_json::Value;

use crate::{
    crypto::{
        base32,
        entropy::Entropy,
        mac::{MacKey, Tag},
        seed::Seed,
        transcript::tests::tag_of,
    },
    keys::{
        derive::{self, Binding, LinkBinding},
        draws::Draws,
        keyring::{DurableKey, Key, KeyRing, TransientKey},
    },
    otp::{
        hotp::{self, Window},
        key_uri::{KeyLabel, Moving, key_uri},
    },
    outcome::end_sessions::{EndReason, EndSessions},
    session::{
        device_token,
        mfa_token::{self, TokenClaims},
        oob_code,
        proof_handle::{self, Stamp},
        session::FirstFactor,
    },
    value::{
        binding_code::{BindingCode, CodeForm},
        email_address::EmailAddress,
        epoch::Epoch,
        id::{AuthenticatorId, ChallengeId, DeviceId, ProofId, TransactionId, base62},
        instant::Millis,
        name::{Audience, ClientId, Label, Scope, Subject},
        one_time_password::{OtpAlgorithm, OtpCode, SharedSecret},
        purpose::{ProofPurpose, Purpose},
        recovery_code::RecoveryCode,
        revision::Revision,
    },
};

/// One case of a vector file.
struct Case(Value);

impl Case {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.0))
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> T {
        let number = self.0[name].as_u64().unwrap_or_else(|| panic!("{name} in {}", self.0));
        T::try_from(number).ok().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let hex = self.text(name).as_bytes();
        hex.chunks(2)
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn subject(&self) -> Subject {
        Subject::new(self.text("subject")).unwrap()
    }

    fn id(&self, name: &str) -> AuthenticatorId {
        self.text(name).parse().unwrap()
    }

    fn key(&self) -> Key {
        Key::new(&self.bytes("master_key")).unwrap()
    }

    fn transient(&self) -> TransientKey {
        let key = TransientKey::new(&self.key(), self.text("context"), None);
        assert_eq!(key.id.as_bytes().to_vec(), self.bytes("key_id"));
        key
    }

    fn durable(&self) -> DurableKey {
        let key = DurableKey::new(&self.key(), self.text("context"));
        assert_eq!(key.id.as_bytes().to_vec(), self.bytes("key_id"));
        key
    }

    /// The whole MAC of the case's message, by way of the sub-key that the case names.
    fn assert_mac(&self, keyed: &MacKey) {
        let label = self.text("label");
        let message = self.bytes("message");
        assert_eq!(tag_of(keyed, &message).0.to_vec(), self.bytes("mac"), "{label}");
    }
}

fn cases(file: &str) -> Vec<Case> {
    let file: Value = serde_json::from_str(file).unwrap();
    let cases: Vec<_> = file["cases"].as_array().unwrap().iter().cloned().map(Case).collect();
    assert!(cases.len() >= 6, "a vector file has cases");
    cases
}

macro_rules! vectors {
    ($name:literal) => {
        cases(include_str!(concat!("../../tests/vectors/", $name, ".json")))
    };
}

#[test]
fn sub_keys() {
    for case in vectors!("sub_key") {
        let key = Key::new(&case.bytes("master_key")).unwrap();
        let sub_key = key.sub_key_bytes(case.text("label"), case.text("context"));
        assert_eq!(sub_key.0.to_vec(), case.bytes("output"));
    }
}

#[test]
fn key_ids() {
    for case in vectors!("key_id") {
        let (key, context) = (case.key(), case.text("context"));
        let id = match case.text("class") {
            "transient" => key.transient_id(context),
            "durable" => key.durable_id(context),
            other => panic!("the class {other}"),
        };
        assert_eq!(id.as_bytes().to_vec(), case.bytes("output"));
    }
}

#[test]
fn mfa_tokens() {
    for case in vectors!("mfa_token") {
        let claims = TokenClaims {
            first_factor: FirstFactor {
                subject: case.subject(),
                client: ClientId::new(case.text("client")).ok(),
                audience: Audience::new(case.text("audience")).unwrap(),
                scope: Scope::new(case.text("scope")).unwrap(),
                epoch: Epoch(case.number("epoch")),
            },
            transaction: TransactionId(case.array("transaction")),
            begun: Millis(case.number("begun")),
            expires: Millis(case.number("expires")),
        };
        let key = case.transient();
        case.assert_mac(&key.token);
        assert_eq!(mfa_token::seal_token(&key, &claims).expose(), case.text("output"));
        let keys = KeyRing::new(case.text("context"), case.key(), Key::new(&[9; 32]).unwrap()).unwrap();
        let opened = mfa_token::open_token(&keys, case.text("output")).unwrap();
        assert_eq!((opened.first_factor, opened.transaction), (claims.first_factor, claims.transaction));
        assert_eq!((opened.begun, opened.expires), (claims.begun, claims.expires));
    }
}

#[test]
fn oob_codes() {
    for case in vectors!("oob_code") {
        let key = case.transient();
        case.assert_mac(&key.oob);
        let (challenge, transaction) = (ChallengeId(case.array("challenge_id")), case.array("transaction"));
        let transaction = TransactionId(transaction);
        let span = (Millis(case.number("issued")), Millis(case.number("deadline")));
        let handle = oob_code::seal_handle(&key, &case.subject(), &challenge, &transaction, span);
        assert_eq!(handle.expose(), case.text("output"));
        assert_eq!(transaction.tag().to_vec(), case.bytes("tag"));
        let keys = KeyRing::new(case.text("context"), case.key(), Key::new(&[9; 32]).unwrap()).unwrap();
        let opened = oob_code::open_handle(&keys, &case.subject(), case.text("output")).unwrap();
        assert_eq!((opened.challenge, opened.transaction_tag), (challenge, transaction.tag()));
    }
}

/// The form of a code of so many digits.
fn form(digits: u8) -> CodeForm {
    if digits == 20 { CodeForm::Long } else { CodeForm::Short(digits) }
}

#[test]
fn binding_codes() {
    for case in vectors!("binding_code") {
        let key = case.transient();
        case.assert_mac(&key.binding);
        let code = BindingCode::from_tag(&Tag(case.array("mac")), form(case.number("digits")));
        assert_eq!(code.expose(), case.text("output"));
        // The ids of other channels are of kinds that come with their factors: of those the message above is checked.
        let Ok(authenticator) = case.text("authenticator_id").parse() else {
            assert!(matches!(case.text("channel"), "sms" | "voice"));
            continue;
        };
        let purpose = case.text("purpose");
        let (digest, label) = (case.bytes("purpose_digest"), case.text("purpose_label"));
        let stated = match purpose {
            "confirm" => Purpose::Confirm,
            "authenticate" => Purpose::Authenticate,
            "action:" => Purpose::Action {
                label: Label::new(label).unwrap(),
                digest: digest.clone().try_into().unwrap(),
            },
            other => panic!("no purpose {other}"),
        };
        let purpose = stated.parts();
        let binding = Binding {
            subject: &case.subject(),
            authenticator: &authenticator,
            channel: case.text("channel"),
            address: case.text("address").as_bytes(),
            transaction: &TransactionId(case.array("transaction")),
            challenge: &ChallengeId(case.array("challenge_id")),
            purpose,
            generation: case.number("generation"),
            form: form(case.number("digits")),
            seed: &Seed(case.array("seed")),
        };
        assert_eq!(derive::binding_code(&key.binding, &binding).expose(), case.text("output"));
    }
}

/// The stamp of a case of a proof of an address, and what it is for.
fn stamp(case: &Case, key: &TransientKey) -> (Stamp, ProofPurpose) {
    let stamp = Stamp {
        key: key.id,
        proof: ProofId(case.array("proof_id")),
        issued: Millis(case.number("issued")),
        deadline: Millis(case.number("deadline")),
    };
    assert_eq!(stamp.bytes().to_vec(), case.bytes("stamp"));
    let purpose = match case.text("purpose") {
        "confirm" => ProofPurpose::Confirm,
        "reset" => ProofPurpose::Reset,
        other => panic!("no purpose {other}"),
    };
    (stamp, purpose)
}

#[test]
fn proof_handles() {
    for case in vectors!("proof_handle") {
        let key = case.transient();
        case.assert_mac(&key.proof);
        let (stamp, purpose) = stamp(&case, &key);
        let handle = proof_handle::seal_handle(&key, &case.subject(), purpose, &stamp);
        assert_eq!(handle.expose(), case.text("output"));
        let keys = KeyRing::new(case.text("context"), case.key(), Key::new(&[9; 32]).unwrap()).unwrap();
        let opened = proof_handle::open_handle(&keys, &case.subject(), purpose, handle.expose()).unwrap();
        assert_eq!(opened.stamp, stamp);
    }
}

#[test]
fn links_and_long_codes() {
    for (case, is_link) in vectors!("proof_link")
        .into_iter()
        .map(|case| (case, true))
        .chain(vectors!("link_code").into_iter().map(|case| (case, false)))
    {
        let key = case.transient();
        case.assert_mac(if is_link { &key.link } else { &key.link_code });
        let (stamp, purpose) = stamp(&case, &key);
        let binding = LinkBinding {
            stamp: &stamp.bytes(),
            subject: &case.subject(),
            address: case.text("address").as_bytes(),
            purpose,
            generation: case.number("generation"),
            seed: &Seed(case.array("seed")),
        };
        if is_link {
            let outer = tag_of(&key.proof, &case.bytes("outer_message"));
            assert_eq!(outer.0.to_vec(), case.bytes("outer_mac"));
            let secret = derive::link_tag(&key.link, &binding);
            let link = proof_handle::seal_link(&key, &case.subject(), purpose, &stamp, secret.first());
            assert_eq!(link.expose(), case.text("output"));
        } else {
            let code = derive::link_code(&key.link_code, &binding);
            assert_eq!(code.expose(), case.text("output"));
            let tag = Tag(case.array("mac"));
            assert_eq!(BindingCode::from_tag(&tag, CodeForm::Long).expose(), case.text("output"));
        }
    }
}

fn algorithm(name: &str) -> OtpAlgorithm {
    let all = [OtpAlgorithm::Sha1, OtpAlgorithm::Sha256, OtpAlgorithm::Sha512];
    all.into_iter().find(|algorithm| algorithm.as_str() == name).unwrap()
}

#[test]
fn secrets_of_one_time_passwords() {
    for case in vectors!("totp") {
        let key = case.durable();
        case.assert_mac(&key.totp);
        let (id, seed) = (case.id("authenticator_id"), Seed(case.array("seed")));
        let algorithm = algorithm(case.text("algorithm"));
        let secret = derive::otp_secret(&key.totp, &case.subject(), &id, &seed, algorithm);
        assert_eq!(secret.as_bytes(), case.bytes("output"));
        assert_eq!(base32::encode(secret.as_bytes()).as_str(), case.text("secret_base32"));
    }
}

#[test]
fn one_time_passwords() {
    for case in vectors!("otp_code") {
        let (secret, digits) = (SharedSecret::of(&case.bytes("secret")), case.number("digits"));
        let counter: u64 = case.text("counter").parse().unwrap();
        let code = OtpCode::parse(case.text("output")).unwrap();
        let number = code.numbers::<1>(digits).unwrap();
        let window = Window { first: counter, last: counter, accepted: None };
        let terms = (algorithm(case.text("algorithm")), digits);
        assert_eq!(hotp::find(terms, &secret, &number, &window), Some(counter), "{}", case.text("name"));
    }
}

#[test]
fn key_uris() {
    for case in vectors!("key_uri") {
        let label = KeyLabel::new(case.text("issuer"), case.text("account")).unwrap();
        let moving = match case.text("kind") {
            "totp" => Moving::Period(case.number("moving")),
            "hotp" => Moving::Counter(case.number("moving")),
            other => panic!("the kind {other}"),
        };
        let secret = base32::encode(&case.bytes("secret"));
        let terms = (algorithm(case.text("algorithm")), case.number("digits"));
        let uri = key_uri(&label, &secret, terms, moving);
        assert_eq!(uri.as_str(), case.text("output"));
    }
}

#[test]
fn device_tokens() {
    for case in vectors!("device_token") {
        let key = case.durable();
        case.assert_mac(&key.device);
        assert_eq!(
            tag_of(&key.device_outer, &case.bytes("outer_message")).0.to_vec(),
            case.bytes("outer_mac")
        );
        let id = DeviceId(case.text("device_id").as_bytes().try_into().unwrap());
        let terms = (id, Millis(case.number("expires")));
        let token = device_token::seal_device(&key, &case.subject(), terms, &Seed(case.array("seed")));
        assert_eq!(token.expose(), case.text("output"));
        let keys = KeyRing::new(case.text("context"), Key::new(&[9; 32]).unwrap(), case.key()).unwrap();
        let opened = device_token::open_device(&keys, &case.subject(), token.expose()).unwrap();
        assert_eq!(opened.id(), id);
        assert!(opened.proves(&Tag(case.array("mac"))));
    }
}

#[test]
fn recovery_codes() {
    for case in vectors!("recovery_issue") {
        let key = case.durable();
        case.assert_mac(&key.recovery_issue);
        let (id, seed) = (case.id("authenticator_id"), Seed(case.array("seed")));
        let code =
            derive::recovery_issue(&key.recovery_issue, &case.subject(), &id, &seed, case.number("index"));
        assert_eq!(code.expose(), case.text("output"));
    }
    for case in vectors!("recovery_next") {
        let key = case.durable();
        case.assert_mac(&key.recovery_next);
        let presented = RecoveryCode::parse(case.text("presented")).unwrap();
        let transaction = TransactionId(case.array("transaction"));
        let id = case.id("recovery_id");
        let code = derive::recovery_next(&key.recovery_next, &case.subject(), &id, &transaction, &presented);
        assert_eq!(code.expose(), case.text("output"));
    }
    for case in vectors!("recovery_hash") {
        let key = case.durable();
        case.assert_mac(&key.recovery);
        let code = RecoveryCode::parse(case.text("code")).unwrap();
        assert_eq!(
            derive::recovery_hash(&key.recovery, &case.subject(), &code).0.to_vec(),
            case.bytes("output")
        );
    }
}

#[test]
fn destination_keys() {
    for case in vectors!("destination_key") {
        let key = case.durable();
        case.assert_mac(&key.destination);
        let output =
            derive::destination_key(&key.destination, case.text("channel"), case.text("counting_form"));
        if case.text("channel") == "email" {
            let address = EmailAddress::parse(case.text("address")).unwrap();
            assert_eq!(address.counting_form(), case.text("counting_form"));
        }
        assert_eq!(output.as_bytes().to_vec(), case.bytes("output"));
    }
}

#[test]
fn effect_ids() {
    for case in vectors!("effect_id") {
        let sends = case.0["sends"].as_u64().map(|sends| u32::try_from(sends).unwrap());
        let reference = case.bytes("reference");
        let kind = case.text("kind");
        let output = derive::effect_id(&case.subject(), (kind, ""), &[&reference], sends);
        assert_eq!(output.to_vec(), case.bytes("output"));
        let split = reference.split_at(reference.len() / 2);
        assert_eq!(
            derive::effect_id(&case.subject(), (case.text("kind"), ""), &[split.0, split.1], sends),
            output
        );
        if let Some(epoch) = case.0["epoch"].as_u64() {
            let end = EndSessions::new(&case.subject(), Epoch(epoch), None, EndReason::Revoked);
            assert_eq!(end.id.as_bytes(), &output);
        }
    }
}

#[test]
fn draws() {
    for case in vectors!("draw") {
        let entropy = Entropy::from_bytes(case.array("entropy"));
        let revision = Revision(case.number("revision"));
        let mut draws = Draws::new(&entropy, case.text("command"), &case.subject(), revision);
        draws.skip_to(case.number("count"));
        assert_eq!(draws.bytes::<32>(case.text("label")).to_vec(), case.bytes("output"));
    }
}

#[test]
fn tenant_tags_and_device_ids() {
    for case in vectors!("tenant_tag") {
        let context = case.text("context");
        assert_eq!(derive::tenant_tag(context).0.to_vec(), case.bytes("output"));
        let keys = KeyRing::new(context, Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap());
        assert_eq!(keys.unwrap().tenant(), derive::tenant_tag(context));
    }
    for case in vectors!("device_id") {
        let device = base62(case.array("random"));
        assert_eq!(String::from_utf8(device.to_vec()).unwrap(), case.text("output").to_string());
    }
}
