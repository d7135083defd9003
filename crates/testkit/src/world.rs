//! A world to test in: one store with a real compare-and-swap, one clock that the test moves, one seeded generator,
//! and a mailbox. It drives the library as a host would and keeps everything that came out, so that a test can count
//! it.

use std::{cell::RefCell, collections::BTreeMap, convert::Infallible};

use countersign::{
    Account, Associated, AuthenticatorId, Begun, BindingCode, ChallengeRequest, Challenged, Denial, Effect,
    Elevation, EmailAddress, Entropy, FirstFactor, Key, KeyRing, NewFactor, Outcome, Policy, Requirements,
    Session, Step, Subject, Swap, Verified, Verifier, Write,
    audit::AuditEvent,
    code::{DeviceToken, MfaToken, RecoveryCode},
    command::{OtpRequest, Recovered, Regenerated, Remembered},
    effect::{Descriptor, EndSessions, IssueToken, Notice},
    factor::AuthenticatorName,
    otp::KeyLabel,
    policy::{AtCap, Settings, WhenExhausted},
    session::{ClientId, ElevatedScopes, Scope},
    step::Committed,
};
use rand::{SeedableRng, rngs::ChaCha20Rng};
use time::{Duration, OffsetDateTime};

use crate::{
    app::App,
    oob::{Given, Mail},
};

pub const START: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

pub fn subject() -> Subject {
    Subject::new("user-1").unwrap()
}

pub fn client() -> ClientId {
    ClientId::new("client-1").unwrap()
}

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub fn email(text: &str) -> NewFactor {
    NewFactor::email(address(text))
}

/// What the app of the one user shows beside its codes.
pub fn key_label() -> KeyLabel {
    KeyLabel::new("Example", "user@example.com").unwrap()
}

pub fn totp() -> NewFactor {
    NewFactor::totp(key_label())
}

pub fn hotp() -> NewFactor {
    NewFactor::hotp(key_label())
}

pub fn code(text: &str) -> BindingCode {
    BindingCode::parse(text).unwrap()
}

/// A well-formed code that is not `right`.
pub fn wrong(right: &BindingCode) -> BindingCode {
    let digits = right.expose();
    let last = if digits.ends_with('0') { '1' } else { '0' };
    code(&format!("{}{last}", &digits[..digits.len() - 1]))
}

/// What one command draws from.
pub fn entropy(rng: &mut ChaCha20Rng) -> Entropy {
    let Ok(entropy) = Entropy::draw(rng);
    entropy
}

/// How many recovery codes of an account can be used under [`keys`].
pub fn recovery_codes_left(account: &Account) -> u8 {
    Verifier::new(keys(), Policy::default()).recovery_codes_left(account)
}

pub fn keys() -> KeyRing {
    KeyRing::new("tests", Key::new(&[0x11; 32]).unwrap(), Key::new(&[0x22; 32]).unwrap()).unwrap()
}

pub fn policy(change: impl FnOnce(&mut Settings)) -> Policy {
    let mut settings = Settings::default();
    change(&mut settings);
    Policy::new(settings).unwrap()
}

/// Lets an empty guess budget lock and the cap disable, as `auth0` does.
pub fn lock(settings: &mut Settings) {
    settings.when_exhausted = WhenExhausted::Lock;
    settings.at_cap = AtCap::Disable;
}

/// A policy that locks and disables.
pub fn locking(change: impl FnOnce(&mut Settings)) -> Policy {
    policy(|settings| {
        lock(settings);
        change(settings);
    })
}

/// What is stored of a record, below the version's name, to read what it says.
pub fn json<R: serde::Serialize>(record: &R) -> serde_json::Value {
    serde_json::to_value(record).unwrap()["v1"].take()
}

/// The record that a store holds after `edit` changed what is stored of it.
///
/// # Errors
/// What the library says of a record that it does not read.
pub fn edited<R: serde::Serialize + serde::de::DeserializeOwned>(
    record: &R,
    edit: impl FnOnce(&mut serde_json::Value),
) -> Result<R, serde_json::Error> {
    let mut stored = serde_json::to_value(record).unwrap();
    edit(&mut stored["v1"]);
    serde_json::from_value(stored)
}

/// What a host keeps of a session that signed in to this account with a recovery code, in a transaction that the number
/// stands for.
pub fn elevation(account: &Account, transaction: i128, at: OffsetDateTime) -> Elevation {
    let evidence = serde_json::json!({
        "method": "recovery_code", "authenticator": null, "channel": null, "at": millis(at),
        "remembered_since": null,
    });
    let stored = serde_json::json!({
        "subject": account.subject(),
        "client": client(),
        "transaction": transaction.to_be_bytes(),
        "epoch": account.epoch(),
        "evidence": evidence,
    });
    serde_json::from_value(stored).unwrap()
}

