//! What hangs on keys: how many recovery codes and remembered devices of which records were made with which durable key.
//!
//! The library tells for each durable key that is not the current one of a ring. A ring of two keys that nothing was
//! made with therefore tells of every key, without a secret.

use std::collections::BTreeMap;

use countersign::{Account, Key, KeyRing, Policy, Verifier, machine::ChallengeState, policy::Settings};
use time::OffsetDateTime;

use crate::{
    random,
    store::{Database, StoreError},
};

/// How many records are read at once.
const PAGE: u16 = 500;

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyUseError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("{0}")]
    Key(#[from] countersign::keys::KeyError),
    #[error("{0}")]
    Policy(#[from] countersign::policy::PolicyError),
}

/// Finds the durable keys that a record hangs on.
pub(crate) struct Probe(Verifier);

/// What hangs on one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hanging {
    pub(crate) records: u64,
    /// Recovery codes that can be used.
    pub(crate) recovery_codes: u64,
    /// Recovery codes that were shown, of enrollments that are not confirmed yet.
    pub(crate) pending_recovery_codes: u64,
    /// Remembered devices.
    pub(crate) devices: u64,
}

impl Hanging {
    pub(crate) const fn codes(&self) -> u64 {
        self.recovery_codes.saturating_add(self.pending_recovery_codes)
    }
}

/// What all records hang on.
#[derive(Debug, Default)]
pub(crate) struct KeyUse {
    /// By the id of a durable key.
    pub(crate) durable: BTreeMap<String, Hanging>,
    /// Challenges whose code is still good. Each hangs on some transient key.
    pub(crate) open_challenges: u64,
    pub(crate) records: u64,
    /// Records that this version cannot read: what they hang on is not in the other numbers.
    pub(crate) unreadable: u64,
}

/// A verifier for questions that need no key, such as until when an account is locked.
pub(crate) fn keyless(policy: Policy) -> Result<Verifier, KeyUseError> {
    let ring = KeyRing::new("", Key::new(&random::<32>()?)?, Key::new(&random::<32>()?)?)?;
    Ok(Verifier::new(ring, policy))
}

impl Probe {
    pub(crate) fn new() -> Result<Self, KeyUseError> {
        Ok(Self(keyless(Policy::new(Settings::default())?)?))
    }

    /// The keys that a record hangs on, by their ids, and with what.
    pub(crate) fn of(&self, account: &Account) -> BTreeMap<String, Hanging> {
        let found = self.0.stale_keys(account);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let hanging = found.stale.iter().chain(&found.lost).map(|on| {
            let hanging = Hanging {
                records: 1,
                recovery_codes: count(on.recovery_codes),
                pending_recovery_codes: count(on.pending_recovery_codes),
                devices: count(on.devices),
            };
            (on.key.to_string(), hanging)
        });
        hanging.collect()
    }

    /// Looks at every record.
    pub(crate) async fn count(&self, database: &dyn Database) -> Result<KeyUse, KeyUseError> {
        let mut all = KeyUse::default();
        let mut after = String::new();
        let now = OffsetDateTime::now_utc();
        loop {
            let page = database.records(&after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after.clone_from(&last.subject);
            for recorded in &page {
                all.records = all.records.saturating_add(1);
                match &recorded.record {
                    Ok(account) => all.add(self, account, now),
                    Err(_) => all.unreadable = all.unreadable.saturating_add(1),
                }
            }
        }
    }
}

impl KeyUse {
    fn add(&mut self, probe: &Probe, account: &Account, now: OffsetDateTime) {
        for (id, of_one) in probe.of(account) {
            let all = self.durable.entry(id).or_default();
            all.records = all.records.saturating_add(1);
            all.recovery_codes = all.recovery_codes.saturating_add(of_one.recovery_codes);
            all.pending_recovery_codes =
                all.pending_recovery_codes.saturating_add(of_one.pending_recovery_codes);
            all.devices = all.devices.saturating_add(of_one.devices);
        }
        let open = account.challenges().iter().filter(|challenge| {
            matches!(challenge.state(), ChallengeState::Pending(_)) && challenge.deadline() > now
        });
        self.open_challenges =
            self.open_challenges.saturating_add(u64::try_from(open.count()).unwrap_or(u64::MAX));
    }

    pub(crate) fn on(&self, key: &str) -> Hanging {
        self.durable.get(key).copied().unwrap_or_default()
    }
}
