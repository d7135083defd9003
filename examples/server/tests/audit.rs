//! Audit events: each decision of the host is logged once, with its reason, and counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    io::Write as _,
    process::{Output, Stdio},
    sync::Arc,
};

use common::{Directory, Server, Value, command, eventually, json};

/// Runs a command with a log in JSON.
fn administrate(directory: &Directory, arguments: &[&str], input: &str) -> Output {
    let arguments = [arguments, &["--log-format", "json", "--argon2-memory", "64"]].concat();
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

/// The audit events on the standard error.
fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "audit").collect()
}

/// The one event of an administrator's act.
#[track_caller]
fn act(output: &Output, act: &str, reason: &str) -> Value {
    let events = events(output);
    let acts: Vec<_> = events.iter().filter(|event| event["event"] == "administrator").collect();
    let [event] = *acts else { panic!("{events:?}") };
    assert_eq!((event["span"]["act"].as_str(), event["reason"].as_str()), (Some(act), Some(reason)));
    event.clone()
}

/// The value of a counter.
#[track_caller]
fn counter(server: &Server, series: &str) -> u64 {
    let text = server.get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

fn id(flag: &str) -> String {
    let output = std::process::Command::new("id").arg(flag).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// H15: the acts of administrators left no trace.
#[test]
fn an_administrators_acts_are_audited_with_the_systems_user_and_counted() {
    let directory = Arc::new(Directory::new());
    let added =
        administrate(&directory, &["add-user", "person@example.com", "--verified"], "a long password\n");
    let subject = String::from_utf8(added.stdout.clone()).unwrap().trim().to_owned();
    assert!(subject.starts_with("usr_") && subject.lines().count() == 1, "{subject:?}");
    let event = act(&added, "users_add", "done");
    assert_eq!(event["span"]["subject"], subject.as_str());
    assert_eq!(event["span"]["os_uid"].to_string(), id("-u"));
    assert_eq!(event["span"]["os_user"], id("-un").as_str());

    let again = administrate(&directory, &["add-user", "person@example.com"], "a long password\n");
    assert!(!again.status.success() && again.stdout.is_empty());
    act(&again, "users_add", "failed");
    let client = administrate(&directory, &["add-client", "shop"], "");
    assert_eq!(act(&client, "clients_add", "done")["span"]["client"], "shop");
    let server = Server::start_in(&directory, &[]);
    for (command, name) in [("unlock", "users_unlock"), ("reset", "users_reset")] {
        let done = administrate(&directory, &[command, "person@example.com"], "");
        assert!(done.status.success(), "{done:?}");
        assert_eq!(act(&done, name, "done")["span"]["subject"], subject.as_str());
        // The core's own decision stands beside it.
        let steps: Vec<_> = events(&done).into_iter().filter(|event| event["event"] == "step").collect();
        assert_eq!(
            (steps.len(), &steps[0]["command"], &steps[0]["reason"]),
            (1, &json!(command), &json!("accepted"))
        );
        let none = administrate(&directory, &[command, "nobody@example.com"], "");
        let event = act(&none, name, "failed");
        assert_eq!(event["span"].get("subject"), None, "nobody's name is in no event");
        assert!(!event.to_string().contains("nobody@"));
    }
    administrate(&directory, &["keys", "rotate", "countersign.keys.json", "transient"], "");
    for (series, count) in [
        ("act=\"users_add\",result=\"done\"", 1),
        ("act=\"users_add\",result=\"failed\"", 1),
        ("act=\"users_unlock\",result=\"done\"", 1),
        ("act=\"users_unlock\",result=\"failed\"", 1),
        ("act=\"users_reset\",result=\"done\"", 1),
        ("act=\"clients_add\",result=\"done\"", 1),
        ("act=\"keys_rotate\",result=\"done\"", 1),
        ("act=\"clients_add\",result=\"failed\"", 0),
    ] {
        let series = format!("countersign_administrator_acts_total{{{series}}}");
        // A busy database is asked again at the next look.
        eventually(&series, || (counter(&server, &series) == count).then_some(()));
        assert_eq!(counter(&server, &series), count, "{series} at the second look");
    }
}

/// H15: `unlock` went by the default policy, whatever the server's.
#[test]
fn an_unlock_goes_by_the_policy_of_the_running_server() {
    let server = Server::start();
    server.enroll();
    // By the server's policy twenty messages are due back one by one. By the default one five are, and an unlock by
    // that one would take the other fifteen for a fault of the clock.
    let refused = || {
        let reply = server.challenge(&server.mfa_token());
        (reply.status == 429).then_some(reply)
    };
    let spent = (0..40).find_map(|_| refused());
    assert!(spent.is_some(), "the messages are used up");
    let unlocked = administrate(&server.directory(), &["unlock", "user@example.com"], "");
    assert!(unlocked.status.success(), "{unlocked:?}");
    assert!(refused().is_some(), "an unlock gives no messages back");
}
