//! How keys come and go in a file: staged, promoted, rotated, dropped.
//!
//! A class holds the current key, at most one staged one behind it, and former ones from the newest to the oldest,
//! three in all. Whatever would be a fourth takes the place of the oldest former key. What was dropped is told, so
//! that its caller can ask before the file is written. This module must never put a former key in front again: it may
//! be former because it leaked.

use time::OffsetDateTime;

use super::{Keys, KeysError, Life, Secret, SigningKey};
use crate::options::KeyClass;

/// How many keys a class holds.
const MAX_KEYS: usize = 3;

/// What a key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyState {
    /// It makes everything new.
    Current,
    /// It verifies, and is to be used once every server knows it.
    Staged,
    /// It only verifies what it made.
    Former,
}

impl KeyState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Staged => "staged",
            Self::Former => "former",
        }
    }
}

/// A key without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyView {
    pub(crate) class: KeyClass,
    pub(crate) id: String,
    pub(crate) state: KeyState,
    /// Unknown for a key that did not change since an earlier version made it.
    pub(crate) since: Option<OffsetDateTime>,
}

impl KeyView {
    /// The id of a durable key as records name it.
    pub(crate) fn durable_id(&self) -> Option<u8> {
        (self.class == KeyClass::Durable).then(|| self.id.parse().ok()).flatten()
    }
}

impl Keys {
    /// Every key, class by class, in the order of the file.
    pub(crate) fn view(&self) -> Vec<KeyView> {
        let transient = self.class(KeyClass::Transient);
        [transient, self.class(KeyClass::Durable), self.class(KeyClass::Signing)].concat()
    }

    pub(crate) fn class(&self, class: KeyClass) -> Vec<KeyView> {
        match class {
            KeyClass::Transient => views(class, &self.transient),
            KeyClass::Durable => views(class, &self.durable),
            KeyClass::Signing => views(class, &self.signing),
        }
    }

    /// Adds a new key that is not used yet. Tells what was dropped for it.
    pub(crate) fn stage(&mut self, class: KeyClass) -> Result<Option<KeyView>, KeysError> {
        self.add(class, true)
    }

    /// Adds a new key and uses it. Tells what was dropped for it.
    pub(crate) fn rotate(&mut self, class: KeyClass) -> Result<Option<KeyView>, KeysError> {
        self.add(class, false)
    }

