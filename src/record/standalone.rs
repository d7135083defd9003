//! The record of one address without an account. It must never stand in for a second factor: nothing in it says that
//! anybody passed a first one.

use alloc::boxed::Box;

use crate::{
    crypto::entropy::Entropy,
    factor::{email::EmailFactor, factor::Factor},
    keys::draws::Draws,
    machine::enrollment::{EnrolledBy, Enrollment, Unconfirmed},
    record::{
        authenticator::{Authenticator, Origin},
        challenge::Challenge,
        exchange::Exchange,
        ledger::Ledger,
        transaction::AttemptCounter,
    },
    value::{
        email_address::EmailAddress,
        id::{AuthenticatorKind, TransactionId},
        instant::Millis,
        name::Subject,
        revision::Revision,
    },
};

/// The record of one address and its challenge. It belongs on the server, like [`Account`](crate::Account).
///
/// It is a pointer, and its stored form is `{"v1": {…}}`, as that of an account.
///
/// For what is not a login: confirming an address before it means anything, resetting a password, approving a
/// payment. A [`Standalone`] is a record like [`Account`](crate::Account), with the same driving rule and a
/// [`Ledger`] of its own, so that the budgets hold here as they do there. It must never stand in for a second factor:
/// nothing in it says that anybody passed a first one.
///
/// Confirming an address, and then resetting a password by it:
///
/// ```
/// use std::{cell::RefCell, convert::Infallible};
///
/// use countersign::{BindingCode, Denial, Effect, EmailAddress, Entropy, Outcome, Step, Subject, Swap, Verifier, command::{Label, Purpose}, record::Standalone};
/// # use countersign::{Key, KeyRing, Policy};
///
/// /// A store of one row. A real one compares the revision in the statement that writes.
/// #[derive(Default)]
/// struct Row(RefCell<Option<Standalone>>);
///
/// impl Row {
///     fn load(&self) -> Standalone {
///         self.0.borrow().clone().expect("the row was stored")
///     }
///
///     /// Stores a step and opens it. A host that lost a swap loads again and takes the step anew, a few times.
///     fn commit<T>(&self, step: Step<T, Standalone>) -> Outcome<T> {
///         let committed = step.commit(|write| {
///             let mut row = self.0.borrow_mut();
///             if row.as_ref().map(Standalone::revision) != write.expected {
///                 return Ok::<_, Infallible>(Swap::Lost);
///             }
///             *row = Some(write.record);
///             Ok(Swap::Stored)
///         });
///         committed.unwrap().done().expect("nobody else writes this row")
///     }
/// }
///
/// /// What the person reads in the mail.
/// fn mailed<T>(outcome: &Outcome<T>) -> String {
///     let Some(Effect::Send(mail)) = outcome.effects().first() else { panic!("no message was sent") };
///     mail.content.code().expect("the message carries a code").expose().to_owned()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::new("docs", Key::new(&[1; 32])?, Key::new(&[2; 32])?)?;
/// # let verifier = Verifier::new(keys, Policy::default());
/// # let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
/// # let draw = || Entropy::draw(&mut getrandom::SysRng);
/// let row = Row::default();
/// let subject = Subject::new("user-1")?;
///
/// // 1. Confirm an address: a code goes to it, and the handle to the client.
/// let record = Standalone::unconfirmed(&subject, EmailAddress::parse("user@example.com")?, &draw()?);
/// let asked = row.commit(verifier.ask(record, &Purpose::Confirm, now, &draw()?));
/// let typed = BindingCode::parse(&mailed(&asked))?;
/// let handle = verifier.open_standalone_code(&subject, asked.into_parts().0?.oob_code.expose())?;
/// let answered = row.commit(verifier.answer(row.load(), &handle, &Purpose::Confirm, &typed, now));
/// assert_eq!(answered.into_parts().0?.purpose, Purpose::Confirm);
///
/// // 2. Reset a password by it, later. The purpose is part of the code: no code for anything else resets a password.
/// let now = now + time::Duration::days(30);
/// let reset = Purpose::Action { label: Label::new("password-reset")?, digest: [0; 32] };
/// let asked = row.commit(verifier.ask(row.load(), &reset, now, &draw()?));
/// let code = mailed(&asked);
/// let handle = verifier.open_standalone_code(&subject, asked.into_parts().0?.oob_code.expose())?;
///
/// // The ledger is part of the record: a wrong code is charged before its verdict can be read, and asking again at once
/// // sends nothing.
/// let wrong = BindingCode::parse(if code == "000000" { "000001" } else { "000000" })?;
/// let answered = row.commit(verifier.answer(row.load(), &handle, &reset, &wrong, now));
/// assert_eq!(answered.into_parts().0.unwrap_err(), Denial::InvalidBindingCode { attempts_left: 4 });
/// let again = row.commit(verifier.ask(row.load(), &reset, now, &draw()?));
/// assert!(again.effects().is_empty());
///
/// let answered = row.commit(verifier.answer(row.load(), &handle, &reset, &BindingCode::parse(&code)?, now));
/// assert_eq!(answered.into_parts().0?.purpose, reset);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standalone(pub(super) Box<StandaloneBody>);

