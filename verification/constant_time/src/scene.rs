//! A host in one process, in which everything secret is marked as such where it comes into being.
//!
//! The secrets of the keys are marked before the ring is built, and the seeds in the record once it is stored; so all
//! that the library derives from them is marked, too: keyed states, binding codes, recovery codes and their hashes,
//! the tags in tokens and handles. What a client presents is marked after it was made (see [`crate::presented`]).
//! Outside valgrind marking does nothing, and the same scene serves the clock.

use countersign::{
    Account, Associated, BindingCode, ChallengeRequest, Challenged, Effect, Elevation, EmailAddress, Entropy,
    Key, KeyRing, NewFactor, Outcome, Policy, Revision, Session, Step, Subject, Swap, Verifier,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    code::{DeviceToken, LinkToken, OobCode, RecoveryCode},
    otp::KeyLabel,
    policy::{RecoveryUse, Settings},
    record::Record,
    session::{ClientId, ElevatedScopes, OobHandle, Scope},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use time::{Duration, OffsetDateTime};

use crate::{
    app::App,
    valgrind::{conceal, uncover, with_public_parts},
};

/// What commands draw from: it has to differ each time, not to be unpredictable.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
}

impl Draws {
    const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number (SplitMix64).
    pub const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_be_bytes());
        }
        bytes
    }
}

/// What a command drew: the entropy that it had, its name, and the revision of the record that it was given.
struct Drawn {
    entropy: [u8; 32],
    command: &'static str,
    revision: Revision,
}

impl Drawn {
    /// The seed that this draw may have been, by the published derivation (`tests/vectors/draw.json`).
    fn seed(&self, subject: &Subject, label: &str, count: u32) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.entropy).expect("HMAC takes any key");
        for field in [
            self.command.as_bytes(),
            subject.as_str().as_bytes(),
            &self.revision.get().to_be_bytes(),
            label.as_bytes(),
            &count.to_be_bytes(),
        ] {
            mac.update(&u32::try_from(field.len()).expect("a short field").to_be_bytes());
            mac.update(field);
        }
        *mac.finalize().into_bytes().first_chunk().expect("32 bytes")
    }

    /// Marks the seeds in a record, in its stored form. The ids that were drawn beside them are public.
    fn conceal_seeds<R: Record + Serialize + DeserializeOwned>(&self, subject: &Subject, record: &R) -> R {
        let mut bytes = postcard::to_stdvec(record).expect("a record can be written");
        // What is secret already is not looked at: the search goes over a copy that counts as public.
        let mut public = bytes.clone();
        uncover(public.as_mut_slice());
        let mut found = 0;
        for (label, count) in ["recovery", "binding", "seed", "device", "totp"]
            .into_iter()
            .flat_map(|label| (0..8).map(move |count| (label, count)))
        {
            let seed = self.seed(subject, label, count);
            let places: Vec<_> = (0..public.len() - 15).filter(|&at| public[at..at + 16] == seed).collect();
            for place in places {
                conceal(&mut bytes[place..place + 16]);
                found += 1;
            }
        }
        assert!(found > 0 || self.command == "regenerate_recovery_codes", "{} drew no seed", self.command);
        postcard::from_bytes(&bytes).expect("what was written can be read")
    }
}

/// One host with one user.
#[derive(Debug)]
pub struct Scene {
    pub verifier: Verifier,
    pub proofs: AddressVerifier,
    pub now: OffsetDateTime,
    pub subject: Subject,
    pub client: ClientId,
    /// The account that sessions begin on.
    latest: Account,
    /// What the host keeps of the session that enrolled.
    kept: Option<Elevation>,
    pub draws: Draws,
    /// Whether the seeds that a command draws are marked in its record. Marking reads the record, so what is observed
    /// while a command works goes without it; the keys are secret all the same.
    pub marks_seeds: bool,
}

/// When everything happens.
fn start() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

impl Scene {
    /// A host whose keys are secret. Each class has an older key, so that a scan takes more than one.
    #[must_use]
    pub fn new(recovery_use: RecoveryUse) -> Self {
        let mut settings = Settings::default();
        settings.recovery_use = recovery_use;
        settings.cool_down = Duration::ZERO;
        Self {
            verifier: Verifier::new(keys([0x11, 0x22, 0x33, 0x44]), Policy::new(settings).unwrap()),
            proofs: AddressVerifier::new(keys([0x11, 0x22, 0x33, 0x44]), ProofPolicy::default()),
            now: start(),
            subject: Subject::new("user-1").unwrap(),
            latest: Account::new(&Subject::new("user-1").unwrap()),
            kept: None,
            // With this length the payload of a token is a multiple of six bytes, which are encoded as one word: no word
            // of its text holds bits of the payload, which is public, and of the tag.
            client: ClientId::new("client-0001").unwrap(),
            draws: Draws::new(7),
            marks_seeds: true,
        }
    }

