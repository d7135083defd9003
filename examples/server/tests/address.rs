//! Signing up with a confirmed address, and resetting a forgotten password: what people do, what a stranger cannot, and
//! what nobody can tell from an answer.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use common::{Directory, PASSWORD, Reply, Server, Value, eventually, json};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

const USER: &str = "user@example.com";
const NEW: &str = "a new password";

/// A message with a link: whom it went to, the page, the token, the address in the fragment, and the code.
#[derive(Clone, PartialEq, Debug)]
struct Letter {
    to: String,
    page: String,
    token: String,
    email: String,
    code: String,
}

/// The messages with a link, newest first.
fn letters(server: &Server) -> Vec<Letter> {
    let mailbox = server.get("/mailbox").body;
    let letter = |message: &Value| {
        let text = message["text"].as_str().unwrap();
        let url = text.lines().find(|line| line.starts_with(&server.issuer()) && line.contains('#'))?;
        let (page, fragment) = url.strip_prefix(&server.issuer()).unwrap().split_once('#').unwrap();
        let (token, email) = fragment.strip_prefix("token=").unwrap().split_once("&email=").unwrap();
        let code = text.lines().map(str::trim).find(|line| line.len() == 24 && line.split(' ').count() == 5);
        let code = code.unwrap().to_owned();
        let subject = message["subject"].as_str().unwrap();
        assert!(!subject.contains(&code) && !subject.contains(token), "{subject}");
        let html = message["html"].as_str().unwrap();
        assert!(html.contains(&code) && html.contains(token));
        Some(Letter {
            to: message["to"].as_str().unwrap().to_owned(),
            page: format!("/{page}"),
            token: token.to_owned(),
            email: email.replace("%40", "@"),
            code,
        })
    };
    mailbox.as_array().unwrap().iter().filter_map(letter).collect()
}

/// The newest letter, once there are as many as `count`.
fn letter(server: &Server, count: usize) -> Letter {
    eventually("a message with a link", || {
        let letters = letters(server);
        (letters.len() >= count).then(|| letters[0].clone())
    })
}

fn post(server: &Server, path: &str, cookie: Option<&str>, body: &Value) -> Reply {
    let cookie = cookie.map(|cookie| ("Cookie", cookie));
    let headers: Vec<_> = [("Content-Type", "application/json")].into_iter().chain(cookie).collect();
    server.send("POST", path, &headers, &body.to_string())
}

