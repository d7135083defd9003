//! How messages leave: by SMTP, or into a mailbox in memory for development. This module must never log a message or
//! its recipient, and never send one in clear to another machine.

mod letter;
mod relay;
mod sender;
mod smtp;

use std::{collections::VecDeque, sync::Mutex};

use countersign::wire::timestamp;
use lettre::message::Mailbox;
use serde::Serialize;
use time::OffsetDateTime;

use self::smtp::{Open, Smtp};
pub(crate) use self::{
    letter::Letter,
    relay::Relay,
    sender::{Hello, ServiceName, default_sender, mailbox},
};
use crate::templates::Text;

/// How many messages the mailbox in memory keeps.
const MAILBOX_SIZE: usize = 100;

/// Where messages go, and whom they come from.
pub(crate) struct Mailer {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    way: Way,
}

enum Way {
    Smtp(Box<Smtp>),
    Memory(Mutex<VecDeque<Kept>>),
}

/// A message in the mailbox in memory.
#[derive(Clone, Serialize)]
pub(crate) struct Kept {
    to: String,
    subject: String,
    text: String,
    html: String,
    sent_at: String,
}

/// A message could not be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// Trying again may help.
    #[error("{0}")]
    Transient(String),
    /// Trying again will not help.
    #[error("{0}")]
    Permanent(String),
}

impl Mailer {
    /// Without a relay, mail stays in memory.
    pub(crate) fn new(
        relay: Option<&Relay>,
        hello: Hello,
        from: Mailbox,
        reply_to: Option<Mailbox>,
    ) -> Result<Self, String> {
        let way = match relay {
            Some(relay) => Way::Smtp(Box::new(Smtp::new(relay, hello)?)),
            None => Way::Memory(Mutex::default()),
        };
        Ok(Self { from, reply_to, way })
    }

    /// Whether the relay answers. Mail waits in the outbox until it does.
    pub(crate) async fn check(&self) -> Result<(), String> {
        self.open().await.map_err(|error| error.to_string())?.close().await;
        Ok(())
    }

    /// The kept messages, newest first; nothing if mail goes out.
    pub(crate) fn kept(&self) -> Option<Vec<Kept>> {
        match &self.way {
            Way::Smtp(_) => None,
            Way::Memory(mailbox) => mailbox.lock().ok().map(|kept| kept.iter().cloned().collect()),
        }
    }

    /// Everything that can be done before there is a message: a relay may take its time.
    pub(crate) async fn open(&self) -> Result<Opened<'_>, MailError> {
        let way = match &self.way {
            Way::Smtp(smtp) => OpenWay::Smtp(Box::new(smtp.open().await?)),
            Way::Memory(mailbox) => OpenWay::Memory(mailbox),
        };
        Ok(Opened { mailer: self, way })
    }
}

/// A way that is open for one message.
pub(crate) struct Opened<'a> {
    mailer: &'a Mailer,
    way: OpenWay<'a>,
}

enum OpenWay<'a> {
    Smtp(Box<Open>),
    Memory(&'a Mutex<VecDeque<Kept>>),
}

impl Opened<'_> {
    /// Hands a message over.
    pub(crate) async fn send(self, letter: Letter) -> Result<(), MailError> {
        match self.way {
            OpenWay::Memory(mailbox) => {
                let sent_at = timestamp(OffsetDateTime::now_utc());
                let Letter { to, text: Text { subject, text, html, .. }, .. } = letter;
                if let Ok(mut kept) = mailbox.lock() {
                    kept.push_front(Kept { to, subject, text, html, sent_at });
                    kept.truncate(MAILBOX_SIZE);
                }
                Ok(())
            }
            OpenWay::Smtp(mut open) => {
                let mail = letter.write(&self.mailer.from, self.mailer.reply_to.as_ref())?;
                let handed_over = open.hand_over(&mail).await;
                // After a failure the connection is dropped: nobody knows what state it is in.
                if handed_over.is_ok() {
                    open.close().await;
                }
                handed_over
            }
        }
    }

    /// Ends without a message.
    pub(crate) async fn close(self) {
        if let OpenWay::Smtp(open) = self.way {
            open.close().await;
        }
    }
}
