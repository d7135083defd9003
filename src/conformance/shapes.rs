//! Records of every shape that a store must keep: from a new one to the largest that the stored form allows.

use alloc::{format, string::String, vec::Vec};

use super::{bench::Bench, flaw::Finding, run::Draws};
use crate::{
    crypto::{mac::Tag, seed::Seed},
    factor::factor::Factor,
    keys::draws::Draws as CommandDraws,
    machine::{
        challenge::{Cause, ChallengeInput},
        enrollment::{Enrollment, Opener, PendingRecovery, Unconfirmed},
    },
    policy::bounds::{
        MAX_ATTEMPTS, MAX_AUTHENTICATORS, MAX_CHALLENGES, MAX_FAILURES, MAX_RECOVERY_CODES, MAX_TRANSACTIONS,
        RECOVERY_ATTEMPTS,
    },
    record::{
        account::{Account, AccountBody},
        authenticator::{Authenticator, Origin},
        challenge::{Challenge, Terms},
        record::Internal as _,
        recovery::{LiveCode, Recovery, SpentCode},
        transaction::{Pair, Spent, Transaction},
    },
    value::{
        email_address::EmailAddress,
        id::{AuthenticatorId, AuthenticatorKind, KeyId, TransactionId},
        instant::Millis,
        name::Subject,
        purpose::Purpose,
        revision::Revision,
    },
};

/// Subjects that some databases take for one another, and in what they differ. None of a group may equal another.
pub(super) const LOOK_ALIKES: [(&str, &[&str]); 8] = [
    ("case", &["case-a", "case-A"]),
    ("a space at the end", &["space", "space ", "space  "]),
    ("an accent", &["accent-e", "accent-é"]),
    ("Unicode normalisation", &["form-\u{e9}", "form-e\u{301}"]),
    ("a ligature or a sharp s", &["ligature-ss", "ligature-ß", "ligature-ſs"]),
    ("width", &["width-A", "width-\u{ff21}"]),
    ("what a pattern matches", &["like-ab", "like-_b", "like-%", "like-*"]),
    ("what is quoted", &["quote-'", "quote-''", "quote-\"", "quote-\\", "quote-\\\\", "quote-𝄞"]),
];

/// Revisions at which a narrow or inexact integer breaks: powers of two, and the ends of the range.
pub(super) const REVISIONS: [Revision; 6] = [
    Revision(0x8000_0000),
    Revision(0x1_0000_0000),
    Revision(0x10_0000_0000_0000),
    Revision(0x1f_ffff_ffff_fffe),
    Revision::MAX,
    Revision(1),
];

/// The first integer that no double is equal to.
const NO_DOUBLE: u64 = 0x20_0000_0000_0001;

/// Every shape with its name. None of them is stored yet.
pub(super) fn all(bench: &Bench<'_>) -> Result<Vec<(&'static str, Account)>, Finding> {
    let mut draws = bench.run().draws("shapes");
    let new = bench.fresh(&bench.subject("shape-new")?, 1);
    let mut extreme = bench.fresh(&bench.subject("shape-extreme")?, u64::MAX);
    extreme.body_mut().not_before = Some(Millis(u64::MAX));
    extreme.body_mut().elevated_not_before = Some(Millis(NO_DOUBLE));
    let ledger = &mut extreme.body_mut().ledger;
    for bucket in [&mut ledger.guess, &mut ledger.long_send] {
        bucket.0 = Millis(u64::MAX);
    }
    let usual = fill(bench, "shape-usual", Size { authenticators: 5, lists: 3, codes: 10 }, &mut draws)?;
    let mut name = String::from("shape-widest-");
    let room = Subject::MAX_BYTES.saturating_sub(bench.run().prefix().len()).saturating_sub(name.len());
    name.push_str(&WIDE.repeat(room.checked_div(WIDE.len()).unwrap_or(0)));
    let widest =
        Size { authenticators: MAX_AUTHENTICATORS, lists: MAX_TRANSACTIONS, codes: MAX_RECOVERY_CODES };
    let widest = fill(bench, &name, widest, &mut draws)?;
    Ok(Vec::from([
        ("a new record", new),
        ("a record of extreme times", extreme),
        ("a record of usual size", usual),
        ("the largest record", widest),
    ]))
}

/// Characters of two and of four bytes.
const WIDE: &str = "ü𝄞";

/// How full a record is.
struct Size {
    authenticators: usize,
    lists: usize,
    codes: usize,
}

