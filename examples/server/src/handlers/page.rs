//! `GET /` and the files of the page. They are the same for everybody, and need no database.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use countersign::wire::Refusal;

use crate::{app::App, error::ApiError, page};

/// The journey, where there is somebody who could sign in; else what this server is.
pub(crate) async fn index(State(app): State<Arc<App>>) -> Response {
    let page = if app.panel.is_some() {
        Html(page::JOURNEY).into_response()
    } else {
        Html(page::about(app.templates.service(), &app.issuer)).into_response()
    };
    let policy = HeaderValue::from_static(page::CSP_PAGE);
    ([(header::CONTENT_SECURITY_POLICY, policy)], page).into_response()
}

pub(crate) async fn asset(path: Result<Path<String>, PathRejection>) -> Result<Response, ApiError> {
    let not_found = Refusal::new(404, "not_found", "There is nothing here.");
    let Ok(Path(path)) = path else { return Err(not_found.into()) };
    let file = page::file(&path).ok_or(not_found)?;
    Ok(([(header::CONTENT_TYPE, file.content_type)], file.content).into_response())
}
