//! The ring: two classes of keys, each with its current key and up to two others, which are staged or retired. It must
//! never print a key, or fall back to another one.

use alloc::vec::Vec;
use core::fmt;
use rand_core::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::{
    crypto::{
        declassify::{declassify, declassify_id},
        mac::{MacKey, Tag},
        transcript::Transcript,
        wipe::{SecretArray, wipe},
    },
    keys::derive,
    value::{
        id::{KeyId, TenantTag},
        instant::Millis,
        text::Text,
    },
};

/// One secret key. Its id is computed, in each class and context another one.
pub struct Key {
    /// The key as HMAC pads it: zeros behind it, or its hash if it is longer than a block (RFC 2104 section 2).
    block: SecretArray<64>,
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
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        let mut block = SecretArray::new();
        if let Some(secret) = block.first_chunk_mut::<{ Self::MIN_BYTES }>() {
            rng.try_fill_bytes(secret)?;
        }
        Ok(Self { block })
    }

    /// Takes a secret of 32 to 1,024 bytes from a cryptographic random generator.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&secret.len()) {
            return Err(KeyError::Length);
        }
        let mut block = SecretArray::new();
        if secret.len() > block.len() {
            let mut digest = Sha256::digest(secret);
            block.iter_mut().zip(&digest).for_each(|(slot, byte)| *slot = *byte);
            wipe(&mut digest);
        } else {
            block.iter_mut().zip(secret).for_each(|(slot, byte)| *slot = *byte);
        }
        Ok(Self { block })
    }

    /// The id that the key has as a transient one of a ring with this context.
    #[must_use]
    pub fn transient_id(&self, context: &str) -> KeyId {
        self.id("id/transient", context)
    }

    /// The id that the key has as a durable one of a ring with this context: the one that
    /// [`stale_keys`](crate::Verifier::stale_keys) names.
    #[must_use]
    pub fn durable_id(&self, context: &str) -> KeyId {
        self.id("id/durable", context)
    }

    /// The first 4 bytes of the sub-key of the class: HMAC(key; F(`countersign/v1/id/` + class), F(context)).
    fn id(&self, label: &str, context: &str) -> KeyId {
        KeyId(declassify_id(*self.sub_key_bytes(label, context).first()))
    }

    /// The keyed state for one label: HMAC(key; F(`countersign/v1/` + label), F(context)).
    fn sub_key(&self, label: &str, context: &str) -> MacKey {
        self.sub_key_bytes(label, context).into_mac_key()
    }

    pub(crate) fn sub_key_bytes(&self, label: &str, context: &str) -> Tag {
        let mut message = Transcript::new(MacKey::new(&self.block));
        message.joined(&[b"countersign/v1/", label.as_bytes()]).field(context.as_bytes());
        message.finish()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A key or a ring that the core does not take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret is shorter than 32 bytes or longer than 1,024.
    Length,
    /// Two secrets of one class have the same computed id by chance, of which there is one in 2^32 for each pair. Take
    /// another secret instead of the newer one.
    IdCollision(KeyId),
    /// The same secret was given twice: the classes must be independent, and a rotation must change the secret.
    ReusedSecret,
    /// A class has more than one current and two other keys.
    TooManyKeys,
    /// The context is longer than 255 bytes.
    ContextTooLong,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("a key has 32 to 1,024 bytes"),
            Self::IdCollision(id) => {
                write!(f, "two keys of one class have the id {id}: generate another key")
            }
            Self::ReusedSecret => f.write_str("the same secret was given as two keys"),
            Self::TooManyKeys => f.write_str("a class holds one current key and at most two others"),
            Self::ContextTooLong => f.write_str("the context is longer than 255 bytes"),
        }
    }
}

impl core::error::Error for KeyError {}

/// The keys of one issuer or tenant.
///
/// ```
/// # fn main() -> Result<(), countersign::keys::KeyError> {
/// use countersign::{Key, KeyRing};
///
/// # let [secret_1, secret_2, secret_3] = [[1_u8; 32], [2; 32], [3; 32]];
/// # let switched = time::OffsetDateTime::UNIX_EPOCH;
/// let keys = KeyRing::new("https://id.example.com/", Key::new(&secret_2)?, Key::new(&secret_1)?)?
///     .retired_transient(Key::new(&secret_3)?, switched)?;
/// # drop(keys); Ok(()) }
/// ```
#[derive(Clone)]
pub struct KeyRing {
    context: Text,
    tenant: TenantTag,
    transient: Class<TransientKey>,
    durable: Class<DurableKey>,
}

