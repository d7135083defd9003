//! The defaults are safe: what a server does that was started with little thought, or on files that others touched.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Directory, Server, as_demo, command, json, run, sink::Sink, sql};

/// The tests' servers have the demonstration by the environment. These choose for themselves.
const UNSET: (&str, &str) = ("COUNTERSIGN_DEMO", "");
const PLACE: [&str; 2] = ["--issuer", "http://localhost/"];

/// Runs the server to its end, which is an error in one sentence, and must come soon.
#[track_caller]
fn refused(directory: &Directory, arguments: &[&str]) -> String {
    let mut command = command(directory.path(), arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("{arguments:?} was not refused");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code().map(|code| code == 0), Some(false), "{arguments:?} said {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// The same on a free port.
#[track_caller]
fn fails(directory: &Directory, arguments: &[&str], sentences: &[&str]) -> String {
    let said = refused(directory, &[&["--listen", "127.0.0.1:0"], arguments].concat());
    for sentence in sentences {
        assert!(said.contains(sentence), "{arguments:?} said {said:?}");
    }
    said
}

fn has_demonstration(server: &Server) -> bool {
    let signs_in = server.sign_in().error() == "mfa_required";
    assert_eq!(server.get("/demo/info").body["demo"], signs_in);
    signs_in
}

/// H5.
#[test]
fn no_demonstration_beside_https_or_smtp_unless_it_is_asked_for() {
    let sink = Sink::start();
    let relay = sink.url();
    let https: &[&str] = &["--issuer", "https://mfa.example.com/"];
    let smtp: &[&str] = &["--smtp", &relay];
    let start = |arguments: &[&str], environment: &[(&str, &str)]| {
        Server::start_under(&Arc::new(Directory::new()), arguments, environment)
    };
    assert!(has_demonstration(&start(&[], &[UNSET])), "a trial on this machine");
    for careful in [https, smtp] {
        assert!(!has_demonstration(&start(careful, &[UNSET])), "{careful:?}");
        assert!(has_demonstration(&start(&[careful, &["--demo"]].concat(), &[UNSET])), "{careful:?}");
        assert!(has_demonstration(&start(careful, &[("COUNTERSIGN_DEMO", "1")])), "{careful:?}");
    }
    assert!(!has_demonstration(&start(&[], &[("COUNTERSIGN_DEMO", "false")])));
    assert!(
        has_demonstration(&start(&["--demo"], &[("COUNTERSIGN_DEMO", "false")])),
        "the command line is first"
    );
    // Off the loopback it is refused however it is asked for.
    let open = command(Directory::new().path(), &["--listen", "0.0.0.0:0", "--smtp", &relay])
        .env("COUNTERSIGN_DEMO", "true")
        .current_dir("/")
        .output()
        .unwrap();
    assert!(String::from_utf8(open.stderr).unwrap().contains("--demo has a password that everybody knows"));
}

/// H5.
#[test]
fn a_store_that_takes_the_demonstrations_credentials_is_refused() {
    let directory = Arc::new(Directory::new());
    drop(Server::start_in(&directory, &PLACE));
    let both = ["users remove user@example.com", "clients remove demo", "--allow-demo-credentials"];
    fails(&directory, &["--demo=false"], &both);
    fails(&directory, &["--issuer", "https://mfa.example.com/"], &both);
    fails(&directory, &["--smtp", "smtp://127.0.0.1:9"], &both);

    let allowed = ["--demo=false", "--allow-demo-credentials"];
    let server = Server::start_in(&directory, &allowed);
    assert_eq!(server.sign_in().error(), "mfa_required");
    server.expect_log("everybody knows the password of user@example.com");
    drop(server);

    // Each by itself, and the names alone are no reason.
    sql(&directory, "UPDATE clients SET secret_hash = x'00'");
    let said = fails(&directory, &["--demo=false"], &["users remove user@example.com"]);
    assert!(!said.contains("clients remove"), "{said}");
    sql(&directory, "UPDATE users SET password_hash = replace(password_hash, '$m=64,', '$m=65,')");
    let server = Server::start_in(&directory, &["--demo=false"]);
    assert_eq!(server.sign_in().error(), "invalid_client");
    assert!(!server.log_mentions("everybody knows"));
}

/// One request, byte for byte, and the status and text of its answer.
fn raw(server: &Server, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), answer)
}

