//! The stage of a scene: an enrolled account in the store, sessions, a handle and codes.
//!
//! All of it follows from the run and the scene's name, so that every process of a run finds the same stage, whichever
//! of them put it there. The keys are the run's own: no code of it is good for anybody's account, and a worker of the
//! host finds that it has no key for a message of the kit, and drops it.

use alloc::{format, string::String, sync::Arc};
use core::sync::atomic::AtomicBool;

use super::{
    Run,
    bench::{Bench, insert},
    flaw::{Finding, Flaw},
    shapes::tag,
};
use crate::{
    command::{challenge::ChallengeRequest, report_delivery::DeliveryReport, verifier::Verifier},
    keys::keyring::{Key, KeyRing},
    outcome::{
        send,
        step::{Committed, Step, Swap},
    },
    policy::{policy::Policy, rate::Rate, settings::Settings},
    record::{
        account::Account,
        record::Internal as _,
        recovery::{LiveCode, Recovery},
    },
    session::{
        oob_code::Handle,
        session::{FirstFactor, Session},
    },
    value::{
        binding_code::BindingCode,
        email_address::EmailAddress,
        id::{AuthenticatorId, AuthenticatorKind},
        instant::Millis,
        name::{Audience, ClientId, Scope, Subject},
        recovery_code::RecoveryCode,
    },
};

/// How many wrong codes the kit's policy takes, which are the default's.
pub(super) const ATTEMPTS: u8 = 5;

/// How many recovery codes a stage has: three.
pub(super) const CODES: u8 = 3;

/// The verifier of a run.
pub(super) fn verifier(run: &Run) -> Result<Verifier, Finding> {
    let mut draws = run.draws("keys");
    let mut key = || {
        let mut secret = [0; 32];
        let Ok(()) = rand_core::TryRng::try_fill_bytes(&mut draws, &mut secret);
        Key::new(&secret).map_err(Finding::kit)
    };
    let keys = KeyRing::new("conformance", key()?, key()?).map_err(Finding::kit)?;
    let policy = Policy::new(Settings {
        // Longer than the times of processes may differ, as the default lifetimes are.
        cool_down: time::Duration::minutes(5),
        send_bucket: Rate::new(1_000, time::Duration::SECOND),
        ..Settings::default()
    });
    Ok(Verifier::new(keys, policy.map_err(Finding::kit)?))
}

/// What has happened to a stage before its scene.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// The account is enrolled.
    Enrolled,
    /// A code was sent.
    Challenged,
    /// A code was sent, two wrong ones were typed, and another may be asked for.
    Guessed,
}

/// A scene's account and what a client holds of it.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) subject: Subject,
    pub(super) session: Session,
    /// Another session of the same user.
    pub(super) other: Session,
    pub(super) recovery: RecoveryCode,
    /// The handle and the code of the challenge, where there is one.
    pub(super) challenge: Option<(Handle, BindingCode)>,
    /// The revision that the record had.
    pub(super) base: u64,
    /// Whether this process has written over a write of another.
    pub(super) took_turns: Arc<AtomicBool>,
}

impl Stage {
    /// Puts the stage into the store, unless another process of the run has.
    pub(super) async fn set(bench: &Bench<'_>, name: &str, setting: Setting) -> Result<Self, Finding> {
        let subject = bench.subject(name)?;
        let session = session_for(bench, &subject, "session")?;
        let other = session_for(bench, &subject, "other session")?;
        let mut draws = bench.run().draws(&format!("{subject} codes"));
        let codes = core::array::from_fn::<_, 3, _>(|_| RecoveryCode::from_tag(&tag(&mut draws)));
        let alone = bench.processes() == 1;
        match bench.load(&subject).await? {
            Some(_) if alone => {
                let saw = format!("{subject:?} has a record before the run began");
                return Err(Finding::new(Flaw::RunReused, saw));
            }
            Some(_) => {}
            None => {
                let record = record(bench, &subject, &session, &codes, setting)?;
                let write = insert(record);
                if alone {
                    bench.store(write).await?;
                } else {
                    // Whichever process came first, the stage is the same.
                    let _: Swap = bench.swap(write).await?;
                }
            }
        }
        let account = bench.reload(&subject).await?;
        let [recovery, ..] = codes;
        let base = account.revision().get();
        let challenge = challenge(bench, &account, &session)?;
        let took_turns = Arc::new(AtomicBool::new(false));
        Ok(Self { subject, session, other, recovery, challenge, base, took_turns })
    }

    pub(super) fn challenge(&self) -> Result<(&Handle, &BindingCode), Finding> {
        let (handle, code) = self.challenge.as_ref().ok_or_else(|| Finding::kit("the stage has no code"))?;
        Ok((handle, code))
    }
}

