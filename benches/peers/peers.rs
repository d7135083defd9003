//! What else checks a code, in the same process: the least of many interleaved batches. The tables of docs/performance.md
//! say of each what it leaves out; rows of one group do the same job or say that they do not.

use std::hint::black_box;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use countersign::{code::OtpCode, command::OtpRequest};
use countersign_testkit::{
    World,
    cases::{self, Row},
    login::{Bare, Fill, Login},
    meter::Meter,
    minima::{self, Minima},
    wrong_otp,
};
use latchkey::{
    Account, Config, Email, Role, UserId,
    flow::{
        Client, CodeMaterial,
        email_link::{EmailCodeHash, EmailCodeRequest, EmailLink, EmailLinkEvent, issue_code},
        sign_in::{SignIn, SignInEvent},
    },
    recovery,
    token::{self, SecretToken},
};
use peers::App;
use rand::{SeedableRng as _, rngs::ChaCha20Rng};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A mailed code by itself: that of a proof of an address, and no account around it.
fn code(minima: &mut Minima) {
    let bare = Bare::asked();
    let typed = bare.code.expose();
    minima.case(
        "countersign",
        || Row::of(bare.record.clone()),
        |row| {
            let code = countersign::BindingCode::parse(black_box(typed)).expect("20 digits");
            row.step(|record| bare.verifier.verify_code(record, &bare.handle, &code, bare.now));
        },
    );
    let short = "314159";
    let (binding, hash) = latchkey_code(short);
    assert!(hash.verify(binding.expose_secret(), short));
    minima.call("latchkey", || hash.verify(black_box(binding.expose_secret()), black_box(short)));
    let stored: [u8; 32] = Sha256::digest(typed).into();
    minima.call("sha256", || bool::from(Sha256::digest(black_box(typed)).ct_eq(&stored)));
}

/// The same by hashes that are slow on purpose.
fn slow(minima: &mut Minima) {
    let typed = Bare::asked().code.expose().to_owned();
    let hashed = Argon2::default().hash_password(typed.as_bytes()).expect("a hash").to_string();
    let parsed = PasswordHash::new(&hashed).expect("its own hash");
    minima.slow("argon2", || {
        assert!(Argon2::default().verify_password(black_box(typed.as_bytes()), &parsed).is_ok());
    });
    let hashed = bcrypt::hash(&typed, 10).expect("a hash");
    minima.slow("bcrypt", || assert!(bcrypt::verify(black_box(&typed), &hashed).expect("its own hash")));
}

/// The outcomes of a code of an app: the step that it is of, from the present one; none for a wrong code.
const OUTCOMES: [(&str, Option<i64>); 4] = [
    ("peers_otp_previous", Some(-1)),
    ("peers_otp_present", Some(0)),
    ("peers_otp_next", Some(1)),
    ("peers_otp_miss", None),
];

/// A code of an app, of three steps that could be right, by SHA-1: a whole `verify_otp`, and the codes and the comparisons
/// alone, which is what the peers do. These are given the secret, and charge nothing.
fn app(minima: &mut Minima, outcome: Option<i64>) {
    let mut world = World::new(countersign_testkit::policy(|settings| settings.totp.steps_ahead = 1));
    let (.., app) = world.enroll_totp();
    world.pass(3_600);
    let (session, account, now) = (world.login(), world.account(), world.now);
    let shown = |steps| app.at(now + time::Duration::seconds(30 * steps));
    let code = match outcome {
        Some(steps) => shown(steps),
        None => wrong_otp(&[&shown(-1), &shown(0), &shown(1)]),
    };
    let typed = code.expose();
    let answer = |row: &mut Row<_>| {
        let request = OtpRequest::new(OtpCode::parse(black_box(typed)).expect("six digits"));
        row.step(|account| world.verifier.verify_otp(&session, account, &request, now, None));
    };
    assert_eq!(cases::succeeds(account.clone(), answer), outcome.is_some());
    minima.case("countersign", || Row::of(account.clone()), answer);

    let (secret, time) = ([0x33_u8; 20], 1_767_268_800_u64);
    let of_app = App::of(0x33);
    let totp_rs =
        totp_rs::Builder::new().with_secret(secret.to_vec()).with_skew(1).build().expect("RFC 6238");
    let shown = |steps: i64| totp_rs.generate(time.saturating_add_signed(30 * steps)).to_string();
    let near = [shown(-1), shown(0), shown(1)];
    let nobodys =
        || ["000000", "111111", "222222", "333333"].into_iter().find(|code| !near.iter().any(|n| n == code));
    let typed = outcome.map_or_else(|| nobodys().expect("three are taken at most").to_owned(), shown);
    let find = || of_app.find(black_box(&typed), black_box(time));
    assert_eq!(find().map(|step| step as i64 - (time / 30) as i64), outcome);
    minima.call("countersign_codes", find);
    assert_eq!(totp_rs.check(&typed, time).is_some(), outcome.is_some());
    minima.call("totp-rs", || totp_rs.check(black_box(&typed), black_box(time)));
    let (totp_rfc, secret) = (totp_rfc::Totp::default(), totp_rfc::Secret::new(&secret).expect("20 bytes"));
    let window = totp_rfc::ValidationWindow::new(1, 1);
    let verify =
        || totp_rfc.verify_window(&secret, black_box(time), window, black_box(&typed)).expect("six digits");
    assert_eq!(verify().is_some(), outcome.is_some(), "both follow RFC 6238");
    minima.call("totp-rfc", verify);
}

