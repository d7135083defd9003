//! The handle and the link of a proof of an address. Both are checked without the store, and neither may ever
//! be believed unsealed: that a link is authentic says nothing of whether it still works, which takes the
//! record.

use alloc::vec::Vec;
use zeroize::Zeroizing;

use crate::{
    crypto::{base64url, declassify::declassify, wipe::SecretArray},
    keys::{
        derive::{self, STAMP_BYTES, VERSION},
        keyring::{KeyRing, TransientKey},
    },
    value::{
        id::{KeyId, ProofId},
        instant::Millis,
        name::Subject,
        opaque::{LinkToken, OobCode},
        purpose::ProofPurpose,
    },
};

/// The bytes of an outer tag.
const TAG: usize = 20;

/// The bytes of a link that take the record to check.
const SECRET: usize = 16;

const HANDLE_BYTES: usize = STAMP_BYTES + TAG;

const LINK_BYTES: usize = HANDLE_BYTES + SECRET;

/// Which of the two an outer tag is for: nobody makes a browser's handle of the link in a message.
const HANDLE: &str = "handle";

const LINK: &str = "link";

/// One ask: its id, its key, and from when until when what it sent is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Stamp {
    pub(crate) key: KeyId,
    pub(crate) proof: ProofId,
    pub(crate) issued: Millis,
    pub(crate) deadline: Millis,
}

impl Stamp {
    /// Version, key id, proof id, time of issue, deadline.
    pub(crate) fn bytes(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &self.key.0,
            &self.proof.0,
            &self.issued.0.to_be_bytes(),
            &self.deadline.0.to_be_bytes(),
        ];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            let Some((slots, behind)) = rest.split_at_mut_checked(part.len()) else { break };
            slots.copy_from_slice(part);
            rest = behind;
        }
        bytes
    }

    fn read(bytes: &[u8; STAMP_BYTES]) -> Option<Self> {
        let [VERSION, rest @ ..] = bytes else { return None };
        let (key, rest) = rest.split_first_chunk::<4>()?;
        let (proof, rest) = rest.split_first_chunk::<16>()?;
        let (issued, deadline) = rest.split_first_chunk::<8>()?;
        let millis = |bytes: &[u8; 8]| Millis(u64::from_be_bytes(*bytes));
        Some(Self {
            key: KeyId(*key),
            proof: ProofId(*proof),
            issued: millis(issued),
            deadline: millis(deadline.try_into().ok()?),
        })
    }

    /// Its key, if the ring has it and it was in use when this was issued.
    pub(crate) fn key_of<'a>(&self, keys: &'a KeyRing) -> Option<&'a TransientKey> {
        keys.transient_by_id(self.key).filter(|key| key.was_in_use(self.issued))
    }

    /// Whether its deadline is ahead.
    pub(crate) fn is_live(&self, now: Millis) -> bool {
        now < self.deadline
    }
}

/// The handle of a browser that asked, opened: it is authentic. Whether it is still good is for the command
/// that it is handed to.
#[derive(Clone, Debug)]
pub struct ProofHandle {
    pub(crate) subject: Subject,
    pub(crate) purpose: ProofPurpose,
    pub(crate) stamp: Stamp,
}

/// The token of a link, opened: somebody was sent it. Whether it still works is for the command that it is
/// handed to.
#[derive(Clone)]
pub struct ProofLink {
    pub(crate) subject: Subject,
    pub(crate) purpose: ProofPurpose,
    pub(crate) stamp: Stamp,
    pub(crate) secret: SecretArray<SECRET>,
}

impl core::fmt::Debug for ProofLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ProofLink")
            .field("subject", &self.subject)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// Makes the handle of an ask.
pub(crate) fn seal_handle(
    key: &TransientKey,
    subject: &Subject,
    purpose: ProofPurpose,
    stamp: &Stamp,
) -> OobCode {
    let bytes = sealed(key, HANDLE, (subject, purpose), stamp, HANDLE_BYTES);
    OobCode(Zeroizing::new(base64url::encode(&bytes)))
}