/// Where a bucket of the ledger is stored: `guess`, `long_guess`, `send` and `long_send` of the unknown lane,
/// the same of the known one with `known_` before it, `enrollment`, `long_enrollment`, `recovery`.
pub fn bucket_path(name: &str) -> &'static str {
    match name {
        "guess" => "/ledger/lanes/unknown/guesses/bucket",
        "long_guess" => "/ledger/lanes/unknown/guesses/long",
        "send" => "/ledger/lanes/unknown/sends/bucket",
        "long_send" => "/ledger/lanes/unknown/sends/long",
        "known_guess" => "/ledger/lanes/known/guesses/bucket",
        "known_long_guess" => "/ledger/lanes/known/guesses/long",
        "known_send" => "/ledger/lanes/known/sends/bucket",
        "known_long_send" => "/ledger/lanes/known/sends/long",
        "enrollment" => "/ledger/enrollment/bucket",
        "long_enrollment" => "/ledger/enrollment/long",
        "recovery" => "/ledger/recovery",
        other => panic!("no bucket is named {other}"),
    }
}

/// The stored instant of one bucket of the ledger, in milliseconds since the Unix epoch.
pub fn bucket(account: &Account, name: &str) -> u64 {
    bucket_of(&json(account), name)
}

/// The same of a record that is stored as JSON, below the version's name.
pub fn bucket_of(record: &serde_json::Value, name: &str) -> u64 {
    record.pointer(bucket_path(name)).and_then(serde_json::Value::as_u64).expect("a bucket of the ledger")
}

pub fn millis(instant: OffsetDateTime) -> u64 {
    u64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(0)
}

/// A store of rows under compare-and-swap.
#[derive(Default, Debug)]
pub struct Store {
    rows: RefCell<BTreeMap<String, Account>>,
    pub outbox: RefCell<Vec<Descriptor>>,
    pub swaps: RefCell<u32>,
}

impl Store {
    pub fn load(&self, subject: &Subject) -> Option<Account> {
        self.rows.borrow().get(subject.as_str()).cloned()
    }

    pub fn swap(&self, write: Write) -> Result<Swap, Infallible> {
        *self.swaps.borrow_mut() += 1;
        let mut rows = self.rows.borrow_mut();
        let key = write.record.subject().as_str().to_owned();
        if rows.get(&key).map(Account::revision) != write.expected {
            return Ok(Swap::Lost);
        }
        rows.insert(key, write.record);
        self.outbox.borrow_mut().extend(write.outbox);
        Ok(Swap::Stored)
    }

    /// Puts a row in place, whatever was there.
    pub fn put(&self, account: Account) {
        self.rows.borrow_mut().insert(account.subject().as_str().to_owned(), account);
    }
}

/// The world.
pub struct World {
    pub verifier: Verifier,
    pub store: Store,
    pub now: OffsetDateTime,
    pub rng: ChaCha20Rng,
    pub mails: Vec<Mail>,
    pub tokens: Vec<IssueToken>,
    pub events: Vec<Notice>,
    pub ends: Vec<EndSessions>,
    pub audits: Vec<AuditEvent>,
}

impl World {
    pub fn new(policy: Policy) -> Self {
        Self {
            verifier: Verifier::new(keys(), policy),
            store: Store::default(),
            now: START,
            rng: ChaCha20Rng::seed_from_u64(7),
            mails: Vec::new(),
            tokens: Vec::new(),
            events: Vec::new(),
            ends: Vec::new(),
            audits: Vec::new(),
        }
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += Duration::seconds(seconds);
    }

    pub fn account(&mut self) -> Account {
        match self.store.load(&subject()) {
            Some(account) => account,
            None => Account::new(&subject()),
        }
    }

    /// Commits a step, carries out its effects and gives its result.
    pub fn run<T: std::fmt::Debug>(&mut self, step: Step<T>) -> Result<T, Denial> {
        let committed = step.commit(|write| self.store.swap(write)).unwrap();
        let Committed::Done(outcome) = committed else { panic!("nobody else writes here") };
        self.take(outcome)
    }

    pub fn take<T>(&mut self, outcome: Outcome<T>) -> Result<T, Denial> {
        self.audits.push(outcome.audit().clone());
        let (result, effects) = outcome.into_parts();
        for effect in effects {
            match effect {
                Effect::Send(message) => self.mails.push(message.into()),
                Effect::IssueToken(token) => self.tokens.push(token),
                Effect::Notify(notify) => self.events.push(notify.notice),
                Effect::EndSessions(end) => self.ends.push(end),
                other => panic!("unknown effect {other:?}"),
            }
        }
        result
    }

