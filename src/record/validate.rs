//! What must hold of a stored record before the core works on it.
//!
//! Bounds of lists and texts are checked while a record is read; this is what only the whole can show: references that
//! lead somewhere, ids that are given once, states and counts that the core itself could have written. It must never
//! repair or default anything.

use core::fmt;

use crate::{
    factor::one_time::OneTime,
    machine::enrollment::{Enrollment, PendingRecovery},
    otp::key_uri::Moving,
    policy::{
        bounds::{
            LANE_CHALLENGES, LANE_TRANSACTIONS, LONGEST_DEVICE_MS, MAX_ATTEMPTS, MAX_CONFIRMED, MAX_FAILURES,
            MAX_RECOVERY_CODES, MAX_UNCONFIRMED, RECOVERY_ATTEMPTS,
        },
        one_time::MAX_STEP_SECONDS,
    },
    record::{
        account::AccountBody,
        address_proof::AddressProofBody,
        authenticator::Authenticator,
        challenge::Challenge,
        device::Device,
        recovery::Recovery,
        transaction::{AttemptCounter, Transaction},
    },
    value::{
        binding_code::{BindingCode, CodeForm},
        epoch::Epoch,
        id::AuthenticatorKind,
        lane::Lane,
        one_time_password::OtpCode,
        purpose::Purpose,
        revision::Revision,
    },
};

/// Why a stored record is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Inconsistent(&'static str);

impl fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inconsistent record: {}", self.0)
    }
}

fn ensure(holds: bool, problem: &'static str) -> Result<(), Inconsistent> {
    if holds { Ok(()) } else { Err(Inconsistent(problem)) }
}

/// Whether no two elements are alike. The lists are bounded, so that the square of their length is, too.
fn distinct<T: PartialEq>(mut list: impl Iterator<Item = T> + Clone) -> bool {
    while let Some(element) = list.next() {
        if list.clone().any(|other| other == element) {
            return false;
        }
    }
    true
}

pub(super) fn check_account(account: &AccountBody) -> Result<(), Inconsistent> {
    check_revision(account.revision)?;
    let unwritten = account.revision == Revision::NONE;
    ensure(account.tenant.is_some() || unwritten, "a record that was written is of no tenant")?;
    ensure(account.epoch <= Epoch::MAX, "the epoch is 2^53 or above")?;
    ensure(
        distinct(account.authenticators.iter().map(|known| known.id)),
        "an authenticator id is given twice",
    )?;
    ensure(distinct(account.challenges.iter().map(|known| known.id)), "a challenge id is given twice")?;
    ensure(distinct(account.transactions.iter().map(|known| known.id)), "a transaction id is given twice")?;
    check_counts(account)?;
    let chosen = account.preferred.is_none_or(|id| account.confirmed(id).is_some());
    ensure(chosen, "the preferred authenticator is not there, or not confirmed")?;
    let provisioned = account.authenticators.iter().filter(|known| known.is_provisioned()).count();
    ensure(provisioned <= 1, "more than one authenticator is provisioned")?;
    for authenticator in &account.authenticators {
        check_authenticator(authenticator)?;
        if let Enrollment::Unconfirmed(state) = &authenticator.enrollment {
            let transaction = account.transaction(state.transaction());
            ensure(transaction.is_some(), "an unconfirmed authenticator belongs to no transaction")?;
            state.recovery().map_or(Ok(()), check_pending_recovery)?;
        }
    }
    for transaction in &account.transactions {
        check_transaction(transaction)?;
        let known = |pair: &AttemptCounter| account.authenticator(pair.authenticator).is_some();
        ensure(transaction.pairs.iter().all(known), "attempts are counted for an unknown authenticator")?;
    }
    for challenge in &account.challenges {
        let authenticator = account.authenticator(challenge.authenticator);
        let authenticator =
            authenticator.ok_or(Inconsistent("a challenge is for an unknown authenticator"))?;
        let transaction = account.transaction(challenge.transaction);
        let transaction = transaction.ok_or(Inconsistent("a challenge belongs to no transaction"))?;
        check_challenge(challenge, authenticator)?;
        ensure(challenge.deadline <= transaction.expires, "a challenge outlives its transaction")?;
        let counted = transaction.pair(challenge.authenticator).is_some();
        ensure(counted, "a challenge has no count of attempts")?;
        ensure(
            !matches!(challenge.purpose, Purpose::Action { .. } | Purpose::Reset),
            "an account has a challenge to approve an action or to reset a password",
        )?;
    }
    let pairs = account.challenges.iter().filter(|known| known.is_pending());
    ensure(
        distinct(pairs.map(|known| (known.transaction, known.authenticator))),
        "two challenges wait for one pair",
    )?;
    ensure(distinct(account.devices.iter().map(|known| known.id)), "a device id is given twice")?;
    account.devices.iter().try_for_each(|device| check_device(account, device))?;
    if let Some(recovery) = &account.recovery {
        ensure(account.enrolled, "there are recovery codes, and the user is not enrolled")?;
        check_recovery(account, recovery)?;
    }
    Ok(())
}

pub(super) fn check_address_proof(proof: &AddressProofBody) -> Result<(), Inconsistent> {
    check_revision(proof.revision)?;
    ensure(proof.address.is_some(), "a proof of an address has no address")
}

fn check_revision(revision: Revision) -> Result<(), Inconsistent> {
    ensure(revision <= Revision::MAX, "the revision is 2^53 or above")
}

