//! `verify_otp`: confirms an enrollment, or completes a login, by a one-time password (`POST /oauth/token`,
//! grant `mfa-otp`).
//!
//! There is no challenge: the account's budgets, the attempts of the authenticator in this transaction and
//! its failures in a row bound guessing, and they are charged as for a code that was sent. A code is accepted
//! once, because the counter moves on in the step that accepts it.
//!
//! In a hardened lane, and at the cap of failures in a row, four codes are taken at once: those of four
//! counters in a row, which no limit is needed for (78 bits with six digits; NIST SP 800-63B-4 section
//! 3.1.3.2). A wrong set of four changes nothing and writes nothing, and no part of it is answered. Four find
//! a device again that ran ahead, too, and so they are taken at any time. This module must never compare a
//! code before its gates are passed.

use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide},
        devices::device_draws,
        gate::check_verifying,
        guess::CodeCheck,
        verifier::Verifier,
        verify_oob::Verified,
    },
    crypto::entropy::Entropy,
    keys::draws::Draws,
    machine::enrollment::Enrollment,
    otp::hotp,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
    },
    session::{evidence::Evidence, session::Session},
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::Millis,
        lane::Lane,
        one_time_password::OtpCode,
        purpose::Purpose,
    },
};

/// A one-time password, and which authenticator made it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use countersign::{code::OtpCode, command::OtpRequest};
///
/// let request = OtpRequest::new(OtpCode::parse("755 224")?).authenticator("totp|dev_0123456789ABCDef".parse()?);
/// # drop(request); Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OtpRequest {
    /// The code, as it was typed.
    pub code: OtpCode,
    /// The authenticator. It may be left out where only one can have made the code.
    pub authenticator: Option<AuthenticatorId>,
}

impl OtpRequest {
    /// A code of the only authenticator that can have made it.
    #[must_use]
    pub const fn new(code: OtpCode) -> Self {
        Self { code, authenticator: None }
    }

    /// Names the authenticator.
    #[must_use]
    pub fn authenticator(self, id: AuthenticatorId) -> Self {
        Self { authenticator: Some(id), ..self }
    }
}

impl From<OtpCode> for OtpRequest {
    fn from(code: OtpCode) -> Self {
        Self::new(code)
    }
}

