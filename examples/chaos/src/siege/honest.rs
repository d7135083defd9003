//! Honest users: each signs in on a connection of its own, with the right password.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use countersign_chaos::journey::PASSWORD;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// How long an honest user waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long each had to wait, from when it was due; nothing for one without the right answer.
#[derive(Default)]
pub(crate) struct Honest(Vec<Option<Duration>>);

impl Honest {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn failed(&self) -> usize {
        self.0.iter().filter(|waited| waited.is_none()).count()
    }

    /// The median, the 99th percentile, and how many had no right answer within a bound.
    pub(crate) fn figures(&self, within: Duration) -> (Duration, Duration, usize) {
        let mut waited: Vec<_> = self.0.iter().map(|waited| waited.unwrap_or(PATIENCE)).collect();
        waited.sort();
        let at = |part: usize| {
            waited.get(waited.len() * part / 100).or(waited.last()).copied().unwrap_or(PATIENCE)
        };
        (at(50), at(99), waited.iter().filter(|waited| **waited > within).count())
    }
}

/// So many in a second, whether or not earlier ones have their answer.
pub(crate) async fn on_schedule(
    server: SocketAddr,
    from: Option<Ipv4Addr>,
    rate: u32,
    end: Instant,
) -> Honest {
    let mut users = JoinSet::new();
    let mut due = Instant::now();
    let mut addresses = (1..=100).cycle().map(|last| Ipv4Addr::new(127, 0, 2, last));
    while due < end {
        sleep_until(due).await;
        let Some(from) = from.or_else(|| addresses.next()) else { break };
        users.spawn(sign_in(server, from, due));
        due += Duration::from_secs(1) / rate.max(1);
    }
    Honest(users.join_all().await)
}

/// So many at once, each again and again.
pub(crate) async fn crowd(server: SocketAddr, many: u8, end: Instant) -> Honest {
    let mut users = JoinSet::new();
    for number in 1..=many {
        let from = Ipv4Addr::new(127, 0, 2, number);
        users.spawn(async move {
            let mut waited = Vec::new();
            while Instant::now() < end {
                waited.push(sign_in(server, from, Instant::now()).await);
            }
            waited
        });
    }
    Honest(users.join_all().await.concat())
}

async fn sign_in(server: SocketAddr, from: Ipv4Addr, due: Instant) -> Option<Duration> {
    let body = password_grant("user@example.com", PASSWORD);
    let answer = timeout(PATIENCE, ask(server, from, &body)).await.ok()?.ok()?;
    (answer.starts_with("HTTP/1.1 403 ") && answer.contains("mfa_required")).then(|| due.elapsed())
}

async fn ask(server: SocketAddr, from: Ipv4Addr, request: &str) -> std::io::Result<String> {
    let mut stream = connect(server, from).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A connection from an address of the loopback.
pub(crate) async fn connect(server: SocketAddr, from: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(server).await
}

/// A whole request, after which the server is to close the connection.
pub(crate) fn password_grant(username: &str, password: &str) -> String {
    let body = serde_json::json!({
        "grant_type": "password", "username": username, "password": password, "scope": "openid",
        "client_id": "demo", "client_secret": "demo-secret",
    });
    let body = body.to_string();
    format!(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
