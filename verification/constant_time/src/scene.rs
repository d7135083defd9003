//! A host in one process, in which everything secret is marked as such where it comes into being.
//!
//! The secrets of the keys are marked before the ring is built, and the seeds as they are drawn; so all that the library
//! derives from them is marked, too: keyed states, binding codes, recovery codes and their hashes, the tags in tokens and
//! handles. What a client presents is marked after it was made (see [`crate::presented`]). Outside valgrind marking does
//! nothing, and the same scene serves the clock.

use std::convert::Infallible;

use countersign::{
    Account, Associated, Audience, BindingCode, ChallengeRequest, Challenged, ClientId, Effect,
    ElevatedScopes, EmailAddress, FirstFactor, Key, KeyRing, OobCode, Outcome, Policy, Purpose, Record,
    RecoveryCode, RecoveryUse, Scope, Session, Settings, Standalone, Step, Subject, Swap, TransactionId,
    Verifier,
};
use rand_core::{TryCryptoRng, TryRng};
use time::{Duration, OffsetDateTime};

use crate::valgrind::conceal;

/// What the next draws of sixteen bytes are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drawn {
    /// An id: it is stored, sent and compared in the open.
    Public,
    /// A seed: it never leaves the record.
    Secret,
}

use Drawn::{Public, Secret};

/// A generator that knows what each draw is for, and marks the seeds.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
    expected: Vec<Drawn>,
}

impl Draws {
    const fn new(seed: u64) -> Self {
        Self { state: seed, expected: Vec::new() }
    }

    /// The next number (SplitMix64: it has to differ, not to be unpredictable).
    pub const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Lets a command draw exactly these.
    fn during<T>(&mut self, expected: &[Drawn], command: impl FnOnce(&mut Self) -> T) -> T {
        self.expected = expected.iter().rev().copied().collect();
        let done = command(self);
        assert!(self.expected.is_empty(), "the command draws less than it did: {:?} is left", self.expected);
        done
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the library draws no 32-bit number")
    }

    /// Revisions alone are drawn as numbers.
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.number())
    }

    fn try_fill_bytes(&mut self, slots: &mut [u8]) -> Result<(), Infallible> {
        assert_eq!(slots.len(), 16, "ids and seeds have sixteen bytes");
        let drawn = self.expected.pop().expect("the command draws more than it did");
        for chunk in slots.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_be_bytes());
        }
        if drawn == Secret {
            conceal(slots);
        }
        Ok(())
    }
}

impl TryCryptoRng for Draws {}

/// One host with one user.
#[derive(Debug)]
pub struct Scene {
    pub verifier: Verifier,
    pub now: OffsetDateTime,
    pub subject: Subject,
    pub client: ClientId,
    pub draws: Draws,
}

impl Scene {
    /// A host whose keys are secret. Each class has an older key, so that a scan takes more than one.
    #[must_use]
    pub fn new(recovery_use: RecoveryUse) -> Self {
        let mut settings = Settings::default();
        settings.recovery_use = recovery_use;
        settings.cool_down = Duration::ZERO;
        Self {
            verifier: Verifier::new(keys(2, [0x11, 0x22, 0x33, 0x44]), Policy::new(settings).unwrap()),
            now: OffsetDateTime::UNIX_EPOCH + Duration::days(20_000),
            subject: Subject::new("user-1").unwrap(),
            // With this length the payload of a token is a multiple of three bytes: no symbol of its text holds bits of
            // the payload, which is public, and of the tag.
            client: ClientId::new("client-001").unwrap(),
            draws: Draws::new(7),
        }
    }

    /// A host as it was before its keys were replaced: the same secrets, the older ones still in use.
    #[must_use]
    pub fn before_rotation() -> Self {
        let mut settings = Settings::default();
        settings.cool_down = Duration::ZERO;
        let verifier = Verifier::new(keys(1, [0x33, 0x44, 0x55, 0x66]), Policy::new(settings).unwrap());
        Self { verifier, draws: Draws::new(8), ..Self::new(RecoveryUse::Consume) }
    }

    /// The text of a new `mfa_token`.
    pub fn token(&mut self) -> String {
        let first_factor = FirstFactor::new(
            self.subject.clone(),
            self.client.clone(),
            Audience::new("").unwrap(),
            Scope::new("openid").unwrap(),
        );
        let Self { verifier, now, draws, .. } = self;
        let Ok(token) = draws.during(&[Public], |draws| verifier.begin(&first_factor, *now, draws));
        token.expose().to_owned()
    }