/// Makes the token of a link, whose tag the record's seed went into.
pub(crate) fn seal_link(
    key: &TransientKey,
    subject: &Subject,
    purpose: ProofPurpose,
    stamp: &Stamp,
    secret: &[u8; SECRET],
) -> LinkToken {
    let mut bytes = sealed(key, LINK, (subject, purpose), stamp, LINK_BYTES);
    bytes.extend(secret);
    LinkToken(Zeroizing::new(base64url::encode(&bytes)))
}

/// The stamp and its outer tag.
fn sealed(
    key: &TransientKey,
    kind: &str,
    (subject, purpose): (&Subject, ProofPurpose),
    stamp: &Stamp,
    room: usize,
) -> Zeroizing<Vec<u8>> {
    let stamp = stamp.bytes();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    bytes.extend(stamp);
    bytes.extend(derive::proof_tag(&key.proof, kind, subject, purpose, &stamp).first::<TAG>());
    bytes
}

/// Reads a handle; `None` if it is not one that a known key, while it was in use, made for this subject and
/// purpose.
pub(crate) fn open_handle(
    keys: &KeyRing,
    subject: &Subject,
    purpose: ProofPurpose,
    text: &str,
) -> Option<ProofHandle> {
    let mut buffer = SecretArray::<{ base64url::room(HANDLE_BYTES) }>::new();
    let bytes = base64url::decode(text, HANDLE_BYTES, buffer.as_mut_slice())?;
    let stamp = unsealed(keys, HANDLE, (subject, purpose), bytes)?;
    Some(ProofHandle { subject: subject.clone(), purpose, stamp })
}

/// Reads the token of a link, as [`open_handle`] reads a handle.
pub(crate) fn open_link(
    keys: &KeyRing,
    subject: &Subject,
    purpose: ProofPurpose,
    text: &str,
) -> Option<ProofLink> {
    let mut buffer = SecretArray::<{ base64url::room(LINK_BYTES) }>::new();
    let bytes = base64url::decode(text, LINK_BYTES, buffer.as_mut_slice())?;
    let (outer, given) = bytes.split_last_chunk::<SECRET>()?;
    let stamp = unsealed(keys, LINK, (subject, purpose), outer)?;
    let mut secret = SecretArray::new();
    *secret = *given;
    Some(ProofLink { subject: subject.clone(), purpose, stamp, secret })
}

