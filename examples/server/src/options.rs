//! The command line. What is given here is checked here, so that nothing later can fail for a bad option.

mod clients;
mod commands;
mod data;
mod environment;
mod keys;
mod listen;
mod log;
mod mail;
mod policy;
mod serve;
mod templates;
mod users;

use clap::Parser;

pub(crate) use self::{
    clients::{AddClient, Clearable, ClientsAction, SetClient},
    commands::{Command, Conformance},
    data::Data,
    environment::variable,
    keys::{KeyClass, KeysAction},
    listen::Listen,
    log::{Log, LogFormat},
    mail::{MailOptions, Words},
    policy::Preset,
    serve::Serve,
    templates::TemplatesAction,
    users::{Filter, Named, NewUser, Users, UsersAction},
};

/// Auth0's MFA API over HTTP: a reference host for countersign.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}
