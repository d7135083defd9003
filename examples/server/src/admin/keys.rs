//! The commands about a key file.
//!
//! What a change would kill is counted in the database first, and asked. This module must never print a secret, or
//! write the file before the answer.

use std::path::Path;

use countersign::wire::timestamp;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Answer, Failure, open_existing, terminal};
use crate::{
    key_use::{KeyUse, Probe},
    keys::{KeyState, KeyView, Keys},
    options::{Data, KeyClass, KeysAction},
    tokens,
};

/// How long what a transient key made is good, once the key is not current any more.
const TRANSIENT_LIFE: Duration = Duration::minutes(10);

pub(super) async fn run(action: KeysAction, yes: bool, data: &Data) -> Result<Answer, Failure> {
    let (file, class) = match &action {
        KeysAction::Generate { file } => {
            Keys::generate()?.create(file)?;
            return Ok(Answer::new(
                format!("{} holds new keys.", file.display()),
                json!({ "file": file.display().to_string() }),
            ));
        }
        KeysAction::Status { file } => return status(&Keys::read(file)?, data).await,
        KeysAction::Rotate { file, class, .. }
        | KeysAction::Stage { file, class }
        | KeysAction::Promote { file, class, .. }
        | KeysAction::Drop { file, class, .. } => (file.as_path(), *class),
    };
    let mut keys = Keys::read(file)?;
    let dropped = match &action {
        KeysAction::Rotate { grace, .. } => keys.rotate(class, minutes(*grace))?,
        KeysAction::Stage { .. } => keys.stage(class)?,
        KeysAction::Promote { grace, .. } => {
            keys.promote(class, minutes(*grace))?;
            None
        }
        KeysAction::Drop { id, .. } => Some(keys.remove(class, id)?),
        KeysAction::Generate { .. } | KeysAction::Status { .. } => None,
    };
    keys.ring()?;
    if let Some(dropped) = &dropped {
        ask(dropped, yes, data).await?;
    }
    keys.replace(file)?;
    if let Some(id) = dropped.as_ref().and_then(KeyView::durable_id)
        && let Ok(database) = open_existing(data).await
    {
        database.forget_durable_key(id).await?;
    }
    Ok(changed(file, &keys.class(class), dropped.as_ref()))
}

fn minutes(grace: u16) -> Duration {
    Duration::minutes(grace.into())
}

fn changed(file: &Path, keys: &[KeyView], dropped: Option<&KeyView>) -> Answer {
    let one = |key: &KeyView| {
        format!("{} key {} is {}{}", key.class.name(), key.id, key.state.name(), retires(key))
    };
    let mut lines: Vec<_> = keys.iter().map(one).collect();
    if let Some(dropped) = dropped {
        lines.push(format!("{} key {} is dropped", dropped.class.name(), dropped.id));
    }
    lines.push("Restart the server to use the new keys.".to_owned());
    let json = json!({
        "file": file.display().to_string(),
        "keys": keys.iter().map(described).collect::<Vec<_>>(),
        "dropped": dropped.map(|key| key.id.clone()),
    });
    Answer::new(lines.join("\n"), json)
}

/// Until when what a former transient key made is accepted.
fn retires(key: &KeyView) -> String {
    key.retires.map(|at| format!(", for what was made until {}", timestamp(at))).unwrap_or_default()
}

fn described(key: &KeyView) -> Value {
    json!({
        "class": key.class.name(), "id": key.id, "state": key.state.name(), "since": key.since.map(timestamp),
        "retires": key.retires.map(timestamp),
    })
}