fn fill(bench: &Bench<'_>, name: &str, size: Size, draws: &mut Draws) -> Result<Account, Finding> {
    let now = Millis::from(bench.now());
    let subject = bench.subject(name)?;
    let mut record = bench.fresh(&subject, now.0);
    let account = record.body_mut();
    account.enrolled = true;
    for recovery_attempts in (0..=RECOVERY_ATTEMPTS).cycle().take(size.lists.min(MAX_TRANSACTIONS)) {
        let mut id = [0; 16];
        draw(draws, &mut id);
        let mut transaction = Transaction::new(TransactionId(id), now, now.after(600_000));
        transaction.recovery_attempts = recovery_attempts;
        account.transactions.push(transaction);
    }
    for place in 0..size.authenticators {
        let authenticator = authenticator(account, place, size.codes, now, draws)?;
        account.authenticators.push(authenticator);
    }
    let set = AuthenticatorId::from_random(AuthenticatorKind::RecoveryCode, draws.bytes());
    let live = (0..size.codes).map(|place| LiveCode { key_id: key(place), hash: tag(draws) }).collect();
    let mut recovery = Recovery { id: set, live, spent: Vec::new() };
    challenge_all(bench, account, now, draws)?;
    for transaction in account.transactions.iter_mut().skip(2).step_by(2) {
        transaction.spent = Some(Spent { at: now, by: set });
        let code = LiveCode { key_id: KeyId([u8::MAX; 4]), hash: tag(draws) };
        recovery.spent.push(SpentCode {
            transaction: transaction.id,
            code,
            next_key_id: Some(KeyId([0; 4])),
        });
    }
    account.recovery = Some(recovery);
    Ok(record)
}

/// The authenticator at this place of the list: active, disabled or unconfirmed, with a long address.
fn authenticator(
    account: &AccountBody,
    place: usize,
    codes: usize,
    now: Millis,
    draws: &mut Draws,
) -> Result<Authenticator, Finding> {
    let filler = if place.is_multiple_of(2) { "ö".repeat(100) } else { "'".repeat(200) };
    let address = format!("{place}{filler}@conformance.invalid");
    let id = AuthenticatorId::from_random(AuthenticatorKind::Email, draws.bytes());
    let transaction = account.transactions.first().map(|known| known.id);
    let enrollment = match (place % 4, transaction) {
        (2, Some(transaction)) => {
            let set = AuthenticatorId::from_random(AuthenticatorKind::RecoveryCode, draws.bytes());
            let mut seed = Seed([0; 16]);
            draw(draws, &mut seed.0);
            let count = u8::try_from(codes).unwrap_or(1);
            let recovery = Some(PendingRecovery { id: set, key_id: key(place), count, seed });
            Enrollment::Unconfirmed(Unconfirmed { transaction, opened_by: Opener::FirstFactor, recovery })
        }
        (3, _) => Enrollment::Disabled,
        (_, _) => Enrollment::Active,
    };
    Ok(Authenticator {
        id,
        factor: Factor::Email(EmailAddress::parse(&address).map_err(Finding::kit)?),
        enrollment,
        failures: MAX_FAILURES,
        origin: if place == 0 { Origin::Provisioned } else { Origin::Enrolled },
        created: now,
        last_used: place.is_multiple_of(2).then_some(now),
    })
}

/// Challenges in every state, each with its count of attempts.
fn challenge_all(
    bench: &Bench<'_>,
    account: &mut AccountBody,
    now: Millis,
    draws: &mut Draws,
) -> Result<(), Finding> {
    let active: Vec<_> =
        account.authenticators.iter().filter(|known| known.is_active()).map(|known| known.id).collect();
    for (place, transaction) in account.transactions.iter_mut().enumerate().take(MAX_CHALLENGES) {
        let pair = |&authenticator| Pair { authenticator, attempts_left: MAX_ATTEMPTS, last_send: Some(now) };
        transaction.pairs = active.iter().take(4).map(pair).collect();
        let Some(&authenticator) = active.first() else { continue };
        let terms = Terms {
            transaction: transaction.id,
            authenticator,
            purpose: Purpose::Authenticate,
            digits: 6,
            issued: now,
            deadline: now.after(300_000),
        };
        let key = bench.verifier().keys.transient();
        let drawn = &mut CommandDraws::new(&draws.entropy(), "conformance", &account.subject, Revision::NONE);
        let mut challenge = Challenge::issue(key, terms, drawn);
        let end = match place % 5 {
            1 => ChallengeInput::Right,
            2 => ChallengeInput::Wrong { attempts_left: 0 },
            3 => ChallengeInput::Deadline,
            4 => ChallengeInput::Cancel(Cause::Superseded),
            _ => ChallengeInput::Rotate,
        };
        challenge.state.apply(end).map_err(Finding::kit)?;
        account.challenges.push(challenge);
    }
    Ok(())
}

fn key(place: usize) -> KeyId {
    KeyId([u8::try_from(place).unwrap_or(u8::MAX); 4])
}

fn draw(draws: &mut Draws, bytes: &mut [u8]) {
    let Ok(()) = rand_core::TryRng::try_fill_bytes(draws, bytes);
}

/// A value that nobody made from a code, or that a code can be made from.
pub(super) fn tag(draws: &mut Draws) -> Tag {
    let mut bytes = [0; 32];
    draw(draws, &mut bytes);
    Tag(bytes)
}
