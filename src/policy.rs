//! The policy: every bound that the core enforces, checked when the policy is built.
//!
//! A setting out of range is refused with its name and never clamped; none can be zero or absent, except where its
//! documentation says "off". Three presets stand ready:
//!
//! | setting | [`Settings::default`] | [`Settings::auth0`] | [`Settings::strict`] |
//! |---|---|---|---|
//! | email | authenticates | authenticates | confirms only |
//! | TOTP | authenticates | authenticates | authenticates |
//! | TOTP: hash, digits, step, steps taken | SHA-1, 6, 30 s, -1 and 0 | SHA-1, 6, 30 s, -1 to +1 | SHA-1, 6, 30 s, -1 and 0 |
//! | HOTP | off | off | off |
//! | HOTP: digits, look-ahead | 6, 5 | 6, 5 | 6, 2 |
//! | code: digits, lifetime, attempts | 6, 300 s, 5 | 6, 300 s, 10 | 8, 300 s, 3 |
//! | `mfa_token` lifetime | 600 s | 600 s | 600 s |
//! | second factor of an elevated session that changes factors | 900 s | 900 s | 900 s |
//! | guess bucket of a lane | 10, +1 per 360 s | 10, +1 per 360 s | 5, +1 per 1,800 s |
//! | long guess budget of a lane | 30, +1 per day | off | 10, +1 per 8 days |
//! | one of them empty | harden | lock | harden messages |
//! | wrong codes in a row of a lane | 50, harden | 100, disable | 20, disable |
//! | recovery bucket | 10, +1 per 360 s, notifies | 10, +1 per 360 s, refuses | 5, +1 per 1,800 s, notifies |
//! | send bucket of a lane | 5, +1 per 60 s | 20, +1 per 60 s | 3, +1 per 300 s |
//! | cool-down | 30 s | off | 60 s |
//! | long send budget of a lane | 20, +1 per 4,320 s | off | 10, +1 per 8,640 s |
//! | resend | repeat | repeat | rotate |
//! | recovery codes | 10, consumed | 1, replaced on use | 10, each replaced on use |
//! | remembered devices | 30 days, lane only | 30 days, complete logins | 90 days, lane only |
//! | authenticators, unconfirmed, challenges | 16, 3, 8 | 50, 5, 8 | 8, 2, 4 |
//!
//! A lane is one of the two parts of an account's limits: [`Lane`](crate::record::Lane). An account whose
//! budget of guesses is empty is **hardened** and not locked, except by `auth0`: its messages carry codes of
//! 20 digits, whose guesses need no limit, so nobody can keep its holder out by guessing.
//!
//! `default` keeps email as a factor and claims no assurance level for it. `auth0` follows what Auth0
//! documents. `strict` enforces the verifier-side limits of NIST SP 800-63B-4 and OWASP ASVS 5.0 level 3:
//! there email may confirm an address and never authenticate (SP 800-63B-4 section 3.1.3.1, ASVS 6.3.6), and
//! TOTP signs people in. HOTP is for hosts that hand out devices: they switch it on. A policy without any
//! factor that completes a login is refused.
//!
//! A [proof of an address](crate::address_proof) without an account has settings of its own, [`ProofSettings`](crate::address_proof::ProofSettings): nothing
//! is counted there but messages.

#![allow(clippy::module_inception, reason = "the room has the name of its main type")]

pub(crate) mod bounds;
pub(crate) mod guessing;
pub(crate) mod one_time;
pub(crate) mod policy;
pub(crate) mod proof;
pub(crate) mod rate;
pub(crate) mod settings;

pub use one_time::{HotpSettings, TotpSettings};
pub use rate::Rate;
pub use settings::{
    AtCap, FactorUse, Factors, PolicyError, RecoveryThrottle, RecoveryUse, Remember, Resend, Settings,
    WhenExhausted,
};
