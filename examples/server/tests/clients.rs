//! Clients that go away, and clients that ask for more than is theirs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{io::Write as _, net::TcpStream, time::Duration};

use common::{MFA_SCOPE, OOB, RECOVERY, Server, as_demo, claims, eventually, json};

/// Sends a whole request and hangs up after a moment.
fn abandon(server: &Server, path: &str, body: &str, after: Duration) {
    let mut connection = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
    std::thread::sleep(after);
}

#[test]
fn what_an_abandoned_request_did_is_done_logged_and_in_nobodys_way() {
    let server = Server::start();
    let (_, recovery_codes) = server.enroll();
    let mails = server.codes().len();
    let tokens: Vec<_> = (0..16).map(|_| server.mfa_token()).collect();
    for (number, token) in (0..).zip(&tokens) {
        let body = as_demo(&json!({ "mfa_token": token })).to_string();
        abandon(&server, "/mfa/challenge", &body, Duration::from_millis(number * 3));
    }
    // The database takes the next write.
    let token = server.mfa_token();
    assert_eq!(server.recover(&token, &recovery_codes[0]).status, 200);
    // Whatever began to be stored was carried out whole: each message that was charged stands in the log. Those that
    // were abandoned before are not done at all, and the last ones had time enough.
    let challenges = || server.audit().iter().filter(|event| event["command"] == "challenge").count();
    let messages = || server.codes().len() - mails;
    let seen = || (challenges(), messages());
    eventually("a message for each challenge in the log, and no more of either", || {
        let before = seen();
        std::thread::sleep(Duration::from_millis(300));
        (before == seen() && before.0 == before.1 && before.0 > 0).then_some(())
    });
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_second_factor_widens_neither_scope_nor_audience() {
    let server = Server::start();
    server.enroll();
    let token = server.mfa_token();
    let challenged = server.challenge(&token);
    let code = server.code(2);
    let ask = |scope: &str| {
        server.token(&json!({
            "grant_type": OOB, "mfa_token": token, "oob_code": challenged.body["oob_code"], "binding_code": code,
            "scope": scope,
        }))
    };
    ask("openid\u{0}admin").is_refused(400, "invalid_scope", "The scope is invalid.");
    // The client may ask for profile, and did not with the password.
    let reply = ask("openid profile");
    assert_eq!((reply.status, reply.body["scope"].as_str()), (200, Some("openid")), "{}", reply.text);
    let (_, claims) = claims(&reply.body["access_token"]);
    assert_eq!(claims["aud"], format!("{}userinfo", server.issuer()));
    assert_eq!(claims["scope"], "openid");
}

#[test]
fn an_answer_that_is_asked_for_again_gives_no_other_token() {
    let server = Server::start();
    let (_, recovery_codes) = server.enroll();
    let token = server.mfa_token();
    let first = server.recover(&token, &recovery_codes[0]);
    assert_eq!(first.status, 200, "{}", first.text);
    let again = server.token(&json!({
        "grant_type": RECOVERY, "mfa_token": token, "recovery_code": recovery_codes[0],
        "audience": server.mfa_audience(), "scope": MFA_SCOPE,
    }));
    again.is_refused(
        400,
        "invalid_request",
        "The recovery_code was accepted before. Ask for the audience and scope of the sign-in, or sign in again.",
    );
    assert_eq!(server.recover(&token, &recovery_codes[0]).body, first.body);
}

#[test]
fn a_method_of_a_clients_own_is_no_label_of_its_own() {
    let server = Server::start();
    for number in 0..20 {
        assert_eq!(server.send(&format!("M{number}"), "/healthz", &[], "").status, 405);
    }
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("method=\"other\"") && !metrics.contains("method=\"M"));
}

#[test]
fn mail_that_everybody_could_read_is_refused_off_the_loopback() {
    let directory = common::Directory::new();
    let output = common::run(directory.path(), &["--listen", "0.0.0.0:0"]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("anybody could read the mail"), "{said}");
}
