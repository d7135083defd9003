//! Two servers on one PostgreSQL. `ci/postgres.sh` starts one, names it here and runs these; without it they fail.
//!
//! Set `COUNTERSIGN_TEST_POSTGRES` to the URL of a database whose user may create others, then
//! `cargo test -p countersign-server --test postgres -- --ignored --test-threads=1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::SocketAddr,
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::{
    Server, Value, as_demo,
    cluster::{Cluster, answer, at_once, evaluated, query},
    command, eventually, json,
    proxy::Proxy,
    send,
    sink::Mode,
    within, wrong,
};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// H23 on two servers: whichever is asked, and whichever was about to send, one message arrives, with the code that
/// is valid. H12: in the language of the request that caused it.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn an_undelivered_message_gives_way_on_another_server() {
    let cluster = Cluster::new("gives_way");
    cluster.sink.behave(Mode::Greylists);
    let servers = [cluster.server(&["--policy", "auth0"]), cluster.server(&["--policy", "auth0"])];
    let token = servers[0].mfa_token();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
        ("x-request-language", "de"),
    ];
    let body = json!({
        "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "user@example.com",
    });
    let ask = |server: &Server| server.send("POST", "/mfa/associate", &headers, &body.to_string());
    let first = ask(&servers[0]);
    for server in servers.iter().rev().cycle().take(5) {
        let asked = ask(server);
        assert_eq!(asked.body["oob_code"], first.body["oob_code"], "{}", asked.text);
        assert_eq!(cluster.waiting(), 1);
    }
    cluster.sink.behave(Mode::Well);
    let code =
        within(Duration::from_secs(60), "mail", || cluster.sink.mail("user@example.com").pop()?.code());
    eventually("an empty outbox", || (cluster.waiting() == 0).then_some(()));
    let mails = cluster.sink.mail("user@example.com");
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].header("Content-Language"), Some("de"));
    assert_eq!(servers[1].answer(&token, &first.body["oob_code"], &code).status, 200);

    // A claim that another server's later message has ended: the first sender finds out when the relay lets it go on.
    let arrived = || cluster.sink.mail("user@example.com").len();
    eventually("the notice", || (arrived() == 2).then_some(()));
    // Some of the messages before may have been dropped in the same way.
    let dropped = || -> f64 {
        let name = "countersign_messages_total{kind=\"code\",result=\"dropped\"} ";
        let count = |server: &Server| -> f64 {
            let metrics = server.get("/metrics").text;
            metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
        };
        servers.iter().map(count).sum()
    };
    let before = dropped();
    let greeted = cluster.sink.greetings().len();
    cluster.sink.behave(Mode::Lingers);
    let token = servers[0].mfa_token();
    let challenged = servers[0].challenge(&token);
    eventually("a message under way", || (cluster.sink.greetings().len() == greeted + 1).then_some(()));
    assert_eq!(servers[1].challenge(&token).body["oob_code"], challenged.body["oob_code"]);
    eventually("both under way", || (cluster.sink.greetings().len() == greeted + 2).then_some(()));
    cluster.sink.behave(Mode::Well);
    eventually("mail", || (arrived() == 3).then_some(()));
    eventually("an empty outbox", || (cluster.waiting() == 0).then_some(()));
    eventually("a message that was dropped", || (dropped() > before).then_some(()));
    assert_eq!(arrived(), 3);
}