const ROUTES: [&str; 15] = [
    "GET /",
    "GET /mailbox",
    "GET /demo/info",
    "GET /demo/state?username=user@example.com",
    "GET /healthz",
    "GET /metrics",
    "GET /.well-known/openid-configuration",
    "GET /.well-known/jwks.json",
    "GET /mfa/authenticators",
    "DELETE /mfa/authenticators/x",
    "PATCH /mfa/authenticators/x",
    "POST /oauth/token",
    "POST /mfa/challenge",
    "OPTIONS /mfa/challenge",
    "GET /nothing",
];

/// H6: DNS rebinding.
#[test]
fn foreign_host_names_are_refused_while_the_demonstration_runs() {
    let server = Server::with(&["--issuer", "http://Mfa.Example.com:8443/base/"]);
    let port = server.address.port();
    let about = |route: &str, hosts: &str| {
        raw(&server, &format!("{route} HTTP/1.1\r\n{hosts}Content-Length: 0\r\nConnection: close\r\n\r\n"))
    };
    for route in ROUTES {
        let (status, answer) = about(route, "Host: attacker.example\r\n");
        assert_eq!(status, 421, "{route}: {answer}");
        assert!(answer.contains("cache-control: no-store") && !answer.contains("demo-secret"), "{answer}");
        assert_ne!(about(route, &format!("Host: 127.0.0.1:{port}\r\n")).0, 421, "{route}");
    }
    let status = |hosts: &str| about("GET /demo/info", hosts).0;
    for own in [
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:",
        "localhost",
        "LocalHost:8080",
        "localhost.",
        "localhost.:80",
        "app.localhost",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "mfa.example.com",
        "MFA.example.COM.:443",
    ] {
        assert_eq!(status(&format!("Host: {own}\r\n")), 200, "{own}");
    }
    for foreign in [
        "attacker.example",
        "attacker.example:8080",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example",
        "attackerlocalhost",
        "localhost..",
        "mfa.example.com.attacker.example",
        "x.mfa.example.com",
        "127.0.0.1@attacker.example",
        "attacker.example@localhost",
        "localhost, attacker.example",
        "attacker.example, localhost",
        "localhost/",
        "localhost:80:80",
        "localhost:x",
        "localhost:99999",
        "[::2]",
        "[::1",
        "[::1]x",
        "10.0.0.1",
        "0.0.0.0",
        "",
    ] {
        assert_eq!(status(&format!("Host: {foreign}\r\n")), 421, "{foreign:?}");
    }
    // None, or more than one.
    assert_eq!(status(""), 400);
    assert_eq!(status("Host: localhost\r\nHost: localhost\r\n"), 400);
    assert_eq!(status("Host: localhost\r\nhost: attacker.example\r\n"), 400);
    assert_eq!(raw(&server, "GET /demo/info HTTP/1.0\r\n\r\n").0, 400);
    // What the target names counts, and so does the header.
    let target = |target: &str, host: &str| {
        raw(&server, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).0
    };
    assert_eq!(target("http://localhost/demo/info", "localhost"), 200);
    assert_eq!(target("http://attacker.example/demo/info", "localhost"), 421);
    assert_eq!(target("http://localhost/demo/info", "attacker.example"), 421);
    // What others may have written is not looked at.
    assert_eq!(status("Host: localhost\r\nX-Forwarded-Host: attacker.example\r\n"), 200);
    assert_eq!(status("Host: attacker.example\r\nX-Forwarded-Host: localhost\r\n"), 421);
}

/// H6: the mailbox shows every code, also without the demonstration. With neither, names are the proxy's matter.
#[test]
fn foreign_host_names_are_refused_while_mail_stays_in_memory() {
    let ask = |server: &Server, path: &str| {
        raw(server, &format!("GET {path} HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n")).0
    };
    let server = Server::with(&["--demo=false"]);
    assert_eq!(ask(&server, "/mailbox"), 421);
    let sink = Sink::start();
    let server = Server::with(&["--demo=false", "--smtp", &sink.url()]);
    assert_eq!(ask(&server, "/healthz"), 200);
    let server = Server::with(&["--demo", "--smtp", &sink.url()]);
    assert_eq!(ask(&server, "/healthz"), 421);
}

fn mode(directory: &Directory, file: &str) -> u32 {
    fs::metadata(directory.path().join(file)).unwrap().mode() & 0o777
}

