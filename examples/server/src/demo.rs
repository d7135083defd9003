//! Demonstration data, and what the page's panel shows of it. Only on loopback addresses, and never a code, token,
//! handle or seed.

use std::{collections::VecDeque, sync::Mutex};

use countersign::{
    Account, Effect, Subject,
    audit::AuditEvent,
    command::Purpose,
    factor::AuthenticatorKind,
    machine::{CancelReason, ChallengeState, Enrollment},
    record::Challenge,
    wire::timestamp,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    audit,
    client::{Client, Grant, ScopeWord},
    first_factor::{FirstFactorError, FirstFactors, secret_hash},
    store::Database,
};

pub(crate) const USERNAME: &str = "user@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const CLIENT_ID: &str = "demo";
pub(crate) const CLIENT_SECRET: &str = "demo-secret";

/// How many steps the panel keeps.
const STEPS: usize = 50;

/// Adds the demonstration user and client to an empty store, and says whether the store has them. A store with data
/// of its own gets none, so its server shows no panel.
pub(crate) async fn seed(
    database: &dyn Database,
    first_factors: &FirstFactors,
) -> Result<bool, FirstFactorError> {
    if database.is_empty().await? {
        let user = first_factors.new_user(USERNAME, true, PASSWORD).await?;
        database.add_user(&user).await?;
        database.add_client(&client()).await?;
    }
    let client = database.client(CLIENT_ID).await?;
    let is_demo = client.is_some_and(|client| client.accepts(Some(CLIENT_SECRET)));
    Ok(is_demo && database.user_by_email(USERNAME).await?.is_some())
}

/// The client of the page and of the walk-through, with what these ask for.
fn client() -> Client {
    Client {
        client_id: CLIENT_ID.to_owned(),
        secret_hash: Some(secret_hash(CLIENT_SECRET)),
        grants: Grant::ALL.to_vec(),
        audiences: Vec::new(),
        scopes: ScopeWord::own(),
        origins: Vec::new(),
    }
}

/// What the store takes of the demonstration's credentials, and the commands that remove it. Everybody knows them.
async fn known_credentials(
    database: &dyn Database,
    first_factors: &FirstFactors,
) -> Result<Vec<String>, FirstFactorError> {
    let mut known = Vec::new();
    let user = database.user_by_email(USERNAME).await?;
    if let Some(user) = user
        && first_factors.is_password_of(&user, PASSWORD).await?
    {
        known.push(format!("the password of {USERNAME} (`countersign-server users remove {USERNAME}`)"));
    }
    let client = database.client(CLIENT_ID).await?;
    if client.is_some_and(|client| client.secret_hash.is_some() && client.accepts(Some(CLIENT_SECRET))) {
        known.push(format!(
            "the secret of the client {CLIENT_ID} (`countersign-server clients remove {CLIENT_ID}`)"
        ));
    }
    Ok(known)
}

/// The demonstration's password would go on to sign in after the demonstration is over.
pub(crate) async fn refuse_known_credentials(
    database: &dyn Database,
    first_factors: &FirstFactors,
    allowed: bool,
) -> Result<(), String> {
    let known = known_credentials(database, first_factors).await;
    let known =
        known.map_err(|error| format!("the demonstration's credentials could not be looked for: {error}"))?;
    let known = known.join(" and ");
    if known.is_empty() {
        return Ok(());
    }
    if allowed {
        tracing::warn!("--allow-demo-credentials: everybody knows {known}, and this store takes it");
        return Ok(());
    }
    Err(format!(
        "the demonstration is off, but the store still takes its credentials, which everybody knows: {known}; remove them, \
         or start with --allow-demo-credentials"
    ))
}

/// The last steps of the core.
#[derive(Default)]
pub(crate) struct Panel(Mutex<Steps>);

#[derive(Default)]
struct Steps {
    count: u64,
    last: VecDeque<(Subject, Value)>,
}

