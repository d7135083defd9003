//! Remembered devices: a browser presents one, a login is completed on it, and it is forgotten.

use std::sync::LazyLock;

use countersign::{evidence::Method, session::DeviceId};

use super::*;

/// What a browser shows as its device, in the three lowest bits of `how`: one that it was given, unless it is one of
/// these. The bits above say which, counted from the latest.
mod shown {
    /// Another id than the token was made for.
    pub(super) const OTHER_ID: u8 = 3;
    /// The tag that only the record can check is wrong.
    pub(super) const FORGED: u8 = 4;
    /// The tag that is checked without a record is wrong.
    pub(super) const BROKEN: u8 = 5;
    /// A token of another account.
    pub(super) const FOREIGN: u8 = 6;
    pub(super) const NONE: u8 = 7;
}

/// What the browser of somebody else keeps.
static FOREIGN: LazyLock<Cookie> = LazyLock::new(|| {
    let (verifier, subject) = (verifier(Policy::default()), Subject::new("user-2").unwrap());
    let (record, [token, _]) = crate::fixture::remembered(&verifier, &subject);
    let id = record.devices()[0].id().to_string();
    Cookie { subject, id, token: token.expose().to_owned() }
});

/// A text with another symbol at this place.
fn edited(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

impl Run {
    /// A browser presents a device with a session: the session names it, whatever the record lists.
    pub(super) fn recognize(&mut self, on: u8, how: u8) {
        let Some(mut login) = latest(&self.logins, on) else { return };
        let what = how & 7;
        let own = latest(&self.cookies, how >> 3);
        let Some(cookie) = (if what == shown::FOREIGN { Some(FOREIGN.clone()) } else { own }) else {
            return;
        };
        let text = match what {
            shown::OTHER_ID => edited(&cookie.token, 20),
            shown::FORGED => edited(&cookie.token, 50),
            shown::BROKEN => edited(&cookie.token, 80),
            shown::NONE => String::new(),
            _ => cookie.token,
        };
        let whole = ![shown::OTHER_ID, shown::BROKEN, shown::NONE].contains(&what);
        let names = whole && cookie.subject == *login.session.subject();
        login.device = names.then_some(Presented { id: cookie.id, proves: what != shown::FORGED });
        login.session = self.verifier.recognize(login.session, &text);
        let named = login.session.device().map(|id| id.to_string());
        assert_eq!(named, login.device.as_ref().map(|device| device.id.clone()), "the device of a session");
        self.logins.push(login);
    }

    /// Keeps the token of a device that was remembered in this step, and gives its id.
    pub(super) fn keep_cookie(&mut self, login: &Login, token: &DeviceToken) -> String {
        let session = self.verifier.recognize(login.session.clone(), token.expose());
        let id = session.device().expect("a token names its device").to_string();
        let subject = session.subject().clone();
        self.cookies.push(Cookie { subject, id: id.clone(), token: token.expose().to_owned() });
        id
    }

    /// A login was completed: on a device, if it was on one.
    pub(super) fn used_device(&mut self, login: &Login, before: &Snapshot) {
        let now = millis(self.now);
        if let Some(device) = self.model.rules.device_of(login, before, now) {
            self.model.used_device(&device.id, now);
        }
    }

    /// The device of a login was remembered, in the place of the one that it was on.
    pub(super) fn remembered(&mut self, login: &Login, before: &Snapshot, by: &str, token: &DeviceToken) {
        let now = millis(self.now);
        let lifetime = self.model.rules.settings.remember.expect("the policy remembers").lifetime();
        let expires = now + u64::try_from(lifetime.whole_milliseconds()).unwrap();
        assert_eq!(token.expires(), instant(expires), "the end of the cookie");
        let id = self.cookies.last().expect("its token is kept").id.clone();
        let new = Remembered { id, vouched_by: by.to_owned(), since: now, last_used: now, expires };
        let former = self.model.rules.device_of(login, before, now);
        self.model.remembered(new, former.map(|device| device.id.as_str()));
    }

    /// What every reader must be told of devices.
    pub(super) fn check_devices(&self, login: &Login) {
        let (now, rules) = (millis(self.now), &self.model.rules);
        let lane = self.verifier.lane(&login.session, &self.record, self.now);
        assert_eq!(lane, rules.lane(login, &self.snapshot, now), "the lane of a session");
        let needed = self.verifier.requirements(&login.session, &self.record, self.now);
        let offered = rules.offers_device(login, &self.snapshot, now);
        assert_eq!(needed.remembered, offered, "whether a device completes a login");
        let listed = self.verifier.devices(&login.session, &self.record, self.now);
        let listed = listed.map(|views| {
            let row = |view: &DeviceView| {
                let at = [view.since, view.last_used, view.expires];
                (view.id.to_string(), view.vouched_by.to_string(), at, view.current)
            };
            views.iter().map(row).collect::<Vec<_>>()
        });
        let expected = rules.devices(login, &self.snapshot, now).map(|devices| {
            let row = |(device, current): (Remembered, bool)| {
                let at = [device.since, device.last_used, device.expires].map(instant);
                (device.id, device.vouched_by, at, current)
            };
            devices.into_iter().map(row).collect::<Vec<_>>()
        });
        assert_eq!(listed, expected, "the list of devices");
    }

    pub(super) fn verify_device(&mut self, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let now = self.now;
        let before = self.snapshot.clone();
        let mut about = None;
        let expected = self.model.rules.verify_device(&login, &before, millis(now), &mut about);
        let step = self.verifier.verify_device(&login.session, self.record.clone(), now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = expected_of("verify_device", &login, about, &expected, now);
        said.tokens = usize::from(expected.is_ok());
        self.judge(&seen, &before, said);
        let (Ok(answer), Ok(device)) = (seen.result, expected) else { return };
        let evidence = &answer.evidence;
        assert_eq!((evidence.method, evidence.amr().count()), (Method::Device, 0), "a device is no factor");
        assert_eq!((evidence.authenticator, evidence.channel), (None, None), "nothing was proven");
        assert_eq!(
            (evidence.at, evidence.remembered_since),
            (instant(millis(now)), Some(instant(device.since)))
        );
        assert_eq!(answer.elevation.evidence(), evidence);
        self.goes_on(&answer.elevation);
        self.model.completed_by_device(&login);
        self.model.used_device(&device.id, millis(now));
        // Its session may read, and no more.
        let until = now.saturating_add(Duration::hours(1));
        let session = Session::elevated(answer.elevation, ElevatedScopes::ALL, until);
        let lasts = (millis(now), millis(until).max(millis(now)));
        self.login(session, (true, true), Some(ElevatedScopes::ALL), lasts, true);
    }

    /// What the host keeps with a session from now on is good for the account as it is now.
    pub(super) fn goes_on(&self, elevation: &Elevation) {
        assert_eq!(elevation.epoch(), self.record.epoch(), "the session that acts goes on");
        assert!(self.record.admits(elevation), "the session that acts goes on");
    }

    /// A device that the account lists, or one that nobody has.
    fn device(&self, which: u8, elsewhere: bool) -> DeviceId {
        let ids: Vec<DeviceId> = self.record.devices().iter().map(|device| device.id()).collect();
        let nobodys = "device_0000000000000000".parse().unwrap();
        latest(&ids, which & 7).filter(|_| !elsewhere).unwrap_or(nobodys)
    }

    pub(super) fn forget(&mut self, variant: u8, on: u8, how: u8) {
        let Some(login) = latest(&self.logins, on) else { return };
        let now = self.now;
        let device = self.device(how, variant & 1 != 0);
        let id = device.to_string();
        let before = self.snapshot.clone();
        let expected = self.model.rules.forget(&login, &before, &id, millis(now));
        let step = self.verifier.forget(&login.session, self.record.clone(), device, now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = expected_of("forget", &login, None, &expected, now);
        said.device = Some(id.clone());
        if expected.is_ok() {
            said.ends = Some(("device_forgotten", true));
            said.told.push(format!("forgot {id}"));
        }
        self.judge(&seen, &before, said);
        if let Ok(elevation) = seen.result {
            self.goes_on(&elevation);
            self.model.forgot_device(&id);
        }
    }

    pub(super) fn forget_device(&mut self, on: u8, how: u8) {
        let now = self.now;
        let device = self.device(on, on & ELSEWHERE != 0);
        let id = device.to_string();
        let before = self.snapshot.clone();
        let expected = ReferenceModel::forget_device(&before, &id, millis(now));
        let step = self.verifier.forget_device(self.record.clone(), device, now);
        let Some(seen) = self.commit(step, how) else { return };
        let mut said = host_expected("forget_device", None, &expected, now);
        said.device = Some(id.clone());
        if expected.is_ok() {
            said.ends = Some(("device_forgotten", false));
            said.told.push(format!("forgot {id}"));
        }
        self.judge(&seen, &before, said);
        if expected.is_ok() {
            self.model.forgot_device(&id);
        }
    }
}
