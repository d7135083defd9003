//! Each decision of the host is one audit event and one count, with one reason; and no line of the log shows a secret.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use common::{
    Directory, MFA_SCOPE, OOB, OTP, PASSWORD, RECOVERY, Reply, Server, Value, as_demo, command, json, run,
    wrong,
};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The host's own audit events, without what `/mailbox` and `/metrics` do not cause.
fn host_events(server: &Server) -> Vec<Value> {
    server.audit().into_iter().filter(|event| event["event"] != "step").collect()
}

/// The counter of a decision.
fn count(server: &Server, event: &str, reason: &str) -> u64 {
    let series = format!("countersign_host_events_total{{event=\"{event}\",reason=\"{reason}\"}} ");
    let text = server.get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

/// Makes a request, and requires one event with this reason as the last of the host's, with the id of the request,
/// and one count more.
#[track_caller]
fn decides(server: &Server, event: &str, reason: &str, request: impl FnOnce() -> Reply) -> (Reply, Value) {
    let (before, known) = (count(server, event, reason), host_events(server).len());
    let reply = request();
    let last = common::eventually(&format!("{event} {reason}: {}", reply.text), || {
        let events = host_events(server);
        let last = events.get(known..)?.last()?.clone();
        (last["event"] == event && last["reason"] == reason).then_some(last)
    });
    assert_eq!(count(server, event, reason), before + 1, "{event} {reason}");
    assert_eq!(last["span"]["request_id"].as_str(), reply.header("x-request-id"), "{last}");
    assert_eq!(last["span"]["peer"], "127.0.0.1", "{last}");
    (reply, last)
}

fn bearer(server: &Server, token: &str) -> Reply {
    server.send("GET", "/mfa/authenticators", &[("Authorization", &format!("Bearer {token}"))], "")
}

fn sign_in(server: &Server, more: &Value) -> Reply {
    let mut body = json!({ "grant_type": "password", "username": "user@example.com", "password": PASSWORD });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.token(&body)
}

/// H15: first factors that were right and wrong left no line.
#[test]
fn a_first_factor_is_told_with_its_reason_and_without_an_unknown_name() {
    let server = Server::start();
    let (_, issued) = decides(&server, "token_issued", "mfa_token", || sign_in(&server, &json!({})));
    assert!(issued["subject"].as_str().unwrap().starts_with("usr_"));
    assert_eq!(issued["client"], "demo");
    assert_eq!(count(&server, "first_factor", "accepted"), 1);
    let (_, event) =
        decides(&server, "first_factor", "wrong_password", || sign_in(&server, &json!({ "password": "no" })));
    assert_eq!(event["subject"], issued["subject"]);
    let nobody = json!({ "username": "my secret passphrase" });
    let (_, event) = decides(&server, "first_factor", "unknown_user", || sign_in(&server, &nobody));
    assert_eq!((event.get("subject"), &event["client"]), (None, &json!("demo")));
    assert!(!server.log_mentions("secret passphrase"), "a typed name may be a password");
}

/// H15: wrong client secrets left no line.
#[test]
fn the_check_of_a_client_is_told_with_its_reason() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    assert!(run(directory.path(), &["clients", "add", "app", "--public"]).status.success());
    let grant = || json!({ "grant_type": "password", "username": "user@example.com", "password": "no" });
    let with = |more: Value| {
        let mut body = grant();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        move |server: &Server| server.post("/oauth/token", &body)
    };
    let rows = [
        ("missing", json!({})),
        ("missing", json!({ "client_secret": "x" })),
        ("unknown_client", json!({ "client_id": "nobody", "client_secret": "x" })),
        ("wrong_secret", json!({ "client_id": "demo", "client_secret": "x" })),
        ("missing_secret", json!({ "client_id": "demo" })),
        ("unexpected_secret", json!({ "client_id": "app", "client_secret": "x" })),
        ("unsupported_method", json!({ "client_id": "demo", "client_assertion": "x" })),
    ];
    for (reason, more) in rows {
        let request = with(more);
        let (reply, event) = decides(&server, "client", reason, || request(&server));
        assert!([400, 401].contains(&reply.status), "{reason}: {}", reply.text);
        assert_ne!(event["client"], "nobody", "only a registered client is named");
    }
    let basic = |credentials: &str| {
        let value = format!("Basic {credentials}");
        server.send(
            "POST",
            "/oauth/token",
            &[JSON, ("Authorization", &value)],
            &as_demo(&grant()).to_string(),
        )
    };
    decides(&server, "client", "malformed_basic", || basic("%"));
    decides(&server, "client", "ambiguous", || basic(&STANDARD.encode("demo:demo-secret")));
    assert_eq!(count(&server, "client", "accepted"), 0);
    sign_in(&server, &json!({}));
    assert_eq!(count(&server, "client", "accepted"), 1);
}

