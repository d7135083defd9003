//! The replies. Each is built from what the core answered, and holds what its client may see of it.

use alloc::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use serde::Serialize;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::{
    command::{associate::Associated, authenticators::Requirements, challenge::Challenged},
    factor::{
        destination::Channel,
        setup::{Delivery, OtpSetup, Sent},
    },
    policy::policy::Policy,
    record::{
        authenticator::{AuthenticatorStatus, AuthenticatorView},
        device::DeviceView,
    },
    value::{
        id::AuthenticatorKind,
        opaque::{DeviceToken, MfaToken},
        recovery_code::RecoveryCode,
    },
    wire::secret::Secret,
};

/// The 403 `mfa_required`: a first factor was accepted, and a second is wanted.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MfaRequired {
    /// `mfa_required`.
    pub error: &'static str,
    /// `Multifactor authentication required`.
    pub error_description: &'static str,
    /// The transaction's token.
    pub mfa_token: Secret,
    /// What the user has, or must enroll.
    pub mfa_requirements: MfaRequirements,
    /// True if the login is on a remembered device that completes it; absent if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered_device: Option<bool>,
}

impl MfaRequired {
    /// The HTTP status.
    pub const STATUS: u16 = 403;

    /// From a token that [`begin`](crate::Verifier::begin) gave.
    #[must_use]
    pub fn new(mfa_token: &MfaToken, requirements: &Requirements) -> Self {
        Self::with_token(mfa_token.expose(), requirements)
    }

    /// From a token that the client presented: an enrollment was confirmed that does not complete its transaction.
    #[must_use]
    pub fn with_token(mfa_token: &str, requirements: &Requirements) -> Self {
        Self {
            error: "mfa_required",
            error_description: "Multifactor authentication required",
            mfa_token: mfa_token.into(),
            mfa_requirements: MfaRequirements::new(requirements),
            remembered_device: requirements.remembered.then_some(true),
        }
    }
}

/// What a login needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MfaRequirements {
    /// One of these.
    Challenge(Vec<RequiredType>),
    /// An enrollment of one of these.
    Enroll(Vec<RequiredType>),
}

/// One kind of authenticator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct RequiredType {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl MfaRequirements {
    fn new(requirements: &Requirements) -> Self {
        let types = |kinds: &[AuthenticatorKind]| {
            let mut types: Vec<_> =
                kinds.iter().map(|kind| RequiredType { kind: type_name(*kind) }).collect();
            // Kinds that one word stands for stand beside each other.
            types.dedup();
            types
        };
        if requirements.enrolled {
            Self::Challenge(types(&requirements.challenge))
        } else {
            Self::Enroll(types(&requirements.enroll))
        }
    }
}

/// The answer to `POST /mfa/associate`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AssociateReply {
    /// `oob` or `otp`.
    pub authenticator_type: &'static str,
    /// The secret of one-time passwords as base32, to be typed into an app; absent if a code is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// The same as a Key URI, `otpauth://`: the content of a QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode_uri: Option<Secret>,
    /// `prompt`: the user types the code. Absent if none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_method: Option<&'static str>,
    /// The recovery codes, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<Secret>>,
    /// How the code travels; absent if none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_channel: Option<&'static str>,
    /// The handle; absent if no code is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_code: Option<Secret>,
    /// For how many seconds the code is good, or the secret can be confirmed.
    pub expires_in: u64,
    /// After how many seconds asking again sends again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_in: Option<u64>,
    /// How many digits the code has, if it is long. A page then shows them in groups of four.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_code_length: Option<u8>,
    /// The same in words, for a client that shows what it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_code_description: Option<&'static str>,
    /// How many codes of the app or the device confirm it at once, in one `otp`; absent if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp_codes: Option<u8>,
    /// The same in words, for a client that shows what it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp_description: Option<&'static str>,
}

