//! The record as plain data, read from its stored form: what the rules of the model speak of.

use countersign::{
    Account,
    policy::{FactorUse, Settings},
    record::Lane,
};
use serde::Deserialize;
use serde_json::Value;

use crate::budgets::Buckets;

#[derive(Clone, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) enrolled: bool,
    pub(crate) authenticators: Vec<Known>,
    pub(crate) preferred: Option<String>,
    pub(crate) challenges: Vec<Asked>,
    pub(crate) transactions: Vec<Entry>,
    pub(crate) recovery: Option<Set>,
    pub(crate) devices: Vec<Remembered>,
    pub(crate) ledger: Buckets,
    pub(crate) epoch: u64,
    pub(crate) changed_by: Option<String>,
    pub(crate) not_before: Option<u64>,
    pub(crate) updated: u64,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Known {
    pub(crate) id: String,
    factor: Factor,
    pub(crate) enrollment: Enrollment,
    failures: Failures,
    origin: String,
    pub(crate) name: Option<String>,
    pub(crate) created: u64,
    pub(crate) last_used: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
struct Failures {
    unknown: u8,
    known: u8,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Factor {
    Email { address: String },
    Totp { last_step: Option<u64> },
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Enrollment {
    Unconfirmed { transaction: String, enrolled_by: String, recovery: Option<Value> },
    Active,
    Disabled,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) transaction: String,
    pub(crate) authenticator: String,
    purpose: Value,
    form: Form,
    pub(crate) lane: Lane,
    pub(crate) deadline: u64,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Short(u8),
    Long,
}

#[derive(Clone, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending { generation: u32, sends: u32 },
    Verified,
    Exhausted,
    Expired,
    Cancelled(String),
}

#[derive(Clone, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) lane: Lane,
    begun: u64,
    expires: u64,
    spent: Option<Value>,
    pub(crate) recovery_attempts: u8,
    pub(crate) pairs: Vec<Pair>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Pair {
    pub(crate) authenticator: String,
    pub(crate) attempts_left: u8,
    pub(crate) last_send: Option<u64>,
}

/// A remembered device.
#[derive(Clone, Deserialize, PartialEq, Debug)]
pub(crate) struct Remembered {
    pub(crate) id: String,
    pub(crate) vouched_by: String,
    pub(crate) since: u64,
    pub(crate) last_used: u64,
    pub(crate) expires: u64,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Set {
    pub(crate) id: String,
    pub(crate) live: Vec<Value>,
    spent: Vec<Value>,
}

impl Known {
    /// Its address, or the kind of one that has none.
    pub(crate) fn address(&self) -> &str {
        match &self.factor {
            Factor::Email { address } => address,
            Factor::Totp { .. } => "totp",
        }
    }

    pub(crate) fn is_app(&self) -> bool {
        matches!(self.factor, Factor::Totp { .. })
    }

    /// The last step whose code was accepted.
    pub(crate) fn last_step(&self) -> Option<u64> {
        match self.factor {
            Factor::Email { .. } => None,
            Factor::Totp { last_step } => last_step,
        }
    }

    /// Whether a code of it completes a login.
    pub(crate) fn completes(&self, settings: &Settings) -> bool {
        let factors = &settings.factors;
        let used = if self.is_app() { factors.totp } else { factors.email };
        used == FactorUse::Authenticate
    }

    /// Wrong codes in a row in each lane: the unknown one, the known one.
    pub(crate) fn failures(&self) -> [u8; 2] {
        [self.failures.unknown, self.failures.known]
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.enrollment, Enrollment::Active)
    }

    pub(crate) fn is_disabled(&self) -> bool {
        matches!(self.enrollment, Enrollment::Disabled)
    }

    pub(crate) fn is_provisioned(&self) -> bool {
        self.origin == "provisioned"
    }

    pub(crate) fn is_begun_by_first_factor(&self) -> bool {
        matches!(&self.enrollment, Enrollment::Unconfirmed { enrolled_by, .. } if enrolled_by == "first_factor")
    }

    /// The transaction that it waits in to be confirmed.
    pub(crate) fn waits_in(&self) -> Option<&str> {
        match &self.enrollment {
            Enrollment::Unconfirmed { transaction, .. } => Some(transaction),
            Enrollment::Active | Enrollment::Disabled => None,
        }
    }
}

impl Asked {
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending { .. })
    }

    /// How many digits its code has.
    pub(crate) fn digits(&self) -> u8 {
        match self.form {
            Form::Short(digits) => digits,
            Form::Long => 20,
        }
    }

    pub(crate) fn is_long(&self) -> bool {
        matches!(self.form, Form::Long)
    }

    pub(crate) fn confirms(&self) -> bool {
        self.purpose == "confirm"
    }
}

