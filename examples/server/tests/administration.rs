//! What an administrator does about users: every command, and what it ends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{Read as _, Write as _},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{BINARY, Directory, MFA_SCOPE, PASSWORD, Server, Value, as_demo, command, json};

const USER: &str = "user@example.com";

/// Runs a command to its end with this on its standard input.
fn administrate(directory: &Directory, arguments: &[&str], input: &str) -> Output {
    let arguments = [arguments, &["--argon2-memory", "64"]].concat();
    let mut child = command(directory.path(), &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn done(directory: &Directory, arguments: &[&str], input: &str) -> Value {
    let output = administrate(directory, &[arguments, &["--json"]].concat(), input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn fails(directory: &Directory, arguments: &[&str], input: &str, code: i32, sentence: &str) {
    let output = administrate(directory, arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(sentence), "{arguments:?} said {said}");
}

fn password_grant(server: &Server, email: &str, password: &str) -> common::Reply {
    server.token(&json!({ "grant_type": "password", "username": email, "password": password }))
}

/// Tokens of every kind from before a command, and that each of them is refused after it.
struct Before {
    mfa_token: String,
    oob_code: Value,
    code: String,
    elevated: String,
}

impl Before {
    fn new(server: &Server) -> Self {
        let elevated = server.elevated(MFA_SCOPE);
        let count = server.codes().len();
        let mfa_token = server.mfa_token();
        let oob_code = server.challenge(&mfa_token).body["oob_code"].clone();
        let code = server.code(count + 1);
        assert_eq!(server.list(&elevated).status, 200);
        assert_eq!(server.list(&mfa_token).status, 200);
        Self { mfa_token, oob_code, code, elevated }
    }

    #[track_caller]
    fn are_refused(&self, server: &Server) {
        for token in [&self.elevated, &self.mfa_token] {
            assert_eq!(server.list(token).status, 401);
            assert_eq!(server.associate(token, "other@example.com").status, 401);
            assert_eq!(server.remove(token, "email|dev_0000000000000000").status, 401);
        }
        assert_eq!(server.challenge(&self.mfa_token).error(), "expired_token");
        let otp = json!({ "grant_type": common::OTP, "mfa_token": self.mfa_token, "otp": "123456" });
        for reply in [
            server.answer(&self.mfa_token, &self.oob_code, &self.code),
            server.answer(&self.elevated, &self.oob_code, &self.code),
            server.recover(&self.mfa_token, "ABCDEFGHJKLMNPQRSTUVWXYZ"),
            server.token(&otp),
        ] {
            assert_eq!(reply.error(), "expired_token", "{}", reply.text);
        }
    }
}

/// The end of a session is in the second of the token's time: what begins in the next one is another session.
fn next_second() {
    std::thread::sleep(Duration::from_millis(1_050));
}

#[test]
fn users_are_listed_page_by_page_and_by_state() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    for number in 0..5 {
        done(&directory, &["users", "add", &format!("person{number}@example.com")], "a long password\n");
    }
    let emails = |arguments: &[&str]| -> Vec<String> {
        let listed = done(&directory, &[&["users", "list"], arguments].concat(), "");
        listed["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["email"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(emails(&[]).len(), 6);
    assert_eq!(emails(&["--contains", "PERSON3"]), ["person3@example.com"]);
    assert_eq!(emails(&["--contains", "%"]).len(), 0, "no pattern");
    assert_eq!(emails(&["--only", "enrolled"]), [USER]);
    assert_eq!(emails(&["--only", "unenrolled"]).len(), 5);
    assert_eq!(emails(&["--only", "locked"]).len(), 0);
    let first = done(&directory, &["users", "list", "--limit", "4"], "");
    assert_eq!(
        (first["users"].as_array().unwrap().len(), first["next"].as_str()),
        (4, Some("person3@example.com"))
    );
    let rest = done(&directory, &["users", "list", "--limit", "4", "--after", "person3@example.com"], "");
    assert_eq!((rest["users"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
    // Without a database there is none to make.
    let empty = Directory::new();
    fails(&empty, &["users", "list"], "", 1, "there is no database file countersign.db");
    assert!(!empty.path().join("countersign.db").exists());
}

/// What a page's end names is taken by the next command, also if an address begins with a hyphen.
#[test]
fn a_page_begins_behind_any_address() {
    let directory = Directory::new();
    for email in ["-a@example.com", "-b@example.com"] {
        let mut command = command(directory.path(), &["users", "add", "--argon2-memory", "64", "--", email]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
    let listed = administrate(&directory, &["users", "list", "--limit", "1"], "");
    let text = String::from_utf8(listed.stdout).unwrap();
    let more = text.lines().find_map(|line| line.strip_prefix("more with ")).unwrap();
    let next = administrate(&directory, &["users", "list", more], "");
    assert!(String::from_utf8_lossy(&next.stdout).contains("-b@example.com"), "{next:?}");
}

#[test]
fn a_password_that_no_request_takes_is_refused() {
    let directory = Directory::new();
    done(&directory, &["users", "add", "a@example.com"], &format!("{}\n", "x".repeat(4_096)));
    let long = format!("{}\n", "x".repeat(4_097));
    fails(&directory, &["users", "add", "b@example.com"], &long, 1, "at most 4096 bytes");
    fails(&directory, &["users", "set-password", "a@example.com"], &long, 1, "at most 4096 bytes");
}

#[test]
fn a_user_is_shown_with_lock_authenticators_codes_and_keys() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    let before = done(&directory, &["users", "show", USER], "");
    assert_eq!(
        (&before["enrolled"], &before["authenticators"], &before["keys"]),
        (&json!(false), &json!([]), &json!([]))
    );
    server.enroll();
    let shown = done(&directory, &["users", "show", USER], "");
    assert_eq!(shown["enrolled"], true);
    assert_eq!(shown["email_verified"], true);
    assert_eq!(shown["recovery_codes_left"], 1);
    assert_eq!(shown["guessing"], json!({ "locked_until": null, "hardened": false }));
    assert_eq!(shown["sessions_ended_at"], Value::Null);
    let status = done(&directory, &["keys", "status", "countersign.keys.json"], "");
    let durable = status["keys"].as_array().unwrap().iter().find(|key| key["class"] == "durable").unwrap();
    let id = durable["id"].as_str().unwrap();
    assert_eq!(
        shown["keys"],
        json!([{ "class": "durable", "id": id, "state": "current", "recovery_codes": 1, "pending_recovery_codes": 0, "devices": 0 }])
    );
    let one = &shown["authenticators"][0];
    assert!(one["id"].as_str().unwrap().starts_with("email|dev_"), "{one}");
    assert_eq!(
        (&one["state"], &one["failures"], &one["provisioned"]),
        (&json!("active"), &json!(0), &json!(false))
    );
    assert_ne!(one["address"], USER);
    assert_eq!(
        done(&directory, &["users", "show", USER, "--whole"], "")["authenticators"][0]["address"],
        USER
    );

    let token = server.mfa_token();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    let wrong = common::wrong(&server.code(2));
    for _ in 0..10 {
        server.answer(&token, &oob_code, &wrong);
    }
    let shown = done(&directory, &["users", "show", USER], "");
    assert_eq!(shown["authenticators"][0]["failures"], 10);
    assert!(shown["guessing"]["locked_until"].as_str().is_some_and(|until| until.ends_with('Z')), "{shown}");
    let locked = done(&directory, &["users", "list", "--only", "locked"], "");
    assert_eq!(locked["users"][0]["email"], USER);
    done(&directory, &["users", "unlock", USER], "");
    assert_eq!(done(&directory, &["users", "show", USER], "")["guessing"]["locked_until"], Value::Null);
    // The same for people.
    let text = String::from_utf8(administrate(&directory, &["users", "show", USER], "").stdout).unwrap();
    assert!(
        text.contains("recovery codes  1 left") && text.contains(&format!("durable key {id} (current)")),
        "{text}"
    );
    // No secret is shown, whole or not.
    let whole = administrate(&directory, &["users", "show", USER, "--whole", "--json"], "");
    let whole = String::from_utf8(whole.stdout).unwrap();
    assert!(!whole.contains("hash") && !whole.contains("seed"), "{whole}");
}

#[test]
fn a_removed_user_leaves_nothing_and_the_tokens_are_refused() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    let before = Before::new(&server);
    let removed = done(&directory, &["users", "remove", USER], "");
    assert_eq!(removed["email"], USER);
    before.are_refused(&server);
    assert_eq!(password_grant(&server, USER, PASSWORD).error(), "invalid_grant");
    let keys = done(&directory, &["keys", "status", "countersign.keys.json"], "");
    assert_eq!(keys["database"]["records"], 0);
    fails(&directory, &["users", "remove", USER], "", 3, "there is no user user@example.com");
    // The same address is another user.
    let added = done(&directory, &["users", "add", USER], "another password\n");
    assert_ne!(added["subject"], removed["subject"]);
    before.are_refused(&server);
    assert_eq!(done(&directory, &["users", "show", USER], "")["enrolled"], false);
}

#[test]
fn another_password_ends_the_sessions_and_the_former_password() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    let before = Before::new(&server);
    fails(&directory, &["users", "set-password", USER], "short\n", 1, "at least 8 characters");
    assert_eq!(server.list(&before.mfa_token).status, 200, "nothing happened");
    done(&directory, &["users", "set-password", USER], "another password\n");
    before.are_refused(&server);
    assert_eq!(password_grant(&server, USER, PASSWORD).error(), "invalid_grant");
    let reply = password_grant(&server, USER, "another password");
    assert_eq!(reply.error(), "mfa_required");
    let token = reply.body["mfa_token"].as_str().unwrap().to_owned();
    let mails = server.codes().len();
    let oob_code = server.challenge(&token).body["oob_code"].clone();
    assert_eq!(server.answer(&token, &oob_code, &server.code(mails + 1)).status, 200);
}

#[test]
fn revoked_sessions_are_refused_and_new_ones_are_not() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    let before = Before::new(&server);
    done(&directory, &["users", "revoke-sessions", USER], "");
    before.are_refused(&server);
    next_second();
    let after = Before::new(&server);
    before.are_refused(&server);
    assert!(done(&directory, &["users", "show", USER], "")["sessions_ended_at"].is_string());

    // All at once is asked.
    fails(
        &directory,
        &["users", "revoke-sessions", "--all"],
        "",
        5,
        "every user has to sign in anew: give --yes",
    );
    assert_eq!(server.list(&after.mfa_token).status, 200);
    fails(&directory, &["users", "revoke-sessions"], "", 2, "required");
    let revoked = done(&directory, &["users", "revoke-sessions", "--all", "--yes"], "");
    assert_eq!(revoked["users"], 1);
    after.are_refused(&server);
}

#[test]
fn a_reset_ends_the_sessions_too() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    let before = Before::new(&server);
    done(&directory, &["users", "reset", USER], "");
    before.are_refused(&server);
    let shown = done(&directory, &["users", "show", USER], "");
    assert_eq!((&shown["enrolled"], &shown["recovery_codes_left"]), (&json!(false), &json!(0)));
}

#[test]
fn an_administrator_removes_one_authenticator() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0", "--implicit-email"]);
    // The user's own address is provisioned at the first sign-in; another is enrolled.
    let token = server.elevated(MFA_SCOPE);
    let mails = server.codes().len();
    let associated = server.associate(&token, "other@example.com");
    assert_eq!(associated.status, 200, "{}", associated.text);
    let code = server.code(mails + 1);
    assert_eq!(server.answer(&token, &associated.body["oob_code"], &code).status, 200);
    let shown = done(&directory, &["users", "show", USER, "--whole"], "");
    let id = |address: &str| {
        let all = shown["authenticators"].as_array().unwrap();
        all.iter().find(|one| one["address"] == address).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (provisioned, enrolled) = (id(USER), id("other@example.com"));
    let before = Before::new(&server);
    let remove = |id: &str| done(&directory, &["users", "remove-authenticator", USER, id], "");

    let left = remove(&enrolled);
    assert_eq!((&left["authenticator"], &left["enrolled"]), (&json!(enrolled), &json!(true)));
    before.are_refused(&server);
    let missing = ["users", "remove-authenticator", USER, &enrolled];
    fails(&directory, &missing, "", 3, "has no authenticator");
    fails(
        &directory,
        &["users", "remove-authenticator", USER, "nonsense"],
        "",
        3,
        "`users show` tells the ids",
    );
    let missing = ["users", "remove-authenticator", "nobody@example.com", &enrolled];
    fails(&directory, &missing, "", 3, "there is no user");
    let output = administrate(
        &directory,
        &["users", "remove-authenticator", USER, &provisioned, "--log-format", "json"],
        "",
    );
    let log: Vec<Value> = String::from_utf8(output.stderr)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let step = log.iter().find(|line| line["command"] == "remove_authenticator").unwrap();
    assert_eq!((&step["denial"], &step["authenticator"]), (&Value::Null, &json!(provisioned)));
    let act = log.iter().find(|line| line["event"] == "administrator").unwrap();
    assert_eq!((&act["span"]["act"], &act["reason"]), (&json!("users_remove_authenticator"), &json!("done")));
    let shown = done(&directory, &["users", "show", USER], "");
    assert_eq!(shown["authenticators"], json!([]));
    common::eventually("a notice of each", || {
        let mailbox = server.get("/mailbox").body;
        let subjects = mailbox.as_array().unwrap().iter().map(|mail| mail["subject"].as_str().unwrap());
        (subjects.filter(|subject| subject.ends_with("was removed")).count() == 2).then_some(())
    });
}

#[test]
fn commands_end_with_their_codes_and_keep_their_former_names() {
    let directory = Directory::new();
    let add = ["users", "add", "person@example.com", "--verified"];
    fails(&directory, &["users", "add", "no address"], "a long password\n", 1, "is no email address");
    fails(&directory, &add, "short\n", 1, "a password has at least 8 characters");
    assert_eq!(done(&directory, &add, "a long password\n")["email_verified"], true);
    fails(&directory, &add, "a long password\n", 4, "person@example.com is there already");
    fails(&directory, &["users", "show", "nobody@example.com"], "", 3, "there is no user nobody@example.com");
    fails(&directory, &["users", "show", "a\tb@example.com"], "", 3, "there is no user");
    fails(&directory, &["users", "fly"], "", 2, "unrecognized subcommand");
    fails(&directory, &["users", "list", "--limit", "0"], "", 2, "0 is not in 1..=1000");

    fails(&directory, &["clients", "add", "administrator"], "", 1, "choose another id");
    let added = done(&directory, &["clients", "add", "shop"], "");
    assert!(added["client_secret"].as_str().unwrap().len() >= 43);
    fails(&directory, &["clients", "add", "shop"], "", 4, "is there already");
    assert_eq!(done(&directory, &["clients", "list"], "")["clients"][0]["client_id"], "shop");
    assert_eq!(done(&directory, &["clients", "remove", "shop"], ""), json!({ "client_id": "shop" }));
    fails(&directory, &["clients", "show", "shop"], "", 3, "there is no client");

    // Unlocking and resetting need the key file, which the first start makes; they make none.
    fails(&directory, &["unlock", "person@example.com"], "", 1, "there is no key file countersign.keys.json");
    assert!(!directory.path().join("countersign.keys.json").exists());
    let generate = ["keys", "generate", "countersign.keys.json"];
    assert!(administrate(&directory, &generate, "").status.success());
    fails(&directory, &generate, "", 4, "cannot be written: File exists");
    let drop = ["keys", "drop", "countersign.keys.json", "transient", "99"];
    fails(&directory, &drop, "", 3, "there is no transient key 99");
    for former in [
        &["add-user", "other@example.com"][..],
        &["add-client", "till"],
        &["unlock", "person@example.com"],
        &["reset", "person@example.com"],
    ] {
        let output = administrate(&directory, former, "a long password\n");
        assert!(output.status.success(), "{former:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let help = String::from_utf8(administrate(&directory, &["--help"], "").stdout).unwrap();
    assert!(help.contains("users") && help.contains("backup") && !help.contains("add-user"), "{help}");
}

/// A terminal of its own, by `script` of util-linux, on which somebody types what the prompts ask for.
fn on_a_terminal(directory: &Directory, arguments: &str, typed: &[(&str, &str)]) -> (bool, String) {
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("{BINARY} {arguments}"), "/dev/null"])
        .current_dir(directory.path())
        .env_remove("COUNTERSIGN_DATABASE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keyboard, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let (mut seen, mut byte) = (Vec::new(), [0]);
    for (prompt, line) in typed {
        let begun = seen.len();
        while !String::from_utf8_lossy(&seen[begun..]).contains(prompt) {
            let read = screen.read(&mut byte).unwrap();
            assert_eq!(read, 1, "no {prompt:?} in {}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        // The prompt stands there a moment before the terminal hides what is typed.
        std::thread::sleep(Duration::from_millis(500));
        writeln!(keyboard, "{line}").unwrap();
    }
    let _ = screen.read_to_end(&mut seen);
    (terminal.wait().unwrap().success(), String::from_utf8_lossy(&seen).into_owned())
}

/// H25: `add-user` echoed the password.
#[test]
fn a_password_that_is_typed_is_not_shown() {
    let directory = Directory::new();
    let add = "users add person@example.com --argon2-memory 64";
    let twice = [("New password: ", "a secret password"), ("The same again: ", "a secret password")];
    let (added, seen) = on_a_terminal(&directory, add, &twice);
    assert!(added, "{seen}");
    assert!(!seen.contains("secret"), "{seen}");
    let differs = [("New password: ", "another password"), ("The same again: ", "another passwort")];
    let set = "users set-password person@example.com --argon2-memory 64";
    let (set, seen) = on_a_terminal(&directory, set, &differs);
    assert!(!set && seen.contains("the two passwords differ"), "{seen}");
    // The former name hides it, too.
    let other = "add-user other@example.com --argon2-memory 64";
    let (added, seen) = on_a_terminal(&directory, other, &twice);
    assert!(added && !seen.contains("secret"), "{seen}");
    // What was typed is the password.
    let directory = Arc::new(directory);
    done(&directory, &["clients", "add", "demo"], "");
    let secret = done(&directory, &["clients", "set", "demo", "--new-secret"], "")["client_secret"].clone();
    let server = Server::start_in(&directory, &[]);
    let mut body = as_demo(
        &json!({ "grant_type": "password", "username": "person@example.com", "password": "a secret password" }),
    );
    body["client_secret"] = secret;
    assert_eq!(server.post("/oauth/token", &body).error(), "mfa_required");
}

#[test]
fn a_question_on_a_terminal_is_answered_there() {
    let directory = Directory::new();
    done(&directory, &["users", "add", "person@example.com"], "a long password\n");
    let all = "users revoke-sessions --all";
    let (revoked, seen) = on_a_terminal(&directory, all, &[("[y/N] ", "n")]);
    assert!(!revoked && seen.contains("nothing was changed"), "{seen}");
    assert_eq!(
        done(&directory, &["users", "show", "person@example.com"], "")["sessions_ended_at"],
        Value::Null
    );
    let (revoked, seen) = on_a_terminal(&directory, all, &[("[y/N] ", "y")]);
    assert!(revoked && seen.contains("1 users sign in anew"), "{seen}");
}
