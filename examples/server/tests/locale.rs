//! The language of messages: chosen by the request, kept with the message until it leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::{fs, path::Path, sync::Arc};

use common::{
    Directory, Reply, Server, Value, eventually, json, run,
    sink::{Mode, Sink},
};

fn associate(server: &Server, token: &str, email: &str, headers: &[(&str, &str)]) -> Reply {
    let bearer = format!("Bearer {token}");
    let fixed = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": email });
    server.send("POST", "/mfa/associate", &[&fixed, headers].concat(), &body.to_string())
}

/// The newest message to an address.
fn mail(server: &Server, to: &str) -> Value {
    eventually("mail", || {
        let mailbox = server.get("/mailbox").body;
        mailbox.as_array().unwrap().iter().find(|message| message["to"] == to).cloned()
    })
}

/// H12: a request in German gets its message in German.
#[test]
fn a_message_is_in_the_language_that_the_request_asks_for() {
    let server = Server::start();
    let (english, german) = ("Confirm your email address", "E-Mail-Adresse bestätigen");
    for (number, (headers, subject)) in [
        (&[("x-request-language", "de-AT")][..], german),
        (&[("x-request-language", "fr, de;q=0.8, en;q=0.7")], german),
        (&[("Accept-Language", "de-CH,de;q=0.9,en;q=0.8")], german),
        (&[("Accept-Language", "en-GB,en;q=0.9,de;q=0.8")], english),
        (&[("x-request-language", "en"), ("Accept-Language", "de")], english),
        (&[("x-request-language", "tlh"), ("Accept-Language", "de")], german),
        (&[("x-request-language", "../de")], english),
        (&[("x-request-language", "de_AT")], english),
        (&[("x-request-language", "tlh")], english),
        (&[], english),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("user{number}@example.com");
        let associated = associate(&server, &server.mfa_token(), &to, headers);
        assert_eq!(associated.status, 200, "{headers:?}: {}", associated.text);
        let message = mail(&server, &to);
        assert_eq!(message["subject"], subject, "{headers:?}");
        let words =
            if subject == german { "Der Code gilt 5 Minuten, bis " } else { "valid for 5 minutes, until " };
        assert!(message["text"].as_str().unwrap().contains(words), "{message}");
    }
}

/// H12, its sibling: a notice follows from a request, too.
#[test]
fn a_notice_is_in_the_language_of_the_request_that_caused_it() {
    let server = Server::start();
    let token = server.mfa_token();
    let associated = associate(&server, &token, "user@example.com", &[]);
    let body = common::as_demo(&json!({
        "grant_type": common::OOB, "mfa_token": token, "oob_code": associated.body["oob_code"],
        "binding_code": server.code(1),
    }));
    let headers = [("Content-Type", "application/json"), ("x-request-language", "de")];
    assert_eq!(server.send("POST", "/oauth/token", &headers, &body.to_string()).status, 200);
    let message = eventually("a notice", || {
        let mailbox = server.get("/mailbox").body;
        mailbox
            .as_array()
            .unwrap()
            .iter()
            .find(|message| message["text"].as_str().unwrap().contains("hinzugefügt"))
            .cloned()
    });
    assert_eq!(message["subject"], "Eine Adresse für Ihre Anmeldecodes wurde hinzugefügt");
    assert!(message["html"].as_str().unwrap().contains("<html lang=\"de\">"));
}

/// H12: the locale is in the outbox, and survives a crash there.
#[test]
fn the_language_survives_a_crash_and_travels_in_a_header() {
    let sink = Sink::start();
    sink.behave(Mode::Closed);
    let directory = Arc::new(Directory::new());
    let arguments = ["--policy", "auth0", "--smtp", &sink.url()];
    let server = Server::start_in(&directory, &arguments);
    associate(&server, &server.mfa_token(), "user@example.com", &[("x-request-language", "de")]);
    server.expect_log("could not be sent and is tried again");
    server.kill();
    sink.behave(Mode::Well);
    let server = Server::start_in(&directory, &arguments);
    let mail =
        common::within(std::time::Duration::from_secs(60), "mail", || sink.mail("user@example.com").pop());
    assert_eq!(mail.header("Content-Language"), Some("de"));
    assert_eq!(mail.header("Subject"), Some("E-Mail-Adresse =?utf-8?b?YmVzdMOkdGlnZW4=?="));
    drop(server);
}

