//! The opaque secrets that a client carries between requests: `oob_code`, `mfa_token`, the token of a link
//! and that of a remembered device. This module must never look into them.

use alloc::string::String;
use core::fmt;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{crypto::declassify::declassify, value::instant::Millis};

/// The opaque handle of a challenge, as Auth0's API names it: 72 characters of base64url, bound to the subject and the
/// transaction by a MAC. It goes to the client and comes back with the binding code.
#[derive(Clone)]
pub struct OobCode(pub(crate) Zeroizing<String>);

impl OobCode {
    /// The text in clear, for the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OobCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OobCode(..)")
    }
}

/// The token of a transaction between a first factor and its second: `mfa_token` in Auth0's API.
#[derive(Clone)]
pub struct MfaToken(pub(crate) Zeroizing<String>);

impl MfaToken {
    /// The text in clear, for the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MfaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MfaToken(..)")
    }
}

/// The token of a link that a message carries: 98 characters of base64url.
///
/// It belongs into the fragment of a URL, which no server logs and no `Referer` shows. Whoever holds it can use it.
#[derive(Clone)]
pub struct LinkToken(pub(crate) Zeroizing<String>);

impl LinkToken {
    /// The text in clear, for the message that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(..)")
    }
}

/// The token of a remembered device: 92 characters of base64url, for one account and one device.
///
/// It belongs into a cookie that no script reads: `__Host-` before its name, `HttpOnly`, `Secure`,
/// `SameSite`, one for each subject. Whoever holds it is on the known lane of the account, once they pass a
/// first factor; where the policy says so, it takes the place of the second one.
#[derive(Clone)]
pub struct DeviceToken {
    pub(crate) text: Zeroizing<String>,
    pub(crate) expires: Millis,
}

impl DeviceToken {
    /// The text in clear, for the browser.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// When the device is forgotten at the latest: the end of the cookie.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        self.expires.to_datetime()
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken(..)")
    }
}

/// In constant time for tokens of one length, which all have.
impl PartialEq for DeviceToken {
    fn eq(&self, other: &Self) -> bool {
        declassify(self.text.as_bytes().ct_eq(other.text.as_bytes()))
    }
}

impl Eq for DeviceToken {}
