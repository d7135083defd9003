//! An SMTP server that keeps what it gets, refuses it or hangs: enough of RFC 5321 for one client.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What the server does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Well,
    /// 550 to every recipient.
    Refuses,
    /// Says nothing any more once it has heard this recipient, for as long as the client holds out.
    Hangs(&'static str),
    /// 451 to every recipient, as greylisting does.
    Greylists,
    /// Says nothing until it does something else, once it is greeted.
    Lingers,
    /// Says nothing to a recipient until it does something else.
    Waits,
    /// 554 instead of a greeting.
    Closed,
    /// Repeats the recipient, in words that are no SMTP.
    Babbles,
    /// Keeps the message, says so, and says nothing any more.
    HangsAfterwards,
}

#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    mail: Arc<Mutex<Vec<Mail>>>,
    mode: Arc<Mutex<Mode>>,
    waiting: Arc<AtomicUsize>,
    greetings: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
pub struct Mail {
    pub to: String,
    pub data: String,
}

impl Mail {
    /// The code in the text part.
    pub fn code(&self) -> Option<String> {
        let digits = |line: &&str| line.len() >= 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        self.data.lines().map(str::trim).find(digits).map(str::to_owned)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split("\r\n\r\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Sink {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sink = Self {
            address,
            mail: Arc::default(),
            mode: Arc::new(Mutex::new(Mode::Well)),
            waiting: Arc::default(),
            greetings: Arc::default(),
        };
        let served = sink.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sink = served.clone();
                std::thread::spawn(move || sink.serve(&stream));
            }
        });
        sink
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn behave(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// How many recipients it said nothing to, for a while or still.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// The names that clients introduced themselves with.
    pub fn greetings(&self) -> Vec<String> {
        self.greetings.lock().unwrap().clone()
    }

    /// All mail to an address, oldest first.
    pub fn mail(&self, to: &str) -> Vec<Mail> {
        self.mail.lock().unwrap().iter().filter(|mail| mail.to == to).cloned().collect()
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut output = stream.try_clone().ok()?;
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut say = move |text: &str| output.write_all(format!("{text}\r\n").as_bytes()).ok();
        let mode = || *self.mode.lock().unwrap();
        if mode() == Mode::Closed {
            return say("554 no service");
        }
        say("220 sink")?;
        let mut to = String::new();
        while let Some(line) = lines.next() {
            let upper = line.to_uppercase();
            if let Some(name) = line.strip_prefix("EHLO ") {
                self.greetings.lock().ok()?.push(name.to_owned());
                while mode() == Mode::Lingers {
                    std::thread::sleep(Duration::from_millis(5));
                }
                say("250 ok")?;
            } else if upper.starts_with("RCPT") {
                to = line.split_once('<')?.1.split_once('>')?.0.to_owned();
                self.waiting.fetch_add(usize::from(mode() == Mode::Waits), Ordering::SeqCst);
                while mode() == Mode::Waits {
                    std::thread::sleep(Duration::from_millis(5));
                }
                match mode() {
                    Mode::Refuses => say("550 no such mailbox")?,
                    Mode::Greylists => say("451 4.7.1 greylisted")?,
                    Mode::Babbles => say(&format!("who is {to}?"))?,
                    Mode::Hangs(slow) if slow == to => lines.by_ref().for_each(drop),
                    Mode::Well
                    | Mode::Hangs(_)
                    | Mode::Waits
                    | Mode::Lingers
                    | Mode::Closed
                    | Mode::HangsAfterwards => say("250 ok")?,
                }
            } else if upper.starts_with("DATA") {
                say("354 go on")?;
                let data: Vec<_> = lines.by_ref().take_while(|line| line != ".").collect();
                self.mail.lock().ok()?.push(Mail { to: to.clone(), data: data.join("\r\n") });
                say("250 kept")?;
                if mode() == Mode::HangsAfterwards {
                    lines.by_ref().for_each(drop);
                }
            } else if upper.starts_with("QUIT") {
                say("221 bye")?;
                return Some(());
            } else {
                say("250 ok")?;
            }
        }
        Some(())
    }
}
