//! A plain model of what section 6 of the design promises, kept beside the record and compared with it after every step.
//!
//! It knows nothing of the library's internals: it sees what came out of each step, and reads the record in its stored
//! form.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    Account, AuditEvent, Authenticator, Challenge, ChallengeState, Command, Denial, Descriptor, Effect,
    Enrollment, Event, IssueToken, Message, Opener, Policy, Revision, Verifier,
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    budget::{Budgets, millis_of},
    support::{json, millis},
};

/// One step, seen from outside.
pub struct Done {
    pub command: Command,
    pub before: Account,
    pub after: Account,
    /// The revision that the store had to hold, and the outbox, if the step wrote.
    pub write: Option<(Option<Revision>, Vec<Descriptor>)>,
    pub effects: Vec<Effect>,
    pub audit: AuditEvent,
    pub verdict: Result<(), Denial>,
    pub now: OffsetDateTime,
    /// When the session began, if a session asked.
    pub begun: Option<u64>,
}

pub struct Model {
    policy: Policy,
    budgets: Budgets,
    /// Wrong codes of each transaction and authenticator; recovery codes stand under an empty authenticator.
    wrong: BTreeMap<(String, String), u64>,
    /// When each pair was last sent a code that is not known to have failed.
    sent: BTreeMap<(String, String), u64>,
    failures: BTreeMap<String, u8>,
    /// The token of each transaction, and when that began.
    tokens: BTreeMap<String, (u64, IssueToken)>,
    /// What began after the time of an unlock: once its entry is gone, nothing says any more that it was spent.
    reopened: BTreeSet<String>,
    ended: BTreeMap<String, ChallengeState>,
    gone: BTreeSet<String>,
    disabled: BTreeSet<String>,
}

fn list<'a>(record: &'a Value, name: &str) -> &'a [Value] {
    record[name].as_array().expect("a list")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn challenge_id(challenge: &Challenge) -> String {
    format!("{:?}", challenge.id())
}

impl Model {
    pub fn new(policy: Policy) -> Self {
        let budgets = Budgets::new(policy.clone());
        Self {
            policy,
            budgets,
            wrong: BTreeMap::new(),
            sent: BTreeMap::new(),
            failures: BTreeMap::new(),
            tokens: BTreeMap::new(),
            reopened: BTreeSet::new(),
            ended: BTreeMap::new(),
            gone: BTreeSet::new(),
            disabled: BTreeSet::new(),
        }
    }

    /// Whether a budget has nothing left.
    pub fn is_empty(&self, name: &str, now: OffsetDateTime) -> bool {
        self.budgets.is_empty(name, now)
    }

    pub fn is_locked(&self, now: OffsetDateTime) -> bool {
        self.budgets.is_locked(now)
    }

    /// How many wrong codes this pair may still present.
    pub fn attempts_left(&self, transaction: &str, authenticator: &str) -> u64 {
        let most = if authenticator.is_empty() { 5 } else { u64::from(self.policy.attempts) };
        let key = (transaction.to_owned(), authenticator.to_owned());
        most.checked_sub(self.wrong.get(&key).copied().unwrap_or(0))
            .expect("never more than the policy allows")
    }

    /// Follows one step, and checks everything that must hold after it.
    pub fn follow(&mut self, verifier: &Verifier, done: &Done) {
        let (before, after) = (json(&done.before), json(&done.after));
        if done.write.is_some() {
            check_stored_form(&done.after);
        }
        self.check_write(done);
        self.check_ledger(done, &after);
        self.check_attempts(done, &after);
        self.check_authenticators(done);
        self.check_challenges(done);
        self.check_effects(verifier, done, &after);
        self.check_lists(&done.after, &after);
        let may_unenrol = matches!(done.command, Command::Remove | Command::Reset);
        assert!(done.after.is_enrolled() || !done.before.is_enrolled() || may_unenrol);
        for bound in ["not_before", "elevated_not_before"] {
            let falls = after[bound].as_u64() < before[bound].as_u64();
            assert!(!falls || done.command == Command::Unlock, "{bound} went back");
        }
    }

