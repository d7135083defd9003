//! The first factor: a password, hashed with Argon2id, and the client that presents it.
//!
//! A name that nobody has costs as long as a wrong password, also when users were hashed with other parameters: see
//! [`InUse`]. Hashing takes memory and time, so only a few run at once, in memory that [`Hashing`] lends, and none on
//! the threads that serve requests. This module must never say which part of a first factor was wrong.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};
use aws_lc_rs::{constant_time, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Account, FirstFactor, Subject};

use crate::{
    hashing::{Busy, Hashing, Memory, Turn},
    password_parameters::{InUse, hasher, is_computable},
    random,
    store::{Database, StoreError, User},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstFactorError {
    #[error("no password hash could be made")]
    Hash,
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("a password hash did not finish")]
    Stopped,
    #[error("{0}")]
    Busy(#[from] Busy),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Name(#[from] countersign::session::NameError),
}

/// The subject of no user: theirs begin with `usr_`.
const NOBODY: &str = "nobody";

/// What came of a name and a password. Only the log may tell the two refusals apart.
pub(crate) enum Checked {
    /// With the first factor that was prepared before the password was read.
    Right(User, FirstFactor),
    WrongPassword(User),
    UnknownUser,
}

pub(crate) struct FirstFactors {
    params: Params,
    in_use: InUse,
    hashing: Arc<Hashing>,
}

impl FirstFactors {
    pub(crate) fn new(memory_kib: u32, hashing: Arc<Hashing>) -> Result<Self, FirstFactorError> {
        let params = Params::new(memory_kib, 2, 1, None).map_err(|_| FirstFactorError::Hash)?;
        let in_use = InUse::new(&hash(&params, "a password that nobody has", &mut Memory::default())?)?;
        Ok(Self { params, in_use, hashing })
    }

    /// Learns with which parameters the stored passwords were hashed.
    pub(crate) async fn learn(&self, database: &dyn Database) -> Result<(), FirstFactorError> {
        for parameters in database.password_parameters().await? {
            if !self.in_use.note(&parameters)? {
                tracing::warn!(
                    parameters,
                    "users have passwords hashed with more sets of parameters than each sign-in computes, or with unknown \
                    ones: until they sign in, the time of an answer tells their names from others"
                );
            }
        }
        Ok(())
    }

    /// How many wait for a password hash.
    pub(crate) fn waiting(&self) -> usize {
        self.hashing.waiting()
    }

    /// Whether name and password are right. A right password is hashed anew if it has other parameters than today's.
    ///
    /// `prepare` gets the account as it is before the password is read, and the password is read after that: one that is
    /// changed meanwhile is the one that is checked, or what was prepared begins nothing.
    pub(crate) async fn check(
        &self,
        database: &dyn Database,
        turn: Turn,
        (email, password): (&str, &str),
        prepare: impl FnOnce(&Account) -> FirstFactor,
    ) -> Result<Checked, FirstFactorError> {
        // PostgreSQL takes no NUL in a text, and nobody's name has one.
        let named = Some(email.to_lowercase()).filter(|email| !email.contains('\0'));
        let named = match named {
            Some(email) => database.user_by_email(&email).await?,
            None => None,
        };
        // A name that nobody has costs as many questions.
        let subject = named.map_or_else(|| Subject::new(NOBODY), |user| Ok(user.subject))?;
        let account = database.load(&subject).await;
        let prepared = match &account {
            Ok(Some(account)) => prepare(account),
            Ok(None) | Err(_) => prepare(&Account::new(&subject)),
        };
        let user = database.user(&subject).await?;
        // A row that was edited to something else than a hash is nobody's password, and looks like a name that nobody
        // has.
        let own = user.as_ref().map(|user| user.password_hash.clone()).filter(|own| is_computable(own));
        if let (Some(user), None) = (&user, &own) {
            tracing::error!(
                subject = user.subject.as_str(),
                "the stored password hash of this user cannot be computed: `countersign-server users set-password` makes a \
                 new one"
            );
        }
        let work = self.in_use.work(own.as_deref())?;
        let params =
            own.as_deref().is_some_and(|own| !self.in_use.is_current(own)).then(|| self.params.clone());
        let password = password.to_owned();
        let judge = move |memory: &mut Memory| {
            let mut right = false;
            for stored in &work {
                let matches = is_right(stored, &password, memory)?;
                right |= matches && Some(stored) == own.as_ref();
            }
            // A password is known only now, so only now can it be hashed with the current parameters.
            let anew = params.filter(|_| right).map(|params| hash(&params, &password, memory)).transpose()?;
            Ok((right, anew))
        };
        let (right, anew) = self.slow(turn, judge).await?;
        if let (Some(user), Some(anew)) = (&user, anew) {
            database.rehash_password(&user.subject, &user.password_hash, &anew).await?;
        }
        Ok(match user {
            Some(user) if right => {
                // A record that cannot be read is no matter of whoever does not know the password.
                account?;
                Checked::Right(user, prepared)
            }
            Some(user) => Checked::WrongPassword(user),
            None => Checked::UnknownUser,
        })
    }

    /// Whether this is a user's password. Nobody signs in, so nothing changes.
    pub(crate) async fn is_password_of(&self, user: &User, password: &str) -> Result<bool, FirstFactorError> {
        let (stored, password) = (user.password_hash.clone(), password.to_owned());
        self.slow(None, move |memory| is_right(&stored, &password, memory)).await
    }

    /// A new user with a random subject: it stands in tokens and so says nothing about its holder.
    pub(crate) async fn new_user(
        &self,
        email: &str,
        email_verified: bool,
        password: &str,
    ) -> Result<User, FirstFactorError> {
        let password_hash = self.hash(password).await?;
        self.user(email, email_verified, password_hash)
    }

    /// The same with a password that was hashed.
    pub(crate) fn user(
        &self,
        email: &str,
        email_verified: bool,
        password_hash: String,
    ) -> Result<User, FirstFactorError> {
        let subject = format!("usr_{}", URL_SAFE_NO_PAD.encode(random::<15>()?));
        Ok(User {
            subject: Subject::new(&subject)?,
            email: email.to_lowercase(),
            email_verified,
            password_hash,
            sessions_end_ms: None,
            epoch: 0,
            spared: None,
        })
    }

    /// A password as it is stored.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, FirstFactorError> {
        self.hash_in_turn(None, password).await
    }

    /// The same, in the turn of whoever waits for it.
    pub(crate) async fn hash_in_turn(&self, turn: Turn, password: &str) -> Result<String, FirstFactorError> {
        let (params, password) = (self.params.clone(), password.to_owned());
        self.slow(turn, move |memory| hash(&params, &password, memory)).await
    }

    /// Does slow work in memory that is lent, on a thread for such work. Work that nobody waits for any more is not
    /// begun.
    async fn slow<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&mut Memory) -> Result<T, FirstFactorError> + Send + 'static,
    ) -> Result<T, FirstFactorError> {
        let mut lent = self.hashing.lend(turn).await?;
        let work = tokio::task::spawn_blocking(move || work(lent.memory()));
        work.await.map_err(|_| FirstFactorError::Stopped)?
    }
}

