//! The command line. What is given here is checked here, so that nothing later can fail for a bad option.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use countersign::{Policy, Settings, conformance::Run};

use crate::{mail::Relay, store::Place};

/// Auth0's MFA API over HTTP: a reference host for countersign.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: Data,

    /// The address to listen on. With port 0 the system chooses one, which the log tells.
    #[arg(long, env = "COUNTERSIGN_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,

    /// The public URL of this server, as it stands in tokens. Without it: http://ADDRESS:PORT/
    #[arg(long, env = "COUNTERSIGN_ISSUER", value_name = "URL", value_parser = issuer)]
    pub(crate) issuer: Option<String>,

    /// The limits: those of the library, those that Auth0 documents, or those of NIST SP 800-63B-4.
    #[arg(long, env = "COUNTERSIGN_POLICY", value_enum, default_value_t = Preset::Default)]
    pub(crate) policy: Preset,

    /// Make a user's verified address an active authenticator at the first sign-in, as Auth0 does.
    #[arg(long, env = "COUNTERSIGN_IMPLICIT_EMAIL")]
    pub(crate) implicit_email: bool,

    /// Create a demonstration user and client if the store is empty, and serve the page's panel. Without it: on a loopback
    /// address, yes. Refused on any other.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) demo: Option<bool>,

    /// Send mail through smtp://HOST:PORT (loopback only), smtp+starttls://HOST:PORT or smtps://HOST:PORT. The credentials
    /// are taken from COUNTERSIGN_SMTP_USERNAME and COUNTERSIGN_SMTP_PASSWORD. Without it, mail stays in memory.
    #[arg(long, env = "COUNTERSIGN_SMTP", hide_env_values = true, value_name = "URL", value_parser = Relay::parse)]
    pub(crate) smtp: Option<Relay>,

    /// The sender of the mail.
    #[arg(
        long,
        env = "COUNTERSIGN_MAIL_FROM",
        default_value = "countersign <no-reply@localhost>",
        value_name = "MAILBOX"
    )]
    pub(crate) mail_from: lettre::message::Mailbox,

    /// A directory with templates that replace the built-in ones, file by file: confirm, authenticate and notify, each as
    /// .subject, .txt and .html.
    #[arg(long, env = "COUNTERSIGN_TEMPLATES", value_name = "DIRECTORY")]
    pub(crate) templates: Option<PathBuf>,

    /// How the log is written.
    #[arg(long, env = "COUNTERSIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    /// What is logged, in the syntax of tracing's filters.
    #[arg(long, env = "COUNTERSIGN_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
}

/// Where the data is: the same for the server and for every other command.
#[derive(Args, Debug, Clone)]
pub(crate) struct Data {
    /// The path of an SQLite file, which is made if it is not there, or postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, global = true, env = "COUNTERSIGN_DATABASE", hide_env_values = true, default_value = "countersign.db", value_parser = Place::parse)]
    pub(crate) database: Place,

    /// The key file. Without it: beside the SQLite file, where it is made if it is not there. The environment variable
    /// COUNTERSIGN_KEYS can hold the content of a key file instead.
    #[arg(long, global = true, env = "COUNTERSIGN_KEY_FILE", value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,

    /// How much memory a new password hash takes, in KiB. Existing ones keep what they were made with.
    #[arg(long, global = true, default_value_t = 19_456, value_name = "KIB", value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub(crate) argon2_memory: u32,
}

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
    /// Adds a confidential client and prints its new secret, or a public one.
    AddClient {
        client_id: String,
        /// Without a secret.
        #[arg(long)]
        public: bool,
    },
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

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Preset {
    Default,
    Auth0,
    Strict,
}

impl Preset {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Auth0 => "auth0",
            Self::Strict => "strict",
        }
    }

    pub(crate) fn policy(self) -> Result<Policy, String> {
        let settings = match self {
            Self::Default => Settings::default(),
            Self::Auth0 => Settings::auth0(),
            Self::Strict => Settings::strict(),
        };
        Policy::new(settings).map_err(|error| error.to_string())
    }
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Serve {
    /// Without SMTP everybody who reaches the server reads every code: that is refused where others than this machine's
    /// users can.
    pub(crate) fn check_mailbox(&self) -> Result<(), String> {
        let ip = self.listen.ip();
        if self.smtp.is_some() || ip.is_loopback() {
            return Ok(());
        }
        Err(format!(
            "without --smtp anybody could read the mail at /mailbox, so it is refused on {ip}: give --smtp, or listen on a \
             loopback address"
        ))
    }

    /// Whether there is demonstration data.
    pub(crate) fn demo(&self) -> Result<bool, String> {
        let loopback = self.listen.ip().is_loopback();
        match self.demo {
            Some(true) if !loopback => Err(format!(
                "--demo has a password that everybody knows, so it is refused on {}: listen on a loopback address",
                self.listen.ip()
            )),
            Some(demo) => Ok(demo),
            None => Ok(loopback),
        }
    }
}

fn issuer(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain =
        |rest: &str| !rest.is_empty() && !rest.contains(['?', '#', '"', ' ', '\\']) && rest.is_ascii();
    match rest {
        Some(rest) if plain(rest) && text.ends_with('/') => Ok(text.to_owned()),
        Some(rest) if plain(rest) => Ok(format!("{text}/")),
        Some(_) | None => Err("an issuer is an http or https URL without query and fragment".to_owned()),
    }
}
