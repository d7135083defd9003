//! The error table: from a [`Denial`] to what a client is told.

use alloc::{borrow::Cow, format};
use core::fmt;

use serde::Serialize;
use time::OffsetDateTime;

use crate::{machine::challenge::CancelReason, outcome::denial::Denial};

/// Where a request was refused: the same denial reads differently at different doors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::exhaustive_enums, reason = "these are the doors of the API")]
pub enum Endpoint {
    /// `POST /mfa/associate`.
    Associate,
    /// `POST /mfa/challenge`.
    Challenge,
    /// `POST /oauth/token`, with any MFA grant but that of a one-time password.
    Token,
    /// `POST /oauth/token`, with the grant of a one-time password.
    Otp,
    /// `GET /mfa/authenticators`.
    Authenticators,
    /// `DELETE /mfa/authenticators/{id}`.
    Remove,
    /// `PATCH /mfa/authenticators/{id}`.
    Update,
}

impl Endpoint {
    /// Whether the token comes in the `Authorization` header.
    const fn is_bearer(self) -> bool {
        match self {
            Self::Associate | Self::Authenticators | Self::Remove | Self::Update => true,
            Self::Challenge | Self::Token | Self::Otp => false,
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::Associate | Self::Challenge | Self::Token | Self::Otp | Self::Update => "enroll",
            Self::Authenticators => "read:authenticators",
            Self::Remove => "remove:authenticators",
        }
    }
}

/// An error as a client reads it. It serialises to the body of the reply.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// The error's name.
    pub error: &'static str,
    /// The error in words, on which clients match.
    pub error_description: Cow<'static, str>,
    /// When asking again may help, for a `Retry-After`.
    #[serde(skip)]
    pub retry_at: Option<OffsetDateTime>,
}

impl Refusal {
    /// Any error.
    #[must_use]
    pub const fn new(status: u16, error: &'static str, description: &'static str) -> Self {
        Self { status, error, error_description: Cow::Borrowed(description), retry_at: None }
    }

    /// 400: the request cannot be read or does not make sense.
    #[must_use]
    pub const fn invalid_request(description: &'static str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    /// 400: a parameter is missing.
    #[must_use]
    pub fn missing(parameter: &'static str) -> Self {
        let error_description = Cow::Owned(format!("Missing required parameter: {parameter}"));
        Self { error_description, ..Self::invalid_request("") }
    }

    /// 400: the grant type is unknown.
    #[must_use]
    pub const fn unsupported_grant_type() -> Self {
        Self::new(400, "unsupported_grant_type", "Unsupported grant type.")
    }

    /// 400: the named authenticator is none that could be challenged.
    #[must_use]
    pub const fn invalid_authenticator() -> Self {
        Self::new(400, "invalid_authenticator", "The authenticator was not found.")
    }

    /// 401: the client is unknown or did not prove itself.
    #[must_use]
    pub const fn invalid_client() -> Self {
        Self::new(401, "invalid_client", "Client authentication failed.")
    }

    /// 403: the client may not use this grant.
    #[must_use]
    pub const fn unauthorized_client() -> Self {
        Self::new(403, "unauthorized_client", "Grant type not allowed for the client.")
    }

    /// 403: the first factor is wrong, whichever part of it.
    #[must_use]
    pub const fn wrong_password() -> Self {
        Self::new(403, "invalid_grant", "Wrong email or password.")
    }

    /// 403: a one-time password is wrong.
    #[must_use]
    pub const fn invalid_otp() -> Self {
        Self::new(403, "invalid_grant", "Invalid otp_code.")
    }

    /// 429: the endpoint takes no more requests for now.
    #[must_use]
    pub const fn too_many_requests() -> Self {
        Self::new(429, "too_many_requests", "Too many requests.")
    }

    /// 500: the server is at fault.
    #[must_use]
    pub const fn server_error() -> Self {
        Self::new(500, "server_error", "Internal error.")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.error, self.error_description)
    }
}

impl core::error::Error for Refusal {}

const MALFORMED_TOKEN: Refusal = Refusal::new(403, "invalid_grant", "Malformed mfa_token");
const TOO_MANY_FAILED: Refusal =
    Refusal::new(429, "invalid_request", "Too many failed codes. Wait for some minutes before retrying.");
const NO_ATTEMPT_LEFT: Refusal = Refusal::new(403, "access_denied", "Too many failed codes. Sign in again.");

