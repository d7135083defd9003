//! The key file: what it holds, how it is made, and how its keys are rotated.
//!
//! The file is JSON: a context that separates this tenant from every other, and for each class a list of keys, the one in
//! use first. Rotation puts a new key in front and keeps two older ones, which still verify. When the last of them may go
//! is the class's own matter: for `transient` after ten minutes, for `signing` after a day, for `durable` when no recovery
//! code hangs on it any more. This module must never write a key anywhere but into a file that its owner alone can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{Key, KeyError, KeyRing};
use serde::{Deserialize, Serialize};

use crate::{
    options::{Data, KeyClass},
    random,
    store::Place,
};

/// How many keys a class holds: one in use and two older ones.
const MAX_KEYS: usize = 3;

/// The environment variable that can hold the content of a key file.
const VARIABLE: &str = "COUNTERSIGN_KEYS";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    context: String,
    transient: Vec<Secret>,
    durable: Vec<Secret>,
    pub(crate) signing: Vec<SigningKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    id: u8,
    /// 32 bytes in base64url.
    secret: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    /// An RSA key in PKCS #8.
    pub(crate) pem: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the key file {0} cannot be read: {1}")]
    Read(PathBuf, io::Error),
    #[error("the key file {0} cannot be written: {1}")]
    Write(PathBuf, io::Error),
    #[error("the key file {0} can be read by others: chmod 600 it, and rotate its keys if others did")]
    Exposed(PathBuf),
    #[error("the keys in {0} are not in the form of a key file: {1}")]
    Form(String, serde_json::Error),
    #[error("a key in the key file is not base64url")]
    Encoding,
    #[error("the key file has no {0} key")]
    Missing(&'static str),
    #[error("the keys cannot be used: {0}")]
    Key(#[from] KeyError),
    #[error("a signing key cannot be used: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
    #[error("no key could be made")]
    Generate,
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error(
        "several servers on one PostgreSQL need the same keys: make a file with `countersign-server keys generate \
        FILE` and give it with --keys, or its content in {VARIABLE}"
    )]
    NotGiven,
}

