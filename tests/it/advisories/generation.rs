//! How codes are made and compared: V34 to V37.

use std::{collections::BTreeSet, fmt::Debug, marker::PhantomData};

use countersign::{
    BindingCode, Denial, Key, KeyRing, Outcome, Policy, Session, Swap, Verifier,
    code::{MfaToken, OobCode, OtpCode, RecoveryCode},
};
use hmac::{Hmac, KeyInit, Mac};
use rand::{SeedableRng, rngs::ChaCha20Rng};
use serde_json::Value;
use sha2::Sha256;
use time::Duration;

use super::{
    ADDRESS, challenged, charged_guesses, charged_recoveries, contend, enrolled, near_miss, roomy,
    session_of, stored, tampered,
};
use countersign_testkit::{World, code, json, policy};

/// A MAC over length-prefixed fields.
fn mac(key: &[u8], fields: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for field in fields {
        mac.update(&u32::try_from(field.len()).unwrap().to_be_bytes());
        mac.update(field);
    }
    mac.finalize().into_bytes().into()
}

/// The bytes of an unpadded base64url text.
fn bytes(text: &Value) -> Vec<u8> {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = text.as_str().unwrap();
    let values = text.bytes().map(|symbol| SYMBOLS.iter().position(|&known| known == symbol).unwrap());
    let bits = values.flat_map(|value| (0..6).rev().map(move |bit| value >> bit & 1));
    let bits: Vec<_> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, &bit| sum << 1 | bit as u8)).collect()
}

/// A user who just began to enroll an address, the session, the handle, and the code of the message.
fn asked(policy: &Policy, rng: &mut ChaCha20Rng) -> (World, Session, OobCode, BindingCode) {
    let mut world = World::new(policy.clone());
    world.rng = ChaCha20Rng::from_rng(rng);
    let session = world.login();
    let associated = world.associate(&session, ADDRESS).unwrap();
    let code = world.mail().code;
    (world, session, associated.oob_code, code)
}

/// zitadel PR 12266 and others: a code is 128 bits of a MAC modulo exactly 10^n, over a seed that is drawn for it,
/// and every symbol of a recovery code is drawn.
#[test]
fn v34_codes_are_uniform_over_their_whole_range() {
    let sub_key = mac(&[0x11; 32], &[b"countersign/v1/binding", b"tests"]);
    for digits in 6..=9_u8 {
        let (policy, mut rng) =
            (policy(|settings| settings.code_digits = digits), ChaCha20Rng::seed_from_u64(7));
        let mut seeds = BTreeSet::new();
        let mut counts = vec![[0; 10]; usize::from(digits)];
        for _ in 0..400 {
            let (mut world, _, _, code) = asked(&policy, &mut rng);
            let record = json(&world.account());
            let challenge = &record["challenges"][0];
            let seed = bytes(&challenge["state"]["pending"]["seed"]);
            let tag = mac(
                &sub_key,
                &[
                    b"user-1",
                    challenge["authenticator"].as_str().unwrap().as_bytes(),
                    b"email",
                    ADDRESS.as_bytes(),
                    &bytes(&challenge["transaction"]),
                    &bytes(&challenge["id"]),
                    b"confirm",
                    &[0; 4],
                    &[digits],
                    &seed,
                ],
            );
            let number = u64::from_be_bytes(*tag.first_chunk().unwrap()) % 10_u64.pow(digits.into());
            assert_eq!(code.expose(), format!("{number:0width$}", width = digits.into()));
            assert!(seeds.insert(seed), "each challenge draws its own");
            for (count, digit) in counts.iter_mut().zip(code.expose().bytes()) {
                count[usize::from(digit - b'0')] += 1;
            }
        }
        // Forty are expected; the generator is seeded, so that this is the same in every run.
        assert!(counts.iter().flatten().all(|count| (15..=75).contains(count)), "{counts:?}");
    }

    let mut world = World::new(policy(|settings| settings.recovery_codes = 16));
    world.enroll(ADDRESS);
    let mut drawn = vec![BTreeSet::new(); RecoveryCode::SYMBOLS];
    for _ in 0..32 {
        // Each new set is told of by a message, and messages are budgeted.
        world.pass(4_320);
        let elevated = world.elevated();
        for code in world.regenerate(&elevated).unwrap().recovery_codes {
            drawn.iter_mut().zip(code.expose().chars()).for_each(|(drawn, symbol)| {
                drawn.insert(symbol);
            });
        }
    }
    let alphabet: BTreeSet<_> = RecoveryCode::ALPHABET.chars().collect();
    assert_eq!(alphabet.len(), 32);
    assert!(drawn.iter().all(|symbols| *symbols == alphabet));
}

