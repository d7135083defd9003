//! Refusals: what a client was denied, and why.
//!
//! A denial is an outcome of a step and not an error: it may have cost an attempt, and it is read only after the
//! record was stored. It is detailed, for the host's log. What a client may be told of it is less: a client must not
//! learn from it whether a code it does not hold was nearly right, used or never issued. One denial is no client's
//! doing but the host's; [`Denial::is_misuse`] tells it apart.

use core::fmt;
use time::{Duration, OffsetDateTime};

use crate::{machine::challenge::CancelReason, value::user_input::Malformed};

/// Why a command was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Denial {
    // The session.
    /// The text is not a well-formed `mfa_token`, no key that was in use then authenticates it, or it lives longer than
    /// the policy allows.
    MalformedToken,
    /// The `mfa_token` or the elevated session has expired, or something ended it: it is of another epoch than the account,
    /// or its transaction is no longer known.
    ExpiredToken,
    /// The `mfa_token` was not issued to this client.
    WrongClient,
    /// The command takes a session whose client was named, and none was.
    ClientRequired,
    /// The session is not of the kind, or lacks the scope, that the command takes.
    InsufficientScope,
    /// The elevated session changes factors, and its second factor was used longer ago than the policy's
    /// `elevated_max_age`: its holder signs in again (RFC 9470).
    InsufficientUserAuthentication {
        /// How old the second factor may be: the `max_age` of RFC 9470 section 3.
        max_age: Duration,
    },
    /// The transaction has issued its token.
    TransactionSpent,
    /// **Misuse.** The record belongs to another subject than the session, or it was written under another context than
    /// that of the keys: it is another tenant's.
    WrongRecord,

    // Enrollment.
    /// The user is enrolled, so a first factor alone may not add an authenticator.
    AlreadyEnrolled,
    /// The account has an active authenticator for this address.
    AddressInUse,
    /// The account holds as many authenticators as the policy allows.
    TooManyAuthenticators,
    /// The user has nothing enrolled.
    NotEnrolled,
    /// No authenticator of the account is of a kind that was asked for, may authenticate and can be used.
    UnsupportedChallengeType,
    /// More than one authenticator could have made the one-time password, and the request names none.
    AuthenticatorRequired,
    /// The account has no such authenticator, or it is not confirmed.
    UnknownAuthenticator,
    /// The authenticator is disabled.
    AuthenticatorDisabled,
    /// The authenticator was provisioned by the host and cannot be removed by its user.
    ProvisionedAuthenticator,

    // Remembered devices.
    /// The session names no device that the account lists, or the account has none of this id.
    UnknownDevice,
    /// A remembered device alone does not complete this login: the policy wants a second factor each time, or
    /// the authenticator that vouched for the device does not complete logins any more.
    SecondFactorRequired,

    // Limits.
    /// Too many wrong codes: the account takes no binding code and sends none.
    Locked {
        /// When the first code will be taken again.
        until: OffsetDateTime,
    },
    /// Too many messages were sent.
    TooManySends {
        /// When the next one may be.
        until: OffsetDateTime,
    },
    /// The last message is too recent, and there is no challenge to answer with.
    CoolingDown {
        /// When the next message may be sent.
        until: OffsetDateTime,
    },
    /// A limit refuses until then, but only because a clock that wrote the record was ahead of this step's by
    /// more than a minute. **For the operator**: set the clocks right, and `unlock` the account, or wait.
    ClockDisagrees {
        /// When the limit has passed, by this step's clock.
        until: OffsetDateTime,
    },
    /// This authenticator has no attempt left in this transaction; only a new first factor helps.
    AttemptsExhausted,

    // The handle and the binding code.
    /// The text is not a well-formed `oob_code`, or no key that was in use then authenticates it for this subject.
    MalformedOobCode,
    /// The `oob_code` belongs to another transaction than the `mfa_token`.
    ForeignOobCode,
    /// The challenge's deadline has passed, or the record no longer holds the challenge.
    ExpiredOobCode,
    /// The challenge was answered already.
    OobCodeUsed,
    /// The challenge was ended before its time.
    ChallengeCancelled(CancelReason),
    /// The text cannot be the code: [`Malformed`] as typed, or with another number of digits than the challenge's. It
    /// was compared with nothing, so it costs no attempt.
    MalformedCode,
    /// The code is wrong and has the 20 digits of a hardened lane, or it is four one-time passwords that are
    /// not the right ones. It was compared and counted nowhere: the record is as it was.
    InvalidLongCode,
    /// The lane is hardened, so four one-time passwords that follow each other are wanted at once. The one
    /// that came was compared with nothing and costs no attempt.
    FourCodesRequired,
    /// The code is wrong, and was counted.
    InvalidBindingCode {
        /// How many attempts this authenticator has left in this transaction.
        attempts_left: u8,
    },

    /// The one-time password is wrong, and was counted: of no counter in the window, or of one that is over.
    /// One that was accepted before is as wrong as any.
    InvalidOtpCode {
        /// How many attempts this authenticator has left in this transaction.
        attempts_left: u8,
    },

    // Recovery.
    /// The account has no recovery codes, or none whose key is in the ring.
    NoRecoveryCode,
    /// The code is not a live one: never issued, used or replaced, which look alike. It was counted, unless
    /// the bucket of wrong recovery codes is empty.
    InvalidRecoveryCode,
    /// Too many wrong recovery codes: in this transaction, for good, or in the account, until the given time.
    TooManyRecoveryAttempts {
        /// When the account will take one again; absent if only a new first factor helps.
        until: Option<OffsetDateTime>,
    },

    // The proof of an address.
    /// The link or the long code proves nothing: it is malformed, wrong, expired, used or replaced, of another purpose or
    /// browser, made with a key that was not in use then, or for an address that nobody has. All of these look alike.
    /// It was not counted.
    InvalidAddressProof,
}

