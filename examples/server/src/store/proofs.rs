//! What the server asks of its database for proofs of addresses: records of another kind, in a table of their own, with
//! the same promise as [`Store`](super::Store).

use countersign::{Subject, Swap, Write, address_proof::AddressProof};

use super::Later;
use crate::locale::Locale;

pub(crate) trait Proofs: Send + Sync {
    /// The record of an address, if there is one.
    fn load_proof<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<AddressProof>>;

    /// Writes a record in place of the expected revision, and its messages into the outbox, in one transaction.
    fn swap_proof<'a>(&'a self, write: Write<AddressProof>, locale: Option<&'a Locale>) -> Later<'a, Swap>;

    /// At most so many records that nobody has written for a day, by the database's clock, the oldest first.
    fn old_proofs(&self, most: u16) -> Later<'_, Vec<AddressProof>>;

    /// Deletes a record, unless it was written since.
    fn forget_proof<'a>(&'a self, proof: &'a AddressProof) -> Later<'a, ()>;
}

/// How long nobody has written a record that is old, in milliseconds.
pub(super) const OLD_MS: i64 = 86_400_000;

pub(super) const LOAD: &str = "SELECT record FROM address_proofs WHERE subject = $1";
pub(super) const FORGET: &str = "DELETE FROM address_proofs WHERE subject = $1 AND revision = $2";

/// Replaces a record, or adds one, by the database's clock.
pub(super) fn replace(now_ms: &str) -> String {
    format!(
        "UPDATE address_proofs SET revision = $2, record = $3, written_ms = {now_ms} \
        WHERE subject = $1 AND revision = $4"
    )
}

pub(super) fn add(now_ms: &str) -> String {
    format!(
        "INSERT INTO address_proofs (subject, revision, record, written_ms) VALUES ($1, $2, $3, {now_ms}) \
        ON CONFLICT DO NOTHING"
    )
}

pub(super) fn old(now_ms: &str) -> String {
    format!(
        "SELECT record FROM address_proofs WHERE written_ms <= {now_ms} - {OLD_MS} ORDER BY written_ms LIMIT $1"
    )
}
