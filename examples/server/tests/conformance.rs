//! `countersign-server conformance` on SQLite and on PostgreSQL, alone and in two processes; and on databases that were
//! spoilt by a trigger or a collation, which it must notice.
//!
//! Those on PostgreSQL need `COUNTERSIGN_TEST_POSTGRES`: `ci/postgres.sh` starts a server and names it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Directory, command, run};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

fn query<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Changes an SQLite database.
fn spoil_sqlite(directory: &Directory, sql: &str) {
    let url = format!("sqlite:{}", directory.path().join("x.db").display());
    query(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// An SQLite database with its tables in place.
fn sqlite() -> Directory {
    let directory = Directory::new();
    let made = run(directory.path(), &["add-client", "somebody", "--public", "--database", "x.db"]);
    assert!(made.status.success());
    directory
}

/// A PostgreSQL database of its own, with its tables in place, and its URL.
fn postgres(name: &str, directory: &Directory) -> String {
    let admin =
        std::env::var("COUNTERSIGN_TEST_POSTGRES").expect("COUNTERSIGN_TEST_POSTGRES names a database");
    let name = format!("countersign_kit_{name}_{}", std::process::id());
    let (server, _) = admin.rsplit_once('/').expect("a URL with the name of a database");
    let url = format!("{server}/{name}");
    query(async {
        let mut connection = PgConnection::connect(&admin).await.expect("the database answers");
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    });
    let made = run(directory.path(), &["add-client", "somebody", "--public", "--database", &url]);
    assert!(made.status.success());
    url
}

fn spoil_postgres(url: &str, sql: &str) {
    query(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    });
}

/// Runs the kit: whether it passed, and all that it said.
fn kit(directory: &Directory, database: &str) -> (bool, String) {
    let output = command(directory.path(), &["conformance", "--rounds", "4"])
        .env("COUNTERSIGN_DATABASE", database)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.code().is_some() && !said.contains("panicked"), "{said}");
    (output.status.success(), said)
}

#[track_caller]
fn passes(directory: &Directory, database: &str) {
    let (passed, said) = kit(directory, database);
    eprintln!("{said}");
    assert!(passed, "{said}");
    assert!(said.contains("31 checks passed, 0 failed, 0 not run"), "{said}");
    assert!(said.contains("2 processes: run "), "{said}");
    assert!(said.contains("6 checks passed, 0 failed, 0 not run"), "{said}");
}

/// It must fail, by this check and with these words.
#[track_caller]
fn fails(directory: &Directory, database: &str, check: &str, words: &str) {
    let (passed, said) = kit(directory, database);
    assert!(!passed, "{said}");
    assert!(said.contains(&format!("FAILED  {check}")) && said.contains(words), "{said}");
}

#[test]
fn sqlite_keeps_its_promise_alone_and_in_two_processes() {
    let directory = sqlite();
    passes(&directory, "x.db");
    // Nothing is left of it, and what was there before is.
    let url = format!("sqlite:{}", directory.path().join("x.db").display());
    let left = query(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let sql = "SELECT (SELECT count(*) FROM accounts) || ' ' || (SELECT count(*) FROM outbox) || ' ' || \
            (SELECT count(*) FROM clients)";
        sqlx::query_scalar::<_, String>(sql).fetch_one(&mut connection).await.unwrap()
    });
    assert_eq!(left, "0 0 1");
}

#[test]
fn spoilt_sqlite_databases_are_noticed() {
    let spoils = [
        (
            "CREATE TRIGGER spoil AFTER UPDATE ON accounts BEGIN \
                UPDATE accounts SET revision = OLD.revision, record = OLD.record WHERE subject = NEW.subject; END",
            "denied-step-is-charged",
            "and that is what the store has",
        ),
        (
            "CREATE TRIGGER spoil AFTER INSERT ON outbox BEGIN DELETE FROM outbox WHERE id = NEW.id; END",
            "outbox-is-atomic",
            "of a stored record is not in the outbox",
        ),
        (
            "DROP TABLE accounts; CREATE TABLE accounts (subject TEXT PRIMARY KEY COLLATE NOCASE, \
                revision INTEGER NOT NULL, record TEXT NOT NULL)",
            "subjects-are-exact",
            "differ only in case",
        ),
        (
            "CREATE TRIGGER spoil AFTER INSERT ON accounts BEGIN \
                UPDATE accounts SET revision = NEW.revision & 4294967295 WHERE subject = NEW.subject; END",
            "swap-is-atomic, threads",
            "over one revision at once none was answered Stored",
        ),
    ];
    for (sql, check, words) in spoils {
        let directory = sqlite();
        spoil_sqlite(&directory, sql);
        fails(&directory, "x.db", check, words);
    }
}

#[test]
fn a_part_that_does_not_exist_and_a_bad_run_are_refused() {
    let directory = sqlite();
    let run_id = "0123456789abcdef".repeat(2);
    for (arguments, sentence) in [
        (&["conformance", "--run", &run_id, "--part", "2"][..], "there is no part 2 of 2"),
        (&["conformance", "--run", "x", "--part", "0"], "32 hexadecimal digits"),
        (&["conformance", "--part", "0"], "--run"),
        (&["conformance", "--rounds", "0"], "--rounds"),
        (&["conformance", "--processes", "1"], "1 is not in 2..=8"),
    ] {
        let output = run(directory.path(), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(sentence), "{arguments:?} said {said:?}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn postgresql_keeps_its_promise_alone_and_in_two_processes() {
    let directory = Directory::new();
    let url = postgres("right", &directory);
    passes(&directory, &url);
    let left: i64 = query(async {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let sql = "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM outbox)";
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    });
    assert_eq!(left, 0);
}

#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn spoilt_postgresql_databases_are_noticed() {
    let spoils = [
        (
            // Every update is told as one row, and keeps what was there.
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
             CREATE TRIGGER spoil BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION spoil()",
            "reads-are-current",
            "and that is what the store has",
        ),
        (
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS \
                'BEGIN NEW.descriptor := replace(NEW.descriptor, ''user@'', ''User@''); RETURN NEW; END'; \
             CREATE TRIGGER spoil BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION spoil()",
            "outbox-is-atomic",
            "came back with other content",
        ),
        (
            "ALTER TABLE accounts ALTER COLUMN revision TYPE REAL",
            "swap-is-atomic, threads",
            "over one revision at once none was answered Stored",
        ),
    ];
    for (place, (sql, check, words)) in spoils.into_iter().enumerate() {
        let directory = Directory::new();
        let url = postgres(&format!("spoilt{place}"), &directory);
        spoil_postgres(&url, sql);
        fails(&directory, &url, check, words);
    }
}