impl Keys {
    /// The keys that the options name; beside an SQLite file they are made on the first start.
    pub(crate) fn find(data: &Data) -> Result<Self, KeysError> {
        let path = match (&data.keys, std::env::var(VARIABLE), &data.database) {
            (Some(path), ..) => return Self::read(path),
            (None, Ok(content), _) => {
                return serde_json::from_str(&content)
                    .map_err(|error| KeysError::Form(VARIABLE.to_owned(), error));
            }
            (None, Err(_), Place::Sqlite(path)) => path.with_extension("keys.json"),
            (None, Err(_), Place::Postgres(_)) => return Err(KeysError::NotGiven),
        };
        match Self::read(&path) {
            Err(KeysError::Read(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                match Self::generate()?.create(&path) {
                    Ok(()) => tracing::info!(file = %path.display(), "made a new key file"),
                    // Another server on the same file was faster.
                    Err(KeysError::Write(_, error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
                Self::read(&path)
            }
            other => other,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, KeysError> {
        let failed = |error| KeysError::Read(path.to_owned(), error);
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeysError::Exposed(path.to_owned()));
        }
        let content = fs::read_to_string(path).map_err(failed)?;
        serde_json::from_str(&content).map_err(|error| KeysError::Form(path.display().to_string(), error))
    }

    pub(crate) fn generate() -> Result<Self, KeysError> {
        Ok(Self {
            context: URL_SAFE_NO_PAD.encode(random::<16>()?),
            transient: vec![Secret::generate(1)?],
            durable: vec![Secret::generate(1)?],
            signing: vec![SigningKey::generate()?],
        })
    }

    /// Writes a file that must not be there.
    pub(crate) fn create(&self, path: &Path) -> Result<(), KeysError> {
        let failed = |error| KeysError::Write(path.to_owned(), error);
        let beside = self.write_beside(path)?;
        // A link, unlike a renaming, fails if the file is there.
        let linked = fs::hard_link(&beside, path).map_err(failed);
        fs::remove_file(&beside).map_err(failed)?;
        linked
    }

    /// Writes a file in place of the one that is there, at once and whole.
    pub(crate) fn replace(&self, path: &Path) -> Result<(), KeysError> {
        let beside = self.write_beside(path)?;
        fs::rename(beside, path).map_err(|error| KeysError::Write(path.to_owned(), error))
    }

    fn write_beside(&self, path: &Path) -> Result<PathBuf, KeysError> {
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let write = || -> io::Result<()> {
            let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        };
        write().map_err(|error| KeysError::Write(path.to_owned(), error))?;
        Ok(beside)
    }

    /// Adds a new key. With `front` it is used from now on; without, it only verifies until it is promoted.
    pub(crate) fn add(&mut self, class: KeyClass, front: bool) -> Result<(), KeysError> {
        fn place<K>(keys: &mut Vec<K>, key: K, front: bool) {
            keys.insert(if front { 0 } else { 1.min(keys.len()) }, key);
            keys.truncate(MAX_KEYS);
        }
        match class {
            KeyClass::Transient => {
                let key = Secret::next(&self.transient)?;
                place(&mut self.transient, key, front);
            }
            KeyClass::Durable => {
                let key = Secret::next(&self.durable)?;
                place(&mut self.durable, key, front);
            }
            KeyClass::Signing => place(&mut self.signing, SigningKey::generate()?, front),
        }
        Ok(())
    }

    /// Uses the key that was added last and not used yet: the second of the list.
    pub(crate) fn promote(&mut self, class: KeyClass) -> Result<(), KeysError> {
        fn swap<K>(keys: &mut [K]) -> Result<(), KeysError> {
            if keys.len() < 2 {
                return Err(KeysError::Missing("staged"));
            }
            keys.swap(0, 1);
            Ok(())
        }
        match class {
            KeyClass::Transient => swap(&mut self.transient),
            KeyClass::Durable => swap(&mut self.durable),
            KeyClass::Signing => swap(&mut self.signing),
        }
    }

    /// The ring that the core takes.
    pub(crate) fn ring(&self) -> Result<KeyRing, KeysError> {
        let keys = |secrets: &[Secret]| secrets.iter().map(Secret::key).collect::<Result<Vec<_>, _>>();
        let mut transient = keys(&self.transient)?.into_iter();
        let mut durable = keys(&self.durable)?.into_iter();
        let first_transient = transient.next().ok_or(KeysError::Missing("transient"))?;
        let first_durable = durable.next().ok_or(KeysError::Missing("durable"))?;
        let ring = KeyRing::new(&self.context, first_transient, first_durable)?;
        let ring = transient.try_fold(ring, KeyRing::with_older_transient)?;
        Ok(durable.try_fold(ring, KeyRing::with_older_durable)?)
    }
}

impl Secret {
    fn generate(id: u8) -> Result<Self, KeysError> {
        Ok(Self { id, secret: URL_SAFE_NO_PAD.encode(random::<32>()?) })
    }

    /// A new one, with an id that none of the others has.
    fn next(others: &[Self]) -> Result<Self, KeysError> {
        let newest = others.iter().map(|known| known.id).max().unwrap_or(0);
        let free = |id: &u8| others.iter().all(|known| known.id != *id);
        let id = (newest..=u8::MAX).chain(1..=u8::MAX).find(free).unwrap_or(1);
        Self::generate(id)
    }

    fn key(&self) -> Result<Key, KeysError> {
        let secret = URL_SAFE_NO_PAD.decode(&self.secret).map_err(|_| KeysError::Encoding)?;
        Ok(Key::new(self.id, &secret)?)
    }
}

impl SigningKey {
    fn generate() -> Result<Self, KeysError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeysError::Generate)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeysError::Generate)?;
        let lines: Vec<_> = STANDARD
            .encode(der.as_ref())
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        Ok(Self { kid: URL_SAFE_NO_PAD.encode(random::<9>()?), pem })
    }
}
