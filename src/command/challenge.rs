//! `challenge`: sends a code to an authenticator, or asks for the one that an app shows (`POST
//! /mfa/challenge`).

use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide_drawing},
        gate::check_authenticating,
        send::delivery_decision,
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    factor::{destination::Channel, setup::Prompt},
    keys::draws::Draws,
    machine::enrollment::Enrollment,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
    },
    session::session::Session,
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::Millis,
        lane::Lane,
        one_time_password::OtpCode,
        purpose::Purpose,
    },
};

/// Which kinds of challenge a client can answer: Auth0's `challenge_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChallengeTypes {
    /// `oob`: a code that is sent.
    pub oob: bool,
    /// `otp`: a code that an app shows.
    pub otp: bool,
}

impl ChallengeTypes {
    /// Any: what an absent `challenge_type` means.
    pub const ANY: Self = Self { oob: true, otp: true };

    /// Reads a `challenge_type`: words separated by white space. Unknown ones are skipped; no word at all is as good as
    /// none, which means any.
    #[must_use]
    pub fn parse(challenge_type: &str) -> Self {
        if challenge_type.trim().is_empty() {
            return Self::ANY;
        }
        let names = |word| challenge_type.split_whitespace().any(|given| given == word);
        Self { oob: names("oob"), otp: names("otp") }
    }
}

impl Default for ChallengeTypes {
    fn default() -> Self {
        Self::ANY
    }
}

/// What a client asks to be challenged with.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use countersign::{ChallengeRequest, command::ChallengeTypes};
///
/// let id = "email|dev_0123456789ABCDef".parse()?;
/// let request = ChallengeRequest::default().authenticator(id).types(ChallengeTypes::parse("oob"));
/// # drop(request); Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChallengeRequest {
    /// What a right answer is good for. An account takes [`Purpose::Authenticate`] alone: an enrollment is confirmed by
    /// [`associate`](Verifier::associate), and what is approved beside a login has a record of its own.
    pub purpose: Purpose,
    /// The authenticator, or none to let the core choose: the preferred one, or else the one used last, or else
    /// the newest. An app whose codes are refused now is taken only if there is nothing else.
    pub authenticator: Option<AuthenticatorId>,
    /// The channel that the message is to go by, or none for the authenticator's own.
    pub channel: Option<Channel>,
    /// The kinds of challenge that it can answer.
    pub types: ChallengeTypes,
}

impl ChallengeRequest {
    /// Asks for this authenticator.
    #[must_use]
    pub fn authenticator(self, id: AuthenticatorId) -> Self {
        Self { authenticator: Some(id), ..self }
    }

    /// Asks for a message by this channel.
    #[must_use]
    pub fn channel(self, channel: Channel) -> Self {
        Self { channel: Some(channel), ..self }
    }

    /// Names the kinds of challenge that the client can answer.
    #[must_use]
    pub fn types(self, types: ChallengeTypes) -> Self {
        Self { types, ..self }
    }
}

impl Default for ChallengeRequest {
    /// Any challenge that completes the login.
    fn default() -> Self {
        Self {
            purpose: Purpose::Authenticate,
            authenticator: None,
            channel: None,
            types: ChallengeTypes::ANY,
        }
    }
}

/// The answer to a `challenge`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Challenged {
    /// The authenticator that was challenged.
    pub authenticator: AuthenticatorId,
    /// When the challenge can no longer be answered.
    pub expires: OffsetDateTime,
    /// What the person is asked for.
    pub prompt: Prompt,
}

/// How a challenge is answered.
enum Offered {
    /// By the code of a message by this channel.
    Oob(Channel),
    /// By the code that an app or a device shows.
    Otp,
}

