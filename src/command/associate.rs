//! `associate`: begins an enrollment (`POST /mfa/associate`).

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide_drawing},
        send::delivery_decision,
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    factor::{
        destination::Channel,
        factor::{Factor, NewFactor, Wanted},
        one_time::SecretSource,
        setup::Setup,
    },
    keys::{derive, draws::Draws},
    machine::enrollment::{Enrollment, PendingRecovery, Unconfirmed},
    otp::key_uri::KeyLabel,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    policy::settings::FactorUse,
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
        record::Body as _,
    },
    session::session::{Grant, Session},
    value::{
        id::{AuthenticatorId, AuthenticatorKind, TransactionId},
        instant::Millis,
        one_time_password::OtpCode,
        purpose::Purpose,
        recovery_code::RecoveryCode,
    },
};

/// The answer to an `associate`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Associated {
    /// The new authenticator, unconfirmed.
    pub authenticator: AuthenticatorId,
    /// The recovery codes, to be shown. They go live when the authenticator is confirmed. They are shown when the
    /// enrollment begins, and again only while it is pending and only to the session that began it with its client named.
    /// Absent otherwise, and if the account has recovery codes already, or if the factor may not authenticate.
    pub recovery_codes: Option<Vec<RecoveryCode>>,
    /// Until when it can be confirmed by what was handed out now.
    pub expires: OffsetDateTime,
    /// How the enrollment goes on.
    pub setup: Setup,
}

/// How an enrollment begins.
enum Way<'a> {
    /// A code is sent by this channel.
    Send(Channel),
    /// A secret is shown under this label.
    Show(&'a KeyLabel),
}

