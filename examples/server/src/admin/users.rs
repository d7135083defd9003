//! The commands about users.
//!
//! A record changes by steps of the core alone; the password, the end of the sessions and the row itself are the
//! host's. Where a command ends sessions it does that first: if it is cut off then, the user signs in anew and
//! nothing else happened.

mod show;

/// How many users are read at once.
const PAGE: u16 = 500;

use clap::ValueEnum as _;
use countersign::{
    Account, AuthenticatorId, Denial, Policy, Step, Subject, Verifier,
    machine::Enrollment,
    record::{Authenticator, Origin},
    session::DeviceId,
};
use serde_json::json;
use time::OffsetDateTime;

use super::{Answer, Failure, open, open_existing, terminal};
use crate::{
    audit::{self, administrator},
    first_factor::FirstFactors,
    hashing::Hashing,
    keys::Keys,
    options::{Data, Named, NewUser, Preset, UsersAction},
    step::take,
    store::{Database, User},
};

pub(super) async fn run(action: UsersAction, data: &Data) -> Result<Answer, Failure> {
    match action {
        UsersAction::List { contains, only, after, limit } => {
            show::list(data, &show::Page { contains, only, after, limit }).await
        }
        UsersAction::Show { user, whole } => show::one(data, &user.email, whole).await,
        UsersAction::Add(user) => add(data, user).await,
        UsersAction::Remove(user) => remove(data, &user).await,
        UsersAction::SetPassword(user) => set_password(data, &user).await,
        UsersAction::Reset(user) => reset(data, &user).await,
        UsersAction::Unlock(user) => unlock(data, &user).await,
        UsersAction::RemoveAuthenticator { user, id } => remove_authenticator(data, &user, &id).await,
        UsersAction::Devices(user) => show::devices(data, &user.email).await,
        UsersAction::ForgetDevice { user, id } => forget_device(data, &user, &id).await,
        UsersAction::RevokeSessions { email: Some(email), .. } => revoke(data, &email).await,
        UsersAction::RevokeSessions { email: None, yes, .. } => revoke_all(data, yes).await,
    }
}

/// The user of an address.
async fn find(database: &dyn Database, email: &str) -> Result<User, Failure> {
    // PostgreSQL takes no NUL in a text, and nobody's name has one.
    let named = Some(email.to_lowercase()).filter(|email| !email.contains('\0'));
    let user = match named {
        Some(email) => database.user_by_email(&email).await?,
        None => None,
    };
    let user = user.ok_or_else(|| Failure::not_found(format!("there is no user {email}")))?;
    administrator::concerns_user(&user.subject);
    Ok(user)
}

async fn add(data: &Data, NewUser { email, verified }: NewUser) -> Result<Answer, Failure> {
    countersign::EmailAddress::parse(&email)
        .map_err(|error| format!("{email:?} is no email address: {error}"))?;
    let taken = || Failure::taken(format!("{email} is there already"));
    let database = open(data).await?;
    if database.user_by_email(&email.to_lowercase()).await?.is_some() {
        return Err(taken());
    }
    let password = terminal::new_password()?;
    let user = FirstFactors::new(data.argon2_memory, Hashing::for_a_command())?
        .new_user(&email, verified, &password)
        .await?;
    if !database.add_user(&user).await? {
        return Err(taken());
    }
    administrator::concerns_user(&user.subject);
    let json = json!({ "subject": user.subject.as_str(), "email": user.email, "email_verified": verified });
    Ok(Answer::new(user.subject.as_str(), json))
}

async fn remove(data: &Data, Named { email }: &Named) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    if !database.remove_user(&user.subject).await? {
        return Err(Failure::not_found(format!("there is no user {email}")));
    }
    Ok(done(&user, format!("{email} is removed. Tokens for other services are good until they expire.")))
}

