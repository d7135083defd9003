//! The rules of remembered devices: which one a session is on, whose lane it is in, what a device is good for, and who
//! may have it forgotten.

use super::*;

impl ReferenceModel {
    /// Whether a device is remembered still: its time and the policy's are not over. One that only a clock far ahead can
    /// have remembered is not yet.
    fn is_live(&self, device: &Remembered, now: u64) -> bool {
        self.settings.remember.is_some_and(|remember| {
            let until = device.expires.min(device.since + span(remember.lifetime()));
            device.since <= now + LEEWAY && now < until
        })
    }

    /// The device that a session is on: it was given out as presented, and the record lists it.
    pub(crate) fn device_of<'a>(
        &self,
        login: &Login,
        snapshot: &'a Snapshot,
        now: u64,
    ) -> Option<&'a Remembered> {
        let presented = login.device.as_ref().filter(|presented| presented.proves)?;
        let listed = snapshot.devices.iter().find(|device| device.id == presented.id);
        listed.filter(|device| self.is_live(device, now))
    }

    /// Known is whom the host elevated, and who is on a device that the record lists.
    pub(crate) fn lane(&self, login: &Login, snapshot: &Snapshot, now: u64) -> Lane {
        let known = login.is_elevated() || self.device_of(login, snapshot, now).is_some();
        if known { Lane::Known } else { Lane::Unknown }
    }

    /// On whose account a message of a session goes: what an elevated one enrolls has a budget of its own.
    pub(super) fn sends(&self, login: &Login, snapshot: &Snapshot, now: u64) -> Sends {
        if login.is_elevated() { Sends::Enrollment } else { Sends::Lane(self.lane(login, snapshot, now)) }
    }

    /// A device takes the place of a second factor where the policy says so, and while what vouched lets people in.
    fn skips(&self, device: &Remembered, snapshot: &Snapshot) -> bool {
        let lets_in = |known: &Known| known.is_active() && known.completes(&self.settings);
        let vouches = snapshot.known(&device.vouched_by).is_some_and(lets_in);
        vouches && self.settings.remember.is_some_and(|remember| remember.skips_second_factor())
    }

    /// Whether a login is told that its device completes it.
    pub(crate) fn offers_device(&self, login: &Login, snapshot: &Snapshot, now: u64) -> bool {
        let device = self.device_of(login, snapshot, now).filter(|_| !login.is_elevated());
        snapshot.enrolled && device.is_some_and(|device| self.skips(device, snapshot))
    }

    /// First factor, on a device that the record lists. Gives the device.
    pub(crate) fn verify_device(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        now: u64,
        about: &mut About,
    ) -> Verdict<Remembered> {
        Self::takes_a_login(login)?;
        Self::admits(login, snapshot, now)?;
        if snapshot.is_spent(&login.transaction) {
            return Err(Denial::TransactionSpent);
        }
        let device = self.device_of(login, snapshot, now).ok_or(Denial::UnknownDevice)?;
        if !self.skips(device, snapshot) {
            return Err(Denial::SecondFactorRequired);
        }
        *about = Some(device.vouched_by.clone());
        Ok(device.clone())
    }

    /// First factor; elevated `read:authenticators`. Gives the devices that must be listed, in their order, and which
    /// of them the session is on.
    pub(crate) fn devices(
        &self,
        login: &Login,
        snapshot: &Snapshot,
        now: u64,
    ) -> Verdict<Vec<(Remembered, bool)>> {
        if login.is_elevated() && !login.has(|scopes| scopes.read_authenticators) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        let current = self.device_of(login, snapshot, now);
        let live = snapshot.devices.iter().filter(|device| self.is_live(device, now));
        Ok(live.map(|device| (device.clone(), Some(device) == current)).collect())
    }

    /// Elevated `remove:authenticators`.
    pub(crate) fn forget(&self, login: &Login, snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        if !login.has(|scopes| scopes.remove_authenticators) {
            return Err(Denial::InsufficientScope);
        }
        Self::admits(login, snapshot, now)?;
        self.recent(login, now)?;
        Self::forget_device(snapshot, id, now)
    }

    /// An administrator.
    pub(crate) fn forget_device(snapshot: &Snapshot, id: &str, now: u64) -> Verdict<()> {
        let snapshot = snapshot.clone().at(now);
        let listed = snapshot.devices.iter().any(|device| device.id == id);
        if listed { Ok(()) } else { Err(Denial::UnknownDevice) }
    }
}
