//! What an operator does: options, keys, users, metrics, stopping.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::Arc,
};

use common::{
    Directory, MFA_SCOPE, PASSWORD, Server, Value, as_demo, claims, command, eventually, json, run,
};

/// Runs the server to its end, which is an error in one sentence.
#[track_caller]
fn fails(directory: &Directory, arguments: &[&str], sentence: &str) {
    let output = run(directory.path(), arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    assert!(output.status.code().is_some(), "{arguments:?} ended by a signal");
    assert!(said.contains(sentence), "{arguments:?} said {said:?}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn bad_options_are_refused_in_one_sentence() {
    let directory = Directory::new();
    let free = ["--listen", "127.0.0.1:0"];
    let with = |arguments: &[&'static str]| [&free, arguments].concat();
    fails(&directory, &["--listen", "nowhere"], "give ADDRESS:PORT or NAME:PORT");
    fails(
        &directory,
        &["--listen", "0.0.0.0:0", "--demo"],
        "refused on 0.0.0.0:0: --listen on a loopback address",
    );
    fails(&directory, &with(&["--policy", "lax"]), "invalid value 'lax'");
    fails(&directory, &with(&["--issuer", "ftp://x/"]), "an issuer is an http or https URL");
    fails(
        &directory,
        &with(&["--smtp", "smtp://mail.example.com"]),
        "without TLS, mail goes to a loopback address only",
    );
    fails(&directory, &with(&["--smtp", "mail.example.com:25"]), "give smtp://HOST:PORT");
    fails(
        &directory,
        &with(&["--smtp", "smtps://user:secret@mail.example.com"]),
        "credentials come from the environment",
    );
    fails(&directory, &with(&["--mail-from", "nobody"]), "invalid value 'nobody'");
    fails(&directory, &with(&["--templates", "missing"]), "--templates: the folder missing cannot be read");
    fails(&directory, &with(&["--database", "mysql://x"]), "the path of an SQLite file");
    fails(
        &directory,
        &with(&["--database", "missing/x.db", "--keys", "missing.json"]),
        "the key file missing.json cannot be read",
    );
    fails(&directory, &with(&["--database", "missing/x.db"]), "the file missing/x.db cannot be used");
    fails(&directory, &with(&["--log", "x=y=z"]), "--log \"x=y=z\"");
    fails(&directory, &with(&["--argon2-memory", "1"]), "1 is not in 16..=1048576");
    fails(&directory, &with(&["--unknown"]), "unexpected argument '--unknown'");
    let postgres = "postgres://nobody:hunter2@127.0.0.1:1/none";
    fails(
        &directory,
        &with(&["--database", postgres]),
        "several servers on one PostgreSQL need the same keys",
    );
    assert!(run(directory.path(), &["keys", "generate", "keys.json"]).status.success());
    fails(
        &directory,
        &with(&["--database", postgres, "--keys", "keys.json"]),
        "--database: PostgreSQL cannot be used",
    );
    let output = run(directory.path(), &with(&["--database", postgres, "--keys", "keys.json"]));
    assert!(!String::from_utf8(output.stderr).unwrap().contains("hunter2"), "the password is not told");
    fs::create_dir(directory.path().join("folder.db")).unwrap();
    fails(&directory, &with(&["--database", "folder.db"]), "the file folder.db cannot be used");
    fs::write(directory.path().join("garbage.db"), "this is no database, and long enough to be sure")
        .unwrap();
    let garbage = directory.path().join("garbage.db");
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o644)).unwrap();
    fails(
        &directory,
        &with(&["--database", "garbage.db"]),
        "the file garbage.db cannot be used: it is not an SQLite database of this server",
    );
    let mode = fs::metadata(&garbage).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o644, "a file that was named by mistake is left as it is");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(&directory, &["--listen", &address], &format!("cannot listen on {address}"));
    let mut halved = command(directory.path(), &with(&["--smtp", "smtps://localhost"]));
    let output = halved.env("COUNTERSIGN_SMTP_USERNAME", "x").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("give both"));
    let help = run(directory.path(), &["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for option in
        ["--listen", "--issuer", "--database", "--keys", "--smtp", "--demo", "--implicit-email", "--policy"]
    {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn key_files_belong_to_their_owner_alone() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &[]);
    for file in ["countersign.keys.json", "countersign.db", "countersign.db-wal"] {
        let mode = fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    drop(server);
    let keys = directory.path().join("countersign.keys.json");
    let content = fs::read_to_string(&keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o640)).unwrap();
    fails(&directory, &["--listen", "127.0.0.1:0"], "can be read by others: chmod 600 it");
    // Nothing overwrites a key file.
    fails(&directory, &["keys", "generate", "countersign.keys.json"], "cannot be written: File exists");
    assert_eq!(fs::read_to_string(&keys).unwrap(), content);
    // The content can come by the environment.
    let mut by_environment =
        command(directory.path(), &["unlock", "user@example.com", "--database", "countersign.db"]);
    assert!(by_environment.env("COUNTERSIGN_KEYS", &content).output().unwrap().status.success());
    let mut bad = command(directory.path(), &["unlock", "user@example.com"]);
    let output = bad.env("COUNTERSIGN_KEYS", "{}").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("not in the form of a key file"));
}

