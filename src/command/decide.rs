//! How every command ends: refused and unchanged, answered and unchanged, or stored.

use alloc::vec::Vec;

use crate::{
    crypto::entropy::Entropy,
    keys::{draws::Draws, keyring::KeyRing},
    outcome::{
        audit::AuditEvent,
        denial::Denial,
        effect::Effect,
        end_sessions::{EndReason, EndSessions},
        issue_token::IssueToken,
        notify::{Notice, Notify},
        send::{Descriptor, LinkDescriptor, Message, MessageDescriptor},
        step::{Outcome, Step, Write},
    },
    policy::bounds::CLOCK_LEEWAY_MS,
    record::{
        account::AccountBody,
        record::{Body, Internal},
    },
    value::{epoch::Epoch, id::TransactionId, instant::Millis, revision::Revision},
};

/// What a command decided.
pub(crate) enum Decision<T> {
    /// The record changed; this is the verdict. It can be a denial: a wrong code changes the record.
    Store(Result<T, Denial>),
    /// The record stays as it is.
    Unchanged(T),
}

/// What a command gathers on its way.
pub(crate) struct StepBuilder {
    pub(crate) audit: AuditEvent,
    effects: Vec<Effect>,
    outbox: Vec<Descriptor>,
}

impl StepBuilder {
    /// Few steps have more than two effects. They are large: for four, the room that a vector takes unasked, an allocator
    /// has to search.
    fn add(&mut self, effect: Effect) {
        if self.effects.is_empty() {
            self.effects.reserve_exact(2);
        }
        self.effects.push(effect);
    }

    pub(crate) fn send(&mut self, message: Message, descriptor: MessageDescriptor) {
        self.add(Effect::Send(message));
        self.outbox.push(Descriptor::Send(descriptor));
    }

    pub(crate) fn send_link(&mut self, message: Message, descriptor: LinkDescriptor) {
        self.add(Effect::Send(message));
        self.outbox.push(Descriptor::Link(descriptor));
    }

    pub(crate) fn issue(&mut self, token: IssueToken) {
        self.add(Effect::IssueToken(token));
    }

    /// Ends all sessions of the account but those of a transaction that acts, for a reason. Returns the epoch that begins.
    pub(crate) fn end_sessions(
        &mut self,
        account: &mut AccountBody,
        (by, reason): (Option<TransactionId>, EndReason),
        now: Millis,
    ) -> Epoch {
        let epoch = account.raise_epoch(by, now);
        let end = EndSessions::new(account.subject(), epoch, by, reason);
        self.add(Effect::EndSessions(end.clone()));
        self.outbox.push(Descriptor::EndSessions(end));
        epoch
    }

    pub(crate) fn notify<B: Body>(&mut self, record: &B, notice: Notice, now: Millis) {
        let notify = Notify::new(record.subject(), notice, record.next_revision().get(), now);
        self.add(Effect::Notify(notify.clone()));
        self.outbox.push(Descriptor::Notify(notify));
    }
}

/// Runs a command that draws: what it draws hangs on the record as it was given.
#[inline]
pub(crate) fn decide_drawing<T, R: Internal>(
    keys: &KeyRing,
    audit: AuditEvent,
    mut record: R,
    now: Millis,
    entropy: &Entropy,
    command: impl FnOnce(&mut R::Body, &mut Draws, &mut StepBuilder) -> Result<Decision<T>, Denial>,
) -> Step<T, R> {
    let mut draws = Draws::new(entropy, audit.command.as_str(), record.subject(), record.revision());
    if is_new(record.body()) {
        record.body_mut().begin_at(Revision::drawn(draws.bytes("revision")));
    }
    decide(keys, audit, record, now, |record, draft| command(record, &mut draws, draft))
}

/// Runs a command, if the record is of the tenant whose keys these are.
#[inline]
pub(crate) fn decide<T, R: Internal>(
    keys: &KeyRing,
    audit: AuditEvent,
    record: R,
    now: Millis,
    command: impl FnOnce(&mut R::Body, &mut StepBuilder) -> Result<Decision<T>, Denial>,
) -> Step<T, R> {
    run(keys, StepBuilder { audit, effects: Vec::new(), outbox: Vec::new() }, record, now, command)
}

/// The same with what gathers already where it stays: it is large.
fn run<T, R: Internal>(
    keys: &KeyRing,
    mut draft: StepBuilder,
    mut record: R,
    now: Millis,
    command: impl FnOnce(&mut R::Body, &mut StepBuilder) -> Result<Decision<T>, Denial>,
) -> Step<T, R> {
    let body = record.body_mut();
    if is_new(body) {
        body.begin_at(Revision::at(now));
    }
    let decided =
        if body.is_of(keys.tenant()) { command(body, &mut draft) } else { Err(Denial::WrongRecord) };
    let (write, result) = match decided {
        Ok(Decision::Store(result)) => {
            body.settle_in(keys.tenant());
            let behind = body.note_write(now);
            if behind > CLOCK_LEEWAY_MS {
                let notice = Notice::ClockDisagrees { behind_ms: behind };
                let notify = Notify::new(body.subject(), notice, body.next_revision().get(), now);
                // An operator's matter: it is reported with the step and not put into the outbox of messages.
                draft.add(Effect::Notify(notify));
            }
            let expected = body.advance();
            (Some(Write { expected, record, outbox: draft.outbox }), result)
        }
        Ok(Decision::Unchanged(answer)) => (None, Ok(answer)),
        Err(denial) => {
            // Whatever the command had gathered before it stopped belongs to a record that is not stored.
            draft.effects.clear();
            (None, Err(denial))
        }
    };
    draft.audit.conclude(result.as_ref().err().copied());
    Step::new(write, Outcome::new(result, draft.effects, draft.audit))
}

/// Whether no step has numbered the record yet.
fn is_new<B: Body>(record: &B) -> bool {
    !record.is_stored() && record.revision() == Revision::NONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::keyring::Key, outcome::audit::Command, record::account::Account, value::name::Subject,
    };

    #[test]
    fn a_refused_step_has_no_effects_whatever_the_command_had_gathered() {
        let Ok(subject) = Subject::new("user-1") else { unreachable!() };
        let key = |byte| Key::new(&[byte; 32]).unwrap();
        let keys = KeyRing::new("t", key(1), key(2)).unwrap();
        let now = Millis(1);
        let audit = AuditEvent::new(Command::Unlock, subject.clone(), now);
        let step = decide::<(), _>(&keys, audit, Account::new(&subject), now, |record, draft| {
            draft.notify(record, Notice::Unlocked, now);
            Err(Denial::NotEnrolled)
        });
        let (write, sealed) = step.into_parts();
        assert!(write.is_none());
        let outcome = sealed.open(crate::Swap::Stored).done();
        assert!(outcome.is_some_and(|outcome| outcome.effects().is_empty()));
    }

    #[test]
    fn a_step_takes_room_for_two_effects() {
        let Ok(subject) = Subject::new("user-1") else { unreachable!() };
        let account = Account::new(&subject);
        let audit = AuditEvent::new(Command::Unlock, subject, Millis(1));
        let mut draft = StepBuilder { audit, effects: Vec::new(), outbox: Vec::new() };
        for room in [2, 2, 4] {
            draft.notify(account.body(), Notice::Unlocked, Millis(1));
            assert_eq!(draft.effects.capacity(), room);
        }
    }
}
