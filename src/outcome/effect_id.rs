//! The id of an effect. It must be the same whenever the same effect is computed again.

use core::fmt;

use crate::{
    factor::destination::Channel,
    keys::derive,
    value::{
        epoch::Epoch,
        id::{AuthenticatorId, ChallengeId, ProofId, TransactionId},
        name::Subject,
    },
};

/// The stable id of an effect, the same whenever the same effect is computed: an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub(crate) [u8; 16]);

impl EffectId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn send(channel: Channel, subject: &Subject, challenge: &ChallengeId, sends: u32) -> Self {
        let kind = ("send-", channel.as_str());
        Self(derive::effect_id(subject, kind, &[&challenge.0], Some(sends)))
    }

    pub(super) fn link(channel: Channel, subject: &Subject, proof: &ProofId) -> Self {
        Self(derive::effect_id(subject, ("link-", channel.as_str()), &[&proof.0], None))
    }

    pub(super) fn token(subject: &Subject, transaction: &TransactionId) -> Self {
        Self(derive::effect_id(subject, ("issue-token", ""), &[&transaction.0], None))
    }

    pub(super) fn end_sessions(subject: &Subject, epoch: Epoch) -> Self {
        Self(derive::effect_id(subject, ("end-sessions", ""), &[&epoch.0.to_be_bytes()], None))
    }

    pub(super) fn notify(
        subject: &Subject,
        kind: &str,
        about: Option<&AuthenticatorId>,
        revision: u64,
    ) -> Self {
        let (prefix, device) = about.map_or((&[][..], &[][..]), |id| (id.prefix(), &id.device()[..]));
        Self(derive::effect_id(subject, (kind, ""), &[prefix, device, &revision.to_be_bytes()], None))
    }
}

/// Base64url, 22 characters.
impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::crypto::base64url::encode(&self.0))
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
crate::crypto::stored_bytes::stored_as_bytes!(EffectId);
