//! The published vulnerabilities that a host can have even if its second-factor core has none: a test each, named by
//! its number in `docs/advisories.md`, against the real binary.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
    sync::Arc,
};

use common::{
    Directory, OOB, PASSWORD, Reply, Server, Value, as_demo, command, eventually, json, sink::Sink, wrong,
};

const TOLD_WRONG: &str = "Invalid binding_code.";
const LOCKED: &str = "Too many failed codes. Wait for some minutes before retrying.";

/// What each of several clients is told that ask the same at once.
fn at_once(clients: usize, ask: impl Fn() -> Reply + Sync) -> Vec<Reply> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..clients).map(|_| scope.spawn(&ask)).collect();
        asked.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// Signs in by a name of the user's, and asks for a code: the `mfa_token`, the handle and a wrong code.
fn challenged_as(server: &Server, username: &str) -> (String, Value, String) {
    let body = json!({ "grant_type": "password", "username": username, "password": PASSWORD });
    let mfa_token = server.token(&body).body["mfa_token"].as_str().unwrap().to_owned();
    let before = server.codes().len();
    let challenged = server.challenge(&mfa_token);
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    (mfa_token, challenged.body["oob_code"].clone(), wrong(&server.code(before + 1)))
}

/// HackerOne 3692149 (Ory Kratos): of answers that arrive at once with the right code, one gets a token, on SQLite as
/// on PostgreSQL.
#[test]
fn v03_answers_at_once_give_one_token() {
    let server = Server::start();
    server.enroll();
    // Answers that were taken one after the other show nothing, so there are a few rounds.
    for round in 2..6 {
        let token = server.mfa_token();
        let oob_code = server.challenge(&token).body["oob_code"].clone();
        let code = server.code(round);
        let told = at_once(16, || server.answer(&token, &oob_code, &code));
        assert_eq!(told.iter().filter(|reply| reply.status == 200).count(), 1);
        assert!(told.iter().all(|reply| reply.body.get("access_token").is_some() == (reply.status == 200)));
    }
}

/// CVE-2023-47111 (ZITADEL): guesses that arrive at once cost what they cost in a row.
#[test]
fn v07_guesses_at_once_cost_an_attempt_each() {
    let server = Server::start();
    server.enroll();
    let mut told_wrong = 0;
    for _ in 0..4 {
        let token = server.mfa_token();
        let challenged = server.challenge(&token);
        let Some(oob_code) = challenged.body.get("oob_code") else {
            challenged.is_refused(429, "invalid_request", LOCKED);
            break;
        };
        let guess = wrong(&server.code(2));
        for _ in 0..4 {
            let told = at_once(8, || server.answer(&token, oob_code, &guess));
            told_wrong += told.iter().filter(|reply| reply.description() == TOLD_WRONG).count();
        }
    }
    assert_eq!(told_wrong, 10);
    // The confirmation of the enrollment was evaluated, too.
    assert_eq!(server.evaluated(11), 11);
}

/// CVE-2026-35597 (Vikunja): what a client was told is stored, though the server is killed the moment after.
#[test]
fn v10_a_failure_that_was_told_outlives_the_server() {
    let directory = Arc::new(Directory::new());
    let start = || {
        let issuer = ["--policy", "auth0", "--implicit-email", "--issuer", "http://localhost/"];
        Server::start_in(&directory, &issuer)
    };
    let server = start();
    let (token, oob_code, guess) = challenged_as(&server, "user@example.com");
    server.kill();
    for _ in 0..5 {
        let server = start();
        for _ in 0..2 {
            server.answer(&token, &oob_code, &guess).is_refused(403, "invalid_grant", TOLD_WRONG);
        }
        server.kill();
    }
    let server = start();
    server.challenge(&server.mfa_token()).is_refused(429, "invalid_request", LOCKED);
}

/// CVE-2026-45364 (better-auth): no header with an address, and no other that a client chooses, buys a guess.
#[test]
fn v16_no_header_splits_a_budget() {
    let server = Server::with(&["--policy", "auth0", "--implicit-email"]);
    let mut told = Vec::new();
    for login in 0..3 {
        let (token, oob_code, guess) = challenged_as(&server, "user@example.com");
        for number in 0..4 {
            let address = format!("2001:db8::{login}:{number}");
            let forwarded = format!("for=\"[{address}]\"");
            let headers = [
                ("Content-Type", "application/json"),
                ("X-Forwarded-For", address.as_str()),
                ("X-Real-IP", address.as_str()),
                ("Forwarded", forwarded.as_str()),
                ("User-Agent", address.as_str()),
            ];
            let body = as_demo(&json!({
                "grant_type": OOB, "mfa_token": token, "oob_code": oob_code, "binding_code": guess,
            }));
            told.push(server.send("POST", "/oauth/token", &headers, &body.to_string()));
        }
    }
    let wrong = told.iter().take_while(|reply| reply.description() == TOLD_WRONG).count();
    assert_eq!(wrong, 10);
    told[wrong..].iter().for_each(|reply| assert_ne!(reply.description(), TOLD_WRONG));
    assert_eq!(server.evaluated(10), 10);
}

