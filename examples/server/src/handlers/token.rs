//! `POST /oauth/token`: the first factor, and the codes of the second.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use countersign::{
    AuthenticatorId, BindingCode, Denial, Effect, EmailAddress, Entropy, FirstFactor, NewFactor, Outcome,
    Session, Subject, Verified, Verifier,
    code::{Malformed, OtpCode, RecoveryCode},
    command::OtpRequest,
    effect::IssueToken,
    session::{Audience, ClientId, Scope},
    wire::{Endpoint, MfaRequired, Parameter, Refusal, TokenBody, TokenGrant, TokenReply, refuse},
};
use getrandom::SysRng;
use time::OffsetDateTime;

use crate::{
    app::{App, ServerError},
    asked::{Asked, NotAllowed, default_audience, still_allowed, still_reaches},
    attempts,
    audit::{About, FirstFactor as Reason, HostEvent, Issued, TokenCheck, TokenRequest},
    client::{Client, GRANT_PASSWORD_REALM, Grant},
    error::ApiError,
    first_factor::{Checked, FirstFactorError},
    peer::Peer,
    request::{self, Known},
    store::User,
    tokens::Claims,
};

pub(crate) async fn token(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body: TokenBody = request::read(&app, &headers, body).await?;
    let known = request::named_client(&app, &headers, &body.client(), Endpoint::Token).await?;
    let grant_type = body.grant_type.as_ref().ok_or_else(|| Refusal::missing("grant_type"));
    let grant_type = grant_type.map_err(|refusal| request::incomplete(&app, refusal))?.expose();
    let not_allowed = |NotAllowed { reason, refusal }| {
        app.metrics.audit.record(HostEvent::TokenRequest(reason), About::client(known.id.as_str()));
        ApiError::from(refusal)
    };
    let unsupported = || {
        let (reason, refusal) = (TokenRequest::UnsupportedGrant, Refusal::unsupported_grant_type());
        not_allowed(NotAllowed { reason, refusal })
    };
    let grant = Grant::from_grant_type(grant_type).ok_or_else(unsupported)?;
    known.needs(&app, grant)?;
    let asked = Asked::read(&known.client, &app.signer, body.audience.as_ref(), body.scope.as_ref());
    let asked = asked.map_err(not_allowed)?;
    let presented = presented(&body, grant_type).map_err(|refusal| request::incomplete(&app, refusal))?;
    match presented {
        TokenGrant::Password { username, password } => {
            let browser = Browser { headers: &headers, body: &body };
            password_grant(&app, peer, &known, asked, (username, password), browser).await
        }
        TokenGrant::Oob { mfa_token, oob_code, binding_code } => {
            let browser = Browser { headers: &headers, body: &body };
            let codes = (mfa_token, oob_code, binding_code);
            let granted = oob_grant(&app, &known, &asked, codes, browser).await?;
            return Ok(granted.into_response());
        }
        TokenGrant::Otp { mfa_token, otp, authenticator } => {
            let browser = Browser { headers: &headers, body: &body };
            let code = (mfa_token, otp, authenticator);
            let granted = otp_grant(&app, &known, &asked, code, browser).await?;
            return Ok(granted.into_response());
        }
        TokenGrant::RecoveryCode { mfa_token, recovery_code } => {
            recovery_grant(&app, &known, asked, mfa_token, recovery_code).await
        }
        TokenGrant::Device { mfa_token } => {
            let browser = Browser { headers: &headers, body: &body };
            device_grant(&app, &known, &asked, mfa_token, browser).await
        }
        _ => Err(unsupported()),
    }
    .map(|reply| Json(reply).into_response())
}

/// Where the token of a remembered device is looked for, and given to.
#[derive(Clone, Copy)]
struct Browser<'a> {
    headers: &'a HeaderMap,
    body: &'a TokenBody,
}

impl Browser<'_> {
    fn recognized(self, app: &App, session: Session) -> Session {
        request::device::recognized(app, self.headers, self.body.device_token.as_ref(), session)
    }
}

/// A reply, and what the browser is to keep.
struct Granted {
    reply: TokenReply,
    cookie: Option<HeaderValue>,
}

impl Granted {
    fn into_response(self) -> Response {
        let mut response = Json(self.reply).into_response();
        if let Some(cookie) = self.cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// What the request presents. The library does not know the grant that names a realm; it presents the same as a
/// password.
fn presented<'a>(body: &'a TokenBody, grant_type: &str) -> Result<TokenGrant<'a>, Refusal> {
    if grant_type != GRANT_PASSWORD_REALM {
        return body.grant();
    }
    Ok(TokenGrant::Password {
        username: body.username.as_ref().ok_or_else(|| Refusal::missing("username"))?,
        password: body.password.as_ref().ok_or_else(|| Refusal::missing("password"))?,
    })
}

