//! An SMTP server for one client that can misbehave: enough of RFC 5321 for that.
//!
//! What arrives goes into the ledger, code and all. Each way to fail counts how often it did, so that a scene can tell
//! whether its fault was really there.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

use crate::ledger::{Event, Ledger};

/// How the server behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mode {
    Well,
    /// Takes the connection and says nothing.
    Hangs,
    /// 451 to every recipient.
    RefusesForNow,
    /// 550 to every recipient.
    RefusesForGood,
    /// Closes the connection in the middle of the message.
    Drops,
    /// Keeps the message and closes the connection before it says so.
    DropsLate,
}

#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    ledger: Ledger,
    mode: watch::Sender<Mode>,
    faults: Mutex<BTreeMap<Mode, usize>>,
    slow: Mutex<BTreeSet<String>>,
    mail: Mutex<Mail>,
    arrived: Notify,
    messages: AtomicUsize,
}

#[derive(Default)]
struct Mail {
    codes: BTreeMap<String, Vec<String>>,
    ids: BTreeMap<String, usize>,
}

impl Sink {
    pub async fn start(ledger: Ledger) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let sink = Self(Arc::new(Shared {
            address,
            ledger,
            mode: watch::Sender::new(Mode::Well),
            faults: Mutex::default(),
            slow: Mutex::default(),
            mail: Mutex::default(),
            arrived: Notify::new(),
            messages: AtomicUsize::new(0),
        }));
        let served = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = served.clone();
                tokio::spawn(async move { sink.serve(stream).await });
            }
        });
        Ok(sink)
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.0.address)
    }

    pub fn behave(&self, mode: Mode) {
        self.0.mode.send_replace(mode);
    }

    /// Hangs from now on once it has heard this recipient, whatever it does else.
    pub fn hang_for(&self, to: &str) {
        self.0.slow.lock().unwrap_or_else(PoisonError::into_inner).insert(to.to_owned());
    }

    /// How often it failed in this way.
    pub fn faults(&self, mode: Mode) -> usize {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).get(&mode).copied().unwrap_or(0)
    }

    /// Messages that came more than once, counted each time after the first.
    pub fn duplicates(&self) -> usize {
        let mail = self.0.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.ids.values().map(|count| count - 1).sum()
    }

    pub fn messages(&self) -> usize {
        self.0.messages.load(Ordering::Relaxed)
    }

    /// How many codes came for an address.
    pub fn count(&self, to: &str) -> usize {
        let mail = self.0.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.codes.get(to).map_or(0, Vec::len)
    }

    /// The newest code for an address, once there are more than `seen`.
    pub async fn code(&self, to: &str, seen: usize, patience: Duration) -> Option<String> {
        let wait = async {
            loop {
                let arrived = self.0.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                {
                    let mail = self.0.mail.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(codes) = mail.codes.get(to).filter(|codes| codes.len() > seen) {
                        return codes.last().cloned();
                    }
                }
                arrived.await;
            }
        };
        tokio::time::timeout(patience, wait).await.ok().flatten()
    }

    fn failed(&self, mode: Mode) {
        let mut faults = self.0.faults.lock().unwrap_or_else(PoisonError::into_inner);
        *faults.entry(mode).or_default() += 1;
    }

    fn keep(&self, to: &str, data: &[String]) {
        let header =
            |name: &str| data.iter().find_map(|line| line.strip_prefix(name)).unwrap_or("").to_owned();
        let digits =
            |line: &&String| line.trim().len() >= 6 && line.trim().bytes().all(|b| b.is_ascii_digit());
        let id = header("Message-ID: ");
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        let code = data.iter().find(digits).map(|line| line.trim().to_owned());
        {
            let mut mail = self.0.mail.lock().unwrap_or_else(PoisonError::into_inner);
            *mail.ids.entry(id.clone()).or_default() += 1;
            if let Some(code) = code {
                // Entered while the lock is held: nobody reads a code that the ledger does not have.
                let event = Event::Mailed { user: to.to_owned(), message: id, code: code.clone() };
                self.0.ledger.enter(event);
                mail.codes.entry(to.to_owned()).or_default().push(code);
            }
        }
        self.0.arrived.notify_waiters();
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let (input, mut output) = stream.into_split();
        let mut lines = BufReader::new(input).lines();
        let mut mode = self.0.mode.subscribe();
        let say = async |output: &mut tokio::net::tcp::OwnedWriteHalf, text: &str| {
            output.write_all(format!("{text}\r\n").as_bytes()).await.ok()
        };
        if *mode.borrow_and_update() == Mode::Hangs {
            self.failed(Mode::Hangs);
            // Until the client gives up, which is all that ends it: a relay that hangs does not wake for one client.
            let _ = lines.next_line().await;
            return None;
        }
        say(&mut output, "220 sink").await?;
        let mut to = String::new();
        while let Some(line) = lines.next_line().await.ok()? {
            let now = *self.0.mode.borrow();
            let upper = line.to_uppercase();
            if upper.starts_with("RCPT") {
                to = line.split_once('<')?.1.split_once('>')?.0.to_owned();
                if self.0.slow.lock().unwrap_or_else(PoisonError::into_inner).contains(&to) {
                    self.failed(Mode::Hangs);
                    let _ = lines.next_line().await;
                    return None;
                }
                let reply = match now {
                    Mode::RefusesForNow => "451 not now",
                    Mode::RefusesForGood => "550 no such mailbox",
                    Mode::Well | Mode::Hangs | Mode::Drops | Mode::DropsLate => "250 ok",
                };
                if !reply.starts_with("250") {
                    self.failed(now);
                }
                say(&mut output, reply).await?;
            } else if upper.starts_with("DATA") {
                say(&mut output, "354 go on").await?;
                let mut data = Vec::new();
                loop {
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    data.push(line);
                    if now == Mode::Drops && data.len() > 3 {
                        self.failed(now);
                        return None;
                    }
                }
                self.keep(&to, &data);
                if now == Mode::DropsLate {
                    self.failed(now);
                    return None;
                }
                say(&mut output, "250 kept").await?;
            } else if upper.starts_with("QUIT") {
                return say(&mut output, "221 bye").await;
            } else {
                say(&mut output, "250 ok").await?;
            }
        }
        Some(())
    }
}
