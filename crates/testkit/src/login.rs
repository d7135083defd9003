//! The accounts that are measured: one as empty as an enrolled one can be, and one as full as the default policy lets
//! it become, each with a challenge that waits, its handle, its token and its right code. Built through the library's
//! own commands under its own clock and budgets.

use countersign::{
    Account, BindingCode, Session, Subject, Verifier,
    address_proof::{AddressProof, AddressVerifier, ProofHandle, ProofPolicy, ProofPurpose},
    code::RecoveryCode,
    policy::Rate,
    session::{OobHandle, Scope},
};
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::{floor::Floor, proof::Proving, world};

/// More bytes than a record takes: what a buffer costs that grows hangs on what else is on the heap.
const ROOM: usize = 1 << 14;
const TRANSIENT: [u8; 32] = [0x11; 32];
const DURABLE: [u8; 32] = [0x22; 32];

/// How much an account holds.
#[derive(Clone, Copy)]
pub struct Fill {
    pub authenticators: usize,
    pub unconfirmed: usize,
    pub challenges: usize,
    pub transactions: usize,
    pub recovery_codes: u8,
}

impl Fill {
    pub const EMPTY: Self =
        Self { authenticators: 1, unconfirmed: 0, challenges: 1, transactions: 1, recovery_codes: 10 };
    /// What the default policy lets an account grow to by logins and one enrollment; of transactions, what a
    /// lane holds.
    pub const FULL: Self =
        Self { authenticators: 16, unconfirmed: 3, challenges: 8, transactions: 16, recovery_codes: 10 };
}

/// An account in the middle of a login.
pub struct Login {
    pub verifier: Verifier,
    pub account: Account,
    pub token: String,
    pub session: Session,
    pub oob_code: String,
    pub code: BindingCode,
    pub recovery: Vec<RecoveryCode>,
    pub now: OffsetDateTime,
}

impl Login {
    pub fn new(fill: Fill) -> Self {
        let policy = world::policy(|settings| {
            settings.recovery_codes = fill.recovery_codes;
            // Wrong recovery codes are how logins enter the record here.
            settings.recovery_bucket = Rate::new(100, Duration::seconds(360));
        });
        let mut world = world::World::new(policy);
        let (_, recovery) = world.enroll("user-0@example.com");
        // While the account is full nobody can enroll, but the host can still add the last one itself.
        let provisioned = usize::from(fill.unconfirmed > 0);
        for number in 1..fill.authenticators - provisioned {
            // Slow enough for every budget of messages.
            world.pass(7_200);
            let session = world.elevated();
            enroll(&mut world, &session, &format!("user-{number}@example.com"));
        }
        world.pass(172_800);
        for number in 0..fill.unconfirmed {
            let session = world.elevated();
            world.associate(&session, &format!("new-{number}@example.com")).unwrap();
            world.pass(301);
        }
        for number in 0..provisioned {
            world.provision(&format!("provisioned-{number}@example.com")).unwrap();
        }
        let entered = fill.unconfirmed + fill.challenges;
        for _ in entered..fill.transactions {
            let session = world.login();
            let nobodys = RecoveryCode::parse("222222222222222222222222").unwrap();
            world.recover(&session, &nobodys).unwrap_err();
        }
        for number in 1..fill.challenges {
            let session = world.login();
            world.challenge(&session).unwrap();
            world.pass(if number < 4 { 0 } else { 60 });
        }
        let token = world.begin().expose().to_owned();
        let session = world.verifier.open(&token, Some(&world::client()), world.now).unwrap();
        let oob_code = world.challenge(&session).unwrap().oob_code.expose().to_owned();
        let code = world.mail().code;
        let account = world.account();
        let stored = world::json(&account);
        let length = |list: &str| stored[list].as_array().expect("a list").len();
        assert_eq!(length("authenticators"), fill.authenticators + fill.unconfirmed);
        // Those of the enrollments are the elevated session's, and in its lane.
        assert_eq!(length("challenges"), fill.challenges + fill.unconfirmed);
        assert_eq!(length("transactions"), fill.transactions);
        assert_eq!(world::recovery_codes_left(&account), fill.recovery_codes);
        Self { verifier: world.verifier, account, token, session, oob_code, code, recovery, now: world.now }
    }

    pub fn handle(&self) -> OobHandle {
        self.verifier.open_oob_code(&self.session, &self.oob_code).unwrap()
    }

    /// A token of another login that begins at `now`.
    pub fn begin(&self, now: OffsetDateTime) -> String {
        let scope = Scope::new("openid").unwrap();
        let first_factor = self.verifier.prepare(&self.account).client(world::client()).scope(scope);
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let begun = self.verifier.begin(first_factor, &self.account, now, &crate::entropy(&mut rng));
        begun.unwrap().token.expose().to_owned()
    }

    /// The HMAC of the `mfa_token`.
    pub fn token_floor(&self) -> Floor {
        let bytes = decode(&self.token);
        let (payload, tag) = bytes.split_last_chunk::<32>().unwrap();
        let floor = Floor::new(&TRANSIENT, "token", &[payload]);
        assert_eq!(floor.tag(), tag, "the library's own tag");
        floor
    }

