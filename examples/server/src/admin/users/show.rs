//! What is told of users.
//!
//! A user's addresses are masked unless the whole is asked for. This module must never show a seed, a hash or a code.

use countersign::{
    Account, AuthenticatorId, Verifier,
    machine::Enrollment,
    record::{Authenticator, Device, Lane, Origin},
    wire::timestamp,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{find, open_existing, running_policy};
use crate::{
    admin::{Answer, Failure},
    app,
    key_use::{Probe, keyless},
    keys::{Found, KeyView, Keys},
    options::{Data, Filter},
    store::{Listed, User},
};

/// How many users are read at once while a filter looks for some.
const READ: u16 = 500;

/// Which users are listed.
pub(super) struct Page {
    pub(super) contains: String,
    pub(super) only: Option<Filter>,
    pub(super) after: String,
    pub(super) limit: u16,
}

pub(super) async fn list(data: &Data, page: &Page) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let verifier = keyless(running_policy(&*database).await?)?;
    let now = OffsetDateTime::now_utc();
    let (contains, mut after) = (page.contains.to_lowercase(), page.after.to_lowercase());
    let (mut rows, mut texts, mut more) = (Vec::new(), Vec::new(), false);
    'pages: loop {
        let read = database.users(&after, &contains, READ).await?;
        let Some(last) = read.last() else { break };
        let end = last.user.email.clone();
        for Listed { user, record } in read {
            let status = record.as_ref().map(|account| AccountStatus {
                enrolled: account.as_ref().is_some_and(Account::is_enrolled),
                guessing: account
                    .as_ref()
                    .map_or(Guessing::default(), |one| Guessing::of(&verifier, one, now)),
            });
            let shown = match (page.only, &status) {
                (None, _) => true,
                (Some(_), Err(_)) => false,
                (Some(Filter::Locked), Ok(status)) => status.guessing.locked_until.is_some(),
                (Some(Filter::Hardened), Ok(status)) => status.guessing.hardened,
                (Some(Filter::Enrolled), Ok(status)) => status.enrolled,
                (Some(Filter::Unenrolled), Ok(status)) => !status.enrolled,
            };
            if !shown {
                continue;
            }
            if rows.len() == usize::from(page.limit) {
                more = true;
                break 'pages;
            }
            let (json, state) = match status {
                Ok(status) => (status.json(), status.text()),
                Err(error) => (json!({ "unreadable": error.to_string() }), "unreadable record".to_owned()),
            };
            after.clone_from(&user.email);
            texts.push(format!("{}  {}  {state}", user.email, user.subject.as_str()));
            rows.push(merged(identity(&user), json));
        }
        after = end;
    }
    let next = more.then_some(after);
    if texts.is_empty() {
        texts.push("no users".to_owned());
    }
    if let Some(next) = &next {
        texts.push(format!("more with --after={next}"));
    }
    Ok(Answer::new(texts.join("\n"), json!({ "users": rows, "next": next })))
}

/// Where a user stands: what limits guessing is one group, since there is more than one such limit.
struct AccountStatus {
    enrolled: bool,
    guessing: Guessing,
}

/// What many wrong codes brought upon an account, for whoever signs in with the password.
#[derive(Default)]
struct Guessing {
    locked_until: Option<OffsetDateTime>,
    hardened: bool,
}

impl Guessing {
    fn of(verifier: &Verifier, account: &Account, now: OffsetDateTime) -> Self {
        Self {
            locked_until: verifier.locked_until(account, Lane::Unknown, now),
            hardened: verifier.is_hardened(account, Lane::Unknown, now),
        }
    }
}

impl AccountStatus {
    fn json(&self) -> Value {
        let Guessing { locked_until, hardened } = self.guessing;
        let guessing = json!({ "locked_until": locked_until.map(timestamp), "hardened": hardened });
        json!({ "enrolled": self.enrolled, "guessing": guessing })
    }

    fn text(&self) -> String {
        let enrolled = if self.enrolled { "enrolled" } else { "not enrolled" };
        match self.guessing {
            Guessing { locked_until: Some(until), .. } => {
                format!("{enrolled}, locked until {}", timestamp(until))
            }
            Guessing { hardened: true, .. } => format!("{enrolled}, hardened: gets long codes"),
            Guessing { .. } => enrolled.to_owned(),
        }
    }
}

pub(super) async fn one(data: &Data, email: &str, whole: bool) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    let account = app::load(&*database, &user.subject).await?;
    // Without the key file the ids alone are told.
    let known = match Keys::find(data) {
        Ok(Found::Keys(keys)) => Some(keys.view()),
        Ok(Found::Missing(_)) | Err(_) => None,
    };
    let verifier = keyless(running_policy(&*database).await?)?;
    let guessing = Guessing::of(&verifier, &account, OffsetDateTime::now_utc());
    let status = AccountStatus { enrolled: account.is_enrolled(), guessing };
    let keys = hanging(&account, known.as_deref())?;
    let usable = keys.iter().filter(|on| on.state != Some(MISSING));
    let recovery_codes_left: u64 = usable.map(|on| on.recovery_codes).sum();
    let shown = |one: &Authenticator| Shown::new(one, account.preferred(), whole);
    let authenticators: Vec<_> = account.authenticators().iter().map(shown).collect();

    let mut lines = vec![
        user.email.clone(),
        format!("  subject         {}", user.subject.as_str()),
        format!("  address         {}", if user.email_verified { "verified" } else { "not verified" }),
        format!("  second factor   {}", status.text()),
        format!("  recovery codes  {recovery_codes_left} left"),
    ];
    if let Some(ended) = user.sessions_ended() {
        lines.push(format!("  sessions        those from before {} are ended", timestamp(ended)));
    }
    lines.extend(keys.iter().map(Hangs::text));
    lines.extend(authenticators.iter().map(Shown::text));
    let record = json!({
        "sessions_ended_at": user.sessions_ended().map(timestamp),
        "recovery_codes_left": recovery_codes_left,
        "authenticators": authenticators.iter().map(Shown::json).collect::<Vec<_>>(),
        "keys": keys.iter().map(Hangs::json).collect::<Vec<_>>(),
    });
    Ok(Answer::new(lines.join("\n"), merged(identity(&user), merged(status.json(), record))))
}

