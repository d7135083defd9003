//! Clients that keep the server waiting, ask for more than it can do, or go away: none of them is in an honest user's
//! way.
//!
//! What takes its time under load, and the memory, is measured by `ci/load.sh`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use common::{PASSWORD, Server, as_demo, eventually, json, within};

/// More than any deadline that a test sets, and less than the defaults.
const SOON: Duration = Duration::from_secs(8);

fn server(arguments: &[&str]) -> Server {
    Server::with(&[&["--policy", "auth0"], arguments].concat())
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn post(path: &str, body: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Begins a request whose body stays away, and waits until the server works on it: only then does it ask for the body.
fn begin(stream: &mut TcpStream) {
    let head = post("/oauth/token", "", 16_000).replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1);
    stream.write_all(head.as_bytes()).unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut said = vec![0; expected.len()];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8_lossy(&said), String::from_utf8_lossy(expected));
    stream.write_all(b"{").unwrap();
}

const GET: &str = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// One reply with `Content-Length`, and what of the next one came with it.
fn reply(stream: &mut TcpStream, mut read: Vec<u8>) -> (String, Vec<u8>) {
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let (length, begin) = (length.parse::<usize>().unwrap(), head.len() + 4);
            if body.len() >= length {
                let rest = read.split_off(begin + length);
                return (String::from_utf8(read).unwrap(), rest);
            }
        }
        let mut more = [0; 4096];
        let count = stream.read(&mut more).unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&more[..count]);
    }
}

/// How long it takes until the server has closed the connection, and what it said.
fn closed(stream: &mut TcpStream) -> (Duration, String) {
    let begun = Instant::now();
    let mut said = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut said);
    (begun.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

fn connections(server: &Server) -> u64 {
    metric(server, "countersign_http_connections_open")
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").text;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().unwrap()
}

/// H2. Sign-ins beyond what the queue of the password hash takes are answered at once with 503 and a time to come
/// back, and whoever waited in it longer than a bound, too.
#[test]
fn sign_ins_beyond_the_queue_are_refused_at_once() {
    let slow = ["--argon2-memory", "200000", "--password-hashes", "1"];
    let server = server(&[&slow[..], &["--password-queue", "2"]].concat());
    let replies: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            let begun = Instant::now();
            (server.sign_in(), begun.elapsed())
        };
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let middle = |status: u16| {
        let mut times: Vec<_> =
            replies.iter().filter(|(reply, _)| reply.status == status).map(|(_, took)| *took).collect();
        times.sort();
        (times.len(), times.get(times.len() / 2).copied())
    };
    let ((served, while_served), (refused, while_refused)) = (middle(403), middle(503));
    assert_eq!(served + refused, 40);
    assert!(served >= 1 && refused >= 20, "{served} served, {refused} refused");
    assert!(while_refused < while_served, "{while_refused:?}, {while_served:?}");
    for (reply, _) in replies.iter().filter(|(reply, _)| reply.status == 503) {
        reply.is_refused(503, "server_error", "The server is busy. Try again.");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
}

/// H2. Nobody waits for a password hash without end.
#[test]
fn a_sign_in_waits_for_its_hash_no_longer_than_a_bound() {
    let slow = ["--argon2-memory", "200000", "--password-hashes", "1", "--password-queue", "1000"];
    let server = server(&[&slow[..], &["--password-wait", "1"]].concat());
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(|| server.sign_in().status)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [403, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&403) && statuses.contains(&503), "{statuses:?}");
}

