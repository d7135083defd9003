//! What the placeholders of a message stand for. Which names there are, and in which file each may stand, is in
//! `docs/templates.md`. This module must never give the code to a subject.

use std::collections::BTreeMap;

use countersign::{
    BindingCode, Effect,
    command::Purpose,
    effect::{Destination, Message, Notice, Notify},
};
use minijinja::Value;
use time::{Duration, OffsetDateTime};

use super::{
    files::{Kind, Part},
    format,
};
use crate::locale::Locale;

/// The names that every file may use, the layout included.
const COMMON: [&str; 3] = ["service", "issuer", "locale"];
const CODE: [&str; 3] = ["code", "minutes", "until"];
const LINK: [&str; 4] = ["link", "code", "minutes", "until"];
const NOTICE: [&str; 6] = ["kind", "when", "factor", "address", "remaining", "until"];

/// What may stand in a body only.
const SECRETS: [&str; 2] = ["code", "link"];

/// The names that a file may use.
pub(super) fn names(kind: Kind, part: Part) -> Vec<&'static str> {
    let own = match kind {
        Kind::Confirm | Kind::Authenticate => &CODE[..],
        Kind::SignUp | Kind::Reset => &LINK[..],
        Kind::Notify => &NOTICE[..],
    };
    let own = own.iter().copied().filter(|name| part != Part::Subject || !SECRETS.contains(name));
    let subject = (part != Part::Subject).then_some("subject");
    own.chain(COMMON).chain(subject).collect()
}

/// The names that the layout may use.
pub(super) fn layout_names() -> Vec<&'static str> {
    COMMON.into_iter().chain(["subject"]).collect()
}

/// Values by name.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// A message as its templates see it.
pub(super) struct Content {
    pub(super) kind: Kind,
    /// The values that must be shown: a code, and the link beside it. None for a notice.
    pub(super) secrets: Vec<(&'static str, String)>,
    pub(super) values: Values,
}

impl Content {
    /// Nothing if the effect is no matter of the account's holder.
    pub(super) fn of(effect: &Effect, issuer: &str, locale: &Locale, now: OffsetDateTime) -> Option<Self> {
        match effect {
            Effect::Send(message) => Self::of_message(message, issuer, locale, now),
            Effect::Notify(notify) => Self::of_notice(notify, locale),
            Effect::IssueToken(_) | Effect::EndSessions(_) | _ => None,
        }
    }

    fn of_message(message: &Message, issuer: &str, locale: &Locale, now: OffsetDateTime) -> Option<Self> {
        if let Some((token, code)) = message.content.link() {
            let (kind, page) = match message.purpose {
                Purpose::Confirm => (Kind::SignUp, "signup"),
                Purpose::Reset | _ => (Kind::Reset, "reset"),
            };
            // In the fragment, which no server is sent and no `Referer` shows.
            let email: String =
                url::form_urlencoded::byte_serialize(message.to.as_str().as_bytes()).collect();
            let link = format!("{issuer}{page}#token={}&email={email}", token.expose());
            return Some(Self::link(kind, &link, &typed(code), message.expires, now, locale));
        }
        let kind = match message.purpose {
            Purpose::Confirm => Kind::Confirm,
            Purpose::Authenticate | _ => Kind::Authenticate,
        };
        let code = typed(message.content.code()?);
        Some(Self::code(kind, &code, message.expires, now, locale))
    }

    fn link(
        kind: Kind,
        link: &str,
        code: &str,
        expires: OffsetDateTime,
        now: OffsetDateTime,
        locale: &Locale,
    ) -> Self {
        let mut content = Self::code(kind, code, expires, now, locale);
        content.values.insert("link", Value::from(link));
        // One that lives for long says the day as well.
        if expires.date() != now.date() {
            content.values.insert("until", Value::from(format::date_and_time(expires, locale)));
        }
        content.secrets.push(("link", link.to_owned()));
        content
    }

    fn of_notice(notify: &Notify, locale: &Locale) -> Option<Self> {
        let mut about = About::default();
        match &notify.notice {
            Notice::Added { authenticator, label }
            | Notice::Removed { authenticator, label }
            | Notice::Disabled { authenticator, label } => {
                about.factor = Some(authenticator.kind().as_str());
                about.address = label.destination().map(Destination::masked);
            }
            Notice::RecoveryUsed { remaining, .. } => about.remaining = Some(*remaining),
            Notice::Locked { until, .. } => about.until = Some(instant(*until)),
            Notice::RecoveryRegenerated { .. }
            | Notice::RecoveryGuessed { .. }
            | Notice::Hardened { .. }
            | Notice::DeviceForgotten { .. }
            | Notice::Unlocked
            | Notice::Reset => {}
            Notice::ClockDisagrees { .. } | _ => return None,
        }
        let kind = notify.notice.kind();
        Some(Self::notice(kind.strip_prefix("notify-").unwrap_or(kind), instant(notify.at), about, locale))
    }

