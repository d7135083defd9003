//! Sessions: who asks, on the strength of what.
//!
//! A first-factor session comes from an `mfa_token` and has only the rights of a user who has passed the first factor.
//! An elevated one is built by a host that checked an access token of its own. The two are one type, so that a
//! command states which it takes in one place; neither can be forged from the other.

use time::OffsetDateTime;

use crate::{
    machine::enrollment::EnrolledBy,
    value::{
        id::TransactionId,
        instant::Millis,
        name::{Audience, ClientId, Scope, Subject},
    },
};

/// That the host accepted a first factor: what [`begin`](crate::Verifier::begin) turns into an `mfa_token`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FirstFactor {
    /// Whose.
    pub subject: Subject,
    /// Through which client.
    pub client: ClientId,
    /// For which audience a token was asked.
    pub audience: Audience,
    /// With which scope.
    pub scope: Scope,
}

impl FirstFactor {
    /// A first factor that was accepted.
    #[must_use]
    pub const fn new(subject: Subject, client: ClientId, audience: Audience, scope: Scope) -> Self {
        Self { subject, client, audience, scope }
    }
}

/// What an elevated session may do: the scopes of Auth0's MFA audience.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ElevatedScopes {
    /// `enroll`: associate and confirm an authenticator, regenerate recovery codes.
    pub enroll: bool,
    /// `read:authenticators`: list them.
    pub read_authenticators: bool,
    /// `remove:authenticators`: remove one.
    pub remove_authenticators: bool,
}

impl ElevatedScopes {
    /// All of them.
    pub const ALL: Self = Self { enroll: true, read_authenticators: true, remove_authenticators: true };

    /// Reads a space-separated scope (RFC 6749 section 3.3); words that mean nothing here are skipped.
    #[must_use]
    pub fn parse(scope: &str) -> Self {
        scope.split(' ').fold(Self::default(), |scopes, word| match word {
            "enroll" => Self { enroll: true, ..scopes },
            "read:authenticators" => Self { read_authenticators: true, ..scopes },
            "remove:authenticators" => Self { remove_authenticators: true, ..scopes },
            _ => scopes,
        })
    }
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    subject: Subject,
    client: ClientId,
    transaction: TransactionId,
    begun: Millis,
    expires: Millis,
    grant: Grant,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Grant {
    FirstFactor {
        audience: Audience,
        scope: Scope,
        /// Whether the request named the client itself.
        client_named: bool,
    },
    Elevated(ElevatedScopes),
}

impl Session {
    /// A session that the host elevated, after checking an access token of its own: whose and which client's it is,
    /// the transaction that is stable for that token ([`TransactionId::from_token_id`]), what it may do, when its
    /// holder was last authenticated with a second factor, and when it expires.
    #[must_use]
    pub fn elevated(
        subject: Subject,
        client: ClientId,
        transaction: TransactionId,
        scopes: ElevatedScopes,
        authenticated_at: OffsetDateTime,
        expires: OffsetDateTime,
    ) -> Self {
        let begun = Millis::from(authenticated_at);
        let expires = Millis::from(expires).max(begun);
        Self { subject, client, transaction, begun, expires, grant: Grant::Elevated(scopes) }
    }

    pub(crate) fn first_factor(
        first_factor: FirstFactor,
        transaction: TransactionId,
        (begun, expires): (Millis, Millis),
        client_named: bool,
    ) -> Self {
        let FirstFactor { subject, client, audience, scope } = first_factor;
        let grant = Grant::FirstFactor { audience, scope, client_named };
        Self { subject, client, transaction, begun, expires, grant }
    }

    /// Whose account.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Which client asks.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.client
    }

    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// Whether the host elevated it.
    #[must_use]
    pub const fn is_elevated(&self) -> bool {
        matches!(self.grant, Grant::Elevated(_))
    }

    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        self.expires.to_datetime()
    }

    /// When the first factor was accepted, or the elevated session's holder authenticated.
    #[must_use]
    pub fn begun(&self) -> OffsetDateTime {
        self.begun.to_datetime()
    }

    pub(crate) const fn begun_ms(&self) -> Millis {
        self.begun
    }

    pub(crate) const fn expires_ms(&self) -> Millis {
        self.expires
    }

    pub(crate) const fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(crate) const fn opener(&self) -> EnrolledBy {
        match self.grant {
            Grant::FirstFactor { .. } => EnrolledBy::FirstFactor,
            Grant::Elevated(_) => EnrolledBy::Elevated,
        }
    }
}
