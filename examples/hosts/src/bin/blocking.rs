//! A host without a future: `tiny_http` on a few threads, and `redb` for the rows. Mail is printed.
//!
//! `POST /login` stands for a password that was checked; its `mfa_token` comes back with each further step.

use std::{error::Error, thread};

use countersign::{
    Account, BindingCode, BlockingStore, Effect, EmailAddress, Entropy, Key, KeyRing, Policy, Session, Step,
    Subject, Swap, Verifier, Write,
    effect::{Content, Message},
    store::{DriveError, drive_blocking},
    time::OffsetDateTime,
};
use getrandom::SysRng;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tiny_http::{Method, Request, Response, Server};

type Failure = Box<dyn Error + Send + Sync>;

const ACCOUNTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("accounts");

struct Rows(Database);

impl BlockingStore for Rows {
    type Record = Account;
    type Error = Failure;

    fn load(&self, subject: &Subject) -> Result<Option<Account>, Failure> {
        let table = self.0.begin_read()?.open_table(ACCOUNTS)?;
        let row = table.get(subject.as_str())?;
        Ok(row.map(|row| serde_json::from_slice(row.value())).transpose()?)
    }

    /// redb has one writer at a time, so the condition and the write are one.
    fn swap(&self, write: Write) -> Result<Swap, Failure> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(ACCOUNTS)?;
            let stored = table.get(write.subject().as_str())?;
            let stored = stored.map(|row| serde_json::from_slice::<Account>(row.value())).transpose()?;
            if stored.map(|account| account.revision()) != write.expected {
                return Ok(Swap::Lost);
            }
            table.insert(write.subject().as_str(), &*serde_json::to_vec(&write.record)?)?;
        }
        transaction.commit()?;
        Ok(Swap::Stored)
    }
}

struct Host {
    verifier: Verifier,
    rows: Rows,
}

impl Host {
    /// Takes a step and carries out what it asks for.
    fn step<T>(&self, subject: &Subject, step: impl Fn(Account) -> Step<T>) -> Result<T, Failure> {
        let (result, effects) = drive_blocking(&self.rows, subject, step)?.into_parts();
        for effect in effects {
            match effect {
                Effect::Send(Message { to, content: Content::Code(code), .. }) => {
                    println!("mail to {}: {}", to.as_str(), code.expose());
                }
                Effect::IssueToken(token) => println!("{} is signed in", token.subject()),
                other => println!("{other:?}"),
            }
        }
        Ok(result?)
    }

    /// The session of the request's `mfa_token`.
    fn session(&self, request: &Request, now: OffsetDateTime) -> Result<Session, Failure> {
        let header = request.headers().iter().find(|header| header.field.equiv("Authorization"));
        let token = header.and_then(|header| header.value.as_str().strip_prefix("Bearer "));
        Ok(self.verifier.open(token.ok_or("no mfa_token")?, None, now)?)
    }

    fn answer(&self, request: &mut Request) -> Result<String, Failure> {
        let mut body = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(request.as_reader(), 4_096), &mut body)?;
        let (now, entropy) = (OffsetDateTime::now_utc(), Entropy::draw(&mut SysRng)?);
        match (request.method(), request.url()) {
            (Method::Post, "/login") => {
                let subject = Subject::new(&body)?;
                let account =
                    || self.rows.load(&subject).map(|row| row.unwrap_or_else(|| Account::new(&subject)));
                // Before the password is looked at: one that is changed meanwhile lets nobody in.
                let first_factor = self.verifier.prepare(&account()?);
                // Here a real host checks the password.
                let begun = self.verifier.begin(first_factor, &account()?, now, &entropy)?;
                Ok(begun.token.expose().to_owned())
            }
            (Method::Post, "/enroll") => {
                let (session, factor) = (self.session(request, now)?, EmailAddress::parse(&body)?.into());
                let enroll = |account| self.verifier.associate(&session, account, &factor, now, &entropy);
                let setup = self.step(session.subject(), enroll)?.setup;
                Ok(setup.sent().ok_or("no code was sent")?.oob_code.expose().to_owned())
            }
            (Method::Post, "/challenge") => {
                let (session, request) = (self.session(request, now)?, Default::default());
                let challenge = |account| self.verifier.challenge(&session, account, &request, now, &entropy);
                let prompt = self.step(session.subject(), challenge)?.prompt;
                Ok(prompt.sent().ok_or("no code was sent")?.oob_code.expose().to_owned())
            }
            (Method::Post, "/verify") => {
                let session = self.session(request, now)?;
                let (oob_code, typed) = body.split_once(' ').ok_or("an oob_code and a code, please")?;
                let handle = self.verifier.open_oob_code(&session, oob_code)?;
                let code = BindingCode::parse(typed)?;
                let verify = |account| self.verifier.verify_oob(&session, account, &handle, &code, now, None);
                self.step(session.subject(), verify)?;
                Ok("right".to_owned())
            }
            _ => Err("POST /login, /enroll, /challenge or /verify".into()),
        }
    }
}

/// The details are for the log, and a client is told as little as possible.
fn refused(error: Failure) -> (u16, String) {
    println!("refused: {error}");
    let status = if error.is::<DriveError<Failure>>() { 503 } else { 403 };
    (status, "That did not work. Try again, or sign in again.".to_owned())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let rows = Rows(Database::create(arguments.next().unwrap_or_else(|| "rows.redb".to_owned()))?);
    let transaction = rows.0.begin_write()?;
    transaction.open_table(ACCOUNTS)?;
    transaction.commit()?;
    // A real host keeps its keys, and not beside the rows.
    let keys = KeyRing::new("blocking", Key::generate(&mut SysRng)?, Key::generate(&mut SysRng)?)?;
    let verifier = Verifier::new(keys, Policy::default());
    let (host, server) = (Host { verifier, rows }, Server::http(&listen)?);
    println!("listening on {}", server.server_addr());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for mut request in server.incoming_requests() {
                    let (status, text) = host.answer(&mut request).map_or_else(refused, |text| (200, text));
                    let _ = request.respond(Response::from_string(text).with_status_code(status));
                }
            });
        }
    });
    Ok(())
}
