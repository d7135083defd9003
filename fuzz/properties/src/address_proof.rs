//! `operations`, on the proof of one address: `ask`, `verify_link` and `verify_code`, against a model that keeps a state
//! of its own.
//!
//! Each three bytes are a command, as in `operations.rs`. The model never looks into the record: it knows what was
//! asked, sent and proven, and from that says every verdict, audit event and message to come.

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    BindingCode, Denial, Effect, Step, Swap,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose, ProofSettings, ProvenAddress},
    effect::{Descriptor, RenderError},
    policy::Rate,
    step::Committed,
};
use rand::rngs::ChaCha20Rng;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::{
    budgets::{Bucket, Budget, instant, millis},
    fixture::{START, address, ring, rng, subject},
    operations::{LOST, UNKNOWN, commands, host_expected, moved},
    outcome::{self, Expected, Seen},
};

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Command {
    what: u8,
    on: u8,
    how: u8,
}

pub(crate) const ASK: u8 = 0;
pub(crate) const LINK: u8 = 1;
pub(crate) const CODE: u8 = 2;
pub(crate) const CLOCK: u8 = 3;
pub(crate) const MOVE: u8 = 4;
pub(crate) const RENDER: u8 = 5;
const COMMANDS: u8 = 6;

/// Bits of `how`: what is presented is wrong, and the browser has the handle of the latest ask instead of its own, or
/// none.
const WRONG: u8 = 0x01;
const LATEST: u8 = 0x02;
const BARE: u8 = 0x04;

/// Journeys to start from, each command as its three bytes: through both purposes, through a stranger's asks, and with
/// an address that nobody has.
pub(crate) fn journeys() -> Vec<(&'static str, u8, Vec<[u8; 3]>)> {
    let confirm =
        [[ASK, 0, 0], [LINK, 0, BARE], [LINK, 0, WRONG], [RENDER, 0, 0], [LINK, 0, 0], [LINK, 0, 0]];
    let reset = [[ASK, 1, 0], [CODE, 0, WRONG], [RENDER, 0, 0], [CODE, 0, 0], [RENDER, 0, 0], [CLOCK, 0, 3]];
    let stranger = [[ASK, 0, 0], [ASK, 0, 0], [LINK, 1, LATEST], [ASK, 1, 0], [CLOCK, 0, 6], [LINK, 0, BARE]];
    let moved = [[ASK, 1, 0], [MOVE, 1, 0], [CODE, 0, 0], [MOVE, 0, 0], [CODE, 0, 0], [ASK, 1, 0x80]];
    vec![
        ("confirm", 1, [&confirm[..], &reset].concat()),
        ("reset", 1, [&reset[..], &confirm].concat()),
        ("stranger", 1, stranger.repeat(6)),
        ("moved", 1, moved.repeat(2)),
        ("absent", 0, [&confirm[..], &reset, &moved].concat()),
    ]
}

const fn purpose(choice: u8) -> ProofPurpose {
    if choice.is_multiple_of(2) { ProofPurpose::Confirm } else { ProofPurpose::Reset }
}

/// The policies, of which some leave few messages.
fn policy(choice: u8) -> ProofPolicy {
    let mut settings = ProofSettings::default();
    match choice % 4 {
        0 => {}
        1 => settings.send_bucket = Rate::new(1, Duration::seconds(30)),
        2 => settings.long_send_budget = Rate::new(3, Duration::hours(1)),
        _ => {
            settings.confirm_lifetime = Duration::minutes(90);
            settings.reset_lifetime = Duration::seconds(4_321);
        }
    }
    ProofPolicy::new(settings).unwrap()
}

/// The state that the model keeps of the one address.
struct Model {
    settings: ProofSettings,
    /// Which of the addresses the record has, if any.
    address: Option<u8>,
    /// How often an address was proven or changed.
    generation: u32,
    /// When each budget is full again: of the messages to confirm, then of those to reset.
    sends: [[Bucket; 2]; 2],
    /// When the record was last written, by the latest of the clocks that wrote it.
    updated: u64,
}

impl Model {
    fn rates(&self) -> [Budget; 2] {
        [self.settings.send_bucket, self.settings.long_send_budget].map(Budget::of)
    }