    fn check_write(&self, done: &Done) {
        match &done.write {
            Some((expected, outbox)) => {
                let next = done.after.revision().get();
                let fresh = expected.is_none();
                assert!(fresh || *expected == Some(done.before.revision()));
                let follows = done.before.revision().get().wrapping_add(1) & (u64::MAX >> 1);
                assert_eq!(next, if fresh { done.before.revision().get() } else { follows });
                let mails = |descriptor: &&Descriptor| matches!(descriptor, Descriptor::SendEmail(_));
                let sent = |effect: &&Effect| matches!(effect, Effect::SendEmail(_));
                let sent = done.effects.iter().filter(sent).count();
                assert_eq!(outbox.iter().filter(mails).count(), sent);
            }
            None => {
                assert!(done.before == done.after, "the store was not called");
                let told_again = |effect: &Effect| match effect {
                    Effect::IssueToken(token) => self.tokens.values().any(|(_, known)| known == token),
                    _ => false,
                };
                assert!(done.effects.iter().all(told_again), "an effect of a record that was not stored");
                let counted = done.verdict.as_ref().is_err_and(Denial::is_counted);
                assert!(!counted, "a verdict that was not charged");
            }
        }
    }

    fn check_ledger(&mut self, done: &Done, after: &Value) {
        let now = done.now;
        match done.verdict {
            Err(Denial::InvalidBindingCode { .. }) => {
                self.budgets.take("guess", now);
                self.budgets.take("long_guess", now);
            }
            Err(Denial::InvalidRecoveryCode) if !self.is_empty("recovery", now) => {
                self.budgets.take("recovery", now)
            }
            _ => {}
        }
        for effect in &done.effects {
            if let Effect::SendEmail(_) = effect {
                assert!(!self.is_locked(now), "a message during a lock");
                self.budgets.take("send", now);
                self.budgets.take("long_send", now);
            }
        }
        if done.command == Command::Unlock {
            self.budgets.unlock(millis(now));
            // An administrator whose clock is behind reopens what began after it.
            let began_later = self.tokens.iter().filter(|(_, (begun, _))| *begun > millis(now));
            self.reopened.extend(began_later.map(|(id, _)| id.clone()));
        }
        for (name, instant) in &self.budgets.ledger {
            assert_eq!(after["ledger"][name], *instant, "{name}");
        }
    }

    fn check_attempts(&mut self, done: &Done, after: &Value) {
        let audit = &done.audit;
        let transaction = audit.transaction.map(|id| format!("{id:?}")).unwrap_or_default();
        let authenticator = audit.authenticator.map(|id| id.to_string()).unwrap_or_default();
        match done.verdict {
            Err(Denial::InvalidBindingCode { attempts_left }) => {
                *self.wrong.entry((transaction.clone(), authenticator.clone())).or_default() += 1;
                *self.failures.entry(authenticator.clone()).or_default() += 1;
                assert_eq!(u64::from(attempts_left), self.attempts_left(&transaction, &authenticator));
            }
            Err(Denial::InvalidRecoveryCode) => {
                *self.wrong.entry((transaction.clone(), String::new())).or_default() += 1;
                self.attempts_left(&transaction, "");
            }
            Ok(()) if done.command == Command::VerifyOob => {
                self.failures.insert(authenticator.clone(), 0);
            }
            _ => {}
        }
        if done.effects.iter().any(|effect| matches!(effect, Effect::SendEmail(_))) {
            let pair = (transaction, authenticator);
            let until = self.sent.get(&pair).map(|sent| sent + millis_of(self.policy.cool_down));
            assert!(until.is_none_or(|until| until <= millis(done.now)), "a message inside the cool-down");
            self.sent.insert(pair, millis(done.now));
        }
        // An entry that left takes its counts with it; what is left agrees with the record.
        let (mut kept, mut still_sent) = (BTreeMap::new(), BTreeMap::new());
        for entry in list(after, "transactions") {
            let id = text(&entry["id"]);
            for pair in list(entry, "pairs") {
                let key = (id.clone(), text(&pair["authenticator"]));
                let lifted = done.command == Command::ReportDelivery && pair["last_send"].is_null();
                if let Some(instant) = self.sent.get(&key).filter(|_| !lifted) {
                    assert_eq!(pair["last_send"], *instant);
                    still_sent.insert(key, *instant);
                }
            }
            let pairs = list(entry, "pairs")
                .iter()
                .map(|pair| (text(&pair["authenticator"]), &pair["attempts_left"]));
            for (authenticator, left) in pairs.chain([(String::new(), &entry["recovery_attempts"])]) {
                assert_eq!(*left, self.attempts_left(&id, &authenticator), "{id} {authenticator}");
                let key = (id.clone(), authenticator);
                let count = self.wrong.get(&key).copied().unwrap_or(0);
                kept.insert(key, count);
            }
        }
        (self.wrong, self.sent) = (kept, still_sent);
    }

