//! How messages leave: by SMTP, or into a mailbox in memory for development. This module must never log a message or its
//! recipient, and never send one in clear to another machine.

use std::{collections::VecDeque, net::Ipv6Addr, sync::Mutex, time::Duration};

use countersign::wire::timestamp;
use lettre::{
    Message as Mail,
    message::{Mailbox, MultiPart, header::HeaderName, header::HeaderValue},
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::templates::Text;

/// How many messages the mailbox in memory keeps.
const MAILBOX_SIZE: usize = 100;
/// How long it may take to hand one message over, from connecting until the relay has taken it.
const SEND_LIMIT: Duration = Duration::from_secs(20);
/// How long one of the relay's addresses may take to answer, so that another has its turn.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// How long to wait for a relay's goodbye. Nothing depends on it.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

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
        // An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
        let (host, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) if host.parse::<Ipv6Addr>().is_ok() => (host, rest),
            Some(_) => return Err("there is no IPv6 address in the brackets".to_owned()),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => {
                port.parse().ok().filter(|port| *port != 0).ok_or(format!("{port:?} is no port"))?
            }
            None if rest.is_empty() => port,
            None => return Err(format!("{rest:?} is no port")),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(known) {
            return Err("the host is missing or is none".to_owned());
        }
        if security == Security::Plain && !matches!(host, "127.0.0.1" | "localhost" | "::1") {
            return Err(
                "without TLS, mail goes to a loopback address only: smtp+starttls:// or smtps://".to_owned()
            );
        }
        Ok(Self { security, host: host.to_owned(), port })
    }
}

/// Where messages go.
pub(crate) enum Mailer {
    Smtp(Box<Smtp>),
    Memory(Mutex<VecDeque<Kept>>),
}

/// A relay, and how to speak to it.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    channel: Channel,
    credentials: Option<Credentials>,
}

enum Channel {
    Plain,
    StartTls(TlsParameters),
    Tls(TlsParameters),
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
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let credentials =
            match (variable("COUNTERSIGN_SMTP_USERNAME"), variable("COUNTERSIGN_SMTP_PASSWORD")) {
                (Some(name), Some(password)) => Some(Credentials::new(name, password)),
                (None, None) => None,
                (Some(_), None) | (None, Some(_)) => {
                    return Err("give both COUNTERSIGN_SMTP_USERNAME and COUNTERSIGN_SMTP_PASSWORD, or none"
                        .to_owned());
                }
            };
        let tls = || TlsParameters::new(relay.host.clone()).map_err(|error| format!("--smtp: {error}"));
        let channel = match relay.security {
            Security::Plain => Channel::Plain,
            Security::StartTls => Channel::StartTls(tls()?),
            Security::Tls => Channel::Tls(tls()?),
        };
        let host = relay.host.clone();
        Ok(Self::Smtp(Box::new(Smtp { host, port: relay.port, channel, credentials })))
    }

    /// Whether the relay answers. Mail waits in the outbox until it does.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let Self::Smtp(smtp) = self else { return Ok(()) };
        let opened = tokio::time::timeout(SEND_LIMIT, smtp.open()).await;
        let connection = opened.map_err(|_| slow())?.map_err(|error| error.to_string())?;
        close(connection).await;
        Ok(())
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
            Self::Smtp(smtp) => {
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
                let handed_over = tokio::time::timeout(SEND_LIMIT, smtp.hand_over(&mail)).await;
                let connection = handed_over.map_err(|_| MailError::Transient(slow()))??;
                close(connection).await;
                Ok(())
            }
        }
    }
}

impl Smtp {
    /// A connection on which mail can be sent.
    async fn open(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let name = ClientId::default();
        let (from_the_start, later) = match &self.channel {
            Channel::Plain => (None, None),
            Channel::StartTls(tls) => (None, Some(tls.clone())),
            Channel::Tls(tls) => (Some(tls.clone()), None),
        };
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_LIMIT), &name, from_the_start, None)
                .await?;
        if let Some(tls) = later {
            connection.starttls(tls, &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// Returns as soon as the relay has taken the message: whatever it does then, the message must not be sent again.
    async fn hand_over(&self, mail: &Mail) -> Result<AsyncSmtpConnection, MailError> {
        // A relay that takes no mail at all, or not from this server, says nothing about the message.
        let opened = self.open().await;
        let mut connection = opened.map_err(|error| MailError::Transient(described(&error)))?;
        match connection.send(mail.envelope(), &mail.formatted()).await {
            Ok(_) => Ok(connection),
            // The client's own error: the relay cannot carry what the message needs.
            Err(error) if error.is_permanent() || error.is_client() => {
                Err(MailError::Permanent(described(&error)))
            }
            Err(error) => Err(MailError::Transient(described(&error))),
        }
    }
}

/// Takes leave as RFC 5321 asks for.
async fn close(mut connection: AsyncSmtpConnection) {
    let _ = tokio::time::timeout(QUIT_LIMIT, connection.abort()).await;
}

fn slow() -> String {
    format!("the SMTP server took longer than {} s", SEND_LIMIT.as_secs())
}

/// What went wrong, without the server's own words: they often repeat the recipient.
fn described(error: &smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the SMTP server answered {code}"),
        None if error.is_response() => "the SMTP server gave an answer that is none".to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_read_as_it_is_written() {
        let read = |url: &str| Relay::parse(url).map(|relay| (relay.host, relay.port)).ok();
        let relay = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("smtp://localhost"), relay("localhost", 25));
        assert_eq!(read("smtp://127.0.0.1:2525/"), relay("127.0.0.1", 2525));
        assert_eq!(read("smtp://[::1]"), relay("::1", 25));
        assert_eq!(read("smtps://[2001:db8::1]:4650"), relay("2001:db8::1", 4650));
        assert_eq!(read("smtp+starttls://mail.example.com"), relay("mail.example.com", 587));
        for bad in [
            "smtp://",
            "smtp://example.com",
            "smtps://a:b:99",
            "smtps://x/y",
            "smtps://x?y",
            "smtps:// x",
            "smtps://h:0",
            "smtps://h:",
            "smtps://[::1",
            "smtps://[x]",
            "smtps://[::1]x",
            "smtps://::1",
            "smtps://user@h",
            "ftp://h",
            "h:25",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