impl Verifier {
    /// Sends a code to an active authenticator, which [`verify_oob`](Self::verify_oob) takes. Asking again
    /// resends. If the authenticator is of one-time passwords, nothing is sent or written:
    /// [`verify_otp`](Self::verify_otp) takes the code that the app shows, with or without this command.
    ///
    /// Takes a first-factor session whose client was named.
    ///
    /// Denials: [`ClientRequired`](Denial::ClientRequired), [`InsufficientScope`](Denial::InsufficientScope),
    /// [`TransactionSpent`](Denial::TransactionSpent), [`NotEnrolled`](Denial::NotEnrolled),
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator),
    /// [`AuthenticatorDisabled`](Denial::AuthenticatorDisabled),
    /// [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType), [`Locked`](Denial::Locked),
    /// [`AttemptsExhausted`](Denial::AttemptsExhausted), [`CoolingDown`](Denial::CoolingDown),
    /// [`TooManySends`](Denial::TooManySends), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn challenge(
        &self,
        session: &Session,
        account: Account,
        request: &ChallengeRequest,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<Challenged> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::Challenge, session, now);
        decide_drawing(&self.keys, audit, account, now, entropy, |account, draws, draft| {
            self.try_challenge(account, request, draws, &mut Context { session, now, draft })
        })
    }

    fn try_challenge(
        &self,
        account: &mut AccountBody,
        request: &ChallengeRequest,
        draws: &mut Draws,
        context: &mut Context<'_>,
    ) -> Result<Decision<Challenged>, Denial> {
        let (session, now) = (context.session, context.now);
        check_authenticating(session)?;
        Self::check_session(session, account, now)?;
        if account.is_spent(session.transaction()) {
            return Err(Denial::TransactionSpent);
        }
        if !account.is_enrolled() {
            return Err(Denial::NotEnrolled);
        }
        account.prune(now);
        let lane = self.lane_of(session, account, now);
        self.check_lock(account, lane, now)?;
        if request.purpose != Purpose::Authenticate {
            return Err(Denial::UnsupportedChallengeType);
        }
        let (id, offered) = self.choose(account, request, (session.transaction(), lane, now))?;
        context.draft.audit.authenticator = Some(id);
        let Offered::Oob(channel) = offered else {
            let four = self.check_otp_answer(account, id, (session.transaction(), lane, now))?;
            let prompt = Prompt::Otp { codes: OtpCode::asked_for(four) };
            let expires = session.expires();
            return Ok(Decision::Unchanged(Challenged { authenticator: id, expires, prompt }));
        };
        account.open_transaction(session, lane);
        let purpose = request.purpose.clone();
        let sending = self.send_code(account, (id, channel), purpose, draws, context)?;
        let delivery = sending.sent.delivery;
        let answer = Challenged {
            authenticator: id,
            expires: sending.deadline.to_datetime(),
            prompt: Prompt::Oob(sending.sent),
        };
        Ok(delivery_decision(delivery, answer))
    }

    /// Whether a code of this app or device would be compared now. Says whether four at once are wanted.
    fn check_otp_answer(
        &self,
        account: &AccountBody,
        id: AuthenticatorId,
        (transaction, lane, now): (TransactionId, Lane, Millis),
    ) -> Result<bool, Denial> {
        self.check_otp_lock(account, lane, now)?;
        let four = account.wants_four(lane, id, &self.policy, now);
        let left = account.attempts_left((transaction, id), self.policy.settings().attempts);
        if left == 0 && !four { Err(Denial::AttemptsExhausted) } else { Ok(four) }
    }

    /// The authenticator that was asked for, or the preferred one, or the one used last, with how it is
    /// answered. Where none was asked for, an app whose codes are refused now comes last.
    fn choose(
        &self,
        account: &AccountBody,
        request: &ChallengeRequest,
        place: (TransactionId, Lane, Millis),
    ) -> Result<(AuthenticatorId, Offered), Denial> {
        let offered = |known: &Authenticator| {
            let factor = known.factor();
            let usable = self.policy.authenticates(factor.kind()) && !factor.is_lost(&self.keys);
            let offered = if factor.one_time().is_some() {
                (request.types.otp && request.channel.is_none()).then_some(Offered::Otp)
            } else {
                factor.channel_for(request.channel).filter(|_| request.types.oob).map(Offered::Oob)
            };
            offered.filter(|_| usable).map(|offered| (known.id(), offered))
        };
        if let Some(id) = request.authenticator {
            let known = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
            return match known.enrollment() {
                Enrollment::Active => offered(known).ok_or(Denial::UnsupportedChallengeType),
                Enrollment::Unconfirmed(_) => Err(Denial::UnknownAuthenticator),
                Enrollment::Disabled => Err(Denial::AuthenticatorDisabled),
            };
        }
        let active = account.authenticators().iter().filter(|known| known.is_active());
        let active = active.filter_map(|known| Some((known, offered(known)?)));
        let is_disabled =
            |known: &Authenticator| *known.enrollment() == Enrollment::Disabled && offered(known).is_some();
        let none = if account.authenticators().iter().any(is_disabled) {
            Denial::AuthenticatorDisabled
        } else {
            Denial::UnsupportedChallengeType
        };
        let preferred = |known: &Authenticator| account.preferred() == Some(known.id());
        let answered = |known: &Authenticator| {
            known.factor().one_time().is_none() || self.check_otp_answer(account, known.id(), place).is_ok()
        };
        let chosen = active.max_by_key(|(known, _)| (answered(known), preferred(known), known.recency()));
        chosen.map(|(_, offered)| offered).ok_or(none)
    }
}
