//! Notices to the holder of an account about what happened to it. A notice must never hold a secret.

use time::OffsetDateTime;

use crate::{
    factor::destination::FactorLabel,
    outcome::effect_id::EffectId,
    value::{
        id::{AuthenticatorId, DeviceId},
        instant::Millis,
        lane::Lane,
        name::Subject,
    },
};

/// Tell the account's holder that something happened. The host chooses the addresses: NIST SP 800-63B-4 section 4.6
/// wants them independent of what changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Notify {
    /// The idempotency key.
    pub id: EffectId,
    /// Whose account.
    pub subject: Subject,
    /// What happened.
    pub notice: Notice,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

impl Notify {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> OffsetDateTime {
        Millis(self.at).to_datetime()
    }

    pub(crate) fn new(subject: &Subject, notice: Notice, revision: u64, now: Millis) -> Self {
        let id = EffectId::notify(subject, notice.kind(), notice.about(), revision);
        Self { id, subject: subject.clone(), notice, at: now.0 }
    }
}

/// What an account's holder is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Notice {
    /// An authenticator became active.
    Added {
        /// Which.
        authenticator: AuthenticatorId,
        /// What tells it from others.
        label: FactorLabel,
    },
    /// An authenticator is gone.
    Removed {
        /// Which.
        authenticator: AuthenticatorId,
        /// What told it from others.
        label: FactorLabel,
    },
    /// An authenticator reached the cap of wrong codes in a row.
    Disabled {
        /// Which.
        authenticator: AuthenticatorId,
        /// What tells it from others.
        label: FactorLabel,
    },
    /// A recovery code was used.
    RecoveryUsed {
        /// The set.
        recovery: AuthenticatorId,
        /// How many codes are left.
        remaining: u8,
    },
    /// The recovery codes were replaced as a set.
    RecoveryRegenerated {
        /// The new set.
        recovery: AuthenticatorId,
    },
    /// So many wrong recovery codes came that the bucket is empty.
    RecoveryGuessed {
        /// The set.
        recovery: AuthenticatorId,
    },
    /// So many wrong codes came that the account is locked.
    Locked {
        /// The authenticator that was guessed at last.
        authenticator: AuthenticatorId,
        /// Until when, in milliseconds since the Unix epoch.
        until: u64,
    },
    /// So many wrong codes came that the account is hardened: until that calms down, codes of 20 digits are
    /// sent.
    Hardened {
        /// The authenticator that was guessed at last.
        authenticator: AuthenticatorId,
        /// The sessions that are concerned: those of somebody who knows the password, or elevated ones.
        lane: Lane,
    },
    /// The host lifted the lock.
    Unlocked,
    /// The host dropped all factors.
    Reset,
    /// **For the operator.** The record was last written more than a minute after this step's time: clocks disagree.
    ClockDisagrees {
        /// By how many milliseconds this step's clock is behind.
        behind_ms: u64,
    },
    /// A remembered device was forgotten, by its holder or by an administrator.
    DeviceForgotten {
        /// Which.
        device: DeviceId,
    },
}

impl Notice {
    /// A stable name, which is part of the effect's id.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Added { .. } => "notify-added",
            Self::Removed { .. } => "notify-removed",
            Self::Disabled { .. } => "notify-disabled",
            Self::RecoveryUsed { .. } => "notify-recovery-used",
            Self::RecoveryRegenerated { .. } => "notify-recovery-regenerated",
            Self::RecoveryGuessed { .. } => "notify-recovery-guessed",
            Self::Locked { .. } => "notify-locked",
            Self::Hardened { .. } => "notify-hardened",
            Self::Unlocked => "notify-unlocked",
            Self::Reset => "notify-reset",
            Self::ClockDisagrees { .. } => "notify-clock-disagrees",
            Self::DeviceForgotten { .. } => "notify-device-forgotten",
        }
    }

    const fn about(&self) -> Option<&AuthenticatorId> {
        match self {
            Self::Added { authenticator, .. }
            | Self::Removed { authenticator, .. }
            | Self::Disabled { authenticator, .. }
            | Self::Locked { authenticator, .. }
            | Self::Hardened { authenticator, .. } => Some(authenticator),
            Self::RecoveryUsed { recovery, .. }
            | Self::RecoveryRegenerated { recovery }
            | Self::RecoveryGuessed { recovery } => Some(recovery),
            Self::Unlocked | Self::Reset | Self::ClockDisagrees { .. } | Self::DeviceForgotten { .. } => None,
        }
    }
}
