//! The routes, and what holds for every one of them: headers, a time limit, a log line, errors as JSON.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{delete, get, patch, post},
};
use countersign::wire::Refusal;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    cross_origin,
    error::{ApiError, busy},
    handlers::{address, demo, devices, mfa, page, public, recovery_codes, token},
    hosts, locale,
    metrics::Counted,
    page::CSP_NOTHING,
    peer::Peer,
    request_id::{REQUEST_ID, RequestId},
};

pub(crate) fn router(app: Arc<App>) -> Router {
    let called_by_browsers = Router::new()
        .route("/oauth/token", post(token::token))
        .route("/mfa/associate", post(mfa::associate))
        .route("/mfa/challenge", post(mfa::challenge))
        .route("/mfa/authenticators", get(mfa::authenticators))
        .route("/mfa/authenticators/{id}", patch(mfa::update))
        .route("/mfa/authenticators/{id}", delete(mfa::remove))
        .route("/mfa/devices", get(devices::list))
        .route("/mfa/devices/{id}", delete(devices::forget))
        .route("/mfa/recovery-codes", post(recovery_codes::regenerate))
        .route("/.well-known/openid-configuration", get(public::discovery))
        .route("/.well-known/jwks.json", get(public::jwks))
        .method_not_allowed_fallback(async || not_allowed())
        .layer(middleware::from_fn_with_state(Arc::clone(&app), cross_origin::layer));
    Router::new()
        .route("/", get(page::index))
        .route("/page/{*path}", get(page::asset))
        .route("/openapi.json", get(public::openapi))
        .route("/healthz", get(public::healthz))
        .route("/metrics", get(public::metrics))
        .route("/mailbox", get(demo::mailbox))
        .route("/demo/info", get(demo::info))
        .route("/demo/state", get(demo::state))
        .route("/demo/barcode", post(demo::barcode))
        .route("/signup", get(address::sign_up_page))
        .route("/signup", post(address::sign_up))
        .route("/signup/ask", post(address::ask_to_sign_up))
        .route("/reset", get(address::reset_page))
        .route("/reset", post(address::reset))
        .route("/reset/ask", post(address::ask_to_reset))
        .fallback(async || ApiError::from(Refusal::new(404, "not_found", "There is nothing here.")))
        .method_not_allowed_fallback(async || not_allowed())
        .merge(called_by_browsers)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), hosts::check))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

fn not_allowed() -> ApiError {
    Refusal::new(405, "invalid_request", "The method is not allowed here.").into()
}

async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let id = extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::draw);
    let route = extensions.get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = id.span(&route, extensions.get::<Peer>().copied());
    let mut response = answer(&app, request, next, &route).instrument(span).await;
    harden(response.headers_mut(), app.issuer.starts_with("https://"));
    response.headers_mut().insert(REQUEST_ID, id.to_header());
    response
}

/// Answers a request within its time limit, and notes how long that took.
async fn answer(app: &Arc<App>, request: Request, next: Next, route: &str) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    // A client that goes away, or the limit, ends the work: what must not be left half-way goes on by itself, see
    // App::step.
    let locale = locale::of_headers(request.headers(), app.templates.locales()).cloned();
    let mut work = JoinSet::new();
    let _in_flight = Counted::new(&app.metrics.in_flight);
    work.spawn(locale::scope(locale, next.run(request)).in_current_span());
    let response = match tokio::time::timeout(app.limits.request_timeout, work.join_next()).await {
        Ok(Some(Ok(response))) => response,
        Ok(Some(Err(error))) => {
            tracing::error!(%error, "a request failed");
            ApiError::from(Refusal::server_error()).into_response()
        }
        Ok(None) | Err(_) => {
            app.metrics.audit.record(HostEvent::Request(RequestCheck::TimeLimit), About::NOBODY);
            busy("The request took too long.")
        }
    };
    let status = response.status();
    let took = begun.elapsed();
    app.metrics
        .latencies
        .with_label_values(&[label(&method), route, status.as_str()])
        .observe(took.as_secs_f64());
    tracing::debug!(%method, status = status.as_u16(), ms = took.as_secs_f64() * 1000.0, "answered");
    response
}

/// A method as a label: the labels are bounded, and what a client may call its method is not.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Nothing here is to be cached, sniffed, framed or leaked in a referrer.
fn harden(headers: &mut HeaderMap, https: bool) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CSP_NOTHING));
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
