//! The routes, and what holds for every one of them: headers, a time limit, a log line, errors as JSON.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use countersign::wire::Refusal;

use crate::{
    app::App,
    error::ApiError,
    handlers::{demo, mfa, public, token},
    page,
};

/// How long a request may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(public::index))
        .route("/oauth/token", post(token::token))
        .route("/mfa/associate", post(mfa::associate))
        .route("/mfa/challenge", post(mfa::challenge))
        .route("/mfa/authenticators", get(mfa::authenticators))
        .route("/mfa/authenticators/{id}", delete(mfa::remove))
        .route("/.well-known/openid-configuration", get(public::discovery))
        .route("/.well-known/jwks.json", get(public::jwks))
        .route("/healthz", get(public::healthz))
        .route("/metrics", get(public::metrics))
        .route("/mailbox", get(demo::mailbox))
        .route("/demo/info", get(demo::info))
        .route("/demo/state", get(demo::state))
        .fallback(async || ApiError::from(Refusal::new(404, "not_found", "There is nothing here.")))
        .method_not_allowed_fallback(async || {
            ApiError::from(Refusal::new(405, "invalid_request", "The method is not allowed here."))
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let answer = tokio::time::timeout(TIME_LIMIT, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        ApiError::from(Refusal::new(503, "server_error", "The request took too long.")).into_response()
    });
    harden(response.headers_mut(), app.issuer.starts_with("https://"));
    let status = response.status();
    let took = begun.elapsed();
    app.metrics
        .latencies
        .with_label_values(&[method.as_str(), route.as_str(), status.as_str()])
        .observe(took.as_secs_f64());
    tracing::debug!(%method, route, status = status.as_u16(), ms = took.as_secs_f64() * 1000.0, "answered");
    response
}

/// Nothing here is to be cached, sniffed, framed or leaked in a referrer.
fn harden(headers: &mut HeaderMap, https: bool) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(page::NOTHING));
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CACHE_CONTROL, "no-store");
    set(header::PRAGMA, "no-cache");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    if https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
