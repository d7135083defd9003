//! The connections: which are taken, what each may wait for, and how they end.
//!
//! A connection waits for a request, reads its head, or serves it, and each of these has its own deadline: see
//! [`progress`]. How many there are is bounded in all and by peer: see [`Open`]. This module must never let a client
//! decide how long it holds a connection, and never wait for one client before it takes the next.

mod open;
mod progress;

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, Sleep, sleep_until, timeout, timeout_at},
};
use tokio_io_timeout::TimeoutStream;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    metrics::Counted,
    peer::{Peer, Proxies},
    request_id::RequestId,
};
use open::{Admitted, Open, Refused};
use progress::{Answer, Watched};

/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// The most bytes of a connection that are held at once, and so the longest head.
const MAX_BUFFER: usize = 65_536;
/// How many refused connections are told so at once, and how long each may take to listen. Others are closed.
const TELLING: usize = 64;
const TELLING_LIMIT: Duration = Duration::from_secs(1);
/// What a refused connection is told.
const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 79\r\n\
    Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    {\"error\":\"server_error\",\"error_description\":\"Too many connections. Try again.\"}";

pub(crate) struct Connections {
    pub(crate) router: Router,
    pub(crate) proxies: Proxies,
    pub(crate) app: Arc<App>,
}

impl Connections {
    /// Takes connections until told to stop. Then those that are open finish their request, for as long as the end of
    /// the server may take, and are closed. The answer is when that time is over.
    pub(crate) async fn serve(self, listener: TcpListener, until: impl Future<Output = ()>) -> Instant {
        let shared = Arc::new(self);
        let (open, telling) = (Open::new(&shared.app.limits), Arc::new(Semaphore::new(TELLING)));
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let mut until = pin!(until);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
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
            // A proxy's connections are its clients'.
            let proxy = shared.proxies.trusts(address.ip());
            match open.admit((!proxy).then(|| Peer::from(address.ip()).network())) {
                Ok(admitted) => {
                    let watcher = graceful.watcher();
                    tasks.spawn(Arc::clone(&shared).connection(stream, address, admitted, watcher));
                }
                Err(refused) => {
                    shared.note(refused);
                    if let Ok(telling) = Arc::clone(&telling).try_acquire_owned() {
                        tasks.spawn(async move {
                            let _ = timeout(TELLING_LIMIT, tell(stream)).await;
                            drop(telling);
                        });
                    }
                }
            }
        }
        drop(listener);
        tracing::info!("finishing what was begun");
        let end = Instant::now() + shared.app.limits.shutdown_timeout;
        if timeout_at(end, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        tasks.shutdown().await;
        end
    }

    fn note(&self, refused: Refused) {
        let reason = match refused {
            Refused::Peer => RequestCheck::TooManyConnections,
            Refused::All => RequestCheck::Overloaded,
        };
        self.app.metrics.audit.record(HostEvent::Request(reason), About::NOBODY);
    }

    /// One connection, from its first byte to its end.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        admitted: Admitted,
        watcher: Watcher,
    ) {
        let _counted = Counted::new(&self.app.metrics.connections);
        let _ = stream.set_nodelay(true);
        let progress = Arc::clone(admitted.progress());
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|mut request: Request<Incoming>| {
            progress.serving();
            let peer = self.proxies.peer(address, request.headers());
            let id = RequestId::of(request.headers(), self.proxies.trusts(address.ip()));
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(id);
            let (answer, progress) = (router.call(request), Arc::clone(&progress));
            async move {
                answer.await.map(|answer: Response<Body>| answer.map(|body| Answer::new(body, progress)))
            }
        });
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(self.app.limits.write_timeout));
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
        let mut http = http1::Builder::new();
        // Its own deadline would count the time between two requests, too.
        http.header_read_timeout(None).max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
        let mut connection = pin!(watcher.watch(http.serve_connection(stream, service)));
        let mut deadline: Option<(Instant, Pin<Box<Sleep>>)> = None;
        let mut evicted = pin!(progress.evicted());
        // What the connection waits for changes only while it is polled, so this looks at it just then.
        let ended = poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if evicted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let Some(at) = progress.deadline(&self.app.limits) else {
                deadline = None;
                return Poll::Pending;
            };
            if deadline.as_ref().is_none_or(|(armed, _)| *armed != at) {
                deadline = Some((at, Box::pin(sleep_until(at))));
            }
            match &mut deadline {
                Some((_, sleep)) => sleep.as_mut().poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        });
        match ended.await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
            None => tracing::debug!("a connection was closed: it waited too long"),
        }
    }
}

/// Tells a connection that it is not taken, and waits for it to go: closed with something unread, the answer might be
/// lost.
async fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(REFUSAL.as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1_024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
