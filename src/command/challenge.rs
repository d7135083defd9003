//! `challenge`: sends a code to an authenticator (`POST /mfa/challenge`).

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, Draft, decide_drawing},
        gate::check_authenticating,
        send::Delivery,
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    factor::factor::Channel,
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
    value::{id::AuthenticatorId, instant::Millis, opaque::OobCode, purpose::Purpose},
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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChallengeRequest {
    /// The kinds of challenge that it can answer.
    pub types: ChallengeTypes,
    /// The authenticator, or none to let the core choose: the one used last, or else the newest.
    pub authenticator: Option<AuthenticatorId>,
}

/// The answer to a `challenge`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Challenged {
    /// The authenticator that was challenged.
    pub authenticator: AuthenticatorId,
    /// How the code travels.
    pub channel: Channel,
    /// The handle to answer with.
    pub oob_code: OobCode,
    /// When the code dies.
    pub expires: OffsetDateTime,
    /// Whether a message is to be sent.
    pub delivery: Delivery,
}

impl Verifier {
    /// Sends a code to an active authenticator, which [`verify_oob`](Self::verify_oob) takes. Asking again resends.
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
        decide_drawing(audit, account, now, entropy, |account, draws, draft| {
            self.try_challenge(session, account, request, now, draws, draft)
        })
    }

    fn try_challenge(
        &self,
        session: &Session,
        account: &mut AccountBody,
        request: &ChallengeRequest,
        now: Millis,
        draws: &mut Draws,
        draft: &mut Draft,
    ) -> Result<Decision<Challenged>, Denial> {
        check_authenticating(session)?;
        Self::check_session(session, account, now)?;
        if account.is_spent(session.transaction()) {
            return Err(Denial::TransactionSpent);
        }
        if !account.enrolled {
            return Err(Denial::NotEnrolled);
        }
        account.prune(now);
        self.check_lock(account, now)?;
        let chosen = self.choose(account, request)?;
        let (id, channel) = (chosen.id, chosen.factor.channel());
        draft.audit.authenticator = Some(id);
        account.enter(session);
        let sending = self.send_code(session, account, id, Purpose::Authenticate, now, draws, draft)?;
        let answer = Challenged {
            authenticator: id,
            channel,
            oob_code: sending.oob_code.clone(),
            expires: sending.deadline.to_datetime(),
            delivery: sending.delivery,
        };
        Ok(sending.delivery.decision(answer))
    }

    /// The authenticator that was asked for, or the one used last.
    fn choose<'a>(
        &self,
        account: &'a AccountBody,
        request: &ChallengeRequest,
    ) -> Result<&'a Authenticator, Denial> {
        let offered = request.types.oob && self.policy.settings().email_may_authenticate;
        if let Some(id) = request.authenticator {
            let known = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
            return match known.enrollment {
                Enrollment::Active if offered => Ok(known),
                Enrollment::Active => Err(Denial::UnsupportedChallengeType),
                Enrollment::Unconfirmed(_) => Err(Denial::UnknownAuthenticator),
                Enrollment::Disabled => Err(Denial::AuthenticatorDisabled),
            };
        }
        let active = account.authenticators.iter().filter(|known| offered && known.is_active());
        let disabled = account.authenticators.iter().any(|known| known.enrollment == Enrollment::Disabled);
        let none = if offered && disabled {
            Denial::AuthenticatorDisabled
        } else {
            Denial::UnsupportedChallengeType
        };
        active.max_by_key(|known| (known.last_used, known.created)).ok_or(none)
    }
}
