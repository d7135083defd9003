//! The machines on their own: one address, one challenge at a time, no account.
//!
//! For what is not a login: confirming an address before it means anything, resetting a password, approving a payment. A
//! [`Standalone`] is a record like [`Account`](crate::Account), with the same driving rule and a [`Ledger`] of its own, so
//! that the budgets hold here as they do there. It must never stand in for a second factor: nothing in it says that
//! anybody passed a first one.
//!
//! Confirming an address, and then resetting a password by it:
//!
//! ```
//! use std::{cell::RefCell, convert::Infallible};
//!
//! use countersign::{
//!     BindingCode, Denial, Effect, EmailAddress, Label, Outcome, Purpose, Standalone, Step, Subject, Swap, Verifier,
//! };
//! # use countersign::{Key, KeyRing, Policy};
//!
//! /// A store of one row. A real one compares the revision in the statement that writes.
//! #[derive(Default)]
//! struct Row(RefCell<Option<Standalone>>);
//!
//! impl Row {
//!     fn load(&self) -> Standalone {
//!         self.0.borrow().clone().expect("the row was stored")
//!     }
//!
//!     /// Stores a step and opens it. A host that lost a swap loads again and takes the step anew, a few times.
//!     fn commit<T>(&self, step: Step<T, Standalone>) -> Outcome<T> {
//!         let committed = step.commit(|write| {
//!             let mut row = self.0.borrow_mut();
//!             if row.as_ref().map(Standalone::revision) != write.expected {
//!                 return Ok::<_, Infallible>(Swap::Lost);
//!             }
//!             *row = Some(write.record);
//!             Ok(Swap::Stored)
//!         });
//!         committed.unwrap().done().expect("nobody else writes this row")
//!     }
//! }
//!
//! /// What the person reads in the mail.
//! fn mailed<T>(outcome: &Outcome<T>) -> String {
//!     let Some(Effect::SendEmail(mail)) = outcome.effects.first() else { panic!("no mail was sent") };
//!     mail.code.expose().to_owned()
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keys = KeyRing::new("docs", Key::new(1, &[1; 32])?, Key::new(1, &[2; 32])?)?;
//! # let verifier = Verifier::new(keys, Policy::default());
//! # let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
//! # let mut rng = getrandom::SysRng;
//! let row = Row::default();
//! let subject = Subject::new("user-1")?;
//!
//! // 1. Confirm an address: a code goes to it, and the handle to the client.
//! let record = Standalone::unconfirmed(&subject, EmailAddress::parse("user@example.com")?, &mut rng)?;
//! let asked = row.commit(verifier.ask(record, &Purpose::Confirm, now, &mut rng)?);
//! let typed = BindingCode::parse(&mailed(&asked))?;
//! let handle = verifier.open_standalone_code(&subject, asked.result?.oob_code.expose())?;
//! let answered = row.commit(verifier.answer(row.load(), &handle, &Purpose::Confirm, &typed, now));
//! assert_eq!(answered.result?.purpose, Purpose::Confirm);
//!
//! // 2. Reset a password by it, later. The purpose is part of the code: no code for anything else resets a password.
//! let now = now + time::Duration::days(30);
//! let reset = Purpose::Custom(Label::new("password-reset")?);
//! let asked = row.commit(verifier.ask(row.load(), &reset, now, &mut rng)?);
//! let code = mailed(&asked);
//! let handle = verifier.open_standalone_code(&subject, asked.result?.oob_code.expose())?;
//!
//! // The ledger is part of the record: a wrong code is charged before its verdict can be read, and asking again at once
//! // sends nothing.
//! let wrong = BindingCode::parse(if code == "000000" { "000001" } else { "000000" })?;
//! let answered = row.commit(verifier.answer(row.load(), &handle, &reset, &wrong, now));
//! assert_eq!(answered.result.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });
//! let again = row.commit(verifier.ask(row.load(), &reset, now, &mut rng)?);
//! assert!(again.effects.is_empty());
//!
//! let answered = row.commit(verifier.answer(row.load(), &handle, &reset, &BindingCode::parse(&code)?, now));
//! assert_eq!(answered.result?.purpose, reset);
//! # Ok(()) }
//! ```

use rand_core::TryCryptoRng;
use time::OffsetDateTime;

use crate::{
    account::{Revision, VERSION, record},
    address::EmailAddress,
    audit::{AuditEvent, Command},
    authenticator::{Authenticator, AuthenticatorId, AuthenticatorKind, Factor, Origin},
    challenge::{Cause, Challenge, Purpose},
    clock::Millis,
    code::{BindingCode, OobCode},
    denial::Denial,
    effect::Event,
    enrollment::{Enrollment, EnrollmentInput, Opener, Unconfirmed},
    evidence::Evidence,
    ledger::Ledger,
    name::Subject,
    step::Step,
    token,
    transaction::{Pair, TransactionId},
    verifier::{
        Decision, Delivery, Dispatch, Handle, Judged, Readiness, Scene, Stop, Verifier, decide, decide_with,
    },
};

