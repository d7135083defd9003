//! The error table, row by row, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{MFA_SCOPE, OOB, OTP, PASSWORD, Server, as_demo, command, json, run, wrong};

const NOT_ENROLLED: &str =
    "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";
const BAD_BEARER: &str = "The mfa_token provided is invalid. Try getting a new token.";
const WAIT: &str = "Too many failed codes. Wait for some minutes before retrying.";

#[test]
fn the_first_factor_and_the_client() {
    let server = Server::start();
    let password = |username: &str, password: &str| {
        server.token(&json!({ "grant_type": "password", "username": username, "password": password }))
    };
    for (name, secret) in [("user@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("x", "x")] {
        password(name, secret).is_refused(403, "invalid_grant", "Wrong email or password.");
    }
    password("USER@example.com", PASSWORD).is_refused(
        403,
        "mfa_required",
        "Multifactor authentication required",
    );
    server.token(&json!({})).is_refused(400, "invalid_request", "Missing required parameter: grant_type");
    server.token(&json!({ "grant_type": "refresh_token" })).is_refused(
        400,
        "unsupported_grant_type",
        "Unsupported grant type.",
    );
    server.token(&json!({ "grant_type": "password", "username": "user@example.com" })).is_refused(
        400,
        "invalid_request",
        "Missing required parameter: password",
    );
    server.post("/oauth/token", &json!({ "grant_type": "password" })).is_refused(
        400,
        "invalid_request",
        "Missing required parameter: client_id",
    );
    for body in [
        json!({ "client_id": "demo", "client_secret": "wrong" }),
        json!({ "client_id": "demo" }),
        json!({ "client_id": "nobody", "client_secret": "demo-secret" }),
        json!({ "client_secret": "demo-secret" }),
        json!({ "client_id": "demo", "client_secret": "demo-secret", "client_assertion": "x" }),
    ] {
        let reply = server.post("/oauth/token", &body);
        reply.is_refused(401, "invalid_client", "Client authentication failed.");
        assert_eq!(reply.header("www-authenticate"), None, "a client that authenticated in the body");
        server.post("/mfa/challenge", &body).is_refused(
            401,
            "invalid_client",
            "Client authentication failed.",
        );
    }
}

#[test]
fn tokens_that_are_none_expired_or_of_another_kind() {
    let server = Server::start();
    for bearer in ["", "x", "a.b.c", "AQEAAAAYdXNy"] {
        for reply in
            [server.associate(bearer, "a@example.com"), server.list(bearer), server.remove(bearer, "x")]
        {
            reply.is_refused(401, "invalid_grant", BAD_BEARER);
            assert!(
                reply.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer "))
            );
        }
    }
    server.get("/mfa/authenticators").is_refused(401, "invalid_grant", BAD_BEARER);
    for token in ["x", "a.b.c"] {
        server.challenge(token).is_refused(403, "invalid_grant", "Malformed mfa_token");
        server.answer(token, &json!("x"), "123456").is_refused(403, "invalid_grant", "Malformed mfa_token");
        server.recover(token, "x").is_refused(403, "invalid_grant", "Malformed mfa_token");
    }
    server.post("/mfa/challenge", &as_demo(&json!({}))).is_refused(
        400,
        "invalid_request",
        "Missing required parameter: mfa_token",
    );

    // An id_token and a token for another audience are no tokens here.
    let (signed_in, _) = server.enroll();
    for token in ["id_token", "access_token"] {
        server.list(signed_in[token].as_str().unwrap()).is_refused(401, "invalid_grant", BAD_BEARER);
    }
    // A token for the MFA audience is no mfa_token, except to confirm an enrollment.
    let elevated = server.elevated(MFA_SCOPE);
    server.challenge(&elevated).is_refused(403, "invalid_grant", "Malformed mfa_token");
    server.recover(&elevated, "x").is_refused(403, "invalid_grant", "Malformed mfa_token");
    let otp = server.token(&json!({ "grant_type": OTP, "mfa_token": elevated, "otp": "123456" }));
    otp.is_refused(403, "invalid_grant", "Malformed mfa_token");
    let token = server.mfa_token();
    let foreign = server.challenge(&token).body["oob_code"].clone();
    server.code(3);
    server.answer(&elevated, &foreign, "123456").is_refused(
        400,
        "invalid_request",
        "The oob_code doesn't match the mfa_token",
    );
    // Nor does it do what its scope does not say, or what an mfa_token may not.
    let reading = server.elevated("read:authenticators openid");
    assert_eq!(server.list(&reading).status, 200);
    server.associate(&reading, "b@example.com").is_refused(
        403,
        "insufficient_scope",
        "Insufficient scope, expected: enroll",
    );
    let id = server.list(&reading).body[0]["id"].as_str().unwrap().to_owned();
    let expected = "Insufficient scope, expected: remove:authenticators";
    server.remove(&reading, &id).is_refused(403, "insufficient_scope", expected);
    server.remove(&token, &id).is_refused(403, "insufficient_scope", expected);
    let enrolling = server.elevated("enroll");
    let expected = "Insufficient scope, expected: read:authenticators";
    server.list(&enrolling).is_refused(403, "insufficient_scope", expected);
}

#[test]
fn sessions_end_with_a_removal() {
    let server = Server::start();
    server.enroll();
    let waiting = server.mfa_token();
    let elevated = server.elevated(MFA_SCOPE);
    let id = server.list(&elevated).body[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.remove(&elevated, &id).status, 204);
    server.challenge(&waiting).is_refused(400, "expired_token", "mfa_token is expired");
    server.recover(&waiting, "23456789ABCDEFGHJKLMNPQR").is_refused(
        400,
        "expired_token",
        "mfa_token is expired",
    );
    server.list(&waiting).is_refused(401, "expired_token", "mfa_token is expired");
    server.associate(&waiting, "a@example.com").is_refused(401, "expired_token", "mfa_token is expired");
}

#[test]
fn without_and_with_an_authenticator() {
    let server = Server::start();
    let token = server.mfa_token();
    server.challenge(&token).is_refused(400, "association_required", NOT_ENROLLED);
    let otp = |token: &str| server.token(&json!({ "grant_type": OTP, "mfa_token": token, "otp": "123456" }));
    otp(&token).is_refused(401, "unsupported_challenge_type", NOT_ENROLLED);
    server.recover(&token, "23456789ABCDEFGHJKLMNPQR").is_refused(
        401,
        "unsupported_challenge_type",
        NOT_ENROLLED,
    );
    for (body, description) in [
        (json!({}), "Missing required parameter: authenticator_types"),
        (json!({ "authenticator_types": ["oob"] }), "Missing required parameter: oob_channels"),
        (
            json!({ "authenticator_types": ["push"] }),
            "Only authenticators of the types oob and otp can be enrolled.",
        ),
        (
            json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+15550100" }),
            "Only the channel email can be enrolled.",
        ),
        (
            json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "no address" }),
            "The email address is invalid.",
        ),
    ] {
        server.post_as("/mfa/associate", &token, &body).is_refused(400, "invalid_request", description);
    }

    server.enroll();
    let token = server.mfa_token();
    server.associate(&token, "b@example.com").is_refused(403, "access_denied", "User is already enrolled.");
    let description = "None of the requested challenge types is available to the user.";
    otp(&token).is_refused(400, "unsupported_challenge_type", description);
    let challenge = |body: common::Value| server.post("/mfa/challenge", &as_demo(&body));
    challenge(json!({ "mfa_token": token, "challenge_type": "otp" })).is_refused(
        400,
        "unsupported_challenge_type",
        description,
    );
    for id in
        ["email|dev_0123456789ABCDef", "recovery-code|dev_0123456789ABCDef", "sms|dev_0123456789ABCDef", "x"]
    {
        challenge(json!({ "mfa_token": token, "authenticator_id": id })).is_refused(
            400,
            "invalid_authenticator",
            "The authenticator was not found.",
        );
    }
    let elevated = server.elevated(MFA_SCOPE);
    server.associate(&elevated, "user@example.com").is_refused(
        403,
        "access_denied",
        "The email address is already enrolled.",
    );
    for id in ["email%7Cdev_0123456789ABCDef", "x", "%00", "%FF"] {
        server.remove(&elevated, id).is_refused(
            404,
            "invalid_authenticator",
            "The authenticator was not found.",
        );
    }
}