    /// Why no message is sent.
    fn withheld(&self, purpose: ProofPurpose, now: u64) -> Option<&'static str> {
        let mut budgets = self.sends[purpose as usize].iter().zip(self.rates());
        if self.address.is_none() {
            Some("absent_address")
        } else if budgets.any(|(bucket, rate)| bucket.refused(rate, now).is_some()) {
            Some("too_many_sends")
        } else {
            None
        }
    }

    fn lifetime(&self, purpose: ProofPurpose) -> u64 {
        let lifetime = match purpose {
            ProofPurpose::Confirm => self.settings.confirm_lifetime,
            _ => self.settings.reset_lifetime,
        };
        u64::try_from(lifetime.whole_milliseconds()).unwrap()
    }
}

/// An ask: the handle of its browser, and what was sent for it.
#[derive(Clone)]
struct Given {
    purpose: ProofPurpose,
    oob_code: String,
    deadline: u64,
    sent: Option<Sent>,
}

#[derive(Clone)]
struct Sent {
    token: String,
    code: BindingCode,
    descriptor: Descriptor,
    address: u8,
    generation: u32,
}

struct Run {
    verifier: AddressVerifier,
    rng: ChaCha20Rng,
    now: OffsetDateTime,
    record: AddressProof,
    model: Model,
    given: Vec<Given>,
    stored: bool,
}

pub(crate) fn check(u: &mut Unstructured, choice: u8) {
    let Ok(known) = u.arbitrary::<u8>().map(|byte| byte & 1 == 1) else { return };
    let policy = policy(choice);
    let record = match known {
        true => AddressProof::new(&subject(), address(0)),
        false => AddressProof::absent(&subject()),
    };
    let mut run = Run {
        model: Model {
            settings: policy.settings().clone(),
            address: known.then_some(0),
            generation: 0,
            sends: Default::default(),
            updated: 0,
        },
        verifier: AddressVerifier::new(ring("fuzz"), policy),
        rng: rng(8),
        now: START,
        record,
        given: Vec::new(),
        stored: false,
    };
    commands(u, |command| {
        run.take(command);
        run.check();
    });
}

impl Run {
    /// Commits a step as a store would that answers as `how` says. A step whose fate nobody knows was not written here:
    /// what becomes of one that was, `operations.rs` sees to.
    fn commit<T>(&mut self, step: Step<T, AddressProof>, how: u8) -> Option<Seen<T>> {
        let expected = self.stored.then(|| self.record.revision());
        let lost = step.writes() && how & (LOST | UNKNOWN) != 0;
        let mut written = None;
        let committed = step.commit(|write| {
            assert_eq!(write.expected, expected, "a step replaces what was loaded");
            if lost {
                return if how & LOST != 0 { Ok(Swap::Lost) } else { Err("the connection broke") };
            }
            written = Some((write.record, write.outbox));
            Ok(Swap::Stored)
        });
        let (written, outbox) = written.unzip();
        if let Some(record) = written {
            self.stored = true;
            let bytes = postcard::to_stdvec(&record).unwrap();
            self.record = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(self.record, record);
            let text = serde_json::to_vec(&record).unwrap();
            assert_eq!(serde_json::from_slice::<AddressProof>(&text).unwrap(), record);
        }
        match committed {
            Ok(Committed::Done(outcome)) => Some(Seen::of(outcome, outbox)),
            Ok(Committed::Lost) | Err(_) => {
                assert!(lost, "nothing is lost that was stored");
                None
            }
        }
    }

    fn judge<T>(&mut self, seen: &Seen<T>, mut expected: Expected, writes: bool) {
        let now = expected.at;
        assert_eq!(seen.outbox.is_some(), writes, "what {} writes", expected.command);
        if writes {
            expected.told.extend(outcome::clock(self.model.updated, now));
            self.model.updated = self.model.updated.max(now);
        }
        let mut secrets: Vec<&str> = vec!["@example.com"];
        secrets.extend(self.given.iter().map(|given| given.oob_code.as_str()));
        let sent = self.given.iter().filter_map(|given| given.sent.as_ref());
        secrets.extend(sent.flat_map(|sent| [sent.token.as_str(), sent.code.expose()]));
        outcome::check(seen, expected, &secrets);
    }

