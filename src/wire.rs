//! The wire: the requests, replies and errors of Auth0's MFA API, as types and pure functions. No I/O.
//!
//! A host decodes a body into a request, by JSON or as a form, calls the [`Verifier`](crate::Verifier), and encodes a
//! reply; what was refused becomes a [`Refusal`] with status, `error` and `error_description`, exact to the full stop,
//! because clients match on all three. Unknown fields are ignored, and an empty parameter counts as absent (RFC 6749
//! section 3.2); a parameter that comes twice or is longer than [`Parameter::MAX_BYTES`] makes the request unreadable.
//! This module must never tell a client more than the tables below do.
//!
//! # The choices
//!
//! Sources disagree: recorded traffic of the service, its documentation, the code and tests of its client libraries, an
//! inventory of its errors, and the draft that it was built from (draft-hanson-oauth-mfa-00). Where they do, recorded
//! traffic decides, then the draft, then what most clients expect.
//!
//! | question | here | because |
//! |---|---|---|
//! | status of `mfa_required` | 403 | the draft; one document says 401 |
//! | channel in the answer of `associate` | `oob_channel`, a string | recorded; one document has the plural |
//! | channel in lists | both `oob_channel` and `oob_channels` | recorded has the first; one client library reads only the second |
//! | `type` in lists | always | clients filter by it, and none minds it |
//! | masked `name` | four characters of a side are kept, a local part of four or fewer none | both recorded samples |
//! | `expires_in` on challenges | sent | the draft has it; the service does not send it, and clients ignore it |
//! | `resend_in` on challenges | sent, in seconds, while a cool-down is on | an addition: the draft's `interval` is for polling |
//! | long codes | the same `binding_code`; `binding_code_length` and `binding_code_description` in the answer that announces one | an addition: a client that knows nothing of it passes on what was typed |
//! | remembered devices | `remember_device` in a token request, `device_token` and `device_expires_in` in its answer, `device_token` in later requests, `remembered_device` beside `mfa_requirements`, and a grant type of its own | an addition: Auth0 keeps this to its own pages. A client that asks for nothing sees none of it |
//! | four codes of an app at once | the same `otp`, the codes separated by spaces; `otp_codes` and `otp_description` in the answers of `associate` and `challenge`, and the description of the refusal of one code | an addition: a client that knows nothing of it shows the description and passes on what was typed |
//! | names and the preferred authenticator | `name` in `associate`; `name` or `preferred` in `PATCH /mfa/authenticators/{id}`; in lists the `name` that the user gave, the masked address then as `destination`, and `preferred` on one entry | an addition, after Auth0's management API, which names authentication methods |
//! | clocks that disagree | 503 `temporarily_unavailable` | the name is RFC 6749's (section 4.1.2.1); no client and no user is at fault |
//! | `type` of an app or a device in lists | `otp` | the documentation; its ids begin with `totp` |
//! | which of several apps made an `otp` | `authenticator_id`, only needed then | an addition: the service takes one app a user |
//! | misspelt `authentication_types` | read as `authenticator_types` | one page of the documentation has it |
//! | expired `mfa_token` in a body | 400 `expired_token` | the draft; tests have 401, the inventory 403 |
//! | expired `mfa_token` as bearer | 401 `expired_token` | the clients' tests; the draft does not know these endpoints |
//! | malformed `mfa_token` in a body | 403 `invalid_grant` | a client's test; nobody says otherwise |
//! | malformed `mfa_token` as bearer | 401 `invalid_grant` | a client's test; nobody says otherwise |
//! | wrong code | 403 `invalid_grant` | clients; nobody says otherwise |
//! | expired `oob_code` | 403 `expired_token` | the inventory; nobody else gives a status |
//! | nobody enrolled, asking for a challenge | 400 `association_required` | the draft; documents have that and `unsupported_challenge_type` |
//! | nobody enrolled, presenting an OTP or recovery code | 401 `unsupported_challenge_type` | a client's test |
//! | no overlap of challenge types | 400 `unsupported_challenge_type` | the draft; the inventory has 401 |
//! | unknown authenticator, challenged | 400 `invalid_authenticator` | the draft; tests have 404 |
//! | unknown authenticator, removed or updated | 404 `invalid_authenticator` | the documentation, which gives no error |
//! | locked, or too many messages | 429 `invalid_request` | clients match on the text; the status is nowhere, and 429 is what the documentation uses for limits |
//! | second factor used too long ago | 401 `insufficient_user_authentication` | RFC 9470 section 3; Auth0 has no such error |
//! | wrong recovery code | 403 `invalid_grant` | clients match on the text; the status is nowhere, so that of the other wrong codes |
//!
//! # The refusals
//!
//! What [`refuse`] answers. "Bearer" stands for `associate`, `authenticators`, `remove` and `update`, "body" for `challenge` and
//! the token endpoint.
//!
//! | denial | status | `error` | `error_description` |
//! |---|---|---|---|
//! | `MalformedToken`, bearer | 401 | `invalid_grant` | The mfa_token provided is invalid. Try getting a new token. |
//! | `MalformedToken`, body | 403 | `invalid_grant` | Malformed mfa_token |
//! | `ExpiredToken`, bearer | 401 | `expired_token` | mfa_token is expired |
//! | `ExpiredToken`, `TransactionSpent`, body | 400 | `expired_token` | mfa_token is expired |
//! | `WrongClient` | 400 | `invalid_request` | mfa_token not issued to this client |
//! | `ClientRequired` | 400 | `invalid_request` | Missing required parameter: client_id |
//! | `InsufficientScope`, bearer | 403 | `insufficient_scope` | Insufficient scope, expected: and the scope |
//! | `InsufficientScope`, body | 403 | `invalid_grant` | Malformed mfa_token |
//! | `InsufficientUserAuthentication` | 401 | `insufficient_user_authentication` | A more recent authentication is required. |
//! | `WrongRecord` | 500 | `server_error` | Internal error. |
//! | `AlreadyEnrolled` | 403 | `access_denied` | User is already enrolled. |
//! | `AddressInUse` | 403 | `access_denied` | The email address is already enrolled. |
//! | `TooManyAuthenticators` | 403 | `access_denied` | Too many authenticators are enrolled. |
//! | `NotEnrolled`, challenge | 400 | `association_required` | User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator. |
//! | `NotEnrolled`, elsewhere | 401 | `unsupported_challenge_type` | the same |
//! | `AuthenticatorRequired` | 400 | `invalid_request` | Missing required parameter: authenticator_id |
//! | `UnsupportedChallengeType` | 400 | `unsupported_challenge_type` | None of the requested challenge types is available to the user. |
//! | `UnknownAuthenticator`, remove and update | 404 | `invalid_authenticator` | The authenticator was not found. |
//! | `UnknownAuthenticator`, elsewhere | 400 | `invalid_authenticator` | The authenticator was not found. |
//! | `AuthenticatorDisabled` | 400 | `invalid_authenticator` | The authenticator is disabled. |
//! | `ProvisionedAuthenticator` | 400 | `invalid_authenticator` | The authenticator stands for a verified address and can't be removed. |
//! | `Locked`, `TooManyRecoveryAttempts` with a time | 429 | `invalid_request` | Too many failed codes. Wait for some minutes before retrying. |
//! | `AttemptsExhausted`, `TooManyRecoveryAttempts` without | 403 | `access_denied` | Too many failed codes. Sign in again. |
//! | `TooManySends` | 429 | `invalid_request` | Too many emails sent by the user. Wait for some minutes before retrying. |
//! | `CoolingDown` | 429 | `invalid_request` | An email was sent a moment ago. Wait for some seconds before retrying. |
//! | `MalformedOobCode` | 403 | `invalid_grant` | Malformed oob_code |
//! | `ForeignOobCode` | 400 | `invalid_request` | The oob_code doesn't match the mfa_token |
//! | `ClockDisagrees` | 503 | `temporarily_unavailable` | The server's clocks disagree. Try again later. |
//! | `ChallengeCancelled(Hardened)` | 403 | `expired_token` | oob_code is expired. Ask for a new one: its binding_code has 20 digits. |
//! | `ExpiredOobCode`, `OobCodeUsed`, `ChallengeCancelled` otherwise | 403 | `expired_token` | oob_code is expired |
//! | `MalformedCode`, `InvalidBindingCode`, `InvalidLongCode` | 403 | `invalid_grant` | Invalid binding_code. |
//! | `MalformedCode`, `InvalidLongCode` with the grant `mfa-otp`, `InvalidOtpCode` | 403 | `invalid_grant` | Invalid otp_code. |
//! | `FourCodesRequired` | 403 | `invalid_grant` | Invalid otp_code. Enter four codes that follow each other, separated by spaces. |
//! | `NoRecoveryCode` | 403 | `unsupported_challenge_type` | User does not have a recovery-code. |
//! | `InvalidRecoveryCode` | 403 | `invalid_grant` | MFA Authorization rejected. |
//! | `UnknownDevice`, remove | 404 | `invalid_request` | The device was not found. |
//! | `UnknownDevice`, elsewhere | 403 | `invalid_grant` | The device is not remembered. |
//! | `SecondFactorRequired` | 403 | `invalid_grant` | A remembered device is not enough. Use a second factor. |
//! | `InvalidAddressProof` | 403 | `invalid_grant` | Invalid link or code. |
//!
//! Used, replaced and expired handles look alike, and so do malformed and wrong codes. A recovery code that is malformed
//! as typed is answered as `InvalidRecoveryCode`: the host knows which grant it was, and the denial does not.

mod parameter;
mod refusal;
mod reply;
mod request;
mod secret;

pub use parameter::Parameter;
pub use refusal::{Endpoint, Refusal, refuse};
pub use reply::{
    AssociateReply, AuthenticatorEntry, ChallengeReply, DeviceEntry, MfaRequired, MfaRequirements,
    RequiredType, TokenReply, timestamp,
};
pub use request::{
    AssociateBody, AssociateFactor, AuthenticatorUpdate, ChallengeBody, ClientCredentials, GRANT_MFA_DEVICE,
    GRANT_MFA_OOB, GRANT_MFA_OTP, GRANT_MFA_RECOVERY_CODE, GRANT_PASSWORD, TokenBody, TokenGrant, UpdateBody,
};
pub use secret::Secret;
