//! The wire: every row of the error table, every reply's shape, and what requests refuse.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use countersign::{
    Denial, Policy,
    command::ChallengeTypes,
    factor::AuthenticatorName,
    machine::CancelReason,
    wire::{
        AssociateBody, AssociateFactor, AssociateReply, AuthenticatorEntry, AuthenticatorUpdate,
        ChallengeBody, ChallengeReply, Endpoint, MfaRequired, Refusal, TokenBody, TokenGrant, TokenReply,
        UpdateBody, refuse, timestamp,
    },
};
use countersign_testkit::World;
use serde_json::{from_str, json, to_value};
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

#[test]
fn refusals_are_exact_to_the_full_stop() {
    use Endpoint::{Associate, Authenticators, Challenge, Remove, Token};
    let invalid_bearer = "The mfa_token provided is invalid. Try getting a new token.";
    let not_enrolled =
        "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";
    let wait = "Too many failed codes. Wait for some minutes before retrying.";
    let again = "Too many failed codes. Sign in again.";
    for (endpoint, denial, status, error, description) in [
        (Associate, Denial::MalformedToken, 401, "invalid_grant", invalid_bearer),
        (Authenticators, Denial::MalformedToken, 401, "invalid_grant", invalid_bearer),
        (Remove, Denial::MalformedToken, 401, "invalid_grant", invalid_bearer),
        (Challenge, Denial::MalformedToken, 403, "invalid_grant", "Malformed mfa_token"),
        (Token, Denial::MalformedToken, 403, "invalid_grant", "Malformed mfa_token"),
        (Associate, Denial::ExpiredToken, 401, "expired_token", "mfa_token is expired"),
        (Token, Denial::ExpiredToken, 400, "expired_token", "mfa_token is expired"),
        (Challenge, Denial::TransactionSpent, 400, "expired_token", "mfa_token is expired"),
        (Token, Denial::WrongClient, 400, "invalid_request", "mfa_token not issued to this client"),
        (Token, Denial::ClientRequired, 400, "invalid_request", "Missing required parameter: client_id"),
        (
            Remove,
            Denial::InsufficientScope,
            403,
            "insufficient_scope",
            "Insufficient scope, expected: remove:authenticators",
        ),
        (Challenge, Denial::InsufficientScope, 403, "invalid_grant", "Malformed mfa_token"),
        (
            Remove,
            Denial::InsufficientUserAuthentication { max_age: time::Duration::minutes(15) },
            401,
            "insufficient_user_authentication",
            "A more recent authentication is required.",
        ),
        (Token, Denial::WrongRecord, 500, "server_error", "Internal error."),
        (Associate, Denial::AlreadyEnrolled, 403, "access_denied", "User is already enrolled."),
        (Associate, Denial::AddressInUse, 403, "access_denied", "The email address is already enrolled."),
        (
            Associate,
            Denial::TooManyAuthenticators,
            403,
            "access_denied",
            "Too many authenticators are enrolled.",
        ),
        (Challenge, Denial::NotEnrolled, 400, "association_required", not_enrolled),
        (Token, Denial::NotEnrolled, 401, "unsupported_challenge_type", not_enrolled),
        (
            Challenge,
            Denial::UnsupportedChallengeType,
            400,
            "unsupported_challenge_type",
            "None of the requested challenge types is available to the user.",
        ),
        (
            Challenge,
            Denial::UnknownAuthenticator,
            400,
            "invalid_authenticator",
            "The authenticator was not found.",
        ),
        (
            Remove,
            Denial::UnknownAuthenticator,
            404,
            "invalid_authenticator",
            "The authenticator was not found.",
        ),
        (
            Challenge,
            Denial::AuthenticatorDisabled,
            400,
            "invalid_authenticator",
            "The authenticator is disabled.",
        ),
        (
            Remove,
            Denial::ProvisionedAuthenticator,
            400,
            "invalid_authenticator",
            "The authenticator stands for a verified address and can't be removed.",
        ),
        (Token, Denial::Locked { until: NOW }, 429, "invalid_request", wait),
        (Token, Denial::TooManyRecoveryAttempts { until: Some(NOW) }, 429, "invalid_request", wait),
        (Token, Denial::TooManyRecoveryAttempts { until: None }, 403, "access_denied", again),
        (Token, Denial::AttemptsExhausted, 403, "access_denied", again),
        (
            Challenge,
            Denial::TooManySends { until: NOW },
            429,
            "invalid_request",
            "Too many emails sent by the user. Wait for some minutes before retrying.",
        ),
        (
            Challenge,
            Denial::CoolingDown { until: NOW },
            429,
            "invalid_request",
            "An email was sent a moment ago. Wait for some seconds before retrying.",
        ),
        (Token, Denial::MalformedOobCode, 403, "invalid_grant", "Malformed oob_code"),
        (Token, Denial::ForeignOobCode, 400, "invalid_request", "The oob_code doesn't match the mfa_token"),
        (Token, Denial::ExpiredOobCode, 403, "expired_token", "oob_code is expired"),
        (Token, Denial::OobCodeUsed, 403, "expired_token", "oob_code is expired"),
        (
            Token,
            Denial::ChallengeCancelled(CancelReason::Superseded),
            403,
            "expired_token",
            "oob_code is expired",
        ),
        (
            Token,
            Denial::ChallengeCancelled(CancelReason::Hardened),
            403,
            "expired_token",
            "oob_code is expired. Ask for a new one: its binding_code has 20 digits.",
        ),
        (
            Challenge,
            Denial::ClockDisagrees { until: NOW },
            503,
            "temporarily_unavailable",
            "The server's clocks disagree. Try again later.",
        ),
        (Token, Denial::InvalidLongCode, 403, "invalid_grant", "Invalid binding_code."),
        (Endpoint::Otp, Denial::InvalidLongCode, 403, "invalid_grant", "Invalid otp_code."),
        (Endpoint::Otp, Denial::MalformedCode, 403, "invalid_grant", "Invalid otp_code."),
        (
            Endpoint::Otp,
            Denial::FourCodesRequired,
            403,
            "invalid_grant",
            "Invalid otp_code. Enter four codes that follow each other, separated by spaces.",
        ),
        (Token, Denial::MalformedCode, 403, "invalid_grant", "Invalid binding_code."),
        (
            Token,
            Denial::InvalidBindingCode { attempts_left: 2 },
            403,
            "invalid_grant",
            "Invalid binding_code.",
        ),
        (
            Token,
            Denial::NoRecoveryCode,
            403,
            "unsupported_challenge_type",
            "User does not have a recovery-code.",
        ),
        (Token, Denial::InvalidRecoveryCode, 403, "invalid_grant", "MFA Authorization rejected."),
        (Remove, Denial::UnknownDevice, 404, "invalid_request", "The device was not found."),
        (Token, Denial::UnknownDevice, 403, "invalid_grant", "The device is not remembered."),
        (
            Token,
            Denial::SecondFactorRequired,
            403,
            "invalid_grant",
            "A remembered device is not enough. Use a second factor.",
        ),
        (Token, Denial::InvalidAddressProof, 403, "invalid_grant", "Invalid link or code."),
    ] {
        let refusal = refuse(endpoint, &denial);
        assert_eq!((refusal.status, refusal.error), (status, error), "{endpoint:?} {denial:?}");
        assert_eq!(refusal.error_description, description, "{endpoint:?} {denial:?}");
        assert_eq!(refusal.retry_at, denial.retry_at());
        let body = to_value(&refusal).unwrap();
        assert_eq!(body, serde_json::json!({"error": error, "error_description": description}));
    }
}

