//! Remembered devices: recognizing one, remembering one, listing and forgetting them. A device must never be
//! taken for a factor: what it is good for, its lane and its list say, and `verify_device` where the policy
//! wants that.

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide},
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    keys::draws::Draws,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        end_sessions::EndReason,
        notify::Notice,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        device::{Device, DeviceView},
        record::{Body as _, Internal as _},
    },
    session::{
        device_token,
        elevation::Elevation,
        session::{Grant, Session},
    },
    value::{
        id::{AuthenticatorId, DeviceId},
        instant::Millis,
        lane::Lane,
        opaque::DeviceToken,
    },
};

impl Verifier {
    /// Puts the device whose token a browser presents into the session. No storage is touched, and nothing is
    /// refused: a token of another subject, a forged one and one that is no token leave the session on no
    /// device, like one that the account does not list any more, which each command looks up.
    #[must_use]
    pub fn recognize(&self, session: Session, token: &str) -> Session {
        let device = device_token::open_device(&self.keys, session.subject(), token);
        session.on_device(device)
    }

    /// The lane that a session is in now: known if it is elevated, or on a device that the account remembers.
    #[must_use]
    pub fn lane(&self, session: &Session, account: &Account, now: OffsetDateTime) -> Lane {
        self.lane_of(session, account.body(), Millis::from(now))
    }

    /// Lists the devices that are remembered now, in the order in which they were.
    ///
    /// A first-factor session may, even a spent one and even without a named client; an elevated one needs
    /// the scope `read:authenticators`.
    ///
    /// # Errors
    /// [`Denial::InsufficientScope`], [`Denial::ExpiredToken`], [`Denial::WrongRecord`].
    pub fn devices(
        &self,
        session: &Session,
        account: &Account,
        now: OffsetDateTime,
    ) -> Result<Vec<DeviceView>, Denial> {
        let (account, now) = (account.body(), Millis::from(now));
        self.check_reading(session, account, now)?;
        let Some(remember) = self.policy.remember() else { return Ok(Vec::new()) };
        let current = self.device_of(session, account, now).map(Device::id);
        let live = account.devices().iter().filter(|known| known.is_live(remember, now));
        Ok(live.map(|known| known.view(Some(known.id()) == current)).collect())
    }

    /// Forgets a device. All other sessions end, since one of them may have been opened by it. Returns what
    /// the host keeps with the acting session from now on, in the place of what it had.
    ///
    /// Takes an elevated session with the scope `remove:authenticators` and a second factor that is recent
    /// enough.
    ///
    /// Denials: [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`UnknownDevice`](Denial::UnknownDevice), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn forget(
        &self,
        session: &Session,
        account: Account,
        device: DeviceId,
        now: OffsetDateTime,
    ) -> Step<Elevation> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::of_session(Command::Forget, session, now);
        audit.device = Some(device);
        decide(&self.keys, audit, account, now, |account, draft| {
            let mut context = Context { session, now, draft };
            match session.grant() {
                Grant::Elevated { scopes, .. } if scopes.remove_authenticators => {}
                Grant::Elevated { .. } | Grant::FirstFactor { .. } => return Err(Denial::InsufficientScope),
            }
            Self::check_session(session, account, now)?;
            self.check_recent(session, now)?;
            account.prune(now);
            if !account.forget_device(device) {
                return Err(Denial::UnknownDevice);
            }
            let epoch = context.end_other_sessions(account, EndReason::DeviceForgotten);
            context.notify(account, Notice::DeviceForgotten { device });
            let elevation = session.elevation_at(epoch).ok_or(Denial::InsufficientScope)?;
            Ok(Decision::Store(Ok(elevation)))
        })
    }

    /// Forgets a device, for an administrator. All sessions end.
    ///
    /// Denials: [`UnknownDevice`](Denial::UnknownDevice), [`WrongRecord`](Denial::WrongRecord).
    pub fn forget_device(&self, account: Account, device: DeviceId, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::new(Command::ForgetDevice, account.subject().clone(), now);
        audit.device = Some(device);
        decide(&self.keys, audit, account, now, |account, draft| {
            account.prune(now);
            if !account.forget_device(device) {
                return Err(Denial::UnknownDevice);
            }
            draft.end_sessions(account, (None, EndReason::DeviceForgotten), now);
            draft.notify(account, Notice::DeviceForgotten { device }, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Remembers the device of a session in which this authenticator was just proven, if the policy does: in
    /// the place of the one that the session is on. Only a proof vouches: an authenticator that is none, is not
    /// confirmed or is disabled never gets here.
    pub(crate) fn remember(
        &self,
        account: &mut AccountBody,
        id: AuthenticatorId,
        draws: &mut Draws,
        context: &mut Context<'_>,
    ) -> Option<DeviceToken> {
        let remember = self.policy.remember()?;
        let former = self.device_of(context.session, account, context.now).map(Device::id);
        let (key, lifetime) = (self.keys.durable(), remember.lifetime_ms());
        let drawn = (draws.device(), draws.seed("device"));
        let device = Device::new(drawn, key.id, id, (context.now, context.now.after(lifetime)));
        let token = device.token(key, account.subject());
        context.draft.audit.device = Some(device.id());
        account.remember(device, former);
        Some(token)
    }
}

/// What a command draws a device from, if it was handed anything for that.
pub(crate) fn device_draws(remember: Option<&Entropy>, command: Command, account: &Account) -> Option<Draws> {
    remember.map(|entropy| Draws::new(entropy, command.as_str(), account.subject(), account.revision()))
}