/// authentik#18015: a code is a string of digits, so one that begins with zeros is as good as any other.
#[test]
fn v35_leading_zeros_are_part_of_a_code() {
    let (policy, mut rng) = (roomy(|_| {}), ChaCha20Rng::seed_from_u64(7));
    let mut found = 0;
    for _ in 0..200 {
        let (mut world, session, oob_code, right) = asked(&policy, &mut rng);
        let text = right.expose();
        assert_eq!((text.len(), right.length()), (6, 6));
        let trimmed = text.trim_start_matches('0');
        if trimmed.len() == text.len() {
            continue;
        }
        found += 1;
        // Without its zeros it is no code; with more of them it is another one, and none is charged.
        assert!(BindingCode::parse(trimmed).is_err());
        let handle = world.verifier.open_oob_code(&session, oob_code.expose()).unwrap();
        let account = world.account();
        let answer = |text: &str| {
            let code = BindingCode::parse(text).unwrap();
            world.verifier.verify_oob(&session, account.clone(), &handle, &code, world.now, None)
        };
        assert!(!answer(&format!("0{text}")).writes());
        let outcome = answer(text).commit(|_| Ok::<_, ()>(Swap::Stored)).unwrap().done().unwrap();
        assert!(outcome.into_parts().0.is_ok());
    }
    assert!(found >= 10, "one in ten begins with a zero");

    // The same of an app's codes.
    let mut world = World::new(roomy(|_| {}));
    let (.., app) = world.enroll_totp();
    let mut found = 0;
    for _ in 0..100 {
        world.pass(30);
        let code = app.at(world.now);
        let trimmed = code.expose().trim_start_matches('0');
        if trimmed.len() == 6 {
            continue;
        }
        found += 1;
        assert!(OtpCode::parse(trimmed).is_err());
        let session = world.login();
        let longer = OtpCode::parse(&format!("0{}", code.expose())).unwrap();
        assert_eq!(world.verify_otp(&session, longer).unwrap_err(), Denial::MalformedCode);
        assert!(world.verify_otp(&session, code).is_ok());
    }
    assert!(found >= 4, "one in ten begins with a zero");
}

/// Whether a type can be compared with `==`.
macro_rules! compares {
    ($type:ty) => {{
        #[allow(dead_code, reason = "found only where the bound does not hold")]
        trait Otherwise {
            const ANSWER: bool = false;
        }
        impl<T> Otherwise for T {}
        struct Probe<T>(PhantomData<T>);
        #[allow(dead_code, reason = "found only where the bound holds")]
        impl<T: PartialEq> Probe<T> {
            const ANSWER: bool = true;
        }
        <Probe<$type>>::ANSWER
    }};
}

/// better-auth/utils#24: secrets have no `==`, are compared over their whole width, and a recovery code is looked for
/// in the whole set.
#[test]
fn v36_secrets_are_compared_whole() {
    assert!(compares!(u8) && compares!(Denial));
    assert!(!compares!(BindingCode) && !compares!(RecoveryCode));
    assert!(!compares!(OobCode) && !compares!(MfaToken) && !compares!(OtpCode));

    let (mut world, codes) = enrolled(roomy(|settings| settings.attempts = 10));
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    let oob_code = challenged.oob_code.expose();
    for place in 0..6 {
        let mut digits = right.expose().as_bytes().to_vec();
        digits[place] = b'0' + (digits[place] - b'0' + 1) % 10;
        let missed = world.verify(&session, oob_code, &code(std::str::from_utf8(&digits).unwrap()));
        assert!(matches!(missed.unwrap_err(), Denial::InvalidBindingCode { .. }));
    }
    // The window of an app is gone through to its end, and a code differs by each of its digits.
    let mut apps =
        World::new(roomy(|settings| (settings.totp.steps_back, settings.totp.steps_ahead) = (2, 2)));
    let (.., app) = apps.enroll_totp();
    apps.pass(3_600);
    let record = apps.account();
    for step in -2..=2 {
        apps.store.put(record.clone());
        let session = apps.login();
        let right = app.at(apps.now + Duration::seconds(30 * step));
        for place in 0..6 {
            let mut digits = right.expose().as_bytes().to_vec();
            digits[place] = b'0' + (digits[place] - b'0' + 1) % 10;
            let session = apps.login();
            let guess = OtpCode::parse(std::str::from_utf8(&digits).unwrap()).unwrap();
            let missed = apps.verify_otp(&session, guess).unwrap_err();
            assert!(matches!(missed, Denial::InvalidOtpCode { .. }), "{missed:?}");
        }
        assert!(apps.verify_otp(&session, right).is_ok(), "{step}");
    }
    for place in 0..oob_code.len() {
        assert!(world.verifier.open_oob_code(&session, &tampered(oob_code, place)).is_err());
    }
    let token = world.begin();
    for place in 0..token.expose().len() {
        assert!(world.verifier.open(&tampered(token.expose(), place), None, world.now).is_err());
    }
    for place in 0..RecoveryCode::SYMBOLS {
        world.pass(360);
        let session = world.login();
        let missed = world.recover(&session, &near_miss(&codes[place % 10], place));
        assert_eq!(missed.unwrap_err(), Denial::InvalidRecoveryCode);
    }
    // Every place of the set, in a set under two keys, too.
    let record = world.account();
    for (place, code) in codes.iter().enumerate() {
        world.store.put(record.clone());
        let session = world.login();
        assert_eq!(world.recover(&session, code).unwrap().remaining, 9, "at place {place}");
    }
    let rotated = KeyRing::new("tests", Key::new(&[0x11; 32]).unwrap(), Key::new(&[0x33; 32]).unwrap());
    let rotated = rotated.unwrap().retired_durable(Key::new(&[0x22; 32]).unwrap()).unwrap();
    world.verifier = Verifier::new(rotated, Policy::strict());
    world.store.put(record);
    let mut replacements = Vec::new();
    for code in &codes[..5] {
        world.pass(1);
        let session = world.login();
        replacements.extend(world.recover(&session, code).unwrap().replacement);
    }
    for code in codes[5..].iter().chain(&replacements) {
        world.pass(1);
        let session = world.login();
        assert_eq!(world.recover(&session, code).unwrap().remaining, 10);
    }
}