#[test]
fn a_token_request_names_what_is_missing() {
    let body = |json: &str| from_str::<TokenBody>(json).unwrap();
    let missing = |json: &str| body(json).grant().unwrap_err().error_description.into_owned();
    let oob = "http://auth0.com/oauth/grant-type/mfa-oob";
    assert_eq!(missing("{}"), "Missing required parameter: grant_type");
    assert_eq!(missing(r#"{"grant_type":"password"}"#), "Missing required parameter: username");
    assert_eq!(
        missing(&format!(r#"{{"grant_type":"{oob}","mfa_token":"t","oob_code":"o","binding_code":""}}"#)),
        "Missing required parameter: binding_code"
    );
    assert_eq!(
        body(r#"{"grant_type":"refresh_token"}"#).grant().unwrap_err(),
        Refusal::unsupported_grant_type()
    );
    let whole = body(&format!(
        r#"{{"grant_type":"{oob}","mfa_token":"t","oob_code":"o","binding_code":"012345","x":[1,{{}}]}}"#
    ));
    let Ok(TokenGrant::Oob { binding_code, .. }) = whole.grant() else { panic!("an mfa-oob grant") };
    assert_eq!(binding_code.expose(), "012345");
    assert_eq!(format!("{whole:?}").matches("012345").count(), 0, "secrets do not show");
}

#[test]
fn requests_refuse_what_comes_twice_is_too_long_or_is_no_text() {
    assert!(from_str::<TokenBody>(r#"{"grant_type":"a","grant_type":"b"}"#).is_err());
    assert!(from_str::<TokenBody>(r#"{"binding_code":12345}"#).is_err(), "a number loses its zeros");
    assert!(from_str::<TokenBody>(r#"{"scope":["a"]}"#).is_err());
    for body in ["[]", r#"["password"]"#, "null", r#""x""#, "1", ""] {
        assert!(from_str::<TokenBody>(body).is_err(), "{body}");
    }
    assert!(from_str::<TokenBody>(r#"{"client_id":null}"#).unwrap().client_id.is_none());
    for (length, fits) in [(4096, true), (4097, false)] {
        let body = format!(r#"{{"password":"{}"}}"#, "p".repeat(length));
        assert_eq!(from_str::<TokenBody>(&body).is_ok(), fits);
    }
    let many = format!(r#"{{"authenticator_types":[{}"oob"]}}"#, r#""oob","#.repeat(16));
    assert!(from_str::<AssociateBody>(&many).is_err());
    let twice = r#"{"authenticator_types":["oob"],"authentication_types":["oob"]}"#;
    assert!(from_str::<AssociateBody>(twice).is_err());
}

#[test]
fn an_enrollment_is_by_email_or_an_app_and_a_misspelling_is_read() {
    let factor = |json: &str| from_str::<AssociateBody>(json).unwrap().factor();
    for key in ["authenticator_types", "authentication_types"] {
        let body = format!(r#"{{"{key}":["oob"],"oob_channels":["email"],"email":"user@example.com"}}"#);
        let address = Some(countersign_testkit::address("user@example.com"));
        assert_eq!(factor(&body), Ok(AssociateFactor::Email(address)));
        assert_eq!(factor(&format!(r#"{{"{key}":["otp"]}}"#)), Ok(AssociateFactor::Otp));
    }
    for types in [r#"["oob"]"#, r#"["otp","oob"]"#] {
        let body = format!(r#"{{"authenticator_types":{types},"oob_channels":["email"]}}"#);
        assert_eq!(factor(&body), Ok(AssociateFactor::Email(None)));
    }
    for (body, description) in [
        ("{}", "Missing required parameter: authenticator_types"),
        (r#"{"authenticator_types":["oob"]}"#, "Missing required parameter: oob_channels"),
        (
            r#"{"authenticator_types":["push"]}"#,
            "Only authenticators of the types oob and otp can be enrolled.",
        ),
        (
            r#"{"authenticator_types":["oob"],"oob_channels":["sms"],"phone_number":"+1"}"#,
            "Only the channel email can be enrolled.",
        ),
        (
            r#"{"authenticator_types":["oob"],"oob_channels":["email"],"email":"nobody"}"#,
            "The email address is invalid.",
        ),
    ] {
        let refusal = factor(body).unwrap_err();
        assert_eq!((refusal.status, refusal.error), (400, "invalid_request"));
        assert_eq!(refusal.error_description, description);
    }
}

/// A change is one step, so a request makes one.
#[test]
fn an_update_names_or_prefers() {
    let update = |json: &str| from_str::<UpdateBody>(json).unwrap().update();
    let name = |text| AuthenticatorUpdate::Name(Some(AuthenticatorName::new(text).unwrap()));
    assert_eq!(update(r#"{"name":"work phone"}"#), Ok(name("work phone")));
    assert_eq!(update(r#"{"name":null}"#), Ok(AuthenticatorUpdate::Name(None)));
    assert_eq!(update(r#"{"name":""}"#), Ok(AuthenticatorUpdate::Name(None)));
    for (given, preferred) in [("true", true), ("false", false), (r#""true""#, true), ("null", false)] {
        let body = format!(r#"{{"preferred":{given}}}"#);
        assert_eq!(update(&body), Ok(AuthenticatorUpdate::Preferred(preferred)), "{given}");
    }
    for body in ["{}", r#"{"name":"a","preferred":true}"#, r#"{"name":null,"preferred":false}"#] {
        let refusal = update(body).unwrap_err();
        assert_eq!((refusal.status, refusal.error), (400, "invalid_request"));
        let expected = "Exactly one of the parameters name and preferred must be given.";
        assert_eq!(refusal.error_description, expected, "{body}");
    }
    let long = "n".repeat(129);
    let long_bodies = [format!(r#"{{"name":"{long}"}}"#), r#"{"name":"a\u001bb"}"#.to_owned()];
    let invalid = "The name is longer than 128 bytes or has a control character.";
    for body in long_bodies {
        assert_eq!(update(&body).unwrap_err().error_description, invalid, "{body}");
    }
    let associate = |json: &str| from_str::<AssociateBody>(json).unwrap().name();
    assert_eq!(associate(r#"{"name":"home"}"#), Ok(Some(AuthenticatorName::new("home").unwrap())));
    assert_eq!(associate("{}"), Ok(None));
    assert_eq!(associate(&format!(r#"{{"name":"{long}"}}"#)).unwrap_err().error_description, invalid);
    assert_eq!(refuse(Endpoint::Update, &Denial::UnknownAuthenticator).status, 404);
    let scope = refuse(Endpoint::Update, &Denial::InsufficientScope);
    assert_eq!(scope.error_description, "Insufficient scope, expected: enroll");
    assert_eq!(refuse(Endpoint::Update, &Denial::ExpiredToken).status, 401);
}

#[test]
fn a_list_has_the_names_that_were_given_and_the_preferred_one() {
    let mut world = World::new(Policy::default());
    let (id, _) = world.enroll("user@example.com");
    let session = world.elevated();
    let entry = |world: &mut World| {
        let account = world.account();
        let views = world.verifier.authenticators(&session, &account, world.now).unwrap();
        to_value(AuthenticatorEntry::new(&views[0])).unwrap()
    };
    let plain = entry(&mut world);
    assert_eq!(plain["name"], "****@exam*******");
    assert_eq!((plain.get("destination"), plain.get("preferred")), (None, None));
    world.rename(&session, id, Some("home")).unwrap();
    world.prefer(&session, id, true).unwrap();
    let named = entry(&mut world);
    assert_eq!((&named["name"], &named["destination"]), (&json!("home"), &json!("****@exam*******")));
    assert_eq!(named["preferred"], true);
}

#[test]
fn a_challenge_may_name_types_and_an_authenticator() {
    let body = |json: &str| from_str::<ChallengeBody>(json).unwrap();
    assert_eq!(body("{}").request().unwrap().types, ChallengeTypes::ANY);
    assert!(body("{}").mfa_token().is_err());
    let otp = body(r#"{"challenge_type":"otp"}"#).request().unwrap().types;
    assert!(otp.otp && !otp.oob);
    let named = body(r#"{"challenge_type":"oob otp","authenticator_id":"email|dev_0123456789ABCDef"}"#);
    let request = named.request().unwrap();
    assert!(request.types.otp && request.types.oob);
    assert_eq!(request.authenticator.unwrap().to_string(), "email|dev_0123456789ABCDef");
    let foreign = body(r#"{"authenticator_id":"sms|dev_0123456789ABCDef"}"#);
    assert_eq!(foreign.request(), Err(Refusal::invalid_authenticator()));
}

#[test]
fn each_grant_has_what_it_needs() {
    let body = |grant: &str, fields: &str| {
        let text = format!(r#"{{"grant_type":"{grant}","client_id":"c","client_assertion":"a",{fields}}}"#);
        from_str::<TokenBody>(&text).unwrap()
    };
    let whole = body("password", r#""username":"u","password":"p""#);
    let Ok(TokenGrant::Password { username, password }) = whole.grant() else { panic!("a password grant") };
    assert_eq!((username.expose(), password.expose()), ("u", "p"));
    let whole = body("http://auth0.com/oauth/grant-type/mfa-otp", r#""mfa_token":"t","otp":"123456""#);
    let Ok(TokenGrant::Otp { mfa_token, otp, authenticator }) = whole.grant() else {
        panic!("an mfa-otp grant")
    };
    assert_eq!((mfa_token.expose(), otp.expose(), authenticator), ("t", "123456", None));
    for (id, read) in [("totp|dev_0123456789ABCDef", true), ("totp", false)] {
        let fields = format!(r#""mfa_token":"t","otp":"123456","authenticator_id":"{id}""#);
        let whole = body("http://auth0.com/oauth/grant-type/mfa-otp", &fields);
        match whole.grant() {
            Ok(TokenGrant::Otp { authenticator, .. }) if read => {
                assert_eq!(authenticator.unwrap().to_string(), id);
            }
            other => assert_eq!(other.unwrap_err(), Refusal::invalid_authenticator(), "{id}"),
        }
    }
    let grant = "http://auth0.com/oauth/grant-type/mfa-recovery-code";
    let whole = body(grant, r#""mfa_token":"t","recovery_code":"r""#);
    let Ok(TokenGrant::RecoveryCode { mfa_token, recovery_code }) = whole.grant() else {
        panic!("an mfa-recovery-code grant")
    };
    assert_eq!((mfa_token.expose(), recovery_code.expose()), ("t", "r"));
    let client = whole.client();
    assert_eq!(client.client_id.unwrap().expose(), "c");
    assert!(client.client_secret.is_none() && client.has_assertion);
    assert_eq!(format!("{recovery_code:?}"), "Parameter(..)");
}

#[test]
fn an_absent_list_may_be_null_and_a_wrong_type_is_named() {
    let absent = from_str::<AssociateBody>(r#"{"authenticator_types":null}"#).unwrap();
    assert!(absent.authenticator_types.is_empty());
    for (body, expected) in [
        (r#"{"client_id":1}"#, "expected a string"),
        (r#"{"authenticator_types":"oob"}"#, "expected an array of strings"),
        ("[]", "expected names and values"),
    ] {
        let error = from_str::<AssociateBody>(body).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn replies_count_whole_seconds_down_to_what_holds_and_up_to_what_helps() {
    let mut world = World::new(countersign_testkit::policy(|settings| {
        settings.cool_down = Duration::milliseconds(30_500)
    }));
    let policy = world.verifier.policy().clone();
    let session = world.login();
    let associated = world.associate(&session, "user@example.com").unwrap();
    let later = world.now + Duration::milliseconds(1);
    let reply = to_value(AssociateReply::new(&associated, &policy, later)).unwrap();
    assert_eq!((&reply["expires_in"], &reply["resend_in"]), (&json!(299), &json!(31)));
    assert_eq!((&reply["authenticator_type"], &reply["oob_channel"]), (&json!("oob"), &json!("email")));
    assert_eq!(reply["recovery_codes"].as_array().unwrap().len(), 10);
    let long_after = world.now + Duration::days(1);
    assert_eq!(AssociateReply::new(&associated, &policy, long_after).expires_in, 0);

    let code = world.mail().code;
    world.verify(&session, associated.oob_code.expose(), &code).unwrap();
    world.pass(60);
    let session = world.login();
    world.challenge(&session).unwrap();
    world.now += Duration::milliseconds(10_250);
    let again = world.challenge(&session).unwrap();
    let reply = to_value(ChallengeReply::new(&again, &policy, world.now)).unwrap();
    assert_eq!((&reply["expires_in"], &reply["resend_in"]), (&json!(289), &json!(21)), "of 20.25 s");
    assert_eq!(reply["challenge_type"], "oob");
    let over = world.now + Duration::seconds(30);
    assert_eq!(ChallengeReply::new(&again, &policy, over).resend_in, None, "it sends at once");
    let off = countersign_testkit::policy(|settings| settings.cool_down = Duration::ZERO);
    assert_eq!(AssociateReply::new(&associated, &off, later).resend_in, None);
}

/// A client that knows nothing of long codes passes on what was typed; one that does asks for 20 digits.
#[test]
fn an_answer_says_that_a_code_is_long_and_says_nothing_of_a_short_one() {
    let hardened = |settings: &mut countersign::policy::Settings| {
        settings.guess_bucket = countersign::policy::Rate::new(1, Duration::HOUR);
    };
    let mut world = World::new(countersign_testkit::policy(hardened));
    let policy = world.verifier.policy().clone();
    let session = world.login();
    let short = world.associate(&session, "user@example.com").unwrap();
    let reply = to_value(AssociateReply::new(&short, &policy, world.now)).unwrap();
    assert_eq!((reply.get("binding_code_length"), reply.get("binding_code_description")), (None, None));
    let code = world.mail().code;
    let guess = countersign_testkit::wrong(&code);
    world.verify(&session, short.oob_code.expose(), &guess).unwrap_err();
    let long = world.associate(&session, "user@example.com").unwrap();
    let in_words = "The binding_code has 20 digits. They may be typed in groups of four.";
    let reply = to_value(AssociateReply::new(&long, &policy, world.now)).unwrap();
    assert_eq!(
        (&reply["binding_code_length"], &reply["binding_code_description"]),
        (&json!(20), &json!(in_words))
    );
    let code = world.mail().code;
    world.verify(&session, long.oob_code.expose(), &code).unwrap();
    world.pass(60);
    let session = world.login();
    let asked = world.challenge(&session).unwrap();
    let reply = to_value(ChallengeReply::new(&asked, &policy, world.now)).unwrap();
    assert_eq!(
        (&reply["binding_code_length"], &reply["binding_code_description"]),
        (&json!(20), &json!(in_words))
    );
    world.pass(86_400);
    let session = world.login();
    let asked = world.challenge(&session).unwrap();
    let reply = to_value(ChallengeReply::new(&asked, &policy, world.now)).unwrap();
    assert_eq!((reply.get("binding_code_length"), reply.get("binding_code_description")), (None, None));
}

#[test]
fn a_login_is_told_what_it_needs_and_a_list_what_there_is() {
    let mut world = World::new(Policy::default());
    let token = world.begin();
    let requirements = world.requirements();
    let reply = to_value(MfaRequired::new(&token, &requirements)).unwrap();
    assert_eq!(reply["error"], "mfa_required");
    assert_eq!(reply["mfa_token"], token.expose());
    assert_eq!(reply["mfa_requirements"], json!({"enroll": [{"type": "email"}, {"type": "otp"}]}));
    assert_eq!(reply.get("remembered_device"), None);

    world.enroll("user@example.com");
    let session = world.elevated();
    let account = world.account();
    let views = world.verifier.authenticators(&session, &account, world.now).unwrap();
    let entries: Vec<_> = views.iter().map(|view| to_value(AuthenticatorEntry::new(view)).unwrap()).collect();
    let types: Vec<_> = entries.iter().map(|entry| &entry["authenticator_type"]).collect();
    assert_eq!(types, ["oob", "recovery-code"]);
    assert_eq!(entries[0]["created_at"], timestamp(world.now));
    assert_eq!(entries[0]["oob_channels"], json!(["email"]));
}

#[test]
fn a_token_reply_has_what_was_issued_beside_the_token() {
    let bare = || TokenReply::new("a".into(), 60, "openid");
    let plain = json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60, "scope": "openid"});
    assert_eq!(to_value(bare()).unwrap(), plain);
    let code = countersign::code::RecoveryCode::parse(&"A".repeat(24)).unwrap();
    let full = bare().with_id_token(Some("i".into())).with_recovery_code(Some(&code));
    let mut expected = plain;
    expected["id_token"] = json!("i");
    expected["recovery_code"] = json!("A".repeat(24));
    assert_eq!(to_value(full).unwrap(), expected);
}

#[test]
fn a_refusal_shows_its_status_name_and_words() {
    let text = Refusal::missing("otp").to_string();
    assert_eq!(text, "400 invalid_request: Missing required parameter: otp");
}

#[test]
fn instants_are_written_in_utc() {
    let instant = NOW.saturating_add(Duration::milliseconds(1_700_000_000_007));
    assert_eq!(timestamp(instant), "2023-11-14T22:13:20.007Z");
}

/// A client that asks for nothing sees nothing of remembered devices; one that asks is told what to keep, and until when.
#[test]
fn a_client_asks_to_be_remembered_and_presents_the_token() {
    let skipping = countersign_testkit::policy(|settings| {
        settings.remember = Some(countersign::policy::Remember::new(Duration::days(30), true));
    });
    let mut world = World::new(skipping);
    world.enroll("user@example.com");
    world.pass(60);
    let device = world.remember();
    let reply = TokenReply::new("token".into(), 60, "openid");
    let plain = to_value(reply.clone().with_device(None, world.now)).unwrap();
    assert_eq!((plain.get("device_token"), plain.get("device_expires_in")), (None, None));
    let reply = to_value(reply.with_device(Some(&device), world.now)).unwrap();
    assert_eq!(reply["device_token"], device.expose());
    assert_eq!(reply["device_expires_in"], 30 * 86_400);
    let (session, account) = (world.login_on(&device), world.account());
    let requirements = world.verifier.requirements(&session, &account, world.now);
    let required = to_value(MfaRequired::with_token("token", &requirements)).unwrap();
    assert_eq!(required["remembered_device"], true);
    let rows = world.verifier.devices(&session, &account, world.now).unwrap();
    let entry = to_value(countersign::wire::DeviceEntry::new(&rows[0])).unwrap();
    let now = countersign::wire::timestamp(world.now);
    assert_eq!(entry["id"], rows[0].id.to_string());
    assert_eq!((&entry["remembered_since"], &entry["last_used"]), (&json!(now), &json!(now)));
    assert_eq!(entry["expires_at"], countersign::wire::timestamp(device.expires()));
    assert_eq!(entry["current"], true);

    let read = |flag: serde_json::Value| {
        serde_json::from_value::<TokenBody>(json!({ "remember_device": flag }))
            .map(|body| body.remember_device)
    };
    for (flag, expected) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(""), false),
        (json!(null), false),
    ] {
        assert_eq!(read(flag.clone()).unwrap(), expected, "{flag}");
    }
    for flag in [json!(1), json!("yes"), json!("TRUE"), json!([true])] {
        let error = read(flag.clone()).unwrap_err().to_string();
        assert!(error.contains("true or false") && !error.contains("yes"), "{flag}: {error}");
    }
    assert!(!serde_json::from_value::<TokenBody>(json!({})).unwrap().remember_device);
    let body = from_str::<TokenBody>(r#"{"device_token": "abc"}"#).unwrap();
    assert_eq!(body.device_token.as_ref().map(|token| token.expose()), Some("abc"));
    let challenge = from_str::<ChallengeBody>(r#"{"device_token": "abc"}"#).unwrap();
    assert_eq!(challenge.device_token.as_ref().map(|token| token.expose()), Some("abc"));
    let grant = json!({"grant_type": countersign::wire::GRANT_MFA_DEVICE, "mfa_token": "m"});
    let body = serde_json::from_value::<TokenBody>(grant).unwrap();
    assert!(matches!(body.grant(), Ok(TokenGrant::Device { mfa_token }) if mfa_token.expose() == "m"));
    let grant = json!({"grant_type": countersign::wire::GRANT_MFA_DEVICE});
    let body = serde_json::from_value::<TokenBody>(grant).unwrap();
    assert_eq!(body.grant().unwrap_err().error_description, "Missing required parameter: mfa_token");
}

/// The word for an app is that for a device, and stands there once.
#[test]
fn what_a_login_needs_is_named_once() {
    let both = countersign_testkit::policy(|settings| {
        settings.factors.hotp = countersign::policy::FactorUse::Authenticate;
    });
    let requirements = World::new(both).requirements();
    let reply = to_value(MfaRequired::with_token("token", &requirements)).unwrap();
    assert_eq!(reply["mfa_requirements"], json!({"enroll": [{"type": "email"}, {"type": "otp"}]}));
}
