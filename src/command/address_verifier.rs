//! The proof of an address without an account: `ask`, and what takes the link or the code that it sent.
//!
//! Anybody may ask, as often as they like, from anywhere. So an ask writes nothing but a charged message, a
//! wrong answer writes nothing at all, and there is nothing that a stranger could burn, lock or disable. What
//! keeps a link and a code from being guessed is their length. This module must never say whether anybody has
//! an address, and never count a wrong answer.

use subtle::Choice;
use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide, decide_drawing},
        render::RenderError,
    },
    crypto::{declassify::declassify, entropy::Entropy},
    keys::{
        derive::{self, LinkBinding},
        draws::Draws,
        keyring::{KeyRing, TransientKey},
    },
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        effect::Effect,
        send::{self, LinkDescriptor},
        step::Step,
    },
    policy::proof::ProofPolicy,
    record::{
        address_proof::{AddressProof, AddressProofBody},
        record::{Body as _, Internal as _},
    },
    session::proof_handle::{self, ProofHandle, ProofLink, Stamp},
    value::{
        binding_code::BindingCode, email_address::EmailAddress, id::ProofId, instant::Millis, name::Subject,
        opaque::OobCode, purpose::ProofPurpose, revision::Revision,
    },
};

/// The name of a withheld message in the audit event: nobody has the address.
const ABSENT_ADDRESS: &str = "absent_address";

/// Decides the commands on an [`AddressProof`], by its keys and its policy.
///
/// The keys may be those of the accounts' [`Verifier`](crate::Verifier): every derivation has a key of its
/// own.
///
/// # Nothing tells whether anybody has an address
///
/// [`asked`](Self::asked) makes the answer to an ask without any record. A host gives that answer first, and
/// then takes the step of [`ask`](Self::ask): neither the table of users nor the swap nor the message can be
/// seen in the answer or in the time that it took. A refusal is [`Denial::InvalidAddressProof`], whatever the
/// reason, and costs no write.
///
/// # What the host limits
///
/// The budgets here are those of one address. How many asks come from one network address, and how many
/// addresses one peer asks for, is for the host to limit, before it answers and for every address alike.
#[derive(Clone, Debug)]
pub struct AddressVerifier {
    keys: KeyRing,
    policy: ProofPolicy,
}

/// The answer to an ask: the same for an address that somebody has and for one that nobody has, with a
/// message sent and with all messages used up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The handle of the browser that asked, for a cookie of its own: `__Host-`, `HttpOnly`,
    /// `SameSite=Strict`.
    pub oob_code: OobCode,
    /// When it dies, and so does what was sent for it.
    pub expires: OffsetDateTime,
}

/// An address was proven.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ProvenAddress {
    /// What for.
    pub purpose: ProofPurpose,
    /// The address. Whoever answered controls its mailbox; nothing is said of anybody's first factor.
    pub address: EmailAddress,
    /// When.
    pub at: OffsetDateTime,
}

