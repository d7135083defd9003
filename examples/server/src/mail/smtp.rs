//! A relay, and how to speak to it. This module must never log what the relay says: its words often repeat the
//! recipient.

use std::time::Duration;

use lettre::{
    Message as Mail,
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
    },
};
use tokio::time::Instant;

use super::{
    MailError,
    relay::{Relay, Security},
    sender::Hello,
};
use crate::options::variable;

/// How long it may take to hand one message over, from connecting until the relay has taken it.
const SEND_LIMIT: Duration = Duration::from_secs(20);
/// How long one of the relay's addresses may take to answer, so that another has its turn.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// How long to wait for a relay's goodbye. Nothing depends on it.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

pub(crate) struct Smtp {
    host: String,
    port: u16,
    channel: Channel,
    credentials: Option<Credentials>,
    hello: Hello,
}

enum Channel {
    Plain,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl Smtp {
    pub(super) fn new(relay: &Relay, hello: Hello) -> Result<Self, String> {
        let credentials =
            match (variable("COUNTERSIGN_SMTP_USERNAME"), variable("COUNTERSIGN_SMTP_PASSWORD")) {
                (Some(name), Some(password)) => Some(Credentials::new(name, password)),
                (None, None) => None,
                (Some(_), None) | (None, Some(_)) => {
                    return Err("give both COUNTERSIGN_SMTP_USERNAME and COUNTERSIGN_SMTP_PASSWORD, or none"
                        .to_owned());
                }
            };
        let tls = || TlsParameters::new(relay.host.clone()).map_err(|error| format!("--smtp: {error}"));
        let channel = match relay.security {
            Security::Plain => Channel::Plain,
            Security::StartTls => Channel::StartTls(tls()?),
            Security::Tls => Channel::Tls(tls()?),
        };
        Ok(Self { host: relay.host.clone(), port: relay.port, channel, credentials, hello })
    }

    /// A connection on which mail can be sent. A relay that takes no mail at all, or not from this server, says nothing
    /// about the message.
    pub(super) async fn open(&self) -> Result<Open, MailError> {
        let deadline = Instant::now() + SEND_LIMIT;
        let connected = tokio::time::timeout_at(deadline, self.connect()).await.map_err(|_| slow())?;
        let connection = connected.map_err(|error| MailError::Transient(described(&error)))?;
        Ok(Open { connection, deadline })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let name = self.hello.id();
        let (from_the_start, later) = match &self.channel {
            Channel::Plain => (None, None),
            Channel::StartTls(tls) => (None, Some(tls.clone())),
            Channel::Tls(tls) => (Some(tls.clone()), None),
        };
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_LIMIT), name, from_the_start, None)
                .await?;
        if let Some(tls) = later {
            connection.starttls(tls, name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// A connection to a relay, and until when it may be used.
pub(crate) struct Open {
    connection: AsyncSmtpConnection,
    deadline: Instant,
}

impl Open {
    /// Returns as soon as the relay has taken the message: whatever it does then, the message must not be sent again.
    pub(super) async fn hand_over(&mut self, mail: &Mail) -> Result<(), MailError> {
        let formatted = mail.formatted();
        let sent = self.connection.send(mail.envelope(), &formatted);
        match tokio::time::timeout_at(self.deadline, sent).await.map_err(|_| slow())? {
            Ok(_) => Ok(()),
            // The client's own error: the relay cannot carry what the message needs.
            Err(error) if error.is_permanent() || error.is_client() => {
                Err(MailError::Permanent(described(&error)))
            }
            Err(error) => Err(MailError::Transient(described(&error))),
        }
    }

    /// Takes leave as RFC 5321 section 4.1.1.10 asks for.
    pub(super) async fn close(mut self) {
        let _ = tokio::time::timeout(QUIT_LIMIT, self.connection.abort()).await;
    }
}

fn slow() -> MailError {
    MailError::Transient(format!("the SMTP server took longer than {} s", SEND_LIMIT.as_secs()))
}

/// What went wrong, without the server's own words.
fn described(error: &smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the SMTP server answered {code}"),
        None if error.is_response() => "the SMTP server gave an answer that is none".to_owned(),
        None => error.to_string(),
    }
}