async fn set_password(data: &Data, Named { email }: &Named) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    let password = terminal::new_password()?;
    let hash = FirstFactors::new(data.argon2_memory, Hashing::for_a_command())?.hash(&password).await?;
    // In this order: a sign-in that has read the former password was prepared before its sessions end.
    if !database.set_password(&user.subject, &hash, OffsetDateTime::now_utc()).await? {
        return Err(Failure::not_found(format!("there is no user {email}")));
    }
    end_in_record(&*database, data, &user.subject).await?;
    Ok(done(&user, format!("{email} has a new password and signs in anew.")))
}

async fn revoke(data: &Data, email: &str) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    database.end_sessions(Some(&user.subject), OffsetDateTime::now_utc()).await?;
    end_in_record(&*database, data, &user.subject).await?;
    let text = format!("{email} signs in anew. Tokens for other services are good until they expire.");
    Ok(done(&user, text))
}

async fn revoke_all(data: &Data, yes: bool) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    terminal::confirm("every user has to sign in anew", yes)?;
    let users = database.end_sessions(None, OffsetDateTime::now_utc()).await?;
    let mut after = String::new();
    loop {
        let page = database.users(&after, "", PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.user.email);
        for listed in &page {
            end_in_record(&*database, data, &listed.user.subject).await?;
        }
    }
    let text = format!("{users} users sign in anew. Tokens for other services are good until they expire.");
    Ok(Answer::new(text, json!({ "users": users })))
}

async fn unlock(data: &Data, Named { email }: &Named) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    step(&*database, data, &user.subject, |verifier, account, now| verifier.unlock(account, now)).await?;
    Ok(done(
        &user,
        format!(
            "{email} can type mailed codes again. Recovery codes have a limit of their own, which time lifts."
        ),
    ))
}

async fn reset(data: &Data, Named { email }: &Named) -> Result<Answer, Failure> {
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    database.end_sessions(Some(&user.subject), OffsetDateTime::now_utc()).await?;
    step(&*database, data, &user.subject, |verifier, account, now| verifier.reset(account, now)).await?;
    Ok(done(&user, format!("{email} has no second factors any more.")))
}

/// The user stays enrolled, also without the last one: losing a factor opens no door.
async fn remove_authenticator(data: &Data, user: &Named, id: &str) -> Result<Answer, Failure> {
    let email = &user.email;
    let unknown =
        || Failure::not_found(format!("{email} has no authenticator {id}: `users show` tells the ids"));
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    let id: AuthenticatorId = id.parse().map_err(|_| unknown())?;
    let account = database.load(&user.subject).await?;
    let known = |account: &Account| -> Option<Authenticator> {
        account.authenticators().iter().find(|known| known.id() == id).cloned()
    };
    let provisioned = account.as_ref().and_then(known).ok_or_else(unknown)?.origin() == Origin::Provisioned;
    database.end_sessions(Some(&user.subject), OffsetDateTime::now_utc()).await?;
    let outcome = step(&*database, data, &user.subject, |verifier, account, now| {
        verifier.remove_authenticator(account, id, now)
    });
    match outcome.await {
        Err(StepFailure::Denied(Denial::UnknownAuthenticator)) => return Err(unknown()),
        Err(StepFailure::Denied(Denial::AuthenticatorDisabled)) => {
            let sentence =
                "it was provisioned and is disabled, and only its place in the record keeps it disabled";
            return Err(format!("{id} stays: {sentence}. `users reset` drops it with all others").into());
        }
        other => other?,
    };
    let account = database.load(&user.subject).await?;
    let enrolled = account.as_ref().is_some_and(Account::is_enrolled);
    let active = |known: &Authenticator| *known.enrollment() == Enrollment::Active;
    let left = account.is_some_and(|account| account.authenticators().iter().any(active));
    let mut text = format!("{id} is removed, and {email} signs in anew.");
    if enrolled && !left {
        text.push_str(
            " It was the last one: recovery codes are what is left to sign in with, and `users reset` lets its user \
             begin anew.",
        );
    }
    if provisioned {
        text.push_str(" A server with --implicit-email provisions the address again at the next sign-in.");
    }
    let json = json!({
        "subject": user.subject.as_str(), "email": user.email, "authenticator": id.to_string(), "enrolled": enrolled,
    });
    Ok(Answer::new(text, json))
}

