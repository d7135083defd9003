//! The fixed names, keys and instants that the properties share.

use std::sync::LazyLock;

use countersign::{
    Account, Begun, ChallengeRequest, Effect, Elevation, EmailAddress, FirstFactor, Key, KeyRing, Outcome,
    Policy, Session, Step, Subject, Swap, Verifier,
    code::DeviceToken,
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

/// What a host keeps of a session that signed in to this account in the transaction that the number stands for, with a
/// recovery code or on a remembered device.
pub fn elevation(account: &Account, transaction: u32, now: OffsetDateTime, by_device: bool) -> Elevation {
    let at = crate::budgets::millis(now);
    let (method, since) = if by_device { ("device", Some(at)) } else { ("recovery_code", None) };
    let evidence = serde_json::json!({
        "method": method,
        "authenticator": null,
        "channel": null,
        "at": at,
        "remembered_since": since,
    });
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
    Session::elevated(elevation(account, transaction, now, false), ElevatedScopes::ALL, until)
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

/// An account that remembers two devices, and their tokens.
pub(crate) fn remembered(verifier: &Verifier, subject: &Subject) -> (Account, [DeviceToken; 2]) {
    let (mut record, mut rng) = (account(subject), rng(8));
    let mut sign_in = |first: bool| {
        let session = begin(verifier, &record, START, &mut rng).session;
        let drawn = entropy(&mut rng);
        let (handle, effects) = if first {
            let step = verifier.associate(&session, record.clone(), &address(0).into(), START, &drawn);
            let (answer, effects) = store(&mut record, step).into_parts();
            (answer.unwrap().setup.sent().unwrap().oob_code.expose().to_owned(), effects)
        } else {
            let request = ChallengeRequest::default();
            let step = verifier.challenge(&session, record.clone(), &request, START, &drawn);
            let (answer, effects) = store(&mut record, step).into_parts();
            (answer.unwrap().prompt.sent().unwrap().oob_code.expose().to_owned(), effects)
        };
        let mut codes = effects.iter().filter_map(|effect| match effect {
            Effect::Send(message) => message.content.code(),
            _ => None,
        });
        let code = codes.next().expect("a message with a code");
        let handle = verifier.open_oob_code(&session, &handle).unwrap();
        let step = verifier.verify_oob(&session, record.clone(), &handle, code, START, Some(&drawn));
        store(&mut record, step).into_parts().0.unwrap().device.expect("it is remembered")
    };
    let tokens = [sign_in(true), sign_in(false)];
    (record, tokens)
}

/// Whether an emailed code completes a login.
pub(crate) fn email_authenticates(settings: &countersign::policy::Settings) -> bool {
    settings.factors.email == countersign::policy::FactorUse::Authenticate
}
