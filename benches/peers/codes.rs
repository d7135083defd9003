//! The codes of an app and their comparisons alone, without budgets, replay guard, charge and audit: what the peers do, and
//! what the library hands to nobody. Its own sources are compiled here, as they are.

#![allow(dead_code, unreachable_pub, clippy::all)]

mod crypto;
mod otp;
mod value;

use crypto::mac::Tag;
use otp::{hotp, totp};
use value::{
    instant::Millis,
    one_time_password::{OtpAlgorithm, OtpCode, SharedSecret},
};

/// The secret of an app that makes six digits by SHA-1 every 30 seconds.
pub struct App(SharedSecret);

impl App {
    /// Of 20 bytes that are all the same.
    pub fn of(byte: u8) -> Self {
        Self(SharedSecret::from_blocks(OtpAlgorithm::Sha1, |_| Tag([byte; 32])))
    }

    /// The step whose code was typed: the present one, the one before or the one behind it.
    pub fn find(&self, typed: &str, seconds: u64) -> Option<u64> {
        let numbers = OtpCode::parse(typed).ok()?.numbers::<1>(6)?;
        let window = totp::window(Millis(seconds * 1_000), 30, (1, 1), Some(1));
        hotp::find((OtpAlgorithm::Sha1, 6), &self.0, &numbers, &window)
    }
}
