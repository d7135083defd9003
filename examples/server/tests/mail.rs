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
    eventually("report", || server.audit().into_iter().find(|event| event["command"] == "report_delivery"));
    sink.behave(Mode::Well);
    // Asking again sends at once, the same code.
    let again = server.associate(&token, "user@example.com");
    assert_eq!(again.body["oob_code"], first.body["oob_code"]);
    let mail = eventually("mail", || sink.mail("user@example.com").pop());
    assert_eq!(server.answer(&token, &first.body["oob_code"], &mail.code().unwrap()).status, 200);
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("countersign_messages_total{kind=\"code\",result=\"failed\"} 1"), "{metrics}");
    assert!(metrics.contains("countersign_messages_total{kind=\"code\",result=\"sent\"} 1"), "{metrics}");
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
    assert!(server.log_mentions("the SMTP server took longer than 20 s"));
}

#[test]
fn a_relay_that_is_closed_loses_no_mail() {
    let sink = Sink::start();
    sink.behave(Mode::Closed);
    let server = Server::with(&["--policy", "auth0", "--smtp", &sink.url()]);
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    eventually("a try", || server.log_mentions("answered 554").then_some(()));
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
    eventually("a try", || server.log_mentions("could not be sent and is tried again").then_some(()));
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
            INSERT INTO outbox SELECT 'new' || n, 'usr_x', '{\"kind\": \"to come\"}', 0, 0 FROM numbers \
            UNION ALL SELECT 'old', 'usr_x', '{}', 0, 1440";
        sqlx::query(sql).execute(connection).await
    });
    server.enrol();
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
    eventually("a try", || server.log_mentions("answered 554").then_some(()));
    with(&database, async |connection| {
        sqlx::raw_sql("UPDATE accounts SET record = '{}'; UPDATE outbox SET tries = 1439, due_ms = 0")
            .execute(connection)
            .await
    });
    eventually("a last try", || server.log_mentions("a stored record cannot be read").then_some(()));
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
        eventually("distrust", || server.log_mentions("could not be sent and is tried again").then_some(()));
        server.kill();
        let server = start("wrong", &trusted);
        eventually("a refusal", || server.log_mentions("the SMTP server answered 535").then_some(()));
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
    eventually("a warning", || server.log_mentions("the SMTP server cannot be reached").then_some(()));
    let token = server.mfa_token();
    let associated = server.associate(&token, "user@example.com");
    eventually("a try", || server.log_mentions("could not be sent and is tried again").then_some(()));
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

#[test]
fn templates_can_be_replaced_and_keep_the_code_out_of_the_subject() {
    let directory = Arc::new(Directory::new());
    let templates = directory.path().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("confirm.subject"), "Hello from {{issuer}}\n").unwrap();
    fs::write(templates.join("confirm.txt"), "{{code}}\nfor {{minutes}} minutes {{unknown}}{{\n").unwrap();
    let path = templates.to_str().unwrap();
    let server = Server::start_in(&directory, &["--policy", "auth0", "--templates", path]);
    let token = server.mfa_token();
    server.associate(&token, "user@example.com");
    let code = server.code(1);
    let message: Value = server.get("/mailbox").body[0].clone();
    assert_eq!(message["subject"], format!("Hello from {}", server.issuer()));
    assert_eq!(message["text"], format!("{code}\nfor 5 minutes {{{{\n"));
    assert!(message["html"].as_str().unwrap().starts_with("<!doctype html>"), "the built-in one");

    fs::write(templates.join("confirm.subject"), "{{code}} is your code\n").unwrap();
    let refused = run(directory.path(), &["--listen", "127.0.0.1:0", "--templates", path]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said, "countersign-server: the template confirm.subject must be one line without the code\n");
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
    eventually("report", || server.audit().into_iter().find(|event| event["command"] == "report_delivery"));
}
