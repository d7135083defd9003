//! `POST /oauth/token`: the first factor, and the codes of the second.

use std::sync::Arc;

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use countersign::{
    Audience, BindingCode, ClientId, Denial, Effect, EmailAddress, FirstFactor, IssueToken, RecoveryCode,
    Scope, Session, Verifier,
    wire::{Endpoint, MfaRequired, Parameter, Refusal, TokenBody, TokenGrant, TokenReply, refuse},
};
use getrandom::SysRng;
use time::OffsetDateTime;

use crate::{
    app::{App, Trouble},
    attempts,
    error::ApiError,
    peer::Peer,
    request,
    tokens::Claims,
};

pub(crate) async fn token(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TokenReply>, ApiError> {
    let body: TokenBody = request::read(&app, &headers, body).await?;
    let client = request::named_client(&app, &headers, &body.client()).await?;
    match body.grant()? {
        TokenGrant::Password { username, password } => {
            password_grant(&app, peer, &client, &body, username, password).await
        }
        TokenGrant::Oob { mfa_token, oob_code, binding_code } => {
            oob_grant(&app, &client, &body, mfa_token, oob_code, binding_code).await
        }
        TokenGrant::Otp { mfa_token, otp: _ } => otp_grant(&app, &client, mfa_token).await,
        TokenGrant::RecoveryCode { mfa_token, recovery_code } => {
            recovery_grant(&app, &client, &body, mfa_token, recovery_code).await
        }
        _ => Err(Refusal::unsupported_grant_type().into()),
    }
    .map(Json)
}

/// A password is a first factor and never enough: the answer is always an error, at best `mfa_required`.
async fn password_grant(
    app: &Arc<App>,
    peer: Peer,
    client: &ClientId,
    body: &TokenBody,
    username: &Parameter,
    password: &Parameter,
) -> Result<TokenReply, ApiError> {
    let named =
        |parameter: &Option<Parameter>| parameter.as_ref().map_or(String::new(), |p| p.expose().to_owned());
    let scope = Scope::new(&named(&body.scope))
        .map_err(|_| Refusal::new(400, "invalid_scope", "The scope is invalid."))?;
    let audience = Audience::new(&named(&body.audience))
        .map_err(|_| Refusal::invalid_request("The audience is invalid."))?;
    // The session begins before the password is looked at: one that is changed meanwhile ends it.
    let begun = OffsetDateTime::now_utc();
    let turn = Some(peer.network());
    let user = app.first_factors.check(&*app.database, turn, username.expose(), password.expose()).await?;
    let user = user.ok_or(Refusal::wrong_password())?;
    if app.implicit_email
        && user.email_verified
        && let Ok(address) = EmailAddress::parse(&user.email)
    {
        // A refusal leaves the account as it was, which is no reason to keep its user out.
        let step =
            |verifier: &Verifier, account, now, rng: &mut _| verifier.provision(account, &address, now, rng);
        app.step(&user.subject, step).await?;
    }
    let account = app.load(&user.subject).await?;
    let first_factor = FirstFactor::new(user.subject, client.clone(), audience, scope);
    let mfa_token = app.core.call(|verifier| verifier.begin(&first_factor, begun, &mut SysRng))?;
    let requirements = app.core.call(|verifier| verifier.requirements(&account));
    Err(ApiError::MfaRequired(MfaRequired::new(&mfa_token, &requirements)))
}

/// A binding code answers a challenge or confirms an enrolment. Only the latter takes an access token as `mfa_token`.
async fn oob_grant(
    app: &Arc<App>,
    client: &ClientId,
    body: &TokenBody,
    mfa_token: &Parameter,
    oob_code: &Parameter,
    binding_code: &Parameter,
) -> Result<TokenReply, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let (session, claims) = request::session(app, mfa_token.expose(), Some(client)).map_err(denied)?;
    request::alive(app, &session, Endpoint::Token).await?;
    let handle = app.core.call(|verifier| verifier.open_oob_code(&session, oob_code.expose()));
    let handle = handle.map_err(denied)?;
    let code = BindingCode::parse(binding_code.expose()).map_err(|_| denied(Denial::MalformedBindingCode))?;
    let asked = Asked::read(body)?;
    let step = |verifier: &Verifier, account, now, _: &mut _| {
        Ok(verifier.verify_oob(&session, account, &handle, &code, now))
    };
    let outcome = app.step(session.subject(), step).await?;
    let verification = outcome.result.map_err(|denial| attempts::refused(&denial, &outcome.effects))?;
    match (token_due(&outcome.effects), claims) {
        (Some(due), _) => issue(app, due, &asked).await,
        // An elevated session confirmed an enrolment: it has its token already, and gets no more than that.
        (None, Some(claims)) => Ok(same_token(mfa_token, &claims)),
        (None, None) if verification.completed => {
            Err(Trouble::Misuse("a completed transaction without its token").into())
        }
        (None, None) => {
            let account = app.load(session.subject()).await?;
            let requirements = app.core.call(|verifier| verifier.requirements(&account));
            Err(ApiError::MfaRequired(MfaRequired::with_token(mfa_token.expose(), &requirements)))
        }
    }
}

