//! What messages say, made from templates that a host can replace.
//!
//! A code stands in the body and never in the subject, which shows on locked screens and in logs; a template that puts it
//! there is refused when the server starts. This module must never fill a value into HTML unescaped.

use std::path::Path;

use countersign::{Event, Message, Purpose, wire::timestamp};
use time::OffsetDateTime;

/// A message in words.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
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
