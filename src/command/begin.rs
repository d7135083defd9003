//! Sessions: begun after a first factor, and opened again from the token that a client presents.

use time::OffsetDateTime;

use crate::{
    command::verifier::Verifier,
    crypto::entropy::Entropy,
    keys::draws::Draws,
    outcome::denial::Denial,
    policy::bounds::CLOCK_LEEWAY_MS,
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

impl Verifier {
    /// Begins a transaction: the host accepted a first factor and answers `mfa_required` with this `mfa_token`.
    /// Nothing is stored.
    #[must_use]
    pub fn begin(&self, first_factor: &FirstFactor, now: OffsetDateTime, entropy: &Entropy) -> MfaToken {
        let mut draws = Draws::new(entropy, "begin", &first_factor.subject, Revision::NONE);
        let begun = Millis::from(now);
        let expires = begun.after(instant::span(self.policy.settings().token_lifetime));
        let claims = TokenClaims {
            first_factor: first_factor.clone(),
            transaction: draws.transaction(),
            begun,
            expires,
        };
        mfa_token::seal_token(self.keys.transient(), &claims)
    }

    /// Opens an `mfa_token`. No storage is touched.
    ///
    /// `client` is the request's `client_id`, as the host authenticated it. Where Auth0's clients send none
    /// (`associate` and `authenticators`) it may be absent: the token's own client then counts, and the session is
    /// good for those commands only.
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
        let claims = mfa_token::open_token(&self.keys, mfa_token).ok_or(Denial::MalformedToken)?;
        let TokenClaims { first_factor, transaction, begun, expires } = claims;
        let too_new = begun > now.after(CLOCK_LEEWAY_MS);
        if too_new || expires.since(begun) > instant::span(self.policy.settings().token_lifetime) {
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