/// Nobody has an authenticator for one-time passwords yet, so the answer only says which.
async fn otp_grant(app: &App, client: &ClientId, mfa_token: &Parameter) -> Result<TokenReply, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let session = first_factor_session(app, client, mfa_token).await?;
    let account = app.load(session.subject()).await?;
    let denial = if account.is_enrolled() { Denial::UnsupportedChallengeType } else { Denial::NotEnrolled };
    Err(denied(denial))
}

async fn recovery_grant(
    app: &Arc<App>,
    client: &ClientId,
    body: &TokenBody,
    mfa_token: &Parameter,
    recovery_code: &Parameter,
) -> Result<TokenReply, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let session = first_factor_session(app, client, mfa_token).await?;
    let code =
        RecoveryCode::parse(recovery_code.expose()).map_err(|_| denied(Denial::InvalidRecoveryCode))?;
    let asked = Asked::read(body)?;
    let step = |verifier: &Verifier, account, now, _: &mut _| {
        Ok(verifier.verify_recovery(&session, account, &code, now))
    };
    let outcome = app.step(session.subject(), step).await?;
    let recovered = outcome.result.map_err(denied)?;
    let due = token_due(&outcome.effects).ok_or(Trouble::Misuse("a recovery without its token"))?;
    // The answer of before is the token of before: asking otherwise now gets no other.
    let asked = if recovered.repeated { Asked::default() } else { asked };
    Ok(issue(app, due, &asked).await?.with_recovery_code(recovered.replacement.as_ref()))
}

/// The session of an `mfa_token` proper.
async fn first_factor_session(
    app: &App,
    client: &ClientId,
    mfa_token: &Parameter,
) -> Result<Session, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Token, &denial));
    let now = OffsetDateTime::now_utc();
    let session =
        app.core.call(|verifier| verifier.open(mfa_token.expose(), Some(client), now)).map_err(denied)?;
    request::alive(app, &session, Endpoint::Token).await?;
    Ok(session)
}

fn token_due(effects: &[Effect]) -> Option<&IssueToken> {
    effects.iter().find_map(|effect| match effect {
        Effect::IssueToken(due) => Some(due),
        Effect::SendEmail(_) | Effect::Notify(_) => None,
        _ => None,
    })
}

/// What a request for a token says of audience and scope. It is read before a code is judged: a request that cannot be
/// answered uses none up.
#[derive(Default)]
struct Asked {
    audience: Option<Audience>,
    scope: Option<Scope>,
}

impl Asked {
    fn read(body: &TokenBody) -> Result<Self, Refusal> {
        let audience = body.audience.as_ref().map(|audience| Audience::new(audience.expose())).transpose();
        let scope = body.scope.as_ref().map(|scope| Scope::new(scope.expose())).transpose();
        Ok(Self {
            audience: audience.map_err(|_| Refusal::invalid_request("The audience is invalid."))?,
            scope: scope.map_err(|_| Refusal::new(400, "invalid_scope", "The scope is invalid."))?,
        })
    }
}

async fn issue(app: &App, due: &IssueToken, asked: &Asked) -> Result<TokenReply, ApiError> {
    // A user can be removed while a code is judged.
    let user = app.database.user(&due.subject).await?;
    let user = user.ok_or_else(|| ApiError::from(refuse(Endpoint::Token, &Denial::ExpiredToken)))?;
    let (audience, scope) = (asked.audience.as_ref(), asked.scope.as_ref());
    let issued = app.signer.issue(due, &user, audience.map(Audience::as_str), scope.map(Scope::as_str))?;
    let reply = TokenReply::new(issued.access_token, issued.expires_in, &issued.scope);
    Ok(reply.with_id_token(issued.id_token))
}

fn same_token(token: &Parameter, claims: &Claims) -> TokenReply {
    let left = claims.exp.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
    TokenReply::new(token.expose().to_owned(), u64::try_from(left).unwrap_or(0), &claims.scope)
}