/// The record of one address and its challenge. It belongs on the server, like [`Account`](crate::Account).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self", deny_unknown_fields)
)]
pub struct Standalone {
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::stored::version::<_, VERSION>"))]
    pub(crate) version: u8,
    pub(crate) subject: Subject,
    pub(crate) revision: Revision,
    pub(crate) authenticator: Authenticator,
    /// Binds the handle; drawn anew whenever a new challenge begins after an old one ended.
    pub(crate) transaction: TransactionId,
    pub(crate) pair: Pair,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) ledger: Ledger,
    pub(crate) updated: Millis,
    #[cfg_attr(feature = "serde", serde(skip, default = "crate::stored::yes"))]
    pub(crate) stored: bool,
}

record!(Standalone);

/// The answer to an `ask`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The handle to answer with. Whoever lacks it cannot even spend an attempt.
    pub oob_code: OobCode,
    /// When the code dies.
    pub expires: OffsetDateTime,
    /// Whether a message is to be sent.
    pub delivery: Delivery,
}

/// A code was right.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// What it was right for.
    pub purpose: Purpose,
    /// What it proves: control of the address, and nothing about anybody's first factor.
    pub evidence: Evidence,
}

impl Standalone {
    /// A record for an address that is not proven. Only [`Purpose::Confirm`] can be asked of it.
    ///
    /// # Errors
    /// That of the random generator.
    pub fn unconfirmed<R: TryCryptoRng + ?Sized>(
        subject: &Subject,
        address: EmailAddress,
        rng: &mut R,
    ) -> Result<Self, R::Error> {
        let transaction = draw_transaction(rng)?;
        let state = Unconfirmed { transaction, opened_by: Opener::FirstFactor, recovery: None };
        Self::draw(subject, address, (Enrollment::Unconfirmed(state), Origin::Enrolled), transaction, rng)
    }

    /// A record for an address that the host knows to be proven. Any purpose but [`Purpose::Confirm`] can be asked of it.
    ///
    /// # Errors
    /// That of the random generator.
    pub fn verified<R: TryCryptoRng + ?Sized>(
        subject: &Subject,
        address: EmailAddress,
        rng: &mut R,
    ) -> Result<Self, R::Error> {
        let transaction = draw_transaction(rng)?;
        Self::draw(subject, address, (Enrollment::Active, Origin::Provisioned), transaction, rng)
    }

    fn draw<R: TryCryptoRng + ?Sized>(
        subject: &Subject,
        address: EmailAddress,
        (enrollment, origin): (Enrollment, Origin),
        transaction: TransactionId,
        rng: &mut R,
    ) -> Result<Self, R::Error> {
        let id = AuthenticatorId::draw(AuthenticatorKind::Email, rng)?;
        Ok(Self {
            version: VERSION,
            subject: subject.clone(),
            revision: Revision::draw(rng)?,
            authenticator: Authenticator {
                id,
                factor: Factor::Email(address),
                enrollment,
                failures: 0,
                origin,
                created: Millis(0),
                last_used: None,
            },
            transaction,
            pair: Pair { authenticator: id, attempts_left: 0, last_send: None },
            challenge: None,
            ledger: Ledger::default(),
            updated: Millis(0),
            stored: false,
        })
    }

    /// Whose record it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The revision.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The address, and whether it is proven.
    #[must_use]
    pub const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The latest challenge.
    #[must_use]
    pub const fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }
}

fn draw_transaction<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<TransactionId, R::Error> {
    let mut transaction = [0; 16];
    rng.try_fill_bytes(&mut transaction)?;
    Ok(TransactionId(transaction))
}

