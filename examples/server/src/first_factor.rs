//! The first factor: a password, hashed with Argon2id, and the client that presents it.
//!
//! A name that nobody has costs as long as a wrong password. Hashing takes memory and time, so only a few run at once and
//! none on the threads that serve requests. This module must never say which part of a first factor was wrong.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::Subject;
use tokio::sync::Semaphore;

use crate::{
    random,
    store::{Database, StoreError, User},
};

/// How many hashes are computed at once.
const AT_ONCE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstFactorError {
    #[error("no password hash could be made")]
    Hash,
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("a password hash did not finish")]
    Stopped,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Name(#[from] countersign::NameError),
}

pub(crate) struct FirstFactors {
    params: Params,
    /// What is checked for a name that nobody has.
    nobody: String,
    slots: Arc<Semaphore>,
}

impl FirstFactors {
    pub(crate) fn new(memory_kib: u32) -> Result<Self, FirstFactorError> {
        let params = Params::new(memory_kib, 2, 1, None).map_err(|_| FirstFactorError::Hash)?;
        let nobody = hash(&params, "a password that nobody has")?;
        Ok(Self { params, nobody, slots: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// The user, if name and password are right.
    pub(crate) async fn check(
        &self,
        database: &dyn Database,
        email: &str,
        password: &str,
    ) -> Result<Option<User>, FirstFactorError> {
        // PostgreSQL takes no NUL in a text, and nobody's name has one.
        let named = Some(email.to_lowercase()).filter(|email| !email.contains('\0'));
        let user = match named {
            Some(email) => database.user_by_email(&email).await?,
            None => None,
        };
        let stored = user.as_ref().map_or_else(|| self.nobody.clone(), |user| user.password_hash.clone());
        let password = password.to_owned();
        let right = self
            .slow(move || {
                let hash = PasswordHash::new(&stored).map_err(|_| FirstFactorError::Hash)?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(user.filter(|_| right))
    }

    /// A new user with a random subject: it stands in tokens and so says nothing about its holder.
    pub(crate) async fn new_user(
        &self,
        email: &str,
        email_verified: bool,
        password: &str,
    ) -> Result<User, FirstFactorError> {
        let subject = format!("usr_{}", URL_SAFE_NO_PAD.encode(random::<15>()?));
        let (params, password) = (self.params.clone(), password.to_owned());
        let password_hash = self.slow(move || hash(&params, &password)).await?;
        Ok(User {
            subject: Subject::new(&subject)?,
            email: email.to_lowercase(),
            email_verified,
            password_hash,
        })
    }

    async fn slow<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, FirstFactorError> + Send + 'static,
    ) -> Result<T, FirstFactorError> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| FirstFactorError::Stopped)?;
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        work.await.map_err(|_| FirstFactorError::Stopped)?
    }
}

fn hash(params: &Params, password: &str) -> Result<String, FirstFactorError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &random::<16>()?);
    Ok(hash.map_err(|_| FirstFactorError::Hash)?.to_string())
}

/// A client's secret as it is stored. The server makes the secrets itself, with more than 128 random bits, so a plain hash
/// is enough.
pub(crate) fn secret_hash(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}
