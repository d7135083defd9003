//! How keys come and go in a file: staged, promoted, rotated, dropped.
//!
//! A class holds the current key, at most one staged one behind it, and former ones from the newest to the oldest,
//! three in all. Whatever would be a fourth takes the place of the oldest former key. What was dropped is told, so
//! that its caller can ask before the file is written. This module must never put a former key in front again: it may
//! be former because it leaked.

use time::{Duration, OffsetDateTime};

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
    /// Unknown if the file was edited.
    pub(crate) since: Option<OffsetDateTime>,
    /// Until when what a former transient key made is accepted.
    pub(crate) retires: Option<OffsetDateTime>,
}

impl KeyView {
    /// The id of a durable key as records name it.
    pub(crate) fn durable_id(&self) -> Option<&str> {
        (self.class == KeyClass::Durable).then_some(self.id.as_str())
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
        self.add(class, Use::Staged)
    }

    /// Adds a new key and uses it; all servers switch to it within `grace`. Tells what was dropped for it.
    pub(crate) fn rotate(&mut self, class: KeyClass, grace: Duration) -> Result<Option<KeyView>, KeysError> {
        self.add(class, Use::Current((class == KeyClass::Transient).then_some(grace)))
    }

    fn add(&mut self, class: KeyClass, new: Use) -> Result<Option<KeyView>, KeysError> {
        if self.class(class).iter().any(|key| key.state == KeyState::Staged) {
            return Err(KeysError::Staged(class.name()));
        }
        match class {
            KeyClass::Transient => place(&mut self.transient, Secret::generate()?, new),
            KeyClass::Durable => place(&mut self.durable, Secret::generate()?, new),
            KeyClass::Signing => place(&mut self.signing, SigningKey::generate()?, new),
        }
        self.compute_ids()?;
        match self.class(class).get(MAX_KEYS) {
            Some(surplus) => {
                let id = surplus.id.clone();
                self.remove(class, &id).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Uses the staged key; the current one is a former one from now on. All servers switch within `grace`. Gives the
    /// new current key.
    pub(crate) fn promote(&mut self, class: KeyClass, grace: Duration) -> Result<KeyView, KeysError> {
        let promoted = match class {
            KeyClass::Transient => promote(&mut self.transient, Some(grace)),
            KeyClass::Durable => promote(&mut self.durable, None),
            KeyClass::Signing => promote(&mut self.signing, None),
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
            KeyClass::Durable => self.durable.retain(|key| key.id() != id),
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
        Self { staged, since: Some(OffsetDateTime::now_utc().unix_timestamp()), retires: None }
    }

    /// That of a key which is replaced now. A transient one is used by no server after the grace.
    fn replaced(grace: Option<Duration>) -> Self {
        let retires = grace.map(|grace| OffsetDateTime::now_utc().saturating_add(grace).unix_timestamp());
        Self { retires, ..Self::now(false) }
    }
}

/// How a new key joins its class.
#[derive(Clone, Copy)]
enum Use {
    Staged,
    /// With the time that all servers have to switch, for a transient key.
    Current(Option<Duration>),
}

/// What both kinds of key have.
trait Held {
    fn id(&self) -> String;
    fn life(&self) -> Life;
    fn set_life(&mut self, life: Life);
}

impl Held for Secret {
    fn id(&self) -> String {
        self.id.clone()
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
        retires: (class == KeyClass::Transient && place > 0 && !key.life().staged)
            .then(|| key.life().retires()),
    };
    keys.iter().enumerate().map(view).collect()
}

fn starts_staged<K: Held>(keys: &[K]) -> bool {
    keys.first().is_some_and(|key| key.life().staged)
}

fn place<K: Held>(keys: &mut Vec<K>, mut key: K, new: Use) {
    match new {
        Use::Staged => {
            key.set_life(Life::now(true));
            keys.insert(1.min(keys.len()), key);
        }
        Use::Current(grace) => {
            key.set_life(Life::now(false));
            retire_current(keys, grace);
            keys.insert(0, key);
        }
    }
}

fn promote<K: Held>(keys: &mut Vec<K>, grace: Option<Duration>) -> bool {
    let Some(place) = keys.iter().position(|key| key.life().staged) else { return false };
    let mut key = keys.remove(place);
    key.set_life(Life::now(false));
    retire_current(keys, grace);
    keys.insert(0, key);
    true
}

fn retire_current<K: Held>(keys: &mut [K], grace: Option<Duration>) {
    if let Some(current) = keys.first_mut() {
        current.set_life(Life::replaced(grace));
    }
}