/// H25.
#[test]
fn the_database_file_is_closed_to_others() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &PLACE);
    server.enroll();
    for file in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        assert_eq!(mode(&directory, file), 0o600, "{file}");
    }
    assert!(!server.log_mentions("could be read by others"));
    // Killed, it leaves the other two behind.
    server.kill();
    for (file, open) in
        [("countersign.db", 0o644), ("countersign.db-wal", 0o640), ("countersign.db-shm", 0o604)]
    {
        fs::set_permissions(directory.path().join(file), fs::Permissions::from_mode(open)).unwrap();
    }
    let server = Server::start_in(&directory, &PLACE);
    for file in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        assert_eq!(mode(&directory, file), 0o600, "{file}");
        server.expect_log(&format!("\"file\":\"countersign.db{}\"", &file[14..]));
    }
    server.expect_log("\"mode\":\"644\"");
    drop(server);
    // The commands mend it, too, and also by a link.
    fs::set_permissions(directory.path().join("countersign.db"), fs::Permissions::from_mode(0o666)).unwrap();
    symlink("countersign.db", directory.path().join("link.db")).unwrap();
    let added = run(directory.path(), &["add-client", "shop", "--database", "link.db"]);
    assert!(added.status.success(), "{added:?}");
    assert_eq!(mode(&directory, "countersign.db"), 0o600);
}

/// H25: each says the setting, and why.
#[test]
fn places_that_hold_no_database_are_refused_in_one_sentence() {
    let directory = Directory::new();
    assert!(run(directory.path(), &["keys", "generate", "keys.json"]).status.success());
    fs::create_dir(directory.path().join("folder.db")).unwrap();
    let keys = ["--keys", "keys.json"];
    for (place, why) in [
        (":memory:", "a database in memory would forget every charge"),
        ("sqlite::memory:", "a database in memory would forget every charge"),
        ("sqlite:x.db?mode=memory", "SQLite takes no parameters here"),
        ("file:x.db?mode=memory", "the path of an SQLite file"),
        ("folder.db", "the file folder.db cannot be used: it is no regular file"),
        ("folder.db/", "cannot be used: it is no regular file"),
        (".", "cannot be used: it is no regular file"),
        ("/dev/null", "the file /dev/null cannot be used: it is no regular file"),
        ("missing/x.db", "the file missing/x.db cannot be used: No such file"),
        ("keys.json/x.db", "the file keys.json/x.db cannot be used: Not a directory"),
        // Where even root makes no file.
        ("/sys/kernel/x.db", "the file /sys/kernel/x.db cannot be used: "),
        ("keys.json", "the file keys.json cannot be used: "),
    ] {
        fails(&directory, &[&["--database", place], &keys[..]].concat(), &["--database", why]);
    }
    let said =
        fails(&directory, &["--database", "mysql://root:hunter2@db/x"], &["--database", "give postgres://"]);
    assert!(!said.contains("hunter2"), "{said}");
}