    fn check_authenticators(&mut self, done: &Done) {
        let find = |account: &Account, id: &str| {
            let known = account.authenticators().iter().find(|known| known.id().to_string() == id);
            known.map(|known| known.enrollment().clone())
        };
        for known in done.before.authenticators() {
            let id = known.id().to_string();
            if find(&done.after, &id).is_none() {
                self.gone.insert(id);
            }
        }
        let of_first_factor = |known: &Authenticator| match known.enrollment() {
            Enrollment::Unconfirmed(state) => state.opened_by() == Opener::FirstFactor,
            _ => false,
        };
        let confirmed = done.command == Command::VerifyOob && done.verdict.is_ok();
        for known in done.after.authenticators() {
            let id = known.id().to_string();
            let is_new = find(&done.before, &id).is_none();
            assert!(!self.gone.contains(&id), "an authenticator came back");
            match (find(&done.before, &id), known.enrollment()) {
                (Some(Enrollment::Active), Enrollment::Active)
                | (Some(Enrollment::Unconfirmed(_)) | None, Enrollment::Unconfirmed(_)) => {}
                (Some(Enrollment::Unconfirmed(_)), Enrollment::Active) => {
                    assert!(confirmed && !done.after.authenticators().iter().any(of_first_factor));
                }
                (None, Enrollment::Active) => assert_eq!(done.command, Command::Provision),
                (Some(Enrollment::Active | Enrollment::Disabled) | None, Enrollment::Disabled) => {
                    self.disabled.insert(id.clone());
                }
                (was, is) => panic!("{was:?} became {is:?}"),
            }
            assert!(!self.disabled.contains(&id) || *known.enrollment() == Enrollment::Disabled);
            if is_new && done.command == Command::Provision {
                self.check_move(done, known);
            }
            assert_eq!(known.failures(), self.failures.get(&id).copied().unwrap_or(0));
            let capped = known.failures() >= self.policy.failure_cap;
            assert!(!capped || *known.enrollment() == Enrollment::Disabled, "the cap was passed");
        }
    }

    /// A provisioned address that takes another's place takes its failures and stays disabled if that was.
    fn check_move(&mut self, done: &Done, known: &Authenticator) {
        let record = json(&done.before);
        let former = list(&record, "authenticators").iter().find(|former| former["origin"] == "provisioned");
        let was_disabled = former.is_some_and(|former| former["enrollment"] == "disabled");
        assert_eq!(*known.enrollment() == Enrollment::Disabled, was_disabled);
        let failures =
            former.and_then(|former| self.failures.get(&text(&former["id"])).copied()).unwrap_or(0);
        self.failures.insert(known.id().to_string(), failures);
    }

    fn check_challenges(&mut self, done: &Done) {
        let gone = done.before.challenges().iter().map(challenge_id);
        let still: BTreeSet<_> = done.after.challenges().iter().map(challenge_id).collect();
        self.gone.extend(gone.filter(|id| !still.contains(id)));
        for challenge in done.after.challenges() {
            let id = challenge_id(challenge);
            assert!(!self.gone.contains(&id), "a challenge came back");
            if let Some(state) = self.ended.get(&id) {
                assert_eq!(challenge.state(), state, "a final state was left");
            } else if !matches!(challenge.state(), ChallengeState::Pending(_)) {
                self.ended.insert(id, challenge.state().clone());
            }
        }
    }

