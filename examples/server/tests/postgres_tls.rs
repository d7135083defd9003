//! PostgreSQL off the loopback. `ci/postgres.sh` starts one with TLS, under a name that this process alone resolves,
//! and runs these; without it they fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::{process::Command, sync::Arc};

use common::{Server, cluster::Cluster, command};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("ci/postgres.sh sets {name}"))
}

/// What makes the name lead to the server, in the server's process.
fn names() -> [(&'static str, String); 2] {
    [
        ("LD_PRELOAD", variable("COUNTERSIGN_TEST_NSS_WRAPPER")),
        ("NSS_WRAPPER_HOSTS", variable("COUNTERSIGN_TEST_HOSTS")),
    ]
}

fn starts(cluster: &Cluster, way: &str) -> Server {
    let names = names();
    let names: Vec<_> = names.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let arguments = ["--database", way, "--keys", "keys.json", "--issuer", "http://localhost/"];
    Server::start_under(&Arc::clone(&cluster.directory), &arguments, &names)
}

fn refused(cluster: &Cluster, way: &str) -> String {
    let arguments = ["--listen", "127.0.0.1:0", "--database", way, "--keys", "keys.json"];
    let mut command: Command = command(cluster.directory.path(), &arguments);
    let output = command.envs(names()).output().unwrap();
    assert_eq!(output.status.code().map(|code| code == 0), Some(false), "{way}");
    String::from_utf8(output.stderr).unwrap()
}

/// H7.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn the_certificate_is_verified_off_the_loopback_unless_the_url_says_otherwise() {
    let cluster = Cluster::new("tls");
    let by =
        |parameters: &str| cluster.by(&format!("{}?{parameters}", variable("COUNTERSIGN_TEST_POSTGRES_TLS")));
    let other = |parameters: &str| {
        cluster.by(&format!("{}?{parameters}", variable("COUNTERSIGN_TEST_POSTGRES_OTHER")))
    };
    let ca = format!("sslrootcert={}", variable("COUNTERSIGN_TEST_CA"));
    let strange = format!("sslrootcert={}", variable("COUNTERSIGN_TEST_STRANGE_CA"));

    // By its authority and its name, and the connection is encrypted.
    let server = starts(&cluster, by(&ca).way());
    assert_eq!(server.sign_in().error(), "mfa_required");
    assert!(cluster.encrypted() > 0, "the server's connections are encrypted");
    assert!(!server.log_mentions("verify-full is safer"));
    drop(server);

    for (way, why) in [
        (by(""), "db.countersign.test cannot be trusted"),
        (by(&strange), "db.countersign.test cannot be trusted"),
        (other(&ca), "other.countersign.test cannot be trusted"),
        (other(&format!("{ca}&sslmode=verify-full")), "other.countersign.test cannot be trusted"),
        (by("sslmode=verify-ca"), "db.countersign.test cannot be trusted"),
        (by("sslrootcert=missing.pem"), "missing.pem"),
    ] {
        let said = refused(&cluster, way.way());
        assert!(said.contains("--database") && said.contains(why), "{}: {said}", way.way());
    }

    // Explicitly less, which is said.
    for way in [
        by(&format!("{ca}&sslmode=verify-ca")),
        by("sslmode=require"),
        by("sslmode=disable"),
        by("ssl-mode=prefer"),
    ] {
        let server = starts(&cluster, way.way());
        assert_eq!(server.sign_in().error(), "mfa_required", "{}", way.way());
        server.expect_log("verify-full is safer");
    }

    // On the loopback, and by a socket, as before.
    let plain = Server::start_in(&cluster.directory, &["--database", &cluster.url, "--keys", "keys.json"]);
    assert!(!plain.log_mentions("verify-full is safer"));
    let (_, name) = cluster.url.rsplit_once('/').unwrap();
    let socket = format!("{}&dbname={name}", variable("COUNTERSIGN_TEST_SOCKET"));
    let by_socket = Server::start_in(&cluster.directory, &["--database", &socket, "--keys", "keys.json"]);
    assert_eq!(by_socket.sign_in().error(), "mfa_required");
    assert!(!by_socket.log_mentions("verify-full is safer"));
}

/// H5: PostgreSQL is no trial.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn no_demonstration_on_postgres_unless_it_is_asked_for() {
    let cluster = Cluster::new("bare");
    let arguments = ["--database", &cluster.url, "--keys", "keys.json"];
    let server = Server::start_under(&cluster.directory, &arguments, &[("COUNTERSIGN_DEMO", "")]);
    assert_eq!(server.get("/demo/info").body["demo"], false);
    assert_eq!(server.sign_in().error(), "invalid_client");
}