impl AddressVerifier {
    /// A verifier. Keys and policy were checked when they were built.
    #[must_use]
    pub const fn new(keys: KeyRing, policy: ProofPolicy) -> Self {
        Self { keys, policy }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &ProofPolicy {
        &self.policy
    }

    /// The answer that [`ask`](Self::ask) gives with the same time and entropy, whatever the record. A host
    /// sends it before it looks at any record, so that its time tells nothing.
    #[must_use]
    pub fn asked(
        &self,
        subject: &Subject,
        purpose: ProofPurpose,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Asked {
        self.issue(subject, purpose, Millis::from(now), entropy).1
    }

    /// Sends a link and a long code to the record's address. Each ask has a link, a code and a handle of its
    /// own, and all of them work until an address is proven with one.
    ///
    /// It is never denied. No message is sent, and nothing is written, if nobody has the address or its
    /// messages for this purpose are used up; the audit event then has `absent_address` or `too_many_sends`
    /// for a denial, and the answer is the same.
    pub fn ask(
        &self,
        proof: AddressProof,
        purpose: ProofPurpose,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<Asked, AddressProof> {
        let now = Millis::from(now);
        let (stamp, asked) = self.issue(proof.subject(), purpose, now, entropy);
        let audit = AuditEvent::new(Command::Ask, proof.subject().clone(), now);
        decide_drawing(&self.keys, audit, proof, now, entropy, |proof, draws, draft| {
            let Some(address) = proof.address().cloned() else {
                draft.audit.withhold(ABSENT_ADDRESS);
                return Ok(Decision::Unchanged(asked));
            };
            if proof.sends_are_used_up(&self.policy, purpose, now) {
                draft.audit.withhold(Denial::TooManySends { until: now.to_datetime() }.code());
                return Ok(Decision::Unchanged(asked));
            }
            proof.charge_send(&self.policy, purpose, now);
            if !proof.is_stored() {
                proof.begin(draws.seed("seed"));
            }
            let descriptor =
                LinkDescriptor::new(proof.subject(), address, purpose, stamp, proof.generation());
            if let Some(message) = send::link_message(&self.keys, &descriptor, proof.seed()) {
                draft.send_link(message, descriptor);
            }
            Ok(Decision::Store(Ok(asked)))
        })
    }

    /// Opens the handle of a browser that asked. No storage is touched.
    ///
    /// # Errors
    /// [`Denial::InvalidAddressProof`].
    pub fn open_handle(
        &self,
        subject: &Subject,
        purpose: ProofPurpose,
        oob_code: &str,
    ) -> Result<ProofHandle, Denial> {
        proof_handle::open_handle(&self.keys, subject, purpose, oob_code).ok_or(Denial::InvalidAddressProof)
    }

    /// Opens the token of a link. No storage is touched.
    ///
    /// # Errors
    /// [`Denial::InvalidAddressProof`].
    pub fn open_link(
        &self,
        subject: &Subject,
        purpose: ProofPurpose,
        token: &str,
    ) -> Result<ProofLink, Denial> {
        proof_handle::open_link(&self.keys, subject, purpose, token).ok_or(Denial::InvalidAddressProof)
    }

    /// Takes a link. One to confirm is taken only beside the handle of a browser that asked to confirm the
    /// same address; the handle need not be that of the ask that the link was sent for, so that the owner of
    /// a mailbox can use a link that a stranger caused, for what the owner began. One to reset needs none.
    ///
    /// A link that is taken ends every other link and code of the record. One that is not writes nothing.
    ///
    /// Call it for the `POST` of a form and never for a `GET`: mail filters follow links.
    ///
    /// Denials: [`InvalidAddressProof`](Denial::InvalidAddressProof), whatever is wrong, and the misuse
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn verify_link(
        &self,
        proof: AddressProof,
        link: &ProofLink,
        handle: Option<&ProofHandle>,
        now: OffsetDateTime,
    ) -> Step<ProvenAddress, AddressProof> {
        let asked_here = match link.purpose {
            ProofPurpose::Confirm => handle.is_some_and(|handle| {
                handle.subject == link.subject
                    && handle.purpose == link.purpose
                    && handle.stamp.is_live(Millis::from(now))
            }),
            ProofPurpose::Reset => true,
        };
        let audit = AuditEvent::new(Command::VerifyLink, proof.subject().clone(), Millis::from(now));
        self.take(audit, proof, (&link.subject, link.purpose, &link.stamp), asked_here, |key, binding| {
            derive::link_tag(&key.link, binding).starts_with_16(&link.secret)
        })
    }

    /// Takes the long code of a message in the browser that asked for it. The code is bound to that ask.
    ///
    /// A code that is taken ends every other link and code of the record. One that is not writes nothing.
    ///
    /// Denials: as [`verify_link`](Self::verify_link).
    pub fn verify_code(
        &self,
        proof: AddressProof,
        handle: &ProofHandle,
        code: &BindingCode,
        now: OffsetDateTime,
    ) -> Step<ProvenAddress, AddressProof> {
        let audit = AuditEvent::new(Command::VerifyCode, proof.subject().clone(), Millis::from(now));
        self.take(audit, proof, (&handle.subject, handle.purpose, &handle.stamp), true, |key, binding| {
            derive::link_code(&key.link_code, binding).matches(code)
        })
    }

    /// Derives the message that a descriptor of an outbox stands for. The link and the code are those that
    /// were promised, and never in a store.
    ///
    /// # Errors
    /// [`RenderError`] if the message is not worth sending any more.
    pub fn render(
        &self,
        proof: &AddressProof,
        descriptor: &LinkDescriptor,
        now: OffsetDateTime,
    ) -> Result<Effect, RenderError> {
        let body = proof.body();
        if descriptor.subject != *proof.subject() {
            return Err(RenderError::WrongRecord);
        }
        if !descriptor.is_live(body.address(), body.generation(), Millis::from(now)) {
            return Err(RenderError::NotLive);
        }
        let message = send::link_message(&self.keys, descriptor, body.seed());
        message.map(Effect::Send).ok_or(RenderError::KeyUnknown)
    }

    /// A new ask, and its answer. It hangs on the request alone: whatever the record, and however often the
    /// step is taken again.
    fn issue(
        &self,
        subject: &Subject,
        purpose: ProofPurpose,
        now: Millis,
        entropy: &Entropy,
    ) -> (Stamp, Asked) {
        let mut draws = Draws::new(entropy, Command::Ask.as_str(), subject, Revision::NONE);
        let key = self.keys.transient();
        let deadline = now.after(self.policy.lifetime_ms(purpose));
        let stamp = Stamp { key: key.id, proof: ProofId(draws.bytes("proof")), issued: now, deadline };
        let oob_code = proof_handle::seal_handle(key, subject, purpose, &stamp);
        (stamp, Asked { oob_code, expires: deadline.to_datetime() })
    }

    /// Takes what was sent, if `matches` says that it is right for this record. The same is computed for an
    /// address that nobody has.
    fn take(
        &self,
        audit: AuditEvent,
        proof: AddressProof,
        (subject, purpose, stamp): (&Subject, ProofPurpose, &Stamp),
        asked_here: bool,
        matches: impl FnOnce(&TransientKey, &LinkBinding<'_>) -> Choice,
    ) -> Step<ProvenAddress, AddressProof> {
        let now = Millis(audit.at);
        decide(&self.keys, audit, proof, now, |proof: &mut AddressProofBody, draft| {
            if proof.subject() != subject {
                return Err(Denial::WrongRecord);
            }
            let key = stamp.key_of(&self.keys).filter(|_| asked_here && stamp.is_live(now));
            let key = key.ok_or(Denial::InvalidAddressProof)?;
            let bytes = stamp.bytes();
            let binding = LinkBinding {
                stamp: &bytes,
                subject: proof.subject(),
                address: proof.address().map_or(&[], EmailAddress::as_bytes),
                purpose,
                generation: proof.generation(),
                seed: proof.seed(),
            };
            draft.audit.evaluated = true;
            if !declassify(matches(key, &binding)) {
                return Err(Denial::InvalidAddressProof);
            }
            // A record that no ask has stored has no seed: a link of it is forged with a key that leaked.
            let Some(address) = proof.address().filter(|_| proof.is_stored()) else {
                return Err(Denial::InvalidAddressProof);
            };
            let proven = ProvenAddress { purpose, address: address.clone(), at: now.to_datetime() };
            proof.raise_generation();
            Ok(Decision::Store(Ok(proven)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::seed::Seed,
        keys::keyring::Key,
        outcome::step::Swap,
        session::proof_handle::{seal_handle, seal_link},
    };

    /// A transient key that leaked makes no link for an address that nobody has asked for: its record has no
    /// seed yet.
    #[test]
    fn a_record_that_was_never_stored_takes_nothing() {
        let Ok(transient) = Key::new(&[1; 32]) else { unreachable!() };
        let Ok(durable) = Key::new(&[2; 32]) else { unreachable!() };
        let Ok(keys) = KeyRing::new("t", transient, durable) else { unreachable!() };
        let Ok(subject) = Subject::new("user-1") else { unreachable!() };
        let Ok(address) = EmailAddress::parse("user@example.com") else { unreachable!() };
        let key = keys.transient();
        let stamp = Stamp { key: key.id, proof: ProofId([4; 16]), issued: Millis(1), deadline: Millis(9) };
        let purpose = ProofPurpose::Reset;
        let binding = LinkBinding {
            stamp: &stamp.bytes(),
            subject: &subject,
            address: address.as_bytes(),
            purpose,
            generation: 0,
            seed: &Seed([0; 16]),
        };
        let token = seal_link(key, &subject, purpose, &stamp, derive::link_tag(&key.link, &binding).first());
        let code = derive::link_code(&key.link_code, &binding);
        let handle = seal_handle(key, &subject, purpose, &stamp);
        let verifier = AddressVerifier::new(keys.clone(), ProofPolicy::default());
        let Ok(link) = verifier.open_link(&subject, purpose, token.expose()) else { unreachable!() };
        let Ok(handle) = verifier.open_handle(&subject, purpose, handle.expose()) else { unreachable!() };
        let now = Millis(5).to_datetime();
        let fresh = || AddressProof::new(&subject, address.clone());
        for step in [
            verifier.verify_link(fresh(), &link, None, now),
            verifier.verify_code(fresh(), &handle, &code, now),
        ] {
            assert!(!step.writes());
            let outcome = step.into_parts().1.open(Swap::Stored).done();
            assert!(outcome.is_some_and(|outcome| {
                outcome.audit().evaluated && outcome.into_parts().0 == Err(Denial::InvalidAddressProof)
            }));
        }
    }
}