/// django-allauth 65.3 and others: what is not a live code or a genuine handle is refused alike, whatever it once was.
#[test]
fn v37_refusals_tell_nothing_apart() {
    // Handles: forged, garbled, another user's, another server's; none of them touches the store.
    let (mut world, _) = enrolled(roomy(|_| {}));
    let session = world.login();
    let genuine = world.challenge(&session).unwrap().oob_code;
    let foreign_keys = KeyRing::new("tests", Key::new(&[0x44; 32]).unwrap(), Key::new(&[0x55; 32]).unwrap());
    let another_context =
        KeyRing::new("tests2", Key::new(&[0x11; 32]).unwrap(), Key::new(&[0x22; 32]).unwrap());
    let mut handles: Vec<String> = ["", "x", "AAAA", "%00"].map(String::from).to_vec();
    handles.extend([tampered(genuine.expose(), 30), "A".repeat(87), genuine.expose().to_lowercase()]);
    for keys in [foreign_keys, another_context] {
        let mut other = World::new(roomy(|_| {}));
        other.verifier = Verifier::new(keys.unwrap(), roomy(|_| {}));
        other.rng = ChaCha20Rng::seed_from_u64(8);
        other.enroll(ADDRESS);
        other.pass(60);
        let session = other.login();
        handles.push(other.challenge(&session).unwrap().oob_code.expose().to_owned());
    }
    for handle in &handles {
        assert_eq!(world.verifier.open_oob_code(&session, handle).unwrap_err(), Denial::MalformedOobCode);
        assert_eq!(world.verifier.open(handle, None, world.now).unwrap_err(), Denial::MalformedToken);
    }
    let other_user = session_of(&mut world, "user-2", "client-1");
    let taken = world.verifier.open_oob_code(&other_user, genuine.expose());
    assert_eq!(taken.unwrap_err(), Denial::MalformedOobCode);

    // Recovery codes: used, replaced or never issued, in one denial, one charge, one audit and no effect.
    for policy in [Policy::default(), Policy::auth0()] {
        let (mut world, codes) = enrolled(policy);
        let session = world.login();
        world.recover(&session, &codes[0]).unwrap();
        let session = world.login();
        let never = near_miss(&codes[0], 5);
        let now = world.now;
        let mut seen = Vec::new();
        for code in [&codes[0], &never] {
            let before = charged_recoveries(&mut world);
            let account = world.account();
            let step = world.verifier.verify_recovery(&session, account, code, now);
            let (write, sealed) = step.into_parts();
            let outcome: Outcome<_> = sealed.open(Swap::Stored).done().unwrap();
            assert!(outcome.effects().is_empty());
            world.store.put(write.unwrap().record);
            let charged = charged_recoveries(&mut world) - before;
            let audit = outcome.audit().clone();
            seen.push((outcome.into_parts().0.map(|_| ()), audit, charged));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!((seen[0].0, seen[0].2), (Err(Denial::InvalidRecoveryCode), 1));
        assert_eq!(charged_guesses(&mut world), 0);
        let told = contend(&mut world, 2, |verifier, server, account| {
            verifier.verify_recovery(&session, account, [&codes[0], &never][server], now)
        });
        assert_same(&told);
        assert!(stored(&mut world)["recovery"]["live"].is_array());
    }
}

fn assert_same<T: Debug>(told: &[Result<T, Denial>]) {
    let denials: Vec<_> = told.iter().map(|result| result.as_ref().unwrap_err()).collect();
    assert!(denials.windows(2).all(|pair| pair[0] == pair[1]), "{denials:?}");
}
