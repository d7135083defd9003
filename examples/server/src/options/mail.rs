//! How messages look, and how they are sent.

use std::path::PathBuf;

use clap::Args;
use lettre::message::Mailbox;

use crate::{
    locale::Locale,
    mail::{self, Hello, Mailer, Relay, ServiceName},
    templates::Templates,
};

/// What messages say.
#[derive(Args, Debug, Clone)]
pub(crate) struct Words {
    /// The name of the service, as its users know it. It stands in every message. Without it: the issuer's host.
    #[arg(long, env = "COUNTERSIGN_SERVICE_NAME", value_name = "NAME")]
    pub(crate) service_name: Option<ServiceName>,

    /// A folder with templates that replace the built-in ones file by file, or add locales: see docs/templates.md.
    /// All of them are checked at the start.
    #[arg(long, env = "COUNTERSIGN_TEMPLATES", value_name = "FOLDER")]
    pub(crate) templates: Option<PathBuf>,

    /// The locale of messages to users whose language is not known or has no templates.
    #[arg(long, env = "COUNTERSIGN_LOCALE", default_value = "en", value_name = "TAG")]
    pub(crate) locale: Locale,
}

impl Words {
    pub(crate) fn service(&self, issuer: &str) -> ServiceName {
        self.service_name.clone().unwrap_or_else(|| ServiceName::of_issuer(issuer))
    }

    pub(crate) fn load(&self) -> Result<Templates, String> {
        Templates::load(self.templates.as_deref(), &self.locale)
    }
}

/// Whom messages come from.
#[derive(Args, Debug, Clone)]
pub(crate) struct MailOptions {
    #[command(flatten)]
    pub(crate) words: Words,

    /// The sender of the mail, as in "Example <no-reply@example.com>". Without it: no-reply at the issuer's host, in
    /// the service's name.
    #[arg(long, env = "COUNTERSIGN_MAIL_FROM", value_name = "MAILBOX", value_parser = mail::mailbox)]
    pub(crate) mail_from: Option<Mailbox>,

    /// Where answers to the mail go. Without it: to the sender.
    #[arg(long, env = "COUNTERSIGN_MAIL_REPLY_TO", value_name = "MAILBOX", value_parser = mail::mailbox)]
    pub(crate) mail_reply_to: Option<Mailbox>,

    /// The name of this server in the greeting to the relay (EHLO): a domain, or an address in brackets. Without it:
    /// the issuer's host.
    #[arg(long, env = "COUNTERSIGN_SMTP_HELLO", value_name = "DOMAIN")]
    pub(crate) smtp_hello: Option<Hello>,
}

impl MailOptions {
    pub(crate) fn mailer(&self, relay: Option<&Relay>, issuer: &str) -> Result<Mailer, String> {
        let from = match &self.mail_from {
            Some(from) => from.clone(),
            None => mail::default_sender(&self.words.service(issuer), issuer)?,
        };
        let hello = self.smtp_hello.clone().unwrap_or_else(|| Hello::of_issuer(issuer));
        Mailer::new(relay, hello, from, self.mail_reply_to.clone())
    }
}