impl Verifier {
    /// Sends a code for a purpose. Asking again for the same purpose resends; asking for another supersedes.
    ///
    /// Denials: [`AddressInUse`](Denial::AddressInUse) if the address is confirmed already,
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator) if it is not and the purpose needs it,
    /// [`AuthenticatorDisabled`](Denial::AuthenticatorDisabled), [`Locked`](Denial::Locked),
    /// [`CoolingDown`](Denial::CoolingDown), [`TooManySends`](Denial::TooManySends),
    /// [`AttemptsExhausted`](Denial::AttemptsExhausted).
    ///
    /// # Errors
    /// That of the random generator, before anything happened.
    pub fn ask<R: TryCryptoRng + ?Sized>(
        &self,
        record: Standalone,
        purpose: &Purpose,
        now: OffsetDateTime,
        rng: &mut R,
    ) -> Result<Step<Asked, Standalone>, R::Error> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::new(Command::Ask, record.subject.clone(), now);
        audit.authenticator = Some(record.authenticator.id);
        decide_with(audit, record, now, |record, draft| {
            self.check_standalone(purpose, &record.authenticator)?;
            if let Some(until) = record.ledger.locked_until(&self.policy, now) {
                return Err(Denial::Locked { until: until.to_datetime() }.into());
            }
            let live = record.challenge.as_ref().is_some_and(|challenge| challenge.is_live(now));
            if !live {
                record.transaction = draw_transaction(rng).map_err(Stop::Source)?;
                record.pair.attempts_left = self.policy.settings().attempts;
            }
            let lifetime_ms = self.policy.lifetime_ms(purpose, true);
            let scene = Scene {
                subject: &record.subject,
                authenticator: &record.authenticator,
                ledger: &mut record.ledger,
                pair: &mut record.pair,
                transaction: record.transaction,
                purpose: purpose.clone(),
                lifetime_ms,
                latest_deadline: now.after(lifetime_ms),
            };
            let delivery = match self.dispatch(scene, record.challenge.as_mut(), now, rng, draft)? {
                Dispatch::CoolingDown { until } => Delivery::CoolingDown { until: until.to_datetime() },
                Dispatch::Resent => Delivery::Sent,
                Dispatch::New(challenge) => {
                    record.challenge = Some(challenge);
                    Delivery::Sent
                }
            };
            let current = record.challenge.as_ref().ok_or(Denial::ExpiredOobCode)?;
            let oob_code = current.handle(&self.keys, &record.subject).ok_or(Denial::ExpiredOobCode)?;
            let answer = Asked { oob_code, expires: current.deadline.to_datetime(), delivery };
            Ok(match delivery {
                Delivery::Sent => Decision::Store(Ok(answer)),
                Delivery::CoolingDown { .. } => Decision::Keep(answer),
            })
        })
    }

    /// Opens the handle of a standalone challenge. No storage is touched.
    ///
    /// # Errors
    /// [`Denial::MalformedOobCode`].
    pub fn open_standalone_code(&self, subject: &Subject, oob_code: &str) -> Result<Handle, Denial> {
        let claims = token::open_handle(&self.keys, subject, oob_code).ok_or(Denial::MalformedOobCode)?;
        Ok(Handle { challenge: claims.challenge, transaction_tag: claims.transaction_tag })
    }

    /// Takes a code for a purpose. A right one for [`Purpose::Confirm`] makes the address active. A wrong one is charged
    /// in this step.
    ///
    /// Denials: those of [`verify_oob`](Self::verify_oob) that are about the challenge and the code;
    /// [`ForeignOobCode`](Denial::ForeignOobCode) also for another purpose than the challenge's.
    pub fn answer(
        &self,
        record: Standalone,
        handle: &Handle,
        purpose: &Purpose,
        code: &BindingCode,
        now: OffsetDateTime,
    ) -> Step<Answered, Standalone> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::new(Command::Answer, record.subject.clone(), now);
        audit.authenticator = Some(record.authenticator.id);
        decide(audit, record, now, |record, draft| {
            let Standalone { subject, authenticator, transaction, pair, challenge, ledger, .. } = record;
            let challenge = challenge.as_mut().filter(|known| known.id == handle.challenge);
            let challenge = challenge.ok_or(Denial::ExpiredOobCode)?;
            if handle.transaction_tag != transaction.tag() || challenge.purpose != *purpose {
                return Err(Denial::ForeignOobCode);
            }
            if let Readiness::ExpiredNow = self.readiness(challenge, ledger, now)? {
                return Ok(Decision::Store(Err(Denial::ExpiredOobCode)));
            }
            self.check_standalone(purpose, authenticator)?;
            let judged = self.judge(subject, authenticator, challenge, (pair, ledger), code, now)?;
            draft.audit.evaluated = true;
            let (id, address) = (authenticator.id, authenticator.factor.address().clone());
            let evidence = Evidence::new(id, Some(authenticator.factor.channel()), now);
            Ok(Decision::Store(match judged {
                Judged::Right => {
                    if *purpose == Purpose::Confirm {
                        // It is unconfirmed, and an unconfirmed one takes the confirmation.
                        let _ = authenticator.enrollment.apply(EnrollmentInput::Confirm);
                    }
                    Ok(Answered { purpose: purpose.clone(), evidence })
                }
                Judged::Wrong { attempts_left, capped, locked_until } => {
                    if locked_until.is_some() {
                        challenge.cancel(Cause::Locked);
                    }
                    if capped {
                        challenge.cancel(Cause::Disabled);
                        draft.notify(record, Event::Disabled { authenticator: id, address }, now);
                    }
                    if let Some(until) = locked_until {
                        draft.notify(record, Event::Locked { authenticator: id, until: until.0 }, now);
                    }
                    Err(Denial::InvalidBindingCode { attempts_left })
                }
            }))
        })
    }
}

impl Verifier {
    /// Whether the address is in the state that the purpose needs.
    fn check_standalone(&self, purpose: &Purpose, authenticator: &Authenticator) -> Result<(), Denial> {
        if authenticator.failures >= self.policy.settings().failure_cap {
            return Err(Denial::AuthenticatorDisabled);
        }
        match (purpose, &authenticator.enrollment) {
            (Purpose::Confirm, Enrollment::Unconfirmed(_))
            | (Purpose::Authenticate | Purpose::Custom(_), Enrollment::Active) => Ok(()),
            (Purpose::Confirm, Enrollment::Active) => Err(Denial::AddressInUse),
            (Purpose::Authenticate | Purpose::Custom(_), Enrollment::Unconfirmed(_)) => {
                Err(Denial::UnknownAuthenticator)
            }
            (_, Enrollment::Disabled) => Err(Denial::AuthenticatorDisabled),
        }
    }
}