impl Verifier {
    /// Begins the enrollment of a factor. A code is sent to an address, and [`verify_oob`](Self::verify_oob)
    /// confirms it; of one-time passwords the secret is shown, and [`verify_otp`](Self::verify_otp) confirms
    /// it.
    ///
    /// First-factor sessions may enroll only while the user has no enrolled authenticator. Elevated sessions with the
    /// scope `enroll`, and a second factor that is recent enough, always may. A repeated request for the same factor in
    /// the same transaction sends again, with the same handle; of one-time passwords it shows the same secret. It shows
    /// the same recovery codes again, but only while the enrollment is pending, and only to the session that began it
    /// with its client named.
    ///
    /// Denials: [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType) if the policy has the factor off,
    /// [`AlreadyEnrolled`](Denial::AlreadyEnrolled), [`InsufficientScope`](Denial::InsufficientScope),
    /// [`AddressInUse`](Denial::AddressInUse), [`TooManyAuthenticators`](Denial::TooManyAuthenticators),
    /// [`Locked`](Denial::Locked), [`AttemptsExhausted`](Denial::AttemptsExhausted),
    /// [`CoolingDown`](Denial::CoolingDown), [`TooManySends`](Denial::TooManySends),
    /// [`ExpiredToken`](Denial::ExpiredToken), [`WrongRecord`](Denial::WrongRecord).
    pub fn associate(
        &self,
        session: &Session,
        account: Account,
        factor: &NewFactor,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<Associated> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::Associate, session, now);
        decide_drawing(&self.keys, audit, account, now, entropy, |account, draws, draft| {
            self.try_associate(account, factor, draws, &mut Context { session, now, draft })
        })
    }

    fn try_associate(
        &self,
        account: &mut AccountBody,
        factor: &NewFactor,
        draws: &mut Draws,
        context: &mut Context<'_>,
    ) -> Result<Decision<Associated>, Denial> {
        let (session, now, wanted) = (context.session, context.now, factor.wanted());
        if matches!(session.grant(), Grant::Elevated { scopes, .. } if !scopes.enroll) {
            return Err(Denial::InsufficientScope);
        }
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)?;
        account.prune(now);
        self.check_enrollment(session, account, (wanted.kind(), wanted.factor()))?;
        let way = match wanted {
            // A factor with a secret is never enrolled as a copy of another.
            Wanted::Given(factor) => Way::Send(factor.channel().ok_or(Denial::UnsupportedChallengeType)?),
            Wanted::Totp(label) | Wanted::Hotp(label) => Way::Show(label),
        };
        let lane = self.lane_of(session, account, now);
        match way {
            Way::Send(_) => self.check_lock(account, lane, now)?,
            Way::Show(_) => self.check_otp_lock(account, lane, now)?,
        }
        // Before anything of it is added: making room for the entry ends what belongs to entries that leave.
        let prolonged = account.open_transaction(session, lane);
        let transaction = session.transaction();
        let same = |known: &&Authenticator| {
            let usable = known.is_opened_in(transaction) && !known.factor().is_lost(&self.keys);
            usable && wanted.is_met_by(known.factor())
        };
        let known = account.authenticators().iter().find(same).map(Authenticator::id);
        // A new one is named once it is there: the record of a refusal does not hold it.
        context.draft.audit.authenticator = known;
        let id = match known {
            Some(id) => id,
            None => {
                let new = self.draw_unconfirmed(session, account, factor, now, draws);
                let id = new.id();
                if !account.add_unconfirmed(new, transaction, self.policy.settings()) {
                    return Err(Denial::TooManyAuthenticators);
                }
                id
            }
        };
        // The request that began the enrollment is shown the recovery codes in any case: a client need not name itself
        // for that.
        let shown = known.is_none() || session.is_client_known();
        match way {
            Way::Send(channel) => {
                let sending = self.send_code(account, (id, channel), Purpose::Confirm, draws, context)?;
                context.draft.audit.authenticator = Some(id);
                let delivery = sending.sent.delivery;
                let setup = (Setup::Oob(sending.sent), sending.deadline);
                let answer = self.associated(account, id, setup, shown).ok_or(Denial::ExpiredOobCode)?;
                Ok(delivery_decision(delivery, answer))
            }
            Way::Show(label) => {
                let four = account.wants_four(lane, id, &self.policy, now);
                let setup = self.show_secret(account, (transaction, id), label, four)?;
                context.draft.audit.authenticator = Some(id);
                let answer = self.associated(account, id, (setup, session.expires_ms()), shown);
                let answer = answer.ok_or(Denial::UnknownAuthenticator)?;
                let changed = prolonged || known.is_none();
                Ok(if changed { Decision::Store(Ok(answer)) } else { Decision::Unchanged(answer) })
            }
        }
    }

    /// The secret of an unconfirmed authenticator, for the app or the device that is to have it. Its attempts
    /// are counted from now on, and none is needed where four codes at once are wanted.
    fn show_secret(
        &self,
        account: &mut AccountBody,
        pair: (TransactionId, AuthenticatorId),
        label: &KeyLabel,
        four: bool,
    ) -> Result<Setup, Denial> {
        let attempts = self.policy.settings().attempts;
        account.open_pair(pair, attempts);
        if !four && account.attempts_left(pair, attempts) == 0 {
            return Err(Denial::AttemptsExhausted);
        }
        let (_, id) = pair;
        let known = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
        let otp = known.factor().one_time().ok_or(Denial::UnknownAuthenticator)?;
        let codes = OtpCode::asked_for(four);
        let setup = otp.setup(&self.keys, (account.subject(), id), label, codes);
        setup.map(Setup::Otp).ok_or(Denial::UnknownAuthenticator)
    }

    /// Every gate of an enrollment but the budgets; checked again when it is confirmed.
    pub(crate) fn check_enrollment(
        &self,
        session: &Session,
        account: &AccountBody,
        (kind, factor): (AuthenticatorKind, Option<&Factor>),
    ) -> Result<(), Denial> {
        if !session.is_elevated() && (account.is_enrolled() || account.is_spent(session.transaction())) {
            return Err(Denial::AlreadyEnrolled);
        }
        if self.policy.admits(kind) == FactorUse::Off {
            return Err(Denial::UnsupportedChallengeType);
        }
        if account.authenticators().iter().any(|known| known.is_active() && Some(known.factor()) == factor) {
            return Err(Denial::AddressInUse);
        }
        if account.confirmed_count() >= usize::from(self.policy.settings().max_authenticators) {
            return Err(Denial::TooManyAuthenticators);
        }
        Ok(())
    }

    fn draw_unconfirmed(
        &self,
        session: &Session,
        account: &AccountBody,
        new: &NewFactor,
        now: Millis,
        draws: &mut Draws,
    ) -> Authenticator {
        let wanted = new.wanted();
        let id = draws.authenticator(wanted.kind());
        let recovery = if self.policy.authenticates(wanted.kind()) && account.recovery().is_none() {
            let seed = draws.seed("recovery");
            let set = draws.authenticator(AuthenticatorKind::RecoveryCode);
            let count = self.policy.settings().recovery_codes;
            Some(PendingRecovery::new(set, self.keys.durable().id, count, seed))
        } else {
            None
        };
        let state = Unconfirmed::new(session.transaction(), session.opener(), recovery);
        let secret = || SecretSource::derived(self.keys.durable().id, draws.seed("totp"));
        let factor = wanted.with_secret(&self.policy, secret);
        Authenticator::unconfirmed(id, factor, (state, new.given_name().cloned()), now)
    }

    fn associated(
        &self,
        account: &AccountBody,
        id: AuthenticatorId,
        (setup, expires): (Setup, Millis),
        shown: bool,
    ) -> Option<Associated> {
        let authenticator = account.authenticator(id)?;
        let Enrollment::Unconfirmed(state) = authenticator.enrollment() else { return None };
        let recovery = state.recovery().filter(|_| shown);
        Some(Associated {
            authenticator: id,
            recovery_codes: recovery.and_then(|pending| self.pending_codes(account, id, pending)),
            expires: expires.to_datetime(),
            setup,
        })
    }

    /// The codes that were shown with an enrollment; nothing if their key is gone.
    pub(crate) fn pending_codes(
        &self,
        account: &AccountBody,
        authenticator: AuthenticatorId,
        pending: &PendingRecovery,
    ) -> Option<Vec<RecoveryCode>> {
        let key = self.keys.durable_by_id(pending.key_id())?;
        let code = |index| {
            derive::recovery_issue(
                &key.recovery_issue,
                account.subject(),
                &authenticator,
                pending.seed(),
                index,
            )
        };
        Some((0..u32::from(pending.count())).map(code).collect())
    }
}
