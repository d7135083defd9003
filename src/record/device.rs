//! Remembered devices: browsers on which a second factor was proven, and which their holder asked to be
//! remembered. What a browser keeps is derived from the seed here and never stored. A device must never
//! outlive its bounds or the authenticator that vouched for it.

use time::OffsetDateTime;

use crate::{
    crypto::{mac::Tag, seed::Seed},
    keys::keyring::{DurableKey, KeyRing},
    policy::{bounds::CLOCK_LEEWAY_MS, settings::Remember},
    session::device_token,
    value::{
        id::{AuthenticatorId, DeviceId, KeyId},
        instant::Millis,
        name::Subject,
        opaque::DeviceToken,
    },
};

/// One remembered device of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Device {
    pub(super) id: DeviceId,
    seed: Seed,
    /// The durable key that its token was made with.
    key: KeyId,
    pub(super) vouched_by: AuthenticatorId,
    pub(super) since: Millis,
    pub(super) last_used: Millis,
    pub(super) expires: Millis,
}

impl Device {
    /// The public id.
    #[must_use]
    pub const fn id(&self) -> DeviceId {
        self.id
    }

    /// The authenticator that was proven on it when it was remembered.
    #[must_use]
    pub const fn vouched_by(&self) -> AuthenticatorId {
        self.vouched_by
    }

    /// Since when it is remembered.
    #[must_use]
    pub fn since(&self) -> OffsetDateTime {
        self.since.to_datetime()
    }

    /// When a sign-in was last completed on it.
    #[must_use]
    pub fn last_used(&self) -> OffsetDateTime {
        self.last_used.to_datetime()
    }

    /// When it is forgotten at the latest.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        self.expires.to_datetime()
    }

    /// A device that is remembered from now on.
    pub(crate) fn new(
        (id, seed): (DeviceId, Seed),
        key: KeyId,
        vouched_by: AuthenticatorId,
        (now, expires): (Millis, Millis),
    ) -> Self {
        Self { id, seed, key, vouched_by, since: now, last_used: now, expires }
    }

    /// The token that its browser keeps.
    pub(crate) fn token(&self, key: &DurableKey, subject: &Subject) -> DeviceToken {
        device_token::seal_device(key, subject, (self.id, self.expires), &self.seed)
    }

    /// The inner tag of its token; nothing if the key is gone.
    pub(super) fn tag(&self, keys: &KeyRing, subject: &Subject) -> Option<Tag> {
        let key = keys.durable_by_id(self.key)?;
        Some(device_token::inner_tag(key, subject, (self.id, self.expires), &self.seed))
    }

    /// The durable key that its token was made with.
    pub(crate) const fn key_id(&self) -> KeyId {
        self.key
    }

    /// Since when it is remembered.
    pub(crate) const fn since_ms(&self) -> Millis {
        self.since
    }

    /// Whether its time is over, whatever the policy says.
    pub(super) fn has_expired(&self, now: Millis) -> bool {
        self.expires <= now
    }

    /// Whether it is remembered still, under the policy of this step. One that only a clock far ahead can
    /// have remembered is not yet.
    pub(crate) fn is_live(&self, remember: Remember, now: Millis) -> bool {
        let begun = self.since <= now.after(CLOCK_LEEWAY_MS);
        begun && now < self.expires.min(self.since.after(remember.lifetime_ms()))
    }

    /// Notes that a sign-in was completed on it.
    pub(super) fn note_use(&mut self, now: Millis) {
        self.last_used = self.last_used.max(now);
    }

    /// What a list of devices shows of it.
    pub(crate) fn view(&self, current: bool) -> DeviceView {
        DeviceView {
            id: self.id,
            vouched_by: self.vouched_by,
            since: self.since(),
            last_used: self.last_used(),
            expires: self.expires(),
            current,
        }
    }
}

/// One row of the list of remembered devices, fit for a client: it holds no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeviceView {
    /// The public id.
    pub id: DeviceId,
    /// The authenticator that was proven on it when it was remembered.
    pub vouched_by: AuthenticatorId,
    /// Since when it is remembered.
    pub since: OffsetDateTime,
    /// When a sign-in was last completed on it.
    pub last_used: OffsetDateTime,
    /// When it is forgotten at the latest.
    pub expires: OffsetDateTime,
    /// Whether the session that asks is on it.
    pub current: bool,
}
