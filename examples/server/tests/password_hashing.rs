//! Passwords that were hashed with other parameters than today's: they are hashed anew when they are known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{path::Path, sync::Arc};

use common::{Directory, MFA_SCOPE, PASSWORD, Server, json, run};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

fn stored(directory: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(directory.join("countersign.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = "SELECT password_hash FROM users WHERE email = 'user@example.com'";
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    })
}

fn attempt(server: &Server, username: &str, password: &str) -> String {
    let body = json!({ "grant_type": "password", "username": username, "password": password });
    server.token(&body).error().to_owned()
}

/// H26: after a change of the parameters a right password is hashed with the new ones, and nothing else changes.
#[test]
fn a_right_password_is_hashed_with_the_parameters_of_today() {
    let directory = Arc::new(Directory::new());
    let before = Server::start_in(&directory, &["--policy", "auth0", "--listen", "localhost:0"]);
    before.enroll();
    let old = stored(directory.path());
    assert!(old.contains("$m=64,"), "{old}");
    before.kill();

    let server = Server::start_in(&directory, &["--policy", "auth0", "--argon2-memory", "128"]);
    assert_eq!(attempt(&server, "user@example.com", "wrong"), "invalid_grant");
    assert_eq!(attempt(&server, "nobody@example.com", PASSWORD), "invalid_grant");
    assert_eq!(stored(directory.path()), old, "a wrong password changes nothing");
    let session = server.elevated(MFA_SCOPE);
    let new = stored(directory.path());
    assert!(new.contains("$m=128,"), "{new}");
    assert_eq!(attempt(&server, "user@example.com", PASSWORD), "mfa_required");
    assert_eq!(stored(directory.path()), new, "once is enough");
    assert_eq!(server.list(&session).status, 200, "no session ends");
    server.kill();

    // Back again: the stored hash decides, not the order of the changes.
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    assert_eq!(attempt(&server, "user@example.com", PASSWORD), "mfa_required");
    assert!(stored(directory.path()).contains("$m=64,"));
}

/// H26: sign-ins that hash anew at the same time as an administrator sets another password do not bring the old one
/// back.
#[test]
fn a_password_that_is_set_meanwhile_stays() {
    let directory = Arc::new(Directory::new());
    Server::start_in(&directory, &[]).kill();
    let server = Server::start_in(&directory, &["--argon2-memory", "128"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| attempt(&server, "user@example.com", PASSWORD));
        }
        let set = scope.spawn(|| {
            let mut command = common::command(
                directory.path(),
                &["users", "set-password", "user@example.com", "--argon2-memory", "64"],
            );
            let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"another long password\n").unwrap();
            assert!(child.wait().unwrap().success());
        });
        set.join().unwrap();
    });
    assert_eq!(attempt(&server, "user@example.com", PASSWORD), "invalid_grant");
    assert_eq!(attempt(&server, "user@example.com", "another long password"), "mfa_required");
    assert!(run(directory.path(), &["users", "show", "user@example.com"]).status.success());
}

/// L2: the check of the old password is held up while an administrator sets another one. The old one is what was read,
/// so it is right, and lets nobody in all the same.
#[test]
fn a_sign_in_that_is_under_way_with_the_old_password_is_refused() {
    let directory = Arc::new(Directory::new());
    let slow = ["--argon2-memory", "200000", "--password-hashes", "1", "--password-queue", "1000"];
    let server = Server::start_in(&directory, &[&slow[..], &["--password-wait", "600"]].concat());
    let waiting = || {
        let text = server.get("/metrics").text;
        let line =
            text.lines().find(|line| line.starts_with("countersign_password_hash_queue_length ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    std::thread::scope(|scope| {
        // One hash at a time, and each takes a while: those in front hold up the one behind them.
        let ahead: Vec<_> =
            (0..8).map(|_| scope.spawn(|| attempt(&server, "nobody@example.com", PASSWORD))).collect();
        common::eventually("a line", || (waiting() >= 5).then_some(()));
        let held = scope.spawn(|| attempt(&server, "user@example.com", PASSWORD));
        // It has read the password when it stands in the line, which takes it no time beside a hash.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let set = ["users", "set-password", "user@example.com", "--argon2-memory", "64"];
        let mut child =
            common::command(directory.path(), &set).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"another long password\n").unwrap();
        assert!(child.wait().unwrap().success());
        assert!(waiting() >= 1, "the sign-in was held up while the password was set");
        assert_eq!(held.join().unwrap(), "invalid_grant");
        ahead.into_iter().for_each(|asked| assert_eq!(asked.join().unwrap(), "invalid_grant"));
    });
    server.expect_log("ended");
    assert_eq!(attempt(&server, "user@example.com", "another long password"), "mfa_required");
}