#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn parallel_wrong_guesses_on_two_servers_cost_what_they_cost_in_a_row() {
    let cluster = Cluster::new("guesses");
    let arguments = ["--policy", "default", "--implicit-email"];
    let (a, b) = (cluster.server(&arguments), cluster.server(&arguments));
    // Four transactions, fifty guesses at each: the policy gives five to a transaction and ten to the account.
    let mut bodies = Vec::new();
    for transaction in 1..=4 {
        let token = a.mfa_token();
        let oob_code = b.challenge(&token).body["oob_code"].clone();
        let guess = wrong(&cluster.code("user@example.com", transaction));
        bodies.extend((0..50).map(|_| answer(&token, &oob_code, &guess)));
    }
    let replies = at_once([a.address, b.address], &bodies);
    assert_eq!(replies.len(), 200);
    let mut refusals = BTreeMap::<_, usize>::new();
    for reply in &replies {
        assert_ne!(reply.status, 200, "a wrong code was taken");
        *refusals.entry((reply.status, reply.description().to_owned())).or_default() += 1;
    }
    eprintln!("{refusals:#?}");
    let wrong_ones = refusals.get(&(403, "Invalid binding_code.".to_owned())).copied().unwrap_or(0);
    // The log is written before the answer, and read a moment later.
    eventually("the log", || (evaluated([&a, &b], |_| true) >= wrong_ones).then_some(()));
    assert_eq!(evaluated([&a, &b], |_| true), 10, "in the audit log");
    assert_eq!(wrong_ones, 10, "in the answers");
    assert_eq!(cluster.records()[0]["authenticators"][0]["failures"]["unknown"], 10, "in the record");
    let servers_that_evaluated =
        [&a, &b].iter().filter(|server| evaluated([server, server], |_| true) > 0).count();
    eprintln!("servers that evaluated: {servers_that_evaluated}");
    // The right code is refused now, too.
    let reply = &at_once([a.address, b.address], &[answer(&a.mfa_token(), &json!("x"), "123456")])[0];
    assert_eq!(reply.description(), "Malformed oob_code");
    // What is sent from now on is a code that nobody guesses.
    assert_eq!(b.challenge(&a.mfa_token()).body["binding_code_length"], 20);
}

#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn parallel_right_answers_give_one_token() {
    let cluster = Cluster::new("answers");
    let arguments = ["--policy", "auth0", "--implicit-email"];
    let (a, b) = (cluster.server(&arguments), cluster.server(&arguments));
    for round in 1..=3 {
        let token = a.mfa_token();
        let oob_code = b.challenge(&token).body["oob_code"].clone();
        let code = cluster.code("user@example.com", round);
        let bodies = vec![answer(&token, &oob_code, &code); 50];
        let replies = at_once([a.address, b.address], &bodies);
        let tokens = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(tokens, 1, "round {round}");
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            let known = reply.error() == "expired_token" || reply.status == 503;
            assert!(known, "{} {}", reply.status, reply.text);
        }
        let right = |event: &Value| event["denial"].is_null();
        eventually("the log", || (evaluated([&a, &b], right) >= round).then_some(()));
        assert_eq!(evaluated([&a, &b], right), round);
    }
}

/// What a failed-over database or a firewall does: no connection is closed, and none answers.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn connections_that_go_silent_are_given_up() {
    let cluster = Cluster::new("silent");
    let proxy = Proxy::to(cluster.address());
    let mut server = cluster.through(&proxy).server(&["--policy", "auth0", "--implicit-email"]);
    for round in 1..=2 {
        // Some are in use at that moment, some idle.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| server.sign_in());
            }
            proxy.silence();
        });
        within(Duration::from_secs(60), "service", || (server.sign_in().status == 403).then_some(()));
        assert_eq!(server.get("/healthz").status, 200);
        let token = server.mfa_token();
        assert_eq!(server.challenge(&token).status, 200);
        let sent = || (cluster.sink.mail("user@example.com").len() >= round).then_some(());
        within(Duration::from_secs(60), "mail", sent);
    }
    proxy.silence();
    server.terminate();
    within(Duration::from_secs(60), "end", || server.has_ended().then_some(()));
}