    /// What a host prepares before it looks at a password.
    pub fn prepare(&mut self) -> FirstFactor {
        let account = self.account();
        self.verifier.prepare(&account).client(client()).scope(Scope::new("openid").unwrap())
    }

    /// Begins a transaction, or says why not.
    pub fn begin_with(&mut self, first_factor: FirstFactor) -> Result<Begun, Denial> {
        let account = self.account();
        self.verifier.begin(first_factor, &account, self.now, &entropy(&mut self.rng))
    }

    pub fn begin(&mut self) -> MfaToken {
        let first_factor = self.prepare();
        self.begin_with(first_factor).unwrap().token
    }

    /// A first-factor session that named its client.
    pub fn login(&mut self) -> Session {
        let token = self.begin();
        self.verifier.open(token.expose(), Some(&client()), self.now).unwrap()
    }

    /// A session that the host elevated just now, for an hour.
    pub fn elevated(&mut self) -> Session {
        self.elevated_with(ElevatedScopes::ALL)
    }

    pub fn elevated_with(&mut self, scopes: ElevatedScopes) -> Session {
        // A handle carries the front half of its transaction.
        let transaction = self.now.unix_timestamp_nanos().rotate_left(64);
        let elevation = elevation(&self.account(), transaction, self.now);
        self.elevated_by(elevation, scopes)
    }

    /// A session that the host elevated with what it kept, for an hour.
    pub fn elevated_by(&self, elevation: Elevation, scopes: ElevatedScopes) -> Session {
        Session::elevated(elevation, scopes, self.now.saturating_add(Duration::hours(1)))
    }

    pub fn mail(&self) -> Mail {
        self.mails.last().expect("a message was sent").clone()
    }

    pub fn associate(&mut self, session: &Session, to: &str) -> Result<Given<Associated>, Denial> {
        let account = self.account();
        let step = self.verifier.associate(session, account, &email(to), self.now, &entropy(&mut self.rng));
        self.run(step).map(Given::from)
    }

    /// Begins the enrollment of an app or a device, and scans what is shown.
    pub fn associate_otp(
        &mut self,
        session: &Session,
        factor: &NewFactor,
    ) -> Result<(Associated, App), Denial> {
        let account = self.account();
        let step = self.verifier.associate(session, account, factor, self.now, &entropy(&mut self.rng));
        let answer = self.run(step)?;
        let app = App::scan(answer.setup.otp().expect("a secret"));
        Ok((answer, app))
    }

    pub fn challenge(&mut self, session: &Session) -> Result<Given<Challenged>, Denial> {
        self.challenge_with(session, &ChallengeRequest::default())
    }

    pub fn challenge_with(
        &mut self,
        session: &Session,
        request: &ChallengeRequest,
    ) -> Result<Given<Challenged>, Denial> {
        let account = self.account();
        let step = self.verifier.challenge(session, account, request, self.now, &entropy(&mut self.rng));
        self.run(step).map(Given::from)
    }

    pub fn verify(
        &mut self,
        session: &Session,
        oob_code: &str,
        code: &BindingCode,
    ) -> Result<Verified, Denial> {
        let handle = self.verifier.open_oob_code(session, oob_code)?;
        let account = self.account();
        let step = self.verifier.verify_oob(session, account, &handle, code, self.now, None);
        self.run(step)
    }

    /// What a login needs that begins now, on no device.
    pub fn requirements(&mut self) -> Requirements {
        let (session, account) = (self.login(), self.account());
        self.verifier.requirements(&session, &account, self.now)
    }

    /// [`verify`](Self::verify) by somebody who wants the device to be remembered.
    pub fn verify_remembering(
        &mut self,
        session: &Session,
        oob_code: &str,
        code: &BindingCode,
    ) -> Result<Verified, Denial> {
        let handle = self.verifier.open_oob_code(session, oob_code)?;
        let (account, entropy) = (self.account(), entropy(&mut self.rng));
        let step = self.verifier.verify_oob(session, account, &handle, code, self.now, Some(&entropy));
        self.run(step)
    }

    /// Signs in and has the device remembered: its token.
    pub fn remember(&mut self) -> DeviceToken {
        let session = self.login();
        self.remember_in(&session)
    }

    /// Signs in in this session and has the device remembered: its token.
    pub fn remember_in(&mut self, session: &Session) -> DeviceToken {
        let challenged = self.challenge(session).unwrap();
        let code = self.mail().code;
        let verified = self.verify_remembering(session, challenged.oob_code.expose(), &code).unwrap();
        verified.device.expect("the device is remembered")
    }

