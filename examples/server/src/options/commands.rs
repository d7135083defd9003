//! The commands that are not the server.
//!
//! Each group (`users`, `clients`, `keys`) takes `--json` in front of its action or behind it. The names from before
//! the groups stay as hidden aliases.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_conformance::RunId;

use super::{
    clients::{AddClient, Clients},
    keys::Keys,
    templates::Templates,
    users::{Named, NewUser, Users},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Lists, shows, adds, changes and removes users.
    Users(Users),
    /// Lists, shows, adds and removes clients.
    Clients(Clients),
    /// Shows the keys in a key file, makes one, and rotates its keys.
    Keys(Keys),
    /// Writes a copy of the SQLite database while servers run. The key file is not in it.
    Backup(Backup),
    /// Copies the built-in templates of messages, or shows what messages look like. See docs/templates.md.
    Templates(Templates),
    /// Tries the store on the database: swaps, reads, refusals, crashes, races, alone and in several processes.
    /// Prints a report, deletes its records, and fails if the store breaks its promise. Stop the servers before: they
    /// would send off the messages that it looks for.
    Conformance(Conformance),
    /// `users add` by its former name.
    #[command(hide = true)]
    AddUser(NewUser),
    /// `clients add` by its former name.
    #[command(hide = true)]
    AddClient(AddClient),
    /// `clients remove` by its former name.
    #[command(hide = true)]
    RemoveClient { client_id: String },
    /// `users unlock` by its former name.
    #[command(hide = true)]
    Unlock(Named),
    /// `users reset` by its former name.
    #[command(hide = true)]
    Reset(Named),
}

impl Command {
    /// Whether the answer is for a script.
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Users(users) => users.json,
            Self::Clients(clients) => clients.json,
            Self::Keys(keys) => keys.json,
            Self::Templates(templates) => templates.json,
            Self::Backup(backup) => backup.json,
            Self::Conformance(_)
            | Self::AddUser(_)
            | Self::AddClient(_)
            | Self::RemoveClient { .. }
            | Self::Unlock(_)
            | Self::Reset(_) => false,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The file to write, which must not be there.
    pub(crate) file: PathBuf,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Conformance {
    /// How many processes play the races together.
    #[arg(long, default_value_t = 2, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(2..=8))]
    pub(crate) processes: u8,

    /// Number of rounds for checks that depend on timing.
    #[arg(long, default_value = "8", value_name = "COUNT")]
    pub(crate) rounds: std::num::NonZeroU16,

    /// The run that another process began.
    #[arg(long, hide = true)]
    pub(crate) run: Option<RunId>,

    /// This process's part in it.
    #[arg(long, hide = true, requires = "run")]
    pub(crate) part: Option<u8>,
}
