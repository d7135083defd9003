//! What an enrollment and a challenge answer: how to go on, by factor. This module must never hold a code.

use time::OffsetDateTime;

use crate::{
    factor::destination::Channel,
    value::{binding_code::CodeForm, opaque::OobCode},
};

/// How an enrollment goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Setup {
    /// A code is on its way to the new destination; whoever types it confirms.
    Oob(Sent),
}

impl Setup {
    /// The message that is on its way, for a factor that gets messages.
    #[must_use]
    pub const fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Oob(sent) => Some(sent),
        }
    }
}

/// What a challenged person is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Prompt {
    /// The code that is on its way.
    Oob(Sent),
}

impl Prompt {
    /// The message that is on its way, for a factor that gets messages.
    #[must_use]
    pub const fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Oob(sent) => Some(sent),
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