/// The handle and the code of the record's waiting challenge, if it has one.
pub(super) fn challenge(
    bench: &Bench<'_>,
    account: &Account,
    session: &Session,
) -> Result<Option<(Handle, BindingCode)>, Finding> {
    let Some(challenge) = account.challenges().iter().find(|known| known.is_pending()) else {
        return Ok(None);
    };
    let keys = &bench.verifier().keys;
    let authenticator = account.body().authenticator(challenge.authenticator());
    let authenticator = authenticator.ok_or_else(|| Finding::kit("a challenge is for nobody"))?;
    let message = send::message(keys, account.subject(), authenticator, challenge);
    let (message, _) = message.ok_or_else(|| Finding::kit("a challenge has no code"))?;
    let oob_code =
        challenge.handle(keys, account.subject()).ok_or_else(|| Finding::kit("a key is missing"))?;
    let handle = bench.verifier().open_oob_code(session, oob_code.expose()).map_err(Finding::kit)?;
    Ok(Some((handle, message.code)))
}

/// A well-formed code that is not `right`.
pub(super) fn wrong(right: &BindingCode) -> Result<BindingCode, Finding> {
    let mut digits = String::from(right.expose());
    let last = if digits.pop() == Some('0') { '1' } else { '0' };
    digits.push(last);
    BindingCode::parse(&digits).map_err(Finding::kit)
}

/// A new first-factor session of the user; the same for the same label.
pub(super) fn session_for(bench: &Bench<'_>, subject: &Subject, label: &str) -> Result<Session, Finding> {
    let client = ClientId::new("conformance").map_err(Finding::kit)?;
    let audience = Audience::new("").map_err(Finding::kit)?;
    let scope = Scope::new("").map_err(Finding::kit)?;
    let first_factor = FirstFactor::new(subject.clone(), client.clone(), audience, scope);
    let entropy = bench.run().draws(&format!("{subject} {label}")).entropy();
    let token = bench.verifier().begin(&first_factor, bench.now(), &entropy);
    bench.verifier().open(token.expose(), Some(&client), bench.now()).map_err(Finding::kit)
}

fn record(
    bench: &Bench<'_>,
    subject: &Subject,
    session: &Session,
    codes: &[RecoveryCode],
    setting: Setting,
) -> Result<Account, Finding> {
    let (verifier, now) = (bench.verifier(), bench.now());
    let mut draws = bench.run().draws(&format!("{subject} record"));
    let new = bench.fresh(subject, Millis::from(now).0);
    let address = EmailAddress::parse("user@conformance.invalid").map_err(Finding::kit)?;
    let mut account = taken(verifier.provision(new, &address, now, &draws.entropy()))?;
    let id = AuthenticatorId::from_random(AuthenticatorKind::RecoveryCode, draws.bytes());
    let key = verifier.keys.durable();
    let live = codes.iter().map(|code| LiveCode::new(key, subject, code)).collect();
    account.body_mut().recovery = Some(Recovery { id, live, spent: alloc::vec::Vec::new() });
    if setting != Setting::Enrolled {
        let request = ChallengeRequest::default();
        account = taken(verifier.challenge(session, account, &request, now, &draws.entropy()))?;
    }
    if setting == Setting::Guessed {
        let (handle, right) = challenge(bench, &account, session)?.ok_or_else(|| Finding::kit("no code"))?;
        for _ in 0..2 {
            account = taken(verifier.verify_oob(session, account, &handle, &wrong(&right)?, now))?;
        }
        let sent = account.challenges().first().and_then(|known| {
            let authenticator = account.body().authenticator(known.authenticator())?;
            send::latest_send(subject, authenticator.factor().channel(), known)
        });
        let sent = sent.ok_or_else(|| Finding::kit("nothing was sent"))?;
        account = taken(verifier.report_delivery(account, sent, DeliveryReport::Failed, now))?;
    }
    // The store has seen none of it: it goes in as a whole.
    account.body_mut().stored = false;
    Ok(account)
}

/// The record after a step that is not stored yet.
fn taken<T>(step: Step<T>) -> Result<Account, Finding> {
    let (write, sealed) = step.into_parts();
    let Committed::Done(outcome) = sealed.open(Swap::Stored) else {
        return Err(Finding::kit("a step was lost"));
    };
    write
        .map(|write| write.record)
        .ok_or_else(|| Finding::kit(outcome.audit().denial.unwrap_or("nothing to write")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_suits_the_checks_and_processes_whose_times_differ_by_a_minute() {
        let run = "00".repeat(16).parse().unwrap();
        let verifier = verifier(&run).unwrap();
        let settings = verifier.policy().settings();
        assert_eq!(settings.attempts, ATTEMPTS);
        assert!(
            settings.cool_down > time::Duration::MINUTE && settings.code_lifetime > time::Duration::MINUTE
        );
    }

    #[test]
    fn a_wrong_code_is_well_formed_and_never_the_right_one() {
        for last in '0'..='9' {
            let right = BindingCode::parse(&format!("12345{last}")).unwrap();
            let wrong = wrong(&right).unwrap();
            assert_eq!(wrong.length(), right.length());
            assert_ne!(wrong.expose(), right.expose());
        }
    }
}
