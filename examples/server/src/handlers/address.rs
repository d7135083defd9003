//! Two pages of the demonstration: signing up with a confirmed address, and resetting a forgotten password.
//!
//! A `GET` shows a page and consumes nothing, whatever its address: mail filters follow links, and a link's token stands
//! in the fragment, which no server is sent. The page posts the token. This module must never give an answer, or take a
//! time, from which anybody learns whether an address has an account.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use countersign::{
    BindingCode, Denial, EmailAddress, Subject,
    address_proof::{ProofHandle, ProofPurpose},
    wire::{Parameter, Refusal},
};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    app::App,
    error::ApiError,
    page,
    peer::Peer,
    proofs::{Presented, subject_of},
    request,
};

/// The fewest characters of a new password (NIST SP 800-63B-4 section 3.1.1.2, beside a second factor).
const PASSWORD_LEAST: usize = 8;

/// What a page asks with.
#[derive(Deserialize)]
pub(crate) struct AskBody {
    email: Option<Parameter>,
}

/// What a page posts of a link, or of a code that was typed, with the new password.
#[derive(Deserialize)]
pub(crate) struct ProofBody {
    email: Option<Parameter>,
    token: Option<Parameter>,
    code: Option<Parameter>,
    password: Option<Parameter>,
}

pub(crate) async fn sign_up_page(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    show(&app, page::SIGN_UP)
}

pub(crate) async fn reset_page(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    show(&app, page::RESET)
}

pub(crate) async fn ask_to_sign_up(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    ask(&app, ProofPurpose::Confirm, peer, &headers, body).await
}

pub(crate) async fn ask_to_reset(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    ask(&app, ProofPurpose::Reset, peer, &headers, body).await
}

/// Makes an account for a confirmed address.
pub(crate) async fn sign_up(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let proof = Proof::read(&app, ProofPurpose::Confirm, &headers, body).await?;
    // Before the link is used up: whoever has to wait too long for a hash can try again.
    let hash = app.first_factors.hash_in_turn(Some(peer.network()), &proof.password).await?;
    let address = proof.take(&app).await?;
    let user = app.first_factors.user(address.as_str(), true, hash)?;
    // Somebody else made it meanwhile: of two browsers that asked, the first one is.
    if !app.database.add_user(&user).await? {
        return Err(refused().into());
    }
    Ok(done(&app, ProofPurpose::Confirm))
}

/// Gives the user of an address a new password, and ends the sessions.
pub(crate) async fn reset(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let proof = Proof::read(&app, ProofPurpose::Reset, &headers, body).await?;
    let hash = app.first_factors.hash_in_turn(Some(peer.network()), &proof.password).await?;
    let address = proof.take(&app).await?;
    let user = app.database.user_by_email(address.as_str()).await?.ok_or_else(refused)?;
    if !app.change_password(&user, &hash).await? {
        return Err(refused().into());
    }
    Ok(done(&app, ProofPurpose::Reset))
}

/// Only the demonstration has these pages: elsewhere people sign up at the application.
fn demonstrates(app: &App) -> Result<(), Refusal> {
    app.panel.as_ref().map(|_| ()).ok_or(Refusal::new(404, "not_found", "There is nothing here."))
}

fn show(app: &App, html: &'static str) -> Result<Response, ApiError> {
    demonstrates(app)?;
    let policy = HeaderValue::from_static(page::CSP_PAGE);
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response())
}

async fn ask(
    app: &Arc<App>,
    purpose: ProofPurpose,
    peer: Peer,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    demonstrates(app)?;
    let body: AskBody = request::read(app, headers, body).await?;
    let address = address(app, body.email.as_ref())?;
    if let Err(wait) = app.asks.charge(peer.network(), Instant::now()) {
        let retry_at = OffsetDateTime::now_utc().saturating_add(wait.try_into().unwrap_or_default());
        let mut refusal = Refusal::too_many_requests();
        refusal.retry_at = Some(retry_at);
        return Err(refusal.into());
    }
    let asked = app.ask(purpose, address)?;
    let seconds = (asked.expires - OffsetDateTime::now_utc()).whole_seconds().max(0);
    let cookie = cookie(app, purpose, asked.oob_code.expose(), seconds);
    let answer = Json(json!({ "expires_in": seconds }));
    Ok((StatusCode::ACCEPTED, [(header::SET_COOKIE, cookie)], answer).into_response())
}