fn latchkey_code(typed: &str) -> (SecretToken, EmailCodeHash) {
    let binding = token::issue(&mut ChaCha20Rng::seed_from_u64(1)).token;
    let hash = EmailCodeHash::of(binding.expose_secret(), typed).expect("six digits");
    (binding, hash)
}

/// A whole request that answers a mailed code: the texts of the client, the state machine, what the store and the client
/// get.
fn request(minima: &mut Minima) {
    let login = Login::new(Fill::FULL);
    let typed = login.code.expose().to_owned();
    minima.case(
        "countersign",
        || Row::of(login.account.clone()),
        |row| {
            let code = countersign::BindingCode::parse(black_box(&typed)).expect("six digits");
            cases::whole(&login, row, &code);
        },
    );
    let peer = Latchkey::new();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    assert!(peer.redeem(peer.event(), &mut rng).is_ok());
    minima.consume("latchkey", || peer.event(), |event| peer.redeem(event, &mut rng));
}

/// A recovery code among ten.
fn recovery_codes(minima: &mut Minima) {
    let login = Login::new(Fill::EMPTY);
    let typed = login.recovery.last().expect("ten codes").expose().to_owned();
    minima.case(
        "countersign",
        || Row::of(login.account.clone()),
        |row| {
            let code = countersign::code::RecoveryCode::parse(black_box(&typed)).expect("a code");
            cases::recover(&login, row, &code);
        },
    );
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let issued = recovery::generate(10, &mut rng);
    let code = issued.codes.last().expect("ten codes").expose_secret().to_owned();
    let verify = || recovery::verify(black_box(&code), &issued.hashes);
    assert!(verify().is_some());
    minima.call("latchkey_hash", verify);
    let peer = Latchkey::new();
    let sign_in = peer.second_factor(&mut rng);
    let event = || SignInEvent::Code {
        code: code.clone(),
        material: CodeMaterial::new(None, issued.hashes.clone()),
        client: Client::new(None, None),
    };
    assert!(sign_in.clone().advance(&peer.config, event(), countersign_testkit::START, &mut rng).is_ok());
    let setup = || (sign_in.clone(), event());
    minima.consume("latchkey", setup, |(sign_in, event)| {
        sign_in.advance(&peer.config, event, countersign_testkit::START, &mut rng)
    });
}

struct Latchkey {
    config: Config,
    account: Account,
    binding: SecretToken,
    code: String,
    request: EmailCodeRequest,
}

impl Latchkey {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let config =
            Config::builder("user-0@example.com", "https://id.example.com").build().expect("a configuration");
        let email = Email::parse("user-0@example.com").expect("an address");
        let mut account = Account::new(UserId::random(&mut rng), email, Role::Member);
        account.active = true;
        account.factors = latchkey::Factors::new(true, true, 0);
        let binding = token::issue(&mut rng).token;
        let (code, code_hash) = issue_code(&binding, 6, &mut rng);
        let (link_hash, expires) =
            (token::issue(&mut rng).hash, countersign_testkit::START + time::Duration::minutes(5));
        let request =
            EmailCodeRequest::new(account.id, link_hash, code_hash, countersign_testkit::START, expires, 1);
        let code = code.expose_secret().to_owned();
        Self { config, account, binding, code, request }
    }

    fn event(&self) -> EmailLinkEvent {
        EmailLinkEvent::RedeemCode {
            binding: Some(self.binding.clone()),
            code: self.code.clone(),
            request: Some(self.request),
            account: Some(self.account.clone()),
            client: Client::new(None, None),
        }
    }

    fn redeem(
        &self,
        event: EmailLinkEvent,
        rng: &mut ChaCha20Rng,
    ) -> Result<latchkey::flow::Transition<EmailLink>, latchkey::flow::Refusal> {
        EmailLink::Start.advance(&self.config, event, countersign_testkit::START, rng)
    }

    /// The state that a mailed code leads to.
    fn second_factor(&self, rng: &mut ChaCha20Rng) -> SignIn {
        match self.redeem(self.event(), rng).map(|transition| transition.state) {
            Ok(EmailLink::SecondFactor { account, session }) => SignIn::second_factor(session, account),
            _ => panic!("the code is right"),
        }
    }
}

fn main() {
    let mut round = 0;
    minima::print(|minima| {
        minima.group("peers_code", code);
        minima.group("peers_request", request);
        minima.group("peers_recovery", recovery_codes);
        for (group, outcome) in OUTCOMES {
            minima.group(group, |minima| app(minima, outcome));
        }
        // They take a thousand times as long as all the others.
        if round % 40 == 0 {
            minima.group("peers_code", slow);
        }
        round += 1;
    });
}
