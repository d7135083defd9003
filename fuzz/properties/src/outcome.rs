//! What must be said of a step that was seen: the verdict, the audit event, and whom to tell of what.

use countersign::{
    Denial, Effect, Outcome, Subject,
    audit::AuditEvent,
    effect::{Descriptor, EffectId, FactorLabel, Notice},
    session::ClientId,
    step::Effects,
};
use serde_json::json;

use crate::reference_model::{About, Login};

/// What the model says of a step.
pub(crate) struct Expected<'a> {
    /// The method, whose name the audit event carries.
    pub(crate) command: &'static str,
    /// About whom.
    pub(crate) subject: &'a Subject,
    /// Who asked; the host's own commands have nobody.
    pub(crate) login: Option<&'a Login>,
    pub(crate) about: About,
    /// About which remembered device.
    pub(crate) device: Option<String>,
    pub(crate) verdict: Result<(), Denial>,
    /// Why no message was sent, where the answer does not say so.
    pub(crate) withheld: Option<&'static str>,
    /// Whether a presented code was compared with the right one.
    pub(crate) evaluated: bool,
    /// Whom to tell of what, in order.
    pub(crate) told: Vec<String>,
    /// How many tokens are to be issued.
    pub(crate) tokens: usize,
    /// Why sessions end, if they do, and whether those of the transaction that asked stay.
    pub(crate) ends: Option<(&'static str, bool)>,
    pub(crate) at: u64,
}

/// The name of a denial in the audit event: that of the variant, as one writes it in a log.
fn name(denial: &Denial) -> String {
    let variant = format!("{denial:?}");
    let variant = variant.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
    let mut name = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

fn whole(label: &FactorLabel) -> &str {
    match label {
        FactorLabel::Kind(kind) => kind.as_str(),
        _ => label.destination().expect("an address").as_str(),
    }
}

/// What an account's holder, or the operator, is told, in a line.
fn line(notice: &Notice) -> String {
    match notice {
        Notice::Added { authenticator, label } => format!("added {authenticator} {}", whole(label)),
        Notice::Removed { authenticator, label } => format!("removed {authenticator} {}", whole(label)),
        Notice::Disabled { authenticator, label } => format!("disabled {authenticator} {}", whole(label)),
        Notice::RecoveryUsed { recovery, remaining } => format!("used {recovery} {remaining}"),
        Notice::RecoveryRegenerated { recovery } => format!("regenerated {recovery}"),
        Notice::RecoveryGuessed { recovery } => format!("guessed {recovery}"),
        Notice::Locked { authenticator, until } => format!("locked {authenticator} {until}"),
        Notice::Hardened { authenticator, lane } => format!("hardened {authenticator} {lane:?}"),
        Notice::Unlocked => "unlocked".to_owned(),
        Notice::Reset => "reset".to_owned(),
        Notice::DeviceForgotten { device } => format!("forgot {device}"),
        Notice::ClockDisagrees { behind_ms } => format!("clock {behind_ms}"),
        other => panic!("unknown notice {other:?}"),
    }
}

/// The operator's line of a step that was written by a clock more than a minute behind the one before.
pub(crate) fn clock(updated: u64, now: u64) -> Option<String> {
    let behind = updated.saturating_sub(now);
    (behind > 60_000).then(|| format!("clock {behind}"))
}

/// What was seen of a step.
pub(crate) struct Seen<T> {
    pub(crate) result: Result<T, Denial>,
    pub(crate) effects: Effects,
    pub(crate) outbox: Option<Vec<Descriptor>>,
    audit: AuditEvent,
}

impl<T> Seen<T> {
    pub(crate) fn of(outcome: Outcome<T>, outbox: Option<Vec<Descriptor>>) -> Self {
        let audit = outcome.audit().clone();
        let (result, effects) = outcome.into_parts();
        Self { result, effects, outbox, audit }
    }
}

/// Compares a step that was seen with what the model says. `secrets` are texts that no audit event may hold.
pub(crate) fn check<T>(seen: &Seen<T>, expected: Expected, secrets: &[&str]) {
    let outbox = seen.outbox.as_deref();
    let denied = seen.result.as_ref().err().copied();
    assert_eq!(denied, expected.verdict.err(), "the verdict of {}", expected.command);
    audit(&seen.audit, &expected, secrets);
    let notices = seen.effects.iter().filter_map(|effect| match effect {
        Effect::Notify(notify) => Some(notify),
        _ => None,
    });
    let told: Vec<String> = notices
        .map(|notify| {
            assert_eq!((&notify.subject, notify.at), (expected.subject, expected.at));
            line(&notify.notice)
        })
        .collect();
    assert_eq!(told, expected.told, "what is told after {}", expected.command);
    let tokens = seen.effects.iter().filter(|effect| matches!(effect, Effect::IssueToken(_))).count();
    assert_eq!(tokens, expected.tokens, "tokens after {}", expected.command);
    let ends = seen.effects.iter().filter_map(|effect| match effect {
        Effect::EndSessions(end) => Some(end),
        _ => None,
    });
    let ended: Vec<_> = ends.map(|end| (end.reason.as_str(), end.except, &end.subject)).collect();
    let spared = expected.login.map(|login| login.session.transaction());
    let ends = expected.ends.map(|(reason, stays)| (reason, spared.filter(|_| stays), expected.subject));
    assert_eq!(ended, ends.into_iter().collect::<Vec<_>>(), "what ends after {}", expected.command);
    // The outbox is the messages among the effects, less what is the operator's alone; a step that writes nothing sends
    // nothing.
    let messages = seen.effects.iter().filter_map(|effect| match effect {
        Effect::Send(mail) => Some(mail.id),
        Effect::Notify(notify) if !matches!(notify.notice, Notice::ClockDisagrees { .. }) => Some(notify.id),
        Effect::EndSessions(end) => Some(end.id),
        _ => None,
    });
    let messages: Vec<EffectId> = messages.collect();
    let stored: Vec<EffectId> = outbox.unwrap_or_default().iter().map(Descriptor::id).collect();
    assert_eq!(messages, stored, "the outbox after {}", expected.command);
    // A denial leaves the record as it was, unless there is something to count or to note.
    let noted = [
        |denial: &Denial| matches!(denial, Denial::InvalidBindingCode { .. } | Denial::InvalidOtpCode { .. }),
        |denial: &Denial| matches!(denial, Denial::InvalidRecoveryCode),
        |denial: &Denial| matches!(denial, Denial::ExpiredOobCode),
    ];
    let counts = denied.is_none_or(|denial| noted.iter().any(|noted| noted(&denial)));
    assert!(counts || outbox.is_none(), "{denied:?} wrote");
}

/// One event for each decision, every field of it as documented, and nothing else in it.
fn audit(event: &AuditEvent, expected: &Expected, secrets: &[&str]) {
    let denial = expected.verdict.as_ref().err().map(name);
    let denial = denial.or_else(|| expected.withheld.map(str::to_owned));
    let documented = json!({
        "command": expected.command,
        "subject": expected.subject.as_str(),
        "client": expected.login.and_then(|login| login.session.client()).map(ClientId::as_str),
        "transaction": expected.login.map(|login| login.transaction.as_str()),
        "authenticator": expected.about,
        "device": expected.device,
        "denial": denial,
        "evaluated": expected.evaluated,
        "at": expected.at,
    });
    let logged = serde_json::to_value(event).unwrap();
    assert_eq!(logged, documented, "the audit event of {}", expected.command);
    let printed = format!("{event:?}");
    for secret in secrets {
        assert!(!printed.contains(secret), "{secret} is in the audit event {printed}");
    }
}