/// The remembered devices of a user whose time is not over.
pub(super) async fn devices(data: &Data, email: &str) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    let account = app::load(&*database, &user.subject).await?;
    let now = OffsetDateTime::now_utc();
    let live: Vec<_> = account.devices().iter().filter(|known| known.expires() > now).collect();
    let line = |known: &&Device| {
        let (since, until) = (timestamp(known.since()), timestamp(known.expires()));
        format!("{}  since {since}, last used {}, until {until}", known.id(), timestamp(known.last_used()))
    };
    let row = |known: &&Device| {
        json!({
            "id": known.id().to_string(),
            "remembered_since": timestamp(known.since()),
            "last_used": timestamp(known.last_used()),
            "expires_at": timestamp(known.expires()),
            "vouched_by": known.vouched_by().to_string(),
        })
    };
    let mut text: Vec<_> = live.iter().map(line).collect();
    if text.is_empty() {
        text.push(format!("{email} has no remembered device."));
    }
    let devices: Vec<_> = live.iter().map(row).collect();
    Ok(Answer::new(text.join("\n"), merged(identity(&user), json!({ "devices": devices }))))
}

/// An authenticator as an administrator sees it.
struct Shown {
    id: String,
    kind: &'static str,
    name: Option<String>,
    address: String,
    state: &'static str,
    failures: u8,
    provisioned: bool,
    preferred: bool,
    created: String,
    last_used: Option<String>,
}

impl Shown {
    fn new(authenticator: &Authenticator, preferred: Option<AuthenticatorId>, whole: bool) -> Self {
        let factor = authenticator.factor();
        let whole_address = || factor.destination().map(|destination| destination.as_str().to_owned());
        Self {
            id: authenticator.id().to_string(),
            kind: factor.kind().as_str(),
            name: authenticator.name().map(|name| name.as_str().to_owned()),
            address: whole.then(whole_address).flatten().unwrap_or_else(|| factor.label().masked()),
            state: match authenticator.enrollment() {
                Enrollment::Unconfirmed(_) => "unconfirmed",
                Enrollment::Active => "active",
                Enrollment::Disabled => "disabled",
            },
            failures: authenticator.failures(),
            provisioned: authenticator.origin() == Origin::Provisioned,
            preferred: preferred == Some(authenticator.id()),
            created: timestamp(authenticator.created()),
            last_used: authenticator.last_used().map(timestamp),
        }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "kind": self.kind, "name": self.name, "address": self.address, "state": self.state,
            "failures": self.failures, "provisioned": self.provisioned, "preferred": self.preferred,
            "created": self.created, "last_used": self.last_used,
        })
    }

    fn text(&self) -> String {
        // A user typed the name: what does not print, or turns the line around, is escaped.
        let name = self.name.as_ref().map(|name| format!("  {name:?}")).unwrap_or_default();
        let origin = if self.provisioned { ", provisioned" } else { "" };
        let preferred = if self.preferred { ", asked first" } else { "" };
        let used = self.last_used.as_deref().unwrap_or("never");
        format!(
            "  {}{name}  {}  {}{origin}{preferred}, {} wrong codes in a row, created {}, used {used}",
            self.id, self.address, self.state, self.failures, self.created
        )
    }
}

/// The state of a key that the key file does not have.
const MISSING: &str = "missing";

/// A durable key that a record hangs on.
struct Hangs {
    devices: u64,
    id: String,
    /// Nothing without the key file; `missing` if it does not have the key, and the codes are lost with it.
    state: Option<&'static str>,
    recovery_codes: u64,
    pending_recovery_codes: u64,
}

fn hanging(account: &Account, known: Option<&[KeyView]>) -> Result<Vec<Hangs>, Failure> {
    let hangs = Probe::new()?.of(account).into_iter().map(|(id, on)| Hangs {
        state: known.map(|keys| {
            let key = keys.iter().find(|key| key.durable_id() == Some(id.as_str()));
            key.map_or(MISSING, |key| key.state.name())
        }),
        id,
        recovery_codes: on.recovery_codes,
        pending_recovery_codes: on.pending_recovery_codes,
        devices: on.devices,
    });
    Ok(hangs.collect())
}

impl Hangs {
    fn json(&self) -> Value {
        json!({
            "class": "durable", "id": self.id, "state": self.state, "recovery_codes": self.recovery_codes,
            "pending_recovery_codes": self.pending_recovery_codes, "devices": self.devices,
        })
    }

    fn text(&self) -> String {
        let state = self.state.map(|state| format!(" ({state})")).unwrap_or_default();
        let pending = match self.pending_recovery_codes {
            0 => String::new(),
            pending => format!(" and {pending} that go live with an enrollment"),
        };
        let devices = match self.devices {
            0 => String::new(),
            devices => format!(", {devices} remembered devices"),
        };
        format!("  durable key {}{state}: {} recovery codes{pending}{devices}", self.id, self.recovery_codes)
    }
}

fn identity(user: &User) -> Value {
    json!({ "subject": user.subject.as_str(), "email": user.email, "email_verified": user.email_verified })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}
