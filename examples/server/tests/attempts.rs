//! The number of attempts left, beside Auth0's error.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{Server, json, wrong};

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
    let server = Server::with(&["--policy", "default"]);
    let mut sent = 0;
    let mut last = None;
    for _ in 0..2 {
        let token = server.mfa_token();
        let associated = server.associate(&token, "user@example.com");
        sent += 1;
        let guess = wrong(&server.code(sent));
        for _ in 0..5 {
            last = Some(server.answer(&token, &associated.body["oob_code"], &guess));
        }
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
