//! What a client is told of each denial, at each door: the model's own table.

use super::*;

const WAIT: &str = "Too many failed codes. Wait for some minutes before retrying.";
const AGAIN: &str = "Too many failed codes. Sign in again.";
const ENROLL: &str =
    "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";

/// One row of the table: status, `error`, `error_description`.
fn row(endpoint: Endpoint, denial: &Denial) -> (u16, &'static str, String) {
    let bearer = matches!(
        endpoint,
        Endpoint::Associate | Endpoint::Authenticators | Endpoint::Remove | Endpoint::Update
    );
    let scope = match endpoint {
        Endpoint::Associate | Endpoint::Update => "enroll",
        Endpoint::Authenticators => "read:authenticators",
        Endpoint::Remove => "remove:authenticators",
        Endpoint::Challenge | Endpoint::Token | Endpoint::Otp => "",
    };
    let (status, error, description) = match denial {
        Denial::MalformedToken if bearer => {
            (401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token.")
        }
        Denial::MalformedToken => (403, "invalid_grant", "Malformed mfa_token"),
        Denial::ExpiredToken if bearer => (401, "expired_token", "mfa_token is expired"),
        Denial::ExpiredToken => (400, "expired_token", "mfa_token is expired"),
        // No bearer's command answers so: what it would be told is that its token is over.
        Denial::TransactionSpent => (if bearer { 401 } else { 400 }, "expired_token", "mfa_token is expired"),
        Denial::WrongClient => (400, "invalid_request", "mfa_token not issued to this client"),
        Denial::ClientRequired => (400, "invalid_request", "Missing required parameter: client_id"),
        Denial::InsufficientScope if bearer => {
            return (403, "insufficient_scope", format!("Insufficient scope, expected: {scope}"));
        }
        Denial::InsufficientScope => (403, "invalid_grant", "Malformed mfa_token"),
        Denial::InsufficientUserAuthentication { .. } => {
            (401, "insufficient_user_authentication", "A more recent authentication is required.")
        }
        Denial::WrongRecord => (500, "server_error", "Internal error."),
        Denial::AlreadyEnrolled => (403, "access_denied", "User is already enrolled."),
        Denial::AddressInUse => (403, "access_denied", "The email address is already enrolled."),
        Denial::TooManyAuthenticators => (403, "access_denied", "Too many authenticators are enrolled."),
        Denial::NotEnrolled if endpoint == Endpoint::Challenge => (400, "association_required", ENROLL),
        Denial::NotEnrolled => (401, "unsupported_challenge_type", ENROLL),
        Denial::UnsupportedChallengeType => (
            400,
            "unsupported_challenge_type",
            "None of the requested challenge types is available to the user.",
        ),
        Denial::AuthenticatorRequired => {
            (400, "invalid_request", "Missing required parameter: authenticator_id")
        }
        Denial::UnknownAuthenticator if matches!(endpoint, Endpoint::Remove | Endpoint::Update) => {
            (404, "invalid_authenticator", "The authenticator was not found.")
        }
        Denial::UnknownAuthenticator => (400, "invalid_authenticator", "The authenticator was not found."),
        Denial::AuthenticatorDisabled => (400, "invalid_authenticator", "The authenticator is disabled."),
        Denial::ProvisionedAuthenticator => (
            400,
            "invalid_authenticator",
            "The authenticator stands for a verified address and can't be removed.",
        ),
        Denial::Locked { .. } => (429, "invalid_request", WAIT),
        Denial::TooManyRecoveryAttempts { until: Some(_) } => (429, "invalid_request", WAIT),
        Denial::TooManyRecoveryAttempts { until: None } => (403, "access_denied", AGAIN),
        Denial::AttemptsExhausted => (403, "access_denied", AGAIN),
        Denial::TooManySends { .. } => (
            429,
            "invalid_request",
            "Too many emails sent by the user. Wait for some minutes before retrying.",
        ),
        Denial::CoolingDown { .. } => {
            (429, "invalid_request", "An email was sent a moment ago. Wait for some seconds before retrying.")
        }
        Denial::MalformedOobCode => (403, "invalid_grant", "Malformed oob_code"),
        Denial::ForeignOobCode => (400, "invalid_request", "The oob_code doesn't match the mfa_token"),
        Denial::ClockDisagrees { .. } => {
            (503, "temporarily_unavailable", "The server's clocks disagree. Try again later.")
        }
        Denial::ChallengeCancelled(CancelReason::Hardened) => {
            (403, "expired_token", "oob_code is expired. Ask for a new one: its binding_code has 20 digits.")
        }
        Denial::ExpiredOobCode | Denial::OobCodeUsed | Denial::ChallengeCancelled(_) => {
            (403, "expired_token", "oob_code is expired")
        }
        Denial::InvalidOtpCode { .. } => (403, "invalid_grant", "Invalid otp_code."),
        Denial::MalformedCode | Denial::InvalidLongCode if endpoint == Endpoint::Otp => {
            (403, "invalid_grant", "Invalid otp_code.")
        }
        Denial::FourCodesRequired => (
            403,
            "invalid_grant",
            "Invalid otp_code. Enter four codes that follow each other, separated by spaces.",
        ),
        Denial::MalformedCode | Denial::InvalidBindingCode { .. } | Denial::InvalidLongCode => {
            (403, "invalid_grant", "Invalid binding_code.")
        }
        Denial::NoRecoveryCode => (403, "unsupported_challenge_type", "User does not have a recovery-code."),
        Denial::InvalidRecoveryCode => (403, "invalid_grant", "MFA Authorization rejected."),
        Denial::UnknownDevice if endpoint == Endpoint::Remove => {
            (404, "invalid_request", "The device was not found.")
        }
        Denial::UnknownDevice => (403, "invalid_grant", "The device is not remembered."),
        Denial::SecondFactorRequired => {
            (403, "invalid_grant", "A remembered device is not enough. Use a second factor.")
        }
        Denial::InvalidAddressProof => (403, "invalid_grant", "Invalid link or code."),
        other => panic!("unknown denial {other:?}"),
    };
    (status, error, description.to_owned())
}

/// Every denial at every door.
pub(super) fn refusals(which: u8, door: u8, seconds: i64) {
    let until = START + Duration::seconds(seconds);
    let attempts_left = which;
    let cause =
        [CancelReason::Requested, CancelReason::Locked, CancelReason::Superseded, CancelReason::Disabled]
            [usize::from(door % 4)];
    let max_age = Duration::seconds(seconds);
    let denials = [
        Denial::MalformedToken,
        Denial::ExpiredToken,
        Denial::WrongClient,
        Denial::ClientRequired,
        Denial::InsufficientScope,
        Denial::TransactionSpent,
        Denial::WrongRecord,
        Denial::AlreadyEnrolled,
        Denial::AddressInUse,
        Denial::TooManyAuthenticators,
        Denial::NotEnrolled,
        Denial::UnsupportedChallengeType,
        Denial::AuthenticatorRequired,
        Denial::UnknownAuthenticator,
        Denial::AuthenticatorDisabled,
        Denial::ProvisionedAuthenticator,
        Denial::Locked { until },
        Denial::TooManySends { until },
        Denial::CoolingDown { until },
        Denial::AttemptsExhausted,
        Denial::MalformedOobCode,
        Denial::ForeignOobCode,
        Denial::ExpiredOobCode,
        Denial::OobCodeUsed,
        Denial::ChallengeCancelled(cause),
        Denial::MalformedCode,
        Denial::InvalidBindingCode { attempts_left },
        Denial::InvalidOtpCode { attempts_left },
        Denial::NoRecoveryCode,
        Denial::InvalidRecoveryCode,
        Denial::TooManyRecoveryAttempts { until: None },
        Denial::TooManyRecoveryAttempts { until: Some(until) },
        Denial::InsufficientUserAuthentication { max_age },
        Denial::ClockDisagrees { until },
        Denial::ChallengeCancelled(CancelReason::Hardened),
        Denial::InvalidLongCode,
        Denial::FourCodesRequired,
        Denial::UnknownDevice,
        Denial::SecondFactorRequired,
        Denial::InvalidAddressProof,
    ];
    let denial = denials[usize::from(which) % denials.len()];
    let waits = matches!(
        denial,
        Denial::Locked { .. }
            | Denial::TooManySends { .. }
            | Denial::CoolingDown { .. }
            | Denial::ClockDisagrees { .. }
            | Denial::TooManyRecoveryAttempts { until: Some(_) }
    );
    for endpoint in [
        Endpoint::Associate,
        Endpoint::Challenge,
        Endpoint::Token,
        Endpoint::Otp,
        Endpoint::Authenticators,
        Endpoint::Remove,
    ] {
        let refusal = refuse(endpoint, &denial);
        let (status, error, description) = row(endpoint, &denial);
        let body = read(&refusal);
        assert_eq!(
            body,
            json!({ "error": error, "error_description": description }),
            "{denial:?} at {endpoint:?}"
        );
        assert_eq!(refusal.status, status, "the status of {denial:?} at {endpoint:?}");
        assert_eq!(refusal.retry_at, waits.then_some(until), "the Retry-After of {denial:?}");
    }
}
