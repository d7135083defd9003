//! The fixed names, keys and instants that the properties share.

use std::sync::LazyLock;

use countersign::{
    Account, Begun, Elevation, EmailAddress, FirstFactor, Key, KeyRing, Outcome, Policy, Session, Step,
    Subject, Swap, Verifier,
    session::{Audience, ClientId, ElevatedScopes, Scope},
    step::Committed,
};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use time::{Duration, OffsetDateTime};

pub const START: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

/// What one command draws from.
pub(crate) fn entropy(rng: &mut ChaCha20Rng) -> countersign::Entropy {
    let Ok(entropy) = countersign::Entropy::draw(rng);
    entropy
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn subject() -> Subject {
    Subject::new("user-1").unwrap()
}

/// The same, for whoever needs a reference that lasts.
pub static SUBJECT: LazyLock<Subject> = LazyLock::new(subject);

pub fn client() -> ClientId {
    ClientId::new("client-1").unwrap()
}

/// What a host prepares before it looks at a password.
pub fn first_factor(verifier: &Verifier, account: &Account) -> FirstFactor {
    let (audience, scope) = (Audience::new("api").unwrap(), Scope::new("openid").unwrap());
    verifier.prepare(account).client(client()).audience(audience).scope(scope)
}

/// Begins a transaction on an account whose password is right.
pub fn begin(verifier: &Verifier, account: &Account, now: OffsetDateTime, rng: &mut ChaCha20Rng) -> Begun {
    verifier.begin(first_factor(verifier, account), account, now, &entropy(rng)).unwrap()
}

pub fn address(number: u8) -> EmailAddress {
    EmailAddress::parse(&format!("user{}@example.com", number % 4)).unwrap()
}

pub fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

pub fn ring(context: &str) -> KeyRing {
    KeyRing::new(context, key(0x11), key(0x22)).unwrap()
}

pub fn verifier(policy: Policy) -> Verifier {
    Verifier::new(ring("fuzz"), policy)
}

/// What a host keeps of a session that signed in to this account in the transaction that the number stands for.
pub fn elevation(account: &Account, transaction: u32, now: OffsetDateTime) -> Elevation {
    let at = crate::budgets::millis(now);
    let evidence = serde_json::json!({ "method": "recovery_code", "authenticator": null, "channel": null, "at": at, "remembered_since": null });
    let stored = serde_json::json!({
        "subject": account.subject(),
        "client": client(),
        // A handle carries the front half of it.
        "transaction": u128::from(transaction).rotate_left(64).to_be_bytes(),
        "epoch": account.epoch(),
        "evidence": evidence,
    });
    serde_json::from_value(stored).unwrap()
}

pub fn elevated(account: &Account, transaction: u32, now: OffsetDateTime) -> Session {
    let until = now.saturating_add(Duration::hours(1));
    Session::elevated(elevation(account, transaction, now), ElevatedScopes::ALL, until)
}

pub fn account(subject: &Subject) -> Account {
    Account::new(subject)
}

/// Commits a step to a record in place, as a store would that nobody else writes to.
pub fn store<T, R>(record: &mut R, step: Step<T, R>) -> Outcome<T> {
    let committed = step.commit(|write| {
        *record = write.record;
        Ok::<_, std::convert::Infallible>(Swap::Stored)
    });
    match committed {
        Ok(Committed::Done(outcome)) => outcome,
        Ok(Committed::Lost) | Err(_) => unreachable!("it was stored"),
    }
}

/// Whether an emailed code completes a login.
pub(crate) fn email_authenticates(settings: &countersign::policy::Settings) -> bool {
    settings.factors.email == countersign::policy::FactorUse::Authenticate
}
