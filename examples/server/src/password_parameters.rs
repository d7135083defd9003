//! The parameters with which stored passwords were hashed, and what every attempt therefore computes.
//!
//! An operator changes `--argon2-memory`, and users keep what they were hashed with until they sign in again. A hash
//! of other parameters takes another time, which would tell a user from a name that nobody has. So each attempt
//! computes one hash of every set of parameters in use: the user's own, and a stand-in for each other set. With one
//! set, which is the rule, that is one hash. This module must never let the work of an attempt depend on whether its
//! user exists.

use std::sync::{PoisonError, RwLock};

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::PasswordHash};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::random;

/// The most sets of parameters that an attempt computes. Users with others sign in, and their names can be told by
/// the time.
const MAX_SETS: usize = 4;

/// The most memory that a stored hash may ask for, in KiB, and the most of it over all passes: what `--argon2-memory`
/// takes at most. Rows can be edited, and every attempt computes every set in use.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_WORK_KIB: u64 = 2 << 20;

/// How many characters of a stored hash come after its parameters: `$`, a salt of 16 bytes, `$` and a hash of 32,
/// both in base64.
pub(crate) const AFTER_PARAMETERS: i64 = 67;

/// The sets in use, the current one first, each with its stand-in.
pub(crate) struct InUse(RwLock<Vec<StandIn>>);

struct StandIn {
    parameters: String,
    /// A hash of these parameters that no password has.
    hash: String,
}

impl InUse {
    /// With the parameters of this hash as the current ones.
    pub(crate) fn new(current: &str) -> Result<Self, getrandom::Error> {
        let known = Self(RwLock::new(Vec::new()));
        known.note(parameters(current))?;
        Ok(known)
    }

    /// Takes a set among those in use; `false` if there are too many already, or if it is none.
    pub(crate) fn note(&self, parameters: &str) -> Result<bool, getrandom::Error> {
        let mut sets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if sets.iter().any(|set| set.parameters == parameters) {
            return Ok(true);
        }
        let salt = STANDARD_NO_PAD.encode(random::<16>()?);
        let hash = format!("{parameters}${salt}${}", STANDARD_NO_PAD.encode(random::<32>()?));
        let taken = sets.len() < MAX_SETS && is_computable(&hash);
        if taken {
            sets.push(StandIn { parameters: parameters.to_owned(), hash });
        }
        Ok(taken)
    }

    /// The hashes that an attempt computes, the user's own first if there is a user. A set that is seen for the first
    /// time is among those of every later attempt.
    pub(crate) fn work(&self, stored: Option<&str>) -> Result<Vec<String>, getrandom::Error> {
        let own = stored.map(parameters);
        if let Some(own) = own {
            self.note(own)?;
        }
        let sets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let stand_ins = sets.iter().filter(|set| Some(set.parameters.as_str()) != own);
        Ok(stored.into_iter().chain(stand_ins.map(|set| set.hash.as_str())).map(str::to_owned).collect())
    }

    /// Whether a hash has the current parameters.
    pub(crate) fn is_current(&self, stored: &str) -> bool {
        let sets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sets.first().is_some_and(|set| set.parameters == parameters(stored))
    }
}

/// What computes a stored hash, if it is whole and of a size that the server computes.
pub(crate) fn hasher(hash: &PasswordHash) -> Option<Argon2<'static>> {
    hash.salt.as_ref().filter(|salt| salt.len() >= argon2::MIN_SALT_LEN)?;
    hash.hash.as_ref()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let params = Params::try_from(hash).ok()?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    let bounded = params.m_cost() <= MAX_MEMORY_KIB && work <= MAX_WORK_KIB;
    bounded.then(|| Argon2::new(algorithm, version, params))
}

/// Whether a stored text is a hash that the server can compute.
pub(crate) fn is_computable(stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| hasher(&hash).is_some())
}

/// What stands before the salt in a PHC string.
fn parameters(hash: &str) -> &str {
    let before_hash = hash.rsplit_once('$').map_or(hash, |(before, _)| before);
    before_hash.rsplit_once('$').map_or(before_hash, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const TAIL: &str = "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

    fn hash(memory: u32) -> String {
        format!("$argon2id$v=19$m={memory},t=2,p=1{TAIL}")
    }

    /// The parameters of the work, in no order.
    fn sets(work: &[String]) -> Vec<&str> {
        let mut sets: Vec<_> = work.iter().map(|hash| parameters(hash)).collect();
        sets.sort_unstable();
        sets
    }

    /// H26: a known name answered in another time than an unknown one.
    #[test]
    fn a_known_name_and_an_unknown_one_are_the_same_work() {
        let in_use = InUse::new(&hash(64)).unwrap();
        assert_eq!(in_use.work(None).unwrap().len(), 1, "one set is one hash");
        assert!(in_use.note(parameters(&hash(128))).unwrap());
        let unknown = in_use.work(None).unwrap();
        for known in [hash(64), hash(128)] {
            let work = in_use.work(Some(&known)).unwrap();
            assert_eq!(work[0], known, "the user's own comes first");
            assert_eq!(sets(&work), sets(&unknown));
        }
        // A command may have hashed a password with other parameters while the server runs.
        let learned = in_use.work(Some(&hash(256))).unwrap();
        assert_eq!(sets(&learned), sets(&in_use.work(None).unwrap()));
        assert!(in_use.is_current(&hash(64)) && !in_use.is_current(&hash(128)));
    }

    #[test]
    fn the_work_of_an_attempt_is_bounded() {
        let in_use = InUse::new(&hash(64)).unwrap();
        let taken: Vec<_> = (65..75).map(|memory| in_use.note(parameters(&hash(memory))).unwrap()).collect();
        assert_eq!(taken.iter().filter(|taken| **taken).count(), MAX_SETS - 1);
        assert_eq!(in_use.work(Some(&hash(1_000))).unwrap().len(), MAX_SETS + 1);
        let odd = InUse::new(&hash(64)).unwrap();
        for text in [
            "",
            "no hash",
            "$argon2id$v=19$m=x",
            "$argon2id$v=19$m=4294967296,t=2,p=1",
            "$argon2id$v=19$m=1048577,t=2,p=1",
            "$argon2id$v=19$m=64,t=4294967295,p=1",
            "$argon2id$v=99$m=64,t=2,p=1",
            "$bcrypt$v=19$m=64,t=2,p=1",
        ] {
            assert!(!odd.note(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn what_comes_after_the_parameters_has_the_length_that_the_store_cuts_off() {
        assert_eq!(i64::try_from(hash(64).len() - parameters(&hash(64)).len()), Ok(AFTER_PARAMETERS));
    }
}
