//! The command `templates`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Words;

#[derive(Args, Debug)]
pub(crate) struct Templates {
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) action: TemplatesAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TemplatesAction {
    /// Writes the built-in templates into a folder, for changing them. Give that to the server with --templates.
    Export {
        /// The folder, which is made if it is not there.
        folder: PathBuf,
    },
    /// Checks templates as the server does at its start, and writes a message of each kind in each locale into a
    /// folder.
    Render {
        /// The folder for the messages, which is made if it is not there.
        folder: PathBuf,
        /// The public URL of the server.
        #[arg(long, env = "COUNTERSIGN_ISSUER", value_name = "URL", value_parser = super::serve::issuer)]
        issuer: Option<String>,
        #[command(flatten)]
        words: Words,
    },
}
