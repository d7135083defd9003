//! Key files: states, rotation, what hangs on a key, and keys that the data does not hang on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Directory, Server, Value, json, run};

const FILE: &str = "countersign.keys.json";
const START: [&str; 4] = ["--policy", "auth0", "--issuer", "http://localhost/"];

fn path(directory: &Directory) -> PathBuf {
    directory.path().join(FILE)
}

fn file(directory: &Directory) -> Value {
    serde_json::from_str(&fs::read_to_string(path(directory)).unwrap()).unwrap()
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[track_caller]
fn keys(directory: &Directory, arguments: &[&str]) -> Value {
    let output = run(directory.path(), &[&["keys", "--json"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, sentence: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(sentence), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// The ids and states of one class in the file.
fn states(directory: &Directory, class: &str) -> Vec<(String, String)> {
    let status = keys(directory, &["status", FILE]);
    let all = status["keys"].as_array().unwrap().iter().filter(|key| key["class"] == class);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|key| (text(&key["id"]), text(&key["state"]))).collect()
}

/// The id of the current key of a class.
fn current(directory: &Directory, class: &str) -> String {
    states(directory, class)[0].0.clone()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

/// Starts the server, which must refuse. One that starts is stopped, and the test fails.
#[track_caller]
fn start_refused(directory: &Directory, sentence: &str) {
    let arguments = [&["--listen", "127.0.0.1:0"], &START[..]].concat();
    refused(&ended(common::command(directory.path(), &arguments)), 1, sentence);
}

#[track_caller]
fn ended(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the server started");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// A server's directory with one enrolled user, and that user's recovery codes.
fn enrolled() -> (Arc<Directory>, Vec<String>) {
    let directory = Arc::new(Directory::new());
    let (_, codes) = Server::start_in(&directory, &START).enroll();
    (directory, codes)
}

/// H13: the key file was deleted beside a full database, and a new one was made with one line in the log.
#[test]
fn a_key_file_that_is_gone_is_not_made_anew_beside_a_full_database() {
    let (directory, codes) = enrolled();
    let former = current(&directory, "durable");
    let kept = fs::read_to_string(path(&directory)).unwrap();
    fs::remove_file(path(&directory)).unwrap();
    start_refused(
        &directory,
        "there is no key file countersign.keys.json, but the database has what was made with its keys",
    );
    start_refused(&directory, "1 recovery codes of 1 users among 1 records");
    assert!(!path(&directory).exists(), "none was made");
    // With the file back, everything holds.
    write(&path(&directory), &kept);
    let server = Server::start_in(&directory, &START);
    let recovered = server.recover(&server.mfa_token(), &codes[0]);
    assert_eq!(recovered.status, 200, "{}", recovered.text);
    let next = recovered.body["recovery_code"].as_str().unwrap().to_owned();
    drop(server);

    // Told that it is lost, the server says what dies, and the next start needs no word.
    fs::remove_file(path(&directory)).unwrap();
    let server = Server::start_in(&directory, &[&START[..], &["--keys-lost"]].concat());
    server.expect_log("the keys are lost");
    server.expect_log("1 recovery codes of 1 users");
    drop(server);
    let server = Server::start_in(&directory, &START);
    assert!(!server.log_mentions("the keys are lost"));
    let reply = server.recover(&server.mfa_token(), &next);
    assert_eq!(reply.status, 403, "{}", reply.text);
    // No key is taken for the one that the records name, and codes that cannot be used are not offered.
    assert!(reply.text.contains("User does not have a recovery-code."), "{}", reply.text);
    assert_ne!(current(&directory, "durable"), former);
    let status = keys(&directory, &["status", FILE]);
    assert_eq!(
        (&status["missing"][0]["id"], &status["missing"][0]["recovery_codes"]),
        (&json!(former), &json!(1))
    );
    let shown = run(directory.path(), &["users", "show", "user@example.com", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["keys"][0]["state"], &shown["recovery_codes_left"]), (&json!("missing"), &json!(0)));
    // The context is for ever: the records are of no other.
    let context = file(&directory)["context"].clone();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["context"], context);
    // Should the former file turn up, it is the right one still: nothing hangs on the new key yet.
    drop(server);
    write(&path(&directory), &kept);
    let server = Server::start_in(&directory, &START);
    assert_eq!(server.recover(&server.mfa_token(), &next).status, 200);
}

/// H13: a server that was started with another key file refused every recovery code, and said nothing.
#[test]
fn other_keys_than_those_of_the_data_are_refused() {
    let (directory, codes) = enrolled();
    let missing = format!(
        "durable key {} is missing (1 recovery codes of 1 users hang on it)",
        current(&directory, "durable")
    );
    let kept = fs::read_to_string(path(&directory)).unwrap();
    fs::remove_file(path(&directory)).unwrap();
    keys(&directory, &["generate", FILE]);
    start_refused(&directory, &missing);
    // Another context is another key.
    let mut other: Value = serde_json::from_str(&kept).unwrap();
    other["context"] = json!("another");
    write(&path(&directory), &other.to_string());
    start_refused(&directory, "these are not the keys that the database hangs on");
    // By the environment, too.
    let arguments = [&["--listen", "127.0.0.1:0"], &START[..]].concat();
    fs::remove_file(path(&directory)).unwrap();
    let mut command = common::command(directory.path(), &arguments);
    command.env("COUNTERSIGN_KEYS", other.to_string());
    refused(&ended(command), 1, &missing);
    write(&path(&directory), &kept);
    let server = Server::start_in(&directory, &START);
    assert_eq!(server.recover(&server.mfa_token(), &codes[0]).status, 200);
}

/// H13: what the database keeps of a key is no use to a thief.
#[test]
fn a_database_has_nothing_of_a_key() {
    let (directory, _) = enrolled();
    let backup = run(directory.path(), &["backup", "copy.db"]);
    assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));
    let database = fs::read(directory.path().join("copy.db")).unwrap();
    let has = |text: &str| database.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("durable_keys"));
    let file = file(&directory);
    // The context is no secret: a new key file needs it, if the old one is lost.
    assert!(has(file["context"].as_str().unwrap()));
    for secret in [&file["durable"][0]["secret"], &file["transient"][0]["secret"]] {
        assert!(!has(secret.as_str().unwrap()));
    }
}

#[test]
fn files_that_are_rolled_out_from_server_to_server_pass() {
    let (directory, codes) = enrolled();
    let roll = |name: &str| {
        let target = directory.path().join(name);
        write(&target, &fs::read_to_string(path(&directory)).unwrap());
    };
    let serve = |name: &str| Server::start_in(&directory, &[&START[..], &["--keys", name]].concat());
    roll("a.json");
    keys(&directory, &["stage", FILE, "durable"]);
    roll("b.json");
    // One server knows the staged key, another not yet, in either order.
    drop((serve("b.json"), serve("a.json"), serve("b.json")));
    keys(&directory, &["promote", FILE, "durable"]);
    roll("c.json");
    let (one, other) = (serve("c.json"), serve("b.json"));
    assert_eq!(other.recover(&other.mfa_token(), &codes[0]).status, 200);
    drop((one, other));
    // The recovery code was replaced by one of the key of the server that took it.
    drop(serve("c.json"));
    drop(serve("b.json"));
}

/// H14: `keys promote` with nothing staged put the former, perhaps leaked, key in front.
#[test]
fn only_a_staged_key_is_promoted() {
    let directory = Directory::new();
    keys(&directory, &["generate", FILE]);
    for class in ["transient", "durable", "signing"] {
        let promote = ["keys", "promote", FILE, class];
        refused(&run(directory.path(), &promote), 1, &format!("there is no staged {class} key"));
        keys(&directory, &["rotate", FILE, class]);
        let before = fs::read_to_string(path(&directory)).unwrap();
        refused(&run(directory.path(), &promote), 1, "promoting a former key would use what may have leaked");
        assert_eq!(fs::read_to_string(path(&directory)).unwrap(), before);
        let [current, former] = &states(&directory, class)[..] else { panic!("{class}") };
        assert_eq!((current.1.as_str(), former.1.as_str()), ("current", "former"));

        keys(&directory, &["stage", FILE, class]);
        let staged = states(&directory, class)[1].clone();
        assert_eq!(staged.1, "staged");
        refused(&run(directory.path(), &["keys", "stage", FILE, class]), 1, "is staged already");
        refused(&run(directory.path(), &["keys", "rotate", FILE, class]), 1, "is staged already");
        let changed = keys(&directory, &["promote", FILE, class]);
        assert_eq!((&changed["keys"][0]["id"], &changed["dropped"]), (&json!(staged.0), &Value::Null));
        refused(&run(directory.path(), &promote), 1, "there is no staged");
    }
}

/// A file whose keys have ids of their own is of an earlier version, whose records cannot be read.
#[test]
fn a_key_file_with_ids_is_refused_and_says_what_to_do() {
    let (directory, _) = enrolled();
    for class in ["transient", "durable"] {
        let mut former = file(&directory);
        former[class][0]["id"] = json!(1);
        let kept = fs::read_to_string(path(&directory)).unwrap();
        write(&path(&directory), &former.to_string());
        start_refused(
            &directory,
            "the keys in countersign.keys.json have ids, as an earlier version wrote them",
        );
        refused(&run(directory.path(), &["keys", "status", FILE]), 1, "keys generate FILE");
        write(&path(&directory), &kept);
    }
}

/// A file that was edited does not tell when a key became former.
#[test]
fn a_former_key_without_a_time_is_good_for_nothing() {
    let (directory, _) = enrolled();
    let id = current(&directory, "transient");
    let before = Server::start_in(&directory, &START);
    let token = before.mfa_token();
    drop(before);
    keys(&directory, &["rotate", FILE, "transient"]);
    let rotated = file(&directory);
    assert_eq!(Server::start_in(&directory, &START).challenge(&token).status, 200);
    let mut edited = rotated.clone();
    edited["transient"][1].as_object_mut().unwrap().remove("life");
    write(&path(&directory), &edited.to_string());
    Server::start_in(&directory, &START).challenge(&token).is_refused(
        403,
        "invalid_grant",
        "Malformed mfa_token",
    );
    let drop = ["keys", "drop", FILE, "transient", &id];
    // A file whose first key is marked as staged was edited, too.
    edited["durable"][0]["life"] = json!({ "staged": true });
    write(&path(&directory), &edited.to_string());
    refused(&run(directory.path(), &drop), 1, "the first durable key is marked as staged");
}

/// L20: a transient key that leaked forged sessions until the third rotation.
#[test]
fn a_leaked_transient_key_is_of_no_use_once_it_was_retired() {
    let (directory, _) = enrolled();
    write(&directory.path().join("leaked.json"), &fs::read_to_string(path(&directory)).unwrap());
    let thief = Server::start_in(&directory, &[&START[..], &["--keys", "leaked.json"]].concat());
    let before = thief.mfa_token();
    // The time is kept in whole seconds.
    std::thread::sleep(Duration::from_millis(1_100));
    let changed = keys(&directory, &["rotate", FILE, "transient", "--grace", "0"]);
    assert!(changed["keys"][1]["retires"].as_str().is_some_and(|retires| retires.ends_with('Z')));
    assert_eq!(
        (&changed["keys"][0]["retires"], &changed["keys"][1]["state"]),
        (&Value::Null, &json!("former"))
    );
    std::thread::sleep(Duration::from_millis(1_100));
    let forged = thief.mfa_token();
    assert_eq!(thief.challenge(&forged).status, 200);
    let server = Server::start_in(&directory, &START);
    assert_eq!(server.challenge(&before).status, 200, "a sign-in that began before goes on");
    server.challenge(&forged).is_refused(403, "invalid_grant", "Malformed mfa_token");
    drop((server, thief));

    // The grace is for servers that switch later. No key of another class has one.
    keys(&directory, &["stage", FILE, "transient"]);
    keys(&directory, &["promote", FILE, "transient"]);
    let life = file(&directory)["transient"][1]["life"].clone();
    let [since, retires] = ["since", "retires"].map(|name| life[name].as_i64().unwrap());
    assert!((3_599..=3_601).contains(&(retires - since)), "{life}");
    for class in ["durable", "signing"] {
        keys(&directory, &["rotate", FILE, class]);
        assert_eq!(file(&directory)[class][1]["life"]["retires"], Value::Null);
    }
}

/// H14: what a change kills is counted and asked before the file is written.
#[test]
fn what_a_dropped_key_kills_is_counted_and_asked() {
    let (directory, codes) = enrolled();
    let unchanged = |arguments: &[&str], sentence: &str| {
        let before = fs::read_to_string(path(&directory)).unwrap();
        refused(&run(directory.path(), arguments), 5, sentence);
        assert_eq!(fs::read_to_string(path(&directory)).unwrap(), before);
    };
    let first = current(&directory, "durable");
    refused(
        &run(directory.path(), &["keys", "drop", FILE, "durable", &first]),
        1,
        &format!("the durable key {first} is in use"),
    );
    refused(&run(directory.path(), &["keys", "drop", FILE, "durable", "9"]), 3, "there is no durable key 9");
    keys(&directory, &["rotate", FILE, "durable"]);
    let status = keys(&directory, &["status", FILE]);
    let durable: Vec<_> =
        status["keys"].as_array().unwrap().iter().filter(|key| key["class"] == "durable").collect();
    assert_eq!(
        (&durable[0]["records"], &durable[1]["records"], &durable[1]["recovery_codes"]),
        (&json!(0), &json!(1), &json!(1))
    );
    assert!(durable.iter().all(|key| key["since"].as_str().is_some_and(|since| since.ends_with('Z'))));
    assert_eq!(status["database"]["records"], 1);

    unchanged(
        &["keys", "drop", FILE, "durable", &first],
        &format!("with durable key {first}, 1 recovery codes of 1 users are lost: give --yes"),
    );
    let second = current(&directory, "durable");
    // The third rotation drops the first key; the second drops nothing.
    keys(&directory, &["rotate", FILE, "durable"]);
    unchanged(&["keys", "rotate", FILE, "durable"], "1 recovery codes of 1 users are lost");
    unchanged(&["keys", "stage", FILE, "durable"], "1 recovery codes of 1 users are lost");
    // Nothing hangs on the second, so nothing is asked.
    let third = current(&directory, "durable");
    keys(&directory, &["drop", FILE, "durable", &second]);
    keys(&directory, &["stage", FILE, "durable"]);
    let staged = states(&directory, "durable")[1].0.clone();
    let expected = pairs(&[(&third, "current"), (&staged, "staged"), (&first, "former")]);
    assert_eq!(states(&directory, "durable"), expected);
    keys(&directory, &["drop", FILE, "durable", &staged]);
    let changed = keys(&directory, &["--yes", "drop", FILE, "durable", &first]);
    assert_eq!(changed["dropped"], first);
    keys(&directory, &["rotate", FILE, "durable"]);
    let fifth = current(&directory, "durable");
    assert_eq!(states(&directory, "durable"), pairs(&[(&fifth, "current"), (&third, "former")]));
    // Somebody said yes, so the server starts.
    let server = Server::start_in(&directory, &START);
    assert_eq!(server.recover(&server.mfa_token(), &codes[0]).status, 403);
    drop(server);

    // What lives for minutes or hours is asked for as long; what is only staged is not.
    keys(&directory, &["rotate", FILE, "signing"]);
    let former = states(&directory, "signing")[1].0.clone();
    unchanged(&["keys", "drop", FILE, "signing", &former], "are refused before they expire");
    let transient = current(&directory, "transient");
    keys(&directory, &["rotate", FILE, "transient"]);
    unchanged(
        &["keys", "drop", FILE, "transient", &transient],
        &format!("sign-ins under way that began with transient key {transient} are lost"),
    );
    let mut aged = file(&directory);
    aged["transient"][1]["life"]["retires"] =
        json!(aged["transient"][1]["life"]["retires"].as_i64().unwrap() - 3_600 - 660);
    aged["signing"][1]["life"]["since"] =
        json!(aged["signing"][1]["life"]["since"].as_i64().unwrap() - 86_460);
    write(&path(&directory), &aged.to_string());
    keys(&directory, &["drop", FILE, "transient", &transient]);
    keys(&directory, &["drop", FILE, "signing", &former]);
    keys(&directory, &["stage", FILE, "transient"]);
    let staged = states(&directory, "transient")[1].0.clone();
    keys(&directory, &["drop", FILE, "transient", &staged]);
    // Without a database nothing can be counted, which is no reason to drop.
    keys(&directory, &["rotate", FILE, "durable"]);
    let elsewhere = ["keys", "drop", FILE, "durable", &fifth, "--database", "elsewhere.db"];
    unchanged(&elsewhere, "cannot be counted (there is no database file elsewhere.db");
    assert!(!directory.path().join("elsewhere.db").exists());
}
