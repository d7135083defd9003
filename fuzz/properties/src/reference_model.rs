//! The model's rules: which verdict each command must give, written anew from the design's sections 3, 6 and 7 and from
//! what the documentation of each command says of its denials.
//!
//! Each rule takes the record as plain data, as it was before the step, and gives the very denial, or what must follow.
//! It also names the authenticator or recovery set that the audit event must name. The order is everywhere the same: is
//! the session one that the command takes, is the record the session's, does the account still take sessions of its
//! age, does the state allow it, is there budget left; only then is a code compared. Nothing here calls the library's
//! own logic.

mod admin_commands;
mod apps;
mod codes;
mod devices;
mod preferences;

use countersign::{
    ChallengeRequest, Denial, Session,
    effect::DeliveryReport,
    machine::CancelReason,
    policy::{AtCap, Settings, WhenExhausted},
    record::Lane,
    session::ElevatedScopes,
};

use crate::{
    budgets::{Budgets, Refused, Sends},
    snapshot::{Asked, Enrollment, Known, Remembered, Snapshot, State},
};

/// A session, with what it was made from: a session does not tell all of it.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) session: Session,
    /// Whether the record that it is used on is its own.
    pub(crate) own: bool,
    /// Whether the request named its client.
    pub(crate) named: bool,
    /// Those of an elevated session; a first factor has none.
    pub(crate) scopes: Option<ElevatedScopes>,
    /// Whether a remembered device elevated it, and no factor.
    pub(crate) by_device: bool,
    /// The device that it names.
    pub(crate) device: Option<Presented>,
    pub(crate) transaction: String,
    /// That of the account when it began.
    pub(crate) epoch: u64,
    pub(crate) begun: u64,
    pub(crate) expires: u64,
}

/// What a browser presented of a device, if it was given out for the session's subject. Whether the record lists it is
/// another question.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    pub(crate) id: String,
    /// Whether what only the record can check is as it was given out.
    pub(crate) proves: bool,
}

impl Login {
    fn is_elevated(&self) -> bool {
        self.scopes.is_some()
    }

    fn has(&self, scope: impl Fn(&ElevatedScopes) -> bool) -> bool {
        self.scopes.as_ref().is_some_and(scope)
    }
}

/// A code is to be on its way.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Nothing is sent until then; the present challenge holds.
    pub(crate) cooling_until: Option<u64>,
    /// The challenge that holds on; a new one takes its place if there is none.
    pub(crate) same: Option<String>,
    pub(crate) deadline: u64,
    pub(crate) digits: u8,
    /// On whose account the message goes.
    pub(crate) sends: Sends,
}

/// A code that must be compared.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) authenticator: String,
    pub(crate) confirms: bool,
    pub(crate) attempts_left: u8,
    pub(crate) lane: Lane,
    pub(crate) failures: [u8; 2],
    /// A wrong answer to it is counted nowhere.
    pub(crate) is_long: bool,
    /// A right code completes a login, unless the session is elevated.
    pub(crate) completes: bool,
    /// A right code makes the recovery codes live that were shown with the enrollment.
    pub(crate) brings_codes: bool,
}

/// What a recovery code must come to, if it is looked at.
#[derive(PartialEq, Debug)]
pub(crate) enum Recovery {
    /// It is compared with the live ones.
    Compared,
    /// The transaction was completed by a code: by this one, and the answer comes again, or by another.
    Repeated,
}

/// About which authenticator or recovery set the audit event is, as far as that is known.
pub(crate) type About = Option<String>;

type Verdict<T> = Result<T, Denial>;

pub(crate) struct ReferenceModel {
    pub(crate) settings: Settings,
    pub(crate) budgets: Budgets,
}

/// How far ahead of another clock one may honestly be, in milliseconds.
const LEEWAY: u64 = 60_000;

fn span(duration: time::Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap()
}

impl ReferenceModel {
    /// The record is the session's, and takes sessions of its epoch; of a first factor, none as old as a spent
    /// transaction that it forgot.
    fn admits(login: &Login, snapshot: &Snapshot, now: u64) -> Verdict<()> {
        if !login.own {
            return Err(Denial::WrongRecord);
        }
        let spared = snapshot.changed_by.as_ref() == Some(&login.transaction);
        let stands = login.epoch == snapshot.epoch || spared;
        let forgotten = snapshot.not_before.is_some_and(|bound| !login.is_elevated() && login.begun <= bound);
        if !stands || forgotten || now >= login.expires { Err(Denial::ExpiredToken) } else { Ok(()) }
    }

    /// Who changes factors in an elevated session has used the second one lately, by a clock that agrees: a remembered
    /// device is none.
    fn recent(&self, login: &Login, now: u64) -> Verdict<()> {
        let max_age = self.settings.elevated_max_age;
        let old = now > login.begun && now - login.begun > span(max_age);
        let of_a_clock_ahead = login.begun > now + LEEWAY;
        if login.is_elevated() && (old || of_a_clock_ahead || login.by_device) {
            Err(Denial::InsufficientUserAuthentication { max_age })
        } else {
            Ok(())
        }
    }

    /// A login takes a first factor whose client was named.
    fn takes_a_login(login: &Login) -> Verdict<()> {
        match (login.is_elevated(), login.named) {
            (true, _) => Err(Denial::InsufficientScope),
            (false, false) => Err(Denial::ClientRequired),
            (false, true) => Ok(()),
        }
    }

    fn unlocked(&self, snapshot: &Snapshot, lane: Lane, now: u64) -> Verdict<()> {
        let locked = self.budgets.locked(lane, now);
        let denial = |locked: Refused| locked.denial(snapshot.updated, now, |until| Denial::Locked { until });
        locked.map_or(Ok(()), |locked| Err(denial(locked)))
    }

    /// How many digits a new code for this authenticator has: 20 where the lane is hardened, or the
    /// authenticator at its cap there.
    fn digits(&self, lane: Lane, known: Option<&Known>, now: u64) -> u8 {
        let failures = known.map_or(0, |known| known.failures()[usize::from(lane == Lane::Known)]);
        let capped = self.settings.at_cap == AtCap::Harden && failures >= self.settings.failure_cap;
        if capped || self.budgets.is_hardened(lane, now) { 20 } else { self.settings.code_digits }
    }

    /// The gates of an enrollment, at its beginning and again at its confirmation.
    fn may_enroll(&self, login: &Login, snapshot: &Snapshot, address: Option<&str>) -> Verdict<()> {
        if !login.is_elevated() && (snapshot.enrolled || snapshot.is_spent(&login.transaction)) {
            return Err(Denial::AlreadyEnrolled);
        }
        if snapshot.authenticators.iter().any(|known| known.is_active() && Some(known.address()) == address) {
            return Err(Denial::AddressInUse);
        }
        if snapshot.confirmed().count() >= usize::from(self.settings.max_authenticators) {
            return Err(Denial::TooManyAuthenticators);
        }
        Ok(())
    }
}

/// What a challenge that is over answers with.
fn over_denial(state: &State) -> Denial {
    match state {
        State::Verified => Denial::OobCodeUsed,
        State::Exhausted => Denial::AttemptsExhausted,
        State::Expired | State::Pending { .. } => Denial::ExpiredOobCode,
        State::Cancelled(cause) => Denial::ChallengeCancelled(match cause.as_str() {
            "requested" => CancelReason::Requested,
            "locked" => CancelReason::Locked,
            "superseded" => CancelReason::Superseded,
            "disabled" => CancelReason::Disabled,
            "hardened" => CancelReason::Hardened,
            other => panic!("no such cause: {other}"),
        }),
    }
}