/// H2. Password grants whose clients have hung up do no work: honest users sign in while as many as would take
/// minutes were asked for.
#[test]
fn sign_ins_whose_clients_have_gone_are_given_up() {
    // Nothing else is in the way of those that go away.
    let wide = ["--password-queue", "1000", "--password-wait", "600", "--max-connections-per-peer", "1000"];
    let server = server(&[&["--argon2-memory", "100000", "--password-hashes", "1"], &wide[..]].concat());
    let begun = Instant::now();
    assert_eq!(server.sign_in().status, 403);
    let one = begun.elapsed();
    let body = json!({ "grant_type": "password", "username": "nobody@example.com", "password": "x" });
    let body = as_demo(&body).to_string();
    for _ in 0..300 {
        connect(&server).write_all(post("/oauth/token", &body, body.len()).as_bytes()).unwrap();
    }
    let begun = Instant::now();
    assert_eq!(server.sign_in().status, 403);
    let took = begun.elapsed();
    assert!(took < one * 30, "{took:?} after 300 that went away, {one:?} alone");
    eventually("no more connections", || (connections(&server) == 1).then_some(()));
}

/// H3. A body has one deadline for all of it, whatever comes in between, and its connection ends with it.
#[test]
fn a_body_that_trickles_is_refused_at_its_deadline() {
    let server = server(&["--body-timeout", "2"]);
    let mut quiet = connect(&server);
    quiet.write_all(post("/oauth/token", "{", 16_000).as_bytes()).unwrap();
    let mut trickling = connect(&server);
    trickling.write_all(post("/mfa/challenge", "{", 16_000).as_bytes()).unwrap();
    let mut drip = trickling.try_clone().unwrap();
    std::thread::spawn(move || {
        while drip.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for stream in [&mut quiet, &mut trickling] {
        let (_, said) = closed(stream);
        let head = said.to_lowercase();
        assert!(head.starts_with("http/1.1 408 ") && head.contains("\r\nconnection: close\r\n"), "{said}");
        assert!(said.contains("\"invalid_request\""), "{said}");
    }
}

/// H3. One peer holds no more connections than its share, whatever it does with them, and other peers have theirs.
#[test]
fn connections_of_one_peer_are_bounded() {
    let server = server(&["--max-connections-per-peer", "4"]);
    let mut held: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    held.iter_mut().for_each(begin);
    let (_, said) = closed(&mut connect(&server));
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 1"), "{said}");
    assert!(said.ends_with("\"Too many connections. Try again.\"}"), "{said}");
    // Another address of the loopback.
    let other = bound_to("127.0.0.2", &server);
    let (said, _) = get(other);
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    drop(held.pop());
    eventually("a place", || get(connect(&server)).0.starts_with("HTTP/1.1 200 ").then_some(()));
}

/// H3. A trusted proxy's connections are its clients' and not one peer's.
#[test]
fn connections_of_a_trusted_proxy_are_not_one_peers() {
    let server = server(&["--max-connections-per-peer", "2", "--trusted-proxies", "127.0.0.0/8"]);
    let held: Vec<_> = (0..6).map(|_| connect(&server)).collect();
    assert!(get(connect(&server)).0.starts_with("HTTP/1.1 200 "));
    drop(held);
}

/// H3. With all connections in use, one that is idle gives way; if none is, the next is told so at once.
#[test]
fn an_idle_connection_gives_way_to_the_next() {
    let server = server(&["--max-connections", "3"]);
    let mut idle = connect(&server);
    idle.write_all(GET.as_bytes()).unwrap();
    reply(&mut idle, Vec::new());
    let mut busy: Vec<_> = (0..2).map(|_| connect(&server)).collect();
    busy.iter_mut().for_each(begin);
    let mut third = connect(&server);
    begin(&mut third);
    let (took, said) = closed(&mut idle);
    assert!(took < SOON && said.is_empty(), "{took:?}, {said}");
    let begun = Instant::now();
    let (_, said) = closed(&mut connect(&server));
    assert!(said.starts_with("HTTP/1.1 503 ") && begun.elapsed() < SOON, "{said}");
}

/// H4. What a password hash needs is made once: the memory after many sign-ins is the memory after a few.
#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_password_hashes_is_made_once() {
    let server = server(&["--argon2-memory", "19456", "--password-hashes", "2", "--password-queue", "1000"]);
    let sign_ins = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..count {
                        let body =
                            json!({ "grant_type": "password", "username": "n@example.com", "password": "x" });
                        assert_eq!(server.token(&body).status, 403);
                        assert_eq!(server.sign_in().status, 403);
                    }
                });
            }
        });
        metric(&server, "process_resident_memory_bytes") / 1_048_576
    };
    let (few, many) = (sign_ins(1), sign_ins(8));
    // Two sets of 19 MiB are declared. An allocator that gets them anew keeps dozens.
    assert!(many < few + 30 && many < 180, "{few} MiB, then {many} MiB");
}

