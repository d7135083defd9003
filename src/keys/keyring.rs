//! The ring: two classes of keys, each with its current key and up to two older ones. It must never print a key, or
//! fall back to another one.

use alloc::vec::Vec;
use core::fmt;
use rand_core::TryCryptoRng;
use sha2::{Digest as _, Sha256};

use crate::{
    crypto::{
        declassify::reveal,
        mac::{Keyed, Tag},
        wipe::{Scratch, wipe},
    },
    value::text::Text,
};

/// One secret key with its id.
pub struct Key {
    id: u8,
    /// The key as HMAC pads it: zeros behind it, or its hash if it is longer than a block (RFC 2104 section 2).
    block: Scratch<64>,
}

impl Key {
    /// The least length of a secret, in bytes.
    pub const MIN_BYTES: usize = 32;
    /// The greatest length of a secret, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// A new key of 32 random bytes, for a program that keeps none: what it made is lost with it.
    ///
    /// # Errors
    /// That of the generator.
    pub fn generate<R: TryCryptoRng + ?Sized>(id: u8, rng: &mut R) -> Result<Self, R::Error> {
        let mut block = Scratch::new();
        if let Some(secret) = block.first_chunk_mut::<{ Self::MIN_BYTES }>() {
            rng.try_fill_bytes(secret)?;
        }
        Ok(Self { id, block })
    }

    /// Takes a secret of 32 to 1,024 bytes from a cryptographic random generator, and the id that is stored with
    /// everything the key makes. An id must never be given to a second secret.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn new(id: u8, secret: &[u8]) -> Result<Self, KeyError> {
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&secret.len()) {
            return Err(KeyError::Length);
        }
        let mut block = Scratch::new();
        if secret.len() > block.len() {
            let mut digest = Sha256::digest(secret);
            block.iter_mut().zip(&digest).for_each(|(slot, byte)| *slot = *byte);
            wipe(&mut digest);
        } else {
            block.iter_mut().zip(secret).for_each(|(slot, byte)| *slot = *byte);
        }
        Ok(Self { id, block })
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The keyed state for one label: HMAC(key; F(`countersign/v1/` + label), F(context)).
    fn sub_key(&self, label: &str, context: &str) -> Keyed {
        self.sub_key_bytes(label, context).into_keyed()
    }

    pub(crate) fn sub_key_bytes(&self, label: &str, context: &str) -> Tag {
        let mut message = Keyed::new(&self.block).message();
        message.joined(&[b"countersign/v1/", label.as_bytes()]).field(context.as_bytes());
        message.tag()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key or a ring that the core does not take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret is shorter than 32 bytes or longer than 1,024.
    Length,
    /// Two keys of one class have the same id.
    DuplicateId(u8),
    /// The same secret was given twice: the classes must be independent, and a rotation must change the secret.
    ReusedSecret,
    /// A class has more than one current and two older keys.
    TooManyKeys,
    /// The context is longer than 255 bytes.
    ContextTooLong,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("a key has 32 to 1,024 bytes"),
            Self::DuplicateId(id) => write!(f, "two keys of one class have the id {id}"),
            Self::ReusedSecret => f.write_str("the same secret was given as two keys"),
            Self::TooManyKeys => f.write_str("a class holds one current key and at most two older ones"),
            Self::ContextTooLong => f.write_str("the context is longer than 255 bytes"),
        }
    }
}

impl core::error::Error for KeyError {}

/// The keys of one issuer or tenant.
///
/// ```
/// # fn main() -> Result<(), countersign::KeyError> {
/// use countersign::{Key, KeyRing};
///
/// # let [secret_1, secret_2, secret_3] = [[1_u8; 32], [2; 32], [3; 32]];
/// let keys = KeyRing::new("https://id.example.com/", Key::new(2, &secret_2)?, Key::new(1, &secret_1)?)?
///     .with_older_transient(Key::new(1, &secret_3)?)?;
/// # drop(keys); Ok(()) }
/// ```
#[derive(Clone)]
pub struct KeyRing {
    context: Text,
    transient: Class<TransientKey>,
    durable: Class<DurableKey>,
}

