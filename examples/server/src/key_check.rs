//! Whether the keys are those that the data hangs on.
//!
//! The database keeps the id of each durable key that a server was started with. The library computes it from the key,
//! so no two keys have one id. A server that lacks a key that recovery codes still hang on would refuse codes that are
//! right, so it does not start. The context of the keys is for ever: every record carries a tag of it. Files that are rolled out from server to server pass:
//! a staged key counts as known, and a key that nothing hangs on may go.
//!
//! This module must never make a key file beside a database that hangs on another, unless it was told that the keys are
//! lost.

use std::path::Path;

use crate::{
    key_use::{KeyUse, KeyUseError, Probe},
    keys::{Found, KeyState, Keys, KeysError},
    options::KeyClass,
    store::{Database, StoreError},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyCheckError {
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("the key check failed: {0}")]
    Store(#[from] StoreError),
    #[error("the key check failed: {0}")]
    KeyUse(#[from] KeyUseError),
    #[error(
        "there is no key file {0}, but the database has what was made with its keys ({1}): put the file back, or start \
        once with --keys-lost if it is lost for good"
    )]
    Missing(String, String),
    #[error(
        "these are not the keys that the database hangs on: {0}. Give the right key file, or start once with --keys-lost \
        if it is lost for good"
    )]
    Others(String),
    #[error(
        "the context in the key file is not that of the data, {0:?}: give the right key file, or write this context into \
        the file if its keys are new"
    )]
    Context(String),
}

/// The keys to start with. With `lost`, what is wrong about them is logged and forgotten instead of refused.
pub(crate) async fn settle(found: Found, database: &dyn Database, lost: bool) -> Result<Keys, KeyCheckError> {
    let recorded = database.durable_keys().await?;
    let (keys, gone) = match found {
        Found::Keys(keys) => (keys, Vec::new()),
        Found::Missing(path) => make(&path, database, &recorded, lost).await?,
    };
    let held = keys.class(KeyClass::Durable);
    let holds = |id: &str| held.iter().any(|key| key.id == id);
    let made = !gone.is_empty();
    let mut wrong = gone;
    let mut forgotten = Vec::new();
    let mut counted: Option<KeyUse> = None;
    for known in recorded.iter().filter(|id| !holds(id)) {
        forgotten.push(known);
        if made {
            continue;
        }
        let hanging = match &counted {
            Some(counted) => counted.on(known),
            None => counted.insert(Probe::new()?.count(database).await?).on(known),
        };
        let (codes, records) = (hanging.codes(), hanging.records);
        // If whatever was made with it is gone, it may be, too.
        if codes > 0 {
            wrong.push(format!(
                "durable key {known} is missing ({codes} recovery codes of {records} users hang on it)"
            ));
        }
    }
    if !wrong.is_empty() && !lost {
        return Err(KeyCheckError::Others(wrong.join("; ")));
    }
    let context = database.settle_context(keys.context()).await?;
    if context != keys.context() {
        return Err(KeyCheckError::Context(context));
    }
    for key in forgotten {
        database.forget_durable_key(key).await?;
    }
    for key in held.iter().filter(|key| key.state != KeyState::Staged) {
        database.add_durable_key(&key.id).await?;
    }
    // Another server with another file may have started meanwhile.
    if let Some(other) = database.durable_keys().await?.iter().find(|id| !holds(id)) {
        let other = format!("another server was started with a durable key {other} that is not among them");
        return Err(KeyCheckError::Others(other));
    }
    match (lost, wrong.is_empty()) {
        (true, true) => tracing::warn!("no key is lost: leave --keys-lost out"),
        (true, false) => tracing::warn!(
            what = wrong.join("; "),
            "the keys are lost: these recovery codes, and every token and code from before, are refused from now on. Leave \
            --keys-lost out at the next start"
        ),
        (false, _) => {}
    }
    Ok(keys)
}

/// Makes the key file of a new database, or of one whose keys are lost, and tells what is lost.
async fn make(
    path: &Path,
    database: &dyn Database,
    recorded: &[String],
    lost: bool,
) -> Result<(Keys, Vec<String>), KeyCheckError> {
    let is_new = recorded.is_empty() && database.records("", 1).await?.is_empty();
    if is_new {
        return Ok((Keys::make(path, None)?, Vec::new()));
    }
    let counted = Probe::new()?.count(database).await?;
    let (codes, users) = counted.durable.values().fold((0_u64, 0_u64), |(codes, users), on| {
        (codes.saturating_add(on.codes()), users.saturating_add(on.records))
    });
    let what = format!("{codes} recovery codes of {users} users among {} records", counted.records);
    if !lost {
        return Err(KeyCheckError::Missing(path.display().to_string(), what));
    }
    Ok((Keys::make(path, database.context().await?)?, vec![what]))
}
