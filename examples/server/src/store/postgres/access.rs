//! The way to PostgreSQL: URL, TLS, time-outs and poolers. This module must never send a password in clear to another
//! machine unless the URL asks for it, and must never leave a setting, a lock or a statement on a connection that a
//! pooler lends to others.
//!
//! A pooler in transaction mode, such as PgBouncer, gives each transaction any of its connections. What a client sets
//! for its session then holds for other clients, and what it prepared is missing. Hence nothing here is set with
//! `SET`. A direct connection gets its time-outs as parameters of its start, which poolers refuse or drop: that is
//! how one is recognised. Behind a pooler each transaction sets its own with `SET LOCAL`, and each statement is in a
//! transaction, since the driver parses and executes it in two steps.

use std::{borrow::Cow, net::IpAddr, str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _, Executor as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgSslMode},
};
use url::Url;

use super::StoreError;

/// How long it may take to have a connection.
pub(super) const ACQUIRE_LIMIT: Duration = Duration::from_secs(10);

/// How long the database itself may work, wait for a lock, and wait for a client within a transaction.
const LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "10s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "15s")];
/// The same for one transaction.
const BEGIN_WITH_LIMITS: &str = "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'; \
    SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// How many statements a direct connection keeps prepared, unless the operator says otherwise.
const STATEMENTS: usize = 100;

/// The parameters of a URL that the driver reads. `options[NAME]` is one more.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// Those of them that name a file.
const FILES: [&str; 7] =
    ["sslrootcert", "ssl-root-cert", "ssl-ca", "sslcert", "ssl-cert", "sslkey", "ssl-key"];

/// How this server reaches its database.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) options: PgConnectOptions,
    /// Whether a pooler lends connections for a transaction at a time.
    pooled: bool,
    /// Whether statements stay prepared on their connection.
    pub(super) prepares: bool,
}

impl Access {
    /// Connects once, and finds out whether a pooler answers. `statements` is how many prepared statements a connection
    /// keeps; with 0 the server takes it that there is a pooler.
    pub(super) async fn find(url: &str, statements: Option<u16>) -> Result<Self, StoreError> {
        let url = Url::parse(url).map_err(|error| sqlx::Error::Configuration(error.into()))?;
        let statements = statements.map(usize::from).or_else(|| {
            parameter(&url, &["statement-cache-capacity"]).and_then(|capacity| capacity.parse().ok())
        });
        check_files(&url)?;
        let plain = secured(&url)?;
        let own = plain.clone().options(LIMITS);
        let pooled = match connect(&own).await {
            Ok(mut connection) => {
                let in_effect = has_limits(&mut connection).await?;
                connection.close().await?;
                !in_effect
            }
            Err(StoreError::Database(error)) if refuses_parameters(&error) => {
                connect(&plain).await?.close().await?;
                true
            }
            Err(error) => return Err(error),
        };
        let statements = statements.unwrap_or(if pooled { 0 } else { STATEMENTS });
        let prepares = statements > 0;
        let pooled = pooled || !prepares;
        if pooled {
            tracing::info!(
                prepared_statements = statements,
                "PostgreSQL is reached through a pooler: time-outs are set in each transaction"
            );
        }
        let options = if pooled { plain } else { own }.statement_cache_capacity(statements);
        Ok(Self { options, pooled, prepares })
    }

    /// What begins a transaction, where one is needed for another reason than the pooler.
    pub(super) const fn begin(&self) -> &'static str {
        if self.pooled { BEGIN_WITH_LIMITS } else { "BEGIN" }
    }

    /// What begins a transaction around a single statement, if it must be in one.
    pub(super) const fn begin_single(&self) -> Option<&'static str> {
        if self.pooled { Some(BEGIN_WITH_LIMITS) } else { None }
    }
}