/// A new hash, as a PHC string.
fn hash(params: &Params, password: &str, memory: &mut Memory) -> Result<String, FirstFactorError> {
    let unmade = |_| FirstFactorError::Hash;
    let salt = random::<16>()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let blocks = memory.blocks(params.block_count());
    argon2
        .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, blocks)
        .map_err(|_| FirstFactorError::Hash)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params.try_into().map_err(unmade)?,
        salt: Some(Salt::new(&salt).map_err(|_| FirstFactorError::Hash)?),
        hash: Some(Output::new(&output).map_err(|_| FirstFactorError::Hash)?),
    };
    Ok(hash.to_string())
}

/// Whether this is the password of a stored hash, which names its own parameters.
fn is_right(stored: &str, password: &str, memory: &mut Memory) -> Result<bool, FirstFactorError> {
    let hash = PasswordHash::new(stored).map_err(|_| FirstFactorError::Hash)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else { return Err(FirstFactorError::Hash) };
    let argon2 = hasher(&hash).ok_or(FirstFactorError::Hash)?;
    let blocks = memory.blocks(argon2.params().block_count());
    let mut output = vec![0; expected.len()];
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, blocks)
        .map_err(|_| FirstFactorError::Hash)?;
    Ok(constant_time::verify_slices_are_equal(&output, expected.as_bytes()).is_ok())
}

/// A client's secret as it is stored. The server makes the secrets itself, with more than 128 random bits, so a plain
/// hash is enough.
pub(crate) fn secret_hash(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use argon2::{
        Block,
        password_hash::{PasswordHasher as _, PasswordVerifier as _},
    };

    use super::*;

    /// Memory that another hash has left its blocks in gives what new memory gives, whatever the parameters, and what
    /// the crate itself makes and reads.
    #[test]
    fn lent_memory_makes_no_difference() {
        let mut memory = Memory::default();
        for (kib, passes) in [(64, 2), (256, 1), (16, 3)] {
            let params = Params::new(kib, passes, 1, None).unwrap();
            memory.blocks(512).fill(Block::new());
            let made = hash(&params, "right", &mut memory).unwrap();
            let parsed = PasswordHash::new(&made).unwrap();
            assert!(Argon2::default().verify_password(b"right", &parsed).is_ok(), "{made}");
            assert!(is_right(&made, "right", &mut memory).unwrap());
            assert!(!is_right(&made, "wrong", &mut memory).unwrap());
            let other = Argon2::from(params).hash_password_with_salt(b"other", b"a salt of 16 byt").unwrap();
            assert!(is_right(&other.to_string(), "other", &mut memory).unwrap());
        }
        let version_1_0 = "$argon2i$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        assert!(!is_right(version_1_0, "wrong", &mut memory).unwrap());
        assert!(is_right("$argon2id$v=19$m=64,t=1,p=1", "no hash", &mut memory).is_err());
        let huge = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        assert!(is_right(huge, "wrong", &mut memory).is_err(), "4 GiB are not allocated for an edited row");
    }
}