impl KeyRing {
    /// How many keys a class may hold.
    pub const MAX_KEYS: usize = 3;

    /// A ring of one current key a class. The context, at most 255 bytes, is the issuer or tenant: rings with different
    /// contexts share nothing, even with the same secrets. A record that was written under another context is refused as
    /// [`WrongRecord`](crate::Denial::WrongRecord): a context is for ever.
    ///
    /// # Errors
    /// [`KeyError`] if the context is too long or the same secret was given for both classes.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn new(context: &str, transient: Key, durable: Key) -> Result<Self, KeyError> {
        if context.len() > 255 {
            return Err(KeyError::ContextTooLong);
        }
        if declassify(fingerprint(&transient).matches(&fingerprint(&durable))) {
            return Err(KeyError::ReusedSecret);
        }
        Ok(Self {
            context: Text::from(context),
            tenant: derive::tenant_tag(context),
            transient: Class { current: TransientKey::new(&transient, context, None), others: Vec::new() },
            durable: Class { current: DurableKey::new(&durable, context), others: Vec::new() },
        })
    }

    /// Adds a transient key that was current until `at`. What it made until then still verifies; a token that was
    /// begun, or a handle or challenge that was issued, after `at` is refused, so a key that leaked forges no session
    /// that lives longer than the tokens of that time. `at` is when the last node switched to the new key, with a
    /// leeway for clocks that differ. A key that must not verify anything more is left out of the ring instead.
    ///
    /// # Errors
    /// [`KeyError`] if the secret is in the ring already, or the class is full.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn retired_transient(self, key: Key, at: OffsetDateTime) -> Result<Self, KeyError> {
        self.add_transient(&key, Some(Millis::from(at)))
    }

    /// Adds a transient key that another node may make current before this one does: what it makes verifies.
    ///
    /// # Errors
    /// [`KeyError`] if the secret is in the ring already, or the class is full.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn staged_transient(self, key: Key) -> Result<Self, KeyError> {
        self.add_transient(&key, None)
    }

    /// Adds a durable key that was current: what it made still verifies, as long as it stays in the ring.
    ///
    /// # Errors
    /// [`KeyError`] if the secret is in the ring already, or the class is full.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn retired_durable(self, key: Key) -> Result<Self, KeyError> {
        self.add_durable(&key)
    }

    /// Adds a durable key that another node may make current before this one does: what it makes verifies.
    ///
    /// # Errors
    /// [`KeyError`] if the secret is in the ring already, or the class is full.
    #[allow(clippy::needless_pass_by_value, reason = "a key belongs to one ring")]
    pub fn staged_durable(self, key: Key) -> Result<Self, KeyError> {
        self.add_durable(&key)
    }

    fn add_transient(mut self, key: &Key, retired: Option<Millis>) -> Result<Self, KeyError> {
        let new = TransientKey::new(key, &self.context, retired);
        self.admit(key, new.id, self.transient.all().map(|known| known.id))?;
        self.transient.others.push(new);
        Ok(self)
    }

    fn add_durable(mut self, key: &Key) -> Result<Self, KeyError> {
        let new = DurableKey::new(key, &self.context);
        self.admit(key, new.id, self.durable.all().map(|known| known.id))?;
        self.durable.others.push(new);
        Ok(self)
    }

    /// Whether the key may join the class with these ids.
    fn admit(
        &self,
        key: &Key,
        id: KeyId,
        class: impl Iterator<Item = KeyId> + Clone,
    ) -> Result<(), KeyError> {
        let fingerprint = fingerprint(key);
        let transient = self.transient.all().map(|known| &known.fingerprint);
        let mut secrets = transient.chain(self.durable.all().map(|known| &known.fingerprint));
        if class.clone().count() == Self::MAX_KEYS {
            Err(KeyError::TooManyKeys)
        } else if secrets.any(|known| declassify(known.matches(&fingerprint))) {
            Err(KeyError::ReusedSecret)
        } else if class.into_iter().any(|known| known == id) {
            Err(KeyError::IdCollision(id))
        } else {
            Ok(())
        }
    }

    /// What a record carries of the context.
    pub(crate) const fn tenant(&self) -> TenantTag {
        self.tenant
    }

    /// The key that makes new tokens, handles and binding codes.
    pub(crate) const fn transient(&self) -> &TransientKey {
        &self.transient.current
    }

    /// The transient key with this id, whether or not it was retired.
    pub(crate) fn transient_by_id(&self, id: KeyId) -> Option<&TransientKey> {
        self.transient.all().find(|key| key.id == id)
    }

    /// The key that makes new recovery codes, their hashes, destination keys and device tokens.
    pub(crate) const fn durable(&self) -> &DurableKey {
        &self.durable.current
    }

    /// The durable key with this id.
    pub(crate) fn durable_by_id(&self, id: KeyId) -> Option<&DurableKey> {
        self.durable.all().find(|key| key.id == id)
    }

    /// All durable keys, the current one first.
    pub(crate) fn durable_keys(&self) -> impl Iterator<Item = &DurableKey> {
        self.durable.all()
    }
}

