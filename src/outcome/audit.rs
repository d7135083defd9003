//! The audit event: one for every decision, allowed or refused, with no secret in it.
//!
//! It names who, what and how it came out, and neither code, token, handle nor address. A host logs it as it is (ASVS
//! 5.0 requirements 16.2.5 and 16.3.1).

use time::OffsetDateTime;

use crate::{
    outcome::denial::Denial,
    session::session::Session,
    value::{
        id::{AuthenticatorId, DeviceId, TransactionId},
        instant::Millis,
        name::{ClientId, Subject},
    },
};

/// Which command decided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is named after its method")]
pub enum Command {
    Associate,
    Challenge,
    VerifyOob,
    VerifyRecovery,
    Remove,
    RegenerateRecoveryCodes,
    Cancel,
    Provision,
    Deprovision,
    ReportDelivery,
    Unlock,
    Reset,
    RevokeSessions,
    RemoveAuthenticator,
    Ask,
    VerifyLink,
    VerifyCode,
    VerifyDevice,
    Forget,
    ForgetDevice,
    VerifyOtp,
    Rename,
    Prefer,
}

impl Command {
    /// Its name, as it is serialised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Associate => "associate",
            Self::Challenge => "challenge",
            Self::VerifyOob => "verify_oob",
            Self::VerifyRecovery => "verify_recovery",
            Self::Remove => "remove",
            Self::RegenerateRecoveryCodes => "regenerate_recovery_codes",
            Self::Cancel => "cancel",
            Self::Provision => "provision",
            Self::Deprovision => "deprovision",
            Self::ReportDelivery => "report_delivery",
            Self::Unlock => "unlock",
            Self::Reset => "reset",
            Self::RevokeSessions => "revoke_sessions",
            Self::RemoveAuthenticator => "remove_authenticator",
            Self::Ask => "ask",
            Self::VerifyLink => "verify_link",
            Self::VerifyCode => "verify_code",
            Self::VerifyDevice => "verify_device",
            Self::Forget => "forget",
            Self::ForgetDevice => "forget_device",
            Self::VerifyOtp => "verify_otp",
            Self::Rename => "rename",
            Self::Prefer => "prefer",
        }
    }
}

/// What was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AuditEvent {
    /// Which command decided.
    pub command: Command,
    /// About whom.
    pub subject: Subject,
    /// For which client; absent for the host's own commands, and if the first factor named none.
    pub client: Option<ClientId>,
    /// In which transaction; absent for the host's own commands.
    pub transaction: Option<TransactionId>,
    /// About which authenticator or recovery set, where one is known.
    pub authenticator: Option<AuthenticatorId>,
    /// About which remembered device: the one that was remembered or is to be forgotten, or else the one that
    /// the session names, whether or not the account lists it.
    pub device: Option<DeviceId>,
    /// The name of the refusal ([`Denial::code`]); absent if the command was allowed. An ask for a proof of an address is
    /// never refused: here is then why no message was sent, `absent_address` or `too_many_sends`, which its answer does not
    /// say.
    pub denial: Option<&'static str>,
    /// Whether a presented code was compared with the right one.
    pub evaluated: bool,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

impl AuditEvent {
    pub(crate) const fn new(command: Command, subject: Subject, now: Millis) -> Self {
        let (client, transaction, authenticator, device, denial) = (None, None, None, None, None);
        let (evaluated, at) = (false, now.0);
        Self { command, subject, client, transaction, authenticator, device, denial, evaluated, at }
    }

    pub(crate) fn of_session(command: Command, session: &Session, now: Millis) -> Self {
        let mut event = Self::new(command, session.subject().clone(), now);
        event.client = session.client().cloned();
        event.transaction = Some(session.transaction());
        event.device = session.device();
        event
    }

    /// Notes why no message was sent, where the answer does not say so.
    pub(crate) const fn withhold(&mut self, reason: &'static str) {
        self.denial = Some(reason);
    }

    /// Notes how the command came out.
    pub(crate) fn conclude(&mut self, denial: Option<Denial>) {
        self.denial = denial.map(|denial| denial.code()).or(self.denial);
    }

    /// When it was decided.
    #[must_use]
    pub fn at(&self) -> OffsetDateTime {
        Millis(self.at).to_datetime()
    }
}