impl KeyRing {
    /// How many keys a class may hold.
    pub const MAX_KEYS: usize = 3;

    /// A ring of one current key a class. The context, at most 255 bytes, is the issuer or tenant: rings with different
    /// contexts share nothing, even with the same secrets.
    ///
    /// # Errors
    /// [`KeyError`] if the context is too long or the same secret was given for both classes.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn new(context: &str, transient: Key, durable: Key) -> Result<Self, KeyError> {
        if context.len() > 255 {
            return Err(KeyError::ContextTooLong);
        }
        if reveal(fingerprint(&transient).matches(&fingerprint(&durable))) {
            return Err(KeyError::ReusedSecret);
        }
        Ok(Self {
            context: Text::from(context),
            transient: Class { current: TransientKey::new(&transient, context), older: Vec::new() },
            durable: Class { current: DurableKey::new(&durable, context), older: Vec::new() },
        })
    }

    /// Adds a key that still verifies tokens, handles and codes made before it was replaced.
    ///
    /// # Errors
    /// [`KeyError`] if its id or secret is in the ring already, or the class is full.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn with_older_transient(mut self, key: Key) -> Result<Self, KeyError> {
        self.admit(&key, self.transient.all().map(|known| known.id))?;
        self.transient.older.push(TransientKey::new(&key, &self.context));
        Ok(self)
    }

    /// Adds a key that still verifies recovery codes made before it was replaced.
    ///
    /// # Errors
    /// [`KeyError`] if its id or secret is in the ring already, or the class is full.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn with_older_durable(mut self, key: Key) -> Result<Self, KeyError> {
        self.admit(&key, self.durable.all().map(|known| known.id))?;
        self.durable.older.push(DurableKey::new(&key, &self.context));
        Ok(self)
    }

    /// Whether the key may join the class with these ids.
    fn admit(&self, key: &Key, class: impl Iterator<Item = u8> + Clone) -> Result<(), KeyError> {
        let fingerprint = fingerprint(key);
        let transient = self.transient.all().map(|known| &known.fingerprint);
        let mut secrets = transient.chain(self.durable.all().map(|known| &known.fingerprint));
        if class.clone().count() == Self::MAX_KEYS {
            Err(KeyError::TooManyKeys)
        } else if secrets.any(|known| reveal(known.matches(&fingerprint))) {
            Err(KeyError::ReusedSecret)
        } else if class.into_iter().any(|known| known == key.id) {
            Err(KeyError::DuplicateId(key.id))
        } else {
            Ok(())
        }
    }

    /// The key that makes new tokens, handles and binding codes.
    pub(crate) const fn transient(&self) -> &TransientKey {
        &self.transient.current
    }

    /// The transient key with this id.
    pub(crate) fn transient_by_id(&self, id: u8) -> Option<&TransientKey> {
        self.transient.all().find(|key| key.id == id)
    }

    /// The key that makes new recovery codes, their hashes and destination keys.
    pub(crate) const fn durable(&self) -> &DurableKey {
        &self.durable.current
    }

    /// The durable key with this id.
    pub(crate) fn durable_by_id(&self, id: u8) -> Option<&DurableKey> {
        self.durable.all().find(|key| key.id == id)
    }

    /// All durable keys, the current one first.
    pub(crate) fn durable_keys(&self) -> impl Iterator<Item = &DurableKey> {
        self.durable.all()
    }
}

/// The keys of one class: one that makes, and older ones that only verify.
#[derive(Clone)]
struct Class<K> {
    current: K,
    older: Vec<K>,
}

impl<K> Class<K> {
    fn all(&self) -> impl Iterator<Item = &K> + Clone {
        core::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("context", &self.context)
            .field("transient", &self.transient.all().map(|key| key.id).collect::<Vec<_>>())
            .field("durable", &self.durable.all().map(|key| key.id).collect::<Vec<_>>())
            .finish()
    }
}