    /// A first-factor session that named its client.
    pub fn login(&mut self) -> Session {
        let token = self.token();
        self.verifier.open(&token, Some(&self.client), self.now).unwrap()
    }

    /// A session that the host elevated.
    #[must_use]
    pub fn elevated(&self) -> Session {
        let transaction = TransactionId::from_token_id("jti-1");
        let (subject, client) = (self.subject.clone(), self.client.clone());
        let until = self.now + Duration::hours(1);
        Session::elevated(subject, client, transaction, ElevatedScopes::ALL, self.now, until)
    }

    /// A user without anything.
    pub fn stranger(&mut self) -> Account {
        let Ok(account) = Account::new(&self.subject, &mut self.draws);
        account
    }

    /// Begins an enrolment.
    pub fn associate(&mut self, session: &Session, account: Account) -> (Account, Associated, BindingCode) {
        let address = EmailAddress::parse("user@example.com").unwrap();
        let Self { verifier, now, draws, .. } = self;
        let Ok(step) = draws.during(&[Public, Secret, Public, Public, Secret], |draws| {
            verifier.associate(session, account, address, *now, draws)
        });
        let (account, outcome) = stored(step);
        let code = mailed(&outcome);
        (account, outcome.result.unwrap(), code)
    }

    /// A user with an address and recovery codes.
    pub fn enrol(&mut self) -> (Account, Vec<RecoveryCode>) {
        let session = self.login();
        let stranger = self.stranger();
        let (account, associated, code) = self.associate(&session, stranger);
        let handle = self.verifier.open_oob_code(&session, associated.oob_code.expose()).unwrap();
        let step = self.verifier.verify_oob(&session, account, &handle, &code, self.now);
        let (account, outcome) = stored(step);
        assert!(outcome.result.unwrap().recovery_codes_live);
        (account, associated.recovery_codes.unwrap())
    }

    /// Sends a code.
    pub fn challenge(&mut self, session: &Session, account: Account) -> (Account, Challenged, BindingCode) {
        let Self { verifier, now, draws, .. } = self;
        let request = ChallengeRequest::default();
        let Ok(step) = draws
            .during(&[Public, Secret], |draws| verifier.challenge(session, account, &request, *now, draws));
        let (account, outcome) = stored(step);
        let code = mailed(&outcome);
        (account, outcome.result.unwrap(), code)
    }

    /// New recovery codes as a set.
    pub fn regenerate(&mut self, account: Account) -> (Account, Vec<RecoveryCode>) {
        let session = self.elevated();
        let Self { verifier, now, draws, .. } = self;
        let Ok(step) = draws.during(&[Public, Secret], |draws| {
            verifier.regenerate_recovery_codes(&session, account, *now, draws)
        });
        let (account, outcome) = stored(step);
        (account, outcome.result.unwrap())
    }

    /// A record of one address, with a code on its way.
    pub fn ask(&mut self, purpose: &Purpose) -> (Standalone, OobCode, BindingCode) {
        let address = EmailAddress::parse("user@example.com").unwrap();
        let Self { verifier, now, draws, subject, .. } = self;
        let Ok(record) = draws.during(&[Public; 2], |draws| Standalone::verified(subject, address, draws));
        let Ok(step) =
            draws.during(&[Public, Public, Secret], |draws| verifier.ask(record, purpose, *now, draws));
        let (record, outcome) = stored(step);
        let code = mailed(&outcome);
        (record, outcome.result.unwrap().oob_code, code)
    }
}

/// A ring: the current keys of both classes, then the older ones, from these bytes.
fn keys(current: u8, [transient, durable, older_transient, older_durable]: [u8; 4]) -> KeyRing {
    let key = |id, byte| {
        let mut secret = [byte; Key::MIN_BYTES];
        conceal(&mut secret);
        Key::new(id, &secret).unwrap()
    };
    KeyRing::new("constant-time", key(current, transient), key(current, durable))
        .and_then(|ring| ring.with_older_transient(key(current - 1, older_transient)))
        .and_then(|ring| ring.with_older_durable(key(current - 1, older_durable)))
        .unwrap()
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
    let mail = outcome.effects.iter().find_map(|effect| match effect {
        Effect::SendEmail(mail) => Some(mail.code.clone()),
        _ => None,
    });
    mail.expect("a mail was sent")
}
