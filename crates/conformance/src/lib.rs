//! A conformance kit for the store of a `countersign` host.
//!
//! Every limit of `countersign` rests on one promise of the host's store: a write is conditional on the revision that
//! it replaces, and every later load reads it. The kit takes the two closures that keep this promise, runs races, stale
//! copies, refusals and crashes against the real store, and reports each violation with its fix.
//!
//! ```
//! # use std::{collections::BTreeMap, convert::Infallible, sync::Mutex};
//! use countersign_conformance::{Kit, RunId};
//! # use countersign::{Account, Subject, Swap, Write};
//! # struct Store(Mutex<BTreeMap<Subject, Account>>);
//! # impl Store {
//! #     fn load(&self, s: &Subject) -> Result<Option<Account>, Infallible> { Ok(self.0.lock().unwrap().get(s).cloned()) }
//! #     fn swap(&self, write: Write) -> Result<Swap, Infallible> {
//! #         let mut rows = self.0.lock().unwrap();
//! #         let key = write.record.subject().clone();
//! #         if rows.get(&key).map(Account::revision) != write.expected { return Ok(Swap::Lost) }
//! #         rows.insert(key, write.record);
//! #         Ok(Swap::Stored)
//! #     }
//! #     fn delete(&self, s: &Subject) -> Result<(), Infallible> { self.0.lock().unwrap().remove(s); Ok(()) }
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = Store(Mutex::default());
//! # let now = countersign::time::OffsetDateTime::UNIX_EPOCH + countersign::time::Duration::days(20_000);
//! let run = RunId::draw(&mut getrandom::SysRng)?;
//! let report = Kit::new(|subject| store.load(subject), |write| store.swap(write))
//!     .delete(|subject| store.delete(subject)) // optional, as is whatever else a kit takes
//!     .run(&run, now);
//! assert!(report.passed(), "{report}");
//! # Ok(()) }
//! ```
//!
//! An asynchronous store has the [`AsyncKit`]. Its checks run concurrently as tasks of a single future, on any runtime.
//! With the runtime's [`spawn`](AsyncKit::spawn) they run in parallel, too.
//!
//! # What it needs, costs and leaves
//!
//! - **Use the closures of your handlers**: the same pool, the same statements, the same isolation level. A store that
//!   was written for the kit proves nothing about another.
//! - With eight rounds, which is the default, a run makes some three thousand loads and swaps each. More than half of
//!   the swaps are lost. The report counts both.
//! - The kit has no clock: it takes the time as an argument. Its only entropy is [`RunId::draw`].
//! - Every subject begins with `conformance-` and the id of the run, so the kit can run on a database with real users.
//!   With [`delete`](Kit::delete) it deletes its records at the end; without, the report lists them.
//! - Its addresses end in `.invalid`, and its keys are its own, so none of its messages can reach anybody. Still, stop
//!   the sender of your outbox while the kit reads it.
//!
//! # What it cannot see
//!
//! | without | stays unknown |
//! |---|---|
//! | [`request`](Kit::request) | whether a handler's own transaction reverts a charge when it answers with a refusal |
//! | [`outbox`](Kit::outbox) | whether messages are stored with their record. If they are not stored at all, effects happen at most once |
//! | [`delete`](Kit::delete) | whether a copy from before a deletion can come back |
//! | [`spawn`](AsyncKit::spawn) | faults that show only in parallel |
//! | several processes | faults that show only between processes: a lock or a cache in memory |
//!
//! A store that passes is not proven correct: races are found by running them, and more [rounds](Kit::rounds) find
//! more. No closure can show whether a record survives a power cut, or what a swap answers when its connection breaks.
//!
//! # Several processes
//!
//! Each process is one [`Participant`] of the same [`RunId`] and calls [`take_part`](Kit::take_part), at the same time
//! as the others. They synchronize through the store and play the same scenarios on the same records; no other channel
//! is needed. Each returns a [`PartialReport`], which prints as text and parses again. [`PartialReport::judge`] makes
//! one report of all of them. The first process deletes the records, if it has a `delete`.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate)]
// Whatever a store answers, the kit reports it and never panics.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm
    )
)]

mod check;
mod checks;
mod executor;
mod fault;
mod fixtures;
mod kit;
mod processes;
mod report;
mod request;
mod rng;
mod run_id;
mod runner;
mod store;

pub use check::{Check, Concurrency};
pub use executor::BoxFuture;
pub use fault::{Finding, Violation};
pub use kit::{AsyncKit, Kit};
pub use processes::{ParsePartialReportError, PartialReport};
pub use report::{Checked, Report, Verdict};
pub use request::Request;
pub use run_id::{ParseRunIdError, Participant, RunId};