    /// A host as it was before its keys were replaced: the same secrets, the older ones still in use.
    #[must_use]
    pub fn before_rotation() -> Self {
        let mut settings = Settings::default();
        settings.cool_down = Duration::ZERO;
        let verifier = Verifier::new(keys([0x33, 0x44, 0x55, 0x66]), Policy::new(settings).unwrap());
        Self { verifier, draws: Draws::new(8), ..Self::new(RecoveryUse::Consume) }
    }

    /// The host after they were, with the account that it had.
    #[must_use]
    pub fn after_rotation(before: Self) -> Self {
        Self { latest: before.latest, kept: before.kept, ..Self::new(RecoveryUse::Consume) }
    }

    /// The text of a new `mfa_token`.
    pub fn token(&mut self) -> String {
        let first_factor = self.verifier.prepare(&self.latest).client(self.client.clone());
        let first_factor = first_factor.scope(Scope::new("openid").unwrap());
        let entropy = Entropy::from_bytes(self.draws.bytes());
        let begun = self.verifier.begin(first_factor, &self.latest, self.now, &entropy);
        begun.unwrap().token.expose().to_owned()
    }

    /// A first-factor session that named its client.
    pub fn login(&mut self) -> Session {
        let token = self.token();
        self.verifier.open(&token, Some(&self.client), self.now).unwrap()
    }

    /// A session that the host elevated.
    #[must_use]
    pub fn elevated(&self) -> Session {
        let until = self.now + Duration::hours(1);
        Session::elevated(self.kept.clone().unwrap(), ElevatedScopes::ALL, until)
    }

    /// A user without anything.
    #[must_use]
    pub fn stranger(&self) -> Account {
        Account::new(&self.subject)
    }

    /// Lets a command draw, stores its step and marks the seeds.
    fn draw<T, R: Record + Serialize + DeserializeOwned>(
        &mut self,
        command: &'static str,
        revision: Revision,
        step: impl FnOnce(&Verifier, OffsetDateTime, &Entropy) -> Step<T, R>,
    ) -> (R, Outcome<T>) {
        let drawn = Drawn { entropy: self.draws.bytes(), command, revision };
        let (record, outcome) = stored(step(&self.verifier, self.now, &Entropy::from_bytes(drawn.entropy)));
        let record = if self.marks_seeds { drawn.conceal_seeds(&self.subject, &record) } else { record };
        (record, outcome)
    }

    /// Begins an enrollment.
    pub fn associate(&mut self, session: &Session, account: Account) -> (Account, Associated, BindingCode) {
        let address = EmailAddress::parse("user@example.com").unwrap();
        let (account, outcome) = self.draw("associate", account.revision(), |verifier, now, entropy| {
            verifier.associate(session, account, &address.clone().into(), now, entropy)
        });
        let code = mailed(&outcome);
        (account, outcome.into_parts().0.unwrap(), code)
    }

    /// Begins the enrollment of an app.
    pub fn associate_app(&mut self, session: &Session, account: Account) -> (Account, Associated) {
        let factor = NewFactor::totp(KeyLabel::new("Example", "user@example.com").unwrap());
        let (account, outcome) = self.draw("associate", account.revision(), |verifier, now, entropy| {
            verifier.associate(session, account, &factor, now, entropy)
        });
        (account, outcome.into_parts().0.unwrap())
    }

    /// A user with an app, an hour ago.
    pub fn enroll_app(&mut self) -> (Account, App) {
        let session = self.login();
        let stranger = self.stranger();
        let (account, associated) = self.associate_app(&session, stranger);
        let app = App::new(associated.setup.otp().unwrap());
        let step = self.verifier.verify_otp(&session, account, &app.code(self.now, 0).into(), self.now, None);
        let (account, outcome) = stored(step);
        let verified = outcome.into_parts().0.unwrap();
        assert!(verified.completed);
        (self.latest, self.kept) = (account.clone(), verified.elevation);
        self.now += Duration::hours(1);
        (account, app)
    }

    /// A user with an address and recovery codes.
    pub fn enroll(&mut self) -> (Account, Vec<RecoveryCode>) {
        let session = self.login();
        let stranger = self.stranger();
        let (account, associated, code) = self.associate(&session, stranger);
        let handle = self
            .verifier
            .open_oob_code(&session, associated.setup.sent().unwrap().oob_code.expose())
            .unwrap();
        let step = self.verifier.verify_oob(&session, account, &handle, &code, self.now, None);
        let (account, outcome) = stored(step);
        let verified = outcome.into_parts().0.unwrap();
        assert!(verified.recovery_codes_live);
        (self.latest, self.kept) = (account.clone(), verified.elevation);
        (account, associated.recovery_codes.unwrap())
    }