async fn forget_device(data: &Data, user: &Named, id: &str) -> Result<Answer, Failure> {
    let email = &user.email;
    let unknown = || {
        Failure::not_found(format!("{email} has no remembered device {id}: `users devices` tells the ids"))
    };
    let database = open_existing(data).await?;
    let user = find(&*database, email).await?;
    let id: DeviceId = id.parse().map_err(|_| unknown())?;
    let account = database.load(&user.subject).await?;
    if !account.is_some_and(|account| account.devices().iter().any(|known| known.id() == id)) {
        return Err(unknown());
    }
    database.end_sessions(Some(&user.subject), OffsetDateTime::now_utc()).await?;
    let forget = |verifier: &Verifier, account, now| verifier.forget_device(account, id, now);
    match step(&*database, data, &user.subject, forget).await {
        Err(StepFailure::Denied(Denial::UnknownDevice)) => return Err(unknown()),
        other => other?,
    }
    let text = format!("{id} is forgotten, and {email} signs in anew.");
    let json = json!({ "subject": user.subject.as_str(), "email": user.email, "device": id.to_string() });
    Ok(Answer::new(text, json))
}

fn done(user: &User, text: String) -> Answer {
    Answer::new(text, json!({ "subject": user.subject.as_str(), "email": user.email }))
}

/// Why a step did not happen.
enum StepFailure {
    Denied(Denial),
    Other(Failure),
}

impl From<StepFailure> for Failure {
    fn from(failure: StepFailure) -> Self {
        match failure {
            StepFailure::Denied(denial) => denial.to_string().into(),
            StepFailure::Other(failure) => failure,
        }
    }
}

/// The policy of the server that started last on this database. It is kept with the data and is no option of a
/// command: an administrator who forgot it would change an account by other limits than those that hold for it.
async fn running_policy(database: &dyn Database) -> Result<Policy, Failure> {
    let name = database.policy().await?;
    let preset = match &name {
        // No server has started yet.
        None => Preset::Default,
        Some(name) => Preset::from_str(name, false).map_err(|_| {
            format!("the server runs by the policy {name:?}, which this version does not know")
        })?,
    };
    Ok(preset.policy()?)
}

/// Ends the sessions of a user in the record, too. It needs the keys; without them no server has started, so that
/// nobody who has no record is signing in.
async fn end_in_record(database: &dyn Database, data: &Data, subject: &Subject) -> Result<(), Failure> {
    if Keys::given(data).is_err() && database.load(subject).await?.is_none() {
        return Ok(());
    }
    let revoke = |verifier: &Verifier, account, now| verifier.revoke_sessions(account, now);
    Ok(step(database, data, subject, revoke).await?)
}

/// Takes one of the host's own steps. Its notices are in the outbox, for the server that runs.
async fn step(
    database: &dyn Database,
    data: &Data,
    subject: &Subject,
    step: impl Fn(&Verifier, Account, OffsetDateTime) -> Step<()>,
) -> Result<(), StepFailure> {
    let verifier = async {
        Ok::<_, Failure>(Verifier::new(Keys::given(data)?.ring()?, running_policy(database).await?))
    };
    let verifier = verifier.await.map_err(StepFailure::Other)?;
    let step = |account| step(&verifier, account, OffsetDateTime::now_utc());
    let taken = take(database, subject, step).await;
    let outcome = taken.map_err(|trouble| StepFailure::Other(trouble.into()))?;
    audit::log_step(outcome.audit());
    outcome.into_parts().0.map_err(StepFailure::Denied)
}
