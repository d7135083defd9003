//! The processes that faults are done to, and the faults.
//!
//! Every child is bound to this process: the kernel kills it when this one dies, whatever the reason. Everything
//! listens on 127.0.0.1, on a port that was free. This module must never touch a process that it did not start.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU16, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::process::{Child, Command};

use crate::client::Client;

/// How long anything may take to come back.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// For scenes that are about neither: hashes that cost next to nothing, and a quiet log.
pub const QUICK: [&str; 4] = ["--argon2-memory", "64", "--log", "warn"];

/// A command that dies with this process.
fn bound(program: &Path, as_user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = as_user {
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    }
    command.arg("--").arg(program).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A port of 127.0.0.1 that nobody has. It is below those that Linux gives to outgoing connections, from 32768 on:
/// while its server is down, no client can be given it.
pub fn free_port() -> Result<u16, String> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() % PORTS;
    for _ in 0..PORTS {
        let place = (begin + u32::from(TRIED.fetch_add(1, Ordering::Relaxed))) % PORTS;
        let port = u16::try_from(FIRST_PORT + place).map_err(|error| error.to_string())?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no port of 127.0.0.1 is free from {FIRST_PORT} to {}", FIRST_PORT + PORTS - 1))
}

const FIRST_PORT: u32 = 12_000;

const PORTS: u32 = 20_000;

/// A directory that is gone when the scene is over.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Result<Self, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("countersign-chaos-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock that can be set, by libfaketime: the wall clock alone, so that timers run on.
#[derive(Clone)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    pub fn new(directory: &Path, name: &str) -> Result<Self, String> {
        let libraries = std::fs::read_dir("/usr/lib").map_err(|error| error.to_string())?;
        let library = libraries
            .flatten()
            .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.exists());
        let library = library.ok_or("libfaketime is missing: ci/install.sh libfaketime")?;
        let clock = Self { library, file: directory.join(name) };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so many seconds ahead of the right time, or behind it.
    pub fn set(&self, offset: i64) -> Result<(), String> {
        // In one step: the server must not read half of it.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{offset:+}\n")).map_err(|error| error.to_string())?;
        std::fs::rename(&next, &self.file).map_err(|error| error.to_string())
    }
}

/// Makes the key file `keys.json`, which servers on one PostgreSQL share.
pub async fn keys(binary: &Path, directory: &Path) -> Result<(), String> {
    let mut generate = bound(binary, None);
    run(generate.current_dir(directory).args(["keys", "generate", "keys.json"])).await
}

/// One server: how to start it again is remembered, so that it comes back as it was.
pub struct Server {
    binary: PathBuf,
    directory: PathBuf,
    arguments: Vec<String>,
    clock: Option<Clock>,
    /// Whether the server has its bounds as they come.
    strict: bool,
    pub address: SocketAddr,
    child: Option<Child>,
    log: PathBuf,
}

impl Server {
    pub async fn start(
        binary: &Path,
        directory: &Path,
        arguments: &[&str],
        clock: Option<Clock>,
    ) -> Result<Self, String> {
        Self::launched(binary, directory, arguments, clock, false).await
    }

    /// The same with the bounds by peer as they come: any other server has a crowd that comes from one address.
    pub async fn start_strict(binary: &Path, directory: &Path, arguments: &[&str]) -> Result<Self, String> {
        Self::launched(binary, directory, arguments, None, true).await
    }