    fn add(&mut self, class: KeyClass, staged: bool) -> Result<Option<KeyView>, KeysError> {
        if self.class(class).iter().any(|key| key.state == KeyState::Staged) {
            return Err(KeysError::Staged(class.name()));
        }
        match class {
            KeyClass::Transient => {
                let key = Secret::generate(next_transient(&self.transient))?;
                place(&mut self.transient, key, staged);
            }
            KeyClass::Durable => {
                let taken: Vec<_> = self
                    .durable
                    .iter()
                    .map(|key| key.id)
                    .chain(self.dropped_durable.iter().copied())
                    .collect();
                place(&mut self.durable, Secret::generate(free_id(&taken)?)?, staged);
            }
            KeyClass::Signing => place(&mut self.signing, SigningKey::generate()?, staged),
        }
        match self.class(class).get(MAX_KEYS) {
            Some(surplus) => {
                let id = surplus.id.clone();
                self.remove(class, &id).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Uses the staged key; the current one is a former one from now on. Gives the new current key.
    pub(crate) fn promote(&mut self, class: KeyClass) -> Result<KeyView, KeysError> {
        let promoted = match class {
            KeyClass::Transient => promote(&mut self.transient),
            KeyClass::Durable => promote(&mut self.durable),
            KeyClass::Signing => promote(&mut self.signing),
        };
        let current = self.class(class).into_iter().next();
        current.filter(|_| promoted).ok_or(KeysError::NothingStaged(class.name()))
    }

    /// Takes a former or a staged key out.
    pub(crate) fn remove(&mut self, class: KeyClass, id: &str) -> Result<KeyView, KeysError> {
        let found = self.class(class).into_iter().find(|key| key.id == id);
        let found = found.ok_or_else(|| KeysError::Unknown(class.name(), id.to_owned()))?;
        if found.state == KeyState::Current {
            return Err(KeysError::InUse(class.name(), found.id));
        }
        match class {
            KeyClass::Transient => self.transient.retain(|key| key.id() != id),
            KeyClass::Durable => {
                self.durable.retain(|key| key.id() != id);
                self.dropped_durable.extend(found.durable_id());
            }
            KeyClass::Signing => self.signing.retain(|key| key.id() != id),
        }
        Ok(found)
    }

    /// A file in which the first key of a class is staged was edited: the server would use that key.
    pub(super) fn check_order(&self) -> Result<(), KeysError> {
        let first_is_staged = |class: KeyClass| match class {
            KeyClass::Transient => starts_staged(&self.transient),
            KeyClass::Durable => starts_staged(&self.durable),
            KeyClass::Signing => starts_staged(&self.signing),
        };
        let classes = [KeyClass::Transient, KeyClass::Durable, KeyClass::Signing];
        match classes.into_iter().find(|class| first_is_staged(*class)) {
            Some(class) => Err(KeysError::Order(class.name())),
            None => Ok(()),
        }
    }
}

impl Life {
    pub(super) fn now(staged: bool) -> Self {
        Self { staged, since: Some(OffsetDateTime::now_utc().unix_timestamp()) }
    }
}

/// What both kinds of key have.
trait Held {
    fn id(&self) -> String;
    fn life(&self) -> Life;
    fn set_life(&mut self, life: Life);
}

impl Held for Secret {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn life(&self) -> Life {
        self.life
    }

    fn set_life(&mut self, life: Life) {
        self.life = life;
    }
}

impl Held for SigningKey {
    fn id(&self) -> String {
        self.kid.clone()
    }

    fn life(&self) -> Life {
        self.life
    }

    fn set_life(&mut self, life: Life) {
        self.life = life;
    }
}

fn views<K: Held>(class: KeyClass, keys: &[K]) -> Vec<KeyView> {
    let view = |(place, key): (usize, &K)| KeyView {
        class,
        id: key.id(),
        state: match (place, key.life().staged) {
            (0, _) => KeyState::Current,
            (_, true) => KeyState::Staged,
            (_, false) => KeyState::Former,
        },
        since: key.life().since.and_then(|since| OffsetDateTime::from_unix_timestamp(since).ok()),
    };
    keys.iter().enumerate().map(view).collect()
}

fn starts_staged<K: Held>(keys: &[K]) -> bool {
    keys.first().is_some_and(|key| key.life().staged)
}

fn place<K: Held>(keys: &mut Vec<K>, mut key: K, staged: bool) {
    key.set_life(Life::now(staged));
    if staged {
        keys.insert(1.min(keys.len()), key);
    } else {
        retire_current(keys);
        keys.insert(0, key);
    }
}

fn promote<K: Held>(keys: &mut Vec<K>) -> bool {
    let Some(place) = keys.iter().position(|key| key.life().staged) else { return false };
    let mut key = keys.remove(place);
    key.set_life(Life::now(false));
    retire_current(keys);
    keys.insert(0, key);
    true
}

fn retire_current<K: Held>(keys: &mut [K]) {
    if let Some(current) = keys.first_mut() {
        current.set_life(Life::now(false));
    }
}

/// An id above all others, or the least that is free. Nothing that a transient key made outlives its last place in
/// the file, so the id of one that is gone may come again.
fn next_transient(others: &[Secret]) -> u8 {
    let newest = others.iter().map(|known| known.id).max().unwrap_or(0);
    let free = |id: &u8| others.iter().all(|known| known.id != *id);
    (newest..=u8::MAX).chain(1..=u8::MAX).find(free).unwrap_or(1)
}

/// The least id above all of these, or the least that is not among them.
pub(super) fn free_id(taken: &[u8]) -> Result<u8, KeysError> {
    let newest = taken.iter().copied().max().unwrap_or(0);
    let mut ids = (newest..=u8::MAX).chain(1..=u8::MAX);
    ids.find(|id| *id != 0 && !taken.contains(id)).ok_or(KeysError::IdsUsedUp)
}