/// CVE-2025-24806 (Authelia): however a user spells the name at sign-in, the guesses are one account's.
#[test]
fn v17_spellings_of_a_name_share_one_budget() {
    let server = Server::with(&["--policy", "auth0", "--implicit-email"]);
    let mut wrong = 0;
    for username in ["user@example.com", "USER@example.com", "User@Example.COM"] {
        let (token, oob_code, guess) = challenged_as(&server, username);
        let told = (0..4).map(|_| server.answer(&token, &oob_code, &guess));
        wrong += told.filter(|reply| reply.description() == TOLD_WRONG).count();
    }
    assert_eq!(wrong, 10);
}

/// CVE-2024-1722 (Keycloak): whoever lacks the password spends no guess of the account and locks nobody out; and a
/// lock of the second factor is none of the first.
#[test]
fn v20_wrong_passwords_lock_nobody_out() {
    let server = Server::with(&["--policy", "auth0", "--implicit-email"]);
    let sign_in = |password: &str| {
        let body = json!({ "grant_type": "password", "username": "user@example.com", "password": password });
        server.token(&body)
    };
    for number in 0..30 {
        sign_in(&format!("guess {number}")).is_refused(403, "invalid_grant", "Wrong email or password.");
    }
    let (token, oob_code, guess) = challenged_as(&server, "user@example.com");
    for _ in 0..10 {
        server.answer(&token, &oob_code, &guess).is_refused(403, "invalid_grant", TOLD_WRONG);
    }
    server.challenge(&server.mfa_token()).is_refused(429, "invalid_request", LOCKED);
    assert_eq!(sign_in(PASSWORD).error(), "mfa_required");
    assert_eq!(sign_in("guess").error(), "invalid_grant");
}

/// usd-2021-0016 (Keycloak): a server that was told nothing bounds guessing.
#[test]
fn v21_a_server_without_settings_bounds_guessing() {
    // Logins until one is refused, or gets a code that nobody guesses; and how many wrong codes were counted before.
    let guess_out = |server: &Server| {
        let mut wrong_codes = 0;
        let last = (1..=5).find_map(|login| {
            let token = server.mfa_token();
            let associated = server.associate(&token, "user@example.com");
            let oob_code = associated.body.get("oob_code").cloned();
            let Some(oob_code) = oob_code.filter(|_| associated.body.get("binding_code_length").is_none())
            else {
                return Some(associated);
            };
            let guess = wrong(&server.code(login));
            let told = (0..20).map(|_| server.answer(&token, &oob_code, &guess));
            wrong_codes += told.filter(|reply| reply.description() == TOLD_WRONG).count();
            None
        });
        (last.unwrap(), wrong_codes)
    };
    let (long, wrong_codes) = guess_out(&Server::with(&[]));
    assert_eq!((&long.body["binding_code_length"], wrong_codes), (&json!(20), 10));
    let (refused, wrong_codes) = guess_out(&Server::with(&["--policy", "auth0"]));
    refused.is_refused(429, "invalid_request", LOCKED);
    assert_eq!(wrong_codes, 10);
}

