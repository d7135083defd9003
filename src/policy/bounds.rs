//! The hard bounds of the record, whatever the policy says. A record beyond one is refused when it is read, so a
//! bound must never shrink.

use time::Duration;

use crate::policy::rate::Rate;

/// The most confirmed authenticators that a record may hold.
pub(crate) const MAX_CONFIRMED: usize = 64;

/// The most unconfirmed authenticators that a record may hold.
pub(crate) const MAX_UNCONFIRMED: usize = 8;

/// The most authenticators that a record may hold.
#[cfg(feature = "serde")]
pub(crate) const MAX_AUTHENTICATORS: usize = MAX_CONFIRMED + MAX_UNCONFIRMED;

/// The most transactions that a record may hold for each lane.
pub(crate) const LANE_TRANSACTIONS: usize = 16;

/// The most transactions that a record may hold.
#[cfg(feature = "serde")]
pub(crate) const MAX_TRANSACTIONS: usize = 2 * LANE_TRANSACTIONS;

/// The most recovery codes a set may have.
pub(crate) const MAX_RECOVERY_CODES: usize = 16;

/// The most challenges that a record may hold for each lane.
pub(crate) const LANE_CHALLENGES: u8 = 16;

/// The most challenges a record may hold.
#[cfg(feature = "serde")]
pub(crate) const MAX_CHALLENGES: usize = 32;

/// The most attempts a stored pair may have left.
pub(crate) const MAX_ATTEMPTS: u8 = 10;

/// The most wrong codes in a row that a stored authenticator may have in each lane. One that is disabled at
/// the cap is disabled at this number of both lanes together, too (NIST SP 800-63B-4 section 3.2.2).
pub(crate) const MAX_FAILURES: u8 = 100;

/// The most devices that a record may remember.
pub(crate) const MAX_DEVICES: usize = 8;

/// No device is remembered for longer: 90 days.
pub(crate) const LONGEST_DEVICE_MS: u64 = 90 * DAY_MS;

/// How far ahead of a clock another may honestly be.
pub(crate) const CLOCK_LEEWAY_MS: u64 = 60_000;

/// Further ahead than this no bound on sessions is honest: no session lives longer.
pub(crate) const LONGEST_SESSION_MS: u64 = 86_400_000;

/// No link of a proof of an address lives longer: 24 hours (NIST SP 800-63B-4 section 4.2.1.2).
pub(crate) const LONGEST_PROOF_MS: u64 = 86_400_000;

/// Wrong recovery codes that one transaction may present.
pub(crate) const RECOVERY_ATTEMPTS: u8 = 5;

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// With less than this left of a transaction, no code is sent: nobody could type it in time.
pub(crate) const SHORTEST_CHALLENGE_MS: u64 = 30_000;

/// How far ahead of the expected counter the last of four codes of a device may be, whatever the policy says
/// of one code (RFC 4226 section 7.4).
pub(crate) const RESYNC_LOOK_AHEAD: u8 = 50;

/// Notices that somebody without a second factor can cause: three, and one more each eight hours. Each is
/// about a budget that ran empty; what a session with a second factor does is always told.
pub(crate) const NOTICES: Rate = Rate::new(3, Duration::hours(8));
