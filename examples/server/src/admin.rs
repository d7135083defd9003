//! The commands that are not the server: keys, users, clients, and an administrator's unlock and reset. Each does one thing
//! and ends; a server that is running sees it at the next request, except for keys, which it reads when it starts.

use std::io::BufRead as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Account, Committed, Step, Verifier};
use getrandom::SysRng;
use time::OffsetDateTime;

use crate::{
    conformance,
    first_factor::{FirstFactors, secret_hash},
    keys::{Keys, KeysError},
    options::{Command, Data, KeyClass, KeysAction, Preset},
    random, server,
    store::{self, Client, Database, Form},
};

/// How often a lost swap is tried again.
const TRIES: u32 = 10;

/// Runs one command. What it has to say is the answer; an error is one sentence.
pub(crate) async fn run(command: Command, data: &Data) -> Result<String, String> {
    match command {
        Command::Keys { action } => keys(action).map_err(|error| error.to_string()),
        Command::AddUser { email, verified } => add_user(data, &email, verified).await,
        Command::AddClient { client_id, public } => add_client(data, client_id, public).await,
        Command::Conformance(options) => conformance::run(&options, data).await,
        Command::Unlock { email } => {
            change(data, &email, |verifier, account, now| verifier.unlock(account, now)).await?;
            Ok(format!("{email} can type codes again."))
        }
        Command::Reset { email } => {
            change(data, &email, |verifier, account, now| verifier.reset(account, now)).await?;
            Ok(format!("{email} has no second factors any more."))
        }
    }
}

fn keys(action: KeysAction) -> Result<String, KeysError> {
    fn edit(
        file: &std::path::Path,
        class: KeyClass,
        change: impl FnOnce(&mut Keys, KeyClass) -> Result<(), KeysError>,
    ) -> Result<(), KeysError> {
        let mut keys = Keys::read(file)?;
        change(&mut keys, class)?;
        keys.ring()?;
        keys.replace(file)
    }
    let done = match action {
        KeysAction::Generate { file } => {
            Keys::generate()?.create(&file)?;
            return Ok(format!("{} holds new keys.", file.display()));
        }
        KeysAction::Rotate { file, class } => edit(&file, class, |keys, class| keys.add(class, true)),
        KeysAction::Stage { file, class } => edit(&file, class, |keys, class| keys.add(class, false)),
        KeysAction::Promote { file, class } => edit(&file, class, Keys::promote),
    };
    done.map(|()| "Restart the server to use the new keys.".to_owned())
}

pub(crate) async fn open(data: &Data) -> Result<std::sync::Arc<dyn Database>, String> {
    let opened = store::open(&data.database, Form::default()).await;
    opened.map_err(|error| server::unusable(&data.database, &error))
}

async fn add_user(data: &Data, email: &str, verified: bool) -> Result<String, String> {
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
    let first_factors = FirstFactors::new(data.argon2_memory).map_err(|error| error.to_string())?;
    let user = first_factors.new_user(email, verified, password).await.map_err(|error| error.to_string())?;
    match database.add_user(&user).await {
        Ok(true) => Ok(user.subject.as_str().to_owned()),
        Ok(false) => Err(format!("{email} is there already")),
        Err(error) => Err(error.to_string()),
    }
}

async fn add_client(data: &Data, client_id: String, public: bool) -> Result<String, String> {
    countersign::ClientId::new(&client_id).map_err(|error| error.to_string())?;
    let secret = URL_SAFE_NO_PAD.encode(random::<32>().map_err(|error| error.to_string())?);
    let client = Client { client_id, secret_hash: (!public).then(|| secret_hash(&secret)) };
    match open(data).await?.add_client(&client).await {
        Ok(true) => Ok(if public { client.client_id } else { secret }),
        Ok(false) => Err(format!("{} is there already", client.client_id)),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes one of the host's own steps.
async fn change(
    data: &Data,
    email: &str,
    step: impl Fn(&Verifier, Account, OffsetDateTime) -> Step<()>,
) -> Result<(), String> {
    let keys = Keys::find(data).and_then(|keys| keys.ring()).map_err(|error| error.to_string())?;
    let verifier = Verifier::new(keys, Preset::Default.policy()?);
    let database = open(data).await?;
    let user = database.user_by_email(&email.to_lowercase()).await.map_err(|error| error.to_string())?;
    let subject = user.ok_or_else(|| format!("there is no user {email}"))?.subject;
    for _ in 0..TRIES {
        let account = match database.load(&subject).await.map_err(|error| error.to_string())? {
            Some(account) => account,
            None => Account::new(&subject, &mut SysRng).map_err(|error| error.to_string())?,
        };
        let step = step(&verifier, account, OffsetDateTime::now_utc());
        match step.commit_async(|write| database.swap(write)).await.map_err(|error| error.to_string())? {
            Committed::Done(outcome) => return outcome.result.map_err(|denial| denial.to_string()),
            Committed::Lost => {}
        }
    }
    Err("the account is too busy: try again".to_owned())
}