    async fn launched(
        binary: &Path,
        directory: &Path,
        arguments: &[&str],
        clock: Option<Clock>,
        strict: bool,
    ) -> Result<Self, String> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut server = Self {
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            clock,
            strict,
            address,
            child: None,
            log: std::env::temp_dir().join(format!(
                "countersign-chaos-{}-{}.log",
                std::process::id(),
                address.port()
            )),
        };
        server.restart().await?;
        Ok(server)
    }

    /// Starts it, as a supervisor would, and waits until it is healthy.
    pub async fn restart(&mut self) -> Result<(), String> {
        self.launch()?;
        self.is_back().await
    }

    fn launch(&mut self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut command = bound(&self.binary, None);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        if !self.strict {
            command
                .env("COUNTERSIGN_MAX_CONNECTIONS_PER_PEER", "100000")
                .env("COUNTERSIGN_PASSWORD_QUEUE", "100000");
        }
        if let Some(clock) = &self.clock {
            command
                .env("LD_PRELOAD", &clock.library)
                .env("FAKETIME_TIMESTAMP_FILE", &clock.file)
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("DONT_FAKE_MONOTONIC", "1");
        }
        command
            .current_dir(&self.directory)
            .args(["--listen", &self.address.to_string(), "--log-format", "json"])
            .args(&self.arguments)
            .stdout(log.try_clone().map_err(|error| error.to_string())?)
            .stderr(log);
        self.child = Some(command.spawn().map_err(|error| format!("the server does not start: {error}"))?);
        Ok(())
    }

    /// Its process.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<(), String> {
        let mut child = self.child.take().ok_or("the server was not running")?;
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("the server ended by itself: {status}\n{}", self.last_words()));
        }
        child.kill().await.map_err(|error| format!("the server cannot be killed: {error}"))
    }

    /// Waits until it is healthy, without a hand.
    pub async fn is_back(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let mut client = Client::new(self.address, Duration::from_secs(5));
        loop {
            if client.get("/healthz", None).await.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(format!("the server ended by itself: {status}\n{}", self.last_words()));
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the server is not back after {PATIENCE:?}\n{}", self.last_words()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether it never ended since it was started last.
    pub fn still_runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The server's clock, in seconds ahead of this one's: what it shows on its panel. (The `Date` of its answers is
    /// kept for as long as it is not in the past, so it does not show a clock that was set back.)
    pub async fn offset(&self) -> Result<i64, String> {
        let mut client = Client::new(self.address, Duration::from_secs(5));
        let reply = client.get("/demo/state?username=user@example.com", None).await;
        let shown = reply.map_err(|failure| format!("{failure:?}"))?.text("now");
        let shown = seconds(&shown).ok_or_else(|| format!("{shown:?} is no time"))?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_err(|error| error.to_string())?.as_secs();
        Ok(shown - i64::try_from(now).unwrap_or(0))
    }

    /// Runs one of the binary's commands on the same data.
    pub async fn command(&self, arguments: &[&str]) -> Result<(), String> {
        let places = self.arguments.windows(2).filter_map(|pair| match pair {
            [name, value] if name == "--database" || name == "--keys" => Some([name.clone(), value.clone()]),
            _ => None,
        });
        let mut command = bound(&self.binary, None);
        command.current_dir(&self.directory).args(arguments).args(places.flatten());
        let output = command.output().await.map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

/// The seconds since 1970 of a time like `2026-01-31T12:34:56Z`, with or without a fraction.
fn seconds(time: &str) -> Option<i64> {
    let part = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    // Years begin in March, so that the leap day is the last.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some(days * 86_400 + part(11, 13)? * 3_600 + part(14, 16)? * 60 + part(17, 19)?)
}

/// How PostgreSQL is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    Fast,
    /// As after a power cut: recovery from its log follows.
    Immediate,
}

/// A PostgreSQL of its own, which keeps its promises: `fsync` and `synchronous_commit` stay on.
pub struct Postgres {
    binaries: PathBuf,
    directory: Directory,
    port: u16,
    as_user: Option<&'static str>,
    child: Option<Child>,
}

impl Postgres {
    pub async fn start() -> Result<Self, String> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| "PostgreSQL is missing")?;
        let binaries = versions
            .flatten()
            .map(|version| version.path().join("bin"))
            .find(|path| path.join("initdb").exists())
            .ok_or("PostgreSQL is missing")?;
        let id = Command::new("id").arg("-u").output().await.map_err(|error| error.to_string())?;
        // PostgreSQL refuses to run as root.
        let as_user = (id.stdout == b"0\n").then_some("postgres");
        let directory = Directory::new()?;
        if as_user.is_some() {
            run(Command::new("chown").arg("postgres").arg(directory.path())).await?;
        }
        let mut postgres = Self { binaries, directory, port: free_port()?, as_user, child: None };
        let mut initdb = bound(&postgres.binaries.join("initdb"), as_user);
        initdb.current_dir(postgres.directory.path()).arg("-D").arg(postgres.data());
        run(initdb.args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"])).await?;
        if postgres.launch().await.is_err() {
            // Somebody else may have taken the port meanwhile.
            postgres.port = free_port()?;
            postgres.launch().await?;
        }
        Ok(postgres)
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("db")
    }

    async fn launch(&mut self) -> Result<(), String> {
        let mut command = bound(&self.binaries.join("postgres"), self.as_user);
        command.current_dir(self.directory.path()).arg("-D").arg(self.data());
        command.args(["-c", "listen_addresses=127.0.0.1", "-p", &self.port.to_string(), "-k"]);
        command.arg(self.directory.path()).args(["-c", "max_connections=100"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("PostgreSQL does not start: {error}"))?;
        let child = self.child.insert(child);
        let begun = Instant::now();
        loop {
            let mut ready = bound(&self.binaries.join("pg_isready"), None);
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().await.is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("PostgreSQL ended by itself: {status}"));
            }
            if begun.elapsed() > PATIENCE {
                return Err("PostgreSQL does not come up".to_owned());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops it, leaves it away for a while and starts it again.
    pub async fn restart(&mut self, stop: Stop, away: Duration) -> Result<(), String> {
        let mut pg_ctl = bound(&self.binaries.join("pg_ctl"), self.as_user);
        let mode = match stop {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        pg_ctl.current_dir(self.directory.path()).arg("-D").arg(self.data());
        run(pg_ctl.args(["-w", "-t", "60", "-m", mode, "stop"])).await?;
        if let Some(mut child) = self.child.take() {
            child.wait().await.map_err(|error| error.to_string())?;
        }
        tokio::time::sleep(away).await;
        self.launch().await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // By its own means, so that it leaves no shared memory behind.
        let mut pg_ctl = bound(&self.binaries.join("pg_ctl"), self.as_user);
        pg_ctl.current_dir(self.directory.path()).arg("-D").arg(self.data());
        pg_ctl.args(["-w", "-t", "10", "-m", "immediate", "stop"]);
        let _ = pg_ctl.as_std_mut().stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

async fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().await.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{:?}: {said}", command.as_std())) }
}

/// A small disk of its own: a tmpfs in this process's mount namespace.
pub struct Disk {
    directory: Directory,
}

impl Disk {
    pub async fn mount(mebibytes: u32) -> Result<Self, String> {
        let directory = Directory::new()?;
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        run(mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path())).await.map_err(
            |error| format!("no small disk can be mounted, so nothing can be said of a full one: {error}"),
        )?;
        Ok(Self { directory })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Fills it to the last byte and says how many bytes that took.
    pub fn fill(&self) -> Result<u64, String> {
        use std::io::Write as _;
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .map_err(|error| error.to_string())?;
        let mut written = 0;
        for size in [65_536, 4_096, 1] {
            let block = vec![0; size];
            while let Ok(count @ 1..) = file.write(&block) {
                written += u64::try_from(count).unwrap_or(0);
            }
        }
        Ok(written)
    }

    pub fn free(&self) -> Result<(), String> {
        std::fs::remove_file(self.filler()).map_err(|error| error.to_string())
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The directory goes afterwards; whatever is left goes with the namespace.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:00.500Z"), Some(951_825_600));
        assert_eq!(seconds("2026-11-24T11:33:00Z"), Some(1_795_519_980));
        assert_eq!(seconds("soon"), None);
    }
}
