//! The floors: what an operation's HMACs cost by themselves.
//!
//! A floor is built from public facts, the fixture's keys and the stored seed, and must yield the very tag that
//! the library made: so it computes the same HMACs over the same messages, and not merely as many. It clones a keyed
//! state, hashes the message in one piece, and compares the tag as four integers through `subtle`. The raw
//! compressions beside it are what the hash function alone must do for that.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, block_api::compress256};
use std::hint::black_box;
use subtle::ConstantTimeEq as _;

/// The HMAC of one message under a key that is absorbed already.
#[derive(Clone)]
pub struct Floor {
    keyed: Hmac<Sha256>,
    message: Vec<u8>,
    tag: [u8; 32],
}

impl Floor {
    /// The HMAC over `fields`, each with its length before it, under the key that `secret` gives for `label`.
    pub fn new(secret: &[u8; 32], label: &str, fields: &[&[u8]]) -> Self {
        let label = format!("countersign/v1/{label}");
        let key = mac(&keyed(secret), &framed(&[label.as_bytes(), b"tests"]));
        let (keyed, message) = (keyed(&key), framed(fields));
        let tag = mac(&keyed, &message);
        Self { keyed, message, tag }
    }

    pub fn tag(&self) -> &[u8; 32] {
        &self.tag
    }

    pub fn length(&self) -> usize {
        self.message.len()
    }

    /// The HMAC and the comparison.
    pub fn check(&self) -> bool {
        let tag = mac(&self.keyed, black_box(&self.message));
        let (computed, _) = tag.as_chunks::<8>();
        let (known, _) = black_box(&self.tag).as_chunks::<8>();
        let words = computed.iter().zip(known);
        let difference = words.fold(0, |sum, (a, b)| sum | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)));
        difference.ct_eq(&0).into()
    }

    /// How many blocks the two passes of HMAC compress once the key is absorbed (RFC 6234: a bit, zeros and eight
    /// bytes of length behind the message), the outer one always one.
    pub fn compressions(&self) -> usize {
        (self.message.len() + 9).div_ceil(64) + 1
    }
}

/// Raw compressions, as many as the floors need.
pub fn compress(state: &mut [u32; 8], floors: &[Floor]) {
    let blocks = [[0x5a; 64]; 16];
    for floor in floors {
        compress256(state, black_box(&blocks[..floor.compressions() - 1]));
        compress256(state, black_box(&blocks[..1]));
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes any key")
}

fn mac(keyed: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let length = |field: &[u8]| u32::try_from(field.len()).expect("a short field").to_be_bytes();
    fields.iter().flat_map(|field| length(field).into_iter().chain(field.iter().copied())).collect()
}
