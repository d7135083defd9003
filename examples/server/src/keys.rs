//! The key file: what it holds, how it is made, and how its keys are rotated.
//!
//! The file is JSON: a context that separates this tenant from every other, and for each class a list of keys, the
//! one in use first. A key is current, staged or former. A staged one stands behind the current one and is marked as
//! such; every other key behind the first is a former one. [`rotation`] moves them.
//!
//! This module must never write a key anywhere but into a file that its owner alone can read, or make a file that was
//! not asked for.

mod rotation;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    hmac,
    rsa::{KeyPair, KeySize},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{Key, KeyError, KeyRing};
use serde::{Deserialize, Serialize};

pub(crate) use self::rotation::{KeyState, KeyView};
use crate::{
    options::{Data, variable},
    random,
    store::{KeyCheck, Place},
};

/// The environment variable that can hold the content of a key file.
const VARIABLE: &str = "COUNTERSIGN_KEYS";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    context: String,
    transient: Vec<Secret>,
    durable: Vec<Secret>,
    pub(crate) signing: Vec<SigningKey>,
    /// The ids of durable keys that were dropped. Records may still name them, so no other key gets one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dropped_durable: Vec<u8>,
}

/// Where a key stands, as far as its place in the list does not tell. Files from before have nothing of it.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields)]
struct Life {
    /// It verifies and is not used yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    staged: bool,
    /// Since when it has been what it is, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
}

impl Life {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a server's keys are.
pub(crate) enum Found {
    Keys(Keys),
    /// The file beside the SQLite database is not there.
    Missing(PathBuf),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    id: u8,
    /// 32 bytes in base64url.
    secret: String,
    #[serde(default, skip_serializing_if = "Life::is_unknown")]
    life: Life,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    /// An RSA key in PKCS #8.
    pub(crate) pem: String,
    #[serde(default, skip_serializing_if = "Life::is_unknown")]
    life: Life,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the key file {0} cannot be read: {1}")]
    Read(PathBuf, io::Error),
    #[error("the key file {0} cannot be written: {1}")]
    Write(PathBuf, io::Error),
    #[error("the key file {0} can be read by others: chmod 600 it, and rotate its keys if others did")]
    Exposed(PathBuf),
    #[error("the keys in {place} are not in the form of a key file: {fault}", place = .0, fault = crate::store::place(.1))]
    Form(String, serde_json::Error),
    #[error("a key in the key file is not base64url")]
    Encoding,
    #[error("the key file has no {0} key")]
    Missing(&'static str),
    #[error("there is no key file {0}: start the server once, or give the file with --keys")]
    NotThere(PathBuf),
    #[error(
        "the first {0} key is marked as staged, but the first is the one that is used: restore the file from its copy"
    )]
    Order(&'static str),
    #[error(
        "there is no staged {0} key: `keys stage` adds one, and promoting a former key would use what may have leaked"
    )]
    NothingStaged(&'static str),
    #[error("a {0} key is staged already: promote it or drop it first")]
    Staged(&'static str),
    #[error("there is no {0} key {1}: `keys status` tells the ids")]
    Unknown(&'static str, String),
    #[error("the {0} key {1} is in use: rotate first, or stage and promote another")]
    InUse(&'static str, String),
    #[error("every id from 1 to 255 was given to a durable key once: none is left")]
    IdsUsedUp,
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
    /// The keys that the options name.
    pub(crate) fn find(data: &Data) -> Result<Found, KeysError> {
        let path = match (&data.keys, variable(VARIABLE), &data.database) {
            (Some(path), ..) => return Self::read(path).map(Found::Keys),
            (None, Some(content), _) => return Self::parse(&content, VARIABLE).map(Found::Keys),
            (None, None, Place::Sqlite(path)) => path.with_extension("keys.json"),
            (None, None, Place::Postgres(_)) => return Err(KeysError::NotGiven),
        };
        match Self::read(&path) {
            Err(KeysError::Read(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Found::Missing(path))
            }
            read => read.map(Found::Keys),
        }
    }

    /// The same for a command, which makes no keys.
    pub(crate) fn given(data: &Data) -> Result<Self, KeysError> {
        match Self::find(data)? {
            Found::Keys(keys) => Ok(keys),
            Found::Missing(path) => Err(KeysError::NotThere(path)),
        }
    }

    /// Makes a file for the first start, with a durable key whose id is none of these.
    pub(crate) fn make(path: &Path, taken: &[u8]) -> Result<Self, KeysError> {
        let mut keys = Self::generate()?;
        keys.durable = vec![Secret::generate(rotation::free_id(taken)?)?];
        match keys.create(path) {
            Ok(()) => tracing::info!(file = %path.display(), "made a new key file"),
            // Another server on the same file was faster.
            Err(KeysError::Write(_, error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Self::read(path)
    }

    fn parse(content: &str, place: &str) -> Result<Self, KeysError> {
        let keys: Self =
            serde_json::from_str(content).map_err(|error| KeysError::Form(place.to_owned(), error))?;
        keys.check_order()?;
        Ok(keys)
    }

    pub(crate) fn read(path: &Path) -> Result<Self, KeysError> {
        let failed = |error| KeysError::Read(path.to_owned(), error);
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeysError::Exposed(path.to_owned()));
        }
        let content = fs::read_to_string(path).map_err(failed)?;
        Self::parse(&content, &path.display().to_string())
    }

    pub(crate) fn generate() -> Result<Self, KeysError> {
        Ok(Self {
            context: URL_SAFE_NO_PAD.encode(random::<16>()?),
            transient: vec![Secret::generate(1)?],
            durable: vec![Secret::generate(1)?],
            signing: vec![SigningKey::generate()?],
            dropped_durable: Vec::new(),
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

    /// The check value of each durable key, and whether the key is staged.
    pub(crate) fn checks(&self) -> Result<Vec<(KeyCheck, bool)>, KeysError> {
        let check = |secret: &Secret| {
            let bytes = URL_SAFE_NO_PAD.decode(&secret.secret).map_err(|_| KeysError::Encoding)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
            // No message of the library begins like this: its first four bytes are the length of what follows.
            let mut message = b"countersign-server key check 1".to_vec();
            message.push(secret.id);
            message.extend_from_slice(self.context.as_bytes());
            let value = URL_SAFE_NO_PAD.encode(hmac::sign(&key, &message));
            Ok((KeyCheck { key: secret.id, value }, secret.life.staged))
        };
        self.durable.iter().map(check).collect()
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
        Ok(Self { id, secret: URL_SAFE_NO_PAD.encode(random::<32>()?), life: Life::now(false) })
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
        Ok(Self { kid: URL_SAFE_NO_PAD.encode(random::<9>()?), pem, life: Life::now(false) })
    }
}