/// H9. A connection that was idle for longer than a head may take still takes the next request; one that is idle for
/// longer than its own limit does not.
#[test]
fn keep_alive_and_the_head_have_deadlines_of_their_own() {
    let server = server(&["--header-timeout", "1", "--keep-alive", "5"]);
    let mut stream = connect(&server);
    stream.write_all(GET.as_bytes()).unwrap();
    reply(&mut stream, Vec::new());
    std::thread::sleep(Duration::from_millis(2_500));
    let body =
        as_demo(&json!({ "grant_type": "password", "username": "user@example.com", "password": PASSWORD }));
    stream.write_all(post("/oauth/token", &body.to_string(), body.to_string().len()).as_bytes()).unwrap();
    let (said, _) = reply(&mut stream, Vec::new());
    assert!(said.starts_with("HTTP/1.1 403 ") && said.contains("mfa_required"), "{said}");
    let (took, said) = closed(&mut stream);
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(25), "{took:?}");
    assert!(said.is_empty(), "{said}");
}

/// H9. The default is longer than the 60 seconds that load balancers keep a connection.
#[test]
fn the_default_of_keep_alive_is_longer_than_the_balancers() {
    let help = common::run(&std::env::temp_dir(), &["--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    let option = help.split("--keep-alive <SECONDS>").nth(1).unwrap();
    let default = option.split("[default: ").nth(1).unwrap().split(']').next().unwrap();
    assert!(default.parse::<u32>().unwrap() > 60, "{default}");
}

/// H3, H9. A head that trickles ends at its deadline: the first one, one that follows a reply, and a client that says
/// nothing.
#[test]
fn a_head_that_trickles_is_cut_off_at_its_deadline() {
    let server = server(&["--header-timeout", "2", "--keep-alive", "60"]);
    let first = connect(&server);
    let mut later = connect(&server);
    later.write_all(GET.as_bytes()).unwrap();
    reply(&mut later, Vec::new());
    let silent = connect(&server);
    for stream in [&first, &later] {
        let mut drip = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut head = "GET / HTTP/1.1\r\nX-Long: ".bytes().chain(std::iter::repeat(b'x'));
            while drip.write_all(&[head.next().unwrap()]).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }
    for mut stream in [first, later, silent] {
        let (took, said) = closed(&mut stream);
        assert!(took < Duration::from_secs(20) && said.is_empty(), "{took:?}, {said}");
    }
    eventually("no more connections", || (connections(&server) == 1).then_some(()));
}

/// H3. Requests that are sent at once are answered one after the other, and none of them shortens or prolongs a
/// deadline.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = server(&["--header-timeout", "2", "--keep-alive", "4"]);
    let mut stream = connect(&server);
    let body = "{}";
    let both = format!("{GET}{}{GET}GET /he", post("/oauth/token", body, body.len()));
    stream.write_all(both.as_bytes()).unwrap();
    let mut read = Vec::new();
    for status in ["200", "400", "200"] {
        let (said, rest) = reply(&mut stream, read);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        read = rest;
    }
    stream.write_all(b"althz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (said, _) = reply(&mut stream, read);
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("\"ok\""), "{said}");
    // A part of a head that came behind the last request is no reason to wait for ever.
    stream.write_all(format!("{GET}GET /h").as_bytes()).unwrap();
    let (took, said) = closed(&mut stream);
    assert!(said.starts_with("HTTP/1.1 200 ") && took < Duration::from_secs(20), "{took:?}");
}

/// H3. A client that takes nothing of what it asked for is cut off.
#[test]
fn a_reader_that_does_not_read_is_cut_off() {
    let server = server(&["--write-timeout", "2", "--keep-alive", "60"]);
    let mut stream = connect(&server);
    stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
    let page = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    // Until both sides' buffers are full, and then until the server hangs up.
    let ended = (0..10_000).find_map(|_| stream.write_all(page.as_bytes()).err());
    let error = ended.unwrap();
    assert!(
        !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        "still open: {error}"
    );
    eventually("no more connections", || (connections(&server) == 1).then_some(()));
}

/// H2, H3. Clients that vanish between head and body, or within the body, leave nothing behind.
#[test]
fn clients_that_vanish_within_a_request_leave_nothing() {
    let server = server(&["--max-connections-per-peer", "1000"]);
    for number in 0..100 {
        let mut stream = connect(&server);
        stream.write_all(post("/oauth/token", &"{"[..number % 2], 16_000).as_bytes()).unwrap();
    }
    within(SOON, "no more connections", || (connections(&server) == 1).then_some(()));
    assert_eq!(server.sign_in().status, 403);
}

/// H3. A shutdown does not wait for slow clients longer than its own limit, which bounds all of its parts together.
#[test]
fn a_shutdown_with_slow_clients_ends_in_time() {
    let mut server = server(&["--shutdown-timeout", "2", "--body-timeout", "60", "--header-timeout", "60"]);
    let mut slow: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        let request = post("/oauth/token", "{", 16_000);
        let part = if number.is_multiple_of(2) { request.len() } else { 12 };
        stream.write_all(&request.as_bytes()[..part]).unwrap();
    }
    assert_eq!(server.get("/healthz").status, 200);
    let begun = Instant::now();
    server.terminate();
    within(Duration::from_secs(9), "the end", || server.has_ended().then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(9));
    server.expect_log("some requests did not finish in time");
    assert!(server.wait().success());
}

