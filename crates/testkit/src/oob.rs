//! What a test reads of a message and of the answer that goes with it. The library's shapes leave room for factors
//! without messages; here there is always one, and a test that expects it should not have to ask.

use std::ops::Deref;

use countersign::{
    Associated, BindingCode, Challenged, EmailAddress, Requirements,
    code::{CodeForm, OobCode},
    effect::{Channel, Delivery, Destination, Message},
    factor::{AuthenticatorKind, Sent},
};

/// A message to a mailbox, with the code that it carries.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: EmailAddress,
    pub code: BindingCode,
    message: Message,
}

impl From<Message> for Mail {
    fn from(message: Message) -> Self {
        let Destination::Email(to) = message.to.clone() else { panic!("not to a mailbox: {message:?}") };
        let code = message.content.code().expect("a code").clone();
        Self { to, code, message }
    }
}

impl Deref for Mail {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

/// An answer that a message goes with.
#[derive(Clone, Debug)]
pub struct Given<T> {
    pub answer: T,
    pub oob_code: OobCode,
    pub channel: Channel,
    pub form: CodeForm,
    pub delivery: Delivery,
}

impl<T> Given<T> {
    /// The same message with another answer.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Given<U> {
        let Self { answer, oob_code, channel, form, delivery } = self;
        Given { answer: map(answer), oob_code, channel, form, delivery }
    }

    fn of(answer: T, sent: impl FnOnce(&T) -> Option<&Sent>) -> Self {
        let Sent { oob_code, channel, form, delivery, .. } = sent(&answer).expect("a message").clone();
        Self { answer, oob_code, channel, form, delivery }
    }
}

impl From<Associated> for Given<Associated> {
    fn from(answer: Associated) -> Self {
        Self::of(answer, |answer| answer.setup.sent())
    }
}

impl From<Challenged> for Given<Challenged> {
    fn from(answer: Challenged) -> Self {
        Self::of(answer, |answer| answer.prompt.sent())
    }
}

impl<T> Deref for Given<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.answer
    }
}

/// What a login needs: one of two lists, and the other is empty.
#[derive(PartialEq, Eq, Debug)]
pub enum Need {
    Challenge(Vec<AuthenticatorKind>),
    Enroll(Vec<AuthenticatorKind>),
}

impl From<Requirements> for Need {
    fn from(requirements: Requirements) -> Self {
        let Requirements { enrolled, challenge, enroll, .. } = requirements;
        if enrolled {
            assert!(enroll.is_empty(), "whoever is enrolled enrolls no further factor by the first one");
            Self::Challenge(challenge)
        } else {
            assert!(challenge.is_empty(), "whoever is not enrolled has nothing to be challenged by");
            Self::Enroll(enroll)
        }
    }
}
