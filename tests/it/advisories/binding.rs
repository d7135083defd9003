//! Codes, handles and addresses that were taken for others: V25 to V27, V29 to V33.

use std::collections::BTreeSet;

use countersign::{
    Account, BindingCode, ChallengeRequest, Denial, Policy, Swap,
    address_proof::{ProofPolicy, ProofPurpose},
    code::RecoveryCode,
    effect::{Channel, Descriptor, RenderError},
    evidence::Method,
    factor::AuthenticatorKind,
    machine::{CancelReason, EnrolledBy, Enrollment},
    record::AuthenticatorStatus,
    session::ClientId,
};
use rand::{SeedableRng, rngs::ChaCha20Rng};

use super::{
    ADDRESS, challenged, charged_guesses, edited, enrolled, near_miss, requirements, roomy, session_of,
    stored, tampered,
};
use countersign_testkit::{Need, Proving, World, address, client, code};

/// CVE-2025-12374 (User Verification): an empty input is no code, and "no code outstanding" is a state without one.
#[test]
fn v25_an_empty_code_matches_nothing() {
    for typed in ["", " ", "\0", "-", "\u{200b}", "0", "00000", "null", "undefined"] {
        assert!(BindingCode::parse(typed).is_err(), "{typed:?}");
        assert!(RecoveryCode::parse(typed).is_err(), "{typed:?}");
    }
    let empty_looking = [code("000000"), code("111111")];

    // Nothing outstanding, by every way there: answered, cancelled, expired.
    let (mut world, _) = enrolled(roomy(|_| {}));
    let answered = world.login();
    let (first, right) = challenged(&mut world, &answered);
    world.verify(&answered, first.oob_code.expose(), &right).unwrap();
    let cancelled = world.login();
    let second = world.challenge(&cancelled).unwrap();
    let handle = world.verifier.open_oob_code(&cancelled, second.oob_code.expose()).unwrap();
    let account = world.account();
    let step = world.verifier.cancel(&cancelled, account, &handle, world.now);
    world.run(step).unwrap();
    let expired = world.login();
    let third = world.challenge(&expired).unwrap();
    let early = world.now;
    world.now = third.expires;
    let right = world.mail().code;
    assert!(world.verify(&expired, third.oob_code.expose(), &right).is_err());
    world.now = early;
    world.tokens.clear();
    for code in &empty_looking {
        for (session, oob_code, denial) in [
            (&answered, &first.oob_code, Denial::OobCodeUsed),
            (&cancelled, &second.oob_code, Denial::ChallengeCancelled(CancelReason::Requested)),
            (&expired, &third.oob_code, Denial::ExpiredOobCode),
        ] {
            assert_eq!(world.verify(session, oob_code.expose(), code).unwrap_err(), denial);
        }
    }
    assert!(!stored(&mut world).to_string().contains("seed"), "no state but the waiting one holds a code");

    // No recovery codes at all.
    let mut world = World::new(Policy::default());
    world.provision(ADDRESS).unwrap();
    let session = world.login();
    let code = RecoveryCode::parse(&"2".repeat(24)).unwrap();
    assert_eq!(world.recover(&session, &code).unwrap_err(), Denial::NoRecoveryCode);
    assert!(world.tokens.is_empty());
}

/// CVE-2025-13587 (2FA via Email): a handle is authentic, of this user, of this transaction, or nothing is looked at.
#[test]
fn v26_a_handle_is_good_in_its_own_transaction_only() {
    let (mut world, _) = enrolled(roomy(|_| {}));
    let token = world.begin();
    let session = world.verifier.open(token.expose(), Some(&client()), world.now).unwrap();
    let (challenged, right) = challenged(&mut world, &session);
    let oob_code = challenged.oob_code.expose();
    for place in 0..oob_code.len() {
        let forged = tampered(oob_code, place);
        assert_eq!(world.verifier.open_oob_code(&session, &forged).unwrap_err(), Denial::MalformedOobCode);
    }
    let second_login = world.login();
    let second_user = session_of(&mut world, "user-2", "client-1");
    assert_eq!(world.verifier.open_oob_code(&second_login, oob_code).unwrap_err(), Denial::ForeignOobCode);
    assert_eq!(world.verifier.open_oob_code(&second_user, oob_code).unwrap_err(), Denial::MalformedOobCode);
    // A handle that was opened in its own session is none in another's.
    let handle = world.verifier.open_oob_code(&session, oob_code).unwrap();
    for (session, denial) in [(&second_login, Denial::ForeignOobCode), (&second_user, Denial::WrongRecord)] {
        let account = world.account();
        let step = world.verifier.verify_oob(session, account, &handle, &right, world.now, None);
        assert!(!step.writes());
        assert_eq!(world.run(step).unwrap_err(), denial);
        let account = world.account();
        let step = world.verifier.cancel(session, account, &handle, world.now);
        assert_eq!(world.run(step).unwrap_err(), denial);
    }
    // The token is its client's.
    let other = ClientId::new("client-2").unwrap();
    let stolen = world.verifier.open(token.expose(), Some(&other), world.now);
    assert_eq!(stolen.unwrap_err(), Denial::WrongClient);
    let unnamed = world.verifier.open(token.expose(), None, world.now).unwrap();
    assert_eq!(world.verify(&unnamed, oob_code, &right).unwrap_err(), Denial::ClientRequired);
    assert!(world.tokens.is_empty());
    assert!(world.verify(&session, oob_code, &right).is_ok());
}

