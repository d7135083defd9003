//! Mail: by SMTP, after a crash, when it is refused, and from a host's own templates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::{fs, net::TcpListener, path::Path, sync::Arc, time::Duration};

use common::{
    Directory, Server, Value, eventually, run,
    sink::{Mode, Sink},
    within,
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

#[test]
fn a_message_travels_by_smtp_and_its_code_confirms() {
    let sink = Sink::start();
    let server = Server::with(&[
        "--policy",
        "auth0",
        "--smtp",
        &sink.url(),
        "--mail-from",
        "Sign-in <mfa@example.com>",
    ]);
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    let mail = eventually("mail", || sink.mail("user@example.com").pop());
    let code = mail.code().unwrap();
    assert_eq!(mail.header("Subject"), Some("Confirm your email address"));
    assert_eq!(mail.header("From"), Some("Sign-in <mfa@example.com>"));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(mail.header("Message-ID").unwrap().ends_with("@example.com>"));
    assert!(mail.data.contains("multipart/alternative") && mail.data.contains("text/html"));
    assert_eq!(server.answer(&token, &associated.body["oob_code"], &code).status, 200);
    assert_eq!(server.get("/mailbox").status, 404);
    assert!(!server.log_mentions(&code) && !server.log_mentions("user@example.com\",\"to"));
}

#[test]
fn what_the_relay_refuses_is_reported_and_lifts_the_cool_down() {
    let sink = Sink::start();
    let server = Server::with(&["--policy", "default", "--smtp", &sink.url()]);
    let token = server.mfa_token();
    sink.behave(Mode::Refuses);
    let first = server.associate(&token, "user@example.com");
    assert_eq!(first.body["resend_in"], 30);
    server.expect_audit("report_delivery");
    sink.behave(Mode::Well);
    // Asking again sends at once, the same code.
    let again = server.associate(&token, "user@example.com");
    assert_eq!(again.body["oob_code"], first.body["oob_code"]);
    let mail = eventually("mail", || sink.mail("user@example.com").pop());
    assert_eq!(server.answer(&token, &first.body["oob_code"], &mail.code().unwrap()).status, 200);
    for result in ["failed", "sent"] {
        let counter = format!("countersign_messages_total{{kind=\"code\",result=\"{result}\"}} 1");
        eventually(&counter, || server.get("/metrics").text.contains(&counter).then_some(()));
    }
}

#[test]
fn one_message_that_hangs_holds_up_no_other() {
    let sink = Sink::start();
    let server = Server::with(&["--policy", "auth0", "--smtp", &sink.url()]);
    sink.behave(Mode::Hangs("slow@example.com"));
    server.associate(&server.mfa_token(), "slow@example.com");
    for number in 0..3 {
        let to = format!("user{number}@example.com");
        assert_eq!(server.associate(&server.mfa_token(), &to).status, 200);
        eventually("mail in spite of the one that hangs", || sink.mail(&to).pop());
    }
    assert!(sink.mail("slow@example.com").is_empty());
    // The relay never lets go of it, and yet it arrives in the end.
    sink.behave(Mode::Well);
    within(Duration::from_secs(60), "mail at last", || sink.mail("slow@example.com").pop());
    server.expect_log("the SMTP server took longer than 20 s");
}

#[test]
fn a_relay_that_is_closed_loses_no_mail() {
    let sink = Sink::start();
    sink.behave(Mode::Closed);
    let server = Server::with(&["--policy", "auth0", "--smtp", &sink.url()]);
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    server.expect_log("answered 554");
    sink.behave(Mode::Well);
    let mail = eventually("mail", || sink.mail("user@example.com").pop());
    assert_eq!(server.answer(&token, &associated.body["oob_code"], &mail.code().unwrap()).status, 200);
}

#[test]
fn what_the_relay_has_taken_is_sent_whatever_it_does_then() {
    let sink = Sink::start();
    sink.behave(Mode::HangsAfterwards);
    let server = Server::with(&["--policy", "auth0", "--smtp", &sink.url()]);
    server.associate(&server.mfa_token(), "user@example.com");
    let sent = "countersign_messages_total{kind=\"code\",result=\"sent\"} 1";
    eventually("a message that is sent", || server.get("/metrics").text.contains(sent).then_some(()));
    eventually("an empty outbox", || {
        server.get("/metrics").text.contains("countersign_outbox_messages 0").then_some(())
    });
    assert_eq!(sink.mail("user@example.com").len(), 1);
}

#[test]
fn a_message_is_sent_once_though_the_database_was_away() {
    let sink = Sink::start();
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0", "--smtp", &sink.url()]);
    let database = directory.path().join("countersign.db");
    sink.behave(Mode::Waits);
    server.associate(&server.mfa_token(), "user@example.com");
    eventually("a message under way", || (sink.waiting() == 1).then_some(()));
    // Nobody can write until the server has told that it could not.
    with(&database, async |connection| {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        sink.behave(Mode::Well);
        eventually("mail", || sink.mail("user@example.com").pop());
        let told = || server.log_mentions("a message could not be taken out of the outbox").then_some(());
        eventually("a try", told);
        sqlx::raw_sql("ROLLBACK").execute(connection).await
    });
    eventually("an empty outbox", || (waiting(&database) == 0).then_some(()));
    assert_eq!(sink.mail("user@example.com").len(), 1);
}

#[test]
fn the_words_of_a_relay_are_not_logged() {
    let sink = Sink::start();
    sink.behave(Mode::Babbles);
    let server = Server::with(&["--policy", "auth0", "--smtp", &sink.url()]);
    server.associate(&server.mfa_token(), "someone@example.com");
    server.expect_log("could not be sent and is tried again");
    assert!(!server.log_mentions("someone@example.com"), "{}", server.log_text());
}

#[test]
fn a_message_that_cannot_be_read_waits_and_blocks_no_other_and_is_given_up_in_the_end() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    let database = directory.path().join("countersign.db");
    let count = |id: &str, tries: i64| {
        let sql = "SELECT count(*) FROM outbox WHERE id = $1 AND tries > $2";
        with(&database, async |connection| {
            sqlx::query_scalar::<_, i64>(sql).bind(id).bind(tries).fetch_one(connection).await
        })
    };
    // As many as are under way at once, from a version to come, and one that was tried for a day.
    with(&database, async |connection| {
        let sql = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 16) \
            INSERT INTO outbox (id, subject, descriptor, due_ms, tries) SELECT 'new' || n, 'usr_x', '{\"kind\": \"to come\"}', 0, 0 FROM numbers \
            UNION ALL SELECT 'old', 'usr_x', '{}', 0, 1440";
        sqlx::query(sql).execute(connection).await
    });
    server.enroll();
    eventually("a try of each", || (1..=16).all(|n| count(&format!("new{n}"), 0) == 1).then_some(()));
    eventually("an end", || (count("old", 0) == 0).then_some(()));
}

