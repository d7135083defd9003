//! `/mfa/devices`: list the remembered devices, and forget one.
//!
//! Auth0 has no such requests; tokens, scopes and errors are those of `/mfa/authenticators`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use countersign::{
    Denial, Verifier,
    session::DeviceId,
    wire::{DeviceEntry, Endpoint},
};
use time::OffsetDateTime;

use crate::{app::App, error::ApiError, request};

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<Vec<DeviceEntry>>, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Authenticators, &denial);
    let (session, _) = request::bearer_session(&app, &headers, None, Endpoint::Authenticators).await?;
    let session = request::device::recognized(&app, &headers, None, session);
    let account = app.load(session.subject()).await?;
    let now = OffsetDateTime::now_utc();
    let listed = app.core.call(|verifier| verifier.devices(&session, &account, now));
    let listed = listed.map_err(|denial| denied(request::refused_early(&app, &session, denial)))?;
    Ok(Json(listed.iter().map(DeviceEntry::new).collect()))
}

pub(crate) async fn forget(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Remove, &denial);
    let (session, _) = request::bearer_session(&app, &headers, None, Endpoint::Remove).await?;
    let session = request::device::recognized(&app, &headers, None, session);
    let id = id.ok().and_then(|Path(id)| id.parse::<DeviceId>().ok());
    let unknown = || denied(request::refused_early(&app, &session, Denial::UnknownDevice));
    let id = id.ok_or_else(unknown)?;
    let subject = session.subject().clone();
    let is_own = session.device() == Some(id);
    // The token of this request goes on: the core spares its transaction.
    let step = move |verifier: &Verifier, account, now, _: &_| verifier.forget(&session, account, id, now);
    app.step(subject.clone(), step).await?.into_parts().0.map_err(denied)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if is_own {
        let cookie = request::device::forgetting(&app, &subject);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
