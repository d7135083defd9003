//! Model checking of the real `Verifier` and `AddressVerifier`: every interleaving of a few nodes on one stored row.
//!
//! **Mapping.** `Load` reads the row; `Swap` takes the library's step on that copy, hands its `Write` to the store
//! and opens the `Sealed` with the store's answer; a stored outcome is kept as a summary that stays hidden until
//! `Reveal` shows it to the client. `Fail` is a store's error, with the write done or not: the sealed outcome is
//! dropped, and the node loads again. `Crash` loses a copy or a hidden outcome; the client asks the same again.
//! `Tick` moves the global clock; each node reads it with its own offset. A step is a function of copy, command, time
//! and entropy that follows from node and command, so taking it at `Swap` loses no order. A crash after the effects are
//! out changes nothing here.
//!
//! The outbox is stored with the row, as a host with a transaction stores it, so that every message that is shown can
//! be looked for among the stored ones.
//!
//! **Explored:** every order of those actions, for the fixed scenes of tests/scenes.rs, the clock values listed there
//! and a bounded number of failures and crashes. Not explored: other instants, longer scripts, more rows than one, the
//! delivery of the outbox.
//!
//! **A counterexample** is printed as the path of actions from the start; the last state breaks the named property.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use countersign::{
    Account, Associated, AuthenticatorId, BindingCode, ChallengeRequest, Effect, EmailAddress, Entropy,
    Session, Step, Swap, Verifier,
    address_proof::{AddressVerifier, ProofHandle, ProofLink, ProofPurpose},
    code::RecoveryCode,
    command::OtpRequest,
    record::Record,
    session::{DeviceId, OobHandle},
    step::Committed,
};
use serde::{Serialize, de::DeserializeOwned};
use stateright::{Model, Property};
use time::{Duration, OffsetDateTime};

/// One command of a node.
#[derive(Clone, Debug)]
pub enum Command {
    Verify(Session, OobHandle, BindingCode),
    Otp(Session, OtpRequest),
    Recover(Session, RecoveryCode),
    Challenge(Session),
    Associate(Session, EmailAddress),
    /// Presents what the node's own `Associate` brought and sent; nothing to do if it was refused.
    Confirm(Session),
    Remove(Session, AuthenticatorId),
    /// Signs in by the remembered device of the session.
    Device(Session),
    Forget(Session, DeviceId),
    Unlock,
    Reset,
    /// The host stored another password.
    Revoke,
    /// On the row of an address: asks for a message, takes a link, takes a code that was typed.
    Ask(ProofPurpose),
    Link(ProofLink, Option<ProofHandle>),
    Code(ProofHandle, BindingCode),
}

impl Command {
    /// Whether its success is one that nothing may follow.
    const fn ends(&self) -> bool {
        matches!(
            self,
            Self::Remove(..)
                | Self::Forget(..)
                | Self::Reset
                | Self::Revoke
                | Self::Link(..)
                | Self::Code(..)
        )
    }

    const fn verifies(&self) -> bool {
        matches!(
            self,
            Self::Verify(..)
                | Self::Otp(..)
                | Self::Confirm(_)
                | Self::Device(_)
                | Self::Link(..)
                | Self::Code(..)
        )
    }
}

/// What the store, or the host before it, does. All but the first are wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Store {
    Swap,
    LastWriteWins,
    /// Answers "stored" and drops the write.
    RollsBack,
    /// The host opens the outcome before the store has answered.
    RevealsFirst,
    /// Reads lag one write behind, and writes are unconditional.
    StaleReplica,
    /// After a lost swap the host sends the same write again, with the revision that it finds.
    SendsAgain,
}

/// A node: its place in its commands, and what it holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    next: usize,
    phase: Phase,
    /// The handle and the code of its own enrollment, once it was shown.
    sent: Option<(String, String)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    Idle,
    Loaded(Vec<u8>),
    /// Lost, with the same copy still in hand: only a host that is wrong goes on from here.
    Again(Vec<u8>),
    /// Stored, and not yet revealed.
    Hidden(Verdict),
}

