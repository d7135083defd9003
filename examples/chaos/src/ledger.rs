//! The ledger that is kept outside: what was asked, mailed, presented and answered, in the order in which it was seen.
//!
//! Every entry goes to an append-only file before it counts. The checks read the ledger alone and hold whatever
//! happened to the server, so they must never ask it anything. A request without an answer is one without
//! [`Event::Answered`]: it may have been carried out or not.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::Serialize;

/// What was seen. `transaction` is the driver's own number for an `mfa_token`.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A first factor was accepted.
    Begun { user: String, transaction: u64 },
    /// A challenge, or an enrollment's, was acknowledged.
    Opened { transaction: u64, handle: String },
    /// A message with a code arrived.
    Mailed { user: String, message: String, code: String },
    /// A code was sent to the server.
    Presented { attempt: u64, user: String, transaction: u64, proof: Proof },
    /// The answer to that.
    Answered { attempt: u64, answer: Answer },
    /// An enrollment was acknowledged.
    Enrolled { user: String },
    /// The server said whether a user is enrolled.
    Seen { user: String, enrolled: bool },
    /// An administrator lifted a lock.
    Unlocked { user: String },
    /// The server's clock was set so far from the right time, in seconds.
    Clock { offset: i64 },
}

#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Binding { handle: String, code: String },
    Recovery { code: String },
}

#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A token, by its id.
    Token(String),
    /// The code was evaluated, and is wrong.
    Wrong,
    /// Refused without looking at the code.
    Refused(String),
    /// The server could not do its work.
    Unavailable,
}

/// What must not be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    TokenWithoutCode,
    SecondToken,
    SharedToken,
    RevivedCode,
    RecoveryCodeTwice,
    LostEnrollment,
    RefundedAttempt,
    WrongVerdict,
    /// The service was not back in time, or gave an answer that no client can use.
    NoService,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub kind: Kind,
    pub about: String,
}

/// What a policy promises about wrong codes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wrong codes that one transaction evaluates.
    pub per_transaction: usize,
    /// Wrong codes that one account evaluates at once.
    pub burst: usize,
    /// How long one more takes, in seconds.
    pub refill: u64,
}

impl Limits {
    /// Those of the policy `auth0`.
    pub const AUTH0: Self = Self { per_transaction: 10, burst: 10, refill: 360 };
}

/// What the host says of a challenge that is over, whatever ended it.
const DEAD_HANDLE: &str = "oob_code is expired";
/// What it says of a transaction that is over, and of one that a wild clock thinks is.
const DEAD_TRANSACTION: &str = "mfa_token is expired";

#[derive(Clone, Debug)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    begun: Instant,
    file: Option<File>,
    /// With the seconds since the book was opened.
    entries: Vec<(u64, Event)>,
    numbers: u64,
}

impl Ledger {
    /// A ledger that is also written to a file.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self::with(Some(OpenOptions::new().append(true).create_new(true).open(path)?)))
    }

    fn with(file: Option<File>) -> Self {
        let book = Book { begun: Instant::now(), file, entries: Vec::new(), numbers: 0 };
        Self(Arc::new(Mutex::new(book)))
    }

    /// A number that no other transaction or attempt has.
    pub fn number(&self) -> u64 {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.numbers += 1;
        book.numbers
    }

    /// Enters what was seen.
    pub fn enter(&self, event: Event) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = book.begun.elapsed().as_secs();
        book.enter(at, event);
    }

    pub fn entries(&self) -> Vec<(u64, Event)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    /// How many entries are of a kind.
    pub fn count(&self, of: impl Fn(&Event) -> bool) -> usize {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.entries.iter().filter(|(_, event)| of(event)).count()
    }

    pub fn tokens(&self) -> usize {
        self.count(|event| matches!(event, Event::Answered { answer: Answer::Token(_), .. }))
    }

    /// Everything that must not be.
    pub fn violations(&self, limits: Limits) -> Vec<Violation> {
        audit(&self.entries(), limits)
    }
}

