//! What a command draws, each value derived from the [`Entropy`] of its request.
//!
//! The *i*-th value is MAC(entropy; command, subject, revision, label, *i*), shortened to what is asked for. The
//! revision is that of the record that the command was given: a step that is taken again on a newer record draws
//! anew. Two values must never come from the same label and count.

use crate::{
    crypto::{entropy::Entropy, mac::MacKey, seed::Seed, transcript::Transcript},
    value::{
        id::{AuthenticatorId, AuthenticatorKind, DeviceId, TransactionId},
        name::Subject,
        revision::Revision,
    },
};

/// The values of one command.
pub(crate) struct Draws {
    message: Transcript<MacKey>,
    count: u32,
}

impl Draws {
    pub(crate) fn new(entropy: &Entropy, command: &str, subject: &Subject, revision: Revision) -> Self {
        let mut message = Transcript::new(entropy.mac_key());
        message.field(command.as_bytes()).field(subject.as_bytes()).fixed(&revision.get().to_be_bytes());
        Self { message, count: 0 }
    }

    #[cfg(test)]
    pub(crate) const fn skip_to(&mut self, count: u32) {
        self.count = count;
    }

    /// The next value.
    pub(crate) fn bytes<const N: usize>(&mut self, label: &str) -> [u8; N] {
        let mut message = self.message.clone();
        message.field(label.as_bytes()).fixed(&self.count.to_be_bytes());
        // No command draws more than a few values.
        self.count = self.count.saturating_add(1);
        *message.finish().first()
    }

    pub(crate) fn seed(&mut self, label: &str) -> Seed {
        Seed(self.bytes(label))
    }

    pub(crate) fn transaction(&mut self) -> TransactionId {
        TransactionId(self.bytes("transaction"))
    }

    pub(crate) fn device(&mut self) -> DeviceId {
        DeviceId::from_random(self.bytes("device"))
    }

    pub(crate) fn authenticator(&mut self, kind: AuthenticatorKind) -> AuthenticatorId {
        AuthenticatorId::from_random(kind, self.bytes(kind.as_str()))
    }
}