/// What the record holds, and the shape of its stored form. Only `record/stored.rs` reads and writes it: what is read
/// elsewhere is not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct StandaloneBody {
    pub(super) subject: Subject,
    pub(super) revision: Revision,
    pub(super) authenticator: Authenticator,
    /// Binds the handle; drawn anew whenever a new challenge begins after an old one ended.
    pub(super) transaction: TransactionId,
    pub(super) pair: AttemptCounter,
    pub(super) challenge: Option<Challenge>,
    pub(super) ledger: Ledger,
    pub(super) updated: Millis,
    #[cfg_attr(feature = "serde", serde(skip, default = "crate::value::serde_helpers::yes"))]
    pub(super) stored: bool,
}

impl Standalone {
    /// A record for an address that is not proven. Only [`Purpose::Confirm`](crate::command::Purpose::Confirm) can be asked of
    /// it.
    #[must_use]
    pub fn unconfirmed(subject: &Subject, address: EmailAddress, entropy: &Entropy) -> Self {
        let mut draws = Draws::new(entropy, "standalone", subject, Revision::NONE);
        let transaction = draws.transaction();
        let state = Unconfirmed::new(transaction, EnrolledBy::FirstFactor, None);
        let life = (Enrollment::Unconfirmed(state), Origin::Enrolled);
        Self::draw(subject, address, life, transaction, &mut draws)
    }

    /// A record for an address that the host knows to be proven. Any purpose but
    /// [`Purpose::Confirm`](crate::command::Purpose::Confirm) can be asked of it.
    #[must_use]
    pub fn verified(subject: &Subject, address: EmailAddress, entropy: &Entropy) -> Self {
        let mut draws = Draws::new(entropy, "standalone", subject, Revision::NONE);
        let transaction = draws.transaction();
        Self::draw(subject, address, (Enrollment::Active, Origin::Provisioned), transaction, &mut draws)
    }

    fn draw(
        subject: &Subject,
        address: EmailAddress,
        (enrollment, origin): (Enrollment, Origin),
        transaction: TransactionId,
        draws: &mut Draws,
    ) -> Self {
        let id = draws.authenticator(AuthenticatorKind::Email);
        let factor = Factor::Email(EmailFactor::new(address));
        Self(Box::new(StandaloneBody {
            subject: subject.clone(),
            revision: Revision::drawn(draws.bytes("revision")),
            authenticator: Authenticator::new(id, factor, enrollment, origin, Millis(0)),
            transaction,
            pair: AttemptCounter::new(id, 0),
            challenge: None,
            ledger: Ledger::default(),
            updated: Millis(0),
            stored: false,
        }))
    }

    /// Whose record it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The revision.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The address, and whether it is proven.
    #[must_use]
    pub const fn authenticator(&self) -> &Authenticator {
        &self.0.authenticator
    }

    /// The latest challenge.
    #[must_use]
    pub const fn challenge(&self) -> Option<&Challenge> {
        self.0.challenge.as_ref()
    }
}

impl StandaloneBody {
    /// The address, and whether it is proven.
    pub(crate) const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The latest challenge.
    pub(crate) const fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// The transaction that binds the handle.
    pub(crate) const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// Begins a transaction with all of its attempts. The cool-down of the last message stays.
    pub(crate) const fn begin_anew(&mut self, transaction: TransactionId, attempts: u8) {
        self.transaction = transaction;
        self.pair.attempts_left = attempts;
    }

    /// What a code touches, and the latest challenge.
    pub(crate) const fn exchange(&mut self) -> (Exchange<'_>, Option<&mut Challenge>) {
        let Self { subject, authenticator, pair, challenge, ledger, .. } = self;
        (Exchange { subject, authenticator, pair, ledger }, challenge.as_mut())
    }

    /// Puts a challenge in the place of any other.
    pub(crate) fn replace_challenge(&mut self, challenge: Challenge) {
        self.challenge = Some(challenge);
    }
}
