//! The token of a remembered device. Its outer tag is checked without the store, so that a forged one loads
//! nothing; its inner one takes the seed of the record. What passed the outer tag must never be believed
//! before the record said so.

use core::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    crypto::{
        base64url,
        declassify::declassify,
        mac::{Tag, ct_diff},
        seed::Seed,
        wipe::SecretArray,
    },
    keys::{
        derive::{self, DEVICE_PREFIX_BYTES, VERSION},
        keyring::{DurableKey, KeyRing},
    },
    value::{
        id::{DeviceId, KeyId},
        instant::Millis,
        name::Subject,
        opaque::DeviceToken,
    },
};

/// The bytes of either tag.
const TAG: usize = 20;

/// The length of a token before encoding: prefix, inner tag, outer tag.
const TOKEN_BYTES: usize = DEVICE_PREFIX_BYTES + 2 * TAG;

/// What a device presented: the outer tag was right. Whether the inner one is, the record knows.
#[derive(Clone)]
pub(crate) struct DeviceProof {
    id: DeviceId,
    tag: SecretArray<TAG>,
}

impl DeviceProof {
    /// Which device it claims to be.
    pub(crate) const fn id(&self) -> DeviceId {
        self.id
    }

    /// Whether it is the one whose inner tag this is.
    pub(crate) fn proves(&self, right: &Tag) -> bool {
        declassify(right.starts_with(&self.tag))
    }
}

impl fmt::Debug for DeviceProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceProof").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for DeviceProof {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && declassify(ct_diff(&self.tag, &other.tag).ct_eq(&0))
    }
}

impl Eq for DeviceProof {}

/// What both tags cover: version, key id, device id, expiry.
fn prefix(key: KeyId, id: DeviceId, expires: Millis) -> [u8; DEVICE_PREFIX_BYTES] {
    let mut bytes = [0; DEVICE_PREFIX_BYTES];
    let parts: [&[u8]; 4] = [&[VERSION], &key.0, &id.0, &expires.0.to_be_bytes()];
    bytes.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(slot, byte)| *slot = *byte);
    bytes
}

/// The inner tag of a device.
pub(crate) fn inner_tag(
    key: &DurableKey,
    subject: &Subject,
    (id, expires): (DeviceId, Millis),
    seed: &Seed,
) -> Tag {
    derive::device_tag(&key.device, subject, &prefix(key.id, id, expires), seed)
}

/// Makes the token of a device.
pub(crate) fn seal_device(
    key: &DurableKey,
    subject: &Subject,
    (id, expires): (DeviceId, Millis),
    seed: &Seed,
) -> DeviceToken {
    let prefix = prefix(key.id, id, expires);
    let mut bytes = SecretArray::<TOKEN_BYTES>::new();
    let inner = inner_tag(key, subject, (id, expires), seed);
    let outer = derive::device_outer_tag(&key.device_outer, subject, &prefix);
    let parts: [&[u8]; 3] = [&prefix, inner.first::<TAG>(), outer.first::<TAG>()];
    bytes.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(slot, byte)| *slot = *byte);
    DeviceToken { text: Zeroizing::new(base64url::encode(&*bytes)), expires }
}