/// An outcome, as far as a property asks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Verdict {
    pub verifies: bool,
    pub recovers: bool,
    pub result: &'static str,
    pub tokens: Vec<String>,
    pub mails: Vec<String>,
    /// The handle and the code that an enrollment brought.
    sent: Option<(String, String)>,
    /// The fingerprint of the record that this step writes.
    pub record: Option<u64>,
    /// Stored after an end (expiry seen, lock, removal, reset) was stored.
    pub late: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    row: Vec<u8>,
    /// What the row was before its last write.
    replica: Vec<u8>,
    outbox: BTreeSet<String>,
    tick: usize,
    faults: usize,
    nodes: Vec<Node>,
    stored: BTreeSet<u64>,
    ended: bool,
    pub lost: bool,
    pub crashed_stored: bool,
    /// What clients were shown, sorted.
    pub shown: Vec<Verdict>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Action {
    Load(usize),
    Swap(usize),
    Fail(usize, bool),
    Reveal(usize),
    Crash(usize),
    Tick,
}

/// A scene: a row, that of an account or of an address, and what each node does to it.
#[derive(Clone)]
pub struct Scene {
    pub verifier: Verifier,
    pub proofs: AddressVerifier,
    pub row: Vec<u8>,
    pub ticks: Vec<OffsetDateTime>,
    pub nodes: Vec<(i64, Vec<Command>)>,
    pub faults: usize,
    pub store: Store,
    pub wrong_limit: usize,
    pub mail_limit: usize,
    /// What must be reachable, so that no property holds of nothing.
    pub reached: Vec<Property<Self>>,
}

impl Scene {
    fn settle<T, R: Record + Serialize + DeserializeOwned>(
        &self,
        state: &mut State,
        place: usize,
        step: Step<T, R>,
        fail: Option<bool>,
        handle: impl FnOnce(&T) -> Option<String>,
    ) {
        let again = matches!(state.nodes[place].phase, Phase::Again(_));
        let command = &self.nodes[place].1[state.nodes[place].next];
        let before: R = decode(&state.row);
        let (write, sealed) = step.into_parts();
        let mut record = None;
        let answer = match write {
            None => Swap::Stored,
            Some(write) => {
                let bytes = encode(&write.record);
                record = Some(fingerprint(&bytes));
                let same = write.expected == Some(before.revision());
                let forced = matches!(self.store, Store::LastWriteWins | Store::StaleReplica) || again;
                let wins = same || forced;
                if wins && fail != Some(false) && self.store != Store::RollsBack {
                    state.replica = std::mem::replace(&mut state.row, bytes);
                    state.stored.insert(record.unwrap_or_default());
                    state.outbox.extend(write.outbox.iter().map(|message| message.id().to_string()));
                }
                if wins || self.store == Store::RevealsFirst { Swap::Stored } else { Swap::Lost }
            }
        };
        let written = record.is_some_and(|record| state.stored.contains(&record));
        // The model may know what a node whose store failed does not: whether its write ended anything.
        let Committed::Done(outcome) = sealed.open(answer) else {
            state.lost = true;
            let node = &mut state.nodes[place];
            node.phase = match std::mem::replace(&mut node.phase, Phase::Idle) {
                Phase::Loaded(copy) if self.store == Store::SendsAgain => Phase::Again(copy),
                _ => Phase::Idle,
            };
            return;
        };
        let (result, effects) = outcome.into_parts();
        let mut verdict = Verdict {
            verifies: command.verifies(),
            recovers: matches!(command, Command::Recover(..)),
            result: result.as_ref().map_or_else(|denial| denial.code(), |_| "ok"),
            tokens: Vec::new(),
            mails: Vec::new(),
            sent: None,
            record,
            late: state.ended,
        };
        let mut locks = false;
        let handle = result.as_ref().ok().and_then(handle);
        for effect in effects {
            match effect {
                Effect::IssueToken(token) => verdict.tokens.push(token.id().to_string()),
                Effect::Send(mail) => {
                    verdict.mails.push(mail.id.to_string());
                    verdict.sent =
                        handle.clone().zip(mail.content.code().map(|code| code.expose().to_owned()));
                }
                Effect::Notify(notify) => {
                    locks |= matches!(notify.notice.kind(), "notify-locked" | "notify-hardened");
                }
                _ => {}
            }
        }
        let ends = command.ends() && verdict.result == "ok";
        state.ended |= written && (locks || ends || verdict.result == "expired_oob_code");
        state.nodes[place].phase = if fail.is_some() { Phase::Idle } else { Phase::Hidden(verdict) };
    }