/// Whether each list leaves room for what the next command adds, as the core makes it: it counts once a lane,
/// and unconfirmed authenticators beside confirmed ones.
fn check_counts(account: &AccountBody) -> Result<(), Inconsistent> {
    for lane in Lane::ALL {
        let transactions = account.transactions_in(lane);
        ensure(transactions <= LANE_TRANSACTIONS, "a lane has more than 16 transactions")?;
        let challenges = account.challenges_in(lane);
        ensure(challenges <= LANE_CHALLENGES.into(), "a lane has more than 16 challenges")?;
    }
    let confirmed = account.confirmed_count();
    ensure(confirmed <= MAX_CONFIRMED, "more than 64 authenticators are confirmed")?;
    let unconfirmed = account.authenticators.len().saturating_sub(confirmed);
    ensure(unconfirmed <= MAX_UNCONFIRMED, "more than 8 authenticators are unconfirmed")
}

fn check_authenticator(authenticator: &Authenticator) -> Result<(), Inconsistent> {
    let kind = authenticator.id.kind();
    ensure(kind == authenticator.factor.kind(), "an authenticator's id is of another kind than its factor")?;
    let within = |lane| authenticator.failures_in(lane) <= MAX_FAILURES;
    ensure(Lane::ALL.into_iter().all(within), "an authenticator has more than 100 failures in a lane")?;
    authenticator.factor.one_time().map_or(Ok(()), |otp| check_one_time(otp, authenticator))?;
    let unproven = authenticator.is_provisioned() && authenticator.is_unconfirmed();
    ensure(!unproven, "a provisioned authenticator is unconfirmed")
}

fn check_one_time(otp: &dyn OneTime, authenticator: &Authenticator) -> Result<(), Inconsistent> {
    let (_, digits) = otp.terms();
    let lengths = OtpCode::MIN_DIGITS..=OtpCode::MAX_DIGITS;
    ensure(lengths.contains(&digits), "a one-time password has not 6 to 8 digits")?;
    if let Moving::Period(seconds) = otp.moving() {
        ensure((1..=MAX_STEP_SECONDS).contains(&seconds), "a step has not 1 to 120 seconds")?;
    }
    let confirmed = !authenticator.is_unconfirmed();
    ensure(confirmed || otp.accepted().is_none(), "an unconfirmed authenticator has accepted a code")?;
    ensure(!authenticator.is_provisioned(), "an authenticator of one-time passwords is provisioned")
}

fn check_pending_recovery(pending: &PendingRecovery) -> Result<(), Inconsistent> {
    let count = usize::from(pending.count());
    ensure((1..=MAX_RECOVERY_CODES).contains(&count), "a pending recovery set has not 1 to 16 codes")?;
    let kind = pending.id().kind();
    ensure(kind == AuthenticatorKind::RecoveryCode, "a pending recovery set has an id of another kind")
}

fn check_challenge(challenge: &Challenge, authenticator: &Authenticator) -> Result<(), Inconsistent> {
    let known = match challenge.form {
        CodeForm::Short(digits) => (BindingCode::MIN_DIGITS..=BindingCode::MAX_DIGITS).contains(&digits),
        CodeForm::Long => true,
    };
    ensure(known, "a challenge has not 6 to 9 digits, and is not long")?;
    ensure(challenge.issued <= challenge.deadline, "a challenge ends before it was issued")?;
    let reached = authenticator.factor.address_by(challenge.channel()).is_some();
    ensure(reached, "a challenge goes by a channel that its authenticator has not")?;
    let fits = match &challenge.purpose {
        Purpose::Confirm => authenticator.is_unconfirmed(),
        Purpose::Authenticate | Purpose::Action { .. } | Purpose::Reset => authenticator.is_active(),
    };
    ensure(!challenge.is_pending() || fits, "a waiting challenge does not fit the state of its authenticator")
}

fn check_transaction(transaction: &Transaction) -> Result<(), Inconsistent> {
    ensure(transaction.begun <= transaction.expires, "a transaction ends before it begins")?;
    let attempts = transaction.recovery_attempts;
    ensure(attempts <= RECOVERY_ATTEMPTS, "a transaction has more than 5 recovery attempts left")?;
    let pairs = transaction.pairs.iter();
    ensure(
        distinct(pairs.clone().map(|pair| pair.authenticator)),
        "attempts are counted twice for one authenticator",
    )?;
    pairs.clone().try_for_each(check_pair)
}

fn check_pair(pair: &AttemptCounter) -> Result<(), Inconsistent> {
    ensure(pair.attempts_left <= MAX_ATTEMPTS, "attempts_left exceeds 10")
}

fn check_device(account: &AccountBody, device: &Device) -> Result<(), Inconsistent> {
    ensure(account.enrolled, "a device is remembered, and the user is not enrolled")?;
    let vouched = account.confirmed(device.vouched_by).is_some();
    ensure(vouched, "no confirmed authenticator vouched for a device")?;
    ensure(device.since <= device.last_used, "a device was used before it was remembered")?;
    let lifetime = device.expires.since(device.since);
    ensure((1..=LONGEST_DEVICE_MS).contains(&lifetime), "a device is not remembered for 1 ms to 90 days")
}

fn check_recovery(account: &AccountBody, recovery: &Recovery) -> Result<(), Inconsistent> {
    let kind = recovery.id.kind();
    ensure(kind == AuthenticatorKind::RecoveryCode, "the recovery set has an id of another kind")?;
    ensure(distinct(recovery.live.iter()), "a recovery code is live twice")?;
    ensure(
        distinct(recovery.spent.iter().map(|spent| spent.transaction)),
        "a transaction spent two recovery codes",
    )?;
    ensure(
        recovery.spent.iter().all(|spent| account.is_spent(spent.transaction)),
        "a recovery code spent no transaction",
    )
}
