//! A world of one address that is proven without an account: its row, its clock, its mailbox.

use countersign::{
    BindingCode, Denial, Effect, Step, Swap,
    address_proof::{AddressProof, AddressVerifier, Asked, ProofPolicy, ProofPurpose, ProvenAddress},
    audit::AuditEvent,
    code::LinkToken,
    effect::{Descriptor, Message},
};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use time::{Duration, OffsetDateTime};

use crate::world::{START, address, entropy, keys, subject};

/// A message with a link and a long code.
#[derive(Clone, Debug)]
pub struct Letter {
    pub token: LinkToken,
    pub code: BindingCode,
    pub message: Message,
}

impl From<Message> for Letter {
    fn from(message: Message) -> Self {
        let (token, code) = message.content.link().expect("a link");
        Self { token: token.clone(), code: code.clone(), message }
    }
}

/// One address.
pub struct Proving {
    pub verifier: AddressVerifier,
    pub record: AddressProof,
    pub now: OffsetDateTime,
    pub rng: ChaCha20Rng,
    pub stored: bool,
    pub swaps: u32,
    pub letters: Vec<Letter>,
    pub outbox: Vec<Descriptor>,
    pub audits: Vec<AuditEvent>,
}

impl Proving {
    pub const ADDRESS: &str = "user@example.com";

    /// An address that somebody has, which nobody has asked for yet.
    pub fn new(policy: ProofPolicy) -> Self {
        Self::of(AddressProof::new(&subject(), address(Self::ADDRESS)), policy)
    }

    /// An address that nobody has.
    pub fn absent() -> Self {
        Self::of(AddressProof::absent(&subject()), ProofPolicy::default())
    }

    fn of(record: AddressProof, policy: ProofPolicy) -> Self {
        let (letters, outbox, audits) = (Vec::new(), Vec::new(), Vec::new());
        let verifier = AddressVerifier::new(keys(), policy);
        let rng = ChaCha20Rng::seed_from_u64(3);
        Self { verifier, record, now: START, rng, stored: false, swaps: 0, letters, outbox, audits }
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += Duration::seconds(seconds);
    }

    /// Commits a step, keeps what came of it and gives its result.
    pub fn run<T>(&mut self, step: Step<T, AddressProof>) -> Result<T, Denial> {
        let committed = step.commit(|write| {
            assert_eq!(write.expected, self.stored.then_some(self.record.revision()), "replaced or inserted");
            assert_eq!(write.revision(), write.record.revision());
            (self.stored, self.swaps) = (true, self.swaps + 1);
            let stored = serde_json::to_string(&write.record).unwrap();
            self.record = serde_json::from_str(&stored).unwrap();
            self.outbox.extend(write.outbox);
            Ok::<_, std::convert::Infallible>(Swap::Stored)
        });
        let outcome = committed.unwrap().done().unwrap();
        self.audits.push(outcome.audit().clone());
        let (result, effects) = outcome.into_parts();
        for effect in effects {
            match effect {
                Effect::Send(message) => self.letters.push(message.into()),
                other => panic!("{other:?}"),
            }
        }
        result
    }

    pub fn ask(&mut self, purpose: ProofPurpose) -> Asked {
        let entropy = entropy(&mut self.rng);
        let step = self.verifier.ask(self.record.clone(), purpose, self.now, &entropy);
        self.run(step).expect("an ask is never denied")
    }

    /// The latest message.
    pub fn letter(&self) -> Letter {
        self.letters.last().expect("a message was sent").clone()
    }

    /// The step of taking a link in a browser with this handle.
    ///
    /// # Errors
    /// Of what does not open.
    pub fn link_step(
        &self,
        purpose: ProofPurpose,
        token: &str,
        handle: Option<&str>,
    ) -> Result<Step<ProvenAddress, AddressProof>, Denial> {
        let link = self.verifier.open_link(&subject(), purpose, token)?;
        let handle = handle.map(|text| self.verifier.open_handle(&subject(), purpose, text)).transpose()?;
        Ok(self.verifier.verify_link(self.record.clone(), &link, handle.as_ref(), self.now))
    }

    /// Takes a link in a browser with this handle.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn link(
        &mut self,
        purpose: ProofPurpose,
        token: &LinkToken,
        handle: Option<&Asked>,
    ) -> Result<ProvenAddress, Denial> {
        let step = self.link_step(purpose, token.expose(), handle.map(|asked| asked.oob_code.expose()))?;
        self.run(step)
    }

    /// Takes a code in a browser with this handle.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn code(
        &mut self,
        purpose: ProofPurpose,
        handle: &Asked,
        code: &BindingCode,
    ) -> Result<ProvenAddress, Denial> {
        let handle = self.verifier.open_handle(&subject(), purpose, handle.oob_code.expose())?;
        let step = self.verifier.verify_code(self.record.clone(), &handle, code, self.now);
        self.run(step)
    }
}
