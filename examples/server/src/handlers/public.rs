//! What anybody may read: the discovery document, the public keys, health and metrics.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::wire::{GRANT_MFA_OOB, GRANT_MFA_OTP, GRANT_MFA_RECOVERY_CODE, GRANT_PASSWORD, Refusal};
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use crate::{app::App, client::GRANT_PASSWORD_REALM, error::ApiError};

pub(crate) async fn discovery(State(app): State<Arc<App>>) -> Json<Value> {
    let issuer = &app.issuer;
    Json(json!({
        "issuer": issuer,
        // Nobody is redirected here; the document must name the endpoint all the same.
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "mfa_challenge_endpoint": format!("{issuer}mfa/challenge"),
        "grant_types_supported":
            [GRANT_PASSWORD, GRANT_PASSWORD_REALM, GRANT_MFA_OOB, GRANT_MFA_OTP, GRANT_MFA_RECOVERY_CODE],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "scopes_supported": ["openid", "profile", "email"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "amr", "email", "email_verified"],
    }))
}

pub(crate) async fn jwks(State(app): State<Arc<App>>) -> Json<JwkSet> {
    Json(app.signer.jwks.clone())
}

/// The description of every route. A test holds it against the router, and `ci/openapi.sh` against the replies.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../openapi.json")).into_response()
}

/// Whether the server can do its work: it answers, and so does its database.
pub(crate) async fn healthz(State(app): State<Arc<App>>) -> Response {
    match tokio::time::timeout(Duration::from_secs(2), app.database.ping()).await {
        Ok(Ok(())) => Json(json!({ "status": "ok" })).into_response(),
        Ok(Err(_)) | Err(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "database unreachable" })))
                .into_response()
        }
    }
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    app.metrics.note_pool(app.database.pool_size());
    app.metrics.hash_queue.set(i64::try_from(app.first_factors.waiting()).unwrap_or(i64::MAX));
    // A database that is away takes none of the other metrics with it.
    if let Ok(Ok(acts)) = tokio::time::timeout(Duration::from_secs(2), app.database.acts()).await {
        app.metrics.note_acts(&acts);
    }
    let text = app.metrics.render().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Refusal::server_error()
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