/// CVE-2026-56081 (Cap-go): an address that nobody verified is no factor, also where verified ones are without being
/// asked.
#[test]
fn v32_an_unverified_address_is_no_factor() {
    let directory = Arc::new(Directory::new());
    let add = |email: &str, verified: &[&str]| {
        let arguments = [&["add-user", email, "--argon2-memory", "64"], verified].concat();
        let mut child = command(directory.path(), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        assert!(child.wait().unwrap().success());
    };
    let server = Server::start_in(&directory, &["--policy", "auth0", "--implicit-email"]);
    add("verified@example.com", &["--verified"]);
    add("unverified@example.com", &[]);
    let sign_in = |username: &str| {
        server.token(&json!({ "grant_type": "password", "username": username, "password": PASSWORD })).body
    };
    assert!(sign_in("verified@example.com")["mfa_requirements"].get("challenge").is_some());
    let reply = sign_in("unverified@example.com");
    let requirements = &reply["mfa_requirements"];
    assert!(requirements.get("challenge").is_none() && requirements.get("enroll").is_some(), "{reply}");
    let challenged = server.challenge(reply["mfa_token"].as_str().unwrap());
    assert_eq!(challenged.error(), "association_required", "{}", challenged.text);
}

/// keycloak#26104: recovery codes and times that a client sends along are not taken.
#[test]
fn v33_recovery_codes_of_a_client_are_not_taken() {
    let server = Server::start();
    let chosen = "ABCDEFGHABCDEFGHABCDEFGH";
    let token = server.mfa_token();
    let associated = server.post_as(
        "/mfa/associate",
        &token,
        &json!({
            "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "user@example.com",
            "recovery_codes": [chosen], "recovery_code": chosen, "created_at": "2001-01-01T00:00:00.000Z",
        }),
    );
    assert_eq!(associated.status, 200, "{}", associated.text);
    assert!(!associated.text.contains(chosen));
    let shown = associated.body["recovery_codes"][0].as_str().unwrap();
    let confirmed = server.answer(&token, &associated.body["oob_code"], &server.code(1));
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    assert!(!server.list(&server.mfa_token()).text.contains("2001"));
    let token = server.mfa_token();
    assert_eq!(server.recover(&token, chosen).error(), "invalid_grant");
    assert_eq!(server.recover(&token, shown).status, 200);
}

/// django-allauth 65.3 and others: a name that nobody has is refused to the letter like a wrong password, whatever
/// state the account behind a name is in.
#[test]
fn v37_an_unknown_name_is_refused_like_a_wrong_password() {
    let server = Server::with(&["--policy", "auth0", "--implicit-email"]);
    let names = ["user@example.com", "USER@example.com", "nobody@example.com", " ", "a\0b", "no address"];
    let mut answers = BTreeSet::new();
    let mut ask = || {
        for name in names {
            let reply = server.token(
                &json!({ "grant_type": "password", "username": name, "password": "not the password" }),
            );
            let heads =
                reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
            let mut heads: Vec<_> = heads.cloned().collect();
            heads.sort();
            answers.insert((reply.status, heads, reply.text));
        }
    };
    ask();
    let (token, oob_code, guess) = challenged_as(&server, "user@example.com");
    (0..10).for_each(|_| drop(server.answer(&token, &oob_code, &guess)));
    assert_eq!(server.challenge(&token).status, 429, "the account is locked");
    ask();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

/// `POST /mfa/associate` under a name that the client made up.
fn associated_as(server: &Server, name: &str) -> String {
    let token = server.mfa_token();
    let body =
        json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "user@example.com" });
    let body = body.to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(
        stream,
        "POST /mfa/associate HTTP/1.1\r\nHost: {name}\r\nX-Forwarded-Host: {name}\r\nForwarded: host={name}\r\n\
         Origin: https://{name}\r\nReferer: https://{name}/\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// GHSA-3529-5m8x-rpv3 (GoTrue): no name that a client gives to the server comes into a message, or into an issuer.
#[test]
fn v38_a_host_header_comes_into_no_message() {
    const EVIL: &str = "evil.example";
    // With the demonstration, which does not answer to that name, and then without, through a relay.
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    assert!(associated_as(&server, EVIL).starts_with("HTTP/1.1 421"));
    assert!(server.codes().is_empty());
    drop(server);
    let sink = Sink::start();
    let relay = sink.url();
    let bare = ["--policy", "auth0", "--demo=false", "--allow-demo-credentials", "--smtp", &relay];
    let server = Server::start_in(&directory, &bare);
    let answer = associated_as(&server, EVIL);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains(EVIL));
    let mail = eventually("a message", || sink.mail("user@example.com").pop());
    assert!(mail.code().is_some() && !mail.data.contains(EVIL), "{}", mail.data);
    // The server's own name, as its operator configured it, is the only link.
    let links = mail.data.replace("=\r\n", "").replace(&server.issuer(), "");
    assert!(!links.contains("://"), "{links}");
    let discovery =
        server.send("GET", "/.well-known/openid-configuration", &[("X-Forwarded-Host", EVIL)], "");
    assert_eq!((discovery.status, discovery.body["issuer"].as_str()), (200, Some(&*server.issuer())));
    assert!(!discovery.text.contains(EVIL));
}

/// CodeLens#272 and others: nothing is sent to whoever has passed no first factor, and a password alone sends nothing
/// either.
#[test]
fn v39_nothing_is_sent_without_a_first_factor() {
    let server = Server::start();
    server.enroll();
    // The page's panel counts a message as soon as it is due; it may arrive later.
    let sent = || {
        let steps = server.get("/demo/state?username=user@example.com").body["steps"].clone();
        let effects = steps.as_array().unwrap().iter().flat_map(|step| step["effects"].as_array().unwrap());
        effects.filter(|effect| effect["kind"] == "send").count()
    };
    assert_eq!(sent(), 1, "the enrollment's");
    let user = json!({ "grant_type": "password", "username": "user@example.com", "password": "wrong" });
    for mfa_token in ["", "x", "AAAA"] {
        for _ in 0..5 {
            assert!(server.challenge(mfa_token).status >= 400);
            assert!(server.associate(mfa_token, "user@example.com").status >= 400);
            assert!(server.token(&user).status >= 400);
        }
    }
    let token = server.mfa_token();
    assert_eq!(sent(), 1);
    assert_eq!(server.challenge(&token).status, 200);
    assert_eq!(sent(), 2);
}
