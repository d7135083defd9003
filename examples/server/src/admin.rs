//! The commands that are not the server: keys, users, clients, and an administrator's unlock and reset. Each does one thing
//! and ends; a server that is running sees it at the next request, except for keys, which it reads when it starts.

mod acts;
mod clients;
mod keys;
mod users;

pub(crate) use self::acts::audited;
use crate::{
    conformance,
    options::{Command, Data},
    server,
    store::{self, Database, Form},
};

/// Runs one command. What it has to say is the answer; an error is one sentence.
async fn run(command: Command, data: &Data) -> Result<String, String> {
    match command {
        Command::Keys { action } => keys::run(action).map_err(|error| error.to_string()),
        Command::AddUser { email, verified } => users::add(data, &email, verified).await,
        Command::Clients { action } => clients::run(action, data).await,
        Command::AddClient(options) => clients::add(data, options).await,
        Command::RemoveClient { client_id } => clients::remove(data, &client_id).await,
        Command::Conformance(options) => conformance::run(&options, data).await,
        Command::Unlock { email } => {
            users::change(data, &email, |verifier, account, now| verifier.unlock(account, now)).await?;
            Ok(format!("{email} can type codes again."))
        }
        Command::Reset { email } => {
            users::change(data, &email, |verifier, account, now| verifier.reset(account, now)).await?;
            Ok(format!("{email} has no second factors any more."))
        }
    }
}

pub(crate) async fn open(data: &Data) -> Result<std::sync::Arc<dyn Database>, String> {
    let opened = store::open(&data.database, Form::default()).await;
    opened.map_err(|error| server::unusable(&data.database, &error))
}
