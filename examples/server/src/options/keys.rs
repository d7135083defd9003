//! `keys`: what is in a key file, and how it changes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Do not ask before something is lost.
    #[arg(long, global = true)]
    pub(crate) yes: bool,

    #[command(subcommand)]
    pub(crate) action: KeysAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeysAction {
    /// Shows each key: its state, since when, and how many records of the database hang on it.
    Status {
        /// The key file.
        file: PathBuf,
    },
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
        /// How many minutes from now the former transient key may still be in use.
        #[arg(long, default_value_t = 60)]
        grace: u16,
    },
    /// Adds a new key that verifies and is not used yet. The first step for several servers.
    Stage {
        /// The key file.
        file: PathBuf,
        #[arg(value_enum)]
        class: KeyClass,
    },
    /// Uses the staged key, once every server was restarted with it. The second step for several servers.
    Promote {
        /// The key file.
        file: PathBuf,
        #[arg(value_enum)]
        class: KeyClass,
        /// How many minutes from now the former transient key may still be in use: until the last server is restarted.
        #[arg(long, default_value_t = 60)]
        grace: u16,
    },
    /// Drops a former or a staged key: it verifies nothing any more.
    Drop {
        /// The key file.
        file: PathBuf,
        #[arg(value_enum)]
        class: KeyClass,
        /// The id that `keys status` tells. That of a signing key may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
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

impl KeyClass {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Durable => "durable",
            Self::Signing => "signing",
        }
    }
}