    /// The HMAC of the `oob_code`.
    pub fn handle_floor(&self) -> Floor {
        let bytes = decode(&self.oob_code);
        let (prefix, tag) = bytes.split_last_chunk::<20>().unwrap();
        let floor = Floor::new(&TRANSIENT, "oob", &[self.session.subject().as_str().as_bytes(), prefix]);
        assert_eq!(floor.tag()[..20], *tag, "the library's own tag");
        floor
    }

    /// The HMAC of the binding code.
    pub fn code_floor(&self) -> Floor {
        let stored = world::json(&self.account);
        let challenge = stored["challenges"].as_array().unwrap().last().unwrap();
        let authenticators = stored["authenticators"].as_array().unwrap();
        let named = authenticators.iter().find(|known| known["id"] == challenge["authenticator"]).unwrap();
        code_floor(self.session.subject(), challenge, named, ("authenticate", &self.code))
    }

    /// The HMAC of a recovery code.
    pub fn recovery_floor(&self) -> Floor {
        let code = self.recovery.last().unwrap().expose().as_bytes();
        let floor = Floor::new(&DURABLE, "recovery", &[self.session.subject().as_str().as_bytes(), code]);
        let live = &world::json(&self.account)["recovery"]["live"];
        let hashes = live.as_array().unwrap();
        let known = |stored: &Value| decode(stored["hash"].as_str().unwrap()) == floor.tag();
        assert!(hashes.iter().any(known), "the library's own hash");
        floor
    }

    /// What a whole `verify_oob` computes.
    pub fn floors(&self) -> [Floor; 3] {
        [self.token_floor(), self.handle_floor(), self.code_floor()]
    }

    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.account).unwrap()
    }

    pub fn postcard(&self) -> Vec<u8> {
        postcard::to_extend(&self.account, Vec::with_capacity(ROOM)).unwrap()
    }
}

fn enroll(world: &mut world::World, session: &Session, to: &str) {
    let associated = world.associate(session, to).unwrap();
    let code = world.mail().code;
    world.verify(session, associated.oob_code.expose(), &code).unwrap();
}

/// One code with no account around it: that of a proof of an address.
pub struct Bare {
    pub verifier: AddressVerifier,
    pub record: AddressProof,
    pub handle: ProofHandle,
    pub code: BindingCode,
    pub now: OffsetDateTime,
    oob_code: String,
}

impl Bare {
    pub fn asked() -> Self {
        let mut proving = Proving::new(ProofPolicy::default());
        let oob_code = proving.ask(ProofPurpose::Reset).oob_code.expose().to_owned();
        let code = proving.letter().code;
        let handle = proving.verifier.open_handle(&world::subject(), ProofPurpose::Reset, &oob_code).unwrap();
        Self { verifier: proving.verifier, record: proving.record, handle, code, now: proving.now, oob_code }
    }

    /// A well-formed code that is not the right one.
    pub fn wrong(&self) -> BindingCode {
        world::wrong(&self.code)
    }

    pub fn floor(&self) -> Floor {
        let stored = world::json(&self.record);
        let handle = decode(&self.oob_code);
        let (stamp, _) = handle.split_last_chunk::<20>().unwrap();
        let generation = u32::try_from(stored["generation"].as_u64().unwrap()).unwrap();
        let fields: [&[u8]; 6] = [
            stamp,
            self.record.subject().as_str().as_bytes(),
            stored["address"].as_str().unwrap().as_bytes(),
            b"reset",
            &generation.to_be_bytes(),
            &decode(stored["seed"].as_str().unwrap()),
        ];
        let floor = Floor::new(&TRANSIENT, "link-code", &fields);
        let number = u64::from_be_bytes(*floor.tag().first_chunk().unwrap()) % 10_000_000_000;
        let first: String = self.code.expose().split(' ').collect();
        assert_eq!(format!("{number:010}"), first[..10], "the library's own code");
        floor
    }
}

fn code_floor(
    subject: &Subject,
    challenge: &Value,
    authenticator: &Value,
    (purpose, code): (&str, &BindingCode),
) -> Floor {
    let text = |value: &Value| value.as_str().expect("a text").as_bytes().to_vec();
    let bytes = |value: &Value| decode(value.as_str().expect("a text"));
    let pending = &challenge["state"]["pending"];
    let generation = u32::try_from(pending["generation"].as_u64().unwrap()).unwrap();
    let fields: [&[u8]; 10] = [
        subject.as_str().as_bytes(),
        &text(&challenge["authenticator"]),
        b"email",
        &text(&authenticator["factor"]["email"]["address"]),
        &bytes(&challenge["transaction"]),
        &bytes(&challenge["id"]),
        purpose.as_bytes(),
        &generation.to_be_bytes(),
        &[code.length()],
        &bytes(&pending["seed"]),
    ];
    let floor = Floor::new(&TRANSIENT, "binding", &fields);
    let number = u64::from_be_bytes(*floor.tag().first_chunk().unwrap());
    assert_eq!(format!("{:06}", number % 1_000_000), code.expose(), "the library's own code");
    floor
}

/// Base64url without padding.
fn decode(text: &str) -> Vec<u8> {
    let digit = |symbol: u8| match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        other => panic!("no symbol of base64url: {other}"),
    };
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for symbol in text.bytes() {
        (bits, held) = ((bits << 6) | u32::from(digit(symbol)), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    bytes
}