/// H12: a host adds a locale of its own, whole or as a variant of another, and chooses the default one.
#[test]
fn a_host_adds_locales_and_chooses_the_default_one() {
    let directory = Arc::new(Directory::new());
    let folder = directory.path().join("templates");
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let plural = "{{ code }} {{ minutes }} {{ minutes | plural(one=\"minuta\", few=\"minuty\", many=\"minut\", other=\"minuty\") }}";
    put("confirm.pl.subject", "Potwierdź adres");
    put("confirm.pl.txt", plural);
    put("confirm.de-AT.subject", "Servus");
    let path = folder.to_str().unwrap();
    let refused = refusal(directory.path(), path);
    assert!(
        refused.contains(
            "--templates: confirm.pl.html is missing: a locale that is not built in needs all fifteen files"
        ),
        "{refused}"
    );

    put("confirm.pl.html", &format!("<p lang=\"pl\">{plural}</p>"));
    for kind in ["authenticate", "sign-up", "reset", "notify"] {
        let code = match kind {
            "notify" => "",
            "authenticate" => "{{ code }}",
            _ => "{{ link }} {{ code }}",
        };
        put(&format!("{kind}.pl.subject"), "Temat");
        put(&format!("{kind}.pl.txt"), &format!("Tekst {code}"));
        put(&format!("{kind}.pl.html"), &format!("<p>Tekst {code}</p>"));
    }
    let arguments = ["--policy", "auth0", "--templates", path, "--locale", "pl"];
    let server = Server::start_in(&directory, &arguments);
    for (to, headers, subject, text) in [
        ("a@example.com", &[][..], "Potwierdź adres", " 5 minut\n"),
        ("b@example.com", &[("x-request-language", "fr")], "Potwierdź adres", " 5 minut\n"),
        ("c@example.com", &[("x-request-language", "de-AT")], "Servus", "Der Code gilt 5 Minuten"),
        (
            "d@example.com",
            &[("x-request-language", "de-CH")],
            "E-Mail-Adresse bestätigen",
            "Der Code gilt 5 Minuten",
        ),
        (
            "e@example.com",
            &[("x-request-language", "en-US")],
            "Confirm your email address",
            "valid for 5 minutes",
        ),
    ] {
        associate(&server, &server.mfa_token(), to, headers);
        let message = mail(&server, to);
        assert_eq!(message["subject"], subject, "{to}");
        assert!(message["text"].as_str().unwrap().contains(text), "{message}");
    }
    // Polish has four forms, and the preview shows three of them.
    assert!(run(directory.path(), &["templates", "render", "out", "--templates", path]).status.success());
    for (name, words) in
        [("confirm-1.pl.txt", "1 minuta"), ("confirm-2.pl.txt", "2 minuty"), ("confirm.pl.txt", "5 minut")]
    {
        assert!(
            fs::read_to_string(directory.path().join("out").join(name)).unwrap().contains(words),
            "{name}"
        );
    }
    let said = |arguments: &[&str]| {
        let done = run(directory.path(), &[&["--listen", "127.0.0.1:0"], arguments].concat());
        assert!(!done.status.success());
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(said(&["--locale", "fr"]).contains("--locale: there are no templates for fr, only for de, en"));
    assert!(said(&["--locale", "de_AT"]).contains("is not a language tag such as de"));
}

fn refusal(directory: &Path, templates: &str) -> String {
    let refused = run(directory, &["--listen", "127.0.0.1:0", "--templates", templates]);
    assert_eq!(refused.status.code(), Some(1));
    String::from_utf8(refused.stderr).unwrap()
}
