//! Access tokens and `id_token`s: JWTs signed with RS256.
//!
//! An access token has the type `at+jwt` and the claims of RFC 9068; its audience is a URI, and that of an `id_token`
//! the id of a client, which never is one. So neither is taken for the other, nor a token for one service for one for
//! another. Everything in a token comes from the core's evidence and not from the clock, so the same effect issued
//! again is the same token. This module must never accept another algorithm than RS256.

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Elevation, Evidence,
    effect::IssueToken,
    evidence::Method,
    session::{ClientId, ElevatedScopes},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    audit::TokenCheck,
    client::Client,
    keys::{KeysError, SigningKey},
    store::User,
};

/// How long an access token lives, in seconds.
pub(crate) const LIFETIME: i64 = 86_400;
/// How long one for the MFA audience lives, in seconds.
const MFA_LIFETIME: i64 = 600;
/// The type of access tokens.
const ACCESS_TOKEN: &str = "at+jwt";
/// The scopes of the MFA audience.
pub(crate) const MFA_SCOPES: [&str; 3] = ["enroll", "read:authenticators", "remove:authenticators"];

pub(crate) struct Signer {
    issuer: String,
    mfa_audience: String,
    own_audience: String,
    kid: String,
    /// Read once: `jsonwebtoken` would read and check it anew for every token, which costs as much as a signature.
    key: KeyPair,
    verifying: Vec<(String, DecodingKey)>,
    pub(crate) jwks: JwkSet,
}

/// What an access token says.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    /// The client that it was issued to (RFC 9068 section 2.2).
    pub(crate) client_id: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    /// When the second factor was verified.
    pub(crate) auth_time: i64,
    pub(crate) jti: String,
    pub(crate) scope: String,
    pub(crate) amr: Vec<String>,
    /// What this server keeps with the session, and hands back to the core. A token for another service has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) elevation: Option<Elevation>,
}

#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

/// What was issued.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) id_token: Option<String>,
    pub(crate) expires_in: u64,
    pub(crate) scope: String,
}

impl Signer {
    pub(crate) fn new(keys: &[SigningKey], issuer: &str) -> Result<Self, KeysError> {
        let current = keys.first().ok_or(KeysError::Missing("signing"))?;
        let key = EncodingKey::from_rsa_pem(current.pem.as_bytes())?;
        let key = KeyPair::from_der(key.as_bytes()).map_err(|error| {
            jsonwebtoken::errors::Error::from(ErrorKind::InvalidRsaKey(error.to_string()))
        })?;
        let mut jwks = JwkSet { keys: Vec::new() };
        let mut verifying = Vec::new();
        for known in keys {
            let key = EncodingKey::from_rsa_pem(known.pem.as_bytes())?;
            let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
            jwk.common.key_id = Some(known.kid.clone());
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            verifying.push((known.kid.clone(), DecodingKey::from_jwk(&jwk)?));
            jwks.keys.push(jwk);
        }
        let mfa_audience = format!("{issuer}mfa/");
        let own_audience = format!("{issuer}userinfo");
        let (issuer, kid) = (issuer.to_owned(), current.kid.clone());
        Ok(Self { issuer, mfa_audience, own_audience, kid, key, verifying, jwks })
    }

    pub(crate) fn mfa_audience(&self) -> &str {
        &self.mfa_audience
    }

    /// The audience of a token that is for no API: Auth0's name for what the server itself would tell about the user.
    pub(crate) fn own_audience(&self) -> &str {
        &self.own_audience
    }

    /// The audience that the first factor was asked with.
    pub(crate) fn due_audience<'a>(&'a self, due: &'a IssueToken) -> &'a str {
        let audience = due.audience.as_str();
        if audience.is_empty() { &self.own_audience } else { audience }
    }

