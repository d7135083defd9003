//! The commands that are not the server: users, clients, keys, backup. Each does one thing and ends; a server that is
//! running sees it at the next request, except for keys, which it reads when it starts.
//!
//! Whoever may run them may read the key file and the database: they check nobody's rights. This module must never
//! change a record but by a step of the core, or print a secret other than the new one of a client.

mod acts;
mod answer;
mod backup;
mod clients;
mod keys;
mod templates;
mod terminal;
mod users;

pub(crate) use self::acts::audited;
pub(crate) use self::answer::{Answer, Failure};
use crate::{
    conformance,
    options::{ClientsAction, Command, Data, Users, UsersAction},
    server,
    store::{self, Database, Form, Place},
};

/// The client that stands in the core's audit event of what an administrator removes. No client has this id.
const ADMINISTRATOR: &str = "administrator";

/// Runs one command.
async fn run(command: Command, data: &Data) -> Result<Answer, Failure> {
    match command {
        Command::Templates(templates) => templates::run(&templates.action),
        Command::Users(Users { action, .. }) => users::run(action, data).await,
        Command::Clients(clients) => clients::run(clients.action, data).await,
        Command::Keys(keys) => keys::run(keys.action, keys.yes, data).await,
        Command::Backup(backup) => backup::run(&backup.file, data).await,
        Command::Conformance(options) => {
            let report = conformance::run(&options, data).await?;
            Ok(Answer::new(report.clone(), serde_json::json!({ "report": report })))
        }
        Command::AddUser(user) => users::run(UsersAction::Add(user), data).await,
        Command::AddClient(client) => clients::run(ClientsAction::Add(client), data).await,
        Command::RemoveClient { client_id } => clients::run(ClientsAction::Remove { client_id }, data).await,
        Command::Unlock(user) => users::run(UsersAction::Unlock(user), data).await,
        Command::Reset(user) => users::run(UsersAction::Reset(user), data).await,
    }
}

pub(crate) async fn open(data: &Data) -> Result<std::sync::Arc<dyn Database>, String> {
    let opened = store::open(&data.database, data.database_statement_cache, Form::default()).await;
    opened.map_err(|error| server::unusable(&data.database, &error))
}

/// Opens a database for a command that has nothing to do in a new one: a mistyped path makes no file.
async fn open_existing(data: &Data) -> Result<std::sync::Arc<dyn Database>, String> {
    match &data.database {
        Place::Sqlite(path) if !path.exists() => {
            Err(format!("there is no database file {}: give it with --database", path.display()))
        }
        Place::Sqlite(_) | Place::Postgres(_) => open(data).await,
    }
}