/// CVE-2025-12421 (Mattermost): the purpose and the authenticator are inside the code, so none crosses into another
/// flow.
#[test]
fn v27_a_code_crosses_into_no_other_flow() {
    // Without an account: what was sent for one purpose is nothing for the other, neither as it is nor under the other's
    // handle, nor by an edited record.
    let mut proving = Proving::new(ProofPolicy::default());
    let purposes = [ProofPurpose::Confirm, ProofPurpose::Reset];
    let asked = purposes.map(|purpose| proving.ask(purpose));
    let letters = proving.letters.clone();
    for (place, purpose) in purposes.into_iter().enumerate() {
        let other = &letters[1 - place];
        let crossed = proving.link(purpose, &other.token, Some(&asked[place]));
        assert_eq!(crossed.unwrap_err(), Denial::InvalidAddressProof);
        let crossed = proving.code(purpose, &asked[place], &other.code);
        assert_eq!(crossed.unwrap_err(), Denial::InvalidAddressProof);
        let record = proving.record.clone();
        for (field, value) in [("address", "other@example.com".into()), ("generation", 7.into())] {
            proving.record = edited(&record, |record| record[field] = value).unwrap();
            let moved = proving.code(purpose, &asked[place], &letters[place].code);
            assert_eq!(moved.unwrap_err(), Denial::InvalidAddressProof, "{field}");
        }
        proving.record = record;
    }
    let reset = proving.code(ProofPurpose::Reset, &asked[1], &letters[1].code).unwrap();
    assert_eq!(reset.purpose, ProofPurpose::Reset);

    // In an account: what confirms one address confirms no other and authenticates nobody.
    let (mut world, _) = enrolled(roomy(|_| {}));
    let (session, elevated) = (world.login(), world.elevated());
    let (login, for_login) = challenged(&mut world, &session);
    let first = world.associate(&elevated, "one@example.com").unwrap();
    let for_first = world.mail().code;
    let second = world.associate(&elevated, "two@example.com").unwrap();
    let for_second = world.mail().code;
    let handles = [(&session, &login.oob_code), (&elevated, &first.oob_code), (&elevated, &second.oob_code)];
    let codes = [&for_login, &for_first, &for_second];
    for (place, (session, oob_code)) in handles.into_iter().enumerate() {
        for (other, code) in codes.into_iter().enumerate() {
            if place != other {
                let crossed = world.verify(session, oob_code.expose(), code).unwrap_err();
                assert!(matches!(crossed, Denial::InvalidBindingCode { .. }));
            }
        }
    }
    assert_eq!(charged_guesses(&mut world), 2, "the login's");
    assert_eq!(
        super::charged(&mut world, "known_guess", time::Duration::seconds(360)),
        4,
        "the elevated session's"
    );
    assert!(world.tokens.is_empty());
    // The waiting codes of two authenticators, exchanged in the store.
    let swapped = edited(&world.account(), |record| {
        let challenges = record["challenges"].as_array_mut().unwrap();
        let places: Vec<_> =
            (0..challenges.len()).filter(|&place| challenges[place]["purpose"] == "confirm").collect();
        let (one, two) = (places[places.len() - 2], places[places.len() - 1]);
        let authenticator = challenges[one]["authenticator"].clone();
        challenges[one]["authenticator"] = challenges[two]["authenticator"].clone();
        challenges[two]["authenticator"] = authenticator;
    });
    world.store.put(swapped.unwrap());
    assert!(world.verify(&elevated, first.oob_code.expose(), &for_first).is_err());
    assert!(world.verify(&elevated, second.oob_code.expose(), &for_second).is_err());
}