/// The keys of one class: one that makes, and others that only verify.
#[derive(Clone)]
struct Class<K> {
    current: K,
    others: Vec<K>,
}

impl<K> Class<K> {
    fn all(&self) -> impl Iterator<Item = &K> + Clone {
        core::iter::once(&self.current).chain(&self.others)
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
    pub(crate) id: KeyId,
    /// When it stopped to make anything.
    retired: Option<Millis>,
    fingerprint: Tag,
    pub(crate) token: MacKey,
    pub(crate) oob: MacKey,
    pub(crate) binding: MacKey,
    pub(crate) proof: MacKey,
    pub(crate) link: MacKey,
    pub(crate) link_code: MacKey,
}

impl TransientKey {
    pub(crate) fn new(key: &Key, context: &str, retired: Option<Millis>) -> Self {
        Self {
            id: key.transient_id(context),
            retired,
            fingerprint: fingerprint(key),
            token: key.sub_key("token", context),
            oob: key.sub_key("oob", context),
            binding: key.sub_key("binding", context),
            proof: key.sub_key("proof", context),
            link: key.sub_key("link", context),
            link_code: key.sub_key("link-code", context),
        }
    }

    /// Whether it was in use at this time. What claims to be of a later one is forged, or of a node that lags behind.
    pub(crate) fn was_in_use(&self, at: Millis) -> bool {
        self.retired.is_none_or(|retired| at <= retired)
    }
}

/// The keyed states of one durable key.
#[derive(Clone)]
pub(crate) struct DurableKey {
    pub(crate) id: KeyId,
    fingerprint: Tag,
    pub(crate) recovery: MacKey,
    pub(crate) recovery_issue: MacKey,
    pub(crate) recovery_next: MacKey,
    pub(crate) destination: MacKey,
    pub(crate) device: MacKey,
    pub(crate) device_outer: MacKey,
    pub(crate) totp: MacKey,
}

impl DurableKey {
    pub(crate) fn new(key: &Key, context: &str) -> Self {
        Self {
            id: key.durable_id(context),
            fingerprint: fingerprint(key),
            recovery: key.sub_key("recovery", context),
            recovery_issue: key.sub_key("recovery-issue", context),
            recovery_next: key.sub_key("recovery-next", context),
            destination: key.sub_key("destination", context),
            device: key.sub_key("device", context),
            device_outer: key.sub_key("device-outer", context),
            totp: key.sub_key("totp", context),
        }
    }
}

/// What tells two secrets apart inside a ring, without keeping them.
fn fingerprint(key: &Key) -> Tag {
    let mut message = Transcript::new(MacKey::new(&key.block));
    message.fixed(b"countersign/v1/fingerprint");
    message.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{
        mac::Tag,
        seed::Seed,
        wipe::tests::{wiped_by, wiped_with},
    };

    fn key(byte: u8) -> Key {
        let Ok(key) = Key::new(&[byte; 32]) else { unreachable!() };
        key
    }

    #[test]
    fn rings_refuse_short_reused_and_surplus_keys() {
        assert_eq!(Key::new(&[1; 31]).err(), Some(KeyError::Length));
        assert_eq!(Key::new(&[1; 1025]).err(), Some(KeyError::Length));
        let ring = || KeyRing::new("t", key(1), key(2));
        assert_eq!(KeyRing::new("t", key(1), key(1)).err(), Some(KeyError::ReusedSecret));
        assert_eq!(KeyRing::new(&"t".repeat(256), key(1), key(2)).err(), Some(KeyError::ContextTooLong));
        for known in [1, 2] {
            let reused = Some(KeyError::ReusedSecret);
            assert_eq!(ring().and_then(|r| r.staged_transient(key(known))).err(), reused);
            assert_eq!(ring().and_then(|r| r.retired_durable(key(known))).err(), reused);
        }
        let full = || {
            ring()
                .and_then(|r| r.retired_durable(key(3)))
                .and_then(|r| r.staged_durable(key(4)))
                .and_then(|r| r.retired_transient(key(5), OffsetDateTime::UNIX_EPOCH))
                .and_then(|r| r.staged_transient(key(6)))
        };
        assert!(full().is_ok());
        assert_eq!(full().and_then(|r| r.retired_durable(key(7))).err(), Some(KeyError::TooManyKeys));
        assert_eq!(full().and_then(|r| r.staged_transient(key(7))).err(), Some(KeyError::TooManyKeys));
    }

    /// Secrets whose computed ids are the same, found by trial: 2^16 of them have such a pair more often than not.
    #[test]
    fn rings_refuse_a_second_key_with_the_id_of_the_first() {
        let numbered = |number: u64| {
            let mut secret = [0; 32];
            if let Some(end) = secret.last_chunk_mut() {
                *end = number.to_be_bytes();
            }
            let Ok(key) = Key::new(&secret) else { unreachable!() };
            key
        };
        let [first, second] = [6_837, 12_946];
        let id = numbered(first).transient_id("t");
        assert_eq!(numbered(second).transient_id("t"), id);
        let ring = KeyRing::new("t", numbered(first), key(2));
        let twice = ring.and_then(|r| r.staged_transient(numbered(second)));
        assert_eq!(twice.err(), Some(KeyError::IdCollision(id)));
        let [first, second] = [40_922, 59_644];
        let id = numbered(first).durable_id("t");
        let ring = KeyRing::new("t", key(1), numbered(first));
        let twice = ring.and_then(|r| r.retired_durable(numbered(second)));
        assert_eq!(twice.err(), Some(KeyError::IdCollision(id)));
    }

    #[test]
    fn an_id_is_of_one_key_class_and_context() {
        let ids = [
            key(1).transient_id("t"),
            key(1).durable_id("t"),
            key(1).transient_id("u"),
            key(2).transient_id("t"),
        ];
        for (place, id) in ids.iter().enumerate() {
            assert!(ids.iter().skip(place + 1).all(|other| other != id));
        }
    }

    #[test]
    fn a_retired_key_was_in_use_until_its_time_and_a_staged_one_always() {
        let retired = TransientKey::new(&key(1), "t", Some(Millis(5)));
        assert_eq!([4, 5, 6].map(|at| retired.was_in_use(Millis(at))), [true, true, false]);
        assert!(TransientKey::new(&key(1), "t", None).was_in_use(Millis(u64::MAX)));
    }

    #[test]
    fn a_generated_key_is_what_its_bytes_make() {
        use rand::{Rng as _, SeedableRng as _, rngs::ChaCha20Rng};
        let Ok(generated) = Key::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let mut bytes = [0; 32];
        ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut bytes);
        let Ok(given) = Key::new(&bytes) else { unreachable!() };
        assert_eq!(&*generated.block, &*given.block);
    }

    #[test]
    fn tags_seeds_and_keys_are_wiped_when_they_go() {
        assert_eq!(wiped_with(Tag([1; 32])), 32);
        assert_eq!(wiped_with(Seed([1; 16])), 16);
        assert_eq!(wiped_with(key(1)), 64);
        // A secret longer than a block is hashed first.
        let (long, wiped) = wiped_by(|| Key::new(&[1; 65]));
        assert!(long.is_ok());
        assert_eq!(wiped, 32);
    }
}
