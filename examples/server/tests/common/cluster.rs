//! Servers on one PostgreSQL, which `ci/postgres.sh` starts and names in `COUNTERSIGN_TEST_POSTGRES`. With
//! `COUNTERSIGN_TEST_POOLER` they reach it through that pooler, and what the tests themselves ask goes directly.

use std::{net::SocketAddr, sync::Arc};

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{
    Directory, OOB, Reply, Server, Value, as_demo, eventually, json, proxy::Proxy, run, send, sink::Sink,
};

/// A database of its own, a key file, and servers on both.
pub struct Cluster {
    pub url: String,
    pub directory: Arc<Directory>,
    pub sink: Sink,
    /// Where the servers look for the database.
    way: String,
}

impl Cluster {
    pub fn new(name: &str) -> Self {
        let admin =
            std::env::var("COUNTERSIGN_TEST_POSTGRES").expect("COUNTERSIGN_TEST_POSTGRES names a database");
        let name = format!("countersign_{name}_{}", std::process::id());
        let (server, _) = admin.rsplit_once('/').expect("a URL with the name of a database");
        let url = format!("{server}/{name}");
        query(async {
            let mut connection = PgConnection::connect(&admin).await.expect("the database answers");
            connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        });
        let directory = Arc::new(Directory::new());
        assert!(run(directory.path(), &["keys", "generate", "keys.json"]).status.success());
        // Behind a pooler, if one is named.
        let way = std::env::var("COUNTERSIGN_TEST_POOLER").map_or_else(
            |_| url.clone(),
            |pooler| {
                format!("{}/{name}", pooler.rsplit_once('/').expect("a URL with the name of a database").0)
            },
        );
        Self { url, directory, sink: Sink::start(), way }
    }

    pub fn server(&self, arguments: &[&str]) -> Server {
        let relay = self.sink.url();
        let fixed = [
            "--database",
            &self.way,
            "--keys",
            "keys.json",
            "--issuer",
            "http://localhost/",
            "--smtp",
            &relay,
        ];
        Server::start_in(&self.directory, &[&fixed, arguments].concat())
    }

    /// The same database by another URL, for the servers alone.
    pub fn by(&self, way: &str) -> Self {
        let (way, parameters) = way.split_once('?').unwrap_or((way, ""));
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let way = format!("{}/{name}?{parameters}", way.rsplit_once('/').unwrap().0);
        Self { way, url: self.url.clone(), directory: Arc::clone(&self.directory), sink: self.sink.clone() }
    }

    /// The URL that the servers have.
    pub fn way(&self) -> &str {
        &self.way
    }

    /// The newest code for an address, once there are as many as `count`.
    pub fn code(&self, to: &str, count: usize) -> String {
        eventually("a code", || {
            let codes: Vec<_> = self.sink.mail(to).iter().filter_map(super::sink::Mail::code).collect();
            (codes.len() >= count).then(|| codes.last().unwrap().clone())
        })
    }

    /// How many messages are in the outbox.
    pub fn waiting(&self) -> i64 {
        query(async {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut connection).await.unwrap()
        })
    }

    /// The same database by another way.
    pub fn through(&self, proxy: &Proxy) -> Self {
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let url = format!("postgres://postgres@{}/{name}", proxy.address);
        Self { way: url.clone(), url, directory: Arc::clone(&self.directory), sink: self.sink.clone() }
    }

    pub fn address(&self) -> SocketAddr {
        let (_, place) = self.url.rsplit_once('@').unwrap();
        place.split_once('/').unwrap().0.parse().unwrap()
    }

    /// How many connections to the database are encrypted.
    pub fn encrypted(&self) -> i64 {
        query(async {
            let mut connection =
                PgConnection::connect(&format!("{}?sslmode=disable", self.url)).await.unwrap();
            let sql = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE ssl AND datname = current_database()";
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        })
    }

    pub fn records(&self) -> Vec<Value> {
        query(async {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let records: Vec<String> =
                sqlx::query_scalar("SELECT record FROM accounts").fetch_all(&mut connection).await.unwrap();
            let body = |record: &String| serde_json::from_str::<Value>(record).unwrap()["v1"].take();
            records.iter().map(body).collect()
        })
    }
}

pub fn query<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Sends all at once, each to one of the servers in turn.
pub fn at_once(addresses: [SocketAddr; 2], bodies: &[Value]) -> Vec<Reply> {
    let gate = std::sync::Barrier::new(bodies.len());
    std::thread::scope(|scope| {
        let senders: Vec<_> = bodies
            .iter()
            .zip(addresses.iter().cycle())
            .map(|(body, address)| {
                let gate = &gate;
                scope.spawn(move || {
                    gate.wait();
                    let json = [("Content-Type", "application/json")];
                    send(*address, "POST", "/oauth/token", &json, &body.to_string()).expect("an answer")
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    })
}

pub fn answer(mfa_token: &str, oob_code: &Value, code: &str) -> Value {
    as_demo(&json!({ "grant_type": OOB, "mfa_token": mfa_token, "oob_code": oob_code, "binding_code": code }))
}

pub fn evaluated(servers: [&Server; 2], verdict: impl Fn(&Value) -> bool) -> usize {
    let events = servers.iter().flat_map(|server| server.audit());
    events
        .filter(|event| event["command"] == "verify_oob" && event["evaluated"] == true && verdict(event))
        .count()
}