/// The stamp of what [`sealed`] made.
fn unsealed(
    keys: &KeyRing,
    kind: &str,
    (subject, purpose): (&Subject, ProofPurpose),
    bytes: &[u8],
) -> Option<Stamp> {
    let (prefix, tag) = bytes.split_last_chunk::<TAG>()?;
    let prefix: &[u8; STAMP_BYTES] = prefix.try_into().ok()?;
    let stamp = Stamp::read(prefix)?;
    let key = stamp.key_of(keys)?;
    let right = derive::proof_tag(&key.proof, kind, subject, purpose, prefix);
    declassify(right.starts_with(tag)).then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::wipe::tests::wiped_by, keys::keyring::Key};
    use alloc::{format, string::String};

    fn keys() -> KeyRing {
        KeyRing::new("t", Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap()).unwrap()
    }

    #[test]
    fn handles_and_links_open_for_their_own_subject_purpose_and_kind() {
        let (keys, subject, other) =
            (keys(), Subject::new("user-1").unwrap(), Subject::new("user-2").unwrap());
        let key = keys.transient();
        let stamp =
            Stamp { key: key.id, proof: ProofId([4; 16]), issued: Millis(6), deadline: Millis(u64::MAX - 1) };
        assert_eq!(Stamp::read(&stamp.bytes()), Some(stamp));
        let confirm = ProofPurpose::Confirm;
        let handle = seal_handle(key, &subject, confirm, &stamp);
        let link = seal_link(key, &subject, confirm, &stamp, &[9; 16]);
        assert_eq!((handle.expose().len(), link.expose().len()), (76, 98));
        assert_eq!(
            ((HANDLE_BYTES * 4).div_ceil(3), (LINK_BYTES * 4).div_ceil(3)),
            (76, 98),
            "no buffer is larger"
        );
        let opened = open_handle(&keys, &subject, confirm, handle.expose()).unwrap();
        assert_eq!((opened.subject, opened.purpose, opened.stamp), (subject.clone(), confirm, stamp));
        let opened = open_link(&keys, &subject, confirm, link.expose()).unwrap();
        assert_eq!((&opened.subject, opened.purpose, opened.stamp), (&subject, confirm, stamp));
        assert_eq!(*opened.secret, [9; 16]);
        for (subject, purpose) in [(&other, confirm), (&subject, ProofPurpose::Reset)] {
            assert!(open_handle(&keys, subject, purpose, handle.expose()).is_none());
            assert!(open_link(&keys, subject, purpose, link.expose()).is_none());
        }
        // The first bytes of a link are no handle, and a handle with bytes behind it is no link.
        let mut buffer = SecretArray::<{ base64url::room(LINK_BYTES) }>::new();
        let bytes = base64url::decode(link.expose(), LINK_BYTES, buffer.as_mut_slice()).unwrap();
        let cut = base64url::encode(&bytes[..HANDLE_BYTES]);
        assert!(open_handle(&keys, &subject, confirm, &cut).is_none());
        let mut buffer = SecretArray::<{ base64url::room(LINK_BYTES) }>::new();
        let bytes = base64url::decode(handle.expose(), HANDLE_BYTES, buffer.as_mut_slice()).unwrap();
        let grown = base64url::encode(&[bytes, &[9; 16]].concat());
        assert!(open_link(&keys, &subject, confirm, &grown).is_none());
    }

    #[test]
    fn another_version_or_length_is_no_handle() {
        let (keys, subject) = (keys(), Subject::new("user-1").unwrap());
        let key = keys.transient();
        let stamp = Stamp { key: key.id, proof: ProofId([4; 16]), issued: Millis(6), deadline: Millis(7) };
        let mut prefix = stamp.bytes();
        prefix[0] = VERSION + 1;
        let tag = derive::proof_tag(&key.proof, HANDLE, &subject, ProofPurpose::Reset, &prefix);
        let forged = base64url::encode(&[&prefix[..], tag.first::<TAG>()].concat());
        assert!(open_handle(&keys, &subject, ProofPurpose::Reset, &forged).is_none());
        let handle = seal_handle(key, &subject, ProofPurpose::Reset, &stamp);
        assert!(open_handle(&keys, &subject, ProofPurpose::Reset, handle.expose()).is_some());
        for text in [String::new(), "A".repeat(4), "A".repeat(200), String::from(&handle.expose()[4..])] {
            assert!(open_handle(&keys, &subject, ProofPurpose::Reset, &text).is_none(), "{text:?}");
            assert!(open_link(&keys, &subject, ProofPurpose::Reset, &text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_link_shows_no_secret_and_is_wiped() {
        let (keys, subject) = (keys(), Subject::new("user-1").unwrap());
        let key = keys.transient();
        let stamp = Stamp { key: key.id, proof: ProofId([4; 16]), issued: Millis(6), deadline: Millis(7) };
        let link = seal_link(key, &subject, ProofPurpose::Reset, &stamp, &[9; 16]);
        let opened = open_link(&keys, &subject, ProofPurpose::Reset, link.expose()).unwrap();
        assert_eq!(format!("{opened:?}"), "ProofLink { subject: \"user-1\", purpose: Reset, .. }");
        assert_eq!(wiped_by(|| drop(opened)).1, SECRET);
    }
}
