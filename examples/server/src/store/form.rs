//! The stored form of records: JSON, read and written on a stopwatch. It must never take a record of a later release
//! for a corrupt one: of the two only the second is damage.

use countersign::record::{Record, StoredVersion};
use serde::{Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::metrics::Stopwatch;

/// The stored form of records, and how long it takes to read and to write it.
#[derive(Clone, Default)]
pub(crate) struct Form(Stopwatch);

impl Form {
    pub(crate) const fn new(stopwatch: Stopwatch) -> Self {
        Self(stopwatch)
    }

    pub(super) fn read<R: Record + DeserializeOwned>(&self, text: &str) -> Result<R, StoreError> {
        self.0.time(|| serde_json::from_str(text)).map_err(|error| match serde_json::from_str(text) {
            Ok(version) if StoredVersion::is_newer(version) => StoreError::Newer(version),
            Ok(_) | Err(_) => StoreError::Record(error),
        })
    }

    pub(super) fn write<R: Record + Serialize>(&self, record: &R) -> Result<String, StoreError> {
        Ok(self.0.time(|| serde_json::to_string(record))?)
    }
}