impl AssociateReply {
    /// From the core's answer.
    #[must_use]
    pub fn new(answer: &Associated, policy: &Policy, now: OffsetDateTime) -> Self {
        let codes = answer.recovery_codes.as_ref();
        let codes = codes.map(|codes| codes.iter().map(|code| code.expose().into()).collect());
        let (sent, otp) = (answer.setup.sent(), answer.setup.otp());
        let several = otp.map(OtpSetup::codes).filter(|codes| *codes > 1);
        Self {
            authenticator_type: authenticator_type(answer.authenticator.kind()),
            secret: otp.map(|otp| otp.secret().into()),
            barcode_uri: otp.map(|otp| otp.barcode_uri().into()),
            binding_method: sent.map(|_| BINDING_METHOD),
            recovery_codes: codes,
            oob_channel: sent.map(|sent| sent.channel.as_str()),
            oob_code: sent.map(|sent| sent.oob_code.expose().into()),
            expires_in: seconds(answer.expires, now),
            resend_in: sent.and_then(|sent| resend_in(sent, policy, now)),
            binding_code_length: sent.filter(|sent| long(sent)).map(|sent| sent.form.digits()),
            binding_code_description: sent.filter(|sent| long(sent)).map(|_| LONG_CODE),
            otp_codes: several,
            otp_description: several.map(|_| FOUR_CODES),
        }
    }
}

/// The answer to `POST /mfa/challenge`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChallengeReply {
    /// `oob` or `otp`.
    pub challenge_type: &'static str,
    /// The handle; absent if no code is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_code: Option<Secret>,
    /// `prompt`: the user types the code. Absent if none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_method: Option<&'static str>,
    /// For how many seconds the code is good, or one can be presented.
    pub expires_in: u64,
    /// After how many seconds asking again sends again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_in: Option<u64>,
    /// How many digits the code has, if it is long. A page then shows them in groups of four.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_code_length: Option<u8>,
    /// The same in words, for a client that shows what it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_code_description: Option<&'static str>,
    /// How many codes of an app or a device are taken at once, in one `otp`; absent if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp_codes: Option<u8>,
    /// The same in words, for a client that shows what it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp_description: Option<&'static str>,
}

impl ChallengeReply {
    /// From the core's answer.
    #[must_use]
    pub fn new(answer: &Challenged, policy: &Policy, now: OffsetDateTime) -> Self {
        let sent = answer.prompt.sent();
        let several = answer.prompt.otp_codes().filter(|codes| *codes > 1);
        Self {
            challenge_type: authenticator_type(answer.authenticator.kind()),
            oob_code: sent.map(|sent| sent.oob_code.expose().into()),
            binding_method: sent.map(|_| BINDING_METHOD),
            expires_in: seconds(answer.expires, now),
            resend_in: sent.and_then(|sent| resend_in(sent, policy, now)),
            binding_code_length: sent.filter(|sent| long(sent)).map(|sent| sent.form.digits()),
            binding_code_description: sent.filter(|sent| long(sent)).map(|_| LONG_CODE),
            otp_codes: several,
            otp_description: several.map(|_| FOUR_CODES),
        }
    }
}

/// One entry of `GET /mfa/authenticators`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct AuthenticatorEntry {
    /// The public id.
    pub id: String,
    /// `oob`, `otp` or `recovery-code`.
    pub authenticator_type: &'static str,
    /// Whether it can be used.
    pub active: bool,
    /// How its codes travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_channel: Option<&'static str>,
    /// The same, for clients that read an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oob_channels: Option<[&'static str; 1]>,
    /// What the person calls it, or else the masked address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The masked address, where the person calls it something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// True if a challenge that names none takes this one first; absent if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred: Option<bool>,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_auth: Option<String>,
}

impl AuthenticatorEntry {
    /// From one row of the core's list.
    #[must_use]
    pub fn new(view: &AuthenticatorView) -> Self {
        let channel = view.channel.map(Channel::as_str);
        let given = view.name.as_ref().map(|name| name.as_str().to_owned());
        let (name, destination) = match given {
            Some(given) => (Some(given), view.destination.clone()),
            None => (view.destination.clone(), None),
        };
        Self {
            id: view.id.to_string(),
            authenticator_type: authenticator_type(view.id.kind()),
            active: view.status == AuthenticatorStatus::Active,
            oob_channel: channel,
            oob_channels: channel.map(|channel| [channel]),
            name,
            destination,
            preferred: view.preferred.then_some(true),
            kind: type_name(view.id.kind()),
            created_at: view.created.map(timestamp),
            last_auth: view.last_used.map(timestamp),
        }
    }
}

/// The 200 of `POST /oauth/token`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TokenReply {
    /// The token.
    pub access_token: Secret,
    /// `Bearer`.
    pub token_type: &'static str,
    /// For how many seconds it is good.
    pub expires_in: u64,
    /// What it is good for.
    pub scope: String,
    /// Who signed in, if `openid` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
    /// The recovery code that takes the place of the presented one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<Secret>,
    /// The token of the device, if it was asked to be remembered and is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<Secret>,
    /// For how many seconds the device is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_expires_in: Option<u64>,
}

