//! The number of attempts left, beside Auth0's error.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{Directory, Server, json, run, wrong};

/// H20.
#[test]
fn a_wrong_code_says_how_many_attempts_are_left() {
    let server = Server::with(&["--policy", "default"]);
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    let guess = wrong(&server.code(1));
    for left in (0..5).rev() {
        let refused = server.answer(&token, &associated.body["oob_code"], &guess);
        refused.is_refused(403, "invalid_grant", "Invalid binding_code.");
        assert_eq!(refused.body["attempts_left"], json!(left), "{}", refused.text);
        assert_eq!(refused.header("retry-after"), None);
    }
    let over = server.answer(&token, &associated.body["oob_code"], &guess);
    over.is_refused(403, "access_denied", "Too many failed codes. Sign in again.");
    assert_eq!(over.body.get("attempts_left"), None);
}

/// H20: each transaction counts for itself, so the number tells nothing of what others did.
#[test]
fn the_attempts_of_another_sign_in_are_not_told() {
    let server = Server::start();
    let first = server.mfa_token();
    let associated = server.associate(&first, "user@example.com");
    let guess = wrong(&server.code(1));
    for _ in 0..3 {
        server.answer(&first, &associated.body["oob_code"], &guess);
    }
    let second = server.mfa_token();
    let associated = server.associate(&second, "user@example.com");
    let guess = wrong(&server.code(2));
    let refused = server.answer(&second, &associated.body["oob_code"], &guess);
    assert_eq!(refused.body["attempts_left"], json!(9), "{}", refused.text);
}

/// H20: a code that locks the account leaves no attempt, and says when the next is taken.
#[test]
fn the_code_that_locks_the_account_says_until_when() {
    let server = Server::with(&["--policy", "auth0"]);
    let mut last = None;
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    let guess = wrong(&server.code(1));
    for _ in 0..10 {
        last = Some(server.answer(&token, &associated.body["oob_code"], &guess));
    }
    let last = last.unwrap();
    last.is_refused(403, "invalid_grant", "Invalid binding_code.");
    assert_eq!(last.body["attempts_left"], json!(0));
    let wait: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((300..=360).contains(&wait), "{wait}");
}

/// H20: the field is no part of what another refusal says.
#[test]
fn only_a_code_that_was_compared_has_the_field() {
    let server = Server::start();
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    for code in ["12345", "1234567", "abc"] {
        let refused = server.answer(&token, &associated.body["oob_code"], code);
        refused.is_refused(403, "invalid_grant", "Invalid binding_code.");
        assert_eq!(refused.body.get("attempts_left"), None, "{code}");
    }
}

/// Guesses lock nobody out: after ten wrong codes the next one has 20 digits, and every answer says so.
#[test]
fn after_many_wrong_codes_the_next_has_twenty_digits() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "default", "--implicit-email"]);
    let waiting = server.mfa_token();
    let short = server.challenge(&waiting);
    assert_eq!((short.status, short.body.get("binding_code_length")), (200, None));
    let right = server.code(1);
    for sent in 2..4 {
        let token = server.mfa_token();
        let oob_code = server.challenge(&token).body["oob_code"].clone();
        let guess = wrong(&server.code(sent));
        for _ in 0..5 {
            server.answer(&token, &oob_code, &guess);
        }
    }
    server.answer(&waiting, &short.body["oob_code"], &right).is_refused(
        403,
        "expired_token",
        "oob_code is expired. Ask for a new one: its binding_code has 20 digits.",
    );
    // In spite of the cool-down of the message before.
    let long = server.challenge(&waiting);
    assert_eq!(long.body["binding_code_length"], json!(20), "{}", long.text);
    assert!(long.body["binding_code_description"].as_str().unwrap().contains("20 digits"));
    let code = server.code(4);
    assert_eq!(code.split(' ').map(str::len).collect::<Vec<_>>(), [4; 5], "{code}");
    let mut other = code.clone();
    let last = if other.pop() == Some('0') { '1' } else { '0' };
    other.push(last);
    for _ in 0..20 {
        let refused = server.answer(&waiting, &long.body["oob_code"], &other);
        refused.is_refused(403, "invalid_grant", "Invalid binding_code.");
        assert_eq!(refused.body.get("attempts_left"), None, "none is counted");
    }
    let shown =
        run(directory.path(), &["users", "list", "--only", "hardened", "--json", "--argon2-memory", "64"]);
    let shown: common::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["users"][0]["guessing"], json!({ "locked_until": null, "hardened": true }));
    assert_eq!(server.answer(&waiting, &long.body["oob_code"], &code).status, 200);
}
