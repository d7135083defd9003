//! Sending a code: for the first time, again, or not yet.
//!
//! Resending is asking again. While a challenge is live with at least half of its lifetime left, asking
//! returns the same handle and sends again, the same code or a new one as the policy says; with less left, a
//! new challenge takes its place. Inside the cool-down nothing is sent, and in the last half minute of a
//! transaction nothing is either. Whatever is sent was charged first, to the account; attempts carry over,
//! always. While the lane is hardened the code is long, and needs no attempt.

use crate::{
    command::{
        context::Context,
        decide::{Decision, StepBuilder},
        gate::refused,
        verifier::Verifier,
    },
    factor::{
        destination::Channel,
        setup::{Delivery, Sent},
    },
    keys::draws::Draws,
    outcome::{denial::Denial, send},
    policy::bounds::SHORTEST_CHALLENGE_MS,
    record::{
        account::AccountBody, challenge::Challenge, exchange::Exchange, ledger::SendBudget, record::Body as _,
    },
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::Millis,
        lane::Lane,
        purpose::Purpose,
    },
};

/// The record changed if and only if something was sent.
pub(crate) fn delivery_decision<T>(delivery: Delivery, answer: T) -> Decision<T> {
    match delivery {
        Delivery::Sent => Decision::Store(Ok(answer)),
        Delivery::CoolingDown { .. } => Decision::Unchanged(answer),
    }
}

/// Whose code is sent, and against which budgets.
pub(crate) struct SendContext<'a> {
    pub(crate) exchange: Exchange<'a>,
    pub(crate) transaction: TransactionId,
    pub(crate) lane: Lane,
    pub(crate) budget: SendBudget,
    pub(crate) channel: Channel,
    pub(crate) purpose: Purpose,
    pub(crate) lifetime_ms: u64,
    /// No challenge outlives its transaction.
    pub(crate) latest_deadline: Millis,
}

/// How the asking came out.
pub(crate) enum SendDecision {
    /// Nothing is sent; the present challenge stands.
    CoolingDown { until: Millis },
    /// The present challenge's code is sent again.
    Resent,
    /// A new challenge takes the place of any other of the pair.
    New(Challenge),
}

impl Verifier {
    /// Sends a code to an authenticator of the account, in the session's transaction, which has its entry.
    pub(crate) fn send_code(
        &self,
        account: &mut AccountBody,
        (id, channel): (AuthenticatorId, Channel),
        purpose: Purpose,
        draws: &mut Draws,
        context: &mut Context<'_>,
    ) -> Result<SentCode, Denial> {
        let (session, now) = (context.session, context.now);
        if session.expires_ms().since(now) < SHORTEST_CHALLENGE_MS {
            return Err(Denial::ExpiredToken);
        }
        let (transaction, lane) = (session.transaction(), self.lane_of(session, account, now));
        let pair = (transaction, id);
        account.open_pair(pair, self.policy.settings().attempts);
        let live = account.live_place(pair, now);
        let (exchange, present) = account.exchange(pair, live).ok_or(Denial::UnknownAuthenticator)?;
        let scene = SendContext {
            exchange,
            transaction,
            lane,
            budget: if session.is_elevated() { SendBudget::Enrollment } else { SendBudget::Lane(lane) },
            channel,
            lifetime_ms: self.policy.code_lifetime_ms(),
            purpose,
            latest_deadline: session.expires_ms(),
        };
        let delivery = match self.dispatch(scene, present, now, draws, context.draft)? {
            SendDecision::CoolingDown { until } => Delivery::CoolingDown { until: until.to_datetime() },
            SendDecision::Resent => Delivery::Sent,
            SendDecision::New(challenge) => {
                account.replace_challenge(challenge, self.policy.settings().max_challenges, now);
                Delivery::Sent
            }
        };
        let current = account.live_place(pair, now).and_then(|place| account.challenges().get(place));
        let current = current.ok_or(Denial::ExpiredOobCode)?;
        let oob_code = current.handle(&self.keys, account.subject()).ok_or(Denial::ExpiredOobCode)?;
        Ok(SentCode {
            deadline: current.deadline_ms(),
            sent: Sent { channel: current.channel(), oob_code, form: current.form(), delivery },
        })
    }

    /// Sends the code of the pair's present challenge again, or that of a new one.
    pub(crate) fn dispatch(
        &self,
        scene: SendContext<'_>,
        present: Option<&mut Challenge>,
        now: Millis,
        draws: &mut Draws,
        draft: &mut StepBuilder,
    ) -> Result<SendDecision, Denial> {
        let SendContext { mut exchange, transaction, lane, budget, channel, purpose, lifetime_ms, .. } =
            scene;
        let form = exchange.form(lane, &self.policy, now);
        if !form.is_long() && exchange.attempts_left() == 0 {
            return Err(Denial::AttemptsExhausted);
        }
        let live = present.filter(|challenge| {
            challenge.is_live(now)
                && *challenge.purpose() == purpose
                && challenge.key(&self.keys).is_some()
                && challenge.lane() == lane
                && (challenge.form().is_long() || !form.is_long())
        });
        let updated = exchange.updated();
        if let Some(cooling) = exchange.cooling(&self.policy, now) {
            return match live {
                Some(_) => Ok(SendDecision::CoolingDown { until: cooling.until() }),
                None => Err(refused(cooling, updated, now, |until| Denial::CoolingDown { until })),
            };
        }
        if let Some(empty) = exchange.no_sends(budget, &self.policy, now) {
            return Err(refused(empty, updated, now, |until| Denial::TooManySends { until }));
        }
        exchange.charge_send(budget, &self.policy, now);

        let (subject, authenticator) = (exchange.subject(), exchange.authenticator());
        let deadline = now.after(lifetime_ms).min(scene.latest_deadline);
        // A new challenge that would die no later than the present one would help nobody.
        let outlasts = |challenge: &Challenge| {
            challenge.deadline_ms().since(now).saturating_mul(2) >= lifetime_ms
                || challenge.deadline_ms() >= deadline
        };
        let (dispatch, sent) = match live {
            Some(challenge) if outlasts(challenge) => {
                challenge.resend(self.policy.settings().resend);
                (SendDecision::Resent, send::message(&self.keys, subject, authenticator, challenge))
            }
            Some(_) | None => {
                let pair = (transaction, authenticator.id());
                let terms = (channel, purpose, form, lane);
                let new = Challenge::issue(self.keys.transient(), pair, terms, (now, deadline), draws);
                let sent = send::message(&self.keys, subject, authenticator, &new);
                (SendDecision::New(new), sent)
            }
        };
        if let Some((message, descriptor)) = sent {
            draft.send(message, descriptor);
        }
        Ok(dispatch)
    }
}

/// A code on its way, as the client is told of it.
pub(crate) struct SentCode {
    pub(crate) deadline: Millis,
    pub(crate) sent: Sent,
}