/// H15: stolen and forged tokens left no line.
#[test]
fn the_check_of_a_token_is_told_with_its_reason() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    let (tokens, _) = server.enroll();
    let (elevated, id_token) = (server.elevated(MFA_SCOPE), tokens["id_token"].as_str().unwrap());
    let [head, claims, signature] = *elevated.split('.').collect::<Vec<_>>() else { panic!("{elevated}") };
    let headed = |header: &Value| {
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(header).unwrap()))
    };
    let mut edited = signature.to_owned();
    edited.replace_range(..1, if signature.starts_with('A') { "B" } else { "A" });
    let rows = [
        ("malformed", "abc".to_owned()),
        ("malformed", "a.b.c".to_owned()),
        ("wrong_type", id_token.to_owned()),
        ("wrong_algorithm", headed(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": "x" }))),
        ("unknown_key", headed(&json!({ "alg": "RS256", "typ": "at+jwt", "kid": "x" }))),
        ("wrong_signature", format!("{head}.{claims}.{edited}")),
        ("wrong_audience", tokens["access_token"].as_str().unwrap().to_owned()),
    ];
    decides(&server, "token", "missing", || server.send("GET", "/mfa/authenticators", &[], ""));
    for (reason, token) in rows {
        let (reply, _) = decides(&server, "token", reason, || bearer(&server, &token));
        assert_eq!(reply.status, 401, "{reason}");
    }
    let (reply, event) = decides(&server, "token", "accepted", || bearer(&server, &elevated));
    assert_eq!((reply.status, &event["client"]), (200, &json!("demo")));
    assert!(event["subject"].as_str().is_some());

    let waiting = server.mfa_token();
    assert!(run(directory.path(), &["clients", "add", "app", "--public"]).status.success());
    let foreign = json!({ "client_id": "app", "mfa_token": waiting });
    decides(&server, "token", "wrong_client", || server.post("/mfa/challenge", &foreign));
    assert!(run(directory.path(), &["users", "revoke-sessions", "user@example.com"]).status.success());
    decides(&server, "token", "ended", || server.challenge(&waiting));
    decides(&server, "token", "ended", || bearer(&server, &elevated));
    assert!(run(directory.path(), &["clients", "remove", "demo"]).status.success());
    decides(&server, "token", "unknown_client", || bearer(&server, &elevated));
}

/// H15: refused grants, audiences and scopes, tokens that were issued, and requests that could not be read.
#[test]
fn what_is_refused_before_the_core_and_what_is_issued_is_told() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    let added = run(directory.path(), &["clients", "add", "app", "--public", "--grant", "password"]);
    assert!(added.status.success(), "{added:?}");
    for (reason, more) in [
        ("unsupported_grant", json!({ "grant_type": "implicit" })),
        ("unregistered_audience", json!({ "audience": "https://elsewhere.example/" })),
        ("malformed_audience", json!({ "audience": "x".repeat(300) })),
        ("unregistered_scope", json!({ "scope": "admin:all" })),
        ("malformed_scope", json!({ "scope": "s".repeat(1_025) })),
    ] {
        decides(&server, "token_request", reason, || sign_in(&server, &more));
    }
    let body = json!({ "client_id": "app", "grant_type": RECOVERY, "mfa_token": "x", "recovery_code": "x" });
    decides(&server, "token_request", "unauthorized_grant", || server.post("/oauth/token", &body));

    let (issued, recovery_codes) = server.enroll();
    assert_eq!(count(&server, "token_issued", "oob"), 1);
    let token = server.mfa_token();
    decides(&server, "token_issued", "recovery_code", || server.recover(&token, &recovery_codes[0]));
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    server.code(2);
    decides(&server, "second_factor", "malformed_code", || server.answer(&token, &oob_code, "abc"));
    decides(&server, "second_factor", "malformed_oob_code", || {
        server.answer(&token, &json!("abc"), "123456")
    });
    let other = server.mfa_token();
    decides(&server, "second_factor", "foreign_oob_code", || server.answer(&other, &oob_code, "123456"));
    decides(&server, "second_factor", "invalid_recovery_code", || server.recover(&token, "abc"));
    let otp = json!({ "grant_type": OTP, "mfa_token": token, "otp": "123456" });
    assert_eq!(server.token(&otp).error(), "unsupported_challenge_type");
    let refused = server.expect_audit("verify_otp");
    assert_eq!(
        (&refused["denial"], &refused["evaluated"]),
        (&json!("unsupported_challenge_type"), &json!(false))
    );
    let malformed = json!({ "grant_type": OTP, "mfa_token": token, "otp": "abc" });
    decides(&server, "second_factor", "malformed_code", || server.token(&malformed));
    let enroller = server.elevated("enroll");
    decides(&server, "second_factor", "insufficient_scope", || bearer(&server, &enroller));
    decides(&server, "second_factor", "unknown_authenticator", || server.remove(&enroller, "nothing"));
    decides(&server, "request", "invalid_parameter", || server.associate(&enroller, "a..b@x.example"));
    let before = server.codes().len();
    let second = server.associate(&enroller, "second@example.com").body["oob_code"].clone();
    let code = server.code(before + 1);
    decides(&server, "token_issued", "same_token", || server.answer(&enroller, &second, &code));
    assert!(issued["access_token"].is_string());

    let post = |headers: &[(&str, &str)], body: &str| server.send("POST", "/oauth/token", headers, body);
    decides(&server, "request", "unreadable", || post(&[JSON], "{"));
    decides(&server, "request", "too_large", || post(&[JSON], &" ".repeat(20_000)));
    decides(&server, "request", "unsupported_media_type", || post(&[("Content-Type", "text/plain")], "x"));
    decides(&server, "request", "unsupported_encoding", || post(&[JSON, ("Content-Encoding", "gzip")], "x"));
    decides(&server, "request", "invalid_parameter", || server.token(&json!({})));
    let page = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    decides(&server, "request", "unregistered_origin", || server.send("OPTIONS", "/oauth/token", &page, ""));
}

