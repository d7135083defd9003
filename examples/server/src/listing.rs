//! The entries of `GET /mfa/authenticators`: Auth0's, and beside them the fields that only an elevated session is
//! shown.
//!
//! An `mfa_token` is proof of a password alone, so its list must never hold an address in full, the number of recovery
//! codes, or anything else that Auth0's list does not have.

use countersign::{
    Account, Session,
    factor::AuthenticatorKind,
    record::{AuthenticatorStatus, AuthenticatorView},
    wire::AuthenticatorEntry,
};
use serde::Serialize;

/// One entry.
#[derive(Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    entry: AuthenticatorEntry,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What the owner sees of an authenticator after both factors.
#[derive(Serialize)]
#[serde(untagged)]
enum Details {
    Email {
        /// The whole address: two masked ones can look the same.
        email: String,
        /// `active`, `unconfirmed` or `disabled`.
        state: &'static str,
        /// Whether its user may remove it. One that the host provisioned stays.
        removable: bool,
    },
    Otp {
        /// `active`, `unconfirmed` or `disabled`.
        state: &'static str,
        /// Whether its user may remove it.
        removable: bool,
    },
    RecoveryCodes {
        recovery_codes_left: u8,
    },
}

impl Listed {
    /// One row of the core's list, for the session that asked.
    pub(crate) fn new(
        view: &AuthenticatorView,
        session: &Session,
        account: &Account,
        recovery_codes_left: u8,
    ) -> Self {
        let details =
            session.is_elevated().then(|| Details::new(view, account, recovery_codes_left)).flatten();
        Self { entry: AuthenticatorEntry::new(view), details }
    }
}

impl Details {
    fn new(view: &AuthenticatorView, account: &Account, recovery_codes_left: u8) -> Option<Self> {
        if view.id.kind() == AuthenticatorKind::RecoveryCode {
            return Some(Self::RecoveryCodes { recovery_codes_left });
        }
        let known = account.authenticators().iter().find(|known| known.id() == view.id)?;
        let state = match view.status {
            AuthenticatorStatus::Active => "active",
            AuthenticatorStatus::Unconfirmed => "unconfirmed",
            AuthenticatorStatus::Disabled => "disabled",
            _ => "other",
        };
        let removable = !view.provisioned;
        Some(match known.factor().destination() {
            Some(address) => Self::Email { email: address.as_str().to_owned(), state, removable },
            None => Self::Otp { state, removable },
        })
    }
}
