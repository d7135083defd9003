//! Rows that somebody edited: the server goes on for everybody else, and says what is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Directory, PASSWORD, Reply, Server, eventually, json, sql, within};

fn attempt(server: &Server, username: &str) -> Reply {
    server.token(&json!({ "grant_type": "password", "username": username, "password": PASSWORD }))
}

/// A hash that nobody can compute is nobody's password: its user looks like a name that nobody has, and others sign in.
#[test]
fn a_password_hash_that_cannot_be_computed_stops_nobody() {
    let directory = Arc::new(Directory::new());
    let mut server = Server::start_in(&directory, &[]);
    common::command(directory.path(), &["users", "add", "eve@example.com", "--argon2-memory", "64"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .map(|mut child| {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{PASSWORD}\n").as_bytes())
                .unwrap();
            assert!(child.wait().unwrap().success());
        })
        .unwrap();
    assert_eq!(attempt(&server, "eve@example.com").error(), "mfa_required");
    let tail = "'||substr(password_hash, -66)";
    for hash in [
        format!("'$argon2id$v=19$m=64,t=4294967295,p=1${tail}"),
        format!("'$argon2id$v=19$m=4294967295,t=1,p=1${tail}"),
        format!("'$argon2id$v=99$m=64,t=2,p=1${tail}"),
        format!("'$bcrypt$v=19$m=64,t=2,p=1${tail}"),
        "'$argon2id$v=19$m=64,t=2,p=1$c2FsdA'||substr(password_hash, -44)".to_owned(),
        "'$argon2id$v=19$m=64,t=2,p=1'".to_owned(),
        "'x'".to_owned(),
        "''".to_owned(),
    ] {
        sql(&directory, &format!("UPDATE users SET password_hash = {hash} WHERE email = 'eve@example.com'"));
        let unknown = attempt(&server, "nobody@example.com");
        let edited = attempt(&server, "eve@example.com");
        assert_eq!((edited.status, edited.text), (unknown.status, unknown.text), "{hash}");
        assert_eq!(attempt(&server, "user@example.com").error(), "mfa_required", "{hash}");
    }
    server.expect_log("users set-password");
    server.terminate();
    within(Duration::from_secs(9), "the end", || server.has_ended().then_some(()));
    // A server that starts with such a row learns no parameters from it.
    let server = Server::start_in(&directory, &[]);
    assert_eq!(attempt(&server, "user@example.com").error(), "mfa_required");
}

/// The database of another application is left as it is, also by a command that only reads.
#[test]
fn a_database_of_another_application_is_left_as_it_is() {
    let directory = Directory::new();
    let file = directory.path().join("countersign.db");
    std::fs::write(&file, "").unwrap();
    sql(&directory, "CREATE TABLE notes (text TEXT); CREATE TABLE _sqlx_migrations (version BIGINT)");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let before = std::fs::read(&file).unwrap();
    for arguments in [&["users", "list"][..], &["--listen", "127.0.0.1:0"]] {
        let refused = common::run(directory.path(), arguments);
        assert!(!refused.status.success());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("it is not an SQLite database of this server"), "{said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
}

/// Trying again does not help, so the answer is not that the server is busy.
#[test]
fn a_record_that_cannot_be_read_is_an_error_of_the_server() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    sql(&directory, "CREATE TABLE kept AS SELECT record FROM accounts");
    // What stands in the wrong place may be a secret, and is not repeated.
    let records = ["'{}'", "x'ff00'", "json_set(record, '$.v1.enrolled', 'a-secret')"];
    for (before, record) in records.into_iter().enumerate() {
        sql(&directory, "UPDATE accounts SET record = coalesce((SELECT record FROM kept), record)");
        sql(&directory, &format!("UPDATE accounts SET record = {record}"));
        let reply = attempt(&server, "user@example.com");
        assert_eq!((reply.status, reply.error()), (500, "server_error"), "{record}: {}", reply.text);
        let told = || server.log_text().matches("a request failed").count();
        eventually("a word on it", || (told() > before).then_some(()));
        assert!(!server.log_mentions("a-secret"));
    }
}

/// L23: a record that a later release wrote is no corrupt one. The answer is 500, not "busy", and the log says what to
/// do.
#[test]
fn a_record_of_a_later_release_is_told_from_a_corrupt_one() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    let newer = "a stored record is of version v2, which a later release wrote: this one reads up to v1";
    let corrupt = "a stored record cannot be read";
    sql(&directory, "CREATE TABLE kept AS SELECT record FROM accounts");
    for (record, said, not_said) in [
        ("json_object('v2', json('{\"tenant\":[]}'))", newer, corrupt),
        ("json_set(record, '$.v1.enrolled', 'perhaps')", corrupt, newer),
    ] {
        let seen = server.log_text().len();
        sql(&directory, &format!("UPDATE accounts SET record = {record}"));
        let reply = attempt(&server, "user@example.com");
        assert_eq!((reply.status, reply.error()), (500, "server_error"), "{record}: {}", reply.text);
        eventually("a word on it", || server.log_text()[seen..].contains(said).then_some(()));
        assert!(!server.log_text()[seen..].contains(not_said), "{record}");
        sql(&directory, "UPDATE accounts SET record = (SELECT record FROM kept)");
    }
    // The record itself is as it was, and the release that reads it goes on.
    assert_eq!(attempt(&server, "user@example.com").error(), "mfa_required");
}

/// L16: a limit that a clock ahead has left behind is no fault of the user, and the operator is told.
#[test]
fn a_limit_that_a_clock_left_behind_is_told_to_the_operator() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "default", "--implicit-email"]);
    let token = server.mfa_token();
    assert_eq!(server.challenge(&token).status, 200);
    let ahead = "CAST(strftime('%s', 'now') AS INTEGER) * 1000 + 3600000";
    let bucket = "'$.v1.ledger.lanes.unknown.sends.bucket'";
    let record = format!("json_set(record, {bucket}, {ahead}, '$.v1.updated', {ahead})");
    sql(&directory, &format!("UPDATE accounts SET record = {record}"));
    let refused = server.challenge(&server.mfa_token());
    let said = "The server's clocks disagree. Try again later.";
    refused.is_refused(503, "temporarily_unavailable", said);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    server.expect_log("a clock that wrote this user's record was ahead");
    let counted = server.get("/metrics").text;
    assert!(counted.contains("command=\"challenge\",reason=\"clock_disagrees\"} 1"), "{counted}");
    assert!(common::run(directory.path(), &["users", "unlock", "user@example.com"]).status.success());
    assert_eq!(server.challenge(&server.mfa_token()).status, 429, "as empty as any may be, for a while");
}
