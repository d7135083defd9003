//! What users do: enroll, sign in, recover, and guess. Every step is entered into the ledger before it is taken and
//! after.
//!
//! A user whose request got no answer, or was told that the server is busy, asks again until somebody answers. What
//! was already carried out then shows as a refusal, which is no failure here: the ledger judges. This module must
//! never decide by itself whether a server was right.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use hdrhistogram::Histogram;

use crate::{
    client::{Client, Failure, OOB, RECOVERY, Reply},
    ledger::{Answer, Event, Ledger, Proof},
    smtp::Sink,
};

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery staple";

/// What all journeys of a scene share.
pub struct World {
    pub ledger: Ledger,
    pub sink: Sink,
    /// The servers, at addresses that stay.
    pub servers: Vec<SocketAddr>,
    pub manners: Manners,
    pub tally: Tally,
}

/// How patient users are.
#[derive(Clone, Copy)]
pub struct Manners {
    /// How long a request may take.
    pub limit: Duration,
    /// How long a server may be away.
    pub patience: Duration,
    /// How long to wait for a message before asking again.
    pub mail: Duration,
    /// How often to ask again for a message.
    pub asks: usize,
    /// The longest pause before a request.
    pub think: Duration,
    /// Whether to ask again when there was no answer, or none that helps.
    pub persists: bool,
}

impl Manners {
    /// Of users who see faults and go on.
    pub const PERSISTENT: Self = Self {
        limit: Duration::from_secs(25),
        patience: Duration::from_secs(60),
        mail: Duration::from_secs(2),
        asks: 8,
        think: Duration::ZERO,
        persists: true,
    };
}

/// What was counted.
#[derive(Default)]
pub struct Tally {
    pub requests: AtomicUsize,
    pub journeys: AtomicUsize,
    /// Requests that were sent again.
    pub retries: AtomicUsize,
    /// Requests that could not be sent.
    pub unreached: AtomicUsize,
    /// Requests whose answer never came.
    pub cut_off: AtomicUsize,
    /// Answers of the kind 5xx.
    pub unavailable: AtomicUsize,
    /// What was answered, by the kind of the request.
    pub kinds: Mutex<BTreeMap<&'static str, Kind>>,
    /// How long messages took to come once they were acknowledged.
    pub mail: Mutex<Kind>,
}

/// Requests of one kind.
#[derive(Clone)]
pub struct Kind {
    /// How long answers took, in microseconds.
    pub latencies: Histogram<u64>,
    /// Answers that never came, or were of the kind 5xx.
    pub errors: u64,
}

impl Default for Kind {
    fn default() -> Self {
        Self { latencies: microseconds(), errors: 0 }
    }
}

impl Kind {
    fn note(&mut self, took: Duration, failed: bool) {
        let _ = self.latencies.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.errors += u64::from(failed);
    }
}

/// A histogram that grows with what is recorded, to three digits.
pub fn microseconds() -> Histogram<u64> {
    Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed"))
}

impl Tally {
    pub fn get(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    /// How long answers of every kind took.
    pub fn latencies(&self) -> Histogram<u64> {
        let mut all = microseconds();
        for kind in self.kinds.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _ = all.add(&kind.latencies);
        }
        all
    }

    fn add(counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn note(&self, kind: &'static str, took: Duration, failed: bool) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.entry(kind).or_default().note(took, failed);
    }
}

/// Why a journey ended early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The user has used up what the policy gives, or a wild clock has: a matter of the policy.
    Limited {
        said: String,
        /// For so many seconds.
        wait: u64,
    },
    /// The first factor, or the state of the account, was refused in a way that is not expected.
    Refused(String),
    /// No message came.
    NoMail,
    /// No server answered in time.
    Down(String),
}

pub struct Person {
    pub email: String,
    pub enrolled: bool,
    pub recovery: Option<String>,
    /// Recovery codes that were used, for the end.
    pub used: Vec<String>,
    /// Where this user goes first.
    pub home: usize,
    dice: u64,
}

