//! `mfa_token` and `oob_code`: authenticated tokens that carry their own subject and age.
//!
//! Both are checked without touching the store, so a forged, garbled or foreign one costs one MAC and no more. The
//! length comes first, then the encoding, then the key id, then the MAC in constant time; only then is a field
//! believed. Nothing unsigned may ever leave this module.

use alloc::vec::Vec;
use zeroize::Zeroizing;

use crate::{
    crypto::{
        base64url,
        declassify::declassify,
        mac::Tag,
        transcript::{LENGTH, length_prefix, padded},
        wipe::SecretArray,
    },
    keys::{
        derive::{self, VERSION},
        keyring::{KeyRing, TransientKey},
    },
    session::session::FirstFactor,
    value::{
        epoch::Epoch,
        id::{KeyId, TransactionId},
        instant::Millis,
        name::{Audience, ClientId, Scope, Subject},
        opaque::MfaToken,
    },
};

/// The greatest length of an `mfa_token` before encoding.
const MAX_TOKEN_BYTES: usize = 1
    + 4
    + 4 * 4
    + Subject::MAX_BYTES
    + ClientId::MAX_BYTES
    + Audience::MAX_BYTES
    + Scope::MAX_BYTES
    + 16
    + 8
    + 8
    + 8
    + 32;

/// What an `mfa_token` says.
#[derive(Debug)]
pub(crate) struct TokenClaims {
    pub(crate) first_factor: FirstFactor,
    pub(crate) transaction: TransactionId,
    pub(crate) begun: Millis,
    pub(crate) expires: Millis,
}

/// Makes an `mfa_token`.
pub(crate) fn seal_token(key: &TransientKey, claims: &TokenClaims) -> MfaToken {
    let FirstFactor { subject, client, audience, scope, epoch } = &claims.first_factor;
    let client = client.as_ref().map_or("", ClientId::as_str);
    // The length of the payload stands before it as it is hashed, and not in the token.
    let mut token = Zeroizing::new(Vec::with_capacity(padded(LENGTH + MAX_TOKEN_BYTES)));
    token.extend([0; LENGTH]);
    token.push(VERSION);
    token.extend(key.id.0);
    for text in [subject.as_str(), client, audience.as_str(), scope.as_str()] {
        token.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        token.extend(text.as_bytes());
    }
    token.extend(claims.transaction.0);
    token.extend(epoch.0.to_be_bytes());
    token.extend(claims.begun.0.to_be_bytes());
    token.extend(claims.expires.0.to_be_bytes());
    let length = length_prefix(token.len().saturating_sub(LENGTH));
    if let Some(slot) = token.first_chunk_mut() {
        *slot = length;
    }
    let framed = token.len();
    token.resize(padded(framed), 0);
    let tag = derive::token_tag(&key.token, &mut token, framed);
    token.truncate(framed);
    token.extend(tag.iter().flat_map(|tag| tag.0));
    MfaToken(Zeroizing::new(base64url::encode(token.get(LENGTH..).unwrap_or_default())))
}

/// The version and the key's id, which a payload begins with.
const HEAD: usize = 1 + 4;

/// The length that few tokens exceed, in symbols and in bytes.
const SHORT: usize = 256;

/// The room of a token of so many bytes, as it is decoded and as its payload is hashed.
const fn room(bytes: usize) -> usize {
    padded(LENGTH.saturating_add(base64url::room(bytes)))
}

const SHORT_ROOM: usize = room(SHORT.div_ceil(4).saturating_mul(3));

const LONG_ROOM: usize = room(MAX_TOKEN_BYTES);

/// Reads an `mfa_token`; `None` if it is not one that a known key made while it was in use.
pub(crate) fn open_token(keys: &KeyRing, text: &str) -> Option<TokenClaims> {
    // To clear a buffer for the longest token costs more than to decode a short one.
    if text.len() <= SHORT {
        read_token(keys, text, SecretArray::<SHORT_ROOM>::new().as_mut_slice())
    } else {
        read_token(keys, text, SecretArray::<LONG_ROOM>::new().as_mut_slice())
    }
}

fn read_token(keys: &KeyRing, text: &str, buffer: &mut [u8]) -> Option<TokenClaims> {
    let (length, room) = buffer.split_first_chunk_mut()?;
    let (payload, tag) = base64url::decode(text, MAX_TOKEN_BYTES, room)?.split_last_chunk::<32>()?;
    let ([VERSION, key_id @ ..], _) = payload.split_first_chunk::<HEAD>()? else { return None };
    let (tag, framed) = (Tag(*tag), LENGTH.saturating_add(payload.len()));
    *length = length_prefix(payload.len());
    let key = keys.transient_by_id(KeyId(*key_id))?;
    // The padding takes the place of the tag.
    if !declassify(derive::token_tag(&key.token, buffer, framed)?.matches(&tag)) {
        return None;
    }
    claims(key, buffer.get(LENGTH + HEAD..framed)?)
}