/// CVE-2024-45042 (Ory Kratos): an emailed code counts as the factor that it is, and its evidence names the channel, so
/// that one mailbox is not taken for two factors.
#[test]
fn v29_evidence_names_factor_and_channel() {
    let mut world = World::new(Policy::default());
    let id = world.provision(ADDRESS).unwrap();
    let email = vec![AuthenticatorKind::Email];
    assert_eq!(requirements(&mut world), Need::Challenge(email));
    let session = world.login();
    assert_eq!(world.associate(&session, "thief@example.com").unwrap_err(), Denial::AlreadyEnrolled);
    let verified = world.sign_in().unwrap().evidence;
    assert_eq!((verified.authenticator, verified.channel), (Some(id), Some(Channel::Email)));
    assert_eq!((verified.method, verified.amr().collect::<Vec<_>>()), (Method::Oob, vec!["mca"]));
    assert_eq!(*world.tokens[0].evidence(), verified);

    let (mut world, codes) = enrolled(Policy::default());
    let kinds = vec![AuthenticatorKind::Email, AuthenticatorKind::RecoveryCode];
    assert_eq!(requirements(&mut world), Need::Challenge(kinds));
    let session = world.login();
    let recovered = world.recover(&session, &codes[0]).unwrap().evidence;
    assert_eq!((recovered.method, recovered.channel), (Method::RecoveryCode, None));
    assert!(recovered.amr().next().is_none());
    let recovery = recovered.authenticator.unwrap();
    assert_eq!(recovery.kind(), AuthenticatorKind::RecoveryCode);
}

/// GHSA-xg6x-h9c9-2m83 (better-auth): nothing but a verified code yields a token, and a first factor stays one.
#[test]
fn v30_nothing_is_authenticated_before_its_second_factor() {
    let (mut world, codes) = enrolled(roomy(|_| {}));
    let id = world.account().authenticators()[0].id();
    let session = world.login();
    assert!(!session.is_elevated());
    let (challenged, right) = challenged(&mut world, &session);
    world.verify(&session, challenged.oob_code.expose(), &countersign_testkit::wrong(&right)).unwrap_err();
    world.recover(&session, &near_miss(&codes[0], 0)).unwrap_err();
    let account = world.account();
    world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert!(world.tokens.is_empty());
    assert!(world.verify(&session, challenged.oob_code.expose(), &right).unwrap().completed);
    assert_eq!(world.tokens.len(), 1);

    // Before and after, the `mfa_token` does only what a first factor may.
    let fresh = world.login();
    for session in [&session, &fresh] {
        assert_eq!(world.remove(session, id).unwrap_err(), Denial::InsufficientScope);
        assert_eq!(world.associate(session, "a@example.com").unwrap_err(), Denial::AlreadyEnrolled);
        let account = world.account();
        let step = world.verifier.regenerate_recovery_codes(
            session,
            account,
            world.now,
            &countersign_testkit::entropy(&mut world.rng),
        );
        assert_eq!(world.run(step).unwrap_err(), Denial::InsufficientScope);
    }
    // An elevated session confirms an address and gets no token of its own from it.
    let elevated = world.elevated();
    let associated = world.associate(&elevated, "other@example.com").unwrap();
    let confirming = world.mail().code;
    let confirmed = world.verify(&elevated, associated.oob_code.expose(), &confirming).unwrap();
    assert!(!confirmed.completed);
    assert_eq!(world.tokens.len(), 1);

    // Where email may only confirm, confirming is no login.
    let mut world = World::new(Policy::strict());
    let session = world.login();
    let associated = world.associate(&session, ADDRESS).unwrap();
    let confirming = world.mail().code;
    let confirmed = world.verify(&session, associated.oob_code.expose(), &confirming).unwrap();
    assert!(!confirmed.completed && world.tokens.is_empty());
    assert_eq!(world.challenge(&session).unwrap_err(), Denial::NotEnrolled);
}

