//! What a request for a token asks for, and whether its client may: the audience and the scope.
//!
//! It is read before a password or a code is looked at, so a request that cannot be answered says nothing about
//! either and uses none up. Only what was withdrawn since the first factor is noticed later, when the token is
//! issued. This module must never take an audience or a word of a scope that is not registered for the client.

use std::borrow::Cow;

use countersign::{
    session::{Audience, NameError, NameErrorKind, Scope},
    wire::{Parameter, Refusal},
};

use crate::{
    audit::TokenRequest,
    client::{Client, ScopeWord},
    tokens::{MFA_SCOPES, Signer},
};

/// Is asked for by habit. There are no refresh tokens, so it is ignored (OpenID Connect Core section 11).
const OFFLINE_ACCESS: &str = "offline_access";

/// The longest word that an error repeats, in bytes.
const MAX_SHOWN: usize = 100;

/// Why a request for a token is refused, for the log and for the client.
pub(crate) struct NotAllowed {
    pub(crate) reason: TokenRequest,
    pub(crate) refusal: Refusal,
}

#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) audience: Option<Audience>,
    pub(crate) scope: Option<Scope>,
}

impl Asked {
    /// # Errors
    /// 400 `invalid_target` (RFC 8707 section 2), 400 `invalid_scope` (RFC 6749 section 5.2).
    pub(crate) fn read(
        client: &Client,
        signer: &Signer,
        audience: Option<&Parameter>,
        scope: Option<&Parameter>,
    ) -> Result<Self, NotAllowed> {
        let audience =
            audience.map(|audience| self::audience(client, signer, audience.expose())).transpose()?;
        let scope = scope.map(|scope| self::scope(client, scope.expose())).transpose()?;
        Ok(Self { audience, scope })
    }
}

/// Whether the client may still have a token for this audience: its registration can change between two steps of a
/// sign-in.
pub(crate) fn still_reaches(client: &Client, signer: &Signer, audience: &str) -> Result<(), NotAllowed> {
    if audience == signer.own_audience() {
        Ok(())
    } else {
        self::audience(client, signer, audience).map(drop)
    }
}

/// Those words of a scope that the client may still have.
pub(crate) fn still_allowed(client: &Client, scope: &str) -> String {
    let kept: Vec<_> = scope.split(' ').filter(|word| client.may_have(word)).collect();
    kept.join(" ")
}

/// The audience of a token that was asked for without one: the client's API if it has exactly one, and else none of
/// anybody's, for which the server's own stands (RFC 9068 section 3).
pub(crate) fn default_audience(client: &Client, signer: &Signer) -> String {
    let mut apis = client.audiences.iter().filter(|audience| audience.as_str() != signer.mfa_audience());
    match (apis.next(), apis.next()) {
        (Some(only), None) => only.as_str().to_owned(),
        (Some(_), Some(_)) | (None, _) => signer.own_audience().to_owned(),
    }
}

fn audience(client: &Client, signer: &Signer, text: &str) -> Result<Audience, NotAllowed> {
    let audience = Audience::new(text).map_err(|error| NotAllowed {
        reason: TokenRequest::MalformedAudience,
        refusal: invalid("invalid_target", "audience", error),
    })?;
    let own = text == signer.own_audience();
    let mfa = text == signer.mfa_audience() && MFA_SCOPES.into_iter().any(|word| client.may_have(word));
    if own || mfa || client.may_reach(text) {
        Ok(audience)
    } else {
        let refusal = Refusal::new(400, "invalid_target", "The audience is not registered for the client.");
        Err(NotAllowed { reason: TokenRequest::UnregisteredAudience, refusal })
    }
}

fn scope(client: &Client, text: &str) -> Result<Scope, NotAllowed> {
    let scope = Scope::new(text).map_err(|error| NotAllowed {
        reason: TokenRequest::MalformedScope,
        refusal: invalid("invalid_scope", "scope", error),
    })?;
    let words = text.split(' ').filter(|word| !word.is_empty() && *word != OFFLINE_ACCESS);
    for word in words {
        if !client.may_have(word) {
            let mut refusal = Refusal::new(
                400,
                "invalid_scope",
                "The scope has a word that is not registered for the client.",
            );
            // Only what may stand in a scope may stand in an error (RFC 6749 section 5.2).
            if word.len() <= MAX_SHOWN && word.parse::<ScopeWord>().is_ok() {
                refusal.error_description =
                    Cow::Owned(format!("The scope is not registered for the client: {word}"));
            }
            return Err(NotAllowed { reason: TokenRequest::UnregisteredScope, refusal });
        }
    }
    Ok(scope)
}

fn invalid(error: &'static str, what: &str, problem: NameError) -> Refusal {
    let mut refusal = Refusal::new(400, error, "");
    refusal.error_description = Cow::Owned(match problem.problem() {
        NameErrorKind::TooLong { max_bytes } => format!("The {what} is longer than {max_bytes} bytes."),
        NameErrorKind::Empty
        | NameErrorKind::ControlCharacter
        | NameErrorKind::Blank
        | NameErrorKind::Alphabet => {
            format!("The {what} is invalid.")
        }
        _ => format!("The {what} is invalid."),
    });
    refusal
}
