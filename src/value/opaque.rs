//! The opaque secrets that a client carries between requests: `oob_code`, `mfa_token` and the token of a link. This module must never look
//! into them.

use alloc::string::String;
use core::fmt;
use zeroize::Zeroizing;

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
