//! The real binary on a free port, in a directory of its own, and a client that says exactly what it is told to.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

pub mod cluster;
pub mod exposition;
pub mod proxy;
pub mod sink;

pub use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

pub const BINARY: &str = env!("CARGO_BIN_EXE_countersign-server");
pub const PASSWORD: &str = "correct horse battery staple";
pub const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
pub const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
pub const RECOVERY: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";
pub const MFA_SCOPE: &str = "enroll read:authenticators remove:authenticators";
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that is gone when the test is over.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("countersign-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a statement on the SQLite file of a folder.
pub fn sql(directory: &Directory, statement: &str) {
    let work = async {
        let path = directory.path().join("countersign.db").display().to_string();
        let mut connection = SqliteConnection::connect(&path).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

/// The binary, told nothing by the environment of the test.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(directory).args(arguments).stdin(Stdio::null());
    without_variables(command)
}

fn without_variables(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the binary to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
    directory: Arc<Directory>,
}

impl Server {
    /// With what Auth0 documents as limits: no cool-down, so that no test has to wait.
    pub fn start() -> Self {
        Self::with(&["--policy", "auth0"])
    }

    pub fn with(arguments: &[&str]) -> Self {
        Self::start_in(&Arc::new(Directory::new()), arguments)
    }

    pub fn start_in(directory: &Arc<Directory>, arguments: &[&str]) -> Self {
        Self::start_under(directory, arguments, &[])
    }

    /// With something in its environment.
    pub fn start_under(directory: &Arc<Directory>, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let listen = [("COUNTERSIGN_LISTEN", "127.0.0.1:0")];
        Self::start_at(directory, None, arguments, &[&listen, environment].concat())
    }

    /// On an address that the environment names, and by a shell's command line if one is given. The demonstration does
    /// not depend on the other options, unless the environment says so.
    pub fn start_at(
        directory: &Arc<Directory>,
        shell: Option<&str>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut fixed = vec!["--log-format", "json"];
        if !arguments.contains(&"--argon2-memory") {
            fixed.extend(["--argon2-memory", "64"]);
        }
        let mut command = command(directory.path(), &[&fixed, arguments].concat());
        if let Some(shell) = shell {
            let mut outer = Command::new("sh");
            outer.arg("-c").arg(shell).arg(BINARY).args(command.get_args()).current_dir(directory.path());
            command = without_variables(outer);
        }
        command.env("COUNTERSIGN_DEMO", "true");
        let mut child = command.envs(environment.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, address) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect("a log of JSON lines");
                if line["message"] == "listening" {
                    let _ = found.send(line["address"].as_str().unwrap().parse().unwrap());
                }
                lines.lock().unwrap().push(line);
            }
        });
        let address = address.recv_timeout(PATIENCE).expect("the server listens");
        Self { child, address, log, directory: Arc::clone(directory) }
    }

    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    pub fn issuer(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn mfa_audience(&self) -> String {
        format!("{}mfa/", self.issuer())
    }

    /// The audit events so far.
    pub fn audit(&self) -> Vec<Value> {
        self.log.lock().unwrap().iter().filter(|line| line["message"] == "audit").cloned().collect()
    }

    pub fn log_text(&self) -> String {
        self.log.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
    }

    pub fn log_mentions(&self, text: &str) -> bool {
        self.log_text().contains(text)
    }

    /// Waits for a line of the log, which a process may write after it answered.
    #[track_caller]
    pub fn expect_log(&self, text: &str) {
        eventually(&format!("\"{text}\" in the log"), || self.log_mentions(text).then_some(()));
    }

    /// Waits for the event of a command in the log.
    #[track_caller]
    pub fn expect_audit(&self, command: &str) -> Value {
        let found = || self.audit().into_iter().find(|event| event["command"] == command);
        eventually(&format!("event of {command} in the log"), found)
    }

    /// How many codes the log says were evaluated, once it says so of `count`.
    #[track_caller]
    pub fn evaluated(&self, count: usize) -> usize {
        let so_far = || self.audit().iter().filter(|event| event["evaluated"] == true).count();
        eventually("audit of each code", || (so_far() >= count).then(so_far))
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGKILL, and the audit events until then.
    pub fn kill_and_read(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.audit()
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        send(self.address, method, path, headers, body).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[("Content-Type", "application/json")], &body.to_string())
    }

    pub fn post_as(&self, path: &str, token: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        self.send("POST", path, &headers, &body.to_string())
    }

    /// `POST /oauth/token` as the demonstration client.
    pub fn token(&self, body: &Value) -> Reply {
        self.post("/oauth/token", &as_demo(body))
    }

    /// `POST /mfa/challenge` as the demonstration client.
    pub fn challenge(&self, mfa_token: &str) -> Reply {
        self.post("/mfa/challenge", &as_demo(&json!({ "mfa_token": mfa_token, "challenge_type": "oob" })))
    }

    pub fn sign_in(&self) -> Reply {
        self.token(&json!({
            "grant_type": "password", "username": "user@example.com", "password": PASSWORD, "scope": "openid email",
        }))
    }

    pub fn mfa_token(&self) -> String {
        let reply = self.sign_in();
        assert_eq!((reply.status, reply.error()), (403, "mfa_required"), "{}", reply.text);
        reply.body["mfa_token"].as_str().unwrap().to_owned()
    }

    pub fn associate(&self, token: &str, email: &str) -> Reply {
        let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": email });
        self.post_as("/mfa/associate", token, &body)
    }

    pub fn answer(&self, mfa_token: &str, oob_code: &Value, binding_code: &str) -> Reply {
        self.token(&json!({
            "grant_type": OOB, "mfa_token": mfa_token, "oob_code": oob_code, "binding_code": binding_code,
        }))
    }

    pub fn recover(&self, mfa_token: &str, recovery_code: &str) -> Reply {
        self.token(&json!({ "grant_type": RECOVERY, "mfa_token": mfa_token, "recovery_code": recovery_code }))
    }

    pub fn list(&self, token: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        self.send("GET", "/mfa/authenticators", &[("Authorization", &bearer)], "")
    }

    pub fn remove(&self, token: &str, id: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        self.send("DELETE", &format!("/mfa/authenticators/{id}"), &[("Authorization", &bearer)], "")
    }

    /// Messages with a code, newest first.
    pub fn codes(&self) -> Vec<(String, String)> {
        let mailbox = self.get("/mailbox").body;
        let messages = mailbox.as_array().unwrap().iter();
        let code = |message: &Value| {
            let text = message["text"].as_str().unwrap();
            // A long code comes in groups.
            let is_code =
                |line: &&str| line.len() >= 6 && line.chars().all(|one| one.is_ascii_digit() || one == ' ');
            let code = text.lines().map(str::trim).find(is_code)?;
            assert!(!message["subject"].as_str().unwrap().contains(code), "the code is in the subject");
            assert!(message["html"].as_str().unwrap().contains(code));
            Some((message["to"].as_str().unwrap().to_owned(), code.to_owned()))
        };
        messages.filter_map(code).collect()
    }

    /// The newest code, once there are as many as `count`.
    pub fn code(&self, count: usize) -> String {
        eventually("a message with a code", || {
            let codes = self.codes();
            (codes.len() >= count).then(|| codes[0].1.clone())
        })
    }

    /// Signs in and enrolls the user's own address: the answer to the confirmation, and the recovery codes.
    pub fn enroll(&self) -> (Value, Vec<String>) {
        let before = self.codes().len();
        let token = self.mfa_token();
        let associated = self.associate(&token, "user@example.com");
        assert_eq!(associated.status, 200, "{}", associated.text);
        let reply = self.answer(&token, &associated.body["oob_code"], &self.code(before + 1));
        assert_eq!(reply.status, 200, "{}", reply.text);
        let codes = associated.body["recovery_codes"].as_array().unwrap().iter();
        (reply.body, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    /// Signs in with the second factor and asks for a token for the MFA audience.
    pub fn elevated(&self, scope: &str) -> String {
        let before = self.codes().len();
        let token = self.mfa_token();
        let challenged = self.challenge(&token);
        assert_eq!(challenged.status, 200, "{}", challenged.text);
        let reply = self.token(&json!({
            "grant_type": OOB, "mfa_token": token, "oob_code": challenged.body["oob_code"],
            "binding_code": self.code(before + 1), "audience": self.mfa_audience(), "scope": scope,
        }));
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A body with the credentials of the demonstration client.
pub fn as_demo(body: &Value) -> Value {
    let mut body = body.clone();
    body["client_id"] = json!("demo");
    body["client_secret"] = json!("demo-secret");
    body
}

pub fn wrong(code: &str) -> String {
    let digits = code.len();
    format!("{:0digits$}", (code.parse::<u64>().unwrap() + 1) % 10_u64.pow(u32::try_from(digits).unwrap()))
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
    /// `null` if it is no JSON.
    pub body: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or("")
    }

    pub fn description(&self) -> &str {
        self.body["error_description"].as_str().unwrap_or("")
    }

    /// Status, `error` and `error_description`, and that it is JSON that nobody keeps.
    #[track_caller]
    pub fn is_refused(&self, status: u16, error: &str, description: &str) {
        assert_eq!(
            (self.status, self.error(), self.description()),
            (status, error, description),
            "{}",
            self.text
        );
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }
}

/// One request on a connection of its own.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !body.is_empty() || method == "POST" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    // A server that refuses early may stop reading.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let cut = || std::io::Error::other("the answer is cut off");
    let (head, text) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(cut)?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = serde_json::from_str(text).unwrap_or(Value::Null);
    Ok(Reply { status, headers: lines.filter_map(header).collect(), text: text.to_owned(), body })
}

/// Looks until there is something to see.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// The same for what takes its time.
#[track_caller]
pub fn within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < patience, "no {what} in {patience:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a JWT says, unchecked.
pub fn claims(token: &Value) -> (Value, Value) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let parts: Vec<_> = token.as_str().unwrap().split('.').collect();
    let part = |place: usize| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[place]).unwrap()).unwrap();
    (part(0), part(1))
}
