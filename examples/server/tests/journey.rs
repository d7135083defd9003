//! The journey of a user: enroll, sign in, recover, add, list, remove.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{MFA_SCOPE, OOB, Server, Value, as_demo, claims, eventually, json, wrong};

#[test]
fn a_user_enrolls_signs_in_recovers_and_removes() {
    let server = Server::start();

    // A password is not enough, and without a factor one must be enrolled.
    let reply = server.sign_in();
    reply.is_refused(403, "mfa_required", "Multifactor authentication required");
    assert_eq!(reply.body["mfa_requirements"], json!({ "enroll": [{ "type": "email" }, { "type": "otp" }] }));
    let token = reply.body["mfa_token"].as_str().unwrap();

    let associated = server.associate(token, "user@example.com");
    assert_eq!(associated.status, 200);
    assert_eq!(associated.body["authenticator_type"], "oob");
    assert_eq!(associated.body["binding_method"], "prompt");
    assert_eq!(associated.body["oob_channel"], "email");
    assert_eq!(associated.body["expires_in"], 300);
    let recovery_codes = associated.body["recovery_codes"].as_array().unwrap();
    assert_eq!(recovery_codes.len(), 1);
    assert_eq!(recovery_codes[0].as_str().unwrap().len(), 24);

    // It is listed and not active.
    let listed = server.list(token).body;
    assert_eq!(listed[0]["active"], false);
    assert_eq!(listed.as_array().unwrap().len(), 1);

    // Asking again gives the same handle and the same code; the recovery codes are shown to a named client alone.
    let code = server.code(1);
    let again = server.associate(token, "user@example.com");
    assert_eq!(again.body["oob_code"], associated.body["oob_code"]);
    assert!(again.body.get("recovery_codes").is_none(), "{}", again.text);
    assert_eq!(server.code(2), code);
    let named = as_demo(
        &json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "user@example.com" }),
    );
    let named = server.post_as("/mfa/associate", token, &named);
    assert_eq!(named.body["recovery_codes"], associated.body["recovery_codes"], "{}", named.text);
    assert_eq!(server.code(3), code);

    // The code confirms, once, and completes the login.
    let confirmed = server.answer(token, &associated.body["oob_code"], &code);
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    assert_eq!(confirmed.body["token_type"], "Bearer");
    assert_eq!(confirmed.body["expires_in"], 86_400);
    assert_eq!(confirmed.body["scope"], "openid email");
    assert!(confirmed.body.get("refresh_token").is_none());
    let (header, access) = claims(&confirmed.body["access_token"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("at+jwt")));
    assert_eq!(access["iss"], server.issuer());
    let (header, id) = claims(&confirmed.body["id_token"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert_eq!((&id["iss"], &id["aud"]), (&json!(server.issuer()), &json!("demo")));
    assert_eq!(id["amr"], json!(["pwd", "mca", "mfa"]));
    assert_eq!((&id["email"], &id["email_verified"]), (&json!("user@example.com"), &json!(true)));
    assert_eq!(id["sub"], access["sub"]);
    assert!(!id["sub"].as_str().unwrap().contains("user@"));
    server.answer(token, &associated.body["oob_code"], &code).is_refused(
        403,
        "expired_token",
        "oob_code is expired",
    );

    // The list.
    let listed = server.list(token).body;
    let entry = &listed[0];
    assert_eq!((&entry["active"], &entry["authenticator_type"]), (&json!(true), &json!("oob")));
    assert_eq!((&entry["oob_channel"], &entry["oob_channels"]), (&json!("email"), &json!(["email"])));
    assert_eq!((&entry["name"], &entry["type"]), (&json!("****@exam*******"), &json!("email")));
    assert_eq!(listed[1]["authenticator_type"], "recovery-code");
    assert!(listed[1]["id"].as_str().unwrap().starts_with("recovery-code|dev_"));

    // The next sign-in is challenged; the transaction before is spent.
    server.challenge(token).is_refused(400, "expired_token", "mfa_token is expired");
    let reply = server.sign_in();
    let requirements = json!({ "challenge": [{ "type": "email" }, { "type": "recovery-code" }] });
    assert_eq!(reply.body["mfa_requirements"], requirements);
    let token = reply.body["mfa_token"].as_str().unwrap();
    let challenged = server.challenge(token);
    assert_eq!(challenged.status, 200);
    assert_eq!(
        (&challenged.body["challenge_type"], &challenged.body["binding_method"]),
        (&json!("oob"), &json!("prompt"))
    );
    assert_eq!(challenged.body["expires_in"], 300);
    let code = server.code(4);
    server.answer(token, &challenged.body["oob_code"], &wrong(&code)).is_refused(
        403,
        "invalid_grant",
        "Invalid binding_code.",
    );
    assert_eq!(server.answer(token, &challenged.body["oob_code"], &code).status, 200);

    // A recovery code signs in, is replaced, and says the same again to a client that lost the answer.
    let token = server.mfa_token();
    let first = recovery_codes[0].as_str().unwrap().to_lowercase();
    let recovered = server.recover(&token, &first);
    assert_eq!(recovered.status, 200, "{}", recovered.text);
    let next = recovered.body["recovery_code"].as_str().unwrap().to_owned();
    let repeated = server.recover(&token, &first);
    assert_eq!(repeated.body, recovered.body, "the same answer, token and all");
    // What the first request asked for is not known any more, so one that asks gets no other token than before.
    let mut asking = json!({ "grant_type": countersign::wire::GRANT_MFA_RECOVERY_CODE, "mfa_token": token, "recovery_code": first });
    for (name, value) in [("audience", server.mfa_audience()), ("scope", "openid".to_owned())] {
        asking[name] = value.into();
        let refused = server.token(&asking);
        refused.is_refused(
            400,
            "invalid_request",
            "The recovery_code was accepted before. Ask for the audience and scope of the sign-in, or sign in again.",
        );
        asking.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(server.token(&asking).body, recovered.body);
    let token = server.mfa_token();
    server.recover(&token, &first).is_refused(403, "invalid_grant", "MFA Authorization rejected.");
    assert_eq!(server.recover(&token, &next).status, 200);

    // With a token for the MFA audience a second address is added and the first removed.
    let elevated = server.elevated(MFA_SCOPE);
    let before = server.codes().len();
    let added = server.associate(&elevated, "second@example.com");
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(added.body.get("recovery_codes").is_none());
    let code = server.code(before + 1);
    assert_eq!(server.codes()[0].0, "second@example.com");
    let confirmed = server.answer(&elevated, &added.body["oob_code"], &code);
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    assert_eq!(confirmed.body["access_token"], elevated.as_str(), "no more than it had");
    assert_eq!(confirmed.body["scope"], MFA_SCOPE);
    let listed = server.list(&elevated).body;
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    let removed = server.remove(&elevated, &ids[0].replace('|', "%7C"));
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    server.remove(&elevated, &ids[0].replace('|', "%7C")).is_refused(
        404,
        "invalid_authenticator",
        "The authenticator was not found.",
    );
    assert_eq!(server.remove(&elevated, ids[1]).status, 204, "a bare pipe, too");
    assert_eq!(server.list(&elevated).body, json!([]));

    // The core's notices reached the user's own address, and no secret the log.
    let notices = |text: &str| {
        let mailbox = server.get("/mailbox").body;
        let texts = mailbox.as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap());
        texts.filter(|known| known.contains(text)).count()
    };
    eventually("both notices", || (notices("was added to your account") >= 2).then_some(()));
    assert_eq!(notices("was added to your account"), 2);
    server.expect_audit("remove");
    let secrets =
        [code.as_str(), &elevated, &first, &next, "user@example.com\",\"text", "second@example.com"];
    for secret in secrets {
        assert!(!server.log_mentions(secret), "{secret} is in the log");
    }
}

#[test]
fn a_verified_address_is_a_factor_with_implicit_email() {
    let server = Server::with(&["--policy", "auth0", "--implicit-email"]);
    let reply = server.sign_in();
    assert_eq!(reply.body["mfa_requirements"], json!({ "challenge": [{ "type": "email" }] }));
    let elevated = server.elevated(MFA_SCOPE);
    let listed = server.list(&elevated).body;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let id = listed[0]["id"].as_str().unwrap();
    let description = "The authenticator stands for a verified address and can't be removed.";
    server.remove(&elevated, id).is_refused(400, "invalid_authenticator", description);
}

#[test]
fn under_the_strict_policy_a_code_confirms_and_signs_nobody_in() {
    let server = Server::with(&["--policy", "strict"]);
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    let code = server.code(1);
    assert_eq!(code.len(), 8);
    assert!(associated.body.get("recovery_codes").is_none());
    assert_eq!(associated.body["resend_in"], 60);
    let confirmed = server.answer(&token, &associated.body["oob_code"], &code);
    confirmed.is_refused(403, "mfa_required", "Multifactor authentication required");
    assert_eq!(confirmed.body["mfa_token"], token.as_str());
}

#[test]
fn a_cool_down_sends_nothing_and_says_until_when() {
    let server = Server::with(&["--policy", "default"]);
    server.enroll();
    let token = server.mfa_token();
    let first = server.challenge(&token);
    assert_eq!(first.body["resend_in"], 30);
    server.code(2);
    let second = server.challenge(&token);
    assert_eq!(second.body["oob_code"], first.body["oob_code"]);
    let wait = second.body["resend_in"].as_u64().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    let steps = server.get("/demo/state?username=user@example.com").body["steps"].clone();
    let effects = |step: &Value| step["effects"].as_array().unwrap().len();
    assert_eq!((effects(&steps[0]), effects(&steps[1])), (0, 1));
}

#[test]
fn the_panel_shows_states_and_no_secret() {
    let server = Server::start();
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    let code = server.code(1);
    let state = server.get("/demo/state?username=user@example.com");
    assert_eq!(state.body["authenticators"][0]["state"], "unconfirmed");
    assert_eq!(state.body["challenges"][0]["state"], "pending");
    assert_eq!(state.body["steps"][0]["effects"][0]["kind"], "send");
    for secret in
        [code.as_str(), token.as_str(), associated.body["oob_code"].as_str().unwrap(), "user@example.com"]
    {
        assert!(!state.text.contains(secret), "{secret} shows");
    }
    server.answer(&token, &associated.body["oob_code"], &code);
    let state = server.get("/demo/state?username=user@example.com").body;
    assert_eq!(state["authenticators"][0]["state"], "active");
    assert_eq!(state["challenges"][0]["state"], "verified");
    assert_eq!(server.get("/demo/state?username=nobody@example.com").status, 404);
    let info = server.get("/demo/info").body;
    assert_eq!(
        (&info["demo"], &info["mailbox"], &info["client_id"]),
        (&json!(true), &json!(true), &json!("demo"))
    );
    let bare = Server::with(&["--demo=false"]);
    assert_eq!(bare.get("/demo/state?username=user@example.com").status, 404);
    assert_eq!(bare.get("/demo/info").body.get("client_secret"), None);
    bare.token(&json!({ "grant_type": OOB })).is_refused(
        401,
        "invalid_client",
        "Client authentication failed.",
    );
}