    /// One command on the row of an account. There is nothing to do for what a node does not have.
    fn step_account(
        &self,
        s: &mut State,
        place: usize,
        command: &Command,
        account: Account,
        (now, entropy): (OffsetDateTime, &Entropy),
        fail: Option<bool>,
    ) -> Option<()> {
        let v = &self.verifier;
        match command {
            Command::Verify(session, handle, code) => {
                self.settle(s, place, v.verify_oob(session, account, handle, code, now, None), fail, |_| {
                    None
                });
            }
            Command::Otp(session, request) => {
                let step = v.verify_otp(session, account, request, now, None);
                self.settle(s, place, step, fail, |_| None);
            }
            Command::Recover(session, code) => {
                self.settle(s, place, v.verify_recovery(session, account, code, now), fail, |_| None);
            }
            Command::Challenge(session) => {
                let request = ChallengeRequest::default();
                let step = v.challenge(session, account, &request, now, entropy);
                self.settle(s, place, step, fail, |_| None);
            }
            Command::Associate(session, address) => {
                let step = v.associate(session, account, &address.clone().into(), now, entropy);
                let handle = |answer: &Associated| Some(answer.setup.sent()?.oob_code.expose().to_owned());
                self.settle(s, place, step, fail, handle);
            }
            Command::Confirm(session) => match s.nodes[place].sent.clone() {
                Some((oob_code, code)) => {
                    let handle = v.open_oob_code(session, &oob_code).ok()?;
                    let code = BindingCode::parse(&code).ok()?;
                    let step = v.verify_oob(session, account, &handle, &code, now, None);
                    self.settle(s, place, step, fail, |_| None);
                }
                None => {
                    let node = &mut s.nodes[place];
                    (node.next, node.phase) = (node.next + 1, Phase::Idle);
                }
            },
            Command::Device(session) => {
                self.settle(s, place, v.verify_device(session, account, now), fail, |_| None);
            }
            Command::Forget(session, id) => {
                self.settle(s, place, v.forget(session, account, *id, now), fail, |_| None);
            }
            Command::Remove(session, id) => {
                self.settle(s, place, v.remove(session, account, *id, now), fail, |_| None);
            }
            Command::Unlock => self.settle(s, place, v.unlock(account, now), fail, |_| None),
            Command::Reset => self.settle(s, place, v.reset(account, now), fail, |_| None),
            Command::Revoke => {
                self.settle(s, place, v.revoke_sessions(account, now), fail, |_| None);
            }
            Command::Ask(_) | Command::Link(..) | Command::Code(..) => return None,
        }
        Some(())
    }
}

