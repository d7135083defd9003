//! What an enrollment and a challenge answer: how to go on, by factor. This module must never hold a code, or
//! show a secret in `Debug`.

use alloc::string::String;
use core::fmt;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{
    crypto::base32,
    factor::destination::Channel,
    otp::key_uri::{KeyLabel, Moving, key_uri},
    value::{
        binding_code::CodeForm,
        one_time_password::{OtpAlgorithm, SharedSecret},
        opaque::OobCode,
    },
};

/// How an enrollment goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Setup {
    /// A code is on its way to the new destination; whoever types it confirms.
    Oob(Sent),
    /// The secret for an app or a device; whoever types a code of it confirms.
    Otp(OtpSetup),
}

impl Setup {
    /// The message that is on its way, for a factor that gets messages.
    #[must_use]
    pub const fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Oob(sent) => Some(sent),
            Self::Otp(_) => None,
        }
    }

    /// The secret that is to be shown, for a factor of one-time passwords.
    #[must_use]
    pub const fn otp(&self) -> Option<&OtpSetup> {
        match self {
            Self::Oob(_) => None,
            Self::Otp(setup) => Some(setup),
        }
    }
}

/// A secret on its way into an app or a device. It is shown to nobody but who enrolls: whoever has it makes
/// every code. `Debug` shows neither form of it, and both are zeroed when dropped.
#[derive(Clone)]
pub struct OtpSetup {
    secret: Zeroizing<String>,
    barcode_uri: Zeroizing<String>,
    codes: u8,
}

impl OtpSetup {
    pub(crate) fn new(
        secret: &SharedSecret,
        label: &KeyLabel,
        terms: (OtpAlgorithm, u8),
        moving: Moving,
        codes: u8,
    ) -> Self {
        let secret = base32::encode(secret.as_bytes());
        let barcode_uri = key_uri(label, &secret, terms, moving);
        Self { secret, barcode_uri, codes }
    }

    /// The secret as base32 without padding, to be typed into an app: 32, 52 or 103 symbols.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The Key URI, `otpauth://`, with the secret and everything else that an app must know: the content of
    /// the QR code.
    #[must_use]
    pub fn barcode_uri(&self) -> &str {
        &self.barcode_uri
    }

    /// How many codes that follow each other confirm it, in one answer: 1, or 4 while the account is guessed
    /// at.
    #[must_use]
    pub const fn codes(&self) -> u8 {
        self.codes
    }
}

impl fmt::Debug for OtpSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtpSetup(..)")
    }
}

/// What a challenged person is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Prompt {
    /// The code that is on its way.
    Oob(Sent),
    /// What an app or a device shows.
    Otp {
        /// How many codes that follow each other are taken at once: 1, or 4 while the account is guessed at.
        codes: u8,
    },
}

impl Prompt {
    /// The message that is on its way, for a factor that gets messages.
    #[must_use]
    pub const fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Oob(sent) => Some(sent),
            Self::Otp { .. } => None,
        }
    }

    /// How many codes of an app or a device are wanted; none for a factor that gets messages.
    #[must_use]
    pub const fn otp_codes(&self) -> Option<u8> {
        match self {
            Self::Oob(_) => None,
            Self::Otp { codes } => Some(*codes),
        }
    }
}

/// A code on its way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sent {
    /// How it travels.
    pub channel: Channel,
    /// The handle to answer with.
    pub oob_code: OobCode,
    /// How long the code is. A page that knows asks for as many digits.
    pub form: CodeForm,
    /// Whether a message is to be sent.
    pub delivery: Delivery,
}

/// What became of the message that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// A message is to be sent: it is among the effects.
    Sent,
    /// The last one is too recent. The same handle still holds; nothing is sent.
    CoolingDown {
        /// When asking again will send.
        until: OffsetDateTime,
    },
}
