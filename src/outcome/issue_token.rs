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
    /// For whom.
    pub subject: Subject,
    /// For which client; absent if the first factor named none.
    pub client: Option<ClientId>,
    /// For which audience; empty if none was asked for.
    pub audience: Audience,
    /// With which scope.
    pub scope: Scope,
    /// What was proven.
    pub evidence: Evidence,
    /// What the host keeps with its own session, and hands back with [`Session::elevated`]. It carries the epoch of the
    /// account after this step.
    pub elevation: Elevation,
}

impl IssueToken {
    /// The token of a first-factor session; an elevated one gets none.
    pub(crate) fn of(session: &Session, evidence: &Evidence, epoch: Epoch) -> Option<Self> {
        let Grant::FirstFactor { audience, scope, .. } = session.grant() else { return None };
        Some(Self {
            subject: session.subject().clone(),
            client: session.client().cloned(),
            audience: audience.clone(),
            scope: scope.clone(),
            evidence: evidence.clone(),
            elevation: session.elevated_by(evidence, epoch),
        })
    }

    /// The idempotency key, one for each transaction; it is computed by this call. Repeating a recovery request yields
    /// the same effect with the same id: a host that must not issue two tokens keeps the ids that it has carried out.
    #[must_use]
    pub fn id(&self) -> EffectId {
        EffectId::token(&self.subject, &self.elevation.transaction())
    }
}