impl Model for Scene {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let row = self.row.clone();
        let nodes = self.nodes.iter().map(|_| Node { next: 0, phase: Phase::Idle, sent: None }).collect();
        vec![State {
            stored: BTreeSet::from([fingerprint(&row)]),
            replica: row.clone(),
            row,
            outbox: BTreeSet::new(),
            tick: 0,
            faults: 0,
            nodes,
            ended: false,
            lost: false,
            crashed_stored: false,
            shown: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.tick + 1 < self.ticks.len() {
            actions.push(Action::Tick);
        }
        for (place, node) in state.nodes.iter().enumerate() {
            let faulty = state.faults < self.faults;
            match &node.phase {
                Phase::Idle if node.next < self.nodes[place].1.len() => actions.push(Action::Load(place)),
                Phase::Idle => {}
                Phase::Loaded(_) | Phase::Again(_) => {
                    actions.push(Action::Swap(place));
                    if faulty {
                        actions.extend([Action::Fail(place, false), Action::Fail(place, true)]);
                        actions.push(Action::Crash(place));
                    }
                }
                Phase::Hidden(_) => {
                    actions.push(Action::Reveal(place));
                    if faulty {
                        actions.push(Action::Crash(place));
                    }
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.tick += 1,
            Action::Load(place) => {
                let stale = self.store == Store::StaleReplica;
                let row = if stale { &state.replica } else { &state.row };
                state.nodes[place].phase = Phase::Loaded(row.clone());
            }
            Action::Crash(place) => {
                state.faults += 1;
                state.crashed_stored |= matches!(state.nodes[place].phase, Phase::Hidden(_));
                state.nodes[place].phase = Phase::Idle;
            }
            Action::Reveal(place) => {
                let node = &mut state.nodes[place];
                let Phase::Hidden(verdict) = std::mem::replace(&mut node.phase, Phase::Idle) else {
                    return None;
                };
                node.next += 1;
                node.sent = verdict.sent.clone().or(node.sent.take());
                state.shown.push(verdict);
                state.shown.sort();
            }
            Action::Swap(place) | Action::Fail(place, _) => {
                let fail = if let Action::Fail(_, done) = action { Some(done) } else { None };
                state.faults += usize::from(fail.is_some());
                let (Phase::Loaded(copy) | Phase::Again(copy)) = state.nodes[place].phase.clone() else {
                    return None;
                };
                let (offset, commands) = &self.nodes[place];
                let next = state.nodes[place].next;
                let now = self.ticks[state.tick] + Duration::seconds(*offset);
                let entropy =
                    Entropy::from_bytes([u8::try_from(place * 16 + next).expect("a small model"); 32]);
                let (p, s) = (&self.proofs, &mut state);
                // A row is of one kind, and so are the commands of a scene.
                match &commands[next] {
                    Command::Ask(purpose) => {
                        let step = p.ask(decode(&copy), *purpose, now, &entropy);
                        self.settle(s, place, step, fail, |_| None);
                    }
                    Command::Link(link, handle) => {
                        let step = p.verify_link(decode(&copy), link, handle.as_ref(), now);
                        self.settle(s, place, step, fail, |_| None);
                    }
                    Command::Code(handle, code) => {
                        let step = p.verify_code(decode(&copy), handle, code, now);
                        self.settle(s, place, step, fail, |_| None);
                    }
                    command => self.step_account(s, place, command, decode(&copy), (now, &entropy), fail)?,
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::<Self>::always("wrong verdicts within the limit", |scene, state| {
                state.count(|v| v.result.starts_with("invalid_")) <= scene.wrong_limit
            }),
            Property::<Self>::always("one token", |_, state| {
                state.shown.iter().flat_map(|v| &v.tokens).collect::<BTreeSet<_>>().len() <= 1
                    && state.count(|v| v.verifies && !v.tokens.is_empty()) <= 1
            }),
            Property::<Self>::always("messages within the limit", |scene, state| {
                state.shown.iter().map(|v| v.mails.len()).sum::<usize>() <= scene.mail_limit
            }),
            Property::<Self>::always("nothing succeeds after the end", |_, state| {
                state.count(|v| v.late && (v.verifies || v.recovers) && v.result == "ok") == 0
            }),
            Property::<Self>::always("every verdict is of a stored record", |_, state| {
                state.shown.iter().all(|v| v.record.is_none_or(|record| state.stored.contains(&record)))
            }),
            Property::<Self>::always("every message is of a stored record", |_, state| {
                state.shown.iter().flat_map(|v| &v.mails).all(|mail| state.outbox.contains(mail))
            }),
        ];
        all.extend(self.reached.iter().cloned());
        all
    }
}

impl State {
    /// How many of the verdicts shown are like that.
    pub fn count(&self, which: impl Fn(&Verdict) -> bool) -> usize {
        self.shown.iter().filter(|verdict| which(verdict)).count()
    }

    pub fn ended(&self) -> bool {
        self.ended
    }
}

/// A record, as a row holds it.
pub fn encode(record: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(record).expect("a record can be stored")
}

fn decode<R: DeserializeOwned>(row: &[u8]) -> R {
    postcard::from_bytes(row).expect("a stored record can be read")
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
