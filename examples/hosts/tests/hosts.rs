//! Each small host plays a journey: enroll, confirm, guess wrong, sign in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

use countersign::Denial;

/// A host in a process of its own, on a free port, with a folder for its rows.
struct Host {
    child: Child,
    said: BufReader<ChildStdout>,
    address: String,
    folder: PathBuf,
    cookies: BTreeMap<String, String>,
}

impl Host {
    fn start(program: &str, name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let arguments = ["127.0.0.1:0", folder.join("rows").to_str().unwrap()].map(str::to_owned);
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut host = Self { child, said, address: String::new(), folder, cookies: BTreeMap::new() };
        host.address = host.says("listening on ");
        host
    }

    /// What comes behind this in the next line that has it.
    fn says(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "the host ended before it said {words:?}");
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim().to_owned();
            }
        }
    }

    fn code(&mut self) -> String {
        self.says("mail to user@example.com: ")
    }

    /// Sends a request and gives the head and the text of the answer.
    fn exchange(&self, line: &str, bearer: &str, body: &str) -> (String, String) {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer {bearer}\r\n\r\n{body}",
            body.len(),
            cookies.join("; "),
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), text.to_owned())
    }

    fn ask(&mut self, line: &str, bearer: &str, body: &str) -> (u16, String) {
        let (head, text) = self.exchange(line, bearer, body);
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("set-cookie") {
                assert!(value.contains("HttpOnly") && value.contains("SameSite=Strict"), "{value}");
                let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        (status(&head), text)
    }

    /// Asks the same 128 times at once; gives the statuses.
    fn ask_at_once(&self, line: &str, bearer: &str, body: &str) -> Vec<u16> {
        thread::scope(|scope| {
            let ask = || status(&self.exchange(line, bearer, body).0);
            let asking: Vec<_> = (0..128).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|asks| asks.join().unwrap()).collect()
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[test]
fn a_blocking_host_with_redb() {
    let mut host = Host::start(env!("CARGO_BIN_EXE_blocking"), "blocking");
    let (status, token) = host.ask("POST /login", "", "user-1");
    assert_eq!(status, 200);
    let (_, handle) = host.ask("POST /enroll", &token, "user@example.com");
    let code = host.code();
    let (status, text) = host.ask("POST /verify", &token, &format!("{handle} {}", wrong(&code)));
    assert_eq!((status, text.as_str()), (403, "That did not work. Try again, or sign in again."));
    assert_eq!(host.ask("POST /verify", &token, &format!("{handle} {code}")), (200, "right".to_owned()));
    assert_eq!(host.says("user-1 is signed in"), "");

    let (_, token) = host.ask("POST /login", "", "user-1");
    assert_eq!(host.ask("POST /enroll", &token, "thief@example.com").0, 403, "the user is enrolled");
    let (_, handle) = host.ask("POST /challenge", &token, "");
    let code = host.code();
    assert_eq!(host.ask("POST /verify", &token, &format!("{handle} {code}")).0, 200);
    assert_eq!(host.ask("POST /verify", &token, &format!("{handle} {code}")).0, 403, "a code is used once");
    assert_eq!(host.ask("POST /challenge", "no token", "").0, 403);

    // 128 guesses at once: each gets an answer, five are compared with the code, and the right one comes too late.
    let (_, token) = host.ask("POST /login", "", "user-1");
    let (_, handle) = host.ask("POST /challenge", &token, "");
    let code = host.code();
    let statuses = host.ask_at_once("POST /verify", &token, &format!("{handle} {}", wrong(&code)));
    assert!(statuses.iter().all(|status| *status == 403), "{statuses:?}");
    assert_eq!(host.ask("POST /verify", &token, &format!("{handle} {code}")).0, 403);
    let spent = |refusal: &String| *refusal == Denial::AttemptsExhausted.to_string();
    let refusals: Vec<_> = (0..129).map(|_| host.says("refused: ")).collect();
    assert_eq!(refusals.iter().filter(|refusal| spent(refusal)).count(), 129 - 5, "{refusals:?}");
}

#[test]
fn a_web_application_with_cookies() {
    let mut host = Host::start(env!("CARGO_BIN_EXE_cookies"), "cookies");
    assert_eq!(host.ask("GET /", "", "").1, "nobody");
    assert_eq!(host.ask("POST /send", "", "").0, 403, "nobody is signing in");
    assert_eq!(host.ask("POST /login", "", "name=user-1").0, 200);
    assert_eq!(host.ask("GET /", "", "").1, "nobody", "a password is not enough");
    let (status, handle) = host.ask("POST /send", "", "address=user%40example.com");
    assert_eq!(status, 200, "{handle}");
    let code = host.code();
    let (status, text) = host.ask("POST /verify", "", &format!("handle={handle}&code={}", wrong(&code)));
    assert_eq!((status, text.as_str()), (403, "That did not work. Try again, or sign in again."));
    assert_eq!(host.ask("POST /verify", "", &format!("handle={handle}&code={code}")).1, "signed in");
    assert_eq!(host.ask("GET /", "", "").1, "user-1");

    // A change of the password ends all sessions, and what a session keeps does not come back to life.
    assert_eq!(host.ask("POST /password", "", "").1, "sign in anew");
    assert_eq!(host.ask("GET /", "", "").1, "nobody");
    assert_eq!(host.ask("POST /password", "", "").0, 403, "nobody is signed in");

    // A later sign-in, and a cookie that somebody made.
    host.cookies.clear();
    host.ask("POST /login", "", "name=user-1");
    let (status, handle) = host.ask("POST /send", "", "");
    assert_eq!(status, 200, "{handle}");
    let code = host.code();
    assert_eq!(host.ask("POST /verify", "", &format!("handle={handle}&code={code}")).1, "signed in");
    host.cookies.insert("session".to_owned(), "root".to_owned());
    assert_eq!(host.ask("GET /", "", "").1, "nobody");
    // One cookie is not taken for the other: a password alone gives a `pending` that is the host's own.
    host.ask("POST /login", "", "name=user-1");
    let pending = host.cookies["pending"].clone();
    host.cookies.insert("session".to_owned(), pending);
    assert_eq!(host.ask("GET /", "", "").1, "nobody");

    // 128 guesses at once: each gets an answer, and afterwards the right one comes too late.
    let (_, handle) = host.ask("POST /send", "", "");
    let code = host.code();
    let statuses = host.ask_at_once("POST /verify", "", &format!("handle={handle}&code={}", wrong(&code)));
    assert!(statuses.iter().all(|status| *status == 403), "{statuses:?}");
    assert_eq!(host.ask("POST /verify", "", &format!("handle={handle}&code={code}")).0, 403);
}

#[test]
fn each_host_is_short_enough_to_read() {
    for (name, text) in [
        ("blocking", include_str!("../src/bin/blocking.rs")),
        ("cookies", include_str!("../src/bin/cookies.rs")),
        ("redis", include_str!("../src/bin/redis.rs")),
    ] {
        let lines = text.lines().count();
        assert!(lines < 180, "{name} has {lines} lines");
    }
}

/// In the gate: the conformance kit against a Redis that `ci/redis.sh` starts.
#[test]
#[ignore = "needs Redis: run ci/redis.sh"]
fn a_store_in_redis() {
    let url = std::env::var("COUNTERSIGN_REDIS").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_redis")).arg(url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("0 failed"), "{said}");
}