    fn check_effects(&mut self, verifier: &Verifier, done: &Done, after: &Value) {
        let outbox = done.write.as_ref().map_or(&[][..], |(_, outbox)| outbox);
        let waiting = |known: &Challenge| matches!(known.state(), ChallengeState::Pending(_));
        for effect in &done.effects {
            match effect {
                Effect::SendEmail(mail) => {
                    let descriptor =
                        outbox.iter().find(|known| known.id() == mail.id).expect("its descriptor");
                    let message = verifier.render(&done.after, descriptor, done.now);
                    let Ok(Message::SendEmail(rendered)) = message else { panic!("{message:?}") };
                    assert_eq!((rendered.code.expose(), rendered.id), (mail.code.expose(), mail.id));
                    assert_eq!(rendered.to, mail.to);
                }
                Effect::IssueToken(token) => {
                    let id = format!("{:?}", done.audit.transaction.expect("a transaction"));
                    let entry = list(after, "transactions").iter().find(|entry| entry["id"] == *id);
                    let spent = &entry.expect("the transaction is known")["spent"];
                    assert_eq!(spent["by"], token.evidence.authenticator.to_string());
                    assert!(done.verdict.is_ok());
                    let others = self.tokens.iter().filter(|(of, _)| **of != id);
                    assert!(
                        others.into_iter().all(|(_, (_, known))| known.id != token.id),
                        "two transactions, one id"
                    );
                    let known = self.tokens.get(&id).map(|(_, known)| known);
                    let told_again = done.write.is_none() && known == Some(token);
                    let first = done.write.is_some() && (known.is_none() || self.reopened.remove(&id));
                    assert!(told_again || first, "a second token");
                    self.tokens.insert(id, (done.begun.expect("a session"), token.clone()));
                }
                Effect::Notify(notify) => {
                    match &notify.event {
                        Event::ClockDisagrees { behind_ms } => {
                            assert!(*behind_ms > 60_000);
                            continue;
                        }
                        Event::Locked { .. } => {
                            assert!(self.is_locked(done.now) && !done.after.challenges().iter().any(waiting));
                        }
                        Event::Disabled { authenticator, .. } => {
                            let mut theirs = done
                                .after
                                .challenges()
                                .iter()
                                .filter(|c| c.authenticator() == *authenticator);
                            assert!(!theirs.any(waiting));
                            assert!(after["not_before"].as_u64() >= Some(millis(done.now)));
                        }
                        _ => {}
                    }
                    assert!(outbox.contains(&Descriptor::Notify(notify.clone())));
                }
                other => panic!("unknown effect {other:?}"),
            }
        }
    }

    fn check_lists(&self, account: &Account, record: &Value) {
        let unconfirmed = |known: &&Authenticator| matches!(known.enrollment(), Enrollment::Unconfirmed(_));
        let unconfirmed = account.authenticators().iter().filter(unconfirmed).count();
        assert!(unconfirmed <= usize::from(self.policy.max_unconfirmed));
        let confirmed = account.authenticators().len() - unconfirmed;
        assert!(confirmed <= usize::from(self.policy.max_authenticators));
        assert!(account.challenges().len() <= usize::from(self.policy.max_challenges));
        assert!(account.recovery_codes_left() <= self.policy.recovery_codes);
        assert!(list(record, "transactions").len() <= 16);
    }
}

/// The record saves and loads to an equal one, in both stored forms.
fn check_stored_form(account: &Account) {
    let text = serde_json::to_string(account).unwrap();
    assert!(serde_json::from_str::<Account>(&text).unwrap() == *account, "{text}");
    let bytes = postcard::to_stdvec(account).unwrap();
    assert!(postcard::from_bytes::<Account>(&bytes).unwrap() == *account, "{text}");
}