    fn code(kind: Kind, code: &str, expires: OffsetDateTime, now: OffsetDateTime, locale: &Locale) -> Self {
        // Rounded up: a code that is said to be valid for no minute at all would not be tried.
        let minutes = (expires - now).whole_seconds().max(1).saturating_add(59) / 60;
        let values = Values::from([
            ("code", Value::from(code)),
            ("minutes", Value::from(minutes)),
            ("until", Value::from(format::time(expires, locale))),
        ]);
        Self { kind, secrets: vec![("code", code.to_owned())], values }
    }

    fn notice(kind: &str, at: OffsetDateTime, about: About, locale: &Locale) -> Self {
        let mut values = Values::from([
            ("kind", Value::from(kind)),
            ("when", Value::from(format::date_and_time(at, locale))),
        ]);
        if let Some(factor) = about.factor {
            values.insert("factor", Value::from(factor));
        }
        if let Some(address) = about.address {
            values.insert("address", Value::from(address));
        }
        if let Some(remaining) = about.remaining {
            values.insert("remaining", Value::from(remaining));
        }
        if let Some(until) = about.until {
            let write = if until.date() == at.date() { format::time } else { format::date_and_time };
            values.insert("until", Value::from(write(until, locale)));
        }
        Self { kind: Kind::Notify, secrets: Vec::new(), values }
    }

    /// Adds what every file may use.
    pub(super) fn with(mut self, service: &str, issuer: &str, locale: &Locale) -> Self {
        let common = [("service", service), ("issuer", issuer), ("locale", locale.as_str())];
        self.values.extend(common.map(|(name, value)| (name, Value::from(value))));
        self
    }
}

/// What some notices are about.
#[derive(Default)]
struct About {
    /// The name of the authenticator's kind.
    factor: Option<&'static str>,
    address: Option<String>,
    remaining: Option<u8>,
    until: Option<OffsetDateTime>,
}

/// A message of each kind, with a name: what templates are tried with, and what a preview shows.
pub(super) fn samples(address: &str, locale: &Locale) -> Vec<(String, Content)> {
    let now = OffsetDateTime::from_unix_timestamp(1_795_615_200).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let code = |name: &str, kind, minutes| {
        (name.to_owned(), Content::code(kind, "493817", now + Duration::minutes(minutes), now, locale))
    };
    let link = |name: &str, kind, minutes| {
        let link = format!("https://mfa.example.com/{name}#token=AbC-_123&email=jane%40example.com");
        let code = "4938 1702 5566 1290 8374";
        let expires = now + Duration::minutes(minutes);
        (name.to_owned(), Content::link(kind, &link, code, expires, now, locale))
    };
    let notice = |kind: &str, about| (format!("notify-{kind}"), Content::notice(kind, now, about, locale));
    let address = || About { factor: Some("email"), address: Some(address.to_owned()), ..About::default() };
    let app = || About { factor: Some("totp"), ..About::default() };
    let remaining = |count| About { remaining: Some(count), ..About::default() };
    let until = |hours| About { until: Some(now + Duration::hours(hours)), ..About::default() };
    let mut samples = vec![
        code("confirm", Kind::Confirm, 5),
        code("authenticate", Kind::Authenticate, 5),
        link("sign-up", Kind::SignUp, 1_440),
        link("reset", Kind::Reset, 120),
        notice("added", address()),
        notice("removed", address()),
        notice("disabled", address()),
        notice("recovery-used", remaining(7)),
        notice("recovery-regenerated", About::default()),
        notice("recovery-guessed", About::default()),
        notice("locked", until(1)),
        notice("hardened", About::default()),
        notice("device-forgotten", About::default()),
        notice("unlocked", About::default()),
        notice("reset", About::default()),
    ];
    // Other numbers, which have other words.
    for minutes in [1, 2, 1_440] {
        samples.push(code(&format!("confirm-{minutes}"), Kind::Confirm, minutes));
        samples.push(code(&format!("authenticate-{minutes}"), Kind::Authenticate, minutes));
    }
    for kind in ["added", "removed", "disabled"] {
        let (name, content) = notice(kind, app());
        samples.push((format!("{name}-totp"), content));
    }
    for count in [0, 1, 2] {
        let (name, content) = notice("recovery-used", remaining(count));
        samples.push((format!("{name}-{count}"), content));
    }
    let (name, content) = notice("locked", until(24));
    samples.push((format!("{name}-long"), content));
    let expires = now + Duration::minutes(5);
    for (name, kind) in [("confirm", Kind::Confirm), ("authenticate", Kind::Authenticate)] {
        let content = Content::code(kind, "4938 1720 5566 0193 8472", expires, now, locale);
        samples.push((format!("{name}-long"), content));
    }
    samples
}

/// A code as a person reads and copies it: a long one in groups.
fn typed(code: &BindingCode) -> String {
    code.groups().collect::<Vec<_>>().join(" ")
}

/// A time of the core's, in milliseconds since 1970.
fn instant(millis: u64) -> OffsetDateTime {
    let nanos = i128::from(millis).saturating_mul(1_000_000);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