#[test]
fn a_token_of_another_client() {
    let server = Server::start();
    let directory = server.directory();
    let added = run(directory.path(), &["add-client", "native", "--public"]);
    assert!(added.status.success());
    server.enroll();
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let description = "mfa_token not issued to this client";
    server.post("/mfa/challenge", &json!({ "client_id": "native", "mfa_token": token })).is_refused(
        400,
        "invalid_request",
        description,
    );
    let answer = json!({ "client_id": "native", "grant_type": OOB, "mfa_token": token, "oob_code": oob_code, "binding_code": "123456" });
    server.post("/oauth/token", &answer).is_refused(400, "invalid_request", description);
    let associate =
        json!({ "client_id": "native", "authenticator_types": ["oob"], "oob_channels": ["email"] });
    server.post_as("/mfa/associate", &token, &associate).is_refused(400, "invalid_request", description);
    // A public client signs in without a secret, and not with one.
    let sign_in = json!({ "grant_type": "password", "username": "user@example.com", "password": PASSWORD, "client_id": "native" });
    assert_eq!(server.post("/oauth/token", &sign_in).error(), "mfa_required");
    let mut with_secret = sign_in;
    with_secret["client_secret"] = json!("x");
    server.post("/oauth/token", &with_secret).is_refused(
        401,
        "invalid_client",
        "Client authentication failed.",
    );
}