/// H15: every host event of the table in the README is one that the server counts, and the other way round.
#[test]
fn the_readme_lists_every_event_and_reason() {
    let server = Server::start();
    let counted: BTreeSet<(String, String)> = server
        .get("/metrics")
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("countersign_host_events_total{event=\""))
        .map(|line| {
            let (event, rest) = line.split_once("\",reason=\"").unwrap();
            (event.to_owned(), rest.split_once('"').unwrap().0.to_owned())
        })
        .collect();
    let readme = include_str!("../README.md");
    let section = readme.split_once("## Logs and metrics").unwrap().1.split_once("\n## ").unwrap().0;
    let mut listed = BTreeSet::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (event, rest) = row.split_once("` | ").unwrap();
        if rest.contains("counter") {
            continue;
        }
        listed.extend(rest.split('`').skip(1).step_by(2).map(|reason| (event.to_owned(), reason.to_owned())));
    }
    assert!(counted.len() > 50, "{counted:?}");
    assert_eq!(listed, counted);
}

/// A whole journey, with right values and wrong ones: nothing that a client sends or is given, and no address, is in
/// the log.
#[test]
fn no_line_of_the_log_shows_a_secret_or_an_address() {
    for format in ["json", "text"] {
        let directory = Arc::new(Directory::new());
        let arguments =
            ["--listen", "127.0.0.1:0", "--log-format", format, "--log", "trace", "--argon2-memory", "64"];
        let log = directory.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut child = command(directory.path(), &[&arguments[..], &["--policy", "auth0"]].concat())
            .stdout(file)
            .spawn()
            .unwrap();
        let read = || std::fs::read_to_string(&log).unwrap();
        let address = common::eventually("the server listens", || {
            let text = read();
            let line = text.lines().find(|line| line.contains("listening"))?.to_owned();
            let digits = line.split("127.0.0.1:").nth(1)?.chars().take_while(char::is_ascii_digit);
            Some(format!("127.0.0.1:{}", digits.collect::<String>()))
        });
        let send = |path: &str, headers: &[(&str, &str)], body: &Value| {
            common::send(
                address.parse().unwrap(),
                "POST",
                path,
                &[headers, &[JSON]].concat(),
                &body.to_string(),
            )
            .unwrap()
        };
        let mut secrets =
            vec![PASSWORD.to_owned(), "person@example.com".to_owned(), "demo-secret".to_owned()];
        let first = json!({ "grant_type": "password", "username": "user@example.com", "password": PASSWORD });
        let token =
            send("/oauth/token", &[], &as_demo(&first)).body["mfa_token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let associated = send(
            "/mfa/associate",
            &[("Authorization", &bearer)],
            &json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "person@example.com" }),
        );
        let oob_code = associated.body["oob_code"].as_str().unwrap().to_owned();
        secrets.extend(
            associated.body["recovery_codes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|code| code.as_str().unwrap().into()),
        );
        let mailbox = common::eventually("the message", || {
            let reply = common::send(address.parse().unwrap(), "GET", "/mailbox", &[], "").unwrap();
            let text = reply.body.as_array()?.first()?["text"].as_str()?.to_owned();
            Some(text)
        });
        let code = mailbox.lines().map(str::trim).find(|line| line.len() == 6 && line.parse::<u32>().is_ok());
        let code = code.unwrap().to_owned();
        let answer = |code: &str| {
            as_demo(&json!({
                "grant_type": OOB, "mfa_token": token, "oob_code": oob_code, "binding_code": code,
            }))
        };
        assert_eq!(send("/oauth/token", &[], &answer(&wrong(&code))).status, 403);
        let done = send("/oauth/token", &[], &answer(&code));
        assert_eq!(done.status, 200, "{}", done.text);
        secrets.extend([token, oob_code.clone(), code.clone(), wrong(&code)]);
        secrets.push(done.body["access_token"].as_str().unwrap().to_owned());
        child.kill().unwrap();
        child.wait().unwrap();
        let text = read();
        assert!(text.contains("audit") && text.contains("verify_oob"), "{format}");
        for secret in secrets {
            assert!(!text.contains(&secret), "{format}: {secret} is in the log");
        }
    }
}