impl Verifier {
    /// Takes a one-time password: confirms the enrollment that this transaction began, or completes the
    /// login.
    ///
    /// A first-factor session must have named its client; an elevated one with the scope `enroll` may confirm
    /// only, and its second factor must be recent enough. A right code is right once, the one that confirms
    /// included. With `remember`, what a device is drawn from, a right code that completes a sign-in has this
    /// device remembered, in the place of the one that the session is on. A wrong code is charged in this
    /// step, and can exhaust the attempts, disable the authenticator, and lock or harden the lane. Four codes
    /// at once, which a hardened lane asks for, are charged to nothing: the last of them is in the window of
    /// one code, or with a device within 50 counters of the expected one, and the others are those before it,
    /// all above the last accepted counter.
    ///
    /// Denials: [`InvalidOtpCode`](Denial::InvalidOtpCode), [`InvalidLongCode`](Denial::InvalidLongCode) for
    /// four codes, [`FourCodesRequired`](Denial::FourCodesRequired),
    /// [`MalformedCode`](Denial::MalformedCode),
    /// [`AuthenticatorRequired`](Denial::AuthenticatorRequired) if several authenticators can have made the
    /// code and none is named, [`NotEnrolled`](Denial::NotEnrolled),
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator),
    /// [`AuthenticatorDisabled`](Denial::AuthenticatorDisabled),
    /// [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType),
    /// [`AttemptsExhausted`](Denial::AttemptsExhausted), [`Locked`](Denial::Locked),
    /// [`TransactionSpent`](Denial::TransactionSpent), [`ClientRequired`](Denial::ClientRequired),
    /// [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`AlreadyEnrolled`](Denial::AlreadyEnrolled),
    /// [`TooManyAuthenticators`](Denial::TooManyAuthenticators), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn verify_otp(
        &self,
        session: &Session,
        account: Account,
        request: &OtpRequest,
        now: OffsetDateTime,
        remember: Option<&Entropy>,
    ) -> Step<Verified> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::VerifyOtp, session, now);
        let draws = device_draws(remember, audit.command, &account);
        decide(&self.keys, audit, account, now, |account, draft| {
            self.try_verify_otp(account, request, draws, &mut Context { session, now, draft })
        })
    }

    fn try_verify_otp(
        &self,
        account: &mut AccountBody,
        request: &OtpRequest,
        remember: Option<Draws>,
        context: &mut Context<'_>,
    ) -> Result<Decision<Verified>, Denial> {
        let (session, now) = (context.session, context.now);
        let confirm_only = check_verifying(session)?;
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)?;
        account.prune(now);
        let (id, purpose) = self.choose_otp(account, request.authenticator, session, confirm_only)?;
        context.draft.audit.authenticator = Some(id);
        let lane = self.lane_of(session, account, now);
        self.check_otp_lock(account, lane, now)?;
        self.check_purpose(session, account, id, &purpose, confirm_only)?;
        account.open_transaction(session, lane);
        let judged =
            self.check_otp(account, (session.transaction(), id, lane), (&request.code, &purpose), now)?;
        context.draft.audit.evaluated = true;
        match judged {
            CodeCheck::Accepted(pending) => {
                let evidence = Evidence::otp(id, now);
                self.accept(account, (id, purpose, evidence), pending, remember, context)
            }
            CodeCheck::RejectedLong => Err(Denial::InvalidLongCode),
            CodeCheck::Rejected(wrong) => {
                self.reject(account, id, &wrong, now, context.draft);
                let attempts_left = wrong.attempts_left();
                Ok(Decision::Store(Err(Denial::InvalidOtpCode { attempts_left })))
            }
        }
    }

    /// The authenticator whose code is presented, and what a right code is good for.
    fn choose_otp(
        &self,
        account: &AccountBody,
        named: Option<AuthenticatorId>,
        session: &Session,
        confirm_only: bool,
    ) -> Result<(AuthenticatorId, Purpose), Denial> {
        // What other transactions began is confirmed by them alone.
        let purpose = |known: &Authenticator| match known.enrollment() {
            Enrollment::Unconfirmed(_) if known.is_opened_in(session.transaction()) => Some(Purpose::Confirm),
            Enrollment::Unconfirmed(_) => None,
            Enrollment::Active | Enrollment::Disabled => Some(Purpose::Authenticate),
        };
        let is_otp = |known: &Authenticator| {
            known.factor().one_time().is_some() && !known.factor().is_lost(&self.keys)
        };
        if let Some(id) = named {
            let known = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
            if !is_otp(known) {
                return Err(Denial::UnsupportedChallengeType);
            }
            return Ok((id, purpose(known).ok_or(Denial::UnknownAuthenticator)?));
        }
        // Where nobody is enrolled, an app that an earlier policy let only confirm signs nobody in.
        let signs_in = !confirm_only && account.is_enrolled();
        let possible = |known: &&Authenticator| match known.enrollment() {
            Enrollment::Unconfirmed(_) => true,
            Enrollment::Active => signs_in && self.policy.authenticates(known.factor().kind()),
            Enrollment::Disabled => false,
        };
        let mut known = account.authenticators().iter().filter(|known| is_otp(known));
        let mut found =
            known.clone().filter(possible).filter_map(|known| Some((known.id(), purpose(known)?)));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Denial::AuthenticatorRequired),
            (None, _) if !confirm_only && known.any(|known| *known.enrollment() == Enrollment::Disabled) => {
                Err(Denial::AuthenticatorDisabled)
            }
            (None, _) if confirm_only => Err(Denial::InsufficientScope),
            (None, _) if account.is_enrolled() => Err(Denial::UnsupportedChallengeType),
            (None, _) => Err(Denial::NotEnrolled),
        }
    }

    /// Compares the presented code with those that are right now, and charges a wrong one.
    fn check_otp(
        &self,
        account: &mut AccountBody,
        (transaction, id, lane): (TransactionId, AuthenticatorId, Lane),
        (code, purpose): (&OtpCode, &Purpose),
        now: Millis,
    ) -> Result<CodeCheck, Denial> {
        let pair = (transaction, id);
        let wants_four = account.wants_four(lane, id, &self.policy, now);
        account.open_pair(pair, self.policy.settings().attempts);
        let (exchange, _) = account.exchange(pair, None).ok_or(Denial::UnknownAuthenticator)?;
        let authenticator = exchange.authenticator();
        let otp = authenticator.factor().one_time().ok_or(Denial::UnsupportedChallengeType)?;
        let (algorithm, digits) = otp.terms();
        let (one, four) = (code.numbers::<1>(digits), code.numbers::<4>(digits));
        if one.is_none() && four.is_none() {
            return Err(Denial::MalformedCode);
        }
        if one.is_some() && wants_four {
            return Err(Denial::FourCodesRequired);
        }
        if one.is_some() && exchange.attempts_left() == 0 {
            return Err(Denial::AttemptsExhausted);
        }
        let secret = otp.secret(&self.keys, (exchange.subject(), authenticator.id()));
        let secret = secret.ok_or(Denial::UnsupportedChallengeType)?;
        let terms = (algorithm, digits);
        let found = match (one, four) {
            (Some(one), _) => hotp::find(terms, &secret, &one, &otp.window(&self.policy, now)),
            (None, Some(four)) => hotp::find(terms, &secret, &four, &otp.window_of_four(&self.policy, now)),
            (None, None) => None,
        };
        Ok(match found {
            Some(counter) => {
                let pending = exchange.accept_otp(counter, (lane, purpose), now);
                CodeCheck::Accepted(pending.map_err(|_| Denial::UnknownAuthenticator)?)
            }
            None if four.is_some() => CodeCheck::RejectedLong,
            None => {
                let wrong = exchange.reject((lane, None), &self.policy, now);
                CodeCheck::Rejected(wrong.map_err(|_| Denial::AttemptsExhausted)?)
            }
        })
    }
}