impl Denial {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MalformedToken => "malformed_token",
            Self::ExpiredToken => "expired_token",
            Self::WrongClient => "wrong_client",
            Self::ClientRequired => "client_required",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication { .. } => "insufficient_user_authentication",
            Self::TransactionSpent => "transaction_spent",
            Self::WrongRecord => "wrong_record",
            Self::AlreadyEnrolled => "already_enrolled",
            Self::AddressInUse => "address_in_use",
            Self::TooManyAuthenticators => "too_many_authenticators",
            Self::NotEnrolled => "not_enrolled",
            Self::UnsupportedChallengeType => "unsupported_challenge_type",
            Self::AuthenticatorRequired => "authenticator_required",
            Self::UnknownAuthenticator => "unknown_authenticator",
            Self::AuthenticatorDisabled => "authenticator_disabled",
            Self::ProvisionedAuthenticator => "provisioned_authenticator",
            Self::UnknownDevice => "unknown_device",
            Self::SecondFactorRequired => "second_factor_required",
            Self::Locked { .. } => "locked",
            Self::TooManySends { .. } => "too_many_sends",
            Self::CoolingDown { .. } => "cooling_down",
            Self::ClockDisagrees { .. } => "clock_disagrees",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::MalformedOobCode => "malformed_oob_code",
            Self::ForeignOobCode => "foreign_oob_code",
            Self::ExpiredOobCode => "expired_oob_code",
            Self::OobCodeUsed => "oob_code_used",
            Self::ChallengeCancelled(_) => "challenge_cancelled",
            Self::MalformedCode => "malformed_code",
            Self::InvalidLongCode => "invalid_long_code",
            Self::FourCodesRequired => "four_codes_required",
            Self::InvalidBindingCode { .. } => "invalid_binding_code",
            Self::InvalidOtpCode { .. } => "invalid_otp_code",
            Self::NoRecoveryCode => "no_recovery_code",
            Self::InvalidRecoveryCode => "invalid_recovery_code",
            Self::TooManyRecoveryAttempts { .. } => "too_many_recovery_attempts",
            Self::InvalidAddressProof => "invalid_address_proof",
        }
    }

    /// A sentence for the developer of a host or a client. It is more than a client may be told: see the feature `wire`
    /// for that.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        match self {
            Self::MalformedToken => {
                "the text is not a well-formed mfa_token, or no known key authenticates it"
            }
            Self::ExpiredToken => "the session has expired, or something ended it",
            Self::WrongClient => "the mfa_token was issued to another client",
            Self::ClientRequired => {
                "the command takes a session whose client is known: open the mfa_token with the client_id"
            }
            Self::InsufficientScope => {
                "the session is not of the kind, or lacks the scope, that the command takes"
            }
            Self::InsufficientUserAuthentication { .. } => {
                "the session's second factor was used longer ago than elevated_max_age: let its holder sign in again"
            }
            Self::TransactionSpent => "the transaction has issued its token: begin another one",
            Self::WrongRecord => {
                "the record belongs to another subject or tenant: load the record of session.subject(), and use the keys \
                 of its own context"
            }
            Self::AlreadyEnrolled => {
                "the user is enrolled, so a first factor alone may not add an authenticator"
            }
            Self::AddressInUse => "the account has an active authenticator for this address",
            Self::TooManyAuthenticators => "the account holds as many authenticators as the policy allows",
            Self::NotEnrolled => "the user has no enrolled authenticator",
            Self::UnsupportedChallengeType => "no authenticator of a requested kind may authenticate",
            Self::AuthenticatorRequired => {
                "the account has several authenticators of one-time passwords: name the one that is meant"
            }
            Self::UnknownAuthenticator => "the account has no such confirmed authenticator",
            Self::AuthenticatorDisabled => "the authenticator is disabled: it must be enrolled anew",
            Self::ProvisionedAuthenticator => {
                "the host provisioned the authenticator, so its user cannot remove it"
            }
            Self::UnknownDevice => "the account remembers no such device",
            Self::SecondFactorRequired => {
                "a remembered device alone does not complete this login: ask for a second factor"
            }
            Self::Locked { .. } => "too many wrong codes: the account takes and sends no code until retry_at",
            Self::TooManySends { .. } => "too many messages were sent: the next one may be sent at retry_at",
            Self::CoolingDown { .. } => {
                "the last message is too recent: the next one may be sent at retry_at"
            }
            Self::ClockDisagrees { .. } => {
                "a clock that wrote the record was far ahead: set the clocks right and unlock the account"
            }
            Self::AttemptsExhausted => "no attempt is left in this transaction: begin another one",
            Self::MalformedOobCode => {
                "the text is not a well-formed oob_code of this subject, or no known key authenticates it"
            }
            Self::ForeignOobCode => "the oob_code belongs to another transaction than the mfa_token",
            Self::ExpiredOobCode => "the challenge has expired, or is not known any more",
            Self::OobCodeUsed => "the challenge was answered already",
            Self::ChallengeCancelled(_) => "the challenge was ended before its time",
            Self::MalformedCode => {
                "the text cannot be the code, by its length or its characters; it cost no attempt"
            }
            Self::InvalidLongCode => "the long code is wrong, and was not counted",
            Self::FourCodesRequired => {
                "the account is guessed at: present four one-time passwords that follow each other at once"
            }
            Self::InvalidBindingCode { .. } => "the code is wrong, and was counted",
            Self::InvalidOtpCode { .. } => "the one-time password is wrong or was used, and was counted",
            Self::NoRecoveryCode => "the account has no recovery code that can be used",
            Self::InvalidRecoveryCode => "the recovery code is not a live one",
            Self::TooManyRecoveryAttempts { until: Some(_) } => {
                "too many wrong recovery codes: the account takes another one at retry_at"
            }
            Self::TooManyRecoveryAttempts { until: None } => {
                "too many wrong recovery codes in this transaction: begin another one"
            }
            Self::InvalidAddressProof => {
                "the link or the code proves no address: it is wrong, or has ended, or another browser asked for it"
            }
        }
    }

    /// Whether the host, and not a client, is at fault: it handed in another user's or tenant's record.
    #[must_use]
    pub const fn is_misuse(&self) -> bool {
        matches!(self, Self::WrongRecord)
    }

    /// Whether a presented code was compared and counted. A wrong recovery code is while their bucket holds
    /// one more; a wrong long code never is.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        matches!(
            self,
            Self::InvalidBindingCode { .. } | Self::InvalidOtpCode { .. } | Self::InvalidRecoveryCode
        )
    }

    /// When asking again may help, if the passing of time alone can.
    #[must_use]
    pub const fn retry_at(&self) -> Option<OffsetDateTime> {
        if let Self::Locked { until }
        | Self::TooManySends { until }
        | Self::CoolingDown { until }
        | Self::ClockDisagrees { until }
        | Self::TooManyRecoveryAttempts { until: Some(until) } = self
        {
            Some(*until)
        } else {
            None
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Denial {}

/// A code that is malformed as typed is refused like one with another number of digits, so `BindingCode::parse(text)?`
/// and `RecoveryCode::parse(text)?` stand in a function that returns a denial. Which of the three reasons it was, the
/// denial does not keep.
impl From<Malformed> for Denial {
    fn from(_: Malformed) -> Self {
        Self::MalformedCode
    }
}
