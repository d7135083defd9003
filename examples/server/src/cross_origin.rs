//! Pages from other origins: which of them may read what the endpoints answer that browsers call (the Fetch standard,
//! section 3.3).
//!
//! An origin is let in for the clients that registered it. A preflight names no client, so any registered origin
//! passes it; the answer to the request itself is for the origins of the client that the request named or whose token
//! it had, and only an answer to no client in particular is for all registered ones. No cookie is
//! for other origins, so credentials are never let through. This module must never answer with a wildcard or with an origin that is not
//! registered.

use std::{
    cell::RefCell,
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use countersign::wire::Refusal;
use tokio::sync::Mutex;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    client::{Client, Origin},
    error::ApiError,
    store::{Database, StoreError},
};

/// How old the list of all registered origins may be. Preflights need no credentials: so often, at most, they read it.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// What scripts may send, and what they may read beside the body.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Auth0-Client, X-Request-Language";
const RESPONSE_HEADERS: &str = "Retry-After, WWW-Authenticate, X-Request-Id";
/// How long a browser may keep the answer to a preflight, in seconds.
const KEPT_FOR: &str = "600";

tokio::task_local! {
    /// The origins of the client that the request of this task named.
    static NAMED: RefCell<Option<Vec<Origin>>>;
}

/// Notes whose request this is.
pub(crate) fn note(client: &Client) {
    // Outside of this module's layer nobody asks.
    let _ = NAMED.try_with(|named| named.replace(Some(client.origins.clone())));
}

/// Every registered origin, as of a moment ago.
#[derive(Default)]
pub(crate) struct Origins(Mutex<Option<(Instant, HashSet<Origin>)>>);

impl Origins {
    async fn has(&self, database: &dyn Database, origin: &Origin) -> Result<bool, StoreError> {
        let mut known = self.0.lock().await;
        if let Some((read, origins)) = &*known
            && read.elapsed() < FRESH_FOR
        {
            return Ok(origins.contains(origin));
        }
        let origins: HashSet<_> = database.origins().await?.into_iter().collect();
        let has = origins.contains(origin);
        *known = Some((Instant::now(), origins));
        Ok(has)
    }
}

/// The layer around the endpoints that browsers call.
pub(crate) async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = origin(request.headers());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (origin, is_preflight) {
        (None, false) => next.run(request).await,
        (None, true) => refused(&app),
        (Some(origin), true) => match app.origins.has(&*app.database, &origin).await {
            Ok(true) => preflight(&origin),
            Ok(false) => refused(&app),
            Err(error) => ApiError::from(error).into_response(),
        },
        (Some(origin), false) => {
            let answered = NAMED.scope(RefCell::new(None), async {
                let response = next.run(request).await;
                (response, NAMED.with(RefCell::take))
            });
            let (mut response, named) = answered.await;
            let lets_in = match named {
                Some(origins) => origins.contains(&origin),
                None => app.origins.has(&*app.database, &origin).await.unwrap_or(false),
            };
            if lets_in {
                let headers = response.headers_mut();
                allow(headers, &origin);
                let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            }
            response
        }
    };
    // Also where nobody is let in: a cache must not give one origin what was answered to another.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// The origin of the page that asks; nothing if none could be registered, such as `null`.
fn origin(headers: &HeaderMap) -> Option<Origin> {
    let mut given = headers.get_all(header::ORIGIN).iter();
    let (origin, None) = (given.next()?, given.next()) else { return None };
    let text = origin.to_str().ok()?;
    text.parse().ok().filter(|origin: &Origin| origin.as_str() == text)
}

fn preflight(origin: &Origin) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    allow(headers, origin);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PATCH, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, KEPT_FOR),
        (header::VARY, "Access-Control-Request-Method, Access-Control-Request-Headers"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(app: &App) -> Response {
    app.metrics.audit.record(HostEvent::Request(RequestCheck::UnregisteredOrigin), About::NOBODY);
    let description = "The origin is not registered for any client: clients set --origin registers one.";
    ApiError::from(Refusal::new(403, "access_denied", description)).into_response()
}

fn allow(headers: &mut HeaderMap, origin: &Origin) {
    if let Ok(origin) = HeaderValue::from_str(origin.as_str()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}
