//! How messages leave: by SMTP, or into a mailbox in memory for development. This module must never log a message or its
//! recipient, and never send one in clear to another machine.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use countersign::wire::timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::{Mailbox, MultiPart, header::HeaderName, header::HeaderValue},
    transport::smtp::authentication::Credentials,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::templates::Text;

/// How many messages the mailbox in memory keeps.
const MAILBOX_SIZE: usize = 100;

/// Where `--smtp` points to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Relay {
    security: Security,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Security {
    Plain,
    StartTls,
    Tls,
}

impl Relay {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or("give smtp://HOST:PORT, smtp+starttls:// or smtps://")?;
        let (security, port) = match scheme {
            "smtp" => (Security::Plain, 25),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            _ => return Err(format!("{scheme}:// is none of smtp://, smtp+starttls:// and smtps://")),
        };
        let rest = rest.trim_end_matches('/');
        if rest.contains('@') {
            return Err("credentials come from the environment and not from the URL".to_owned());
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| format!("{port:?} is no port"))?),
            None => (rest, port),
        };
        if host.is_empty() {
            return Err("the host is missing".to_owned());
        }
        if security == Security::Plain && !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
            return Err(
                "without TLS, mail goes to a loopback address only: smtp+starttls:// or smtps://".to_owned()
            );
        }
        Ok(Self { security, host: host.to_owned(), port })
    }
}

/// Where messages go.
pub(crate) enum Mailer {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
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
    pub(crate) fn new(relay: Option<&Relay>) -> Result<Self, String> {
        let Some(relay) = relay else { return Ok(Self::Memory(Mutex::default())) };
        type Smtp = AsyncSmtpTransport<Tokio1Executor>;
        let builder = match relay.security {
            Security::Plain => Ok(Smtp::builder_dangerous(relay.host.trim_matches(['[', ']']))),
            Security::StartTls => Smtp::starttls_relay(&relay.host),
            Security::Tls => Smtp::relay(&relay.host),
        };
        let builder = builder.map_err(|error| format!("--smtp: {error}"))?;
        let builder = builder.port(relay.port).timeout(Some(Duration::from_secs(20)));
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let builder = match (variable("COUNTERSIGN_SMTP_USERNAME"), variable("COUNTERSIGN_SMTP_PASSWORD")) {
            (Some(name), Some(password)) => builder.credentials(Credentials::new(name, password)),
            (None, None) => builder,
            (Some(_), None) | (None, Some(_)) => {
                return Err(
                    "give both COUNTERSIGN_SMTP_USERNAME and COUNTERSIGN_SMTP_PASSWORD, or none".to_owned()
                );
            }
        };
        Ok(Self::Smtp(Box::new(builder.build())))
    }

    /// Whether the relay answers. Mail waits in the outbox until it does.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let Self::Smtp(relay) = self else { return Ok(()) };
        match relay.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the SMTP server does not answer as one".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The kept messages, newest first; nothing if mail goes out.
    pub(crate) fn kept(&self) -> Option<Vec<Kept>> {
        match self {
            Self::Smtp(_) => None,
            Self::Memory(mailbox) => mailbox.lock().ok().map(|kept| kept.iter().cloned().collect()),
        }
    }

    /// Hands a message over. Its id is the effect's, so a message that was sent twice can be told.
    pub(crate) async fn send(&self, from: &Mailbox, to: &str, id: &str, text: Text) -> Result<(), MailError> {
        let permanent = |error: String| MailError::Permanent(error);
        match self {
            Self::Memory(mailbox) => {
                let sent_at = timestamp(OffsetDateTime::now_utc());
                let Text { subject, text, html } = text;
                if let Ok(mut kept) = mailbox.lock() {
                    kept.push_front(Kept { to: to.to_owned(), subject, text, html, sent_at });
                    kept.truncate(MAILBOX_SIZE);
                }
                Ok(())
            }
            Self::Smtp(relay) => {
                let to: Mailbox = to
                    .parse()
                    .map_err(|error: lettre::address::AddressError| permanent(error.to_string()))?;
                let domain = from.email.domain();
                let mail = Mail::builder()
                    .from(from.clone())
                    .to(to)
                    .subject(text.subject)
                    .message_id(Some(format!("<{id}@{domain}>")))
                    .raw_header(HeaderValue::new(
                        HeaderName::new_from_ascii_str("Auto-Submitted"),
                        "auto-generated".to_owned(),
                    ))
                    .multipart(MultiPart::alternative_plain_html(text.text, text.html))
                    .map_err(|error| permanent(error.to_string()))?;
                match relay.send(mail).await {
                    Ok(_) => Ok(()),
                    Err(error) if error.is_permanent() => Err(MailError::Permanent(described(&error))),
                    Err(error) => Err(MailError::Transient(described(&error))),
                }
            }
        }
    }
}

/// What went wrong, without the server's own words: they often repeat the recipient.
fn described(error: &lettre::transport::smtp::Error) -> String {
    error.status().map_or_else(|| error.to_string(), |code| format!("the SMTP server answered {code}"))
}
