//! The chance of a thief who guesses as often as the policy admits. The result must never be below the true chance.

use time::Duration;

use crate::policy::policy::Policy;

impl Policy {
    /// The chance that somebody who holds the first factor for a whole year, and guesses as often as this policy lets
    /// them, hits a binding code once: 1 − (1 − 10^−digits)^guesses, where guesses is what the tighter of the guess
    /// bucket and the long budget admits in 365 days.
    ///
    /// The cap on wrong codes in a row is left out: the account's holder may clear it by logging in meanwhile. One code
    /// is acceptable at a time, because a code is bound to its handle. For the presets this gives about 0.00039
    /// (`default`), 0.084 (`auth0`) and 0.0000039 (`strict`).
    #[must_use]
    pub fn guess_probability(&self) -> f64 {
        let year = Duration::days(365);
        let long = self.0.long_guess_budget.map_or(u64::MAX, |rate| rate.admits(year));
        let guesses = self.0.guess_bucket.admits(year).min(long);
        let one_miss = 1.0 - (0..self.0.code_digits).fold(1.0, |chance, _| chance / 10.0);
        1.0 - power(one_miss, guesses)
    }
}

/// `base` to the power of `exponent`, by squaring: `core` has no `powi`.
fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guess_probability_is_the_published_arithmetic() {
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.01;
        assert!(near(Policy::default().guess_probability(), 3.95e-4));
        assert!(near(Policy::auth0().guess_probability(), 0.0839));
        assert!(near(Policy::strict().guess_probability(), 3.95e-6));
    }
}