/// The address that a request names, as this server compares addresses: in lower case.
fn address(app: &App, email: Option<&Parameter>) -> Result<EmailAddress, ApiError> {
    let email = email
        .ok_or_else(|| Refusal::missing("email"))
        .map_err(|refusal| request::incomplete(app, refusal))?;
    EmailAddress::parse(&email.expose().trim().to_lowercase())
        .map_err(|_| request::incomplete(app, Refusal::invalid_request("This is no email address.")))
}

/// What somebody presents who has read the message.
struct Proof {
    /// Whose record it is to open.
    subject: Subject,
    presented: Presented,
    password: String,
}

impl Proof {
    async fn read(
        app: &App,
        purpose: ProofPurpose,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, ApiError> {
        demonstrates(app)?;
        let body: ProofBody = request::read(app, headers, body).await?;
        let subject = subject_of(&address(app, body.email.as_ref())?)?;
        let incomplete = |refusal| request::incomplete(app, refusal);
        let password = body.password.as_ref().ok_or_else(|| incomplete(Refusal::missing("password")))?;
        if password.expose().chars().count() < PASSWORD_LEAST {
            let description = "A password has at least 8 characters.";
            return Err(incomplete(Refusal::invalid_request(description)));
        }
        let handle = cookie_of(app, purpose, headers)
            .and_then(|text| app.core.prove(|verifier| verifier.open_handle(&subject, purpose, text).ok()));
        let presented = match (&body.token, &body.code) {
            (Some(token), None) => {
                let open = |text| app.core.prove(|verifier| verifier.open_link(&subject, purpose, text));
                Presented::Link(open(token.expose()).map_err(|_| refused())?, handle)
            }
            (None, Some(code)) => typed(handle, code.expose())?,
            (None, None) | (Some(_), Some(_)) => return Err(incomplete(Refusal::missing("token"))),
        };
        Ok(Self { subject, presented, password: password.expose().to_owned() })
    }

    /// Uses up what was presented.
    async fn take(self, app: &Arc<App>) -> Result<EmailAddress, ApiError> {
        match app.take(self.subject, self.presented).await? {
            Ok(proven) => Ok(proven.address),
            Err(denial) if denial.is_misuse() => Err(Refusal::server_error().into()),
            Err(_) => Err(refused().into()),
        }
    }
}

/// A code that was typed in the browser that asked.
fn typed(handle: Option<ProofHandle>, code: &str) -> Result<Presented, Refusal> {
    let code = BindingCode::parse(code).map_err(Denial::from).map_err(|_| refused())?;
    handle.map(|handle| Presented::Code(handle, code)).ok_or_else(refused)
}

/// The one refusal, whatever is wrong.
const fn refused() -> Refusal {
    Refusal::new(
        403,
        "invalid_grant",
        "The link or code is wrong, used or expired, or this browser did not ask for it. Ask for a new one.",
    )
}

fn done(app: &App, purpose: ProofPurpose) -> Response {
    ([(header::SET_COOKIE, cookie(app, purpose, "", 0))], Json(json!({}))).into_response()
}

/// The name of the cookie that holds a browser's handle. With https it can be set by this origin alone (RFC 6265bis
/// section 4.1.3.2).
fn cookie_name(app: &App, purpose: ProofPurpose) -> &'static str {
    match (purpose, app.issuer.starts_with("https://")) {
        (ProofPurpose::Confirm, true) => "__Host-countersign-sign-up",
        (ProofPurpose::Confirm, false) => "countersign-sign-up",
        (ProofPurpose::Reset | _, true) => "__Host-countersign-reset",
        (ProofPurpose::Reset | _, false) => "countersign-reset",
    }
}

fn cookie(app: &App, purpose: ProofPurpose, handle: &str, seconds: i64) -> HeaderValue {
    let secure = if app.issuer.starts_with("https://") { "; Secure" } else { "" };
    let name = cookie_name(app, purpose);
    let text = format!("{name}={handle}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn cookie_of<'a>(app: &App, purpose: ProofPurpose, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = cookie_name(app, purpose);
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(known, _)| *known == name);
    found.next().map(|(_, value)| value)
}