impl Entry {
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.is_some()
    }

    pub(crate) fn pair(&self, authenticator: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.authenticator == authenticator)
    }
}

impl Set {
    /// The transactions in which its codes were used and may be shown again.
    pub(crate) fn used_in(&self, transaction: &str) -> bool {
        self.spent.iter().any(|spent| spent["transaction"] == transaction)
    }
}

impl Snapshot {
    pub(crate) fn of(record: &Account) -> Self {
        serde_json::from_value(serde_json::to_value(record).unwrap()["v1"].take()).unwrap()
    }

    /// What time has left of it: devices and transactions that expired are gone, and with these whatever was theirs.
    pub(crate) fn at(mut self, now: u64) -> Self {
        self.devices.retain(|device| device.expires > now);
        self.transactions.retain(|entry| entry.expires > now);
        self.without_orphans()
    }

    /// With room for an entry of this transaction, if it has none: of sixteen of its lane, the oldest that is
    /// neither spent nor has a challenge waiting leaves, then the oldest spent one, then the oldest.
    pub(crate) fn with_room_for(mut self, transaction: &str, lane: Lane) -> Self {
        let own = |entry: &Entry| entry.lane == lane;
        if self.entry(transaction).is_some()
            || self.transactions.iter().filter(|entry| own(entry)).count() < 16
        {
            return self;
        }
        let waits = |entry: &Entry| {
            self.challenges.iter().any(|asked| asked.is_pending() && asked.transaction == entry.id)
        };
        let rank = |entry: &Entry| (waits(entry), entry.is_spent(), entry.begun);
        let least = self.transactions.iter().filter(|entry| own(entry)).map(rank).min().unwrap();
        let leaves = self.transactions.iter().position(|entry| own(entry) && rank(entry) == least).unwrap();
        self.transactions.remove(leaves);
        self.without_orphans()
    }

    fn without_orphans(mut self) -> Self {
        let Self { authenticators, challenges, transactions, .. } = &mut self;
        let entered = |id: &str| transactions.iter().any(|entry| entry.id == id);
        authenticators.retain(|known| known.waits_in().is_none_or(entered));
        let known = |id: &str| authenticators.iter().any(|known| known.id == id);
        challenges.retain(|asked| entered(&asked.transaction) && known(&asked.authenticator));
        self
    }

    pub(crate) fn entry(&self, transaction: &str) -> Option<&Entry> {
        self.transactions.iter().find(|entry| entry.id == transaction)
    }

    pub(crate) fn known(&self, id: &str) -> Option<&Known> {
        self.authenticators.iter().find(|known| known.id == id)
    }

    pub(crate) fn is_spent(&self, transaction: &str) -> bool {
        self.entry(transaction).is_some_and(Entry::is_spent)
    }

    /// All but unconfirmed ones.
    pub(crate) fn confirmed(&self) -> impl Iterator<Item = &Known> {
        self.authenticators.iter().filter(|known| known.waits_in().is_none())
    }

    /// The challenge that a handle names.
    pub(crate) fn asked(&self, oob_code: &str) -> Option<&Asked> {
        let named = challenge_of(oob_code);
        self.challenges.iter().find(|asked| decoded(&asked.id) == named)
    }
}

/// The bytes of a base64url text.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for symbol in text.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            other => panic!("no symbol of base64url: {other}"),
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).unwrap());
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

/// The challenge that a handle names: its bytes 5 to 21, behind the version and the id of the key.
fn challenge_of(oob_code: &str) -> Vec<u8> {
    decoded(oob_code)[5..21].to_vec()
}
