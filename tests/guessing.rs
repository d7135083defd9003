//! Guessing: an attacker who has the first factor and never stops, against the real verifier, and the arithmetic of
//! `Policy::guess_probability`. The attacker gets as many guesses as the formula counts, and that many guesses hit as often
//! as it says.

mod support;

use countersign::{BindingCode, Denial, Policy, Session};
use support::{World, wrong};
use time::{Duration, OffsetDateTime};

struct Attacker {
    world: World,
    session: Session,
    /// The challenge that is open, and a wrong code for it.
    open: Option<(String, BindingCode)>,
    challenges: u32,
    guesses: u64,
}

impl Attacker {
    fn new(policy: Policy) -> Self {
        let mut world = World::new(policy);
        world.enrol("user@example.com");
        world.pass(86_400);
        let session = world.login();
        Self { world, session, open: None, challenges: 0, guesses: 0 }
    }

    /// Guesses as often as the account allows, until the next guess would come after `end`.
    fn guess_until(&mut self, end: OffsetDateTime) {
        loop {
            self.holder_signs_in();
            let Err(denial) = self.guess() else { continue };
            self.open = None;
            match denial {
                Denial::AttemptsExhausted
                | Denial::ExpiredToken
                | Denial::ExpiredOobCode
                | Denial::ChallengeCancelled(_)
                | Denial::CoolingDown { .. } => self.session = self.world.login(),
                denial => {
                    let until = denial.retry_at().unwrap_or_else(|| panic!("{denial}"));
                    assert!(until > self.world.now, "{denial}, and time does not help");
                    if until > end {
                        return;
                    }
                    self.world.now = until;
                }
            }
        }
    }

    /// One wrong code; or why not.
    fn guess(&mut self) -> Result<(), Denial> {
        let (oob_code, wrong) = match self.open.clone() {
            Some(open) => open,
            None => self.challenge()?,
        };
        match self.world.verify(&self.session, &oob_code, &wrong).unwrap_err() {
            Denial::InvalidBindingCode { .. } => {
                self.guesses += 1;
                Ok(())
            }
            denial => Err(denial),
        }
    }

    /// Opens a challenge, sometimes by a way that looks like a fresh start.
    fn challenge(&mut self) -> Result<(String, BindingCode), Denial> {
        self.challenges += 1;
        let world = &mut self.world;
        let mut challenged = world.challenge(&self.session)?;
        match self.challenges % 12 {
            0 => {
                self.session = world.login();
                challenged = world.challenge(&self.session)?;
            }
            3 => challenged = world.challenge(&self.session)?,
            6 => {
                let handle = world.verifier.open_oob_code(&self.session, challenged.oob_code.expose())?;
                let account = world.account();
                let step = world.verifier.cancel(&self.session, account, &handle, world.now);
                world.run(step)?;
                challenged = world.challenge(&self.session)?;
            }
            9 => {
                let denied = world.associate(&self.session, "thief@example.com").unwrap_err();
                assert_eq!(denied, Denial::AlreadyEnrolled);
            }
            _ => {}
        }
        let open = (challenged.oob_code.expose().to_owned(), wrong(&world.mail().code));
        self.open = Some(open.clone());
        Ok(open)
    }

    /// The holder signs in now and then, which clears the failures in a row: the formula leaves the cap out.
    fn holder_signs_in(&mut self) {
        let cap = self.world.verifier.policy().failure_cap;
        let account = self.world.account();
        if account.authenticators()[0].failures() > cap - 15 {
            // During a lock or without messages left it has to wait, as the attacker has.
            let _ = self.world.sign_in();
        }
    }

    /// How many verdicts the audit trail shows.
    fn evaluated(&self) -> usize {
        let denied = Some("invalid_binding_code");
        self.world.audits.iter().filter(|event| event.evaluated && event.denial == denied).count()
    }
}

/// How many guesses a year `guess_probability` counts.
fn counted(policy: &Policy) -> u64 {
    let miss = 1.0 - 10_f64.powi(-i32::from(policy.code_digits));
    let guesses = (1.0 - policy.guess_probability()).ln() / miss.ln();
    let rounded = guesses.round();
    assert!((guesses - rounded).abs() < 0.01, "a whole number of guesses: {guesses}");
    rounded as u64
}

#[test]
fn a_year_against_the_default_policy_is_as_many_guesses_as_the_formula_counts() {
    let mut attacker = Attacker::new(Policy::default());
    let begun = attacker.world.now;
    for day in 1..=365 {
        attacker.guess_until(begun + Duration::days(day));
        let counted = 30 + u64::try_from(day).unwrap();
        assert_eq!(attacker.guesses, counted, "day {day}");
    }
    assert_eq!(attacker.guesses, counted(&Policy::default()));
    assert_eq!(attacker.evaluated(), 395);
    assert_eq!(attacker.world.tokens.len(), 1 + sign_ins(&attacker));
}

#[test]
fn the_auth0_policy_admits_as_many_guesses_as_the_formula_counts() {
    let mut attacker = Attacker::new(Policy::auth0());
    let begun = attacker.world.now;
    for day in 1..=7 {
        attacker.guess_until(begun + Duration::days(day));
        assert_eq!(attacker.guesses, 10 + 240 * u64::try_from(day).unwrap(), "day {day}");
    }
    // Every day is like the first: a year is the burst and 365 of them.
    assert_eq!(10 + 240 * 365, counted(&Policy::auth0()));
    assert_eq!(attacker.evaluated(), 10 + 240 * 7);
    assert_eq!(attacker.world.tokens.len(), 1 + sign_ins(&attacker));
}

/// How often the holder signed in: nobody else did.
fn sign_ins(attacker: &Attacker) -> usize {
    let right = |event: &&countersign::AuditEvent| event.evaluated && event.denial.is_none();
    attacker.world.audits.iter().filter(right).count() - 1
}

/// A small generator: a test needs many draws, and no secret.
struct Xorshift(u64);

impl Xorshift {
    fn code(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % 1_000_000
    }
}

#[test]
fn that_many_guesses_hit_as_often_as_the_formula_says() {
    for (policy, accounts, seed) in [
        (Policy::default(), 50_000_u32, 0x9e37_79b9_7f4a_7c15),
        (Policy::auth0(), 600, 0x2545_f491_4f6c_dd1d),
    ] {
        let (guesses, expected) = (counted(&policy), policy.guess_probability());
        let mut random = Xorshift(seed);
        let mut hit = 0_u32;
        for account in 0..accounts {
            let guess = u64::from(account) % 1_000_000;
            // Each guess meets a code of its own; which digits are guessed makes no difference.
            hit += u32::from((0..guesses).any(|_| random.code() == guess));
        }
        let share = f64::from(hit) / f64::from(accounts);
        let error = (expected * (1.0 - expected) / f64::from(accounts)).sqrt();
        assert!((share - expected).abs() < 4.0 * error, "{share} is not {expected} within 4 times {error}");
    }
}