/// A password is a first factor and never enough: the answer is always an error, at best `mfa_required`.
async fn password_grant(
    app: &Arc<App>,
    peer: Peer,
    known: &Known,
    asked: Asked,
    (username, password): (&Parameter, &Parameter),
    browser: Browser<'_>,
) -> Result<TokenReply, ApiError> {
    let nothing = |_| ServerError::Misuse("nothing is no name");
    let scope = asked.scope.map_or_else(|| Scope::new(""), Ok).map_err(nothing)?;
    let audience = match asked.audience {
        Some(audience) => audience,
        // A name of the server's own that is too long is left for when the token is issued.
        None => Audience::new(&default_audience(&known.client, &app.signer))
            .or_else(|_| Audience::new(""))
            .map_err(nothing)?,
    };
    // The session begins before the password is looked at: one that is changed meanwhile ends it.
    let begun = OffsetDateTime::now_utc();
    let turn = Some(peer.network());
    let presented = (username.expose(), password.expose());
    let prepare = |account: &_| app.core.call(|verifier| verifier.prepare(account));
    let checked = app.first_factors.check(&*app.database, turn, presented, prepare).await;
    let (user, prepared) = first_factor(app, &known.id, checked)?;
    if app.implicit_email
        && user.email_verified
        && let Ok(address) = EmailAddress::parse(&user.email)
    {
        let factor = NewFactor::email(address);
        // A refusal leaves the account as it was, which is no reason to keep its user out.
        let step = move |verifier: &Verifier, account, now, entropy: &_| {
            verifier.provision(account, &factor, now, entropy)
        };
        let _ = app.step(user.subject.clone(), step).await?;
    }
    let account = app.load(&user.subject).await?;
    let first_factor = prepared.client(known.id.clone()).audience(audience).scope(scope);
    let entropy = Entropy::draw(&mut SysRng)?;
    let begun = app.core.call(|verifier| verifier.begin(first_factor, &account, begun, &entropy));
    let begun = begun.map_err(|denial| {
        // The password may be one that is not valid any more: whoever presented it is told no more than that.
        record(app, Reason::Ended, Some(&user.subject), &known.id);
        if denial == Denial::ExpiredToken {
            Refusal::wrong_password()
        } else {
            refuse(Endpoint::Token, &denial)
        }
    })?;
    record(app, Reason::Accepted, Some(&user.subject), &known.id);
    issued(app, Issued::MfaToken, &user.subject, Some(&known.id));
    let session = browser.recognized(app, begun.session);
    let requirements = match session.device() {
        None => begun.requirements,
        Some(_) => {
            let now = OffsetDateTime::now_utc();
            app.core.call(|verifier| verifier.requirements(&session, &account, now))
        }
    };
    Err(ApiError::MfaRequired(MfaRequired::new(&begun.token, &requirements)))
}

fn record(app: &App, reason: Reason, subject: Option<&Subject>, client: &ClientId) {
    let about = About { subject, client: Some(client.as_str()) };
    app.metrics.audit.record(HostEvent::FirstFactor(reason), about);
}

/// The user whose first factor is right. Each other one is refused alike, and told apart in the log alone.
fn first_factor(
    app: &App,
    client: &ClientId,
    checked: Result<Checked, FirstFactorError>,
) -> Result<(User, FirstFactor), ApiError> {
    let record = |reason, subject| record(app, reason, subject, client);
    match checked {
        Ok(Checked::Right(user, prepared)) => Ok((user, prepared)),
        Ok(Checked::WrongPassword(user)) => {
            record(Reason::WrongPassword, Some(&user.subject));
            Err(Refusal::wrong_password().into())
        }
        Ok(Checked::UnknownUser) => {
            record(Reason::UnknownUser, None);
            Err(Refusal::wrong_password().into())
        }
        Err(error) => {
            if matches!(error, FirstFactorError::Busy(_)) {
                record(Reason::Overloaded, None);
            }
            Err(error.into())
        }
    }
}