impl Person {
    pub fn new(number: usize) -> Self {
        let seed = u64::try_from(number).unwrap_or(0).wrapping_add(1);
        Self {
            email: format!("user{number}@example.com"),
            enrolled: false,
            recovery: None,
            used: Vec::new(),
            home: number,
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    /// A number below `bound`.
    pub fn throw(&mut self, bound: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % bound.max(1)
    }
}

/// A transaction with an open challenge, and the code for it.
#[derive(Clone, Debug)]
pub struct Pending {
    pub transaction: u64,
    pub mfa_token: String,
    pub oob_code: String,
    pub code: String,
    /// What an enrollment promised.
    pub recovery: Option<String>,
}

/// One user at one client.
pub struct Journey<'w> {
    pub world: &'w World,
    client: Client,
    turn: usize,
    due: Option<Instant>,
}

impl<'w> Journey<'w> {
    pub fn new(world: &'w World, home: usize) -> Self {
        let server = world.servers.get(home % world.servers.len().max(1)).copied();
        let client =
            Client::new(server.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9))), world.manners.limit);
        Self { world, client, turn: home, due: None }
    }

    /// Turns to one server and stays there.
    pub fn at(world: &'w World, server: SocketAddr) -> Self {
        Self { world, client: Client::new(server, world.manners.limit), turn: 0, due: None }
    }

    /// Takes the first request's time from when it was due, which is before it is sent.
    pub fn due(mut self, due: Instant) -> Self {
        self.due = Some(due);
        self
    }

    /// One request, once.
    pub async fn once(
        &mut self,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        let tally = &self.world.tally;
        Tally::add(&tally.requests);
        let begun = self.due.take().unwrap_or_else(Instant::now);
        let answer = match body {
            Some(body) => self.client.post(path, bearer, body).await,
            None => self.client.get(path, bearer).await,
        };
        match &answer {
            Ok(reply) => {
                if reply.is_unavailable() {
                    Tally::add(&tally.unavailable);
                }
            }
            Err(Failure::Connect) => Tally::add(&tally.unreached),
            Err(Failure::Cut | Failure::Late) => Tally::add(&tally.cut_off),
        }
        let failed = answer.as_ref().map_or(true, Reply::is_unavailable);
        tally.note(kind(path, body), begun.elapsed(), failed);
        answer
    }

    /// One request, until somebody answers it.
    async fn send(
        &mut self,
        who: &mut Person,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Reply, Stop> {
        let manners = self.world.manners;
        if !manners.think.is_zero() {
            let longest = u64::try_from(manners.think.as_millis()).unwrap_or(u64::MAX);
            tokio::time::sleep(Duration::from_millis(who.throw(longest))).await;
        }
        let begun = Instant::now();
        loop {
            let answer = self.once(path, bearer, body).await;
            match answer {
                // Whom a wild clock met is told so, and hears the same until that time.
                Ok(reply) if !reply.is_unavailable() || is_of_a_clock(&reply.description()) => {
                    return Ok(reply);
                }
                Ok(reply) if !manners.persists => {
                    return Err(Stop::Down(format!("{path}: {}", reply.status)));
                }
                Err(failure) if !manners.persists => return Err(Stop::Down(format!("{path}: {failure:?}"))),
                Ok(_) | Err(_) if begun.elapsed() > manners.patience => {
                    return Err(Stop::Down(format!("{path}: nobody answers for {:?}", manners.patience)));
                }
                Ok(_) | Err(_) => {}
            }
            Tally::add(&self.world.tally.retries);
            self.move_on();
            tokio::time::sleep(Duration::from_millis(50 + who.throw(100))).await;
        }
    }

    /// Turns to the next server, if there is another.
    fn move_on(&mut self) {
        self.turn += 1;
        if let Some(server) = self.world.servers.get(self.turn % self.world.servers.len().max(1))
            && self.world.servers.len() > 1
        {
            self.client.turn_to(*server);
        }
    }

    /// Password, and what the server says of the user: a transaction and its `mfa_token`.
    pub async fn begin(&mut self, who: &mut Person) -> Result<(u64, String), Stop> {
        let body = json!({
            "grant_type": "password", "username": who.email, "password": PASSWORD, "scope": "openid email",
        });
        let reply = self.send(who, "/oauth/token", None, Some(&body)).await?;
        if reply.text("error") != "mfa_required" {
            return Err(refusal(&reply));
        }
        let transaction = self.world.ledger.number();
        self.world.ledger.enter(Event::Begun { user: who.email.clone(), transaction });
        let enrolled = reply.body.pointer("/mfa_requirements/challenge").is_some_and(Value::is_array);
        self.world.ledger.enter(Event::Seen { user: who.email.clone(), enrolled });
        who.enrolled = enrolled;
        Ok((transaction, reply.text("mfa_token")))
    }

    /// Asks for a code, or begins an enrollment for those who have none, and waits for the message.
    pub async fn ask(&mut self, who: &mut Person) -> Result<Pending, Stop> {
        let (transaction, mfa_token) = self.begin(who).await?;
        let seen = self.world.sink.count(&who.email);
        let manners = self.world.manners;
        for _ in 0..manners.asks {
            let reply = if who.enrolled {
                let body = json!({ "mfa_token": mfa_token, "challenge_type": "oob" });
                self.send(who, "/mfa/challenge", None, Some(&body)).await?
            } else {
                let types =
                    json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": who.email });
                self.send(who, "/mfa/associate", Some(&mfa_token), Some(&types)).await?
            };
            if reply.status != 200 {
                return Err(refusal(&reply));
            }
            let oob_code = reply.text("oob_code");
            self.world.ledger.enter(Event::Opened { transaction, handle: oob_code.clone() });
            let recovery = reply.body.pointer("/recovery_codes/0").and_then(Value::as_str).map(str::to_owned);
            let begun = Instant::now();
            if let Some(code) = self.world.sink.code(&who.email, seen, manners.mail).await {
                let mut mail = self.world.tally.mail.lock().unwrap_or_else(PoisonError::into_inner);
                mail.note(begun.elapsed(), false);
                return Ok(Pending { transaction, mfa_token, oob_code, code, recovery });
            }
        }
        Err(Stop::NoMail)
    }

    /// Presents a binding code, until somebody answers.
    pub async fn present(&mut self, who: &mut Person, pending: &Pending, code: &str) -> Result<Answer, Stop> {
        let body = json!({
            "grant_type": OOB, "mfa_token": pending.mfa_token, "oob_code": pending.oob_code, "binding_code": code,
        });
        let proof = Proof::Binding { handle: pending.oob_code.clone(), code: code.to_owned() };
        self.attempt(who, pending.transaction, proof, &body).await.map(|(answer, _)| answer)
    }

    async fn attempt(
        &mut self,
        who: &mut Person,
        transaction: u64,
        proof: Proof,
        body: &Value,
    ) -> Result<(Answer, Reply), Stop> {
        let attempt = self.world.ledger.number();
        let user = who.email.clone();
        self.world.ledger.enter(Event::Presented { attempt, user, transaction, proof });
        let reply = self.send(who, "/oauth/token", None, Some(body)).await?;
        let answer = answer(&reply);
        self.world.ledger.enter(Event::Answered { attempt, answer: answer.clone() });
        Ok((answer, reply))
    }

    /// Enrolls, or signs in with a code by mail; now and then with a wrong one first.
    pub async fn prove(&mut self, who: &mut Person, wrong_ones: usize) -> Result<(Pending, Answer), Stop> {
        let pending = self.ask(who).await?;
        for _ in 0..wrong_ones {
            self.present(who, &pending, &wrong(&pending.code)).await?;
        }
        let answer = self.present(who, &pending, &pending.code).await?;
        if let Answer::Token(_) = answer {
            self.is_enrolled(who, &pending);
            Tally::add(&self.world.tally.journeys);
        }
        Ok((pending, answer))
    }

    /// The same, and the spent code is presented again.
    pub async fn sign_in(&mut self, who: &mut Person, wrong_ones: usize) -> Result<Pending, Stop> {
        let (pending, answer) = self.prove(who, wrong_ones).await?;
        match answer {
            // A refusal comes where the answer was cut off after it was stored.
            Answer::Token(_) | Answer::Refused(_) => _ = self.present(who, &pending, &pending.code).await?,
            // The code was that of an earlier message, which came late.
            Answer::Wrong | Answer::Unavailable => {}
        }
        Ok(pending)
    }

    /// Enters what a token for an enrollment means.
    pub fn is_enrolled(&self, who: &mut Person, pending: &Pending) {
        if !who.enrolled {
            who.enrolled = true;
            who.recovery.clone_from(&pending.recovery);
            self.world.ledger.enter(Event::Enrolled { user: who.email.clone() });
        }
    }

    /// Signs in with the recovery code, if there is one.
    pub async fn recover(&mut self, who: &mut Person) -> Result<Option<Answer>, Stop> {
        let Some(code) = who.recovery.take() else { return Ok(None) };
        let (transaction, mfa_token) = self.begin(who).await?;
        let (answer, reply) = self.try_recovery(who, transaction, &mfa_token, &code).await?;
        who.used.push(code);
        if let Answer::Token(_) = &answer {
            let next = reply.text("recovery_code");
            who.recovery = Some(next).filter(|next| !next.is_empty());
            Tally::add(&self.world.tally.journeys);
        }
        Ok(Some(answer))
    }

    pub async fn try_recovery(
        &mut self,
        who: &mut Person,
        transaction: u64,
        mfa_token: &str,
        code: &str,
    ) -> Result<(Answer, Reply), Stop> {
        let body = json!({ "grant_type": RECOVERY, "mfa_token": mfa_token, "recovery_code": code });
        self.attempt(who, transaction, Proof::Recovery { code: code.to_owned() }, &body).await
    }

    /// Presents wrong codes until the server stops looking at them, or so many times.
    pub async fn guess(&mut self, who: &mut Person, pending: &Pending, most: usize) -> Result<usize, Stop> {
        let mut evaluated = 0;
        for _ in 0..most {
            match self.present(who, pending, &wrong(&pending.code)).await? {
                Answer::Wrong => evaluated += 1,
                Answer::Token(_) | Answer::Refused(_) | Answer::Unavailable => break,
            }
        }
        Ok(evaluated)
    }

    /// Notes what the server says of a user now.
    pub async fn look(&mut self, who: &mut Person) -> Result<(), Stop> {
        self.begin(who).await.map(|_| ())
    }
}

