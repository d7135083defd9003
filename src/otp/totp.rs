//! TOTP (RFC 6238): HOTP whose counter is the number of time steps since the Unix epoch.
//!
//! A host gives the time, from a clock of its own: a client's time must never come in here.

use crate::{otp::hotp::Window, value::instant::Millis};

/// The step of an instant: T of RFC 6238 section 4.2, with T0 = 0. A step has at least one second.
///
/// Both numbers are public, so this may divide one by the other. It stays a function of its own, because the
/// check of `verification/constant_time` forbids a division everywhere else.
#[inline(never)]
pub(crate) const fn step_at(now: Millis, step_seconds: u16) -> u64 {
    #[allow(clippy::as_conversions, reason = "it only widens, and `from` is not const")]
    let step_ms = (step_seconds as u64).saturating_mul(1_000);
    match now.0.checked_div(step_ms) {
        Some(step) => step,
        None => 0,
    }
}

/// The steps that are taken at an instant: the present one, `back` before it for codes that took their time,
/// and `ahead` behind it for clocks that are fast (RFC 6238 section 5.2).
pub(crate) fn window(
    now: Millis,
    step_seconds: u16,
    (back, ahead): (u8, u8),
    accepted: Option<u64>,
) -> Window {
    let step = step_at(now, step_seconds);
    Window { first: step.saturating_sub(back.into()), last: step.saturating_add(ahead.into()), accepted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        otp::hotp::{
            find,
            tests::{number, only},
        },
        value::one_time_password::{OtpAlgorithm, SharedSecret},
    };

    const SEED: &str = "1234567890123456789012345678901234567890123456789012345678901234";

    /// RFC 6238 appendix B, with the secrets of its reference code (erratum 2866): for each time in seconds
    /// the step and the three codes.
    const APPENDIX_B: [(u64, u64, [&str; 3]); 6] = [
        (59, 0x1, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, 0x235_23EC, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, 0x235_23ED, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, 0x273_EF07, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, 0x3F9_40AA, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, 0x27BC_86AA, ["65353130", "77737706", "47863826"]),
    ];

    const ALGORITHMS: [OtpAlgorithm; 3] = [OtpAlgorithm::Sha1, OtpAlgorithm::Sha256, OtpAlgorithm::Sha512];

    fn secret(bytes: usize) -> SharedSecret {
        SharedSecret::of(&SEED.as_bytes()[..bytes])
    }

    #[test]
    fn rfc_6238_appendix_b() {
        for (seconds, step, codes) in APPENDIX_B {
            let now = Millis(seconds * 1_000);
            assert_eq!(step_at(now, 30), step);
            for (algorithm, code) in ALGORITHMS.into_iter().zip(codes) {
                let (terms, secret) = ((algorithm, 8), secret(algorithm.secret_bytes()));
                let taken = |now| find(terms, &secret, &number(code), &window(now, 30, (0, 0), None));
                assert_eq!(taken(now), Some(step), "{algorithm:?} at {seconds}");
                assert_eq!(taken(now.after(30_000)), None, "{algorithm:?} a step after {seconds}");
            }
        }
    }

    /// The erratum: with the secret of 20 bytes the longer hashes give other codes, which are not those of
    /// the table.
    #[test]
    fn the_short_secret_gives_none_of_the_longer_rows() {
        for (algorithm, wrong, right) in
            [(OtpAlgorithm::Sha256, "32247374", "46119246"), (OtpAlgorithm::Sha512, "69342147", "90693936")]
        {
            assert_eq!(find((algorithm, 8), &secret(20), &number(wrong), &only(1)), Some(1));
            assert_eq!(find((algorithm, 8), &secret(20), &number(right), &only(1)), None);
        }
    }

    /// No row of the appendix has a step beyond 32 bits. Codes of steps 2^32 - 1, 2^32 and 2^32 + 1, by a
    /// second implementation: see `tests/vectors/generate.py`.
    #[test]
    fn steps_beyond_32_bits_are_steps_of_their_own() {
        let first = 1_u64 << 32;
        for (step, code) in [(first - 1, "57117190"), (first, "55999456"), (first + 1, "39108930")] {
            let now = Millis(step * 30_000);
            assert_eq!(step_at(now, 30), step);
            let secret = secret(20);
            let taken = find((OtpAlgorithm::Sha1, 8), &secret, &number(code), &window(now, 30, (0, 0), None));
            assert_eq!(taken, Some(step));
            let cut = find((OtpAlgorithm::Sha1, 8), &secret, &number(code), &only(step & 0xffff_ffff));
            assert_eq!(cut, (step < first).then_some(step));
        }
    }

    proptest::proptest! {
        /// What another implementation shows is taken while its step is in the window and above the accepted
        /// one, and at no other time.
        #[test]
        fn another_implementation_agrees(
            secret in proptest::collection::vec(proptest::num::u8::ANY, 16..=64),
            which in 0..3_usize,
            digits in 6..=8_u8,
            step in 1..=120_u16,
            seconds in 0..=20_000_000_000_u64,
            (back, ahead, shift) in (0..=2_u8, 0..=2_u8, -4..=4_i64),
            accepted in proptest::option::of(-4..=4_i64),
        ) {
            use alloc::string::ToString as _;
            use totp_rs::Algorithm::{SHA1, SHA256, SHA512};
            let app = totp_rs::Builder::new()
                .with_algorithm([SHA1, SHA256, SHA512][which])
                .with_digits(digits)
                .with_step_duration(step.into())
                .with_secret(secret.clone())
                .build()
                .unwrap();
            let now = Millis(seconds * 1_000);
            let present = step_at(now, step);
            let (Some(shown), accepted) = (
                present.checked_add_signed(shift),
                accepted.and_then(|accepted| present.checked_add_signed(accepted)),
            ) else { return Ok(()) };
            let code = app.generate(shown * u64::from(step)).to_string();
            let window = window(now, step, (back, ahead), accepted);
            let found = find((ALGORITHMS[which], digits), &SharedSecret::of(&secret), &number(&code), &window);
            // The same code may stand for another step of the window as well.
            let stands_for = |step_shown: u64| app.generate(step_shown * u64::from(step)).to_string() == code;
            let expected = (window.first..=window.last)
                .filter(|step| accepted.is_none_or(|accepted| *step > accepted))
                .rfind(|step| stands_for(*step));
            proptest::prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn steps_begin_at_whole_multiples_and_windows_end_at_the_epoch() {
        assert_eq!(step_at(Millis(29_999), 30), 0);
        assert_eq!(step_at(Millis(30_000), 30), 1);
        assert_eq!(step_at(Millis(119_999), 60), 1);
        assert_eq!(step_at(Millis(u64::MAX), 1), u64::MAX / 1_000);
        assert_eq!(step_at(Millis(u64::MAX), 0), 0, "no policy and no record has a step of nothing");
        let at = |now, spread| window(Millis(now), 30, spread, Some(7));
        assert_eq!(at(0, (1, 0)), Window { first: 0, last: 0, accepted: Some(7) });
        assert_eq!(at(30_000, (2, 2)), Window { first: 0, last: 3, accepted: Some(7) });
        assert_eq!(at(90_000, (1, 0)), Window { first: 2, last: 3, accepted: Some(7) });
        assert_eq!(at(90_000, (0, 1)), Window { first: 3, last: 4, accepted: Some(7) });
    }
}
