//! The server behind Debian's PgBouncer in transaction mode. `ci/postgres.sh` starts it, on very few connections,
//! names it in `COUNTERSIGN_TEST_PGBOUNCER`, and runs these; without it they fail. The same script runs the tests of
//! `postgres.rs` through it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{
    Server, Value,
    cluster::{Cluster, answer, at_once, evaluated, query},
    command, eventually, wrong,
};
use sqlx::{Connection as _, PgConnection, Row as _};

/// Two poolers: one refuses parameters of the start, which is PgBouncer's default, and one drops them.
fn poolers() -> [String; 2] {
    ["COUNTERSIGN_TEST_PGBOUNCER", "COUNTERSIGN_TEST_PGBOUNCER_LAX"]
        .map(|name| std::env::var(name).unwrap_or_else(|_| panic!("{name} names a pooler")))
}

const ARGUMENTS: [&str; 3] = ["--policy", "auth0", "--implicit-email"];

/// A sign-in with its second factor.
fn signs_in(server: &Server, cluster: &Cluster) {
    let codes = cluster.sink.mail("user@example.com").iter().filter_map(common::sink::Mail::code).count();
    let token = server.mfa_token();
    let challenged = server.challenge(&token);
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    let code = cluster.code("user@example.com", codes + 1);
    let reply = server.answer(&token, &challenged.body["oob_code"], &code);
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// What the connections of a pooler carry over from one client to the next.
fn left_behind(way: &str, url: &str) -> Vec<String> {
    query(async {
        let mut left = Vec::new();
        for _ in 0..8 {
            let mut connection = PgConnection::connect_with(
                &way.parse::<sqlx::postgres::PgConnectOptions>().unwrap().extra_float_digits(None),
            )
            .await
            .unwrap();
            for name in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
                let row = sqlx::raw_sql(&format!("SHOW {name}")).fetch_one_of(&mut connection).await;
                if row != "0" {
                    left.push(format!("{name} = {row}"));
                }
            }
            let row = sqlx::raw_sql("SELECT count(*)::text FROM pg_prepared_statements")
                .fetch_one_of(&mut connection)
                .await;
            if row != "0" {
                left.push(format!("{row} prepared statements"));
            }
            connection.close().await.unwrap();
        }
        let mut direct = PgConnection::connect(url).await.unwrap();
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        let locks: i64 = sqlx::query_scalar(sql).fetch_one(&mut direct).await.unwrap();
        if locks != 0 {
            left.push(format!("{locks} advisory locks"));
        }
        left
    })
}

/// One value by the simple protocol, which needs no statement.
trait One {
    async fn fetch_one_of(self, connection: &mut PgConnection) -> String;
}

impl One for sqlx::RawSql<'_> {
    async fn fetch_one_of(self, connection: &mut PgConnection) -> String {
        self.fetch_one(connection).await.unwrap().get(0)
    }
}

/// H8.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn the_journey_goes_through_a_pooler_and_leaves_nothing_on_it() {
    for (number, pooler) in poolers().iter().enumerate() {
        let cluster = Cluster::new(&format!("pooled_{number}")).by(pooler);
        // With and without the setting, and again on a database that is up to date. Two at once take turns.
        for settings in [&[][..], &["--database-statement-cache", "0"], &[]] {
            let arguments = [&ARGUMENTS, settings].concat();
            let (a, b) = std::thread::scope(|scope| {
                let a = scope.spawn(|| cluster.server(&arguments));
                let b = scope.spawn(|| cluster.server(&arguments));
                (a.join().unwrap(), b.join().unwrap())
            });
            for server in [&a, &b, &a] {
                server.expect_log("through a pooler");
                signs_in(server, &cluster);
                assert_eq!(server.get("/healthz").status, 200);
            }
            // What others get on the same connections.
            assert_eq!(left_behind(cluster.way(), &cluster.url), [""; 0], "{pooler} {settings:?}");
            for server in [&a, &b] {
                assert!(
                    !server.log_mentions("already exists") && !server.log_mentions("\"level\":\"ERROR\"")
                );
            }
        }
    }
}

/// H8: a direct connection is known for one, and keeps what makes it fast.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn a_direct_connection_is_no_pooler() {
    let cluster = Cluster::new("direct");
    let server = cluster.server(&ARGUMENTS);
    signs_in(&server, &cluster);
    assert!(!server.log_mentions("through a pooler"));
    // H25: nothing to notice, at the first start and at the next.
    let again = cluster.server(&ARGUMENTS);
    for server in [&server, &again] {
        assert!(!server.log_mentions("already exists") && !server.log_mentions("sqlx::postgres::notice"));
    }
    // As if there were a pooler that nobody recognises.
    let server = cluster.server(&[&ARGUMENTS[..], &["--database-statement-cache", "0"]].concat());
    signs_in(&server, &cluster);
    server.expect_log("through a pooler");
}

/// H8.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn parallel_guesses_through_a_pooler_cost_what_they_cost_in_a_row() {
    let [pooler, _] = poolers();
    let cluster = Cluster::new("pooled_guesses").by(&pooler);
    let arguments = ["--policy", "default", "--implicit-email"];
    let (a, b) = (cluster.server(&arguments), cluster.server(&arguments));
    let token = a.mfa_token();
    let oob_code = b.challenge(&token).body["oob_code"].clone();
    let guess = wrong(&cluster.code("user@example.com", 1));
    let bodies: Vec<Value> = (0..50).map(|_| answer(&token, &oob_code, &guess)).collect();
    let replies = at_once([a.address, b.address], &bodies);
    assert!(replies.iter().all(|reply| reply.status != 200));
    let wrong_ones = replies.iter().filter(|reply| reply.description() == "Invalid binding_code.").count();
    eventually("the log", || (evaluated([&a, &b], |_| true) >= wrong_ones).then_some(()));
    assert_eq!((evaluated([&a, &b], |_| true), wrong_ones), (5, 5));
    assert_eq!(cluster.records()[0]["authenticators"][0]["failures"]["unknown"], 5);
}

/// H8: commands, too.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn the_conformance_kit_passes_through_a_pooler() {
    for (number, pooler) in poolers().iter().enumerate() {
        let cluster = Cluster::new(&format!("pooled_kit_{number}")).by(pooler);
        let arguments = ["conformance", "--rounds", "2", "--database", cluster.way()];
        let output = command(cluster.directory.path(), &arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
