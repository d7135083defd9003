//! What the file of a factor answers about it. A method must never depend on a policy, a clock or a secret.

use crate::{
    factor::{
        destination::{Channel, Destination, FactorLabel},
        one_time::OneTime,
    },
    value::id::AuthenticatorKind,
};

/// The special part of a factor.
pub(crate) trait Spec {
    /// What its authenticator is called, and what its id begins with.
    fn kind(&self) -> AuthenticatorKind;

    /// The channel of its messages if a request names none; `None` if it gets no messages.
    fn channel(&self) -> Option<Channel>;

    /// The bytes of its destination by a channel, which enter the MACs; `None` if it is not reached by that channel.
    fn address(&self, channel: Channel) -> Option<&[u8]>;

    /// Its destination by a channel; `None` if it is not reached by that channel.
    fn destination(&self, channel: Channel) -> Option<Destination>;

    /// What tells it from another of its kind.
    fn label(&self) -> FactorLabel;

    /// What it answers as a factor of one-time passwords; `None` if it is none.
    fn one_time(&self) -> Option<&dyn OneTime> {
        None
    }
}