    /// Issues what the core says is due: for the audience and scope that the first factor was asked with. A request may
    /// ask for the MFA audience and its scopes instead, and for less scope; for nothing else.
    pub(crate) fn issue(
        &self,
        due: &IssueToken,
        user: &User,
        audience: &str,
        scope: &str,
    ) -> Result<Issued, jsonwebtoken::errors::Error> {
        let audience = if audience == self.mfa_audience { audience } else { self.due_audience(due) };
        let for_mfa = audience == self.mfa_audience;
        let mut scope = granted(scope, for_mfa);
        if !for_mfa {
            let due: Vec<_> = due.scope.as_str().split(' ').collect();
            let kept: Vec<_> = scope.split(' ').filter(|word| due.contains(word)).collect();
            scope = kept.join(" ");
        }
        let at = due.evidence().at.unix_timestamp();
        let lifetime = if for_mfa { MFA_LIFETIME } else { LIFETIME };
        let amr = amr(due.evidence());
        let client_id = due.client().map_or("", ClientId::as_str);
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: due.subject().as_str().to_owned(),
            aud: audience.to_owned(),
            client_id: client_id.to_owned(),
            iat: at,
            exp: at.saturating_add(lifetime),
            auth_time: at,
            jti: due.id().to_string(),
            scope: scope.clone(),
            amr,
            elevation: for_mfa.then(|| due.elevation.clone()),
        };
        let has = |wanted: &str| scope.split(' ').any(|word| word == wanted);
        let id_token = has("openid").then(|| {
            let email = has("email");
            self.sign(
                None,
                &IdClaims {
                    iss: &claims.iss,
                    sub: &claims.sub,
                    aud: &claims.client_id,
                    iat: at,
                    exp: claims.exp,
                    auth_time: at,
                    amr: &claims.amr,
                    email: email.then_some(user.email.as_str()),
                    email_verified: email.then_some(user.email_verified),
                },
            )
        });
        Ok(Issued {
            access_token: self.sign(Some(ACCESS_TOKEN), &claims)?,
            id_token: id_token.transpose()?,
            expires_in: u64::try_from(lifetime).unwrap_or(0),
            scope,
        })
    }

    fn sign<C: Serialize>(
        &self,
        typ: Option<&str>,
        claims: &C,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        if let Some(typ) = typ {
            header.typ = Some(typ.to_owned());
        }
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
        let message = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| ErrorKind::RsaFailedSigning)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Checks an access token for the MFA audience.
    ///
    /// # Errors
    /// Why it is refused, for the log: a client is told no more than that it is expired or invalid.
    pub(crate) fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Claims, TokenCheck> {
        let header = decode_header(token).map_err(|_| TokenCheck::Malformed)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenCheck::WrongAlgorithm);
        }
        if header.typ.as_deref() != Some(ACCESS_TOKEN) {
            return Err(TokenCheck::WrongType);
        }
        let known = self.verifying.iter().find(|(kid, _)| Some(kid) == header.kid.as_ref());
        let (_, key) = known.ok_or(TokenCheck::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.mfa_audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.leeway = 0;
        let claims = decode::<Claims>(token, key, &validation).map_err(|error| refused(error.kind()))?;
        if claims.claims.exp <= now.unix_timestamp() { Err(TokenCheck::Expired) } else { Ok(claims.claims) }
    }
}

/// How the user was authenticated (RFC 8176 section 2): by a password, and by what the core says of the second
/// factor. A remembered device takes the place of one and proves none, so it never makes `mfa`.
fn amr(evidence: &Evidence) -> Vec<String> {
    let distinct = match evidence.method {
        Method::Oob | Method::Otp | Method::RecoveryCode => Some("mfa"),
        // What this server does not know is no reason to claim more.
        Method::Device | _ => None,
    };
    ["pwd"].into_iter().chain(evidence.amr()).chain(distinct).map(str::to_owned).collect()
}

fn refused(kind: &ErrorKind) -> TokenCheck {
    if matches!(kind, ErrorKind::ExpiredSignature) {
        TokenCheck::Expired
    } else if matches!(kind, ErrorKind::InvalidSignature) {
        TokenCheck::WrongSignature
    } else if matches!(kind, ErrorKind::InvalidIssuer) {
        TokenCheck::WrongIssuer
    } else if matches!(kind, ErrorKind::InvalidAudience) {
        TokenCheck::WrongAudience
    } else {
        TokenCheck::Malformed
    }
}

impl Claims {
    /// What the token lets its holder do, as far as its client is still registered for it.
    pub(crate) fn scopes(&self, client: &Client) -> ElevatedScopes {
        let words: Vec<_> = self.scope.split(' ').filter(|word| client.may_have(word)).collect();
        ElevatedScopes::parse(&words.join(" "))
    }
}

/// The scope that is granted: of the MFA audience its own three, of any other what was asked for except those and
/// `offline_access`, since there are no refresh tokens.
fn granted(asked: &str, for_mfa: bool) -> String {
    let own = |word: &&str| MFA_SCOPES.contains(word);
    let words = asked.split(' ').filter(|word| !word.is_empty());
    let words: Vec<_> = words
        .filter(|word| if for_mfa { own(word) } else { !own(word) && *word != "offline_access" })
        .collect();
    words.join(" ")
}
