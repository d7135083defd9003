//! The hard bounds of the record, whatever the policy says. A record beyond one is refused when it is read, so a
//! bound must never shrink.

/// The most authenticators that a record may hold, confirmed and unconfirmed.
pub(crate) const MAX_AUTHENTICATORS: usize = 72;

/// The most transactions that a record may hold.
pub(crate) const MAX_TRANSACTIONS: usize = 16;

/// The most recovery codes a set may have.
pub(crate) const MAX_RECOVERY_CODES: usize = 16;

/// The most challenges a record may hold.
pub(crate) const MAX_CHALLENGES: usize = 16;

/// The most attempts a stored pair may have left.
pub(crate) const MAX_ATTEMPTS: u8 = 10;

/// The most wrong codes in a row that a stored authenticator may have.
pub(crate) const MAX_FAILURES: u8 = 100;

/// How far ahead of a clock another may honestly be.
pub(crate) const CLOCK_LEEWAY_MS: u64 = 60_000;

/// Further ahead than this no bound on sessions is honest: no session lives longer.
pub(crate) const LONGEST_SESSION_MS: u64 = 86_400_000;

/// No link of a proof of an address lives longer: 24 hours (NIST SP 800-63B-4 section 4.2.1.2).
pub(crate) const LONGEST_PROOF_MS: u64 = 86_400_000;

/// Wrong recovery codes that one transaction may present.
pub(crate) const RECOVERY_ATTEMPTS: u8 = 5;
