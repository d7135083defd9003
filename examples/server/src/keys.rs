//! The key file: what it holds, how it is made, and how its keys are rotated.
//!
//! The file is JSON: a context that separates this tenant from every other, and for each class a list of keys, the
//! one in use first. A key is current, staged or former. A staged one stands behind the current one and is marked as
//! such; every other key behind the first is a former one. [`rotation`] moves them. A former transient key has a time
//! until which what it made is accepted. The file has no ids of transient and durable keys: the library computes them.
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
    rsa::{KeyPair, KeySize},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{Key, KeyRing, keys::KeyError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub(crate) use self::rotation::{KeyState, KeyView};
use crate::{
    options::{Data, variable},
    random,
    store::Place,
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
}

/// Where a key stands, as far as its place in the list does not tell.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields)]
struct Life {
    /// It verifies and is not used yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    staged: bool,
    /// Since when it has been what it is, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    /// Until when what it made is accepted, in seconds since 1970: of a former transient key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires: Option<i64>,
}

impl Life {
    /// Until when what a former key made is accepted. A file that was edited may not tell: then nothing of it is.
    fn retires(&self) -> OffsetDateTime {
        let time = self.retires.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

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
    /// The computed id.
    #[serde(skip)]
    id: String,
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
    #[error(
        "the keys in {0} have ids, as an earlier version wrote them. Ids are computed now, and no record of that version can \
        be read: make a new file with `countersign-server keys generate FILE`, and begin with a new database"
    )]
    Earlier(String),
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

    /// Makes a file for the first start, or, for data whose keys are lost, one with the context of the data.
    pub(crate) fn make(path: &Path, context: Option<String>) -> Result<Self, KeysError> {
        let mut keys = Self::generate()?;
        if let Some(context) = context {
            keys.context = context;
            keys.compute_ids()?;
        }
        match keys.create(path) {
            Ok(()) => tracing::info!(file = %path.display(), "made a new key file"),
            // Another server on the same file was faster.
            Err(KeysError::Write(_, error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Self::read(path)
    }

    fn parse(content: &str, place: &str) -> Result<Self, KeysError> {
        let mut keys: Self = serde_json::from_str(content).map_err(|error| {
            if has_ids(content) {
                KeysError::Earlier(place.to_owned())
            } else {
                KeysError::Form(place.to_owned(), error)
            }
        })?;
        keys.check_order()?;
        keys.compute_ids()?;
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
        let mut keys = Self {
            context: URL_SAFE_NO_PAD.encode(random::<16>()?),
            transient: vec![Secret::generate()?],
            durable: vec![Secret::generate()?],
            signing: vec![SigningKey::generate()?],
        };
        keys.compute_ids()?;
        Ok(keys)
    }

    /// What separates this tenant from every other. It is no secret.
    pub(crate) fn context(&self) -> &str {
        &self.context
    }

    fn compute_ids(&mut self) -> Result<(), KeysError> {
        for secret in &mut self.transient {
            secret.id = secret.key()?.transient_id(&self.context).to_string();
        }
        for secret in &mut self.durable {
            secret.id = secret.key()?.durable_id(&self.context).to_string();
        }
        Ok(())
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

    /// The ring that the core takes.
    pub(crate) fn ring(&self) -> Result<KeyRing, KeysError> {
        let (transient, former_transient) = first(&self.transient, "transient")?;
        let (durable, former_durable) = first(&self.durable, "durable")?;
        let mut ring = KeyRing::new(&self.context, transient.key()?, durable.key()?)?;
        for secret in former_transient {
            ring = match secret.life.staged {
                true => ring.staged_transient(secret.key()?)?,
                false => ring.retired_transient(secret.key()?, secret.life.retires())?,
            };
        }
        for secret in former_durable {
            ring = match secret.life.staged {
                true => ring.staged_durable(secret.key()?)?,
                false => ring.retired_durable(secret.key()?)?,
            };
        }
        Ok(ring)
    }
}

fn first<'a>(secrets: &'a [Secret], class: &'static str) -> Result<(&'a Secret, &'a [Secret]), KeysError> {
    secrets.split_first().ok_or(KeysError::Missing(class))
}

/// Whether a key has an id, as in the files of earlier versions.
fn has_ids(content: &str) -> bool {
    let file: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
    ["/transient/0/id", "/durable/0/id"].iter().any(|id| file.pointer(id).is_some())
}

impl Secret {
    /// A new key, whose id is still to be computed.
    fn generate() -> Result<Self, KeysError> {
        let secret = URL_SAFE_NO_PAD.encode(random::<32>()?);
        Ok(Self { id: String::new(), secret, life: Life::now(false) })
    }

    fn key(&self) -> Result<Key, KeysError> {
        let secret = URL_SAFE_NO_PAD.decode(&self.secret).map_err(|_| KeysError::Encoding)?;
        Ok(Key::new(&secret)?)
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
