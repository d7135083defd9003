//! What a connection is at, and until when it may be.
//!
//! It waits for a request, receives a head, or serves the request until the body of the reply is handed over. A head
//! has its deadline from its first byte on; before it, the connection is idle, which has another. This module must
//! never prolong a deadline because a byte came.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::Instant,
};

use crate::limits::Limits;

pub(super) struct Progress {
    phase: Mutex<Phase>,
    eviction: Notify,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Nothing came yet.
    New { since: Instant },
    /// A reply was handed over, and nothing came since.
    Idle { since: Instant },
    /// A part of a head came.
    Head { since: Instant },
    /// A request is served. Its body, its handler and the writing have deadlines of their own.
    Serving,
}

impl Default for Progress {
    fn default() -> Self {
        let phase = Mutex::new(Phase::New { since: Instant::now() });
        Self { phase, eviction: Notify::new() }
    }
}

impl Progress {
    /// When what the connection waits for must have come.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        match *self.phase() {
            Phase::New { since } | Phase::Head { since } => Some(since + limits.header_timeout),
            Phase::Idle { since } => Some(since + limits.keep_alive),
            Phase::Serving => None,
        }
    }

    /// Since when the connection has been waiting for the first byte of a request.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::New { since } | Phase::Idle { since } => Some(since),
            Phase::Head { .. } | Phase::Serving => None,
        }
    }

    /// The head is complete.
    pub(super) fn serving(&self) {
        *self.phase() = Phase::Serving;
    }

    fn answered(&self) {
        *self.phase() = Phase::Idle { since: Instant::now() };
    }

    fn received(&self) {
        let mut phase = self.phase();
        match *phase {
            // A client that says nothing at first has no more time for its head than one that begins at once.
            Phase::New { since } => *phase = Phase::Head { since },
            Phase::Idle { .. } => *phase = Phase::Head { since: Instant::now() },
            Phase::Head { .. } | Phase::Serving => {}
        }
    }

    /// Closes the connection, which was waiting for a request.
    pub(super) fn evict(&self) {
        self.eviction.notify_one();
    }

    pub(super) async fn evicted(&self) {
        self.eviction.notified().await;
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that notes what comes in.
pub(super) struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Watched<S> {
    pub(super) const fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of a reply. When it is handed over, the connection is idle.
pub(super) struct Answer {
    body: Body,
    progress: Arc<Progress>,
}

impl Answer {
    pub(super) const fn new(body: Body, progress: Arc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.progress.answered();
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
