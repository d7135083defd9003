//! Messages: what they say, and how they leave. By SMTP, or into a mailbox in memory for development.
//!
//! A code stands in the body and never in the subject, which shows on locked screens and in logs; a template that puts it
//! there is refused when the server starts. This module must never log a message or its recipient.

use std::{collections::VecDeque, path::Path, sync::Mutex, time::Duration};

use countersign::{Event, Message, Purpose, wire::timestamp};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::{Mailbox, MultiPart, header::HeaderName, header::HeaderValue},
    transport::smtp::authentication::Credentials,
};
use serde::Serialize;
use time::OffsetDateTime;

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
                    Err(error) if error.is_permanent() => Err(MailError::Permanent(error.to_string())),
                    Err(error) => Err(MailError::Transient(error.to_string())),
                }
            }
        }
    }
}

/// A message in words.
#[derive(Debug)]
pub(crate) struct Text {
    subject: String,
    text: String,
    html: String,
}

/// What messages are made from: `{{name}}` stands for a value, in HTML for an escaped one.
pub(crate) struct Templates {
    confirm: Template,
    authenticate: Template,
    notify: Template,
}

struct Template {
    subject: String,
    text: String,
    html: String,
}

macro_rules! built_in {
    ($name:literal) => {
        [
            include_str!(concat!("../templates/", $name, ".subject")),
            include_str!(concat!("../templates/", $name, ".txt")),
            include_str!(concat!("../templates/", $name, ".html")),
        ]
    };
}

impl Templates {
    /// The built-in templates, or those of a directory where it has them.
    pub(crate) fn load(directory: Option<&Path>) -> Result<Self, String> {
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            return Err(format!("--templates: {} is no directory", directory.display()));
        }
        let load = |name: &str, [subject, text, html]: [&str; 3]| {
            let part = |suffix: &str, built_in: &str| match directory
                .map(|path| path.join(format!("{name}.{suffix}")))
            {
                Some(path) if path.exists() => std::fs::read_to_string(&path)
                    .map_err(|error| format!("the template {} cannot be read: {error}", path.display())),
                Some(_) | None => Ok(built_in.to_owned()),
            };
            let subject = part("subject", subject)?.trim().to_owned();
            if subject.contains("{{code}}") || subject.contains('\n') {
                return Err(format!("the template {name}.subject must be one line without the code"));
            }
            Ok(Template { subject, text: part("txt", text)?, html: part("html", html)? })
        };
        Ok(Self {
            confirm: load("confirm", built_in!("confirm"))?,
            authenticate: load("authenticate", built_in!("authenticate"))?,
            notify: load("notify", built_in!("notify"))?,
        })
    }

    /// The words of a message, and to whom it goes: a code to the address that it is about, a notice to the user's own.
    pub(crate) fn write(
        &self,
        message: &Message,
        user: Option<&str>,
        issuer: &str,
        now: OffsetDateTime,
    ) -> Option<(String, Text)> {
        match message {
            Message::SendEmail(email) => {
                let minutes = (email.expires - now).whole_seconds().max(0).saturating_add(59) / 60;
                let template =
                    if email.purpose == Purpose::Confirm { &self.confirm } else { &self.authenticate };
                let values = [
                    ("code", email.code.expose().to_owned()),
                    ("minutes", minutes.to_string()),
                    ("issuer", issuer.to_owned()),
                ];
                Some((email.to.as_str().to_owned(), template.fill(&values)))
            }
            Message::Notify(notify) => {
                let words = event(&notify.event)?;
                let at = OffsetDateTime::from_unix_timestamp_nanos(
                    i128::from(notify.at).saturating_mul(1_000_000),
                );
                let values =
                    [("event", words), ("when", timestamp(at.unwrap_or(now))), ("issuer", issuer.to_owned())];
                Some((user?.to_owned(), self.notify.fill(&values)))
            }
            _ => None,
        }
    }
}

impl Template {
    fn fill(&self, values: &[(&str, String)]) -> Text {
        let fill = |template: &str, escape: bool| {
            let mut filled = String::with_capacity(template.len());
            let mut rest = template;
            // One pass: a value that looks like a placeholder stays as it is.
            while let Some((before, after)) = rest.split_once("{{") {
                filled.push_str(before);
                let Some((name, after)) = after.split_once("}}") else {
                    filled.push_str("{{");
                    rest = after;
                    continue;
                };
                let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
                if escape {
                    filled.push_str(&escaped(value))
                } else {
                    filled.push_str(value)
                }
                rest = after;
            }
            filled.push_str(rest);
            filled
        };
        Text {
            subject: fill(&self.subject, false),
            text: fill(&self.text, false),
            html: fill(&self.html, true),
        }
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// An event in words; nothing if it is no matter of the account's holder.
fn event(event: &Event) -> Option<String> {
    Some(match event {
        Event::Added { address, .. } => {
            format!("The address {} was added as a second factor.", address.masked())
        }
        Event::Removed { address, .. } => {
            format!("The address {} is no longer a second factor.", address.masked())
        }
        Event::Disabled { address, .. } => {
            format!(
                "After too many wrong codes, the address {} was disabled as a second factor.",
                address.masked()
            )
        }
        Event::RecoveryUsed { remaining, .. } => {
            format!("A recovery code was used to sign in. Recovery codes left: {remaining}.")
        }
        Event::RecoveryRegenerated { .. } => "The recovery codes were replaced.".to_owned(),
        Event::RecoveryGuessed { .. } => {
            "Somebody who knows your password tried many wrong recovery codes.".to_owned()
        }
        Event::Locked { .. } => {
            "Somebody who knows your password typed too many wrong codes, so codes are refused for a while."
                .to_owned()
        }
        Event::Unlocked => "An administrator lifted the lock after too many wrong codes.".to_owned(),
        Event::Reset => "An administrator removed all second factors.".to_owned(),
        Event::ClockDisagrees { .. } | _ => return None,
    })
}