#[test]
fn handles_and_binding_codes() {
    let server = Server::start();
    server.enroll();
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let code = server.code(2);
    server.answer(&token, &json!("x"), &code).is_refused(403, "invalid_grant", "Malformed oob_code");
    let flipped = oob_code.as_str().unwrap().replace('A', "B");
    server.answer(&token, &json!(flipped), &code).is_refused(403, "invalid_grant", "Malformed oob_code");
    let body = json!({ "grant_type": OOB, "mfa_token": token, "oob_code": oob_code });
    server.token(&body).is_refused(400, "invalid_request", "Missing required parameter: binding_code");
    for malformed in ["12345", "abcdef", "1234567", "１２３"] {
        server.answer(&token, &oob_code, malformed).is_refused(403, "invalid_grant", "Invalid binding_code.");
    }
    assert!(
        server.audit().iter().all(|event| event["denial"] != "invalid_binding_code"),
        "malformed costs nothing"
    );
    let other = server.mfa_token();
    server.answer(&other, &oob_code, &code).is_refused(
        400,
        "invalid_request",
        "The oob_code doesn't match the mfa_token",
    );
    // Typed with spaces it is the same code.
    let (left, right) = code.split_at(3);
    assert_eq!(server.answer(&token, &oob_code, &format!(" {left} {right}\n")).status, 200);
}

#[test]
fn wrong_codes_lock_the_account_and_recovery_stays_open() {
    let server = Server::with(&["--policy", "default", "--implicit-email"]);
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let wrong_code = wrong(&server.code(1));
    for _ in 0..5 {
        server.answer(&token, &oob_code, &wrong_code).is_refused(
            403,
            "invalid_grant",
            "Invalid binding_code.",
        );
    }
    server.answer(&token, &oob_code, &wrong_code).is_refused(
        403,
        "access_denied",
        "Too many failed codes. Sign in again.",
    );
    server.challenge(&token).is_refused(403, "access_denied", "Too many failed codes. Sign in again.");

    // Where the policy locks.
    let server = Server::with(&["--policy", "auth0", "--implicit-email"]);
    for sent in 1..=2 {
        let token = server.mfa_token();
        let oob_code = server.challenge(&token).body["oob_code"].clone();
        let guess = wrong(&server.code(sent));
        for _ in 0..5 {
            server.answer(&token, &oob_code, &guess).is_refused(
                403,
                "invalid_grant",
                "Invalid binding_code.",
            );
        }
    }
    // Locked: the right code and a new challenge are refused, and it is said for how long.
    let token = server.mfa_token();
    let reply = server.challenge(&token);
    reply.is_refused(429, "invalid_request", WAIT);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=360).contains(&wait), "{wait}");
    server.recover(&token, "23456789ABCDEFGHJKLMNPQR").is_refused(
        403,
        "unsupported_challenge_type",
        "User does not have a recovery-code.",
    );
    assert_eq!(server.evaluated(10), 10);

    // An administrator lifts the lock.
    let directory = server.directory();
    assert!(run(directory.path(), &["unlock", "user@example.com"]).status.success());
    assert_eq!(server.challenge(&server.mfa_token()).status, 200);
    assert!(run(directory.path(), &["reset", "user@example.com"]).status.success());
    let failed = command(directory.path(), &["unlock", "nobody@example.com"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(3));
}

#[test]
fn wrong_recovery_codes() {
    let server = Server::with(&["--policy", "default"]);
    let (_, codes) = server.enroll();
    assert_eq!(codes.len(), 10);
    let token = server.mfa_token();
    for _ in 0..5 {
        server.recover(&token, "23456789ABCDEFGHJKLMNPQR").is_refused(
            403,
            "invalid_grant",
            "MFA Authorization rejected.",
        );
    }
    server.recover(&token, &codes[0]).is_refused(
        403,
        "access_denied",
        "Too many failed codes. Sign in again.",
    );
    let token = server.mfa_token();
    server.recover(&token, "not a code").is_refused(403, "invalid_grant", "MFA Authorization rejected.");
    assert_eq!(server.recover(&token, &codes[0]).status, 200);

    // The auth0 policy refuses while its bucket is empty.
    let server = Server::start();
    let (_, codes) = server.enroll();
    for _ in 0..2 {
        let token = server.mfa_token();
        for _ in 0..5 {
            server.recover(&token, "23456789ABCDEFGHJKLMNPQR");
        }
    }
    server.recover(&server.mfa_token(), &codes[0]).is_refused(429, "invalid_request", WAIT);
}

#[test]
fn too_many_messages() {
    let server = Server::with(&["--policy", "default", "--implicit-email"]);
    for _ in 0..5 {
        assert_eq!(server.challenge(&server.mfa_token()).status, 200);
    }
    let reply = server.challenge(&server.mfa_token());
    let description = "Too many emails sent by the user. Wait for some minutes before retrying.";
    reply.is_refused(429, "invalid_request", description);
    assert!(reply.header("retry-after").is_some());
}