/// The driver does not say which file it could not read. A parameter can also hold the certificate itself.
fn check_files(url: &Url) -> Result<(), StoreError> {
    for (name, value) in
        url.query_pairs().filter(|(name, value)| FILES.contains(&&**name) && !value.contains('\n'))
    {
        std::fs::File::open(&*value)
            .map_err(|error| StoreError::Unreadable(format!("{name}={value}"), error))?;
    }
    Ok(())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connection = tokio::time::timeout(ACQUIRE_LIMIT, PgConnection::connect_with(options)).await;
    connection.map_err(|_| StoreError::Silent)?.map_err(|error| described(error, options))
}

/// The driver's errors of TLS name no setting.
fn described(error: sqlx::Error, options: &PgConnectOptions) -> StoreError {
    let host = options.get_host().to_owned();
    if let sqlx::Error::Tls(reason) = &error {
        let reason = reason.to_string();
        return if reason.contains("does not support TLS") {
            StoreError::NoTls(host)
        } else {
            StoreError::Untrusted(host, reason)
        };
    }
    if let sqlx::Error::Io(reason) = &error
        && reason.kind() == std::io::ErrorKind::InvalidData
    {
        return StoreError::Untrusted(host, reason.to_string());
    }
    error.into()
}

/// Whether the time-outs that were given at the start hold. A pooler may have dropped them (PgBouncer's
/// `ignore_startup_parameters`).
async fn has_limits(connection: &mut PgConnection) -> Result<bool, StoreError> {
    for (name, value) in LIMITS {
        let row = connection.fetch_one(format!("SHOW {name}").as_str()).await?;
        if row.try_get::<String, _>(0)? != value {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the other side takes no parameters at the start: PgBouncer says `protocol_violation`, others
/// `feature_not_supported`.
fn refuses_parameters(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("08P01" | "0A000"))
}

/// The options of a URL. Off the loopback the server's certificate is verified, and its name in it, unless the URL or
/// `PGSSLMODE` chooses another `sslmode`.
fn secured(url: &Url) -> Result<PgConnectOptions, StoreError> {
    let mut options = PgConnectOptions::from_str(known(url).as_str())?.extra_float_digits(None);
    // The driver would resolve the brackets of an IPv6 address, and compare them with the certificate.
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    options = options.host(&host);
    if !is_remote(&options) {
        return Ok(options);
    }
    let chosen = parameter(url, &["sslmode", "ssl-mode"]).is_some()
        || std::env::var("PGSSLMODE").is_ok_and(|mode| mode.parse::<PgSslMode>().is_ok());
    if !chosen {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    match options.get_ssl_mode() {
        PgSslMode::VerifyFull => {}
        PgSslMode::VerifyCa => tracing::warn!(
            host,
            "--database: sslmode=verify-ca takes any server with a certificate of that authority; verify-full is safer"
        ),
        PgSslMode::Require => tracing::warn!(
            host,
            "--database: sslmode=require encrypts and does not verify the server, so whoever is in between can read the \
             password and all data; verify-full is safer"
        ),
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => tracing::warn!(
            host,
            "--database: this sslmode lets the password and all data go to another machine in clear; verify-full is safer"
        ),
    }
    Ok(options)
}

/// A URL without the parameters that the driver does not read: it would log them, and their values can be secret.
fn known(url: &Url) -> Url {
    let is_known =
        |name: &str| PARAMETERS.contains(&name) || name == "options" || name.starts_with("options[");
    let (known, unknown): (Vec<_>, Vec<_>) = url.query_pairs().partition(|(name, _)| is_known(name));
    for (name, _) in &unknown {
        tracing::warn!(
            name = &**name,
            "--database: this parameter of the URL is not known and has no effect"
        );
    }
    let mut kept = url.clone();
    kept.set_query(None);
    if !known.is_empty() {
        kept.query_pairs_mut().extend_pairs(known);
    }
    kept
}

fn parameter<'a>(url: &'a Url, names: &[&str]) -> Option<Cow<'a, str>> {
    url.query_pairs().find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value)
}

/// Whether the connection leaves this machine, as far as its address tells. A name other than `localhost` may lead
/// anywhere, whatever it resolves to now.
fn is_remote(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let local = match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.starts_with('/'),
    };
    options.get_socket().is_none() && !local
}