/// A binding code answers a challenge or confirms an enrollment. Only the latter takes an access token as `mfa_token`.
async fn oob_grant(
    app: &Arc<App>,
    known: &Known,
    asked: &Asked,
    (mfa_token, oob_code, binding_code): (&Parameter, &Parameter, &Parameter),
    browser: Browser<'_>,
) -> Result<Granted, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let (session, claims) = request::session(app, mfa_token.expose(), known).map_err(denied)?;
    request::alive(app, &session, Endpoint::Token).await?;
    let session = browser.recognized(app, session);
    let handle = app.core.call(|verifier| verifier.open_oob_code(&session, oob_code.expose()));
    let early = |denial| denied(request::refused_early(app, &session, denial));
    let handle = handle.map_err(early)?;
    let code = BindingCode::parse(binding_code.expose()).map_err(|malformed| early(malformed.into()))?;
    let subject = session.subject().clone();
    let acting = session.clone();
    let remember = browser.body.remember_device;
    let step = move |verifier: &Verifier, account, now, entropy: &_| {
        verifier.verify_oob(&acting, account, &handle, &code, now, remember.then_some(entropy))
    };
    let outcome = app.step(subject, step).await?;
    let answered = Answered { session, mfa_token, claims, endpoint: Endpoint::Token, grant: Issued::Oob };
    verified(app, known, asked, answered, outcome, browser).await
}

/// A one-time password answers a challenge or confirms an enrollment. Only the latter takes an access token
/// as `mfa_token`.
async fn otp_grant(
    app: &Arc<App>,
    known: &Known,
    asked: &Asked,
    (mfa_token, otp, authenticator): (&Parameter, &Parameter, Option<AuthenticatorId>),
    browser: Browser<'_>,
) -> Result<Granted, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Otp, &denial));
    let (session, claims) = request::session(app, mfa_token.expose(), known).map_err(denied)?;
    request::alive(app, &session, Endpoint::Otp).await?;
    let session = browser.recognized(app, session);
    let early = |malformed: Malformed| denied(request::refused_early(app, &session, malformed.into()));
    let mut otp = OtpRequest::new(OtpCode::parse(otp.expose()).map_err(early)?);
    otp.authenticator = authenticator;
    let subject = session.subject().clone();
    let acting = session.clone();
    let remember = browser.body.remember_device;
    let step = move |verifier: &Verifier, account, now, entropy: &_| {
        verifier.verify_otp(&acting, account, &otp, now, remember.then_some(entropy))
    };
    let outcome = app.step(subject, step).await?;
    let answered = Answered { session, mfa_token, claims, endpoint: Endpoint::Otp, grant: Issued::Otp };
    verified(app, known, asked, answered, outcome, browser).await
}

/// The request whose code was judged.
struct Answered<'a> {
    session: Session,
    mfa_token: &'a Parameter,
    /// Those of the access token, if one was presented as `mfa_token`.
    claims: Option<Claims>,
    endpoint: Endpoint,
    grant: Issued,
}

/// What a judged code is answered with.
async fn verified(
    app: &App,
    known: &Known,
    asked: &Asked,
    Answered { session, mfa_token, claims, endpoint, grant }: Answered<'_>,
    outcome: Outcome<Verified>,
    browser: Browser<'_>,
) -> Result<Granted, ApiError> {
    let subject = outcome.audit().subject.clone();
    let (result, effects) = outcome.into_parts();
    let verification = result.map_err(|denial| attempts::refused(endpoint, &denial, &effects))?;
    match (token_due(&effects), claims) {
        (Some(due), _) => {
            let reply = issue(app, &known.client, due, asked, grant).await?;
            let device = verification.device.as_ref();
            if request::device::is_own_page(browser.headers) {
                let cookie = device.map(|token| request::device::remembering(app, &subject, token));
                return Ok(Granted { reply, cookie });
            }
            Ok(Granted { reply: reply.with_device(device, OffsetDateTime::now_utc()), cookie: None })
        }
        // An elevated session confirmed an enrollment: it has its token already, and gets no more than that.
        (None, Some(claims)) => {
            issued(app, Issued::SameToken, &subject, Some(&known.id));
            Ok(Granted { reply: same_token(mfa_token, &claims), cookie: None })
        }
        (None, None) if verification.completed => {
            Err(ServerError::Misuse("a completed transaction without its token").into())
        }
        (None, None) => {
            let account = app.load(&subject).await?;
            let now = OffsetDateTime::now_utc();
            let requirements = app.core.call(|verifier| verifier.requirements(&session, &account, now));
            Err(ApiError::MfaRequired(MfaRequired::with_token(mfa_token.expose(), &requirements)))
        }
    }
}

/// A remembered device takes the place of a code, where the policy says so.
async fn device_grant(
    app: &Arc<App>,
    known: &Known,
    asked: &Asked,
    mfa_token: &Parameter,
    browser: Browser<'_>,
) -> Result<TokenReply, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let session = request::first_factor_session(app, mfa_token.expose(), &known.id, Endpoint::Token).await?;
    let session = browser.recognized(app, session);
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, _: &_| verifier.verify_device(&session, account, now);
    let outcome = app.step(subject, step).await?;
    let (result, effects) = outcome.into_parts();
    result.map_err(denied)?;
    let due = token_due(&effects).ok_or(ServerError::Misuse("a recognized device without its token"))?;
    issue(app, &known.client, due, asked, Issued::Device).await
}

