//! What the copy of the library that `switches.py` makes asks: which of its mutants is it?

use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    crypto::{entropy::Entropy, mac::MacKey, seed::Seed},
    factor::destination::Channel,
    keys::derive::{LinkBinding, STAMP_BYTES},
    value::{
        binding_code::CodeForm,
        id::{AuthenticatorId, AuthenticatorKind, ChallengeId, TransactionId},
        name::Subject,
        one_time_password::OtpAlgorithm,
        purpose::ProofPurpose,
        recovery_code::RecoveryCode,
        revision::Revision,
    },
};

const UNREAD: u32 = u32::MAX;

/// Whether the library is this mutant, by the environment variable `SWITCH`; 0 is none.
pub(crate) fn on(number: u32) -> bool {
    static CHOSEN: AtomicU32 = AtomicU32::new(UNREAD);
    let mut chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == UNREAD {
        chosen = std::env::var("SWITCH").map_or(0, |text| text.parse().expect("SWITCH is a number"));
        CHOSEN.store(chosen, Ordering::Relaxed);
    }
    chosen == number
}

/// The argument, or in this mutant a constant of its type.
pub(crate) fn constant<T: Constant>(number: u32, argument: T) -> T {
    if on(number) { T::constant() } else { argument }
}

pub(crate) trait Constant {
    fn constant() -> Self;
}

macro_rules! constants {
    ($($type:ty = $value:expr;)+) => { $(impl Constant for $type { fn constant() -> Self { $value } })+ };
}

constants! {
    &str = "";
    &[u8] = &[];
    &mut [u8] = &mut [];
    usize = 0;
    &[&[u8]] = &[];
    (&str, &str) = ("", "");
    u8 = 6;
    u32 = 7;
    u64 = 7;
    Option<u32> = None;
    Option<&AuthenticatorId> = None;
    Channel = Channel::Email;
    ProofPurpose = ProofPurpose::Reset;
    CodeForm = CodeForm::Long;
    OtpAlgorithm = OtpAlgorithm::Sha512;
    Revision = Revision::NONE;
    &Subject = leaked(Subject::new("constant").unwrap());
    &AuthenticatorId = leaked(AuthenticatorId::from_random(AuthenticatorKind::Email, [0; 16]));
    &TransactionId = leaked(TransactionId([0; 16]));
    &ChallengeId = leaked(ChallengeId([0; 16]));
    &Seed = leaked(Seed([0; 16]));
    &MacKey = leaked(MacKey::new(&[0; 64]));
    &Entropy = leaked(Entropy::from_bytes([0; 32]));
    &RecoveryCode = leaked(RecoveryCode::parse("222222222222222222222222").unwrap());
}

impl Constant for &LinkBinding<'_> {
    fn constant() -> Self {
        let (stamp, subject, seed) = (leaked([0; STAMP_BYTES]), Constant::constant(), Constant::constant());
        leaked(LinkBinding { stamp, subject, address: &[], purpose: ProofPurpose::Reset, generation: 7, seed })
    }
}

impl<const N: usize> Constant for &[u8; N] {
    fn constant() -> Self {
        leaked([0; N])
    }
}

impl<const N: usize> Constant for [&[u8]; N] {
    fn constant() -> Self {
        [&[]; N]
    }
}

impl<const N: usize> Constant for &[&[u8]; N] {
    fn constant() -> Self {
        leaked([&[]; N])
    }
}

fn leaked<T>(value: T) -> &'static T {
    std::boxed::Box::leak(std::boxed::Box::new(value))
}
