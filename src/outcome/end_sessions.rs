//! The end of a host's own sessions: what opened them was lost or changed. It must never end the session that acted.

use crate::{
    outcome::effect_id::EffectId,
    value::{epoch::Epoch, id::TransactionId, name::Subject},
};

/// End the host's own sessions of this account: those whose elevation is of an earlier epoch than
/// [`epoch`](Self::epoch), but for those of the transaction [`except`](Self::except).
///
/// The core refuses such sessions from the same step on. Whatever else a host opened with them, pages and tokens of its
/// own, it ends itself (ASVS 5.0 requirement 7.4.3). It stands in the outbox, so that a crash does not lose it; carried
/// out twice, or after a later one, it must not do more or bring anything back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct EndSessions {
    /// The idempotency key, one for each epoch.
    pub id: EffectId,
    /// Whose sessions.
    pub subject: Subject,
    /// The epoch that began: sessions of an earlier one end.
    pub epoch: Epoch,
    /// The transaction that acted, whose sessions stay; absent if the host acted.
    pub except: Option<TransactionId>,
    /// Why.
    pub reason: EndReason,
}

impl EndSessions {
    pub(crate) fn new(
        subject: &Subject,
        epoch: Epoch,
        except: Option<TransactionId>,
        reason: EndReason,
    ) -> Self {
        Self { id: EffectId::end_sessions(subject, epoch), subject: subject.clone(), epoch, except, reason }
    }
}

/// Why sessions end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EndReason {
    /// The first authenticator became active: from now on a first factor alone is not enough.
    Enrolled,
    /// An authenticator was removed, by its holder or by an administrator.
    Removed,
    /// The host provisioned another address in the place of one.
    Replaced,
    /// The host took a provisioned address back.
    Deprovisioned,
    /// The recovery codes were replaced as a set.
    RecoveryRegenerated,
    /// An administrator dropped all factors.
    Reset,
    /// The host ended them, for a change of the password or for a reason of its own.
    Revoked,
    /// A remembered device was forgotten, by its holder or by an administrator.
    DeviceForgotten,
}

impl EndReason {
    /// A stable name for logs, as it is serialised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Deprovisioned => "deprovisioned",
            Self::RecoveryRegenerated => "recovery_regenerated",
            Self::Reset => "reset",
            Self::Revoked => "revoked",
            Self::DeviceForgotten => "device_forgotten",
        }
    }
}
