//! A race: several nodes work on stale copies of one record, in every order in which their loads and swaps can fall.
//!
//! A step is a function of the copy that it was given and of its own randomness, so its place between its node's load
//! and swap can make no difference; the orders enumerated here are those of the loads and swaps. Orders that have led
//! to the same state go on from there together.

use std::collections::HashMap;

use countersign::{
    Account, BindingCode, ChallengeRequest, Denial, Effect, Session, Step, Swap, Verifier,
    code::{OobCode, RecoveryCode},
    command::OtpRequest,
    effect::IssueToken,
    session::{DeviceId, OobHandle},
    step::Committed,
};
use rand::{SeedableRng, rngs::ChaCha20Rng};
use time::OffsetDateTime;

use crate::{Given, Mail, World, bucket, email, json, millis};

#[derive(Clone)]
pub enum Move {
    Verify(Session, OobHandle, BindingCode),
    Otp(Session, OtpRequest),
    Recover(Session, RecoveryCode),
    Associate(Session, &'static str),
    /// Presents the code that the node's own `Associate` sent.
    Confirm(Session),
    Challenge(Session),
    /// Signs in by the remembered device of the session.
    Device(Session),
    Forget(Session, DeviceId),
}

#[derive(Clone)]
pub struct Node {
    moves: Vec<Move>,
    next: usize,
    tries: usize,
    copy: Option<Account>,
    sent: Option<(OobCode, BindingCode)>,
}

/// What was stored, and what the nodes were shown.
#[derive(Clone)]
pub struct State {
    pub account: Account,
    nodes: Vec<Node>,
    pub answers: Vec<Result<(), Denial>>,
    pub tokens: Vec<IssueToken>,
    pub mails: Vec<Mail>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Store {
    /// A lost swap is tried again from a fresh load.
    SwapAndRetry,
    /// A lost swap is given up.
    Swap,
    LastWriteWins,
}

pub struct Scene {
    verifier: Verifier,
    now: OffsetDateTime,
    account: Account,
    nodes: Vec<Vec<Move>>,
}

impl Scene {
    pub fn new(world: &mut World, nodes: Vec<Vec<Move>>) -> Self {
        Self { verifier: world.verifier.clone(), now: world.now, account: world.account(), nodes }
    }

    /// Plays every order, shows each end to `check`, and gives the number of orders.
    pub fn play(&self, store: Store, mut check: impl FnMut(&State)) -> u64 {
        let node =
            |moves: &Vec<Move>| Node { moves: moves.clone(), next: 0, tries: 0, copy: None, sent: None };
        let nodes = self.nodes.iter().map(node).collect();
        let (account, answers, tokens, mails) = (self.account.clone(), Vec::new(), Vec::new(), Vec::new());
        let state = State { account, nodes, answers, tokens, mails };
        self.visit(&state, store, &mut HashMap::new(), &mut check)
    }

    fn visit(
        &self,
        state: &State,
        store: Store,
        known: &mut HashMap<Vec<u8>, u64>,
        check: &mut impl FnMut(&State),
    ) -> u64 {
        let key = state.key();
        if let Some(orders) = known.get(&key) {
            return *orders;
        }
        let waiting = |&place: &usize| state.nodes[place].next < state.nodes[place].moves.len();
        let waiting: Vec<_> = (0..state.nodes.len()).filter(waiting).collect();
        if waiting.is_empty() {
            check(state);
        }
        let mut orders = u64::from(waiting.is_empty());
        for place in waiting {
            assert!(state.nodes[place].tries < 10, "a node starves");
            let mut next = state.clone();
            match next.nodes[place].copy.take() {
                None => next.nodes[place].copy = Some(next.account.clone()),
                Some(copy) => self.step(&mut next, place, copy, store),
            }
            orders += self.visit(&next, store, known, check);
        }
        known.insert(key, orders);
        orders
    }

    fn step(&self, state: &mut State, place: usize, copy: Account, store: Store) {
        let node = &state.nodes[place];
        let mut rng = ChaCha20Rng::seed_from_u64((place * 100 + node.next * 10 + node.tries) as u64);
        let (verifier, now) = (&self.verifier, self.now);
        match node.moves[node.next].clone() {
            Move::Verify(session, handle, code) => {
                settle(
                    state,
                    place,
                    store,
                    verifier.verify_oob(&session, copy, &handle, &code, now, None),
                    |_| None,
                );
            }
            Move::Otp(session, request) => {
                let step = verifier.verify_otp(&session, copy, &request, now, None);
                settle(state, place, store, step, |_| None);
            }
            Move::Recover(session, code) => {
                settle(state, place, store, verifier.verify_recovery(&session, copy, &code, now), |_| None);
            }
            Move::Associate(session, to) => {
                let step = verifier.associate(&session, copy, &email(to), now, &crate::entropy(&mut rng));
                settle(state, place, store, step, |answer| Some(Given::from(answer).oob_code));
            }
            Move::Confirm(session) => match node.sent.clone() {
                Some((oob_code, code)) => {
                    let handle = verifier.open_oob_code(&session, oob_code.expose()).unwrap();
                    let step = verifier.verify_oob(&session, copy, &handle, &code, now, None);
                    settle(state, place, store, step, |_| None);
                }
                None => state.nodes[place].next += 1,
            },
            Move::Device(session) => {
                settle(state, place, store, verifier.verify_device(&session, copy, now), |_| None);
            }
            Move::Forget(session, device) => {
                settle(state, place, store, verifier.forget(&session, copy, device, now), |_| None);
            }
            Move::Challenge(session) => {
                let request = ChallengeRequest::default();
                let step = verifier.challenge(&session, copy, &request, now, &crate::entropy(&mut rng));
                settle(state, place, store, step, |answer| Some(Given::from(answer).oob_code));
            }
        }
    }

