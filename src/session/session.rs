//! Sessions: who asks, on the strength of what.
//!
//! A first-factor session comes from an `mfa_token` and has only the rights of a user who has passed the first factor.
//! An elevated one is built by a host that checked an access token of its own, from the elevation that it keeps with it.
//! The two are one type, so that a command states which it takes in one place; neither can be forged from the other.

use time::OffsetDateTime;

use crate::{
    machine::enrollment::EnrolledBy,
    session::{device_token::DeviceProof, elevation::Elevation, evidence::Evidence},
    value::{
        epoch::Epoch,
        id::{DeviceId, TransactionId},
        instant::Millis,
        name::{Audience, ClientId, Scope, Subject},
    },
};

/// A first factor under way: made by [`prepare`](crate::Verifier::prepare) before the password is checked, and turned
/// into a session by [`begin`](crate::Verifier::begin) if it was right.
///
/// It remembers the epoch of the account. If the password is changed while it is being checked, the host calls
/// [`revoke_sessions`](crate::Verifier::revoke_sessions), and this first factor begins nothing any more.
///
/// A plain cookie application names no client, audience or scope, and nothing then asks for one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstFactor {
    pub(crate) subject: Subject,
    pub(crate) client: Option<ClientId>,
    pub(crate) audience: Audience,
    pub(crate) scope: Scope,
    pub(crate) epoch: Epoch,
}

impl FirstFactor {
    pub(crate) fn new(subject: Subject, epoch: Epoch) -> Self {
        Self { subject, client: None, audience: Audience::default(), scope: Scope::default(), epoch }
    }

    /// Names the client that the user signs in through. Every later request must then name the same one.
    #[must_use]
    pub fn client(self, client: ClientId) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Names the audience that a token was asked for.
    #[must_use]
    pub fn audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Names the scope that was asked for.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Whose it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
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
    client: Option<ClientId>,
    transaction: TransactionId,
    epoch: Epoch,
    begun: Millis,
    expires: Millis,
    grant: Grant,
    /// What a remembered device presented; the record decides whether it lists that.
    device: Option<DeviceProof>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Grant {
    FirstFactor {
        audience: Audience,
        scope: Scope,
        /// Whether the request named the client itself, if there is one to name.
        client_named: bool,
    },
    Elevated {
        scopes: ElevatedScopes,
        evidence: Evidence,
    },
}

impl Session {
    /// A session that the host elevated, after checking an access token or a cookie of its own: the elevation that it
    /// keeps with that, what the session may do, and when it expires. Its client is that of the elevation, which the
    /// host has authenticated where there is one.
    #[must_use]
    pub fn elevated(elevation: Elevation, scopes: ElevatedScopes, expires: OffsetDateTime) -> Self {
        let Elevation { subject, client, transaction, epoch, evidence } = elevation;
        let expires = Millis::from(expires);
        // A clock that is ahead may have seen the evidence. It prolongs nothing.
        let begun = Millis::from(evidence.at).min(expires);
        Self {
            subject,
            client,
            transaction,
            epoch,
            begun,
            expires,
            grant: Grant::Elevated { scopes, evidence },
            device: None,
        }
    }

    pub(crate) fn first_factor(
        first_factor: FirstFactor,
        transaction: TransactionId,
        (begun, expires): (Millis, Millis),
        client_named: bool,
    ) -> Self {
        let FirstFactor { subject, client, audience, scope, epoch } = first_factor;
        let grant = Grant::FirstFactor { audience, scope, client_named };
        Self { subject, client, transaction, epoch, begun, expires, grant, device: None }
    }

    /// Whose account.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Which client asks; absent if the first factor named none.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientId> {
        self.client.as_ref()
    }

    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// The epoch that the account had when the session was begun.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether the host elevated it.
    #[must_use]
    pub const fn is_elevated(&self) -> bool {
        matches!(self.grant, Grant::Elevated { .. })
    }

    /// The remembered device that the session names: see [`recognize`](crate::Verifier::recognize). Whether
    /// the account lists it, each command looks up.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.device.as_ref().map(DeviceProof::id)
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

    /// The session, with what a device presented in the place of anything earlier.
    pub(crate) fn on_device(self, device: Option<DeviceProof>) -> Self {
        Self { device, ..self }
    }

    pub(crate) const fn device_proof(&self) -> Option<&DeviceProof> {
        self.device.as_ref()
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

    /// Whether the client that asks is known: the request named it, or the host authenticated it, or there is none.
    pub(crate) const fn is_client_known(&self) -> bool {
        match self.grant {
            Grant::FirstFactor { client_named, .. } => client_named,
            Grant::Elevated { .. } => true,
        }
    }

    /// The elevation of an elevated session, at this epoch.
    pub(crate) fn elevation_at(&self, epoch: Epoch) -> Option<Elevation> {
        match &self.grant {
            Grant::FirstFactor { .. } => None,
            Grant::Elevated { evidence, .. } => Some(self.elevated_by(evidence, epoch)),
        }
    }

    /// What the host keeps of this session once this evidence elevated it.
    pub(crate) fn elevated_by(&self, evidence: &Evidence, epoch: Epoch) -> Elevation {
        Elevation {
            subject: self.subject.clone(),
            client: self.client.clone(),
            transaction: self.transaction,
            epoch,
            evidence: evidence.clone(),
        }
    }

    pub(crate) const fn opener(&self) -> EnrolledBy {
        match self.grant {
            Grant::FirstFactor { .. } => EnrolledBy::FirstFactor,
            Grant::Elevated { .. } => EnrolledBy::Elevated,
        }
    }
}