    /// Sends a code.
    pub fn challenge(&mut self, session: &Session, account: Account) -> (Account, Challenged, BindingCode) {
        let request = ChallengeRequest::default();
        let (account, outcome) = self.draw("challenge", account.revision(), |verifier, now, entropy| {
            verifier.challenge(session, account, &request, now, entropy)
        });
        let code = mailed(&outcome);
        (account, outcome.into_parts().0.unwrap(), code)
    }

    /// A user on a remembered device: its token.
    pub fn remember(&mut self) -> (Account, DeviceToken) {
        let (account, _) = self.enroll();
        let session = self.login();
        let (account, challenged, code) = self.challenge(&session, account);
        let oob_code = challenged.prompt.sent().unwrap().oob_code.expose().to_owned();
        let handle = self.verifier.open_oob_code(&session, &oob_code).unwrap();
        self.remember_by(&session, account, &handle, &code)
    }

    /// Answers with this code, and has the device remembered.
    pub fn remember_by(
        &mut self,
        session: &Session,
        account: Account,
        handle: &OobHandle,
        code: &BindingCode,
    ) -> (Account, DeviceToken) {
        let (account, outcome) = self.draw("verify_oob", account.revision(), |verifier, now, entropy| {
            verifier.verify_oob(session, account, handle, code, now, Some(entropy))
        });
        (account, outcome.into_parts().0.unwrap().device.unwrap())
    }

    /// New recovery codes as a set.
    pub fn regenerate(&mut self, account: Account) -> (Account, Vec<RecoveryCode>) {
        let session = self.elevated();
        let (account, outcome) =
            self.draw("regenerate_recovery_codes", account.revision(), |verifier, now, entropy| {
                verifier.regenerate_recovery_codes(&session, account, now, entropy)
            });
        let new = outcome.into_parts().0.unwrap();
        (self.latest, self.kept) = (account.clone(), Some(new.elevation));
        (account, new.recovery_codes)
    }

    /// A proof of an address to reset a password, with a link and a code on their way.
    pub fn ask(&mut self) -> (AddressProof, OobCode, LinkToken, BindingCode) {
        let address = EmailAddress::parse("user@example.com").unwrap();
        let proof = AddressProof::new(&self.subject, address);
        let verifier = self.proofs.clone();
        let (proof, outcome) = self.draw("ask", proof.revision(), |_, now, entropy| {
            verifier.ask(proof, ProofPurpose::Reset, now, entropy)
        });
        let sent = outcome.effects().iter().find_map(|effect| match effect {
            Effect::Send(mail) => mail.content.link(),
            _ => None,
        });
        let (token, code) = sent.map(|(token, code)| (token.clone(), code.clone())).expect("a link");
        (proof, outcome.into_parts().0.unwrap().oob_code, token, code)
    }
}

/// The context of every ring.
const CONTEXT: &str = "constant-time";

/// A ring: the current keys of both classes, then the older ones, from these bytes. The older transient key was in use
/// until now. The ids are computed from the secrets, and public.
fn keys([transient, durable, older_transient, older_durable]: [u8; 4]) -> KeyRing {
    let known = |byte| Key::new(&[byte; Key::MIN_BYTES]).unwrap();
    let key = |byte| {
        let mut secret = [byte; Key::MIN_BYTES];
        conceal(&mut secret);
        Key::new(&secret).unwrap()
    };
    let ids = [
        known(transient).transient_id(CONTEXT),
        known(durable).durable_id(CONTEXT),
        known(older_transient).transient_id(CONTEXT),
        known(older_durable).durable_id(CONTEXT),
    ];
    *with_public_parts(&ids.map(|id| *id.as_bytes()), || {
        KeyRing::new(CONTEXT, key(transient), key(durable))
            .and_then(|ring| ring.retired_transient(key(older_transient), start()))
            .and_then(|ring| ring.retired_durable(key(older_durable)))
            .unwrap()
    })
}

/// Stores a step and opens it.
pub fn stored<T, R: Record>(step: Step<T, R>) -> (R, Outcome<T>) {
    let (write, sealed) = step.into_parts();
    let record = write.expect("the step writes").record;
    (record, sealed.open(Swap::Stored).done().expect("it is stored"))
}

/// Opens a step, whether it writes or not.
pub fn opened<T, R>(step: Step<T, R>) -> Outcome<T> {
    let (_, sealed) = step.into_parts();
    sealed.open(Swap::Stored).done().expect("it is stored")
}

/// The code in the mail.
fn mailed<T>(outcome: &Outcome<T>) -> BindingCode {
    let mail = outcome.effects().iter().find_map(|effect| match effect {
        Effect::Send(mail) => mail.content.code().cloned(),
        _ => None,
    });
    mail.expect("a mail was sent")
}