/// The keyed states of one transient key.
#[derive(Clone)]
pub(crate) struct TransientKey {
    pub(crate) id: u8,
    fingerprint: Tag,
    pub(crate) token: Keyed,
    pub(crate) oob: Keyed,
    pub(crate) binding: Keyed,
}

impl TransientKey {
    pub(crate) fn new(key: &Key, context: &str) -> Self {
        Self {
            id: key.id,
            fingerprint: fingerprint(key),
            token: key.sub_key("token", context),
            oob: key.sub_key("oob", context),
            binding: key.sub_key("binding", context),
        }
    }
}

/// The keyed states of one durable key.
#[derive(Clone)]
pub(crate) struct DurableKey {
    pub(crate) id: u8,
    fingerprint: Tag,
    pub(crate) recovery: Keyed,
    pub(crate) recovery_issue: Keyed,
    pub(crate) recovery_next: Keyed,
    pub(crate) destination: Keyed,
}

impl DurableKey {
    pub(crate) fn new(key: &Key, context: &str) -> Self {
        Self {
            id: key.id,
            fingerprint: fingerprint(key),
            recovery: key.sub_key("recovery", context),
            recovery_issue: key.sub_key("recovery-issue", context),
            recovery_next: key.sub_key("recovery-next", context),
            destination: key.sub_key("destination", context),
        }
    }
}

/// What tells two secrets apart inside a ring, without keeping them.
fn fingerprint(key: &Key) -> Tag {
    let mut message = Keyed::new(&key.block).message();
    message.fixed(b"countersign/v1/fingerprint");
    message.tag()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{mac::Tag, seed::Seed, wipe::tests::wiped_with};

    fn key(id: u8, byte: u8) -> Key {
        let Ok(key) = Key::new(id, &[byte; 32]) else { unreachable!() };
        key
    }

    #[test]
    fn rings_refuse_short_reused_and_surplus_keys() {
        assert_eq!(Key::new(1, &[1; 31]).err(), Some(KeyError::Length));
        assert_eq!(Key::new(1, &[1; 1025]).err(), Some(KeyError::Length));
        let ring = || KeyRing::new("t", key(1, 1), key(1, 2));
        assert_eq!(KeyRing::new("t", key(1, 1), key(2, 1)).err(), Some(KeyError::ReusedSecret));
        assert_eq!(
            KeyRing::new(&"t".repeat(256), key(1, 1), key(1, 2)).err(),
            Some(KeyError::ContextTooLong)
        );
        assert_eq!(
            ring().and_then(|r| r.with_older_transient(key(1, 3))).err(),
            Some(KeyError::DuplicateId(1))
        );
        assert_eq!(ring().and_then(|r| r.with_older_durable(key(2, 1))).err(), Some(KeyError::ReusedSecret));
        let full = ring()
            .and_then(|r| r.with_older_durable(key(2, 3)))
            .and_then(|r| r.with_older_durable(key(3, 4)));
        assert!(full.is_ok());
        assert_eq!(full.and_then(|r| r.with_older_durable(key(4, 5))).err(), Some(KeyError::TooManyKeys));
    }

    #[test]
    fn a_generated_key_is_what_its_bytes_make() {
        use rand::{Rng as _, SeedableRng as _, rngs::ChaCha20Rng};
        let Ok(generated) = Key::generate(7, &mut ChaCha20Rng::seed_from_u64(1));
        let mut bytes = [0; 32];
        ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut bytes);
        let Ok(given) = Key::new(7, &bytes) else { unreachable!() };
        assert_eq!((generated.id, &*generated.block), (7, &*given.block));
    }

    #[test]
    fn tags_seeds_and_keys_are_wiped_when_they_go() {
        assert_eq!(wiped_with(Tag([1; 32])), 32);
        assert_eq!(wiped_with(Seed([1; 16])), 16);
        assert_eq!(wiped_with(key(1, 1)), 64);
    }
}