impl TokenReply {
    /// From what the host issued.
    #[must_use]
    pub fn new(access_token: Secret, expires_in: u64, scope: &str) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            scope: scope.to_owned(),
            id_token: None,
            recovery_code: None,
            device_token: None,
            device_expires_in: None,
        }
    }

    /// With an `id_token`.
    #[must_use]
    pub fn with_id_token(self, id_token: Option<Secret>) -> Self {
        Self { id_token, ..self }
    }

    /// With the recovery code that takes the place of the presented one.
    #[must_use]
    pub fn with_recovery_code(self, code: Option<&RecoveryCode>) -> Self {
        Self { recovery_code: code.map(|code| code.expose().into()), ..self }
    }

    /// With the token of the device that is remembered from now on.
    #[must_use]
    pub fn with_device(self, device: Option<&DeviceToken>, now: OffsetDateTime) -> Self {
        Self {
            device_token: device.map(|device| device.expose().into()),
            device_expires_in: device.map(|device| seconds(device.expires(), now)),
            ..self
        }
    }
}

/// One entry of a list of remembered devices. Auth0 has no such list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct DeviceEntry {
    /// The public id.
    pub id: String,
    /// Since when it is remembered.
    pub remembered_since: String,
    /// When a sign-in was last completed on it.
    pub last_used: String,
    /// When it is forgotten at the latest.
    pub expires_at: String,
    /// Whether the request came from it.
    pub current: bool,
}

impl DeviceEntry {
    /// From one row of the core's list.
    #[must_use]
    pub fn new(view: &DeviceView) -> Self {
        Self {
            id: view.id.to_string(),
            remembered_since: timestamp(view.since),
            last_used: timestamp(view.last_used),
            expires_at: timestamp(view.expires),
            current: view.current,
        }
    }
}

/// An instant as RFC 3339 has it, in UTC and to the millisecond.
#[must_use]
pub fn timestamp(instant: OffsetDateTime) -> String {
    let utc = instant.checked_to_offset(UtcOffset::UTC).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let (hour, minute, second, milli) = utc.to_hms_milli();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The `binding_method` of a code that the user types.
const BINDING_METHOD: &str = "prompt";

/// What a client may show beside the field for a long code.
const LONG_CODE: &str = "The binding_code has 20 digits. They may be typed in groups of four.";

/// What a client may show beside the field for four codes.
const FOUR_CODES: &str = "The otp is four codes that follow each other, separated by spaces.";

const fn long(sent: &Sent) -> bool {
    sent.form.is_long()
}

const fn authenticator_type(kind: AuthenticatorKind) -> &'static str {
    match kind {
        AuthenticatorKind::Email => "oob",
        AuthenticatorKind::Totp | AuthenticatorKind::Hotp => "otp",
        AuthenticatorKind::RecoveryCode => "recovery-code",
    }
}

/// The `type` of a kind: its name, but that Auth0 has one word for every app and device that shows codes.
const fn type_name(kind: AuthenticatorKind) -> &'static str {
    match kind {
        AuthenticatorKind::Totp | AuthenticatorKind::Hotp => "otp",
        AuthenticatorKind::Email | AuthenticatorKind::RecoveryCode => kind.as_str(),
    }
}

/// When asking again will send, if not at once.
fn resend_in(sent: &Sent, policy: &Policy, now: OffsetDateTime) -> Option<u64> {
    let wait = match sent.delivery {
        Delivery::Sent => rounded_up(policy.settings().cool_down),
        Delivery::CoolingDown { until } => seconds_up(until, now),
    };
    (wait > 0).then_some(wait)
}

/// Whole seconds until `then`, rounded down, so that nothing is said to live longer than it does.
fn seconds(then: OffsetDateTime, now: OffsetDateTime) -> u64 {
    u64::try_from(span(then, now).whole_seconds()).unwrap_or(0)
}

/// Whole seconds until `then`, rounded up, so that nobody comes back too early.
fn seconds_up(then: OffsetDateTime, now: OffsetDateTime) -> u64 {
    rounded_up(span(then, now))
}

fn rounded_up(span: Duration) -> u64 {
    u64::try_from(span.whole_milliseconds()).unwrap_or(0).div_ceil(1000)
}

fn span(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    let millis = |instant: OffsetDateTime| instant.unix_timestamp_nanos().div_euclid(1_000_000);
    let span = millis(then).saturating_sub(millis(now));
    Duration::milliseconds(i64::try_from(span).unwrap_or(i64::MAX))
}