#[test]
fn a_message_to_somebody_whose_record_cannot_be_read_is_given_up_in_the_end() {
    let sink = Sink::start();
    sink.behave(Mode::Closed);
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0", "--smtp", &sink.url()]);
    let database = directory.path().join("countersign.db");
    server.associate(&server.mfa_token(), "user@example.com");
    server.expect_log("answered 554");
    with(&database, async |connection| {
        sqlx::raw_sql("UPDATE accounts SET record = '{}'; UPDATE outbox SET tries = 1439, due_ms = 0")
            .execute(connection)
            .await
    });
    server.expect_log("a stored record cannot be read");
    eventually("an end", || (waiting(&database) == 0).then_some(()));
}

/// How many messages are in the outbox.
fn waiting(database: &Path) -> i64 {
    with(database, async |connection| {
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(connection).await
    })
}

/// As above, by TLS and with a password. A server that does not trust the relay, or that the relay does not know, sends
/// nothing and loses nothing.
#[test]
#[ignore = "needs an SMTP server: run ci/smtp.sh"]
fn a_message_travels_by_tls_with_a_password() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (log, trusted) = (variable("COUNTERSIGN_TEST_SMTP_TLS_LOG"), variable("COUNTERSIGN_TEST_SMTP_CA"));
    let relays = variable("COUNTERSIGN_TEST_SMTP_TLS");
    let arrived = |to: &str| fs::read_to_string(&log).unwrap_or_default().contains(to);
    for (number, relay) in relays.split(' ').enumerate() {
        let directory = Arc::new(Directory::new());
        let to = format!("tls{number}@example.com");
        let start = |password: &str, trusted: &str| {
            let credentials =
                [("COUNTERSIGN_SMTP_USERNAME", "relay"), ("COUNTERSIGN_SMTP_PASSWORD", password)];
            let environment = [&credentials[..], &[("SSL_CERT_FILE", trusted)]].concat();
            let arguments = ["--policy", "auth0", "--issuer", "http://localhost/", "--smtp", relay];
            Server::start_under(&directory, &arguments, &environment)
        };
        let server = start("relay", "/dev/null");
        assert_eq!(server.associate(&server.mfa_token(), &to).status, 200);
        server.expect_log("could not be sent and is tried again");
        server.kill();
        let server = start("wrong", &trusted);
        server.expect_log("the SMTP server answered 535");
        server.kill();
        assert!(!arrived(&to), "{relay}");
        let server = start("relay", &trusted);
        within(Duration::from_secs(60), "mail", || arrived(&to).then_some(()));
        server.kill();
    }
}

