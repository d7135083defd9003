//! The whole journey in a terminal: enroll, confirm, sign in, mistype, resend, add an app, recover, remove.
//!
//! `cargo run --example quickstart` asks at a prompt; `cargo run --example quickstart -- --script` plays both sides
//! by itself and exits 0 only if every step came out as it should. Everything that a host needs is in this file: a
//! store with a compare-and-swap, a clock, a source of randomness, a mailer, and the loop that joins them.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    thread,
    time::Duration as Pause,
};

use countersign::{
    Account, BindingCode, BlockingStore, ChallengeRequest, Denial, Effect, Elevation, EmailAddress, Entropy,
    Key, KeyRing, NewFactor, Policy, Session, Step, Subject, Swap, Verifier, Write,
    code::{OtpCode, RecoveryCode},
    command::{OtpRequest, Recovered},
    effect::{Content, Delivery, Message},
    factor::{Prompt, Sent, Setup},
    otp::KeyLabel,
    policy::{RecoveryUse, Settings},
    session::{ClientId, ElevatedScopes, Scope},
    store::drive_blocking,
};
use getrandom::SysRng;
use time::{Duration, OffsetDateTime};
use totp_rs::Totp;

type Error = Box<dyn std::error::Error>;

/// The store: one row a user, written under a condition.
#[derive(Default)]
struct Rows(RefCell<BTreeMap<String, Account>>);

impl BlockingStore for Rows {
    type Record = Account;
    type Error = std::convert::Infallible;

    fn load(&self, subject: &Subject) -> Result<Option<Account>, Self::Error> {
        Ok(self.0.borrow().get(subject.as_str()).cloned())
    }

    /// In SQL: `UPDATE … SET record = $1, revision = $2 WHERE subject = $3 AND revision = $4`, or
    /// `INSERT … ON CONFLICT DO NOTHING`; one row means stored, none means lost.
    fn swap(&self, write: Write) -> Result<Swap, Self::Error> {
        let mut rows = self.0.borrow_mut();
        if rows.get(write.subject().as_str()).map(Account::revision) != write.expected {
            return Ok(Swap::Lost);
        }
        rows.insert(write.subject().as_str().to_owned(), write.record);
        Ok(Swap::Stored)
    }
}

/// The host: what `countersign` leaves to whoever embeds it.
struct Host {
    verifier: Verifier,
    rows: Rows,
    mailbox: Vec<BindingCode>,
    tokens: usize,
    /// What the host keeps with the session that it opened last, in its cookie's row or its token's claims.
    kept: Option<Elevation>,
    subject: Subject,
    client: ClientId,
    /// Whether it plays both sides by itself.
    script: bool,
}

impl Host {
    fn new(script: bool) -> Result<Self, Error> {
        // A real host keeps its keys: here nothing outlives the program, so they may be drawn anew.
        let [transient, durable] = [random::<32>()?, random::<32>()?];
        let keys = KeyRing::new("quickstart", Key::new(&transient)?, Key::new(&durable)?)?;
        let mut settings = Settings::default();
        settings.cool_down = Duration::SECOND; // so that nobody waits half a minute for a demonstration
        settings.totp.steps_ahead = 1; // so that nobody waits for an app's next code
        settings.recovery_use = RecoveryUse::Replace;
        Ok(Self {
            verifier: Verifier::new(keys, Policy::new(settings)?),
            rows: Rows::default(),
            mailbox: Vec::new(),
            tokens: 0,
            kept: None,
            subject: Subject::new("user-1")?,
            client: ClientId::new("terminal")?,
            script,
        })
    }

