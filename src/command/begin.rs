//! Sessions: prepared before a first factor is checked, begun after it, and opened again from the token that a client
//! presents. Nothing may begin for a first factor that was changed meanwhile.

use time::OffsetDateTime;

use crate::{
    command::{authenticators::Requirements, verifier::Verifier},
    crypto::entropy::Entropy,
    keys::draws::Draws,
    outcome::denial::Denial,
    policy::bounds::CLOCK_LEEWAY_MS,
    record::{account::Account, record::Internal as _},
    session::{
        mfa_token::{self, TokenClaims},
        oob_code::{self, OobHandle},
        session::{FirstFactor, Session},
    },
    value::{
        instant::{self, Millis},
        name::ClientId,
        opaque::MfaToken,
        revision::Revision,
    },
};

/// A transaction was begun: what the host answers with, and goes on with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Begun {
    /// The transaction's token, for a client that presents it with each request.
    pub token: MfaToken,
    /// The session that the token opens, for a host that goes on at once.
    pub session: Session,
    /// What the user needs to complete the login. If the browser presents the token of a remembered device,
    /// [recognize](Verifier::recognize) it in the session, and ask for the
    /// [requirements](Verifier::requirements) of that.
    pub requirements: Requirements,
}

impl Verifier {
    /// Prepares a first factor: call it **before the password is looked at**, with the account as it is stored then.
    /// Nothing is stored.
    ///
    /// A host whose users are found by a name reads the stored password after this call, not before: a password that is
    /// changed in between is then the one that is checked.
    #[must_use]
    pub fn prepare(&self, account: &Account) -> FirstFactor {
        FirstFactor::new(account.subject().clone(), account.epoch())
    }

    /// Begins a transaction: the first factor was right, and the host answers `mfa_required`. `account` is the record as
    /// it is stored **now**, after the check. Nothing is stored.
    ///
    /// # Errors
    /// [`Denial::ExpiredToken`] if the sessions of the account were ended since the first factor was prepared: the
    /// password that was checked may be an old one, so answer as for a wrong one. [`Denial::WrongRecord`].
    pub fn begin(
        &self,
        first_factor: FirstFactor,
        account: &Account,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Result<Begun, Denial> {
        if first_factor.subject != *account.subject() || !account.body().is_of(self.keys.tenant()) {
            return Err(Denial::WrongRecord);
        }
        if first_factor.epoch != account.epoch() {
            return Err(Denial::ExpiredToken);
        }
        let mut draws = Draws::new(entropy, "begin", &first_factor.subject, Revision::NONE);
        let begun = Millis::from(now);
        let expires = begun.after(instant::span(self.policy.settings().token_lifetime));
        let claims = TokenClaims { first_factor, transaction: draws.transaction(), begun, expires };
        let token = mfa_token::seal_token(self.keys.transient(), &claims);
        let TokenClaims { first_factor, transaction, begun, expires } = claims;
        let session = Session::first_factor(first_factor, transaction, (begun, expires), true);
        let requirements = self.requirements(&session, account, now);
        Ok(Begun { token, session, requirements })
    }

    /// Opens an `mfa_token`. No storage is touched.
    ///
    /// `client` is the request's `client_id`, as the host authenticated it. Where Auth0's clients send none
    /// (`associate` and `authenticators`) it may be absent: the token's own client then counts, and the session is
    /// good for those commands only. A token whose first factor named no client is opened without one, and its session
    /// is good for all.
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
        let Some(claims) = mfa_token::open_token(&self.keys, mfa_token) else {
            return Err(Denial::MalformedToken);
        };
        let TokenClaims { first_factor, transaction, begun, expires } = claims;
        let too_new = begun > now.after(CLOCK_LEEWAY_MS);
        if too_new || expires.since(begun) > instant::span(self.policy.settings().token_lifetime) {
            return Err(Denial::MalformedToken);
        }
        if now >= expires {
            return Err(Denial::ExpiredToken);
        }
        if client.is_some_and(|client| first_factor.client.as_ref() != Some(client)) {
            return Err(Denial::WrongClient);
        }
        let client_named = client.is_some() || first_factor.client.is_none();
        Ok(Session::first_factor(first_factor, transaction, (begun, expires), client_named))
    }

    /// Opens an `oob_code`. No storage is touched, and nothing is said of the challenge: whether it is alive, only the
    /// record knows.
    ///
    /// # Errors
    /// [`Denial::MalformedOobCode`], [`Denial::ForeignOobCode`].
    pub fn open_oob_code(&self, session: &Session, oob_code: &str) -> Result<OobHandle, Denial> {
        let handle =
            oob_code::open_handle(&self.keys, session.subject(), oob_code).ok_or(Denial::MalformedOobCode)?;
        if handle.transaction_tag == session.transaction().tag() {
            Ok(handle)
        } else {
            Err(Denial::ForeignOobCode)
        }
    }
}
