//! The record of one address that is proven without an account. It must never stand in for a second factor:
//! nothing in it says that anybody passed a first one.
//!
//! It keeps no challenge and counts no attempt, so there is nothing that a stranger could use up but
//! messages: an ask charges one, and a wrong answer writes nothing.

use alloc::boxed::Box;
use time::OffsetDateTime;

use crate::{
    crypto::seed::Seed,
    policy::{
        bounds::LONGEST_PROOF_MS,
        proof::{ProofPolicy, ProofSettings},
    },
    record::ledger::Bucket,
    value::{
        email_address::EmailAddress, instant::Millis, name::Subject, purpose::ProofPurpose,
        revision::Revision,
    },
};

/// The record of one address, from which links and long codes are derived. It belongs on the server, like
/// [`Account`](crate::Account), in a store of its own.
///
/// It is for whoever has no first factor yet: somebody who signs up and confirms an address, or who forgot a
/// password. The subject is the key of its row; a host takes one that it computes from the address, so that
/// an address without a row needs none. It is a pointer, and its stored form is `{"v1": {…}}`, as that of an
/// account.
///
/// Two commands of [`AddressVerifier`](crate::address_proof::AddressVerifier) work on it: `ask` sends a link,
/// and `verify_link` or `verify_code` takes it. Resetting a password, from a browser that is not the one that
/// asked:
///
/// ```
/// use std::{collections::BTreeMap, sync::{Mutex, PoisonError}};
///
/// use countersign::{BlockingStore, Effect, EmailAddress, Entropy, Subject, Swap, Write, store::drive_blocking};
/// use countersign::address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose};
/// # use countersign::{Denial, Key, KeyRing};
///
/// /// A table of proofs in memory.
/// #[derive(Default)]
/// struct Proofs(Mutex<BTreeMap<String, AddressProof>>);
///
/// impl BlockingStore for Proofs {
///     type Record = AddressProof;
///     type Error = std::convert::Infallible;
///
///     fn load(&self, subject: &Subject) -> Result<Option<AddressProof>, Self::Error> {
///         Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(subject.as_str()).cloned())
///     }
///
///     fn swap(&self, write: Write<AddressProof>) -> Result<Swap, Self::Error> {
///         let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         if rows.get(write.subject().as_str()).map(AddressProof::revision) != write.expected {
///             return Ok(Swap::Lost);
///         }
///         rows.insert(write.subject().to_string(), write.record);
///         Ok(Swap::Stored)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::new("docs", Key::new(&[1; 32])?, Key::new(&[2; 32])?)?;
/// # let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
/// let verifier = AddressVerifier::new(keys, ProofPolicy::default());
/// let proofs = Proofs::default();
/// let (subject, entropy) = (Subject::new("user@example.com")?, Entropy::draw(&mut getrandom::SysRng)?);
///
/// // 1. Somebody asks. The browser gets its answer at once, whether or not anybody has the address.
/// let answer = verifier.asked(&subject, ProofPurpose::Reset, now, &entropy);
///
/// // 2. Behind the answer: an address that a user has is sent a message, and another one costs nothing.
/// let address = Some(EmailAddress::parse("user@example.com")?); // what the table of users says
/// let outcome = drive_blocking(&proofs, &subject, |proof| {
///     let proof = match &address {
///         Some(address) => proof.for_address(address),
///         None => AddressProof::absent(&subject),
///     };
///     verifier.ask(proof, ProofPurpose::Reset, now, &entropy)
/// })?;
/// let (_, effects) = outcome.into_parts();
/// let Some(Effect::Send(mail)) = effects.into_iter().next() else { panic!("no message was sent") };
/// let (link, _code) = mail.content.link().expect("the message carries a link");
/// let url = format!("https://id.example.com/reset#{}", link.expose());
///
/// // 3. The link opens a page, whose form posts the token. No cookie of the browser that asked is needed.
/// let token = url.split('#').nth(1).unwrap_or_default();
/// let link = verifier.open_link(&subject, ProofPurpose::Reset, token)?;
/// let outcome = drive_blocking(&proofs, &subject, |proof| verifier.verify_link(proof, &link, None, now))?;
/// let proven = outcome.into_parts().0?;
/// assert_eq!(proven.address.as_str(), "user@example.com"); // set its password, and end its sessions
///
/// // Each other link and code is dead from then on.
/// let outcome = drive_blocking(&proofs, &subject, |proof| verifier.verify_link(proof, &link, None, now))?;
/// assert_eq!(outcome.into_parts().0.unwrap_err(), Denial::InvalidAddressProof);
/// # drop(answer); Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressProof(pub(super) Box<AddressProofBody>);

