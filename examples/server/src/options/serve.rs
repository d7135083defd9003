//! What the server is started with.

use std::net::SocketAddr;

use clap::Args;

use super::{Data, Log, MailOptions, Preset};
use crate::{limits::Limits, mail::Relay, peer::Proxies};

#[derive(Args, Debug, Clone)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: Data,

    /// The address to listen on. With port 0 the system chooses one, which the log tells.
    #[arg(long, env = "COUNTERSIGN_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) proxies: Proxies,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// The public URL of this server, as it stands in tokens. Without it: http://ADDRESS:PORT/
    #[arg(long, env = "COUNTERSIGN_ISSUER", value_name = "URL", value_parser = issuer)]
    pub(crate) issuer: Option<String>,

    /// The keys that the database hangs on are lost for good: start with those of the key file, or with new ones, and say
    /// what is lost with the former. For one start.
    #[arg(long)]
    pub(crate) keys_lost: bool,

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

    #[command(flatten)]
    pub(crate) mail: MailOptions,

    #[command(flatten)]
    pub(crate) log: Log,
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

pub(super) fn issuer(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain =
        |rest: &str| !rest.is_empty() && !rest.contains(['?', '#', '"', ' ', '\\']) && rest.is_ascii();
    match rest {
        Some(rest) if plain(rest) && text.ends_with('/') => Ok(text.to_owned()),
        Some(rest) if plain(rest) => Ok(format!("{text}/")),
        Some(_) | None => Err("an issuer is an http or https URL without query and fragment".to_owned()),
    }
}
