//! The remembered devices of the model: how one enters the list and leaves it.

use super::*;

/// An account remembers no more.
const MOST: usize = 8;

impl Model {
    /// A step was written: what time has ended is gone, and so is what a factor vouched for that is not there any more.
    pub(crate) fn written(&mut self, after: &Snapshot, now: u64) {
        let vouches = |id: &str| after.confirmed().any(|known| known.id == id);
        self.devices.retain(|device| device.expires > now && vouches(&device.vouched_by));
    }

    /// A login was completed on this device.
    pub(crate) fn used_device(&mut self, id: &str, now: u64) {
        let known = self.devices.iter_mut().find(|device| device.id == id).expect("it is remembered");
        known.last_used = known.last_used.max(now);
    }

    /// A device was remembered, in the place of the one that the session was on. Of as many as there may be, the one
    /// unused longest goes; of equals the one remembered first.
    pub(crate) fn remembered(&mut self, new: Remembered, former: Option<&str>) {
        self.devices.retain(|device| Some(device.id.as_str()) != former);
        if self.devices.len() == MOST {
            let oldest = (0..MOST).min_by_key(|place| self.devices[*place].last_used).unwrap();
            self.devices.remove(oldest);
        }
        self.devices.push(new);
    }

    pub(crate) fn forgot_device(&mut self, id: &str) {
        self.devices.retain(|device| device.id != id);
    }

    pub(crate) fn forgot_all_devices(&mut self) {
        self.devices.clear();
    }

    /// A device completed a login.
    pub(crate) fn completed_by_device(&mut self, login: &Login) {
        assert!(self.spent.insert(login.transaction.clone()), "a transaction issues one token");
    }
}