/// What kind of request it is.
fn kind(path: &str, body: Option<&Value>) -> &'static str {
    let grant = body.and_then(|body| body.get("grant_type")?.as_str());
    match (path, grant) {
        ("/oauth/token", Some("password")) => "token: password",
        ("/oauth/token", Some(OOB)) => "token: code",
        ("/oauth/token", Some(RECOVERY)) => "token: recovery code",
        ("/mfa/associate", None) => "associate",
        ("/mfa/challenge", None) => "challenge",
        _ => "other",
    }
}

/// A code that is not the right one.
pub fn wrong(code: &str) -> String {
    let digits = code.len();
    let most = 10_u64.pow(u32::try_from(digits).unwrap_or(6));
    format!("{:0digits$}", (code.parse::<u64>().unwrap_or(0) + 1) % most)
}

fn refusal(reply: &Reply) -> Stop {
    let said = format!("{} {}: {}", reply.status, reply.text("error"), reply.description());
    if reply.status == 429 || is_of_a_clock(&reply.description()) {
        Stop::Limited { said, wait: reply.retry_after.unwrap_or(u64::MAX) }
    } else {
        Stop::Refused(said)
    }
}

/// Whether a refusal blames a clock that was ahead: nothing was judged.
fn is_of_a_clock(said: &str) -> bool {
    said.starts_with("The server's clocks disagree")
}

/// What an answer means for a code.
fn answer(reply: &Reply) -> Answer {
    if reply.status == 200 {
        return Answer::Token(token_id(&reply.text("access_token")).unwrap_or_default());
    }
    match reply.description().as_str() {
        "Invalid binding_code." | "MFA Authorization rejected." => Answer::Wrong,
        said if is_of_a_clock(said) => Answer::Refused(said.to_owned()),
        _ if reply.is_unavailable() => Answer::Unavailable,
        said => Answer::Refused(said.to_owned()),
    }
}

/// The `jti` of a JWT.
fn token_id(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("jti")?.as_str().map(str::to_owned)
}