/// Reads what was authenticated. A function of its own, which nothing enters before the verdict.
#[inline(never)]
fn claims(key: &TransientKey, payload: &[u8]) -> Option<TokenClaims> {
    let (subject, rest) = text_field(payload)?;
    let (client, rest) = text_field(rest)?;
    let (audience, rest) = text_field(rest)?;
    let (scope, rest) = text_field(rest)?;
    let (transaction, rest) = rest.split_first_chunk::<16>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (begun, rest) = rest.split_first_chunk::<8>()?;
    let expires: &[u8; 8] = rest.try_into().ok()?;
    let begun = Millis(u64::from_be_bytes(*begun));
    if !key.was_in_use(begun) {
        return None;
    }
    Some(TokenClaims {
        first_factor: FirstFactor {
            subject: Subject::sealed(subject),
            // None is written as the empty text, which is the name of no client.
            client: if client.is_empty() { None } else { Some(ClientId::sealed(client)) },
            audience: Audience::sealed(audience),
            scope: Scope::sealed(scope),
            epoch: Epoch(u64::from_be_bytes(*epoch)),
        },
        transaction: TransactionId(*transaction),
        begun,
        expires: Millis(u64::from_be_bytes(*expires)),
    })
}

fn text_field(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((core::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::keyring::{Key, KeyRing};

    fn keys() -> KeyRing {
        KeyRing::new("t", Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_token_of_every_length_opens_and_the_longest_is_as_long_as_any_may_be() {
        let keys = keys();
        for scope in (0..=Scope::MAX_BYTES).step_by(32) {
            for name in [1, 100, 255] {
                let text = "x".repeat(name);
                let first_factor = FirstFactor::new(Subject::new(&text).unwrap(), Epoch(9))
                    .client(ClientId::new(&text).unwrap())
                    .audience(Audience::new(&text).unwrap())
                    .scope(Scope::new(&"s".repeat(scope)).unwrap());
                let (begun, expires) = (Millis(1), Millis(2));
                let transaction = TransactionId([3; 16]);
                let claims = TokenClaims { first_factor: first_factor.clone(), transaction, begun, expires };
                let token = seal_token(keys.transient(), &claims);
                let opened = open_token(&keys, token.expose()).unwrap();
                assert_eq!((opened.first_factor, opened.transaction), (first_factor, transaction));
                assert_eq!((opened.begun, opened.expires), (begun, expires));
                if (scope, name) == (Scope::MAX_BYTES, 255) {
                    assert_eq!(token.expose().len(), (MAX_TOKEN_BYTES * 4).div_ceil(3));
                }
            }
        }
    }

    #[test]
    fn a_token_is_read_in_a_buffer_of_its_size_which_is_wiped() {
        use crate::crypto::wipe::tests::wiped_by;

        let keys = keys();
        let wiped = |scope: usize| {
            let name = |length: usize| "x".repeat(length);
            let first_factor = FirstFactor::new(Subject::new(&name(1)).unwrap(), Epoch::FIRST)
                .client(ClientId::new(&name(1)).unwrap())
                .scope(Scope::new(&name(scope)).unwrap());
            let (begun, expires) = (Millis(1), Millis(2));
            let claims = TokenClaims { first_factor, transaction: TransactionId([3; 16]), begun, expires };
            let token = seal_token(keys.transient(), &claims);
            let (opened, wiped) = wiped_by(|| open_token(&keys, token.expose()));
            assert!(opened.is_some());
            wiped
        };
        let (short, long) = (SHORT_ROOM, LONG_ROOM);
        assert!(wiped(0) >= short);
        assert_eq!(wiped(200) - wiped(0), long - short);
    }

    #[test]
    fn a_token_without_a_client_opens_without_one() {
        let keys = keys();
        let first_factor = FirstFactor::new(Subject::new("user-1").unwrap(), Epoch::FIRST);
        let (transaction, begun, expires) = (TransactionId([3; 16]), Millis(1), Millis(2));
        let claims = TokenClaims { first_factor: first_factor.clone(), transaction, begun, expires };
        let opened = open_token(&keys, seal_token(keys.transient(), &claims).expose()).unwrap();
        assert_eq!(opened.first_factor, first_factor);
        assert_eq!(opened.first_factor.client, None);
    }
}
