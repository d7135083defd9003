//! What the server is started with.

use clap::{Args, builder::BoolishValueParser};
use url::Url;

use super::{Data, Listen, Log, MailOptions, Preset};
use crate::{limits::Limits, mail::Relay, peer::Proxies, store::Place};

#[derive(Args, Debug, Clone)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: Data,

    /// The address to listen on, or a name such as localhost. With port 0 the system chooses one, which the log tells.
    #[arg(
        long,
        env = "COUNTERSIGN_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT",
        value_parser = Listen::parse
    )]
    pub(crate) listen: Listen,

    #[command(flatten)]
    pub(crate) proxies: Proxies,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// The public URL of this server, as it stands in tokens. Without it: http://ADDRESS:PORT/
    #[arg(long, env = "COUNTERSIGN_ISSUER", value_name = "URL", value_parser = issuer)]
    pub(crate) issuer: Option<String>,

    /// The keys that the database hangs on are lost for good: start with those of the key file, or with new ones, and
    /// say what is lost with the former. For one start.
    #[arg(long)]
    pub(crate) keys_lost: bool,

    /// The limits: those of the library, those that Auth0 documents, or those of NIST SP 800-63B-4.
    #[arg(long, env = "COUNTERSIGN_POLICY", value_enum, default_value_t = Preset::Default)]
    pub(crate) policy: Preset,

    /// Make a user's verified address an active authenticator at the first sign-in, as Auth0 does.
    #[arg(long, env = "COUNTERSIGN_IMPLICIT_EMAIL", value_parser = BoolishValueParser::new())]
    pub(crate) implicit_email: bool,

    /// Create a demonstration user and client if the store is empty, and serve the page's panel. Without it: yes on a
    /// loopback address, with SQLite, an http issuer and no --smtp. Refused on any other address.
    #[arg(
        long,
        env = "COUNTERSIGN_DEMO",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) demo: Option<bool>,

    /// Start without the demonstration on a store that still takes the demonstration's password or client secret.
    #[arg(long, env = "COUNTERSIGN_ALLOW_DEMO_CREDENTIALS", value_parser = BoolishValueParser::new())]
    pub(crate) allow_demo_credentials: bool,

    /// Send mail through smtp://HOST:PORT (loopback only), smtp+starttls://HOST:PORT or smtps://HOST:PORT. The
    /// credentials are taken from COUNTERSIGN_SMTP_USERNAME and COUNTERSIGN_SMTP_PASSWORD. Without it, mail stays in
    /// memory.
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
        if self.smtp.is_some() || self.listen.is_loopback() {
            return Ok(());
        }
        Err(format!(
            "without --smtp anybody could read the mail at /mailbox, so it is refused on {}: give --smtp, or --listen on a \
             loopback address",
            self.listen
        ))
    }

    /// Whether there is demonstration data. What looks like more than a trial gets none by itself: its password is
    /// known to everybody, and would stay.
    pub(crate) fn demo(&self) -> Result<bool, String> {
        let loopback = self.listen.is_loopback();
        match self.demo {
            Some(true) if !loopback => Err(format!(
                "--demo has a password that everybody knows, so it is refused on {}: --listen on a loopback address",
                self.listen
            )),
            Some(demo) => Ok(demo),
            None => {
                let https = self.issuer.as_ref().is_some_and(|issuer| issuer.starts_with("https://"));
                let file = matches!(self.data.database, Place::Sqlite(_));
                Ok(loopback && file && !https && self.smtp.is_none())
            }
        }
    }
}

/// An issuer is compared as text, so it stays as it is written, but for the slash at its end.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let form = "an issuer is an http or https URL without credentials, query and fragment";
    let url = Url::parse(text).map_err(|error| format!("{form}: {error}"))?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let written = rest.is_some_and(|rest| !rest.starts_with('/'));
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'@'));
    if !written || !plain {
        return Err(form.to_owned());
    }
    Ok(if text.ends_with('/') { text.to_owned() } else { format!("{text}/") })
}