#[test]
fn keys_rotate_and_what_the_old_ones_made_still_holds() {
    let directory = Arc::new(Directory::new());
    let start = || {
        let issuer = ["--policy", "auth0", "--issuer", "http://localhost/"];
        Server::start_in(&directory, &issuer)
    };
    let file = || {
        let file = directory.path().join("countersign.keys.json");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap()
    };
    let change = |action: &str, class: &str| {
        let output = run(directory.path(), &["keys", "--yes", action, "countersign.keys.json", class]);
        assert!(output.status.success(), "{action} {class}");
        file()
    };
    let secrets = |keys: &Value, class: &str| -> Vec<String> {
        keys[class].as_array().unwrap().iter().map(|key| key["secret"].as_str().unwrap().to_owned()).collect()
    };
    let kids = |server: &Server| -> Vec<String> {
        let keys = server.get("/.well-known/jwks.json").body["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };

    let server = start();
    let (signed_in, codes) = server.enroll();
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let code = server.code(2);
    let other = server.mfa_token();
    let reply = server.answer(&other, &server.challenge(&other).body["oob_code"].clone(), &server.code(3));
    assert_eq!(reply.status, 200);
    let elevated = {
        let token = server.mfa_token();
        let recovered = server.token(&json!({
            "grant_type": common::RECOVERY, "mfa_token": token, "recovery_code": codes[0],
            "audience": "http://localhost/mfa/", "scope": MFA_SCOPE,
        }));
        (
            recovered.body["access_token"].as_str().unwrap().to_owned(),
            recovered.body["recovery_code"].as_str().unwrap().to_owned(),
        )
    };
    let old_kids = kids(&server);
    drop(server);

    for class in ["transient", "durable"] {
        let before = secrets(&file(), class);
        let [new, former] = &secrets(&change("rotate", class), class)[..] else { panic!("{class}") };
        assert!(before == [former.as_str()] && new != former);
    }
    change("rotate", "signing");
    let server = start();
    let now_kids = kids(&server);
    assert_eq!(now_kids.len(), 2);
    assert_eq!(now_kids[1], old_kids[0]);
    // A token, a handle, a code, an access token and a recovery code from before.
    assert_eq!(server.answer(&token, &oob_code, &code).status, 200);
    assert_eq!(server.list(&elevated.0).status, 200);
    assert_eq!(server.recover(&server.mfa_token(), &elevated.1).status, 200);
    let (header, _) = claims(&server.enrolled_access_token());
    assert_eq!(header["kid"], now_kids[0].as_str());
    assert_ne!(claims(&signed_in["access_token"]).0["kid"], header["kid"]);
    drop(server);

    // For several servers: first every one learns the key, then it is used.
    let [second, first] = &secrets(&file(), "transient")[..] else { panic!("two") };
    let staged = secrets(&change("stage", "transient"), "transient");
    let third = &staged[1];
    assert_eq!(staged, [second, third, first].map(String::as_str));
    let promoted = secrets(&change("promote", "transient"), "transient");
    assert_eq!(promoted, [third, second, first].map(String::as_str));
    let rotated = secrets(&change("rotate", "transient"), "transient");
    assert_eq!(rotated[1..], [third.as_str(), second], "three are kept");
    drop(start());
    fails(&directory, &["keys", "rotate", "missing.json", "signing"], "cannot be read");
}

/// What only this file needs of the server.
trait SignedIn {
    fn enrolled_access_token(&self) -> Value;
}

impl SignedIn for Server {
    fn enrolled_access_token(&self) -> Value {
        let before = self.codes().len();
        let token = self.mfa_token();
        let oob_code = self.challenge(&token).body["oob_code"].clone();
        self.answer(&token, &oob_code, &self.code(before + 1)).body["access_token"].clone()
    }
}

#[test]
fn operators_add_users_and_clients() {
    let directory = Arc::new(Directory::new());
    let add_user = |email: &str, password: &str| {
        let arguments = ["add-user", email, "--verified", "--argon2-memory", "64"];
        let mut child = command(directory.path(), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(add_user("Person@example.com", "a long password").status.success());
    assert!(!add_user("person@example.com", "another password").status.success(), "the name is taken");
    assert!(!add_user("short@example.com", "1234567").status.success());
    assert!(!add_user("no address", "a long password").status.success());
    let secret = run(directory.path(), &["add-client", "shop"]);
    let secret = String::from_utf8(secret.stdout).unwrap();
    assert!(secret.trim().len() >= 43);
    assert!(!run(directory.path(), &["add-client", "shop"]).status.success());

    // The store is not empty, so no demonstration data is added.
    let server = Server::start_in(&directory, &[]);
    let sign_in = |user: &str, password: &str| json!({ "grant_type": "password", "username": user, "password": password });
    let mut body = sign_in("person@example.com", "a long password");
    body["client_id"] = json!("shop");
    body["client_secret"] = json!(secret.trim());
    assert_eq!(server.post("/oauth/token", &body).error(), "mfa_required");
    let demo = as_demo(&sign_in("user@example.com", PASSWORD));
    assert_eq!(server.post("/oauth/token", &demo).error(), "invalid_client");
    assert_eq!(server.get("/demo/info").body["demo"], false);
    assert_eq!(server.get("/demo/state?username=person@example.com").status, 404);
}

#[test]
fn metrics_count_what_happened() {
    let server = Server::start();
    server.enroll();
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let code = server.code(2);
    server.answer(&token, &oob_code, &common::wrong(&code));
    server.associate(&token, "b@example.com");
    // Each call of the library: twice two for the passwords, three for each code, two for the refused enrollment, and
    // two each for the enrollment and the challenge. Its worker renders both codes and the notice of the new address,
    // each before it asks the relay and again when that is ready.
    let metrics = eventually("the last message", || {
        let metrics = server.get("/metrics");
        metrics.text.contains("countersign_core_call_duration_seconds_count 22\n").then_some(metrics)
    });
    assert_eq!(metrics.status, 200);
    for name in
        ["countersign_core_call_duration_seconds_sum", "countersign_record_coding_duration_seconds_sum"]
    {
        let line = metrics.text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
    }
    for line in [
        "countersign_second_factor_decisions_total{command=\"verify_oob\",reason=\"accepted\"} 1",
        "countersign_second_factor_decisions_total{command=\"verify_oob\",reason=\"invalid_binding_code\"} 1",
        "countersign_second_factor_decisions_total{command=\"associate\",reason=\"already_enrolled\"} 1",
        "countersign_messages_total{kind=\"code\",result=\"sent\"} 2",
        "countersign_record_swap_conflicts_total 0",
        "countersign_http_request_duration_seconds_count{method=\"POST\",route=\"/mfa/challenge\",status=\"200\"} 1",
    ] {
        assert!(metrics.text.contains(line), "no {line} in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains("dev_") && !metrics.text.contains('@'), "no label is about a user");
}

#[test]
fn a_signal_drains_what_was_begun() {
    let server = Server::start();
    let token = server.mfa_token();
    // A request whose body is still under way when the signal comes.
    let body = as_demo(&json!({ "mfa_token": token })).to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /mfa/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let idle = TcpStream::connect(server.address).unwrap();
    assert_eq!(server.get("/healthz").status, 200, "both connections were taken before this one");
    server.terminate();
    server.expect_log("finishing what was begun");
    eventually("no more connections", || TcpStream::connect(server.address).is_err().then_some(()));
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("association_required"), "{answer}");
    drop(idle);
    server.expect_log("stopped");
    assert!(server.wait().success());
}

#[test]
fn the_store_outlives_the_server() {
    let directory = Arc::new(Directory::new());
    let arguments = ["--policy", "auth0", "--issuer", "http://localhost/"];
    let server = Server::start_in(&directory, &arguments);
    let (_, codes) = server.enroll();
    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let code = server.code(2);
    assert_eq!(server.answer(&token, &oob_code, &code).status, 200);
    server.kill();
    let server = Server::start_in(&directory, &arguments);
    server.answer(&token, &oob_code, &code).is_refused(403, "expired_token", "oob_code is expired");
    assert_eq!(server.recover(&server.mfa_token(), &codes[0]).status, 200);
}
