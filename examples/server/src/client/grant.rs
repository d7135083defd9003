//! The grants that a client can be registered for. Only what the server has is here: no name stands for a grant to
//! come.

use std::{fmt, str::FromStr};

use countersign::wire::{
    GRANT_MFA_DEVICE, GRANT_MFA_OOB, GRANT_MFA_OTP, GRANT_MFA_RECOVERY_CODE, GRANT_PASSWORD,
};

/// Auth0's name for a password grant that says where the user is known. There is one directory here, which every realm
/// names.
pub(crate) const GRANT_PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Grant {
    /// A password, which begins a sign-in; with or without a realm.
    Password,
    /// A code from a message.
    MfaOob,
    /// A one-time password.
    MfaOtp,
    /// A recovery code.
    MfaRecoveryCode,
    /// A remembered device.
    MfaDevice,
}

impl Grant {
    /// What a client has unless it is registered for less.
    pub(crate) const ALL: [Self; 5] =
        [Self::Password, Self::MfaOob, Self::MfaOtp, Self::MfaRecoveryCode, Self::MfaDevice];

    /// The grant that a request names by its `grant_type`.
    pub(crate) fn from_grant_type(grant_type: &str) -> Option<Self> {
        match grant_type {
            GRANT_PASSWORD | GRANT_PASSWORD_REALM => Some(Self::Password),
            GRANT_MFA_OOB => Some(Self::MfaOob),
            GRANT_MFA_OTP => Some(Self::MfaOtp),
            GRANT_MFA_RECOVERY_CODE => Some(Self::MfaRecoveryCode),
            GRANT_MFA_DEVICE => Some(Self::MfaDevice),
            _ => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::MfaOob => "mfa-oob",
            Self::MfaOtp => "mfa-otp",
            Self::MfaRecoveryCode => "mfa-recovery-code",
            Self::MfaDevice => "mfa-device",
        }
    }
}

impl AsRef<str> for Grant {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Grant {
    type Err = String;

    /// The short name, or the one that stands in requests.
    fn from_str(text: &str) -> Result<Self, String> {
        let short = Self::ALL.into_iter().find(|grant| grant.as_str() == text);
        short.or_else(|| Self::from_grant_type(text)).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("{text:?} is not a grant of this server: choose among {known}")
        })
    }
}