/// Reads a token; `None` if it is not one that a key of the ring made for this subject.
pub(crate) fn open_device(keys: &KeyRing, subject: &Subject, text: &str) -> Option<DeviceProof> {
    let mut buffer = SecretArray::<{ base64url::room(TOKEN_BYTES) }>::new();
    let bytes = base64url::decode(text, TOKEN_BYTES, buffer.as_mut_slice())?;
    let (rest, outer) = bytes.split_last_chunk::<TAG>()?;
    let (prefix, inner) = rest.split_last_chunk::<TAG>()?;
    let prefix: &[u8; DEVICE_PREFIX_BYTES] = prefix.try_into().ok()?;
    let [VERSION, fields @ ..] = prefix else { return None };
    let (key_id, fields) = fields.split_first_chunk::<4>()?;
    let (id, _expires) = fields.split_first_chunk::<16>()?;
    let key = keys.durable_by_id(KeyId(*key_id))?;
    let right = derive::device_outer_tag(&key.device_outer, subject, prefix);
    if !declassify(right.starts_with(outer)) {
        return None;
    }
    let mut tag = SecretArray::new();
    *tag = *inner;
    Some(DeviceProof { id: DeviceId(*id), tag })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::wipe::tests::{wiped_by, wiped_with},
        keys::keyring::Key,
    };
    use alloc::{format, string::String};

    fn keys() -> KeyRing {
        KeyRing::new("t", Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap()).unwrap()
    }

    fn device() -> (Subject, (DeviceId, Millis), Seed) {
        (Subject::new("user-1").unwrap(), (DeviceId(*b"0123456789ABCDef"), Millis(7)), Seed([3; 16]))
    }

    #[test]
    fn a_token_opens_for_its_own_subject_and_keys_and_proves_one_seed_and_expiry() {
        let keys = keys();
        let (subject, terms, seed) = device();
        let key = keys.durable();
        let token = seal_device(key, &subject, terms, &seed);
        assert_eq!((token.expose().len(), (TOKEN_BYTES * 4).div_ceil(3)), (92, 92), "no buffer is larger");
        assert_eq!(token.expires(), terms.1.to_datetime());
        let opened = open_device(&keys, &subject, token.expose()).unwrap();
        assert_eq!(opened.id(), terms.0);
        assert!(opened.proves(&inner_tag(key, &subject, terms, &seed)));
        assert!(!opened.proves(&inner_tag(key, &subject, terms, &Seed([4; 16]))));
        assert!(!opened.proves(&inner_tag(key, &subject, (terms.0, Millis(8)), &seed)));
        let other = Subject::new("user-2").unwrap();
        assert!(!opened.proves(&inner_tag(key, &other, terms, &seed)));
        assert!(open_device(&keys, &other, token.expose()).is_none());
        let [first, second] = [Key::new(&[1; 32]).unwrap(), Key::new(&[5; 32]).unwrap()];
        let others = KeyRing::new("t", first, second).unwrap();
        assert!(open_device(&others, &subject, token.expose()).is_none());
        assert_eq!(opened, opened.clone());
        let later = seal_device(key, &subject, (terms.0, Millis(8)), &seed);
        assert_ne!(opened, open_device(&keys, &subject, later.expose()).unwrap());
        assert_eq!((token.clone() == token, token == later), (true, false));
        let elsewhere = seal_device(key, &subject, (DeviceId(*b"0123456789ABCDeg"), Millis(7)), &seed);
        let mut elsewhere = open_device(&keys, &subject, elsewhere.expose()).unwrap();
        elsewhere.tag = opened.tag.clone();
        assert_ne!(opened, elsewhere);
    }

    #[test]
    fn another_version_length_or_bit_is_no_token() {
        let keys = keys();
        let (subject, terms, seed) = device();
        let key = keys.durable();
        let token = seal_device(key, &subject, terms, &seed);
        let mut buffer = SecretArray::<{ base64url::room(TOKEN_BYTES) }>::new();
        let bytes = base64url::decode(token.expose(), TOKEN_BYTES, buffer.as_mut_slice()).unwrap();
        for place in 0..bytes.len() {
            let mut changed: [u8; TOKEN_BYTES] = bytes.try_into().unwrap();
            changed[place] ^= 1;
            let opened = open_device(&keys, &subject, &base64url::encode(&changed));
            // The inner tag is for the record to judge.
            let inner = (DEVICE_PREFIX_BYTES..DEVICE_PREFIX_BYTES + TAG).contains(&place);
            assert_eq!(opened.is_some(), inner, "byte {place}");
            let proves = opened.is_some_and(|proof| proof.proves(&inner_tag(key, &subject, terms, &seed)));
            assert!(!proves, "byte {place}");
        }
        let mut other = prefix(key.id, terms.0, terms.1);
        other[0] = VERSION + 1;
        let outer = derive::device_outer_tag(&key.device_outer, &subject, &other);
        let forged = base64url::encode(&[&other[..], &[0; TAG], outer.first::<TAG>()].concat());
        assert!(open_device(&keys, &subject, &forged).is_none());
        let cut = String::from(&token.expose()[4..]);
        for text in [String::new(), "A".repeat(4), "A".repeat(92), "A".repeat(200), cut] {
            assert!(open_device(&keys, &subject, &text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_a_device_presented_shows_no_secret_and_is_wiped() {
        let keys = keys();
        let (subject, terms, seed) = device();
        let (token, wiped) = wiped_by(|| seal_device(keys.durable(), &subject, terms, &seed));
        // The token's bytes, and the state and tag of each of the two MACs.
        assert!(wiped >= TOKEN_BYTES + 2 * 32, "{wiped}");
        let opened = open_device(&keys, &subject, token.expose()).unwrap();
        assert_eq!(format!("{opened:?}"), "DeviceProof { id: device_0123456789ABCDef, .. }");
        assert_eq!(format!("{token:?}"), "DeviceToken(..)");
        assert_eq!(wiped_with(opened), TAG);
    }
}
