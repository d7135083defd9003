//! The commands that are not the server.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use countersign::conformance::Run;

use super::{AddClient, ClientsAction};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Makes a key file, or rotates the keys in one.
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },
    /// Adds a user. The password is read from the standard input.
    AddUser {
        /// The address, which is also the name to sign in with.
        email: String,
        /// The address was verified by other means.
        #[arg(long)]
        verified: bool,
    },
    /// Adds, changes, lists, shows or removes clients, and what they may ask for.
    Clients {
        #[command(subcommand)]
        action: ClientsAction,
    },
    /// The same as clients add.
    AddClient(AddClient),
    /// The same as clients remove.
    RemoveClient { client_id: String },
    /// Lifts the lock of a user who typed too many wrong codes.
    Unlock {
        /// The user's address.
        email: String,
    },
    /// Drops all second factors of a user whose identity was proven anew.
    Reset {
        /// The user's address.
        email: String,
    },
    /// Tries the store on the database: swaps, reads, refusals, crashes, races, alone and in several processes. Prints a
    /// report, deletes its records, and fails if the store breaks its promise. Stop the servers before: they would send
    /// off the messages that it looks for.
    Conformance(Conformance),
}

#[derive(Args, Debug)]
pub(crate) struct Conformance {
    /// How many processes play the races together.
    #[arg(long, default_value_t = 2, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(2..=8))]
    pub(crate) processes: u8,

    /// How often things are done that go wrong only sometimes.
    #[arg(long, default_value = "8", value_name = "COUNT")]
    pub(crate) rounds: std::num::NonZeroU16,

    /// The run that another process began.
    #[arg(long, hide = true)]
    pub(crate) run: Option<Run>,

    /// This process's part in it.
    #[arg(long, hide = true, requires = "run")]
    pub(crate) part: Option<u8>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeysAction {
    /// Makes a new key file.
    Generate {
        /// The file, which must not be there.
        file: PathBuf,
    },
    /// Makes a new key and uses it from the next start on; the former ones still verify. For one server.
    Rotate {
        /// The key file.
        file: PathBuf,
        #[arg(value_enum)]
        class: KeyClass,
    },
    /// Adds a new key that verifies and is not used yet. The first step for several servers.
    Stage {
        /// The key file.
        file: PathBuf,
        #[arg(value_enum)]
        class: KeyClass,
    },
    /// Uses the newest key, once every server knows it. The second step for several servers.
    Promote {
        /// The key file.
        file: PathBuf,
        #[arg(value_enum)]
        class: KeyClass,
    },
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyClass {
    /// For mfa_tokens, handles and codes: nothing of it lives longer than ten minutes.
    Transient,
    /// For recovery codes: an old one is needed while a code made with it is.
    Durable,
    /// For access tokens and id_tokens.
    Signing,
}
