//! The verifier: the keys, the policy, and every command.
//!
//! Each command that can write takes an [`Account`] and gives a [`Step`](crate::Step); each file below this one is one
//! group of them. What a command may do is decided in this order, and always in one place: is the session one that it
//! takes, is the record the session's, does the account still take sessions of this age, does the state allow it, is
//! there budget left. Only then is a code compared. No command reads a clock, draws from a generator that was not handed
//! to it, or keeps anything: a `Verifier` is `Send` and `Sync` and holds no mutable state.

mod answer;
mod associate;
mod authenticators;
mod challenge;
mod decide;
mod dispatch;
mod host;
mod recovery_codes;
mod render;
mod standalone;
mod verify_oob;
mod verify_recovery;

pub use associate::{Associated, NewFactor};
pub use authenticators::Requirements;
pub use challenge::{ChallengeRequest, ChallengeTypes, Challenged};
pub use dispatch::Delivery;
pub use host::{DeliveryReport, StaleKeys};
pub use render::RenderError;
pub use verify_oob::Verification;
pub use verify_recovery::Recovered;

use answer::{Judged, Readiness};
use decide::{Decision, Stop, decide, decide_with};
use dispatch::{Dispatch, Scene};
use rand_core::TryCryptoRng;
use time::OffsetDateTime;

use crate::{
    account::Account,
    clock::{self, Millis},
    code::MfaToken,
    denial::Denial,
    keys::KeyRing,
    name::ClientId,
    policy::Policy,
    record::CLOCK_LEEWAY_MS,
    session::{FirstFactor, Grant, Session},
    token::{self, Handle, TokenClaims},
    transaction::TransactionId,
};

/// Decides every command, by its keys and its policy.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(crate) keys: KeyRing,
    pub(crate) policy: Policy,
}

impl Verifier {
    /// A verifier. Keys and policy were checked when they were built.
    #[must_use]
    pub const fn new(keys: KeyRing, policy: Policy) -> Self {
        Self { keys, policy }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Begins a transaction: the host accepted a first factor and answers `mfa_required` with this `mfa_token`. Nothing is
    /// stored.
    ///
    /// # Errors
    /// That of the random generator.
    pub fn begin<R: TryCryptoRng + ?Sized>(
        &self,
        first_factor: &FirstFactor,
        now: OffsetDateTime,
        rng: &mut R,
    ) -> Result<MfaToken, R::Error> {
        let mut transaction = [0; 16];
        rng.try_fill_bytes(&mut transaction)?;
        let begun = Millis::from(now);
        let expires = begun.after(clock::span(self.policy.settings().token_lifetime));
        let claims = TokenClaims {
            first_factor: first_factor.clone(),
            transaction: TransactionId(transaction),
            begun,
            expires,
        };
        Ok(token::seal_token(self.keys.transient(), &claims))
    }

    /// Opens an `mfa_token`. No storage is touched.
    ///
    /// `client` is the request's `client_id`, as the host authenticated it. Where Auth0's clients send none (`associate`
    /// and `authenticators`) it may be absent: the token's own client then counts, and the session is good for those
    /// commands only.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`], [`Denial::ExpiredToken`], [`Denial::WrongClient`].
    pub fn open(
        &self,
        mfa_token: &str,
        client: Option<&ClientId>,
        now: OffsetDateTime,
    ) -> Result<Session, Denial> {
        let now = Millis::from(now);
        let claims = token::open_token(&self.keys, mfa_token).ok_or(Denial::MalformedToken)?;
        let TokenClaims { first_factor, transaction, begun, expires } = claims;
        let too_new = begun > now.after(CLOCK_LEEWAY_MS);
        if too_new || expires.since(begun) > clock::span(self.policy.settings().token_lifetime) {
            return Err(Denial::MalformedToken);
        }
        if now >= expires {
            return Err(Denial::ExpiredToken);
        }
        if client.is_some_and(|client| *client != first_factor.client) {
            return Err(Denial::WrongClient);
        }
        Ok(Session::first_factor(first_factor, transaction, (begun, expires), client.is_some()))
    }

    /// Opens an `oob_code`. No storage is touched, and nothing is said of the challenge: whether it is alive, only the
    /// record knows.
    ///
    /// # Errors
    /// [`Denial::MalformedOobCode`], [`Denial::ForeignOobCode`].
    pub fn open_oob_code(&self, session: &Session, oob_code: &str) -> Result<Handle, Denial> {
        let handle =
            token::open_handle(&self.keys, session.subject(), oob_code).ok_or(Denial::MalformedOobCode)?;
        if handle.transaction_tag == session.transaction().tag() {
            Ok(handle)
        } else {
            Err(Denial::ForeignOobCode)
        }
    }

    /// Until when the account takes no binding code and sends none, if it is locked.
    #[must_use]
    pub fn locked_until(&self, account: &Account, now: OffsetDateTime) -> Option<OffsetDateTime> {
        account.ledger.locked_until(&self.policy, Millis::from(now)).map(Millis::to_datetime)
    }

    /// Whether the record is the session's and takes sessions of its kind and age.
    fn check_session(session: &Session, account: &Account, now: Millis) -> Result<(), Denial> {
        if *session.subject() != account.subject {
            return Err(Denial::WrongRecord);
        }
        let bound = match session.grant() {
            Grant::FirstFactor { .. } => account.not_before,
            Grant::Elevated(_) => account.elevated_not_before,
        };
        let too_old = bound.is_some_and(|bound| session.begun_ms() <= bound);
        if too_old || now >= session.expires_ms() { Err(Denial::ExpiredToken) } else { Ok(()) }
    }

    /// Refuses everybody while the account is locked.
    fn check_lock(&self, account: &Account, now: Millis) -> Result<(), Denial> {
        let locked = account.ledger.locked_until(&self.policy, now);
        locked.map_or(Ok(()), |until| Err(Denial::Locked { until: until.to_datetime() }))
    }
}