    /// A first-factor session on the device with this token.
    pub fn login_on(&mut self, device: &DeviceToken) -> Session {
        let session = self.login();
        self.verifier.recognize(session, device.expose())
    }

    /// Signs in by the device of the session, or says why not.
    pub fn verify_device(&mut self, session: &Session) -> Result<Remembered, Denial> {
        let account = self.account();
        let step = self.verifier.verify_device(session, account, self.now);
        self.run(step)
    }

    pub fn verify_otp(
        &mut self,
        session: &Session,
        request: impl Into<OtpRequest>,
    ) -> Result<Verified, Denial> {
        let account = self.account();
        let step = self.verifier.verify_otp(session, account, &request.into(), self.now, None);
        self.run(step)
    }

    /// [`verify_otp`](Self::verify_otp) by somebody who wants the device to be remembered.
    pub fn verify_otp_remembering(
        &mut self,
        session: &Session,
        request: impl Into<OtpRequest>,
    ) -> Result<Verified, Denial> {
        let (account, entropy) = (self.account(), entropy(&mut self.rng));
        let step = self.verifier.verify_otp(session, account, &request.into(), self.now, Some(&entropy));
        self.run(step)
    }

    pub fn recover(&mut self, session: &Session, code: &RecoveryCode) -> Result<Recovered, Denial> {
        let account = self.account();
        let step = self.verifier.verify_recovery(session, account, code, self.now);
        self.run(step)
    }

    pub fn remove(&mut self, session: &Session, id: AuthenticatorId) -> Result<(), Denial> {
        let account = self.account();
        let step = self.verifier.remove(session, account, id, self.now);
        self.run(step).map(drop)
    }

    pub fn rename(
        &mut self,
        session: &Session,
        id: AuthenticatorId,
        name: Option<&str>,
    ) -> Result<(), Denial> {
        let name = name.map(|name| AuthenticatorName::new(name).unwrap());
        let account = self.account();
        let step = self.verifier.rename(session, account, id, name.as_ref(), self.now);
        self.run(step)
    }

    pub fn prefer(&mut self, session: &Session, id: AuthenticatorId, preferred: bool) -> Result<(), Denial> {
        let account = self.account();
        let step = self.verifier.prefer(session, account, id, preferred, self.now);
        self.run(step)
    }

    pub fn regenerate(&mut self, session: &Session) -> Result<Regenerated, Denial> {
        let account = self.account();
        let entropy = entropy(&mut self.rng);
        let step = self.verifier.regenerate_recovery_codes(session, account, self.now, &entropy);
        self.run(step)
    }

    pub fn revoke_sessions(&mut self) {
        let account = self.account();
        let step = self.verifier.revoke_sessions(account, self.now);
        self.run(step).unwrap();
    }

    pub fn provision(&mut self, to: &str) -> Result<AuthenticatorId, Denial> {
        let account = self.account();
        let step = self.verifier.provision(account, &email(to), self.now, &entropy(&mut self.rng));
        self.run(step)
    }

    pub fn deprovision(&mut self, to: &str) -> Result<(), Denial> {
        let account = self.account();
        let step = self.verifier.deprovision(account, &email(to), self.now);
        self.run(step)
    }

    pub fn unlock(&mut self) {
        let account = self.account();
        let step = self.verifier.unlock(account, self.now);
        self.run(step).unwrap();
    }

    pub fn reset(&mut self) {
        let account = self.account();
        let step = self.verifier.reset(account, self.now);
        self.run(step).unwrap();
    }

    /// Enrolls an address from nothing: the codes that were shown and the authenticator.
    pub fn enroll(&mut self, to: &str) -> (AuthenticatorId, Vec<RecoveryCode>) {
        let session = self.login();
        let associated = self.associate(&session, to).unwrap();
        let code = self.mail().code;
        self.verify(&session, associated.oob_code.expose(), &code).unwrap();
        (associated.authenticator, associated.answer.recovery_codes.unwrap_or_default())
    }

    /// Enrolls an app from nothing: the codes that were shown, the authenticator, and the app.
    pub fn enroll_totp(&mut self) -> (AuthenticatorId, Vec<RecoveryCode>, App) {
        let session = self.login();
        let (associated, app) = self.associate_otp(&session, &totp()).unwrap();
        let code = app.at(self.now);
        self.verify_otp(&session, code).unwrap();
        (associated.authenticator, associated.recovery_codes.unwrap_or_default(), app)
    }

    /// Logs in with a second factor, or says why not.
    pub fn sign_in(&mut self) -> Result<Verified, Denial> {
        let session = self.login();
        let challenged = self.challenge(&session)?;
        let code = self.mail().code;
        self.verify(&session, challenged.oob_code.expose(), &code)
    }
}