/// Does something in a database, beside its server.
fn with<T>(database: &Path, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::from_secs(10));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        work(&mut connection).await.unwrap()
    })
}

#[test]
fn mail_survives_a_crash_without_its_code_being_stored() {
    let directory = Arc::new(Directory::new());
    // A port that nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let relay = format!("smtp://{closed}");
    let server = Server::start_in(&directory, &["--policy", "auth0", "--smtp", &relay]);
    server.expect_log("the SMTP server cannot be reached");
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    server.expect_log("could not be sent and is tried again");
    let issuer = server.issuer();
    server.kill();

    let server = Server::start_in(&directory, &["--policy", "auth0", "--issuer", &issuer]);
    let code = server.code(1);
    assert_eq!(server.answer(&token, &associated.body["oob_code"], &code).status, 200);
    let files = fs::read_dir(directory.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    let oob_code = associated.body["oob_code"].as_str().unwrap();
    for file in files {
        for secret in
            [code.as_str(), oob_code, &token, associated.body["recovery_codes"][0].as_str().unwrap()]
        {
            let found = file.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is stored");
        }
    }
}

/// H23: greylisting holds messages back while the user asks again and again: one message arrives, with the code that
/// is valid.
#[test]
fn an_undelivered_message_gives_way_to_a_later_one_of_its_challenge() {
    let sink = Sink::start();
    sink.behave(Mode::Greylists);
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0", "--smtp", &sink.url()]);
    let database = directory.path().join("countersign.db");
    let token = server.mfa_token();
    let mut asked = server.associate(&token, "user@example.com");
    for _ in 0..5 {
        server.expect_log("could not be sent and is tried again");
        let again = server.associate(&token, "user@example.com");
        assert_eq!(again.body["oob_code"], asked.body["oob_code"], "{}", again.text);
        assert_eq!(waiting(&database), 1);
        asked = again;
    }
    // Another challenge's message is another matter.
    let other = server.mfa_token();
    assert_eq!(server.associate(&other, "other@example.com").status, 200);
    assert_eq!(waiting(&database), 2);
    sink.behave(Mode::Well);
    let arrived = || sink.mail("user@example.com").pop().zip(sink.mail("other@example.com").pop());
    let (mail, _) = within(Duration::from_secs(60), "mail", arrived);
    eventually("an empty outbox", || (waiting(&database) == 0).then_some(()));
    assert_eq!(sink.mail("user@example.com").len(), 1);
    assert_eq!(server.answer(&token, &asked.body["oob_code"], &mail.code().unwrap()).status, 200);
}

/// H23, its race: a message that is being sent when the user asks again is not sent after the later one has taken its
/// place, and what was handed over already does not come back.
#[test]
fn a_message_that_gave_way_while_the_relay_lingered_is_not_sent() {
    let sink = Sink::start();
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0", "--smtp", &sink.url()]);
    let database = directory.path().join("countersign.db");
    // The server's own trial of the relay comes first.
    eventually("the trial at the start", || (sink.greetings().len() == 1).then_some(()));
    sink.behave(Mode::Lingers);
    let token = server.mfa_token();
    let first = server.associate(&token, "user@example.com");
    eventually("a message under way", || (sink.greetings().len() == 2).then_some(()));
    assert_eq!(server.associate(&token, "user@example.com").body["oob_code"], first.body["oob_code"]);
    eventually("the later one under way", || (sink.greetings().len() == 3).then_some(()));
    sink.behave(Mode::Well);
    let mail = eventually("mail", || sink.mail("user@example.com").pop());
    eventually("an empty outbox", || (waiting(&database) == 0).then_some(()));
    let dropped = "countersign_messages_total{kind=\"code\",result=\"dropped\"} 1";
    eventually("the earlier one dropped", || server.get("/metrics").text.contains(dropped).then_some(()));
    assert_eq!(sink.mail("user@example.com").len(), 1);
    assert_eq!(server.answer(&token, &first.body["oob_code"], &mail.code().unwrap()).status, 200);

    // Handed over already, but not yet answered for. The notice of the new address comes first.
    eventually("the notice", || (sink.mail("user@example.com").len() == 2).then_some(()));
    sink.behave(Mode::Waits);
    let token = server.mfa_token();
    let challenged = server.challenge(&token);
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    eventually("a recipient named", || (sink.waiting() == 1).then_some(()));
    assert_eq!(server.challenge(&token).body["oob_code"], challenged.body["oob_code"]);
    eventually("both under way", || (sink.waiting() == 2).then_some(()));
    sink.behave(Mode::Well);
    eventually("both messages", || (sink.mail("user@example.com").len() >= 4).then_some(()));
    eventually("an empty outbox", || (waiting(&database) == 0).then_some(()));
    let codes: Vec<_> = sink.mail("user@example.com").iter().filter_map(|mail| mail.code()).collect();
    assert_eq!(codes.len(), 3, "no third copy of the second code");
    assert_eq!(server.answer(&token, &challenged.body["oob_code"], &codes[2]).status, 200);
}

/// H11: a relay may refuse a name that it cannot look up, or that is none.
#[test]
fn the_server_greets_the_relay_with_the_issuers_host_or_a_name_of_choice() {
    for (arguments, name) in [
        (&["--issuer", "https://mfa.example.com/"][..], "mfa.example.com"),
        (
            &["--issuer", "https://mfa.example.com:8443/x/", "--smtp-hello", "out.example.net"],
            "out.example.net",
        ),
        (&["--smtp-hello", "[192.0.2.1]"], "[192.0.2.1]"),
        (&[], "[127.0.0.1]"),
    ] {
        let sink = Sink::start();
        let server = Server::with(&[&["--policy", "auth0", "--smtp", &sink.url()], arguments].concat());
        eventually("a greeting", || sink.greetings().pop());
        assert_eq!(sink.greetings(), [name], "{arguments:?}");
        drop(server);
    }
}

#[test]
fn a_message_has_the_headers_that_it_should_and_no_line_that_is_too_long() {
    let sink = Sink::start();
    // As long as a name may be, and with everything that could end a header or need encoding.
    let name = format!("B\u{fc}cher, \"Inc.\" <x@example.net>; = ?= {}", "\u{e4}".repeat(27));
    assert_eq!(name.chars().count(), 64);
    let arguments = [
        "--policy",
        "auth0",
        "--smtp",
        &sink.url(),
        "--issuer",
        "http://mfa.example.com/",
        "--service-name",
        &name,
        "--mail-reply-to",
        "Help <help@example.com>",
    ];
    let server = Server::with(&arguments);
    let token = server.mfa_token();
    assert_eq!(server.associate(&token, "user@b\u{fc}cher.example").status, 200);
    // The domain in ASCII, as a relay without SMTPUTF8 takes it.
    let mail = eventually("mail", || sink.mail("user@xn--bcher-kva.example").pop());
    let (head, body) = mail.data.split_once("\r\n\r\n").unwrap();
    assert!(mail.data.is_ascii());
    assert!(mail.data.lines().all(|line| line.len() <= 998), "RFC 5322 section 2.1.1");
    assert!(head.lines().all(|line| line.len() <= 78), "{head}");
    let names: Vec<_> = head
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let wanted = [
        "Auto-Submitted",
        "Content-Language",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Reply-To",
        "Subject",
        "To",
    ];
    assert_eq!(sorted, wanted, "each once and no other: {head}");
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(mail.header("Content-Language"), Some("en"));
    assert_eq!(mail.header("Reply-To"), Some("Help <help@example.com>"));
    assert!(head.contains("<no-reply@mfa.example.com>"), "{head}");
    assert!(mail.header("Message-ID").unwrap().ends_with("@mfa.example.com>"));
    assert!(mail.header("Date").unwrap().ends_with(" +0000"));
    assert!(
        body.contains("text/plain; charset=utf-8") && body.contains("text/html; charset=utf-8"),
        "{body}"
    );
}

#[test]
fn a_sender_and_a_name_that_cannot_stand_in_a_header_are_refused_at_the_start() {
    let directory = Directory::new();
    for (option, value, said) in [
        ("--mail-from", "A\r\nBcc: x@example.com <a@example.com>", "control character"),
        ("--mail-from", "no-reply", "give ADDRESS or NAME <ADDRESS>"),
        ("--mail-from", "no-reply@b\u{fc}cher.example", "write the domain as xn--"),
        ("--mail-reply-to", "help", "give ADDRESS or NAME <ADDRESS>"),
        ("--service-name", "A\nB", "control character"),
        ("--service-name", "  ", "empty"),
        ("--smtp-hello", "192.0.2.1", "give a domain, or an address in brackets"),
        ("--smtp-hello", "a\r\nMAIL FROM:<x>", "give a domain, or an address in brackets"),
    ] {
        let refused = run(directory.path(), &["--listen", "127.0.0.1:0", option, value]);
        let words = String::from_utf8(refused.stderr).unwrap();
        assert!(
            !refused.status.success() && words.contains(option) && words.contains(said),
            "{value:?}: {words}"
        );
    }
}

/// Through an SMTP server that others wrote. `ci/smtp.sh` starts one and names it here; without it the test fails.
#[test]
#[ignore = "needs an SMTP server: run ci/smtp.sh"]
fn a_message_travels_through_a_real_smtp_server() {
    let relay = std::env::var("COUNTERSIGN_TEST_SMTP").expect("COUNTERSIGN_TEST_SMTP names the server");
    let log = std::env::var("COUNTERSIGN_TEST_SMTP_LOG").expect("COUNTERSIGN_TEST_SMTP_LOG names its file");
    let server = Server::with(&["--policy", "auth0", "--smtp", &relay]);
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    let mail: Value = eventually("mail", || {
        let written = fs::read_to_string(&log).ok()?;
        written.lines().filter_map(|line| serde_json::from_str(line).ok()).next()
    });
    assert_eq!(mail["to"], serde_json::json!(["user@example.com"]));
    assert_eq!(mail["subject"], "Confirm your email address");
    let text = mail["text"].as_str().unwrap();
    let code =
        text.lines().map(str::trim).find(|line| line.len() == 6 && line.parse::<u32>().is_ok()).unwrap();
    assert!(mail["html"].as_str().unwrap().contains(code));
    assert_eq!(server.answer(&token, &associated.body["oob_code"], code).status, 200);

    // A recipient that the server refuses is reported to the core.
    let elevated = {
        let token = server.mfa_token();
        let challenged = server.challenge(&token);
        let code = eventually("the second code", || {
            let written = fs::read_to_string(&log).ok()?;
            let mails = written.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let texts: Vec<_> = mails.filter(|mail| mail["subject"] == "Your sign-in code").collect();
            let text = texts.last()?["text"].as_str()?.to_owned();
            text.lines()
                .map(str::trim)
                .find(|line| line.len() == 6 && line.parse::<u32>().is_ok())
                .map(str::to_owned)
        });
        let reply = server.token(&serde_json::json!({
            "grant_type": common::OOB, "mfa_token": token, "oob_code": challenged.body["oob_code"],
            "binding_code": code, "audience": server.mfa_audience(), "scope": common::MFA_SCOPE,
        }));
        reply.body["access_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(server.associate(&elevated, "refused@example.com").status, 200);
    server.expect_audit("report_delivery");
}