/// What a server leaves behind that lost its power between a statement and its commit.
#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn a_locked_row_costs_its_own_user_alone() {
    let cluster = Cluster::new("locked");
    let server = cluster.server(&["--policy", "auth0", "--implicit-email"]);
    let token = server.mfa_token();
    assert_eq!(server.challenge(&token).status, 200);
    // More than the server has connections, and each a login of its own, so that each has something to write.
    let logins: Vec<_> = (0..18).map(|_| server.mfa_token()).collect();
    let over = AtomicBool::new(false);
    let (locked, holds) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            query(async {
                let mut connection = PgConnection::connect(&cluster.url).await.unwrap();
                connection.execute("BEGIN; SELECT * FROM accounts FOR UPDATE").await.unwrap();
                locked.send(()).unwrap();
                while !over.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        holds.recv().unwrap();
        let writes: Vec<_> = logins.iter().map(|login| scope.spawn(|| server.challenge(login))).collect();
        // Until the last of them has a connection.
        std::thread::sleep(Duration::from_millis(500));
        // The password costs no write.
        let others =
            || (server.sign_in().status == 403 && server.get("/healthz").status == 200).then_some(());
        let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            within(Duration::from_secs(40), "service for others", others);
        }));
        let refused = writes.into_iter().all(|write| write.join().unwrap().status == 503);
        over.store(true, Ordering::Relaxed);
        assert!(served.is_ok() && refused, "while the row is locked");
    });
    within(Duration::from_secs(40), "the row", || (server.challenge(&token).status == 200).then_some(()));
}

/// Where the two servers are now; they change places with every crash.
type Addresses = Mutex<[SocketAddr; 2]>;

/// What one user's journeys came to.
#[derive(Default)]
struct Tally {
    /// Journeys that ended with a token.
    completed: usize,
    /// Requests whose answer a crash cut off.
    cut_off: usize,
    /// What was presented and taken: it must never be taken again.
    spent: Vec<Value>,
}

#[test]
#[ignore = "needs PostgreSQL: run ci/postgres.sh"]
fn crashes_lose_no_record_revive_no_code_and_issue_no_second_token() {
    const USERS: usize = 24;
    const CRASHES: usize = 30;
    let cluster = Cluster::new("crashes");
    let arguments = ["--policy", "auth0", "--implicit-email"];
    let start = || cluster.server(&arguments);
    let mut servers = vec![start(), start()];
    let users: Vec<_> = (0..USERS).map(|number| format!("user{number}@example.com")).collect();
    for user in &users {
        let arguments = ["add-user", user, "--verified", "--argon2-memory", "64", "--database", &cluster.url];
        let mut child = command(cluster.directory.path(), &arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
    let addresses = Mutex::new([servers[0].address, servers[1].address]);
    let over = AtomicBool::new(false);
    let mut audit = Vec::new();
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let journeys: Vec<_> = users
            .chunks(USERS / 8)
            .map(|users| {
                let (cluster, addresses, over) = (&cluster, &addresses, &over);
                scope.spawn(move || load(cluster, addresses, over, users))
            })
            .collect();
        let mut random = std::process::id();
        for crash in 0..CRASHES {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            std::thread::sleep(Duration::from_millis(50 + u64::from(random >> 16) % 350));
            let victim = crash % 2;
            let fresh = {
                let old = servers.remove(victim);
                audit.push(old.kill_and_read());
                start()
            };
            addresses.lock().unwrap()[victim] = fresh.address;
            servers.insert(victim, fresh);
        }
        over.store(true, Ordering::SeqCst);
        journeys.into_iter().flat_map(|journey| journey.join().unwrap()).collect()
    });
    audit.extend(servers.iter().map(Server::audit));

    let completed: usize = tallies.iter().map(|tally| tally.completed).sum();
    let cut_off: usize = tallies.iter().map(|tally| tally.cut_off).sum();
    eprintln!("{completed} journeys, {cut_off} requests cut off, {CRASHES} crashes");
    assert!(completed > USERS, "the load was too light to say anything");

    // No record is lost, and every one can be read.
    assert_eq!(cluster.records().len(), USERS);
    // No code is taken again.
    let spent: Vec<_> = tallies.iter().flat_map(|tally| tally.spent.iter().cloned()).collect();
    for body in &spent {
        let reply = at_once([servers[0].address, servers[1].address], std::slice::from_ref(body));
        assert_ne!(reply[0].status, 200, "a spent code was revived");
    }
    // No transaction got two tokens.
    let mut tokens = BTreeMap::<String, usize>::new();
    for event in audit.iter().flatten() {
        if event["command"] == "verify_oob" && event["denial"].is_null() {
            *tokens.entry(event["transaction"].to_string()).or_default() += 1;
        }
    }
    assert!(tokens.values().all(|count| *count == 1), "two tokens in one transaction");
    assert!(tokens.len() >= completed);
}

