//! `POST /mfa/recovery-codes`: a new set of recovery codes in the place of the old one.
//!
//! Auth0 has no such request; the token, its scope and the errors are those of `/mfa/associate`. The new codes are
//! shown once, in this reply. They must never be in a log, nor in any other reply.

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap};
use countersign::{Verifier, wire::Endpoint};
use serde::Serialize;

use crate::{app::App, error::ApiError, request};

/// The new codes.
#[derive(Serialize)]
pub(crate) struct RecoveryCodesReply {
    recovery_codes: Vec<String>,
}

pub(crate) async fn regenerate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<RecoveryCodesReply>, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Associate, &denial);
    let (session, _) = request::bearer_session(&app, &headers, None, Endpoint::Associate).await?;
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, entropy: &_| {
        verifier.regenerate_recovery_codes(&session, account, now, entropy)
    };
    // The token of this request goes on: the core spares its transaction.
    let new = app.step(subject, step).await?.into_parts().0.map_err(denied)?;
    let recovery_codes = new.recovery_codes.iter().map(|code| code.expose().to_owned()).collect();
    Ok(Json(RecoveryCodesReply { recovery_codes }))
}