    /// The record's budgets, address and generation are the model's, and so is whether its row may go.
    fn check(&self) {
        let stored = serde_json::to_value(&self.record).unwrap()["v1"].take();
        let model = &self.model;
        let plain = model.sends.map(|budgets| budgets.map(Bucket::full_at));
        let budgets = |[send, long_send]: [u64; 2]| json!({ "send": send, "long_send": long_send });
        assert_eq!(
            stored["sends"],
            json!({ "confirm": budgets(plain[0]), "reset": budgets(plain[1]) }),
            "messages"
        );
        assert_eq!(stored["generation"], model.generation);
        let to = model.address.map(address);
        assert_eq!(self.record.address(), to.as_ref());
        let now = millis(self.now);
        let idle = model.updated + 86_400_000 <= now && plain.as_flattened().iter().all(|full| *full <= now);
        assert_eq!(self.record.is_idle(self.now), idle, "whether the row may go");
    }

    fn take(&mut self, Command { what, on, how }: Command) {
        match what % COMMANDS {
            ASK => self.ask(on, how),
            LINK => self.link(on, how),
            CODE => self.code(on, how),
            CLOCK => self.now = moved(self.now, on, how),
            MOVE => self.change_address(on),
            _ => self.render(on),
        }
    }

    fn ask(&mut self, on: u8, how: u8) {
        let (now, ms, purpose) = (self.now, millis(self.now), purpose(on));
        let withheld = self.model.withheld(purpose, ms);
        let entropy = crate::fixture::entropy(&mut self.rng);
        let before = self.verifier.asked(&subject(), purpose, now, &entropy);
        let step = self.verifier.ask(self.record.clone(), purpose, now, &entropy);
        let Some(seen) = self.commit(step, how) else { return };
        let mut expected = host_expected("ask", None, &Ok(()), now);
        expected.withheld = withheld;
        self.judge(&seen, expected, withheld.is_none());
        let answer = seen.result.expect("an ask is never denied");
        let (oob_code, deadline) = (answer.oob_code.expose().to_owned(), ms + self.model.lifetime(purpose));
        assert_eq!((before.oob_code.expose(), before.expires), (oob_code.as_str(), answer.expires));
        assert_eq!(answer.expires, instant(deadline));
        assert!(self.given.iter().all(|given| given.oob_code != oob_code), "a handle is new");
        let mail = seen.effects.into_iter().find_map(|effect| match effect {
            Effect::Send(mail) => Some(mail),
            _ => None,
        });
        assert_eq!(mail.is_some(), withheld.is_none(), "a message is sent unless it is withheld");
        let sent = mail.map(|mail| {
            let rates = self.model.rates();
            let budgets = &mut self.model.sends[purpose as usize];
            budgets.iter_mut().zip(rates).for_each(|(bucket, rate)| bucket.charge(rate, ms));
            let to = self.model.address.expect("somebody has the address");
            assert_eq!((mail.to.as_str(), mail.expires), (address(to).as_str(), answer.expires));
            let (token, code) = mail.content.link().expect("a link");
            let descriptor = seen.outbox.unwrap().pop().expect("a descriptor");
            let (token, code, generation) = (token.expose().to_owned(), code.clone(), self.model.generation);
            Sent { token, code, descriptor, address: to, generation }
        });
        self.given.push(Given { purpose, oob_code, deadline, sent });
    }

    /// The ask that a command is about, counted from the latest.
    fn chosen(&self, on: u8) -> Option<Given> {
        self.given.iter().rev().nth(usize::from(on % 16)).cloned()
    }

    /// What a presented link or code comes to, and whether it is compared.
    fn proves(&self, sent: &Sent, right: bool) -> Result<(), Denial> {
        let model = &self.model;
        let fits = model.address == Some(sent.address) && model.generation == sent.generation;
        if right && fits { Ok(()) } else { Err(Denial::InvalidAddressProof) }
    }

