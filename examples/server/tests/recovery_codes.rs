//! New recovery codes, and how many are left: for sessions with both factors and the scope alone.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{MFA_SCOPE, Reply, Server, Value, json};

const PATH: &str = "/mfa/recovery-codes";

fn regenerate(server: &Server, token: &str) -> Reply {
    server.send("POST", PATH, &[("Authorization", &format!("Bearer {token}"))], "")
}

fn codes(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect()
}

/// The number that the list shows to this token.
fn left(server: &Server, token: &str) -> Value {
    let listed = server.list(token).body;
    let entry = listed.as_array().unwrap().iter().find(|entry| entry["type"] == "recovery-code").unwrap();
    entry["recovery_codes_left"].clone()
}

/// H21.
#[test]
fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let server = Server::with(&["--policy", "default"]);
    let (_, old) = server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let new = codes(&regenerate(&server, &elevated));
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| code.len() == 24 && !old.contains(code)));
    let token = server.mfa_token();
    server.recover(&token, &old[0]).is_refused(403, "invalid_grant", "MFA Authorization rejected.");
    assert_eq!(server.recover(&token, &new[0]).status, 200);
    server.expect_audit("regenerate_recovery_codes");
    assert!(new.iter().all(|code| !server.log_mentions(code)), "a recovery code is in the log");
}

/// L1: what one session changes ends every other, in the core at once and in the server's own books by its outbox. The
/// session that acts goes on.
#[test]
fn a_change_ends_all_other_sessions() {
    let server = Server::with(&["--policy", "default"]);
    server.enroll();
    let (other, own) = (server.elevated(MFA_SCOPE), server.elevated(MFA_SCOPE));
    let waiting = server.mfa_token();
    assert_eq!(server.list(&other).status, 200);
    codes(&regenerate(&server, &own));
    for token in [&other, &waiting] {
        assert_eq!(server.list(token).status, 401);
    }
    assert_eq!(regenerate(&server, &other).status, 401);
    // The core looks at the scope first, the server's own books at the session.
    common::eventually("the end of the sessions", || {
        (server.remove(&waiting, "email|dev_0000000000000000").status == 401).then_some(())
    });
    assert_eq!(server.list(&own).status, 200);
    let (_, claims) = common::claims(&json!(own));
    assert_eq!(claims["elevation"]["subject"], claims["sub"]);
    assert_eq!(claims["elevation"]["evidence"]["at"].as_u64().unwrap() / 1_000, claims["auth_time"]);
    codes(&regenerate(&server, &own));
}

/// H21.
#[test]
fn the_number_of_recovery_codes_left_is_true() {
    let server = Server::with(&["--policy", "default"]);
    let (_, old) = server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    assert_eq!(left(&server, &elevated), json!(10));
    for (used, code) in old.iter().take(3).enumerate() {
        assert_eq!(server.recover(&server.mfa_token(), code).status, 200);
        assert_eq!(left(&server, &elevated), json!(9 - used));
    }
    regenerate(&server, &elevated);
    assert_eq!(left(&server, &elevated), json!(10));
}

#[test]
fn a_password_alone_neither_makes_nor_counts_recovery_codes() {
    let server = Server::start();
    server.enroll();
    let token = server.mfa_token();
    regenerate(&server, &token).is_refused(403, "insufficient_scope", "Insufficient scope, expected: enroll");
    assert_eq!(left(&server, &token), Value::Null);
}

#[test]
fn new_recovery_codes_want_the_scope_enroll() {
    let server = Server::start();
    server.enroll();
    let reader = server.elevated("read:authenticators");
    regenerate(&server, &reader).is_refused(
        403,
        "insufficient_scope",
        "Insufficient scope, expected: enroll",
    );
    let none = server.send("POST", PATH, &[], "");
    assert_eq!(none.status, 401, "{}", none.text);
    assert_eq!(server.get(PATH).status, 405);
}

#[test]
fn an_account_without_an_authenticator_gets_no_recovery_codes() {
    let server = Server::start();
    server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let listed = server.list(&elevated).body;
    assert_eq!(server.remove(&elevated, listed[0]["id"].as_str().unwrap()).status, 204);
    let refused = regenerate(&server, &elevated);
    assert_eq!((refused.status, refused.error()), (401, "unsupported_challenge_type"), "{}", refused.text);
}

/// New codes are told to the user by mail, and mail is budgeted.
#[test]
fn new_recovery_codes_are_as_many_as_the_mail_budget_allows() {
    let server = Server::with(&["--policy", "default"]);
    server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let refused = (0..8).map(|_| regenerate(&server, &elevated)).find(|reply| reply.status != 200).unwrap();
    refused.is_refused(
        429,
        "invalid_request",
        "Too many emails sent by the user. Wait for some minutes before retrying.",
    );
    assert!(refused.header("retry-after").is_some());
}
