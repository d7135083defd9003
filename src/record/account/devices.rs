//! The remembered devices of an account: how one enters the list and leaves it, and which one a session is
//! on. A device that left must never be recognized again.

use crate::{
    keys::keyring::KeyRing,
    policy::{bounds::MAX_DEVICES, policy::Policy},
    record::{account::AccountBody, device::Device},
    session::session::Session,
    value::{
        id::{AuthenticatorId, DeviceId},
        instant::Millis,
        lane::Lane,
    },
};

impl AccountBody {
    /// The devices, in the order in which they were remembered.
    pub(crate) fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The device that the session is on: the record lists it, it is live under this policy, and what was
    /// presented is of its seed.
    pub(crate) fn device_of(
        &self,
        session: &Session,
        (keys, policy): (&KeyRing, &Policy),
        now: Millis,
    ) -> Option<&Device> {
        let (proof, remember) = (session.device_proof()?, policy.remember()?);
        let device = self.devices.iter().find(|known| known.id == proof.id())?;
        let right = device.tag(keys, &self.subject)?;
        (proof.proves(&right) && device.is_live(remember, now)).then_some(device)
    }

    /// The lane of a session at this step: known if it is elevated, or on a device that the record lists.
    pub(crate) fn lane(&self, session: &Session, means: (&KeyRing, &Policy), now: Millis) -> Lane {
        if session.is_elevated() || self.device_of(session, means, now).is_some() {
            Lane::Known
        } else {
            Lane::Unknown
        }
    }

    /// Remembers a device, in the place of `former`. If there are as many as the record holds, the one unused
    /// longest goes.
    pub(crate) fn remember(&mut self, device: Device, former: Option<DeviceId>) {
        self.devices.retain(|known| Some(known.id) != former);
        while self.devices.len() >= MAX_DEVICES {
            let places = self.devices.iter().enumerate();
            let unused = places.min_by_key(|(place, known)| (known.last_used, *place));
            let Some(place) = unused.map(|(place, _)| place) else { break };
            self.devices.remove(place);
        }
        self.devices.push(device);
    }

    /// Notes that a sign-in was completed on a device.
    pub(crate) fn note_device_use(&mut self, id: DeviceId, now: Millis) {
        self.devices.iter_mut().filter(|known| known.id == id).for_each(|known| known.note_use(now));
    }

    /// Forgets a device, and says whether there was one.
    pub(crate) fn forget_device(&mut self, id: DeviceId) -> bool {
        let before = self.devices.len();
        self.devices.retain(|known| known.id != id);
        self.devices.len() < before
    }

    /// Forgets all devices.
    pub(crate) fn forget_devices(&mut self) {
        self.devices.clear();
    }

    /// Forgets the devices that one of these authenticators did not vouch for.
    pub(super) fn keep_devices_of(&mut self, stays: impl Fn(AuthenticatorId) -> bool) {
        self.devices.retain(|known| stays(known.vouched_by));
    }
}