    /// The greatest number that `count` gives for any order.
    pub fn most(&self, store: Store, count: impl Fn(&State) -> usize) -> usize {
        let mut most = 0;
        self.play(store, |end| most = most.max(count(end)));
        most
    }

    /// Plays the scene with and without retries: whatever was shown was charged, and what was charged was shown.
    pub fn hold(&self, mut check: impl FnMut(&State, Store)) {
        for store in [Store::SwapAndRetry, Store::Swap] {
            let orders = self.play(store, |end| {
                let settings = self.verifier.policy().settings();
                let charged = |name, every: time::Duration, times: usize| {
                    let before = bucket(&self.account, name);
                    let every = every.whole_milliseconds() as u64;
                    let after =
                        if times == 0 { before } else { before.max(millis(self.now)) + every * times as u64 };
                    assert_eq!(bucket(&end.account, name), after, "{name} {store:?}");
                };
                charged("guess", settings.guess_bucket.every(), end.wrong());
                charged("long_guess", settings.long_guess_budget.unwrap().every(), end.wrong());
                charged("recovery", settings.recovery_bucket.every(), end.wrong_recovery());
                charged("send", settings.send_bucket.every(), end.mails.len());
                check(end, store);
            });
            assert!(orders > 1);
        }
    }
}

fn settle<T>(
    state: &mut State,
    place: usize,
    store: Store,
    step: Step<T>,
    handle: impl FnOnce(T) -> Option<OobCode>,
) {
    let (write, sealed) = step.into_parts();
    let answer = match write {
        Some(write) if store != Store::LastWriteWins && write.expected != Some(state.account.revision()) => {
            Swap::Lost
        }
        Some(write) => {
            state.account = write.record;
            Swap::Stored
        }
        None => Swap::Stored,
    };
    let node = &mut state.nodes[place];
    let Committed::Done(outcome) = sealed.open(answer) else {
        node.tries += 1;
        if store == Store::Swap {
            node.next = node.moves.len();
        }
        return;
    };
    (node.next, node.tries) = (node.next + 1, 0);
    let (result, effects) = outcome.into_parts();
    for effect in effects {
        match effect {
            Effect::IssueToken(token) => state.tokens.push(token),
            Effect::Send(message) => state.mails.push(message.into()),
            _ => {}
        }
    }
    let answer = result.map(|answer| {
        if let (Some(oob_code), Some(mail)) = (handle(answer), state.mails.last()) {
            node.sent = Some((oob_code, mail.code.clone()));
        }
    });
    state.answers.push(answer);
}

impl State {
    /// Everything that the rest of a play depends on or a check looks at.
    fn key(&self) -> Vec<u8> {
        let mut answers: Vec<_> = self.answers.iter().map(|answer| format!("{answer:?}")).collect();
        answers.sort();
        let mut tokens: Vec<_> = self.tokens.iter().map(|token| format!("{token:?}")).collect();
        tokens.sort();
        let mails: Vec<_> = self.mails.iter().map(|mail| mail.id.to_string()).collect();
        let sent = |node: &Node| node.sent.as_ref().map(|(oob_code, _)| oob_code.expose().to_owned());
        let nodes = self.nodes.iter().map(|node| (&node.copy, node.next, node.tries, sent(node)));
        let nodes: Vec<_> = nodes.collect();
        postcard::to_stdvec(&(&self.account, nodes, answers, tokens, mails)).unwrap()
    }

    pub fn count(&self, which: impl Fn(&Result<(), Denial>) -> bool) -> usize {
        self.answers.iter().filter(|answer| which(answer)).count()
    }

    pub fn wrong(&self) -> usize {
        self.count(|answer| {
            matches!(answer, Err(Denial::InvalidBindingCode { .. } | Denial::InvalidOtpCode { .. }))
        })
    }

    pub fn wrong_recovery(&self) -> usize {
        self.count(|answer| matches!(answer, Err(Denial::InvalidRecoveryCode)))
    }

    pub fn right(&self) -> usize {
        self.count(|answer| answer.is_ok())
    }

    /// How many tokens came out, where effects of one id are one token.
    pub fn tokens(&self) -> usize {
        let mut ids: Vec<_> = self.tokens.iter().map(countersign::effect::IssueToken::id).collect();
        ids.sort();
        ids.dedup();
        ids.len()
    }

    pub fn attempts_left(&self, session: &Session) -> u64 {
        let record = json(&self.account);
        let id = format!("{:?}", session.transaction());
        let entry = record["transactions"].as_array().unwrap().iter().find(|entry| entry["id"] == *id);
        entry.expect("the transaction")["pairs"][0]["attempts_left"].as_u64().unwrap()
    }
}