/// What a client is told of a denial at an endpoint: the second table of [the module](super).
#[must_use]
pub fn refuse(endpoint: Endpoint, denial: &Denial) -> Refusal {
    let refusal = match denial {
        Denial::MalformedToken if endpoint.is_bearer() => {
            Refusal::new(401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token.")
        }
        Denial::MalformedToken => MALFORMED_TOKEN,
        Denial::ExpiredToken | Denial::TransactionSpent => {
            let status = if endpoint.is_bearer() { 401 } else { 400 };
            Refusal::new(status, "expired_token", "mfa_token is expired")
        }
        Denial::WrongClient => Refusal::invalid_request("mfa_token not issued to this client"),
        Denial::ClientRequired => Refusal::missing("client_id"),
        Denial::InsufficientScope if endpoint.is_bearer() => Refusal {
            error_description: Cow::Owned(format!("Insufficient scope, expected: {}", endpoint.scope())),
            ..Refusal::new(403, "insufficient_scope", "")
        },
        Denial::InsufficientScope => MALFORMED_TOKEN,
        // RFC 9470 section 3.
        Denial::InsufficientUserAuthentication { .. } => {
            Refusal::new(401, "insufficient_user_authentication", "A more recent authentication is required.")
        }
        Denial::WrongRecord => Refusal::server_error(),
        Denial::AlreadyEnrolled => Refusal::new(403, "access_denied", "User is already enrolled."),
        Denial::AddressInUse => Refusal::new(403, "access_denied", "The email address is already enrolled."),
        Denial::TooManyAuthenticators => {
            Refusal::new(403, "access_denied", "Too many authenticators are enrolled.")
        }
        Denial::NotEnrolled => {
            let (status, error) = match endpoint {
                Endpoint::Challenge => (400, "association_required"),
                Endpoint::Associate
                | Endpoint::Token
                | Endpoint::Otp
                | Endpoint::Authenticators
                | Endpoint::Remove
                | Endpoint::Update => (401, "unsupported_challenge_type"),
            };
            let description = "User is not enrolled. \
                 You can use /mfa/associate endpoint to enroll the first authenticator.";
            Refusal::new(status, error, description)
        }
        Denial::UnsupportedChallengeType => Refusal::new(
            400,
            "unsupported_challenge_type",
            "None of the requested challenge types is available to the user.",
        ),
        Denial::AuthenticatorRequired => Refusal::missing("authenticator_id"),
        Denial::UnknownAuthenticator => {
            let status = if matches!(endpoint, Endpoint::Remove | Endpoint::Update) { 404 } else { 400 };
            Refusal { status, ..Refusal::invalid_authenticator() }
        }
        Denial::AuthenticatorDisabled => {
            Refusal::new(400, "invalid_authenticator", "The authenticator is disabled.")
        }
        Denial::ProvisionedAuthenticator => Refusal::new(
            400,
            "invalid_authenticator",
            "The authenticator stands for a verified address and can't be removed.",
        ),
        Denial::Locked { .. } | Denial::TooManyRecoveryAttempts { until: Some(_) } => TOO_MANY_FAILED,
        Denial::AttemptsExhausted | Denial::TooManyRecoveryAttempts { until: None } => NO_ATTEMPT_LEFT,
        Denial::TooManySends { .. } => Refusal::new(
            429,
            "invalid_request",
            "Too many emails sent by the user. Wait for some minutes before retrying.",
        ),
        Denial::CoolingDown { .. } => Refusal::new(
            429,
            "invalid_request",
            "An email was sent a moment ago. Wait for some seconds before retrying.",
        ),
        Denial::ClockDisagrees { .. } => {
            Refusal::new(503, "temporarily_unavailable", "The server's clocks disagree. Try again later.")
        }
        Denial::MalformedOobCode => Refusal::new(403, "invalid_grant", "Malformed oob_code"),
        Denial::ForeignOobCode => Refusal::invalid_request("The oob_code doesn't match the mfa_token"),
        Denial::ChallengeCancelled(CancelReason::Hardened) => Refusal::new(
            403,
            "expired_token",
            "oob_code is expired. Ask for a new one: its binding_code has 20 digits.",
        ),
        Denial::ExpiredOobCode | Denial::OobCodeUsed | Denial::ChallengeCancelled(_) => {
            Refusal::new(403, "expired_token", "oob_code is expired")
        }
        Denial::MalformedCode if endpoint == Endpoint::Otp => Refusal::invalid_otp(),
        Denial::InvalidLongCode if endpoint == Endpoint::Otp => Refusal::invalid_otp(),
        Denial::InvalidOtpCode { .. } => Refusal::invalid_otp(),
        Denial::FourCodesRequired => Refusal::new(
            403,
            "invalid_grant",
            "Invalid otp_code. Enter four codes that follow each other, separated by spaces.",
        ),
        Denial::MalformedCode | Denial::InvalidBindingCode { .. } | Denial::InvalidLongCode => {
            Refusal::new(403, "invalid_grant", "Invalid binding_code.")
        }
        Denial::NoRecoveryCode => {
            Refusal::new(403, "unsupported_challenge_type", "User does not have a recovery-code.")
        }
        Denial::InvalidRecoveryCode => Refusal::new(403, "invalid_grant", "MFA Authorization rejected."),
        Denial::UnknownDevice if endpoint == Endpoint::Remove => {
            Refusal::new(404, "invalid_request", "The device was not found.")
        }
        Denial::UnknownDevice => Refusal::new(403, "invalid_grant", "The device is not remembered."),
        Denial::SecondFactorRequired => {
            Refusal::new(403, "invalid_grant", "A remembered device is not enough. Use a second factor.")
        }
        // No endpoint of this API proves an address.
        Denial::InvalidAddressProof => Refusal::new(403, "invalid_grant", "Invalid link or code."),
    };
    Refusal { retry_at: denial.retry_at(), ..refusal }
}
