//! The server's life: open everything, listen, serve, and on a signal finish what was begun.

use std::{sync::Arc, time::Duration};

use axum::Router;
use countersign::Verifier;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use prometheus::IntGauge;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, Semaphore, watch},
};
use tokio_io_timeout::TimeoutStream;

use crate::{
    app::App,
    core::Core,
    demo::{self, Panel},
    first_factor::FirstFactors,
    hashing::Hashing,
    key_check,
    keys::Keys,
    mail::Mailer,
    metrics::{Counted, Metrics},
    options::Serve,
    outbox,
    peer::Proxies,
    request_id::RequestId,
    router::router,
    store::{self, Form, Place, StoreError},
    telemetry,
    templates::Templates,
    tokens::Signer,
};

/// The most connections at once.
const MAX_CONNECTIONS: usize = 1024;
/// How long the head of a request may take to arrive.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent to it.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// How long requests may go on after the signal to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(15);

/// Serves until a signal comes. An error is one sentence for whoever started the server.
pub(crate) async fn serve(options: Serve) -> Result<(), String> {
    telemetry::log_to_output(&options.log)?;
    let wants_demo = options.demo()?;
    options.check_mailbox()?;
    let found = Keys::find(&options.data).map_err(|error| error.to_string())?;
    let policy = options.policy.policy()?;
    let templates = Templates::load(options.templates.as_deref())?;
    let mailer = Mailer::new(options.smtp.as_ref())?;
    let limits = options.limits.clone();
    let hashing = Hashing::new(limits.hashes(), limits.password_queue, limits.password_wait);
    let first_factors = FirstFactors::new(options.data.argon2_memory, hashing);
    let first_factors = first_factors.map_err(|error| error.to_string())?;
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let database = store::open(&options.data.database, Form::new(metrics.record.clone()))
        .await
        .map_err(|error| unusable(&options.data.database, &error))?;
    let keys = key_check::settle(found, &*database, options.keys_lost).await;
    let keys = keys.map_err(|error| error.to_string())?;
    let ring = keys.ring().map_err(|error| error.to_string())?;

    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let address = listener.local_addr().map_err(|error| format!("cannot listen: {error}"))?;
    database
        .set_policy(options.policy.name())
        .await
        .map_err(|error| unusable(&options.data.database, &error))?;
    let issuer = options.issuer.clone().unwrap_or_else(|| format!("http://{address}/"));
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
    if options.smtp.is_none() {
        tracing::warn!(
            "without --smtp, mail stays in memory and anybody can read it at /mailbox: for development only"
        );
    }
    let app = Arc::new(App {
        core: Core::new(Verifier::new(ring, policy), metrics.core.clone()),
        database,
        first_factors,
        signer: Signer::new(&keys.signing, &issuer).map_err(|error| error.to_string())?,
        mailer,
        mail_from: options.mail_from.clone(),
        templates,
        metrics,
        mail_waits: Notify::new(),
        under_way: Arc::default(),
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
    let (mut terminate, mut interrupt) = signals()?;
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(outbox::work(Arc::clone(&app), stopped));
    tracing::info!(%address, issuer = app.issuer, policy = app.preset.name(), "listening");
    let until = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    accept(listener, router(Arc::clone(&app)), options.proxies, &app.metrics.connections, until).await;
    // Requests whose clients have gone are worked on to their end, too.
    if tokio::time::timeout(DRAIN_LIMIT, app.under_way.write()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }

    // Whatever the last requests put into the outbox is sent before the end, or by the next start.
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN_LIMIT, worker).await.is_err() {
        tracing::warn!("mail is still under way: the next start sends it");
    }
    app.database.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Takes connections until told to stop, then lets those that are open finish their request.
async fn accept(
    listener: TcpListener,
    router: Router,
    proxies: Proxies,
    open: &IntGauge,
    until: impl Future<Output = ()>,
) {
    let proxies = Arc::new(proxies);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_headers(64);
    tokio::pin!(until);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            () = &mut until => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the peer is gone already: neither is a reason to stop.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let open = Counted::new(open);
        let _ = stream.set_nodelay(true);
        let (router, proxies) = (TowerToHyperService::new(router.clone()), Arc::clone(&proxies));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let peer = proxies.peer(address, request.headers());
            let id = RequestId::of(request.headers(), proxies.trusts(address.ip()));
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(id);
            router.call(request)
        });
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(WRITE_LIMIT));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop((slot, open));
        });
    }
    drop(listener);
    tracing::info!("finishing what was begun");
    if tokio::time::timeout(DRAIN_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

fn signals() -> Result<(Signal, Signal), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be received: {error}"));
    Ok((listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?))
}

/// What is wrong with a database, without the password that its URL may hold.
pub(crate) fn unusable(place: &Place, error: &StoreError) -> String {
    match place {
        Place::Sqlite(path) => format!("the database file {} cannot be used: {error}", path.display()),
        Place::Postgres(_) => format!("the PostgreSQL database cannot be used: {error}"),
    }
}
