//! The commands about one user.

use std::io::BufRead as _;

use clap::ValueEnum as _;
use countersign::{Account, Committed, Policy, Step, Verifier};
use getrandom::SysRng;
use time::OffsetDateTime;

use super::open;
use crate::{
    audit::{self, administrator},
    first_factor::FirstFactors,
    hashing::Hashing,
    keys::Keys,
    options::{Data, Preset},
    store::Database,
};

/// How often a lost swap is tried again.
const TRIES: u32 = 10;

pub(super) async fn add(data: &Data, email: &str, verified: bool) -> Result<String, String> {
    countersign::EmailAddress::parse(email)
        .map_err(|error| format!("{email:?} is no email address: {error}"))?;
    let mut password = String::new();
    let mut input = std::io::stdin().lock();
    input.read_line(&mut password).map_err(|error| format!("the password cannot be read: {error}"))?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.chars().count() < 8 {
        return Err("a password has at least 8 characters".to_owned());
    }
    let database = open(data).await?;
    let first_factors =
        FirstFactors::new(data.argon2_memory, Hashing::for_a_command()).map_err(|error| error.to_string())?;
    let user = first_factors.new_user(email, verified, password).await.map_err(|error| error.to_string())?;
    match database.add_user(&user).await {
        Ok(true) => {
            administrator::concerns_user(&user.subject);
            Ok(user.subject.as_str().to_owned())
        }
        Ok(false) => Err(format!("{email} is there already")),
        Err(error) => Err(error.to_string()),
    }
}

/// The policy of the server that started last on this database. It is kept with the data and is no option of a command: an
/// administrator who forgot it would change an account by other limits than those that hold for it.
async fn running_policy(database: &dyn Database) -> Result<Policy, String> {
    let name = database.policy().await.map_err(|error| error.to_string())?;
    let preset = match &name {
        // No server has started yet.
        None => Preset::Default,
        Some(name) => Preset::from_str(name, false).map_err(|_| {
            format!("the server runs by the policy {name:?}, which this version does not know")
        })?,
    };
    preset.policy()
}

/// Takes one of the host's own steps.
pub(super) async fn change(
    data: &Data,
    email: &str,
    step: impl Fn(&Verifier, Account, OffsetDateTime) -> Step<()>,
) -> Result<(), String> {
    let keys = Keys::find(data).and_then(|keys| keys.ring()).map_err(|error| error.to_string())?;
    let database = open(data).await?;
    let verifier = Verifier::new(keys, running_policy(&*database).await?);
    let user = database.user_by_email(&email.to_lowercase()).await.map_err(|error| error.to_string())?;
    let subject = user.ok_or_else(|| format!("there is no user {email}"))?.subject;
    administrator::concerns_user(&subject);
    for _ in 0..TRIES {
        let account = match database.load(&subject).await.map_err(|error| error.to_string())? {
            Some(account) => account,
            None => Account::new(&subject, &mut SysRng).map_err(|error| error.to_string())?,
        };
        let step = step(&verifier, account, OffsetDateTime::now_utc());
        match step.commit_async(|write| database.swap(write)).await.map_err(|error| error.to_string())? {
            Committed::Done(outcome) => {
                audit::log_step(&outcome.audit);
                return outcome.result.map_err(|denial| denial.to_string());
            }
            Committed::Lost => {}
        }
    }
    Err("the account is too busy: try again".to_owned())
}