/// H25.
#[test]
fn addresses_and_issuers_are_refused_in_one_sentence() {
    let directory = Directory::new();
    for issuer in [
        "mfa.example.com",
        "ftp://mfa.example.com/",
        "https://",
        "https:///path",
        "https://mfa.example.com/?tenant=1",
        "https://mfa.example.com/#x",
        "https://mfa.example.com:99999/",
        "https://user:hunter2@mfa.example.com/",
        "https://mfa.example.com/a b",
        "HTTPS://mfa.example.com/",
    ] {
        fails(&directory, &["--issuer", issuer], &["--issuer", "an issuer is an http or https URL"]);
    }
    let listens = |address: &str| refused(&directory, &["--listen", address]);
    for address in
        ["8080", "localhost", ":8080", "127.0.0.1", "::1:8080", "http://127.0.0.1:8080", "127.0.0.1:99999"]
    {
        let said = listens(address);
        assert!(said.contains("--listen") && said.contains("such as 127.0.0.1:8080"), "{address}: {said}");
    }
    let said = listens("no-such-host.invalid:8080");
    assert!(said.contains("--listen") && said.contains("no-such-host.invalid cannot be resolved"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = listens(&format!("localhost:{}", address.port()));
    assert!(said.contains(&format!("--listen: cannot listen on localhost:{}", address.port())), "{said}");
    assert_eq!(
        Server::with(&["--issuer", "https://mfa.example.com/base"]).discovered(),
        "https://mfa.example.com/base/"
    );
}

/// What only this file asks of the server.
trait Discovered {
    fn discovered(&self) -> String;
    fn signal(&self, name: &str);
}

impl Discovered for Server {
    fn discovered(&self) -> String {
        self.get("/.well-known/openid-configuration").body["issuer"].as_str().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill").args(["-s", name, &self.process().to_string()]).status().unwrap().success()
        );
    }
}

/// H25.
#[test]
fn a_name_to_listen_on_is_resolved() {
    let directory = Arc::new(Directory::new());
    let listen = [("COUNTERSIGN_LISTEN", "localhost:0")];
    let server = Server::start_at(&directory, None, &[], &listen);
    assert!(server.address.ip().is_loopback());
    assert!(server.address.is_ipv4(), "those who type 127.0.0.1 reach it, too");
    assert_eq!(server.discovered(), format!("http://localhost:{}/", server.address.port()));
    assert!(has_demonstration(&server));
}

/// H25: a variable that a compose file passes on for nothing.
#[test]
fn empty_variables_count_as_unset() {
    let help = run(Directory::new().path(), &["--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let mut names: Vec<_> = help
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split(['=', ']']).next().unwrap())
        .chain(["COUNTERSIGN_KEYS", "COUNTERSIGN_SMTP_USERNAME", "COUNTERSIGN_SMTP_PASSWORD"])
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 18, "{names:?}");
    let empty: Vec<_> = names.iter().map(|name| (*name, "")).collect();
    let free = ["--listen", "127.0.0.1:0"];
    let server = Server::start_under(&Arc::new(Directory::new()), &free, &empty);
    assert!(has_demonstration(&server));
    // One by one they would be refused: it is no accident that all of them are read as nothing.
    let directory = Directory::new();
    for name in [
        "COUNTERSIGN_LISTEN",
        "COUNTERSIGN_ISSUER",
        "COUNTERSIGN_SMTP",
        "COUNTERSIGN_POLICY",
        "COUNTERSIGN_DEMO",
    ] {
        let bad = command(directory.path(), &[]).env(name, " ").output().unwrap();
        assert!(!bad.status.success(), "{name}");
    }
    // The commands read the same variables.
    let mut add = command(directory.path(), &["add-client", "shop"]);
    let added = add.envs(empty).output().unwrap();
    assert!(added.status.success(), "{added:?}");
    assert!(directory.path().join("countersign.db").exists());
}

/// H25.
#[test]
fn a_hangup_drains_what_was_begun() {
    // The tests themselves may run under `nohup`, which servers inherit.
    let shell = "exec env --default-signal=HUP \"$0\" \"$@\"";
    let listen = [("COUNTERSIGN_LISTEN", "127.0.0.1:0")];
    let server = Server::start_at(&Arc::new(Directory::new()), Some(shell), &["--policy", "auth0"], &listen);
    let token = server.mfa_token();
    let body = as_demo(&json!({ "mfa_token": token })).to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /mfa/challenge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(server.get("/healthz").status, 200, "the connection was taken before this one");
    server.signal("HUP");
    server.expect_log("finishing what was begun");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("association_required"), "{answer}");
    server.expect_log("stopped");
    assert!(server.wait().success());
}

/// H25: `nohup` has the signal ignored, and the server outlives its terminal.
#[test]
fn a_hangup_that_is_ignored_stays_so() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_at(&directory, Some("trap '' HUP; exec \"$0\" \"$@\""), &[], &[]);
    server.signal("HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.get("/healthz").status, 200);
    assert!(!server.log_mentions("finishing what was begun"));
}

/// H7: a server without TLS that asks for the password in clear. `0.0.0.0` leads to this machine, and is no loopback
/// address.
#[test]
fn no_password_goes_to_another_machine_in_clear() {
    let directory = Directory::new();
    assert!(run(directory.path(), &["keys", "generate", "keys.json"]).status.success());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(b"N").unwrap();
        let mut more = Vec::new();
        let _ = stream.read_to_end(&mut more);
        (request, more)
    });
    let place = format!("postgres://user:hunter2@0.0.0.0:{port}/db");
    let said =
        fails(&directory, &["--database", &place, "--keys", "keys.json"], &["--database", "offers no TLS"]);
    assert!(!said.contains("hunter2"), "{said}");
    let (request, more) = heard.join().unwrap();
    assert_eq!((request, more.len()), ([0, 0, 0, 8, 4, 210, 22, 47], 0), "the request for TLS, and no more");
}
