//! A kit that tries a host's own store, and says what to mend.
//!
//! Every budget of the core rests on one promise of the host's store: a write is conditional on the revision it
//! replaces, and every later load reads it. The kit takes the two closures that keep that promise and runs against
//! the real store what would break it: volleys over one revision, stale copies, loads beside writes, refusals,
//! crashes between the swap and the effects, and the races that attackers run.
//!
//! ```
//! # use std::{collections::BTreeMap, convert::Infallible, sync::Mutex};
//! use countersign_conformance::{Kit, Run};
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
//! let run = Run::draw(&mut getrandom::SysRng)?;
//! let report = Kit::new(|subject| store.load(subject), |write| store.swap(write))
//!     .delete(|subject| store.delete(subject)) // optional, as is whatever else a kit takes
//!     .run(&run, now);
//! assert!(report.passed(), "{report}");
//! # Ok(()) }
//! ```
//!
//! An asynchronous store has the [`AsyncKit`]. It does things at once as tasks of one future, on any executor; give
//! it the executor's [`spawn`](AsyncKit::spawn) and it does them in parallel, too.
//!
//! # What it needs, what it costs, what it leaves
//!
//! - **Hand over what the handlers use**: the same pool, the same statements, the same isolation level. A store that
//!   was written for the kit proves nothing about another.
//! - With eight rounds, which is the default, it makes some three thousand loads and swaps each, of which more than
//!   half are lost; the report counts them. It has no clock, takes the time as an argument, and draws nothing but
//!   [`Run::draw`].
//! - Its records are those of users whose subjects begin with `conformance-` and the run's id, so that it can run on
//!   a database that has real ones. With [`delete`](Kit::delete) it deletes them at the end; without, the report
//!   lists them. Its addresses end in `.invalid`, and its keys are its own, so no message of it can reach anybody;
//!   still, stop whatever sends from the outbox while the kit looks at it.
//!
//! # What it cannot see
//!
//! | without | stays unknown |
//! |---|---|
//! | [`request`](Kit::request) | whether a handler's own transaction takes a charge back when it answers with a refusal |
//! | [`outbox`](Kit::outbox) | whether messages are stored with their record. If they are not stored at all, effects happen at most once |
//! | [`delete`](Kit::delete) | whether a copy from before a deletion can come back |
//! | [`spawn`](AsyncKit::spawn) | what goes wrong only in parallel |
//! | several processes | what goes wrong only between them: a lock or a cache in memory |
//!
//! Races are found by running them, so a store that passes has not been proven right; more [rounds](Kit::rounds) look
//! longer. Whether a record survives a power cut, and what a swap answers whose connection broke, no closure can show.
//!
//! # Several processes
//!
//! Each takes one [`Part`] of the same [`Run`] with [`take_part`](Kit::take_part), at the same time. They meet in the
//! store and play the same scenes on the same records; no other channel is needed. Their [shares](Share) are text,
//! and [`Share::judge`] judges all of them together. The first process deletes the records, if it was given the
//! means.
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

pub use check::{Check, Crowd};
pub use executor::Later;
pub use fault::{Finding, Flaw};
pub use kit::{AsyncKit, Kit};
pub use processes::{NotAShare, Share};
pub use report::{Checked, Report, Verdict};
pub use request::Request;
pub use run_id::{NotARun, Part, Run};