impl Book {
    fn enter(&mut self, at: u64, event: Event) {
        if let (Some(file), Ok(line)) = (&mut self.file, serde_json::to_string(&event)) {
            // A ledger that cannot be written is still kept in memory.
            let _ = writeln!(file, "{line}");
        }
        self.entries.push((at, event));
    }
}

/// What is known of one transaction so far.
#[derive(Default)]
struct Transaction {
    user: String,
    begun: usize,
    tokens: BTreeSet<String>,
    wrong: usize,
    over: bool,
}

/// What is known of one user so far.
#[derive(Default)]
struct User {
    enrolled: bool,
    wrong: usize,
    unlocked: usize,
    /// Places in the ledger, and codes.
    mails: Vec<(usize, String)>,
    /// Recovery codes that were taken, and in which transaction.
    recovered: BTreeMap<String, u64>,
    /// Transactions with an acknowledged challenge, in order.
    opened: Vec<u64>,
}

fn audit(entries: &[(u64, Event)], limits: Limits) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut found = |kind, about: String| violations.push(Violation { kind, about });
    let mut users = BTreeMap::<String, User>::new();
    let mut transactions = BTreeMap::<u64, Transaction>::new();
    let mut presented = BTreeMap::<u64, (String, u64, Proof, bool)>::new();
    let mut handles = BTreeMap::<String, bool>::new();
    let mut issued = BTreeMap::<String, u64>::new();
    let (mut wild, mut gained, mut furthest) = (false, 0_usize, 0_i64);
    for (place, (at, event)) in entries.iter().enumerate() {
        match event {
            Event::Begun { user, transaction } => {
                let known = transactions.entry(*transaction).or_default();
                known.user.clone_from(user);
                known.begun = place;
            }
            Event::Opened { transaction, handle } => {
                handles.entry(handle.clone()).or_insert(false);
                if let Some(known) = transactions.get(transaction) {
                    let opened = &mut users.entry(known.user.clone()).or_default().opened;
                    if opened.last() != Some(transaction) {
                        opened.push(*transaction);
                    }
                }
            }
            Event::Mailed { user, code, .. } => {
                users.entry(user.clone()).or_default().mails.push((place, code.clone()));
            }
            Event::Presented { attempt, user, transaction, proof } => {
                presented.insert(*attempt, (user.clone(), *transaction, proof.clone(), wild));
            }
            Event::Enrolled { user } => users.entry(user.clone()).or_default().enrolled = true,
            Event::Seen { user, enrolled } => {
                if users.entry(user.clone()).or_default().enrolled && !enrolled {
                    found(Kind::LostEnrollment, format!("{user} was enrolled and is not"));
                }
            }
            Event::Unlocked { user } => users.entry(user.clone()).or_default().unlocked += 1,
            Event::Clock { offset } => {
                wild = *offset != 0;
                // A jump further ahead than any before gains what the time is worth, one bucket at most; coming back
                // to it gains nothing.
                if *offset > furthest {
                    let time = u64::try_from(*offset - furthest).unwrap_or(0);
                    gained += usize::try_from(time.div_ceil(limits.refill)).unwrap_or(0).min(limits.burst);
                    furthest = *offset;
                }
            }
            Event::Answered { attempt, answer } => {
                let Some((user_name, number, proof, was_wild)) = presented.get(attempt) else {
                    found(Kind::TokenWithoutCode, format!("attempt {attempt} was answered and never made"));
                    continue;
                };
                let user = users.entry(user_name.clone()).or_default();
                let transaction = transactions.entry(*number).or_default();
                match answer {
                    Answer::Unavailable => {}
                    Answer::Refused(words) => {
                        // The clock may have been set right between the answer and its entry.
                        let wild = wild || *was_wild;
                        if let Proof::Binding { handle, .. } = proof
                            && (words == DEAD_HANDLE || (words == DEAD_TRANSACTION && !wild))
                        {
                            handles.insert(handle.clone(), true);
                        }
                        transaction.over |= words == DEAD_TRANSACTION && !wild;
                    }
                    Answer::Wrong => {
                        if let Proof::Binding { code, .. } = proof {
                            user.wrong += 1;
                            transaction.wrong += 1;
                            let refilled = usize::try_from(at / limits.refill).unwrap_or(usize::MAX);
                            let filled = limits.burst * (1 + user.unlocked) + gained;
                            if transaction.wrong > limits.per_transaction {
                                let about =
                                    format!("{user_name}: transaction {number}, {}", transaction.wrong);
                                found(Kind::RefundedAttempt, about);
                            } else if user.wrong > filled + refilled {
                                let about = format!("{user_name}: {} wrong codes evaluated", user.wrong);
                                found(Kind::RefundedAttempt, about);
                            }
                            if is_right(user, transaction.begun, &transactions, *number, code) {
                                let about = format!("{user_name}: the right code was called wrong");
                                found(Kind::WrongVerdict, about);
                            }
                        }
                    }
                    Answer::Token(id) => {
                        match proof {
                            Proof::Binding { handle, code } => {
                                let begun = transaction.begun;
                                let mailed = user.mails.iter().any(|(at, sent)| *at > begun && sent == code);
                                if !mailed || !handles.contains_key(handle) {
                                    let about = format!("{user_name}: {id} for a code that was not mailed");
                                    found(Kind::TokenWithoutCode, about);
                                }
                                if handles.insert(handle.clone(), true) == Some(true) || transaction.over {
                                    found(Kind::RevivedCode, format!("{user_name}: {id} for a dead code"));
                                }
                                if !transaction.tokens.is_empty() {
                                    found(Kind::SecondToken, format!("{user_name}: {id} is a second token"));
                                }
                            }
                            Proof::Recovery { code } => {
                                let first = *user.recovered.entry(code.clone()).or_insert(*number);
                                if first != *number {
                                    let about = format!("{user_name}: {id} for a spent recovery code");
                                    found(Kind::RecoveryCodeTwice, about);
                                }
                                // The same answer again is the same token.
                                if transaction.tokens.iter().any(|known| known != id) {
                                    found(Kind::SecondToken, format!("{user_name}: {id} is a second token"));
                                }
                            }
                        }
                        transaction.tokens.insert(id.clone());
                        match issued.entry(id.clone()) {
                            Entry::Vacant(free) => _ = free.insert(*number),
                            Entry::Occupied(taken) if taken.get() != number => {
                                found(Kind::SharedToken, format!("{id} was issued in two transactions"));
                            }
                            Entry::Occupied(_) => {}
                        }
                    }
                }
            }
        }
    }
    violations
}

/// Whether a code is without doubt that of a transaction: the only one that was mailed since it began, never mailed
/// before, and no message of an earlier transaction can still have been under way.
fn is_right(
    user: &User,
    begun: usize,
    transactions: &BTreeMap<u64, Transaction>,
    number: u64,
    code: &str,
) -> bool {
    let mut since = user.mails.iter().filter(|(at, _)| *at > begun).peekable();
    let only = since.peek().is_some() && since.all(|(_, sent)| sent == code);
    let before = user.mails.iter().any(|(at, sent)| *at < begun && sent == code);
    let starts: Vec<_> = user
        .opened
        .iter()
        .filter_map(|number| transactions.get(number).map(|transaction| (number, transaction.begun)))
        .collect();
    let outstanding = starts.windows(2).any(|pair| {
        let [(earlier, from), (_, until)] = pair else { return false };
        // Another copy of an older message is not the one that is waited for.
        let is_new = |code: &String| !user.mails.iter().any(|(at, sent)| at < from && sent == code);
        **earlier < number && !user.mails.iter().any(|(at, sent)| at > from && at < until && is_new(sent))
    });
    only && !before && !outstanding
}

#[cfg(test)]
mod tests;
