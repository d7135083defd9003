//! Recovery codes at rest: keyed hashes, found by scanning the whole set, gone once used.
//!
//! A code is shown once, when its set is made or it replaces a used one, and never stored. Checking one costs one MAC
//! for each key that the set still depends on, whatever the set's size, and looks at every hash. This module must never
//! tell "used" from "wrong", nor where in the set a code stood.

use alloc::vec::Vec;
use subtle::{Choice, ConditionallySelectable as _};

use crate::{
    crypto::{
        declassify::{declassify, declassify_place},
        mac::Tag,
    },
    keys::{
        derive,
        keyring::{DurableKey, KeyRing},
    },
    record::authenticator::{AuthenticatorStatus, AuthenticatorView},
    value::{
        id::{AuthenticatorId, KeyId, TransactionId},
        name::Subject,
        recovery_code::RecoveryCode,
    },
};

/// The recovery codes of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Recovery {
    pub(super) id: AuthenticatorId,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_RECOVERY_CODES }>"
        )
    )]
    pub(super) live: Vec<LiveCode>,
    /// Codes that completed a transaction which may still ask again, at most one for each.
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_TRANSACTIONS }>"
        )
    )]
    pub(super) spent: Vec<SpentCode>,
}

/// A code that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct LiveCode {
    key_id: KeyId,
    hash: Tag,
}

/// A code that was used, and the key of the code that replaced it, if one did.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct SpentCode {
    pub(super) transaction: TransactionId,
    code: LiveCode,
    next_key_id: Option<KeyId>,
}

impl SpentCode {
    /// The key of the code that replaced it, if one did.
    pub(crate) const fn next_key_id(&self) -> Option<KeyId> {
        self.next_key_id
    }
}

impl LiveCode {
    /// A code as it is stored.
    pub(crate) fn new(key: &DurableKey, subject: &Subject, code: &RecoveryCode) -> Self {
        Self { key_id: key.id, hash: derive::recovery_hash(&key.recovery, subject, code) }
    }
}

impl Recovery {
    /// A set of which every code can be used.
    pub(crate) fn issue(
        id: AuthenticatorId,
        key: &DurableKey,
        subject: &Subject,
        codes: &[RecoveryCode],
    ) -> Self {
        let live = codes.iter().map(|code| LiveCode::new(key, subject, code)).collect();
        Self { id, live, spent: Vec::new() }
    }

    /// The set's id.
    pub(crate) const fn id(&self) -> AuthenticatorId {
        self.id
    }

    /// The keys of the codes that were not used, one for each code.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.live.iter().map(|code| code.key_id)
    }

    /// What a list of authenticators shows of the set.
    pub(crate) const fn view(&self) -> AuthenticatorView {
        AuthenticatorView {
            id: self.id,
            channel: None,
            name: None,
            destination: None,
            status: AuthenticatorStatus::Active,
            preferred: false,
            provisioned: false,
            created: None,
            last_used: None,
        }
    }

    /// Where the presented code stands among the live ones. Looks at all of them, whatever it finds.
    pub(crate) fn find(&self, keys: &KeyRing, subject: &Subject, presented: &RecoveryCode) -> Option<usize> {
        let mut found = 0_u32;
        for key in keys.durable_keys() {
            if !self.live.iter().any(|code| code.key_id == key.id) {
                continue;
            }
            let hash = derive::recovery_hash(&key.recovery, subject, presented);
            for (place, code) in (1_u32..).zip(&self.live) {
                let hit = code.hash.matches(&hash) & Choice::from(u8::from(code.key_id == key.id));
                found.conditional_assign(&place, hit);
            }
        }
        usize::try_from(declassify_place(found).checked_sub(1)?).ok()
    }

    /// The entry of the code that was used in `transaction`, if `presented` is that very code.
    pub(crate) fn spent_in(
        &self,
        keys: &KeyRing,
        subject: &Subject,
        transaction: TransactionId,
        presented: &RecoveryCode,
    ) -> Option<&SpentCode> {
        let spent = self.spent.iter().find(|spent| spent.transaction == transaction)?;
        let key = keys.durable_by_id(spent.code.key_id)?;
        let hash = derive::recovery_hash(&key.recovery, subject, presented);
        declassify(spent.code.hash.matches(&hash)).then_some(spent)
    }

    /// Uses up the code at this place in a transaction, with another in its place if there is one; nothing if there is no
    /// such place.
    pub(super) fn spend(
        &mut self,
        place: usize,
        transaction: TransactionId,
        next: Option<LiveCode>,
    ) -> Option<()> {
        let next_key_id = next.as_ref().map(|next| next.key_id);
        let code = self.take(place, next)?;
        self.spent.push(SpentCode { transaction, code, next_key_id });
        Some(())
    }

    /// Takes a code out of the set, with another in its place if there is one; nothing if there is no such place.
    fn take(&mut self, place: usize, next: Option<LiveCode>) -> Option<LiveCode> {
        let slot = self.live.get_mut(place)?;
        Some(match next {
            Some(next) => core::mem::replace(slot, next),
            None => self.live.remove(place),
        })
    }

    /// Whether it has codes, and the ring has the key of none. A set that was used up is not lost: it looks like any other.
    pub(crate) fn is_lost(&self, keys: &KeyRing) -> bool {
        !self.live.is_empty() && self.usable(keys) == 0
    }

    /// How many codes can still be used: those whose key is in the ring.
    pub(crate) fn usable(&self, keys: &KeyRing) -> u8 {
        let usable = self.live.iter().filter(|code| keys.durable_by_id(code.key_id).is_some());
        u8::try_from(usable.count()).unwrap_or(u8::MAX)
    }
}