/// Asks, and gives the cookie of the browser.
fn ask(server: &Server, page: &str, email: &str) -> String {
    let reply = post(server, &format!("{page}/ask"), None, &json!({ "email": email }));
    assert_eq!(reply.status, 202, "{}", reply.text);
    let cookie = reply.header("set-cookie").unwrap();
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

fn is_refused(reply: &Reply) {
    let description =
        "The link or code is wrong, used or expired, or this browser did not ask for it. Ask for a new one.";
    reply.is_refused(403, "invalid_grant", description);
}

fn password_grant(server: &Server, username: &str, password: &str) -> Reply {
    server.token(&json!({ "grant_type": "password", "username": username, "password": password }))
}

#[test]
fn somebody_signs_up_with_a_confirmed_address() {
    let server = Server::start();
    let stranger = ask(&server, "/signup", "New@Example.com");
    let caused = letter(&server, 1);
    assert_eq!(
        (caused.to.as_str(), caused.page.as_str(), caused.email.as_str()),
        ("new@example.com", "/signup", "new@example.com")
    );
    // Filters follow links: that shows a page and consumes nothing. The token is not even sent.
    for _ in 0..3 {
        let page = server.get(&caused.page);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    }
    let body = |letter: &Letter| json!({ "email": letter.email, "token": letter.token, "password": "my own password" });
    // Nobody confirms what another began: the owner of the mailbox has not asked.
    is_refused(&post(&server, "/signup", None, &body(&caused)));
    is_refused(&post(&server, "/signup", Some("countersign-sign-up=nothing"), &body(&caused)));
    let nobody = password_grant(&server, "new@example.com", "my own password");
    nobody.is_refused(403, "invalid_grant", "Wrong email or password.");
    // Once they ask as well, they use whichever link they like.
    let owner = ask(&server, "/signup", "new@example.com");
    letter(&server, 2);
    let reply = post(&server, "/signup", Some(&owner), &body(&caused));
    assert_eq!((reply.status, &reply.body), (200, &json!({})), "{}", reply.text);
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(password_grant(&server, "new@example.com", "my own password").error(), "mfa_required");
    // Every other link and code is dead.
    for letter in letters(&server) {
        is_refused(&post(&server, "/signup", Some(&owner), &body(&letter)));
        let body = json!({ "email": letter.email, "code": letter.code, "password": "my own password" });
        is_refused(&post(&server, "/signup", Some(&stranger), &body));
        is_refused(&post(&server, "/signup", Some(&owner), &body));
    }
}

#[test]
fn somebody_resets_a_forgotten_password() {
    let server = Server::start();
    let before = server.mfa_token();
    ask(&server, "/reset", "USER@example.com");
    let letter = letter(&server, 1);
    assert_eq!((letter.to.as_str(), letter.page.as_str()), (USER, "/reset"));
    for _ in 0..3 {
        assert_eq!(server.get(&letter.page).status, 200);
    }
    // A password that is too short costs nothing, and a wrong link changes nothing.
    let body = |token: &str, password: &str| json!({ "email": USER, "token": token, "password": password });
    let short = post(&server, "/reset", None, &body(&letter.token, "seven 7"));
    short.is_refused(400, "invalid_request", "A password has at least 8 characters.");
    let forged = format!("{}A", &letter.token[..letter.token.len() - 1]);
    if forged != letter.token {
        is_refused(&post(&server, "/reset", None, &body(&forged, NEW)));
    }
    is_refused(&post(&server, "/signup", None, &body(&letter.token, NEW)));
    assert_eq!(password_grant(&server, USER, PASSWORD).error(), "mfa_required");

    // Another browser than the one that asked.
    let reply = post(&server, "/reset", None, &body(&letter.token, NEW));
    assert_eq!((reply.status, &reply.body), (200, &json!({})), "{}", reply.text);
    assert_eq!(password_grant(&server, USER, NEW).error(), "mfa_required");
    password_grant(&server, USER, PASSWORD).is_refused(403, "invalid_grant", "Wrong email or password.");
    // What the former password had opened is over.
    assert_eq!(server.associate(&before, USER).status, 401);
    is_refused(&post(&server, "/reset", None, &body(&letter.token, PASSWORD)));
}

#[test]
fn a_code_is_typed_in_the_browser_that_asked() {
    let server = Server::start();
    let browser = ask(&server, "/reset", USER);
    let letter = letter(&server, 1);
    let body = |code: &str| json!({ "email": USER, "code": code, "password": NEW });
    is_refused(&post(&server, "/reset", None, &body(&letter.code)));
    let other = ask(&server, "/reset", USER);
    is_refused(&post(&server, "/reset", Some(&other), &body(&letter.code)));
    for wrong in ["00000000000000000000", "123456", "no code"] {
        is_refused(&post(&server, "/reset", Some(&browser), &body(wrong)));
    }
    let typed = letter.code.replace(' ', "-");
    let cookies = format!("theme=dark; {browser}");
    assert_eq!(post(&server, "/reset", Some(&cookies), &body(&typed)).status, 200);
    assert_eq!(password_grant(&server, USER, NEW).error(), "mfa_required");
}

/// Whoever knew the former password may have used up the messages; the new one brings a burst of them.
#[test]
fn a_reset_gives_messages_back() {
    let server = Server::start();
    let thief = server.mfa_token();
    let drain = |place: u32| server.associate(&thief, &format!("{place}@example.com")).status;
    assert!((0..30).any(|place| drain(place) == 429));
    ask(&server, "/reset", USER);
    let token = letter(&server, 1).token;
    let reply = post(&server, "/reset", None, &json!({ "email": USER, "token": token, "password": NEW }));
    assert_eq!(reply.status, 200, "{}", reply.text);
    let signed_in = password_grant(&server, USER, NEW);
    let owner = signed_in.body["mfa_token"].as_str().unwrap();
    assert_eq!(server.associate(owner, USER).status, 200);
}

/// What somebody sees of an answer, without what is drawn anew for each.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, Value) {
    let drawn = ["set-cookie", "date", "x-request-id"];
    let mut headers: Vec<_> = reply.headers.clone();
    for (name, value) in &mut headers {
        if drawn.contains(&name.to_ascii_lowercase().as_str()) {
            // The shape of a cookie is that of its handle.
            *value = format!("{} bytes", value.len());
        }
    }
    (reply.status, headers, reply.body.clone())
}

/// L6's sibling in the host: neither an answer nor a refusal says whether anybody has an address.
#[test]
fn an_address_that_nobody_has_cannot_be_told_from_one_that_somebody_has() {
    let server = Server::start();
    for page in ["/reset", "/signup"] {
        let ask = |email: &str| post(&server, &format!("{page}/ask"), None, &json!({ "email": email }));
        let (known, unknown) = (ask(USER), ask("nobody@example.com"));
        assert_eq!(known.status, 202);
        assert_eq!(seen(&known), seen(&unknown), "{page}");
        // A refusal, with the handle of each.
        let refusal = |reply: &Reply, email: &str| {
            let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap();
            let body = json!({ "email": email, "code": "12345678901234567890", "password": NEW });
            post(&server, page, Some(cookie), &body)
        };
        let refusals = [refusal(&known, USER), refusal(&unknown, "nobody@example.com")];
        refusals.iter().for_each(is_refused);
        assert_eq!(seen(&refusals[0]), seen(&refusals[1]), "{page}");
    }
    // Whoever signs up with an address that has an account is sent the way back into it; nobody else is told.
    let known = eventually("a message for each that can get one", || {
        let letters = letters(&server);
        (letters.len() == 3).then_some(letters)
    });
    let mut sent: Vec<_> = known.iter().map(|letter| (letter.to.as_str(), letter.page.as_str())).collect();
    sent.sort_unstable();
    assert_eq!(sent, [("nobody@example.com", "/signup"), (USER, "/reset"), (USER, "/reset")]);
    server.expect_log("absent_address");
    // Not the address, but a hash of it, is in the log.
    assert!(!server.log_mentions("nobody@example.com"));
    assert!(server.log_mentions("addr_"));
}