/// CVE-2026-44584 (Paymenter): an address is fixed in its authenticator and inside each code, so a change proves
/// nothing.
#[test]
fn v31_a_changed_address_is_not_verified() {
    let (mut world, _) = enrolled(roomy(|_| {}));
    let session = world.login();
    let (challenged, right) = challenged(&mut world, &session);
    let descriptor = world.store.outbox.borrow().last().unwrap().clone();
    assert!(matches!(descriptor, Descriptor::Send(_)));
    let record = world.account();
    assert!(matches!(
        world.verifier.render(&record, &descriptor, world.now),
        Ok(countersign::Effect::Send(_))
    ));
    // The address of the record is edited while a code is under way to the old one.
    let moved = edited(&record, |record| {
        record["authenticators"][0]["factor"]["email"]["address"] = "thief@example.com".into();
    });
    let moved = moved.unwrap();
    let rendered = world.verifier.render(&moved, &descriptor, world.now);
    assert_eq!(rendered.unwrap_err(), RenderError::NotLive);
    let handle = world.verifier.open_oob_code(&session, challenged.oob_code.expose()).unwrap();
    let step = world.verifier.verify_oob(&session, moved, &handle, &right, world.now, None);
    let outcome = step.commit(|_| Ok::<_, ()>(Swap::Stored)).unwrap().done().unwrap();
    assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });

    // The same while an enrollment waits for its proof.
    let elevated = world.elevated();
    let associated = world.associate(&elevated, "mine@example.com").unwrap();
    let confirming = world.mail().code;
    let moved = edited(&world.account(), |record| {
        record["authenticators"][1]["factor"]["email"]["address"] = "victim@example.com".into();
    });
    world.store.put(moved.unwrap());
    assert!(world.verify(&elevated, associated.oob_code.expose(), &confirming).is_err());
    assert!(matches!(world.account().authenticators()[1].enrollment(), Enrollment::Unconfirmed(_)));

    // A host that provisions another address ends what waited for the old one.
    let mut world = World::new(roomy(|_| {}));
    let old = world.provision("old@example.com").unwrap();
    let session = world.login();
    let (first, right) = super::challenged(&mut world, &session);
    let new = world.provision("new@example.com").unwrap();
    assert_ne!(old, new);
    let late = world.verify(&session, first.oob_code.expose(), &right);
    assert_eq!(late.unwrap_err(), Denial::ExpiredToken);
    let session = world.login();
    world.challenge(&session).unwrap();
    assert_eq!(world.mail().to, address("new@example.com"));
    let request = ChallengeRequest::default().authenticator(old);
    assert_eq!(world.challenge_with(&session, &request).unwrap_err(), Denial::UnknownAuthenticator);

    // Also where the user had enrolled the new address already.
    let mut world = World::new(roomy(|_| {}));
    let old = world.provision("old@example.com").unwrap();
    let (session, elevated) = (world.login(), world.elevated());
    let (first, right) = super::challenged(&mut world, &session);
    let associated = world.associate(&elevated, "new@example.com").unwrap();
    let confirming = world.mail().code;
    world.verify(&elevated, associated.oob_code.expose(), &confirming).unwrap();
    assert_eq!(world.provision("new@example.com").unwrap(), associated.authenticator);
    assert_eq!(world.verify(&session, first.oob_code.expose(), &right).unwrap_err(), Denial::ExpiredToken);
    let session = world.login();
    assert_eq!(world.challenge(&session).unwrap().authenticator, associated.authenticator);
    let request = ChallengeRequest::default().authenticator(old);
    assert_eq!(world.challenge_with(&session, &request).unwrap_err(), Denial::UnknownAuthenticator);
    assert!(world.tokens.is_empty());
}