async fn recovery_grant(
    app: &Arc<App>,
    known: &Known,
    asked: Asked,
    mfa_token: &Parameter,
    recovery_code: &Parameter,
) -> Result<TokenReply, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let session = request::first_factor_session(app, mfa_token.expose(), &known.id, Endpoint::Token).await?;
    let code = RecoveryCode::parse(recovery_code.expose())
        .map_err(|_| denied(request::refused_early(app, &session, Denial::InvalidRecoveryCode)))?;
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, _: &_| {
        verifier.verify_recovery(&session, account, &code, now)
    };
    let outcome = app.step(subject, step).await?;
    let (result, effects) = outcome.into_parts();
    let recovered = result.map_err(denied)?;
    let due = token_due(&effects).ok_or(ServerError::Misuse("a recovery without its token"))?;
    // A repeated answer is the earlier token, and what that one was asked for is no longer known.
    let same_audience =
        asked.audience.as_ref().is_none_or(|asked| asked.as_str() == app.signer.due_audience(due));
    let same_scope = asked.scope.as_ref().is_none_or(|asked| *asked == due.scope);
    if recovered.repeated && !(same_audience && same_scope) {
        let about = about(due);
        app.metrics.audit.record(HostEvent::TokenRequest(TokenRequest::OtherAudience), about);
        let description = "The recovery_code was accepted before. Ask for the audience and scope of the sign-in, or sign in again.";
        return Err(Refusal::new(400, "invalid_request", description).into());
    }
    let reply = issue(app, &known.client, due, &asked, Issued::RecoveryCode).await?;
    Ok(reply.with_recovery_code(recovered.replacement.as_ref()))
}

fn token_due(effects: &[Effect]) -> Option<&IssueToken> {
    effects.iter().find_map(|effect| match effect {
        Effect::IssueToken(due) => Some(due),
        Effect::Send(_) | Effect::Notify(_) | Effect::EndSessions(_) => None,
        _ => None,
    })
}

async fn issue(
    app: &App,
    client: &Client,
    due: &IssueToken,
    asked: &Asked,
    grant: Issued,
) -> Result<TokenReply, ApiError> {
    let about = about(due);
    // A user can be removed while a code is judged.
    let user = app.database.user(due.subject()).await?;
    let user = user.ok_or_else(|| {
        app.metrics.audit.record(HostEvent::Token(TokenCheck::Ended), about);
        ApiError::from(refuse(Endpoint::Token, &Denial::ExpiredToken))
    })?;
    // Which API the first factor was for is known only here. One of another is not given instead, although the client
    // may ask for it: what its user signed in to is what the token is for.
    if let Some(asked) = &asked.audience
        && asked.as_str() != app.signer.mfa_audience()
        && asked.as_str() != app.signer.due_audience(due)
    {
        app.metrics.audit.record(HostEvent::TokenRequest(TokenRequest::OtherAudience), about);
        let description = "The audience is not the one that the first factor was for. Sign in again.";
        return Err(Refusal::new(400, "invalid_target", description).into());
    }
    // What the first factor was for may have been withdrawn since.
    let audience = asked.audience.as_ref().map_or_else(|| app.signer.due_audience(due), Audience::as_str);
    still_reaches(client, &app.signer, audience).map_err(|NotAllowed { reason, refusal }| {
        app.metrics.audit.record(HostEvent::TokenRequest(reason), about);
        ApiError::from(refusal)
    })?;
    let scope = still_allowed(client, asked.scope.as_ref().unwrap_or(&due.scope).as_str());
    let signed = app.signer.issue(due, &user, audience, &scope)?;
    issued(app, grant, due.subject(), due.client());
    let reply = TokenReply::new(signed.access_token.into(), signed.expires_in, &signed.scope);
    Ok(reply.with_id_token(signed.id_token.map(Into::into)))
}

/// Whom a token that is due is about.
fn about(due: &IssueToken) -> About<'_> {
    let about = About::subject(due.subject());
    due.client().map_or(about, |client| about.and_client(client.as_str()))
}

fn issued(app: &App, grant: Issued, subject: &Subject, client: Option<&ClientId>) {
    let about = About::subject(subject);
    let about = client.map_or(about, |client| about.and_client(client.as_str()));
    app.metrics.audit.record(HostEvent::Issued(grant), about);
}

fn same_token(token: &Parameter, claims: &Claims) -> TokenReply {
    let left = claims.exp.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
    TokenReply::new(token.expose().into(), u64::try_from(left).unwrap_or(0), &claims.scope)
}