    fn link(&mut self, on: u8, how: u8) {
        let Some(given) = self.chosen(on) else { return };
        let Some(sent) = &given.sent else { return };
        let (now, ms, right) = (self.now, millis(self.now), how & WRONG == 0);
        let mut token = sent.token.clone();
        if !right {
            let last = if token.pop() == Some('A') { 'Q' } else { 'A' };
            token.push(last);
        }
        let browser = match (how & BARE, how & LATEST) {
            (0, 0) => Some(given.clone()),
            (0, _) => self.given.last().cloned(),
            _ => None,
        };
        let browser = browser.filter(|browser| browser.purpose == given.purpose);
        let asked_here = given.purpose == ProofPurpose::Reset
            || browser.as_ref().is_some_and(|browser| ms < browser.deadline);
        let compared = asked_here && ms < given.deadline;
        let verdict = if compared { self.proves(sent, right) } else { Err(Denial::InvalidAddressProof) };
        let link = self.verifier.open_link(&subject(), given.purpose, &token).unwrap();
        let handle = browser.map(|browser| {
            self.verifier.open_handle(&subject(), browser.purpose, &browser.oob_code).unwrap()
        });
        let step = self.verifier.verify_link(self.record.clone(), &link, handle.as_ref(), now);
        self.judge_proof(step, ("verify_link", &given, how), compared, verdict);
    }

    fn code(&mut self, on: u8, how: u8) {
        let Some(given) = self.chosen(on) else { return };
        let (now, ms) = (self.now, millis(self.now));
        // A code of another ask is as wrong as one that is none.
        let own = given.sent.as_ref().filter(|_| how & WRONG == 0);
        let other = self.given.iter().find(|other| other.oob_code != given.oob_code);
        let none = BindingCode::parse("12345678901234567890").unwrap();
        let other = other.and_then(|other| other.sent.as_ref()).map_or(&none, |sent| &sent.code);
        let code = own.map_or(other, |sent| &sent.code);
        let compared = ms < given.deadline;
        let verdict = match own {
            Some(sent) if compared => self.proves(sent, true),
            _ => Err(Denial::InvalidAddressProof),
        };
        let handle = self.verifier.open_handle(&subject(), given.purpose, &given.oob_code).unwrap();
        let step = self.verifier.verify_code(self.record.clone(), &handle, code, now);
        self.judge_proof(step, ("verify_code", &given, how), compared, verdict);
    }

    fn judge_proof(
        &mut self,
        step: Step<ProvenAddress, AddressProof>,
        (command, given, how): (&'static str, &Given, u8),
        compared: bool,
        verdict: Result<(), Denial>,
    ) {
        let Some(seen) = self.commit(step, how) else { return };
        let mut expected = host_expected(command, None, &verdict, self.now);
        expected.evaluated = compared;
        self.judge(&seen, expected, verdict.is_ok());
        if let Ok(proven) = seen.result {
            self.model.generation += 1;
            assert_eq!(proven.purpose, given.purpose, "a purpose proves its own");
            assert_eq!(Some(proven.address), self.model.address.map(address));
            assert_eq!(proven.at, instant(millis(self.now)));
        }
    }

    fn change_address(&mut self, on: u8) {
        let number = on % 4;
        self.record = self.record.clone().for_address(&address(number));
        if self.model.address != Some(number) {
            (self.model.address, self.model.generation) = (Some(number), self.model.generation + 1);
        }
    }

    fn render(&self, on: u8) {
        let Some(Given { sent: Some(sent), deadline, .. }) = self.chosen(on) else { return };
        let Descriptor::Link(descriptor) = &sent.descriptor else { panic!("{:?}", sent.descriptor) };
        let rendered = self.verifier.render(&self.record, descriptor, self.now);
        let live = self.proves(&sent, true).is_ok() && millis(self.now) < deadline;
        match rendered {
            Ok(Effect::Send(mail)) if live => {
                let (token, code) = mail.content.link().expect("a link");
                assert_eq!((token.expose(), code.expose()), (sent.token.as_str(), sent.code.expose()));
                assert_eq!(mail.id, sent.descriptor.id());
            }
            Err(RenderError::NotLive) if !live => {}
            other => panic!("{other:?} of a message that is live: {live}"),
        }
    }
}