/// Signs its users in again and again, whatever happens to the servers.
fn load(cluster: &Cluster, addresses: &Addresses, over: &AtomicBool, users: &[String]) -> Vec<Tally> {
    let mut tallies: Vec<_> = users.iter().map(|_| Tally::default()).collect();
    // As many journeys a user as the policy allows messages.
    for _ in 0..18 {
        for (user, tally) in users.iter().zip(&mut tallies) {
            if over.load(Ordering::SeqCst) {
                return tallies;
            }
            journey(cluster, addresses, user, tally);
        }
    }
    tallies
}

fn journey(cluster: &Cluster, addresses: &Addresses, user: &str, tally: &mut Tally) {
    let mut turn = tally.completed;
    let mut post = |tally: &mut Tally, path: &str, body: &Value| {
        let begun = Instant::now();
        loop {
            turn += 1;
            let address = addresses.lock().unwrap()[turn % 2];
            match send(address, "POST", path, &[("Content-Type", "application/json")], &body.to_string()) {
                Ok(reply) if reply.status != 503 => return reply,
                Ok(_) => {}
                Err(_) => tally.cut_off += 1,
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "no server answers");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let password = json!({ "grant_type": "password", "username": user, "password": "a long password" });
    let reply = post(tally, "/oauth/token", &as_demo(&password));
    assert_eq!(reply.error(), "mfa_required", "{}", reply.text);
    // A user who was enrolled once is so for good.
    assert!(reply.body["mfa_requirements"]["challenge"].is_array(), "{}", reply.text);
    let token = reply.body["mfa_token"].as_str().unwrap().to_owned();
    let before = cluster.sink.mail(user).iter().filter_map(common::sink::Mail::code).count();
    let challenge = as_demo(&json!({ "mfa_token": token, "challenge_type": "oob" }));
    let reply = post(tally, "/mfa/challenge", &challenge);
    if reply.status == 429 {
        return;
    }
    assert_eq!(reply.status, 200, "{}", reply.text);
    let oob_code = reply.body["oob_code"].clone();
    // A message that was claimed by a server that died comes later: then the user gives up.
    let begun = Instant::now();
    let code = loop {
        let codes: Vec<_> = cluster.sink.mail(user).iter().filter_map(common::sink::Mail::code).collect();
        if codes.len() > before {
            break codes.last().unwrap().clone();
        }
        if begun.elapsed() > Duration::from_secs(2) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let body = answer(&token, &oob_code, &code);
    let cut_off = tally.cut_off;
    let reply = post(tally, "/oauth/token", &body);
    if reply.status == 200 {
        tally.completed += 1;
        tally.spent.push(body.clone());
        let again = post(tally, "/oauth/token", &body);
        assert_ne!(again.status, 200, "a spent code was taken again");
    } else if reply.error() == "expired_token" {
        // The answer of an earlier try was cut off after it was stored.
        assert!(tally.cut_off > cut_off, "{}", reply.text);
        tally.spent.push(body);
    } else {
        // A message from an earlier journey, that came late.
        assert_eq!(reply.description(), "Invalid binding_code.", "{}", reply.text);
    }
}
