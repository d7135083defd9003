//! The server's life: open everything, listen, serve, and on a signal finish what was begun.

use std::{sync::Arc, time::Duration};

use countersign::{
    Verifier,
    address_proof::{AddressVerifier, ProofPolicy},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, watch},
    time::{Instant, timeout_at},
};

use crate::{
    app::App,
    asks::Asks,
    connections::Connections,
    core::Core,
    cross_origin::Origins,
    demo::{self, Panel},
    first_factor::FirstFactors,
    hashing::Hashing,
    hosts::Hosts,
    key_check,
    keys::Keys,
    metrics::Metrics,
    options::Serve,
    outbox, proofs,
    router::router,
    signals::Signals,
    store::{self, Form, Place, StoreError},
    telemetry,
    tokens::Signer,
};

/// What each part of the end has, even if the parts before it took all the time.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Serves until a signal comes. An error is one sentence for whoever started the server.
pub(crate) async fn serve(options: Serve) -> Result<(), String> {
    telemetry::log_to_output(&options.log)?;
    let wants_demo = options.demo()?;
    options.check_mailbox()?;
    let found = Keys::find(&options.data).map_err(|error| error.to_string())?;
    let policy = options.policy.policy()?;
    let templates = options.mail.words.load()?;
    // Only its host counts here, which no later choice of a port changes.
    let host = options.issuer.clone().unwrap_or_else(|| format!("http://{}/", options.listen));
    let service = options.mail.words.service(&host);
    let mailer = options.mail.mailer(options.smtp.as_ref(), &host)?;
    let limits = options.limits.clone();
    let hashing = Hashing::new(limits.hashes(), limits.password_queue, limits.password_wait);
    let first_factors = FirstFactors::new(options.data.argon2_memory, hashing);
    let first_factors = first_factors.map_err(|error| error.to_string())?;
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let database = store::open(
        &options.data.database,
        options.data.database_statement_cache,
        Form::new(metrics.record.clone()),
    )
    .await
    .map_err(|error| unusable(&options.data.database, &error))?;
    first_factors.learn(&*database).await.map_err(|error| error.to_string())?;
    let keys = key_check::settle(found, &*database, options.keys_lost).await;
    let keys = keys.map_err(|error| error.to_string())?;
    let ring = keys.ring().map_err(|error| error.to_string())?;

    let cannot_listen = |error| format!("--listen: cannot listen on {}: {error}", options.listen);
    let listener = TcpListener::bind(options.listen.addresses()).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    database
        .set_policy(options.policy.name())
        .await
        .map_err(|error| unusable(&options.data.database, &error))?;
    let issuer = options.issuer.clone().unwrap_or_else(|| match options.listen.name() {
        Some(name) => format!("http://{name}:{}/", address.port()),
        None => format!("http://{address}/"),
    });
    let demo = wants_demo
        && demo::seed(&*database, &first_factors)
            .await
            .map_err(|error| format!("no demonstration data: {error}"))?;
    if demo {
        tracing::warn!(
            user = demo::USERNAME,
            client = demo::CLIENT_ID,
            "with demonstration data, whose passwords everybody knows: for development only"
        );
    }
    if !wants_demo {
        demo::refuse_known_credentials(&*database, &first_factors, options.allow_demo_credentials).await?;
    }
    if options.smtp.is_none() {
        tracing::warn!(
            "without --smtp, mail stays in memory and anybody can read it at /mailbox: for development only"
        );
    }
    let app = Arc::new(App {
        core: Core::new(
            Verifier::new(ring.clone(), policy),
            AddressVerifier::new(ring, ProofPolicy::default()),
            metrics.core.clone(),
        ),
        asks: Asks::default(),
        database,
        first_factors,
        origins: Origins::default(),
        signer: Signer::new(&keys.signing, &issuer).map_err(|error| error.to_string())?,
        mailer,
        templates: templates.named(service.as_str(), &issuer),
        metrics,
        mail_waits: Notify::new(),
        steps: Arc::new(Semaphore::new(limits.max_steps)),
        limits,
        hosts: (demo || options.smtp.is_none()).then(|| Hosts::new(&issuer, address, options.listen.name())),
        issuer,
        preset: options.policy,
        implicit_email: options.implicit_email,
        panel: demo.then(Panel::default),
    });
    drop(keys);
    let checked = Arc::clone(&app);
    tokio::spawn(async move {
        if let Err(error) = checked.mailer.check().await {
            tracing::warn!(
                error,
                "the SMTP server cannot be reached: mail waits in the outbox and is tried again"
            );
        }
    });

    // Until here a signal ends the process as it always does: there is nothing to finish.
    let mut signals = Signals::listen()?;
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(outbox::work(Arc::clone(&app), stopped));
    let sweeper = tokio::spawn(proofs::sweep(Arc::clone(&app)));
    tracing::info!(%address, issuer = app.issuer, policy = app.preset.name(), "listening");
    let connections =
        Connections { router: router(Arc::clone(&app)), proxies: options.proxies, app: Arc::clone(&app) };
    let end = connections.serve(listener, signals.any()).await;
    let a_moment = || end.max(Instant::now() + LAST_MOMENT);

    // Steps whose clients have gone come to their end, too.
    let all_steps = u32::try_from(app.limits.max_steps).unwrap_or(u32::MAX);
    if timeout_at(a_moment(), app.steps.acquire_many(all_steps)).await.is_err() {
        tracing::warn!("some steps did not finish in time");
    }
    sweeper.abort();
    // Whatever the last requests put into the outbox is sent before the end, or by the next start.
    let _ = stop.send(true);
    if timeout_at(a_moment(), worker).await.is_err() {
        tracing::warn!("mail is still under way: the next start sends it");
    }
    if timeout_at(a_moment(), app.database.close()).await.is_err() {
        tracing::warn!("the database did not let go in time");
    }
    tracing::info!("stopped");
    Ok(())
}

/// What is wrong with a database, without the password that its URL may hold.
pub(crate) fn unusable(place: &Place, error: &StoreError) -> String {
    match place {
        Place::Sqlite(path) => format!("--database: the file {} cannot be used: {error}", path.display()),
        Place::Postgres(_) => format!("--database: PostgreSQL cannot be used: {error}"),
    }
}
