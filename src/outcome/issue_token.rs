//! The token that a host issues after the second factor. It must never name an audience or a scope that the first
//! factor did not.

use crate::{
    outcome::effect_id::EffectId,
    session::{
        elevation::Elevation,
        evidence::Evidence,
        session::{Grant, Session},
    },
    value::{
        epoch::Epoch,
        name::{Audience, ClientId, Scope, Subject},
    },
};

/// The second factor is proven: answer the client with a token.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct IssueToken {
    /// For which audience; empty if none was asked for.
    pub audience: Audience,
    /// With which scope.
    pub scope: Scope,
    /// For whom and for which client the token is, and what was proven: what the host keeps with its own session, and
    /// hands back with [`Session::elevated`]. It carries the epoch of the account after this step.
    pub elevation: Elevation,
}

impl IssueToken {
    /// The token of a first-factor session; an elevated one gets none.
    pub(crate) fn of(session: &Session, evidence: &Evidence, epoch: Epoch) -> Option<Self> {
        let Grant::FirstFactor { audience, scope, .. } = session.grant() else { return None };
        Some(Self {
            audience: audience.clone(),
            scope: scope.clone(),
            elevation: session.elevated_by(evidence, epoch),
        })
    }

    /// For whom.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        self.elevation.subject()
    }

    /// For which client; absent if the first factor named none.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientId> {
        self.elevation.client()
    }

    /// What was proven.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        self.elevation.evidence()
    }

    /// The idempotency key, one for each transaction; it is computed by this call. Repeating a recovery request yields
    /// the same effect with the same id: a host that must not issue two tokens keeps the ids that it has carried out.
    #[must_use]
    pub fn id(&self) -> EffectId {
        EffectId::token(self.subject(), &self.elevation.transaction())
    }
}
