//! Authenticators: what an account has enrolled, how each is named, and what a list of them shows.
//!
//! The factor is fixed when an authenticator is made: another address is another authenticator, with an enrollment of
//! its own. This module must never depend on which factor it is.

use alloc::string::String;
use time::OffsetDateTime;

use crate::{
    factor::{destination::Channel, factor::Factor},
    machine::enrollment::Enrollment,
    value::{id::AuthenticatorId, instant::Millis},
};

/// How an authenticator came into the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Origin {
    /// A person enrolled it and proved it with a code.
    Enrolled,
    /// The host had verified the address itself: Auth0's implicit enrollment.
    Provisioned,
}

/// One authenticator of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Authenticator {
    pub(crate) id: AuthenticatorId,
    pub(crate) factor: Factor,
    pub(crate) enrollment: Enrollment,
    /// Wrong codes since the last right one. No clock touches it.
    pub(crate) failures: u8,
    pub(crate) origin: Origin,
    pub(crate) created: Millis,
    pub(crate) last_used: Option<Millis>,
}

impl Authenticator {
    /// The public id.
    #[must_use]
    pub const fn id(&self) -> AuthenticatorId {
        self.id
    }

    /// What it proves.
    #[must_use]
    pub const fn factor(&self) -> &Factor {
        &self.factor
    }

    /// Where it stands in its life.
    #[must_use]
    pub const fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }

    /// Wrong codes in a row.
    #[must_use]
    pub const fn failures(&self) -> u8 {
        self.failures
    }

    /// How it came into the record.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// When it came into the record.
    #[must_use]
    pub fn created(&self) -> OffsetDateTime {
        self.created.to_datetime()
    }

    /// When it last verified a code.
    #[must_use]
    pub fn last_used(&self) -> Option<OffsetDateTime> {
        self.last_used.map(Millis::to_datetime)
    }

    pub(crate) const fn is_active(&self) -> bool {
        matches!(self.enrollment, Enrollment::Active)
    }

    pub(crate) const fn is_unconfirmed(&self) -> bool {
        matches!(self.enrollment, Enrollment::Unconfirmed(_))
    }

    pub(crate) const fn is_provisioned(&self) -> bool {
        matches!(self.origin, Origin::Provisioned)
    }

    pub(crate) fn view(&self) -> AuthenticatorView {
        let status = match self.enrollment {
            Enrollment::Unconfirmed(_) => AuthenticatorStatus::Unconfirmed,
            Enrollment::Active => AuthenticatorStatus::Active,
            Enrollment::Disabled => AuthenticatorStatus::Disabled,
        };
        AuthenticatorView {
            id: self.id,
            channel: self.factor.channel(),
            name: Some(self.factor.label().masked()),
            status,
            provisioned: self.is_provisioned(),
            created: Some(self.created.to_datetime()),
            last_used: self.last_used.map(Millis::to_datetime),
        }
    }
}

/// One row of the list of authenticators, fit for a client: it holds no secret and only the masked address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AuthenticatorView {
    /// The public id.
    pub id: AuthenticatorId,
    /// The way its codes travel; absent if none is sent, as for recovery codes.
    pub channel: Option<Channel>,
    /// Its masked label; absent for recovery codes.
    pub name: Option<String>,
    /// Whether it can be used. Auth0's `active` is true for [`AuthenticatorStatus::Active`] alone.
    pub status: AuthenticatorStatus,
    /// Whether the host provisioned it; such a one cannot be removed by its user.
    pub provisioned: bool,
    /// When it was made; absent for recovery codes.
    pub created: Option<OffsetDateTime>,
    /// When it last verified a code.
    pub last_used: Option<OffsetDateTime>,
}

/// Whether an authenticator can be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AuthenticatorStatus {
    /// It waits for its confirmation.
    Unconfirmed,
    /// It can be challenged.
    Active,
    /// Too many wrong codes in a row; a new enrollment is needed.
    Disabled,
}
