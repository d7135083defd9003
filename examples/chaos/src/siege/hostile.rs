//! Hostile clients: as many as there are to be connections, and each comes back when it is cut off.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Options, Scene,
    honest::{connect, password_grant},
};

/// How long a client that was cut off waits before it comes back: the load is to be the server's and not the kernel's.
const PAUSE: Duration = Duration::from_millis(500);
/// How many clients flood, and how often each: together 200 requests in a second, which is some times what the server
/// can hash, and not more than a build for tests can answer.
const FLOODING: usize = 20;
const BETWEEN_TWO: Duration = Duration::from_millis(100);
/// How long a client that guesses waits after each answer: with 500 of them, half as many in a second.
const BETWEEN_GUESSES: Duration = Duration::from_secs(5);
/// How many ask for the memory's sake.
const ASKING: usize = 8;

#[derive(Default)]
struct Tally {
    opened: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    cut_off: AtomicUsize,
}

pub(crate) struct Hostile {
    clients: JoinSet<()>,
    tally: Arc<Tally>,
}

impl Hostile {
    pub(crate) async fn stop(&mut self) {
        self.clients.shutdown().await;
    }

    pub(crate) fn tally(&self) -> String {
        let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let Tally { opened, most_open, cut_off, .. } = &*self.tally;
        format!("{} connections, {} at once, {} cut off", get(opened), get(most_open), get(cut_off))
    }

    pub(crate) fn was_there(&self) -> bool {
        self.tally.opened.load(Ordering::Relaxed) > 0
    }
}

/// Counts one connection as open.
struct Opened(Arc<Tally>);

impl Opened {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.opened.fetch_add(1, Ordering::Relaxed);
        let open = tally.open.fetch_add(1, Ordering::Relaxed) + 1;
        tally.most_open.fetch_max(open, Ordering::Relaxed);
        Self(Arc::clone(tally))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn start(options: &Options, server: SocketAddr) -> Hostile {
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    let (scene, peers) = (options.scene, usize::from(options.peers));
    let many = match scene {
        Scene::Flood => FLOODING,
        Scene::Memory => ASKING,
        Scene::Guess | Scene::Body | Scene::Hold => options.connections,
    };
    for number in 0..many {
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number % peers + 1).unwrap_or(u8::MAX));
        let tally = Arc::clone(&tally);
        clients.spawn(async move {
            // Not all in one moment: the queue of the kernel is short.
            sleep(Duration::from_millis(u64::try_from(number % 500).unwrap_or(0) * 2)).await;
            loop {
                if let Ok(stream) = connect(server, from).await {
                    let opened = Opened::new(&tally);
                    // However it ends, the client comes back.
                    let _ = attack(scene, number, stream).await;
                    drop(opened);
                    if scene != Scene::Flood {
                        tally.cut_off.fetch_add(1, Ordering::Relaxed);
                    }
                }
                match scene {
                    Scene::Flood => sleep(BETWEEN_TWO).await,
                    Scene::Memory => {}
                    Scene::Guess | Scene::Body | Scene::Hold => sleep(PAUSE).await,
                }
            }
        });
    }
    Hostile { clients, tally }
}

async fn attack(scene: Scene, number: usize, mut stream: TcpStream) -> std::io::Result<()> {
    const HEAD: &str = "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 16000\r\n\r\n{";
    let guess = || password_grant(&format!("nobody{number}@example.com"), "wrong");
    match scene {
        Scene::Flood => {
            stream.write_all(guess().as_bytes()).await?;
            // Some leave a byte behind, so that the end of the stream is not the next thing to be read.
            if number % 2 == 1 {
                stream.write_all(b"G").await?;
            }
            Ok(())
        }
        Scene::Guess => {
            let request = guess().replace("Connection: close\r\n", "");
            let mut answer = [0; 4_096];
            loop {
                stream.write_all(request.as_bytes()).await?;
                if stream.read(&mut answer).await? == 0 {
                    return Ok(());
                }
                sleep(BETWEEN_GUESSES).await;
            }
        }
        Scene::Body => {
            stream.write_all(HEAD.as_bytes()).await?;
            drip(&mut stream, b" ").await
        }
        Scene::Hold if number.is_multiple_of(2) => drip(&mut stream, b"").await,
        Scene::Hold => {
            stream.write_all(b"GET / HTTP/1.1\r\nX: ").await?;
            drip(&mut stream, b"x").await
        }
        Scene::Memory => {
            stream.write_all(guess().as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.map(|_| ())
        }
    }
}

/// Sends a little every second until the server hangs up.
async fn drip(stream: &mut TcpStream, drop: &[u8]) -> std::io::Result<()> {
    let mut answer = [0; 1_024];
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => _ = read?,
            Err(_) => stream.write_all(drop).await?,
        }
    }
}
