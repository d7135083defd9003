//! The reasons of every audit event: closed lists, since they are labels of counters.
//!
//! A reason is a word of this file and never a text of a client. A new decision gets a new variant here, and a row in
//! the table of the README, which a test compares with the counters.

use strum::{IntoStaticStr, VariantArray};

/// How the check of a name and a password ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum FirstFactor {
    /// Both are right, and an `mfa_token` is made.
    Accepted,
    /// The user is known and the password is wrong.
    WrongPassword,
    /// The password was changed while it was checked, or something else ended the user's sessions.
    Ended,
    /// No user has the name.
    UnknownUser,
    /// The queue of the password hash is full.
    Overloaded,
}

/// How the check of a client ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum ClientCheck {
    /// It proved itself, or it is public and needs no proof.
    Accepted,
    /// None is named where one is needed.
    Missing,
    /// The named client is not registered.
    UnknownClient,
    /// The secret is wrong.
    WrongSecret,
    /// The client has a secret and gave none.
    MissingSecret,
    /// The client is public and gave a secret.
    UnexpectedSecret,
    /// The client authenticated in a way that the server does not support, such as an assertion.
    UnsupportedMethod,
    /// The client authenticated in more than one way, or under two names.
    Ambiguous,
    /// The credentials of HTTP Basic cannot be read.
    MalformedBasic,
}

/// How the check of an `mfa_token` or an access token ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum TokenCheck {
    /// It is genuine and alive.
    Accepted,
    /// None was presented.
    Missing,
    /// It cannot be read, or an `mfa_token` that no key of the server made.
    Malformed,
    /// It was alive once.
    Expired,
    /// It is a token of another type, such as an `id_token`.
    WrongType,
    /// It names another algorithm than the server's.
    WrongAlgorithm,
    /// It names a key that the server does not have.
    UnknownKey,
    /// The signature is wrong.
    WrongSignature,
    /// Somebody else issued it.
    WrongIssuer,
    /// It is for another service.
    WrongAudience,
    /// It was issued to another client.
    WrongClient,
    /// Its client is not registered any more.
    UnknownClient,
    /// An administrator ended its session, or removed its user.
    Ended,
}

impl TokenCheck {
    /// The reason for a denial of the core, which opens `mfa_token`s.
    pub(crate) fn of(denial: &countersign::Denial) -> Self {
        if *denial == countersign::Denial::ExpiredToken {
            Self::Expired
        } else if *denial == countersign::Denial::WrongClient {
            Self::WrongClient
        } else {
            Self::Malformed
        }
    }
}

/// Why a request for a token was refused, whoever sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum TokenRequest {
    /// The server does not know the grant type.
    UnsupportedGrant,
    /// The client may not use the grant type.
    UnauthorizedGrant,
    /// The audience is malformed.
    MalformedAudience,
    /// The audience is not registered for the client.
    UnregisteredAudience,
    /// The audience is not the one that the first factor was for.
    OtherAudience,
    /// The scope is malformed.
    MalformedScope,
    /// The scope is not registered for the client.
    UnregisteredScope,
}

/// Why a second factor was refused before it reached the core's record. Each is the name of a denial of the core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum SecondFactor {
    /// The text is no binding code or one-time password, whatever is asked for.
    MalformedCode,
    /// The text is no `oob_code`, or no key of the server made it.
    MalformedOobCode,
    /// The `oob_code` was made for another transaction.
    ForeignOobCode,
    /// The `oob_code` has expired.
    ExpiredOobCode,
    /// The text is no recovery code.
    InvalidRecoveryCode,
    /// The text is no identifier of an authenticator.
    UnknownAuthenticator,
    /// The text is no identifier of a remembered device.
    UnknownDevice,
    /// The token lacks the scope.
    InsufficientScope,
    /// The token is older than what the account accepts.
    ExpiredToken,
    /// Another denial of the core.
    Other,
}