/// H3. A body with the wrong length or in bad chunks is the client's fault, and no larger than what is allowed.
#[test]
fn a_body_that_cannot_be_read_is_not_called_too_large() {
    let server = server(&[]);
    let mut stream = connect(&server);
    let head = "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}zz\r\n").as_bytes()).unwrap();
    let (_, said) = closed(&mut stream);
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("The request body cannot be read."), "{said}");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(20_000));
    let reply = server.send("POST", "/oauth/token", &[("Content-Type", "application/json")], &large);
    reply.is_refused(413, "invalid_request", "The request is too large.");
}

#[test]
fn limits_out_of_range_are_refused_by_name() {
    let directory = common::Directory::new();
    for (option, value) in [
        ("--max-connections", "0"),
        ("--max-connections-per-peer", "0"),
        ("--header-timeout", "0"),
        ("--keep-alive", "3601"),
        ("--body-timeout", "soon"),
        ("--request-timeout", "0"),
        ("--write-timeout", "0"),
        ("--shutdown-timeout", "0"),
        ("--max-steps", "0"),
        ("--password-hashes", "0"),
        ("--password-wait", "0"),
        ("--trusted-proxies", "10.0.0.0/33"),
        ("--forwarded-header", "via"),
    ] {
        let output = common::run(directory.path(), &["--listen", "127.0.0.1:0", option, value]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(option) && said.contains(value), "{said}");
    }
}

fn get(mut stream: TcpStream) -> (String, Vec<u8>) {
    let sent = stream.write_all(GET.as_bytes());
    assert!(sent.is_ok());
    reply(&mut stream, Vec::new())
}

/// A connection from another address of the loopback.
fn bound_to(source: &str, server: &Server) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: std::net::SocketAddr = format!("{source}:0").parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}
