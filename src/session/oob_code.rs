//! The `oob_code`: a sealed handle of one challenge. It is checked without the store, and must never be believed
//! unsealed.

use alloc::vec::Vec;
use zeroize::Zeroizing;

use crate::{
    crypto::{base64url, declassify::declassify, wipe::SecretArray},
    keys::{
        derive::{self, VERSION},
        keyring::{KeyRing, TransientKey},
    },
    value::{
        id::{ChallengeId, KeyId, TransactionId},
        instant::Millis,
        name::Subject,
        opaque::OobCode,
    },
};

/// The bytes of an `oob_code` that its tag covers: version, key id, challenge id, transaction tag, time of issue, deadline.
const PREFIX: usize = 1 + 4 + 16 + 8 + 8 + 8;

/// The length of an `oob_code` before encoding.
const HANDLE_BYTES: usize = PREFIX + 20;

/// An `oob_code` that was opened: it is authentic. It says its deadline, too; that the record decides.
#[derive(Clone, Debug)]
pub struct OobHandle {
    pub(crate) challenge: ChallengeId,
    pub(crate) transaction_tag: [u8; 8],
}

/// Makes the `oob_code` of a challenge.
pub(crate) fn seal_handle(
    key: &TransientKey,
    subject: &Subject,
    challenge: &ChallengeId,
    transaction: &TransactionId,
    (issued, deadline): (Millis, Millis),
) -> OobCode {
    let mut handle = Zeroizing::new(Vec::with_capacity(HANDLE_BYTES));
    handle.push(VERSION);
    handle.extend(key.id.0);
    handle.extend(challenge.0);
    handle.extend(transaction.tag());
    handle.extend(issued.0.to_be_bytes());
    handle.extend(deadline.0.to_be_bytes());
    let tag = derive::oob_tag(&key.oob, subject, &handle);
    handle.extend(tag.first::<20>());
    OobCode(Zeroizing::new(base64url::encode(&handle)))
}

/// Reads an `oob_code`; `None` if it is not one that a known key, while it was in use, made for this subject.
pub(crate) fn open_handle(keys: &KeyRing, subject: &Subject, text: &str) -> Option<OobHandle> {
    let mut buffer = SecretArray::<{ base64url::room(HANDLE_BYTES) }>::new();
    let handle = base64url::decode(text, HANDLE_BYTES, buffer.as_mut_slice())?;
    let (prefix, tag) = handle.split_last_chunk::<20>()?;
    let prefix: &[u8; PREFIX] = prefix.try_into().ok()?;
    let [VERSION, rest @ ..] = prefix else { return None };
    let (key_id, rest) = rest.split_first_chunk::<4>()?;
    let key = keys.transient_by_id(KeyId(*key_id))?;
    if !declassify(derive::oob_tag(&key.oob, subject, prefix).starts_with(tag)) {
        return None;
    }
    let (challenge, rest) = rest.split_first_chunk::<16>()?;
    let (transaction_tag, rest) = rest.split_first_chunk::<8>()?;
    let (issued, _deadline) = rest.split_first_chunk::<8>()?;
    key.was_in_use(Millis(u64::from_be_bytes(*issued)))
        .then_some(OobHandle { challenge: ChallengeId(*challenge), transaction_tag: *transaction_tag })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::keyring::{Key, KeyRing};

    fn keys() -> KeyRing {
        KeyRing::new("t", Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_handle_is_as_long_as_any_may_be() {
        let (keys, subject) = (keys(), Subject::new("user-1").unwrap());
        let (challenge, transaction) = (ChallengeId([4; 16]), TransactionId([5; 16]));
        let handle =
            seal_handle(keys.transient(), &subject, &challenge, &transaction, (Millis(6), Millis(7)));
        assert_eq!(handle.expose().len(), (HANDLE_BYTES * 4).div_ceil(3));
        let opened = open_handle(&keys, &subject, handle.expose()).unwrap();
        assert_eq!((opened.challenge, opened.transaction_tag), (challenge, transaction.tag()));
        assert!(open_handle(&keys, &Subject::new("user-2").unwrap(), handle.expose()).is_none());
    }
}
