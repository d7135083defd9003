//! The elevation: what a completed sign-in gives the host to keep with its session, and to hand back. Nobody but the
//! core may make one: it comes with a token that is due, or from its own stored form.

use time::OffsetDateTime;

use crate::{
    session::evidence::Evidence,
    value::{
        epoch::Epoch,
        id::TransactionId,
        name::{ClientId, Subject},
    },
};

/// That a sign-in was completed with a second factor: a value that the host keeps with its own session, in a cookie's
/// row or in the claims of an access token, and hands back with [`Session::elevated`](crate::Session::elevated).
///
/// It comes with [`IssueToken`](crate::effect::IssueToken) and carries the account's epoch after that step. Every command
/// that ends other sessions gives the acting session its new elevation: replace the kept one with it. A refresh of the
/// host's token keeps it as it is. An elevation whose epoch is not the account's is refused as
/// [`ExpiredToken`](crate::Denial::ExpiredToken).
///
/// Its stored form, behind the feature `serde`, holds no secret. It grants what the host lets it grant, so it must come
/// back unchanged: keep it on the server, or in a token that the host signs.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Elevation {
    pub(super) subject: Subject,
    pub(super) client: Option<ClientId>,
    pub(super) transaction: TransactionId,
    pub(super) epoch: Epoch,
    pub(super) evidence: Evidence,
}

impl Elevation {
    /// Whose account.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Through which client; absent if the first factor named none.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientId> {
        self.client.as_ref()
    }

    /// The transaction of the sign-in.
    #[must_use]
    pub const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// The epoch of the account after the step that gave this elevation.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What was proven.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// When its holder completed the sign-in: the `auth_time` of OpenID Connect. Of a remembered device it is
    /// when that was recognized; since when it is remembered, the [evidence](Self::evidence) says.
    #[must_use]
    pub const fn authenticated_at(&self) -> OffsetDateTime {
        self.evidence.at
    }
}
