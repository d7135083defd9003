//! What only the page asks for: `/mailbox`, `/demo/info`, `/demo/state` and `/demo/barcode`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use countersign::{
    Account,
    wire::{Parameter, Refusal},
};
use qrcode::{EcLevel, QrCode, render::svg};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    demo::{CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME},
    error::ApiError,
    mail::Kept,
    request,
};

const fn not_found() -> Refusal {
    Refusal::new(404, "not_found", "There is nothing here.")
}

pub(crate) async fn mailbox(State(app): State<Arc<App>>) -> Result<Json<Vec<Kept>>, ApiError> {
    Ok(Json(app.mailer.kept().ok_or(not_found())?))
}

pub(crate) async fn info(State(app): State<Arc<App>>) -> Json<Value> {
    let settings = app.core.policy().settings();
    let mut info = json!({
        "demo": app.panel.is_some(),
        "mailbox": app.mailer.kept().is_some(),
        "service": app.templates.service(),
        "issuer": app.issuer,
        "mfa_audience": app.signer.mfa_audience(),
        "policy": app.preset.name(),
        "code_digits": settings.code_digits,
        "otp_digits": settings.totp.digits,
        "otp_step": settings.totp.step.whole_seconds(),
        "cool_down": settings.cool_down.whole_seconds(),
        "recovery_codes": settings.recovery_codes,
    });
    if let (Value::Object(info), true) = (&mut info, app.panel.is_some()) {
        info.insert("client_id".to_owned(), json!(CLIENT_ID));
        info.insert("client_secret".to_owned(), json!(CLIENT_SECRET));
        info.insert("username".to_owned(), json!(USERNAME));
        info.insert("password".to_owned(), json!(PASSWORD));
    }
    Json(info)
}

#[derive(Deserialize)]
pub(crate) struct StateQuery {
    username: String,
}

pub(crate) async fn state(
    State(app): State<Arc<App>>,
    query: Result<Query<StateQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| Refusal::missing("username"))?;
    let panel = app.panel.as_ref().ok_or(not_found())?;
    if query.username.contains('\0') {
        return Err(not_found().into());
    }
    let user = app.database.user_by_email(&query.username.to_lowercase()).await?.ok_or(not_found())?;
    let stored = app.database.load(&user.subject).await?;
    let is_stored = stored.is_some();
    let account = match stored {
        Some(account) => account,
        None => Account::new(&user.subject),
    };
    let left = app.core.call(|verifier| verifier.recovery_codes_left(&account));
    Ok(Json(panel.show(&account, left, is_stored)))
}

#[derive(Deserialize)]
pub(crate) struct Barcode {
    text: Parameter,
}

/// Draws the Key URI of an app that is being enrolled. It is a secret, so it comes in a body and is not
/// logged; a browser that calls this shows the drawing as an image, which runs nothing.
pub(crate) async fn barcode(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if app.panel.is_none() {
        return Err(not_found().into());
    }
    let Barcode { text } = request::read(&app, &headers, body).await?;
    let unfit = Refusal::invalid_request("The text is no Key URI that a QR code can hold.");
    if !text.expose().starts_with("otpauth://") {
        return Err(unfit.into());
    }
    let code = QrCode::with_error_correction_level(text.expose(), EcLevel::M).map_err(|_| unfit)?;
    let drawing = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], drawing).into_response())
}
