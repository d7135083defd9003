//! Backup and restore: what a copy has, what a restored database revives, and what to do about it. `docs/backup.md`
//! says the same in words.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use common::{Directory, MFA_SCOPE, PASSWORD, Server, Value, json, run};

const START: [&str; 4] = ["--policy", "auth0", "--issuer", "http://localhost/"];
const USER: &str = "user@example.com";

#[track_caller]
fn done(directory: &Directory, arguments: &[&str]) -> Value {
    let output = run(directory.path(), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Makes a new key of a class, and drops the former one.
fn replace_key(directory: &Directory, class: &str) {
    let rotated = done(directory, &["keys", "--json", "rotate", "countersign.keys.json", class]);
    let former = rotated["keys"][1]["id"].as_str().unwrap();
    done(directory, &["keys", "--json", "--yes", "drop", "countersign.keys.json", class, former]);
}

/// Puts a copy in the place of the database, as the page says.
fn restore(directory: &Directory, copy: &str) {
    let path = |name: &str| directory.path().join(name);
    for beside in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        let _ = fs::remove_file(path(beside));
    }
    fs::copy(path(copy), path("countersign.db")).unwrap();
}

fn elevated(server: &Server) -> String {
    let before = server.codes().len();
    let token = server.mfa_token();
    let challenged = server.challenge(&token);
    let reply = server.token(&json!({
        "grant_type": common::OOB, "mfa_token": token, "oob_code": challenged.body["oob_code"],
        "binding_code": server.code(before + 1), "audience": "http://localhost/mfa/", "scope": MFA_SCOPE,
    }));
    reply.body["access_token"].as_str().unwrap_or_else(|| panic!("{}", reply.text)).to_owned()
}

/// H25: a copy of the running database by `cp` lacked what was in its log.
#[test]
fn a_backup_beside_a_running_server_is_whole_and_its_owners_alone() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &START);
    server.enroll();
    let made = done(&directory, &["backup", "copy.db", "--json"]);
    let copy = directory.path().join("copy.db");
    let meta = fs::metadata(&copy).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!((&made["file"], &made["bytes"]), (&json!("copy.db"), &json!(meta.len())));
    // The file alone is not whole: the server's last writes are still in the log beside it.
    let plain = fs::read(directory.path().join("countersign.db")).unwrap();
    let has = |database: &[u8]| database.windows(15).any(|window| window == b"\"enrolled\":true");
    assert!(has(&fs::read(&copy).unwrap()) && !has(&plain));
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");

    let again = run(directory.path(), &["backup", "copy.db"]);
    assert_eq!(again.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&again.stderr).contains("copy.db is there already: give another name"));
    assert_eq!(fs::metadata(&copy).unwrap().len(), meta.len());
    // SQLite would read this name as a URI.
    done(&directory, &["backup", "file:x?mode=memory", "--json"]);
    assert!(directory.path().join("file:x?mode=memory").is_file());
    let nowhere = run(directory.path(), &["backup", "missing/copy.db"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let no_database = run(directory.path(), &["backup", "x.db", "--database", "elsewhere.db"]);
    assert!(String::from_utf8_lossy(&no_database.stderr).contains("there is no database file elsewhere.db"));
    assert!(!directory.path().join("elsewhere.db").exists() && !directory.path().join("x.db").exists());
    // The server goes on writing.
    assert_eq!(server.challenge(&server.mfa_token()).status, 200);
}

#[test]
fn a_restored_database_revives_what_was_ended_since_and_the_page_ends_it_again() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &START);
    let (_, codes) = server.enroll();
    let token = elevated(&server);
    let mfa_token = server.mfa_token();
    let spent = server.mfa_token();
    let mails = server.codes().len();
    let oob_code = server.challenge(&spent).body["oob_code"].clone();
    let code = server.code(mails + 1);
    done(&directory, &["backup", "copy.db", "--json"]);

    // Since then: a code and a recovery code are used, sessions are ended, and the user is removed.
    assert_eq!(server.answer(&spent, &oob_code, &code).status, 200);
    assert_eq!(server.recover(&mfa_token, &codes[0]).status, 200);
    done(&directory, &["users", "revoke-sessions", USER, "--json"]);
    assert_eq!(server.list(&token).status, 401);
    done(&directory, &["users", "remove", USER, "--json"]);
    drop(server);

    restore(&directory, "copy.db");
    let server = Server::start_in(&directory, &START);
    // The user with the former password, the session, the code and the recovery code are back.
    assert_eq!(server.sign_in().error(), "mfa_required", "{PASSWORD}");
    assert_eq!(server.list(&token).status, 200);
    assert_eq!(server.answer(&spent, &oob_code, &code).status, 200);
    assert_eq!(server.recover(&server.mfa_token(), &codes[0]).status, 200);
    drop(server);

    // What the page says to do, before the servers start.
    restore(&directory, "copy.db");
    replace_key(&directory, "transient");
    done(&directory, &["users", "revoke-sessions", "--all", "--yes", "--json"]);
    let server = Server::start_in(&directory, &START);
    assert_eq!(server.list(&token).status, 401);
    assert_eq!(server.answer(&spent, &oob_code, &code).error(), "invalid_grant");
    assert_eq!(server.list(&mfa_token).status, 401);
    // Used recovery codes are good again until their users are reset or every code is given up.
    assert_eq!(server.recover(&server.mfa_token(), &codes[0]).status, 200);
    drop(server);
    restore(&directory, "copy.db");
    replace_key(&directory, "durable");
    let server = Server::start_in(&directory, &START);
    assert_eq!(server.recover(&server.mfa_token(), &codes[0]).status, 403);
}
