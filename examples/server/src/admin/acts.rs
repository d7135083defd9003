//! Each command as an act of an administrator, which is logged and counted: see [`crate::audit::administrator`].

use super::{Answer, Failure, open, run};
use crate::{
    audit::{
        Act, ActResult,
        administrator::{count, observed},
    },
    options::{ClientsAction, Command, Data, KeysAction, Serve, UsersAction},
    store::Place,
    telemetry,
};

/// Runs one command, logs it, and counts it.
pub(crate) async fn audited(command: Command, options: &Serve) -> Result<Answer, Failure> {
    telemetry::log_to_error(&options.log)?;
    let Some(act) = act(&command) else {
        return run(command, &options.data).await;
    };
    let done = observed(act, run(command, &options.data)).await;
    let result = if done.is_ok() { ActResult::Done } else { ActResult::Failed };
    count_in(&options.data, act, result).await;
    done
}

/// A database that is not there is not made to count in, and one that cannot be used has failed the command already.
async fn count_in(data: &Data, act: Act, result: ActResult) {
    if let Place::Sqlite(path) = &data.database
        && !path.exists()
    {
        return;
    }
    if let Ok(database) = open(data).await {
        count(act, result, &*database).await;
        database.close().await;
    }
}

/// The act of a command. A process that a conformance run starts is a part of that act and none by itself.
fn act(command: &Command) -> Option<Act> {
    Some(match command {
        Command::Users(users) => of_users(&users.action),
        Command::Clients(clients) => match clients.action {
            ClientsAction::Add(_) => Act::ClientsAdd,
            ClientsAction::Set(_) => Act::ClientsSet,
            ClientsAction::List => Act::ClientsList,
            ClientsAction::Show { .. } => Act::ClientsShow,
            ClientsAction::Remove { .. } => Act::ClientsRemove,
        },
        Command::Keys(keys) => match keys.action {
            KeysAction::Status { .. } => Act::KeysStatus,
            KeysAction::Generate { .. } => Act::KeysGenerate,
            KeysAction::Rotate { .. } => Act::KeysRotate,
            KeysAction::Stage { .. } => Act::KeysStage,
            KeysAction::Promote { .. } => Act::KeysPromote,
            KeysAction::Drop { .. } => Act::KeysDrop,
        },
        Command::Backup(_) => Act::Backup,
        Command::AddUser(_) => Act::UsersAdd,
        Command::Unlock(_) => Act::UsersUnlock,
        Command::Reset(_) => Act::UsersReset,
        Command::AddClient(_) => Act::ClientsAdd,
        Command::RemoveClient { .. } => Act::ClientsRemove,
        Command::Conformance(options) if options.part.is_some() => return None,
        // It touches neither users nor clients nor keys.
        Command::Templates(_) => return None,
        Command::Conformance(_) => Act::Conformance,
    })
}

const fn of_users(action: &UsersAction) -> Act {
    match action {
        UsersAction::List { .. } => Act::UsersList,
        UsersAction::Show { .. } => Act::UsersShow,
        UsersAction::Add(_) => Act::UsersAdd,
        UsersAction::Remove(_) => Act::UsersRemove,
        UsersAction::SetPassword(_) => Act::UsersSetPassword,
        UsersAction::Reset(_) => Act::UsersReset,
        UsersAction::Unlock(_) => Act::UsersUnlock,
        UsersAction::RemoveAuthenticator { .. } => Act::UsersRemoveAuthenticator,
        UsersAction::RevokeSessions { .. } => Act::UsersRevokeSessions,
        UsersAction::Devices(_) => Act::UsersDevices,
        UsersAction::ForgetDevice { .. } => Act::UsersForgetDevice,
    }
}