/// CVE-2026-56081 (Cap-go): an enrollment counts once its address is proven and not before, and shuts nobody else out.
#[test]
fn v32_an_unproven_address_is_no_factor() {
    let mut world = World::new(roomy(|_| {}));
    let thief = world.login();
    let begun = world.associate(&thief, "thief@example.com").unwrap();
    let thiefs_code = world.mail().code;
    let shown = begun.answer.recovery_codes.unwrap();
    assert!(!world.account().is_enrolled());
    let both = vec![AuthenticatorKind::Email, AuthenticatorKind::Totp];
    assert_eq!(requirements(&mut world), Need::Enroll(both));
    assert_eq!(world.challenge(&thief).unwrap_err(), Denial::NotEnrolled);
    assert_eq!(world.recover(&thief, &shown[0]).unwrap_err(), Denial::NotEnrolled);

    // The user enrolls; what the thief had begun is gone, with the codes that were shown for it.
    let (mine, _) = world.enroll(ADDRESS);
    assert!(world.verify(&thief, begun.oob_code.expose(), &thiefs_code).is_err());
    assert_eq!(world.account().authenticators().len(), 1);
    assert_eq!(world.recover(&thief, &shown[0]).unwrap_err(), Denial::ExpiredToken);
    let thief = world.login();
    assert_eq!(world.recover(&thief, &shown[0]).unwrap_err(), Denial::InvalidRecoveryCode);
    assert_eq!(world.associate(&thief, "thief@example.com").unwrap_err(), Denial::AlreadyEnrolled);

    // One that is not confirmed is never challenged and never chosen.
    let elevated = world.elevated();
    let pending = world.associate(&elevated, "later@example.com").unwrap();
    let account = world.account();
    let Enrollment::Unconfirmed(state) = account.authenticators()[1].enrollment() else { panic!() };
    assert_eq!(state.enrolled_by(), EnrolledBy::Elevated);
    let session = world.login();
    let request = ChallengeRequest::default().authenticator(pending.authenticator);
    assert_eq!(world.challenge_with(&session, &request).unwrap_err(), Denial::UnknownAuthenticator);
    assert_eq!(world.challenge(&session).unwrap().authenticator, mine);
    let account = world.account();
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows[1].status, AuthenticatorStatus::Unconfirmed);
}

/// keycloak#26104: recovery codes come from injected entropy and the record, and no client can choose or keep one.
#[test]
fn v33_recovery_codes_come_from_the_core_alone() {
    let mut world = World::new(roomy(|_| {}));
    let session = world.login();
    let associated = world.associate(&session, ADDRESS).unwrap();
    let shown = associated.answer.recovery_codes.unwrap();
    let text = stored(&mut world).to_string();
    assert!(shown.iter().all(|code| !text.contains(code.expose())), "none of them is stored");
    let pending = world.account();
    let right = world.mail().code;
    world.verify(&session, associated.oob_code.expose(), &right).unwrap();
    let text = stored(&mut world).to_string();
    assert!(shown.iter().all(|code| !text.contains(code.expose())), "nor when they are live");
    assert!(!text.contains("seed"));
    let account = world.account();
    let rows = world.verifier.authenticators(&session, &account, world.now).unwrap();
    assert_eq!(rows[0].created, Some(world.now));
    // Exactly what was shown is live; a code of the client's own making is not.
    for (place, code) in shown.iter().enumerate() {
        world.pass(1);
        let session = world.login();
        let chosen = RecoveryCode::parse(&"ABCDEFGH".repeat(3)).unwrap();
        assert_eq!(world.recover(&session, &chosen).unwrap_err(), Denial::InvalidRecoveryCode);
        let other = near_miss(code, place);
        assert_eq!(world.recover(&session, &other).unwrap_err(), Denial::InvalidRecoveryCode);
        assert!(world.recover(&session, code).is_ok());
    }
    // The seed in the record decides: with another, the codes that were shown are not those that go live.
    let mut world = World::new(roomy(|_| {}));
    world.rng = ChaCha20Rng::seed_from_u64(8);
    let reseeded = edited(&pending, |record| {
        record["authenticators"][0]["enrollment"]["unconfirmed"]["recovery"]["seed"] = "A".repeat(22).into();
    });
    world.store.put(reseeded.unwrap());
    world.verify(&session, associated.oob_code.expose(), &right).unwrap();
    let later = world.login();
    assert_eq!(world.recover(&later, &shown[0]).unwrap_err(), Denial::InvalidRecoveryCode);

    // And it comes from the generator, anew for each set.
    let mut seen = BTreeSet::new();
    let mut seeds = BTreeSet::new();
    for number in 0..20 {
        let mut world = World::new(Policy::default());
        world.rng = ChaCha20Rng::seed_from_u64(number);
        let session = world.login();
        let associated = world.associate(&session, ADDRESS).unwrap();
        let record = stored(&mut world);
        let state = &record["authenticators"][0]["enrollment"]["unconfirmed"];
        seeds.insert(state["recovery"]["seed"].as_str().unwrap().to_owned());
        seen.extend(associated.answer.recovery_codes.unwrap().iter().map(|code| code.expose().to_owned()));
    }
    assert_eq!((seeds.len(), seen.len()), (20, 200));
    let unknown = edited(&pending, |record| record["codes"] = serde_json::json!(["ABCD"]));
    assert!(unknown.is_err(), "the record has no room for a code");
    let _: Account = edited(&pending, |_| {}).unwrap();
}