    /// Takes one step. `drive_blocking` loads the account, hands it to the command, stores the next record by
    /// compare-and-swap, and only then shows what happened; if another step came first, it begins anew.
    fn step<T>(&mut self, take: impl Fn(&Verifier, Account) -> Step<T>) -> Result<Result<T, Denial>, Error> {
        let outcome = drive_blocking(&self.rows, &self.subject, |account| take(&self.verifier, account))?;
        let (result, effects) = outcome.into_parts();
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        Ok(result)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(Message { to, content: Content::Code(code), .. }) => {
                println!("  ┌ mail to {}: your code is {}", to.as_str(), code.expose());
                self.mailbox.push(code);
            }
            Effect::IssueToken(token) => {
                self.tokens += 1;
                println!(
                    "  │ a token is issued to {} for {}, {:?}",
                    self.client,
                    token.subject(),
                    token.evidence().amr().collect::<Vec<_>>()
                );
                self.kept = Some(token.elevation);
            }
            Effect::Notify(notify) => println!("  │ the account's holder is told: {}", notify.notice.kind()),
            Effect::EndSessions(end) => {
                println!("  │ sessions from before epoch {} end: {}", end.epoch, end.reason.as_str());
            }
            other => println!("  │ {other:?}"),
        }
    }

    fn account(&self) -> Result<Account, Error> {
        Ok(self.rows.load(&self.subject)?.unwrap_or_else(|| Account::new(&self.subject)))
    }

    /// A password is checked: a transaction begins, as with Auth0's `mfa_required`.
    fn password_accepted(&self) -> Result<Session, Error> {
        // Before the password is looked at: one that is changed meanwhile lets nobody in.
        let first_factor = self.verifier.prepare(&self.account()?);
        let first_factor = first_factor.client(self.client.clone()).scope(Scope::new("openid")?);
        // Here a real host checks the password.
        let entropy = Entropy::draw(&mut SysRng)?;
        let begun = self.verifier.begin(first_factor, &self.account()?, now(), &entropy)?;
        // A client that comes back later presents the token.
        Ok(self.verifier.open(begun.token.expose(), Some(&self.client), now())?)
    }

    fn enroll(&mut self) -> Result<Vec<RecoveryCode>, Error> {
        println!("\n1. The password is right, and there is no second factor yet: enroll an email address.");
        let session = self.password_accepted()?;
        let address = self.ask("   your address", EmailAddress::parse, || "user@example.com".to_owned())?;
        let entropy = Entropy::draw(&mut SysRng)?;
        let factor = NewFactor::email(address);
        let associated =
            self.step(|verifier, account| verifier.associate(&session, account, &factor, now(), &entropy))??;
        let codes = associated.recovery_codes.ok_or("a first enrollment brings recovery codes")?;
        println!("   keep these recovery codes; they are shown once:");
        codes
            .chunks(2)
            .for_each(|pair| println!("     {}", pair.iter().map(grouped).collect::<Vec<_>>().join("   ")));
        let Setup::Oob(sent) = associated.setup else { return Err("no code was sent".into()) };
        self.answer(&session, sent.oob_code.expose())?;
        Ok(codes)
    }

    fn sign_in(&mut self) -> Result<(), Error> {
        println!("\n3. A later login: the password is right, and a code goes to the address.");
        let session = self.password_accepted()?;
        let first = self.challenge(&session)?;
        if self.script {
            println!("   a wrong code, first:");
            let wrong = if self.last_code()?.ends_with('0') { "111111" } else { "000000" };
            let denied = self.verify(&session, first.oob_code.expose(), &BindingCode::parse(wrong)?)?;
            expect(
                denied == Err(Denial::InvalidBindingCode { attempts_left: 4 }),
                "a wrong code is counted",
            )?;
        }
        println!("   the mail seems to be slow: send it once more, please.");
        loop {
            let again = self.challenge(&session)?;
            expect(again.oob_code.expose() == first.oob_code.expose(), "a resend keeps the handle")?;
            let Delivery::CoolingDown { until } = again.delivery else { break };
            println!("   too soon; it can be sent again in {}", until - now());
            thread::sleep(Pause::try_from(until - now()).unwrap_or_default());
        }
        self.answer(&session, first.oob_code.expose())
    }

    fn challenge(&mut self, session: &Session) -> Result<Sent, Error> {
        let (request, entropy) = (ChallengeRequest::default(), Entropy::draw(&mut SysRng)?);
        let challenged =
            self.step(|verifier, account| verifier.challenge(session, account, &request, now(), &entropy))??;
        let Prompt::Oob(sent) = challenged.prompt else { return Err("no code was sent".into()) };
        Ok(sent)
    }

    /// Asks for the code until it is right; the attempts are bounded by the policy and not by this loop.
    fn answer(&mut self, session: &Session, oob_code: &str) -> Result<(), Error> {
        loop {
            let mailed = self.last_code()?;
            let code =
                self.ask("   the code", BindingCode::parse, || format!("{} {}", &mailed[..3], &mailed[3..]))?;
            match self.verify(session, oob_code, &code)? {
                Ok(()) => return Ok(()),
                Err(Denial::InvalidBindingCode { attempts_left: 1.. }) if !self.script => {}
                Err(denial) => return Err(denial.into()),
            }
        }
    }

    fn verify(
        &mut self,
        session: &Session,
        oob_code: &str,
        code: &BindingCode,
    ) -> Result<Result<(), Denial>, Error> {
        let handle = self.verifier.open_oob_code(session, oob_code)?;
        let result =
            self.step(|verifier, account| verifier.verify_oob(session, account, &handle, code, now(), None))?;
        match &result {
            Ok(verification) => println!("   right: {:?}", verification.purpose),
            Err(denial) => println!("   refused: {denial:?}"),
        }
        Ok(result.map(drop))
    }

    fn add_app(&mut self) -> Result<(), Error> {
        println!("\n4. Signed in, the user adds an authenticator app.");
        let session = self.elevated()?;
        let (factor, entropy) =
            (NewFactor::totp(KeyLabel::new("Quickstart", "user@example.com")?), Entropy::draw(&mut SysRng)?);
        let associated =
            self.step(|verifier, account| verifier.associate(&session, account, &factor, now(), &entropy))??;
        let setup = associated.setup.otp().ok_or("no secret was made")?;
        println!("   the QR code says: {}", setup.barcode_uri());
        println!("   or, to be typed: {}", setup.secret());
        let app = Totp::from_url(setup.barcode_uri())?; // the script's own app
        let shown = app.generate(seconds()).to_string();
        self.answer_app(&session, &shown)?;
        println!("   the next login, by a code of the app:");
        let session = self.password_accepted()?;
        let taken = OtpRequest::new(OtpCode::parse(&shown)?).authenticator(associated.authenticator);
        if self.script {
            println!("   the same code, once more:");
            let denied =
                self.step(|verifier, account| verifier.verify_otp(&session, account, &taken, now(), None))?;
            expect(
                denied.map(drop) == Err(Denial::InvalidOtpCode { attempts_left: 4 }),
                "an app's code is good once",
            )?;
        }
        self.answer_app(&session, &app.generate(seconds() + 30).to_string())
    }

    /// Asks for the code that the app shows until it is right.
    fn answer_app(&mut self, session: &Session, shown: &str) -> Result<(), Error> {
        loop {
            let code = self.ask("   the code in the app", OtpCode::parse, || shown.to_owned())?;
            let request = OtpRequest::new(code);
            let result =
                self.step(|verifier, account| verifier.verify_otp(session, account, &request, now(), None))?;
            match result {
                Ok(verified) => {
                    println!("   right: {:?}", verified.purpose);
                    return Ok(());
                }
                Err(Denial::InvalidOtpCode { attempts_left: 1.. }) if !self.script => {
                    println!("   wrong, or used already: wait for the next one");
                }
                Err(denial) => return Err(denial.into()),
            }
        }
    }

    fn recover(&mut self, codes: &[RecoveryCode]) -> Result<(), Error> {
        println!("\n5. Mailbox and app are out of reach: a recovery code.");
        let shown = codes.first().map(grouped).unwrap_or_default();
        let code = self.ask("   a recovery code", RecoveryCode::parse, || shown.to_lowercase())?;
        let recovered = self.login_with(&code)??;
        let next = recovered.replacement.ok_or("a used code is replaced")?;
        println!(
            "   it is used up; {} are left, and this one is new: {}",
            recovered.remaining,
            grouped(&next)
        );
        println!("   the used one, once more:");
        let denied = self.login_with(&code)?.map(drop);
        println!("   refused: {denied:?}");
        expect(denied == Err(Denial::InvalidRecoveryCode), "a recovery code works once")?;
        println!("   and the one that took its place:");
        self.login_with(&next)??;
        Ok(())
    }

    /// A login of its own: a used code is used in every other transaction.
    fn login_with(&mut self, code: &RecoveryCode) -> Result<Result<Recovered, Denial>, Error> {
        let session = self.password_accepted()?;
        self.step(|verifier, account| verifier.verify_recovery(&session, account, code, now()))
    }

    fn list(&self, session: &Session, expected: usize) -> Result<(), Error> {
        let account = self.account()?;
        let rows = self.verifier.authenticators(session, &account, now())?;
        for row in &rows {
            println!(
                "   {}  {}  {:?}",
                row.id,
                row.destination.as_deref().unwrap_or("(recovery codes)"),
                row.status
            );
        }
        if rows.is_empty() {
            println!("   nothing is left: a first factor may enroll again");
        }
        expect(rows.len() == expected, "the list has what was enrolled")
    }

    fn remove(&mut self) -> Result<(), Error> {
        println!("\n6. Signed in with both factors, the user removes the app and the address.");
        let mut session = self.elevated()?;
        let other = self.password_accepted()?;
        for authenticator in self.account()?.authenticators().iter().rev() {
            let id = authenticator.id();
            let new = self.step(|verifier, account| verifier.remove(&session, account, id, now()))??;
            expect(
                self.account()?.epoch() == new.epoch(),
                "the session that acts goes on with a new elevation",
            )?;
            self.kept = Some(new);
            session = self.elevated()?;
        }
        let ended = self.verifier.authenticators(&other, &self.account()?, now());
        expect(ended == Err(Denial::ExpiredToken), "every other session ends")?;
        self.list(&session, 0)
    }

    /// The host checked an access token of its own that allows what follows, and hands back what it kept with it.
    fn elevated(&self) -> Result<Session, Error> {
        let kept = self.kept.clone().ok_or("nobody is signed in")?;
        Ok(Session::elevated(kept, ElevatedScopes::ALL, now() + Duration::minutes(10)))
    }

    fn last_code(&self) -> Result<String, Error> {
        Ok(self.mailbox.last().ok_or("no mail")?.expose().to_owned())
    }

    /// Asks a person, or takes the script's answer. What cannot be read is asked for again and costs nothing.
    fn ask<T, E: std::error::Error + 'static>(
        &self,
        what: &str,
        read: impl Fn(&str) -> Result<T, E>,
        scripted: impl Fn() -> String,
    ) -> Result<T, Error> {
        loop {
            print!("{what}: ");
            std::io::stdout().flush()?;
            let mut line = String::new();
            if self.script {
                line = scripted();
                println!("{line}");
            } else if std::io::stdin().read_line(&mut line)? == 0 {
                return Err("the input ended".into());
            }
            match read(line.trim()) {
                Ok(value) => return Ok(value),
                Err(error) if self.script => return Err(error.into()),
                Err(error) => println!("   {error}"),
            }
        }
    }
}

/// A code in groups of four, as people read it.
fn grouped(code: &RecoveryCode) -> String {
    let symbols: Vec<_> = code.expose().chars().collect();
    symbols.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn seconds() -> u64 {
    now().unix_timestamp().unsigned_abs()
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn expect(holds: bool, what: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(format!("it should be that {what}").into()) }
}

fn journey(script: bool) -> Result<(), Error> {
    let mut host = Host::new(script)?;
    let codes = host.enroll()?;
    println!("\n2. What the user has now:");
    host.list(&host.password_accepted()?, 2)?;
    host.sign_in()?;
    host.add_app()?;
    host.recover(&codes)?;
    host.remove()?;
    expect(host.tokens == 5, "the enrollment, both logins and both recoveries issued one token each")
}

fn main() -> ExitCode {
    let script = std::env::args().any(|argument| argument == "--script");
    if !script && !std::io::stdin().is_terminal() {
        eprintln!("there is no terminal to ask at; `--script` plays the journey by itself");
        return ExitCode::from(2);
    }
    match journey(script) {
        Ok(()) => {
            println!("\nEvery step came out as it should.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nfailed: {error}");
            ExitCode::FAILURE
        }
    }
}