impl Panel {
    /// Keeps one step.
    pub(crate) fn note(&self, event: &AuditEvent, effects: &[Effect]) {
        let Ok(mut steps) = self.0.lock() else { return };
        steps.count = steps.count.saturating_add(1);
        let step = json!({
            "n": steps.count,
            "at": timestamp(event.at()),
            "command": audit::command(event),
            "denial": event.denial,
            "evaluated": event.evaluated,
            "authenticator": event.authenticator.map(|id| id.to_string()),
            "effects": effects.iter().map(effect).collect::<Vec<_>>(),
        });
        steps.last.push_front((event.subject.clone(), step));
        steps.last.truncate(STEPS);
    }

    /// What the panel shows of one user.
    pub(crate) fn show(&self, account: &Account, recovery_codes_left: u8, stored: bool) -> Value {
        let subject = account.subject();
        let steps: Vec<_> = self.0.lock().map_or_else(
            |_| Vec::new(),
            |steps| steps.last.iter().filter(|(of, _)| of == subject).map(|(_, step)| step.clone()).collect(),
        );
        json!({
            "now": timestamp(OffsetDateTime::now_utc()),
            "enrolled": account.is_enrolled(),
            "revision": stored.then(|| account.revision().to_string()),
            "recovery_codes_left": recovery_codes_left,
            "authenticators": account.authenticators().iter().map(authenticator).collect::<Vec<_>>(),
            "challenges": account.challenges().iter().map(challenge).collect::<Vec<_>>(),
            "steps": steps,
        })
    }
}

fn effect(effect: &Effect) -> Value {
    match effect {
        Effect::Send(message) => json!({
            "kind": "send",
            "id": message.id.to_string(),
            "channel": message.to.channel().as_str(),
            "to": message.to.masked(),
            "purpose": purpose(&message.purpose),
            "expires": timestamp(message.expires),
        }),
        Effect::IssueToken(token) => json!({
            "kind": "issue_token",
            "id": token.id().to_string(),
            "client": token.client().map(countersign::session::ClientId::as_str),
        }),
        Effect::Notify(notify) => {
            let event = notify.notice.kind();
            let event = event.strip_prefix("notify-").unwrap_or(event).replace('-', "_");
            json!({ "kind": "notify", "id": notify.id.to_string(), "event": event })
        }
        Effect::EndSessions(end) => json!({
            "kind": "end_sessions",
            "id": end.id.to_string(),
            "reason": end.reason.as_str(),
        }),
        _ => json!({ "kind": "other" }),
    }
}

fn authenticator(authenticator: &countersign::record::Authenticator) -> Value {
    let kind: AuthenticatorKind = authenticator.factor().kind();
    json!({
        "id": authenticator.id().to_string(),
        "kind": kind.as_str(),
        "name": authenticator.factor().label().masked(),
        "state": match authenticator.enrollment() {
            Enrollment::Unconfirmed(_) => "unconfirmed",
            Enrollment::Active => "active",
            Enrollment::Disabled => "disabled",
        },
        "failures": authenticator.failures(),
    })
}

fn challenge(challenge: &Challenge) -> Value {
    let state = match challenge.state() {
        ChallengeState::Pending(pending) => {
            json!({ "state": "pending", "sends": pending.sends(), "generation": pending.generation() })
        }
        ChallengeState::Verified => json!({ "state": "verified" }),
        ChallengeState::Exhausted => json!({ "state": "exhausted" }),
        ChallengeState::Expired => json!({ "state": "expired" }),
        ChallengeState::Cancelled(cause) => json!({ "state": "cancelled", "cause": match cause {
            CancelReason::Requested => "requested",
            CancelReason::Locked => "locked",
            CancelReason::Superseded => "superseded",
            CancelReason::Disabled => "disabled",
            CancelReason::Hardened => "hardened",
            _ => "other",
        }}),
    };
    let mut shown = json!({
        "id": format!("{:?}", challenge.id()),
        "authenticator": challenge.authenticator().to_string(),
        "purpose": purpose(challenge.purpose()),
        "digits": challenge.form().digits(),
        "deadline": timestamp(challenge.deadline()),
    });
    if let (Value::Object(shown), Value::Object(state)) = (&mut shown, state) {
        shown.extend(state);
    }
    shown
}

fn purpose(purpose: &Purpose) -> &str {
    match purpose {
        Purpose::Confirm => "confirm",
        Purpose::Authenticate => "authenticate",
        Purpose::Action { label, .. } => label.as_str(),
        Purpose::Reset => "reset",
        _ => "other",
    }
}