/// Holds the database's write lock until told to let go.
fn lock(directory: &Directory) -> (mpsc::Sender<()>, std::thread::JoinHandle<()>) {
    let path = directory.path().join("countersign.db").display().to_string();
    let (let_go, told) = mpsc::channel();
    let (held, holds) = mpsc::channel();
    let holder = std::thread::spawn(move || {
        let work = async {
            let mut connection = SqliteConnection::connect(&path).await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            held.send(()).unwrap();
            let _ = told.recv();
            connection.execute("ROLLBACK").await.unwrap();
            connection.close().await.unwrap();
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    });
    holds.recv().unwrap();
    (let_go, holder)
}

/// An ask is answered before anything is stored, and a refusal stores nothing: with a store that takes its time, an answer
/// that waited for a swap would be late, and only for an address that somebody has.
#[test]
fn no_answer_to_an_ask_waits_for_the_store() {
    let server = Server::start();
    ask(&server, "/reset", USER);
    let letter = letter(&server, 1);
    let directory = server.directory();
    let handles = [USER, "nobody@example.com"].map(|email| (email, ask(&server, "/reset", email)));
    let (let_go, holder) = lock(&directory);
    // A refusal waits for no swap: a wrong answer writes nothing, whether or not anybody has the address.
    for (email, handle) in &handles {
        for body in [
            json!({ "email": email, "code": "12345678901234567890", "password": NEW }),
            json!({ "email": email, "token": "A".repeat(98), "password": NEW }),
        ] {
            let begun = Instant::now();
            is_refused(&post(&server, "/reset", Some(handle), &body));
            assert!(begun.elapsed() < Duration::from_secs(3), "{email}: {:?}", begun.elapsed());
        }
    }
    let time = |email: &str| {
        let begun = Instant::now();
        ask(&server, "/reset", email);
        begun.elapsed()
    };
    let mut times: Vec<_> = (0..4).flat_map(|_| [time(USER), time("nobody@example.com")]).collect();
    times.sort();
    assert!(times[times.len() - 1] < Duration::from_secs(2), "{times:?}");
    // The control: what does wait for a swap is not answered while the store is held.
    let (answered, answer) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let body = json!({ "email": USER, "token": letter.token, "password": NEW });
            answered.send(post(&server, "/reset", None, &body)).unwrap();
        });
        assert!(answer.recv_timeout(Duration::from_secs(3)).is_err(), "it waits for the swap");
        let_go.send(()).unwrap();
        let reply = answer.recv_timeout(Duration::from_secs(15)).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
    });
    holder.join().unwrap();
    // What was asked for meanwhile was sent once the store was there.
    eventually("the messages", || (letters(&server).len() >= 3).then_some(()));
}

#[test]
fn one_peer_asks_for_so_many_addresses_and_no_more() {
    let server = Server::start();
    let ask = |number: u32| {
        let body = json!({ "email": format!("nobody-{number}@example.com") });
        post(&server, if number.is_multiple_of(2) { "/reset/ask" } else { "/signup/ask" }, None, &body)
    };
    for number in 0..20 {
        assert_eq!(ask(number).status, 202, "{number}");
    }
    let refused = ask(20);
    refused.is_refused(429, "too_many_requests", "Too many requests.");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
}

#[test]
fn what_makes_no_sense_is_refused_alike() {
    let server = Server::start();
    for (path, body, description) in [
        ("/reset/ask", json!({}), "Missing required parameter: email"),
        ("/reset/ask", json!({ "email": "no address" }), "This is no email address."),
        ("/signup", json!({ "email": USER, "token": "x" }), "Missing required parameter: password"),
        ("/signup", json!({ "email": USER, "password": NEW }), "Missing required parameter: token"),
        (
            "/reset",
            json!({ "email": USER, "token": "x", "code": "1", "password": NEW }),
            "Missing required parameter: token",
        ),
    ] {
        post(&server, path, None, &body).is_refused(400, "invalid_request", description);
    }
    // Without demonstration data people sign up at the application that they use.
    let server = Server::start_at(
        &std::sync::Arc::new(Directory::new()),
        None,
        &[],
        &[("COUNTERSIGN_LISTEN", "127.0.0.1:0"), ("COUNTERSIGN_DEMO", "false")],
    );
    for page in ["/signup", "/reset"] {
        assert_eq!(server.get(page).status, 404);
        for path in [page.to_owned(), format!("{page}/ask")] {
            let body = json!({ "email": USER, "token": "x", "password": NEW });
            assert_eq!(post(&server, &path, None, &body).status, 404, "{path}");
        }
    }
}