/// Asks, if something would be lost with a key.
async fn ask(dropped: &KeyView, yes: bool, data: &Data) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    // A key whose file was edited may have no time: it may have been made former a moment ago.
    let may_live = |life: Duration| dropped.retires.or(dropped.since).is_none_or(|end| end + life > now);
    let (name, id) = (dropped.class.name(), &dropped.id);
    let loss = match (dropped.state, dropped.class) {
        // Nothing was made with it, unless a server runs with another file.
        (KeyState::Staged, KeyClass::Transient | KeyClass::Signing) => None,
        (_, KeyClass::Durable) => match count(data).await {
            Ok(counted) => {
                let on = counted.on(id);
                let unread = match counted.unreadable {
                    0 => String::new(),
                    unreadable => format!("; {unreadable} records cannot be read and may have more"),
                };
                (on.codes() > 0 || counted.unreadable > 0).then(|| {
                    format!(
                        "with {name} key {id}, {} recovery codes of {} users are lost{unread}",
                        on.codes(),
                        on.records
                    )
                })
            }
            Err(failure) => Some(format!(
                "how many recovery codes are lost with {name} key {id} cannot be counted ({})",
                failure.sentence
            )),
        },
        (_, KeyClass::Transient) if may_live(TRANSIENT_LIFE) => Some(match count(data).await {
            Ok(counted) => format!(
                "sign-ins under way that began with {name} key {id} are lost, at most {} open challenges among them",
                counted.open_challenges
            ),
            Err(_) => format!("sign-ins under way that began with {name} key {id} are lost"),
        }),
        (_, KeyClass::Signing) if may_live(Duration::seconds(tokens::LIFETIME)) => Some(format!(
            "tokens that {name} key {id} signed are refused before they expire; nobody counts them"
        )),
        (_, KeyClass::Transient | KeyClass::Signing) => None,
    };
    loss.map_or(Ok(()), |loss| terminal::confirm(&loss, yes))
}

async fn count(data: &Data) -> Result<KeyUse, Failure> {
    let database = open_existing(data).await?;
    Ok(Probe::new()?.count(&*database).await?)
}

async fn status(keys: &Keys, data: &Data) -> Result<Answer, Failure> {
    let counted = count(data).await;
    let (mut lines, mut shown) = (Vec::new(), Vec::new());
    let view = keys.view();
    for key in &view {
        let on = counted.as_ref().ok().and_then(|counted| Some(counted.on(key.durable_id()?)));
        let since = key.since.map_or_else(|| "an unknown time".to_owned(), timestamp);
        let hangs = on.map(|on| format!(", {} recovery codes of {} users", on.codes(), on.records));
        lines.push(format!(
            "{} key {}: {} since {since}{}{}",
            key.class.name(),
            key.id,
            key.state.name(),
            retires(key),
            hangs.unwrap_or_default()
        ));
        let mut json = described(key);
        if let Value::Object(json) = &mut json {
            json.insert("records".to_owned(), json!(on.map(|on| on.records)));
            json.insert("recovery_codes".to_owned(), json!(on.map(|on| on.recovery_codes)));
            json.insert("pending_recovery_codes".to_owned(), json!(on.map(|on| on.pending_recovery_codes)));
        }
        shown.push(json);
    }
    let mut missing = Vec::new();
    let database = match counted {
        Ok(counted) => {
            for (id, on) in &counted.durable {
                if view.iter().any(|key| key.durable_id() == Some(id)) {
                    continue;
                }
                lines.push(format!(
                    "durable key {id} is missing: {} recovery codes of {} users are refused",
                    on.codes(),
                    on.records
                ));
                missing.push(json!({
                    "class": "durable", "id": id, "records": on.records, "recovery_codes": on.recovery_codes,
                    "pending_recovery_codes": on.pending_recovery_codes,
                }));
            }
            lines.push(format!(
                "{} records, {} of them unreadable; {} open challenges",
                counted.records, counted.unreadable, counted.open_challenges
            ));
            json!({
                "records": counted.records, "unreadable": counted.unreadable, "open_challenges": counted.open_challenges,
            })
        }
        Err(failure) => {
            lines.push(format!("what hangs on them is not counted: {}", failure.sentence));
            Value::Null
        }
    };
    Ok(Answer::new(lines.join("\n"), json!({ "keys": shown, "missing": missing, "database": database })))
}