/// What the record holds, and the shape of its stored form. Only `record/stored.rs` reads and writes it: what
/// is read elsewhere is not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct AddressProofBody {
    pub(super) subject: Subject,
    pub(super) revision: Revision,
    /// Absent where nobody has the address. Such a record is never stored.
    pub(super) address: Option<EmailAddress>,
    /// Drawn by the ask that stores the record first.
    pub(super) seed: Seed,
    /// How often an address was proven, or changed: what was sent before is dead.
    pub(super) generation: u32,
    pub(super) sends: Sends,
    pub(super) updated: Millis,
    #[cfg_attr(feature = "serde", serde(skip, default = "crate::value::serde_helpers::yes"))]
    pub(super) stored: bool,
}

impl AddressProof {
    /// The record of an address that has none. The first ask gives it a revision and a seed.
    #[must_use]
    pub fn new(subject: &Subject, address: EmailAddress) -> Self {
        let mut proof = Self::absent(subject);
        proof.0.address = Some(address);
        proof
    }

    /// The record of an address that nobody has. What is asked of it is answered as for any other, no message
    /// is sent, and nothing is ever written.
    #[must_use]
    pub fn absent(subject: &Subject) -> Self {
        Self(Box::new(AddressProofBody {
            subject: subject.clone(),
            revision: Revision::NONE,
            address: None,
            seed: Seed([0; 16]),
            generation: 0,
            sends: Sends::default(),
            updated: Millis(0),
            stored: false,
        }))
    }

    /// The record with this address: what [`drive`](crate::drive) made for a subject that had none gets it,
    /// and one for this address stays as it is. If it was for another one, every link and code for that is
    /// dead, and the messages stay charged.
    ///
    /// The address is the one that the host knows, such as that of the user's row. It must not be one that
    /// was typed for a subject which other spellings share: each spelling would end the links of the others.
    #[must_use]
    pub fn for_address(mut self, address: &EmailAddress) -> Self {
        if self.0.address.as_ref() != Some(address) {
            self.0.address = Some(address.clone());
            self.0.raise_generation();
        }
        self
    }

    /// Whose record it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The revision; 0 until a step has written the record.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The address; `None` in a record that stands for nobody's.
    #[must_use]
    pub const fn address(&self) -> Option<&EmailAddress> {
        self.0.address.as_ref()
    }

    /// Whether the row may be deleted: every message that was charged is given back by then, and nothing that
    /// was sent can be live, whatever the policy. A new row is as good as this one.
    #[must_use]
    pub fn is_idle(&self, now: OffsetDateTime) -> bool {
        let now = Millis::from(now);
        let sends = &self.0.sends;
        let full = |bucket: &Bucket| bucket.is_full(now);
        self.0.updated.after(LONGEST_PROOF_MS) <= now
            && [&sends.confirm, &sends.reset].iter().all(|sent| full(&sent.send) && full(&sent.long_send))
    }
}

impl AddressProofBody {
    pub(crate) const fn address(&self) -> Option<&EmailAddress> {
        self.address.as_ref()
    }

    pub(crate) const fn seed(&self) -> &Seed {
        &self.seed
    }

    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// Gives a record that no step has written the seed of all that will be sent.
    pub(crate) fn begin(&mut self, seed: Seed) {
        self.seed = seed;
    }

    /// Ends every link and every code that was sent.
    pub(crate) const fn raise_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Whether no message may be sent for this purpose.
    pub(crate) fn sends_are_used_up(&self, policy: &ProofPolicy, purpose: ProofPurpose, now: Millis) -> bool {
        self.sends.of(purpose).is_empty(policy.settings(), now)
    }

    /// Charges one message. The caller has seen that sends are not used up.
    pub(crate) fn charge_send(&mut self, policy: &ProofPolicy, purpose: ProofPurpose, now: Millis) {
        self.sends.of_mut(purpose).charge(policy.settings(), now);
    }
}

/// The messages of each purpose: who asks for the one uses up nothing of the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(super) struct Sends {
    confirm: SendBudget,
    reset: SendBudget,
}

impl Sends {
    const fn of(&self, purpose: ProofPurpose) -> &SendBudget {
        match purpose {
            ProofPurpose::Confirm => &self.confirm,
            ProofPurpose::Reset => &self.reset,
        }
    }

    const fn of_mut(&mut self, purpose: ProofPurpose) -> &mut SendBudget {
        match purpose {
            ProofPurpose::Confirm => &mut self.confirm,
            ProofPurpose::Reset => &mut self.reset,
        }
    }
}

/// The messages of one purpose.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
struct SendBudget {
    send: Bucket,
    long_send: Bucket,
}

impl SendBudget {
    fn is_empty(&self, settings: &ProofSettings, now: Millis) -> bool {
        self.send.empty(settings.send_bucket, now).is_some()
            || self.long_send.empty(settings.long_send_budget, now).is_some()
    }

    fn charge(&mut self, settings: &ProofSettings, now: Millis) {
        self.send.take(settings.send_bucket, now);
        self.long_send.take(settings.long_send_budget, now);
    }
}