impl SecondFactor {
    /// The reason for a denial of the core that comes without an audit event.
    pub(crate) fn of(denial: &countersign::Denial) -> Self {
        let named = Self::VARIANTS.iter().find(|&&reason| <&str>::from(reason) == denial.code());
        named.copied().unwrap_or(Self::Other)
    }
}

/// Which grant a token was issued for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Issued {
    /// An `mfa_token`, for a first factor.
    MfaToken,
    /// An access token, for a binding code.
    Oob,
    /// An access token, for a one-time password.
    Otp,
    /// An access token, for a recovery code.
    RecoveryCode,
    /// An access token, for a remembered device.
    Device,
    /// An access token that was presented is given back, for an enrollment that it confirmed.
    SameToken,
}

/// Why a request or a connection was refused, whatever it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum RequestCheck {
    /// The body cannot be read.
    Unreadable,
    /// The body is larger than the server takes.
    TooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body's content type is not supported.
    UnsupportedMediaType,
    /// The body's encoding is not supported.
    UnsupportedEncoding,
    /// A parameter is missing, or its value is of another type.
    InvalidParameter,
    /// The `Origin` of a browser is not registered for a client.
    UnregisteredOrigin,
    /// The `Host` is not one of the server's.
    UnknownHost,
    /// The peer has as many connections as one may.
    TooManyConnections,
    /// The server has as many requests under way as it takes.
    Overloaded,
    /// The request took longer than the server allows.
    TimeLimit,
}

/// What an administrator does: one for each command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Act {
    UsersList,
    UsersShow,
    UsersAdd,
    UsersRemove,
    UsersSetPassword,
    UsersReset,
    UsersUnlock,
    UsersRemoveAuthenticator,
    UsersRevokeSessions,
    UsersDevices,
    UsersForgetDevice,
    ClientsAdd,
    ClientsSet,
    ClientsList,
    ClientsShow,
    ClientsRemove,
    KeysStatus,
    KeysGenerate,
    KeysRotate,
    KeysStage,
    KeysPromote,
    KeysDrop,
    Backup,
    Conformance,
}

/// How an administrator's command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum ActResult {
    /// It did what it is for.
    Done,
    /// It changed nothing, or not everything: its sentence on the standard error says why.
    Failed,
}

/// The names of the core's commands that the host runs.
pub(super) const COMMANDS: [&str; 23] = [
    "associate",
    "challenge",
    "verify_oob",
    "verify_otp",
    "verify_recovery",
    "remove",
    "rename",
    "prefer",
    "regenerate_recovery_codes",
    "cancel",
    "provision",
    "deprovision",
    "report_delivery",
    "unlock",
    "reset",
    "revoke_sessions",
    "remove_authenticator",
    "ask",
    "verify_link",
    "verify_code",
    "verify_device",
    "forget",
    "forget_device",
];

/// How a command of the core can end: allowed, or refused with one of the names of
/// [`Denial::code`](countersign::Denial::code). A test compares this list with the library's.
pub(super) const DENIALS: [&str; 40] = [
    "accepted",
    "malformed_token",
    "expired_token",
    "wrong_client",
    "client_required",
    "insufficient_scope",
    "insufficient_user_authentication",
    "transaction_spent",
    "wrong_record",
    "already_enrolled",
    "address_in_use",
    "too_many_authenticators",
    "not_enrolled",
    "unsupported_challenge_type",
    "unknown_authenticator",
    "authenticator_disabled",
    "provisioned_authenticator",
    "unknown_device",
    "second_factor_required",
    "locked",
    "too_many_sends",
    "cooling_down",
    "clock_disagrees",
    "attempts_exhausted",
    "malformed_oob_code",
    "foreign_oob_code",
    "expired_oob_code",
    "oob_code_used",
    "challenge_cancelled",
    "malformed_code",
    "invalid_long_code",
    "four_codes_required",
    "invalid_binding_code",
    "invalid_otp_code",
    "authenticator_required",
    "no_recovery_code",
    "invalid_recovery_code",
    "too_many_recovery_attempts",
    "invalid_address_proof",
    "absent_address",
];
