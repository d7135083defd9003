//! The token that a host issues after the second factor. It must never name an audience or a scope that the first
//! factor did not.

use crate::{
    outcome::{effect_id::EffectId, evidence::Evidence},
    session::session::{Grant, Session},
    value::name::{Audience, ClientId, Scope, Subject},
};

/// The second factor is proven: answer the client with a token.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct IssueToken {
    /// The idempotency key, one for each transaction. Asking again for a recovery's answer gives the same effect
    /// again: a host that must not issue two tokens keeps the ids it has carried out.
    pub id: EffectId,
    /// For whom.
    pub subject: Subject,
    /// For which client.
    pub client: ClientId,
    /// For which audience; empty if none was asked for.
    pub audience: Audience,
    /// With which scope.
    pub scope: Scope,
    /// What was proven.
    pub evidence: Evidence,
}

impl IssueToken {
    /// The token of a first-factor session; an elevated one gets none.
    pub(crate) fn of(session: &Session, evidence: &Evidence) -> Option<Self> {
        let Grant::FirstFactor { audience, scope, .. } = session.grant() else { return None };
        Some(Self {
            id: EffectId::token(session.subject(), &session.transaction()),
            subject: session.subject().clone(),
            client: session.client().clone(),
            audience: audience.clone(),
            scope: scope.clone(),
            evidence: evidence.clone(),
        })
    }
}
