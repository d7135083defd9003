//! The violations that the kit can find, each with its fix. A fix must name what to do, in terms of a database.

use std::fmt;

/// A violation of the contract of a store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Violation {
    /// Two writes over one revision, or two inserts, were both answered `Stored`.
    TwoWinners,
    /// An insert took the place of a record.
    InsertOverwrites,
    /// A write over a revision that the row had not any more was answered `Stored`.
    StaleCopyWins,
    /// A write over a row that is not there made one.
    UpdateInserts,
    /// A write over the present revision was answered `Lost`.
    NeverStored,
    /// A write that was answered `Lost` is in the store.
    LostButWritten,
    /// A write that was answered `Stored` is not in the store.
    Vanished,
    /// A load gave an older record than the store has.
    StaleRead,
    /// A record came back with other content than it was written with.
    Altered,
    /// Two subjects share a row.
    LooseSubject,
    /// A message of a stored write is not in the outbox.
    MessageMissing,
    /// A message is in the outbox that no stored write put there.
    MessageStray,
    /// More was revealed, issued or sent than the policy allows.
    LimitBroken,
    /// The store answered with an error, or panicked.
    StoreFails,
    /// The run's records were there before it began.
    RunReused,
    /// The processes of a run did not run at the same time, or not all of them did.
    NotTogether,
    /// The check saw nothing, or the kit could not prepare it.
    NothingSeen,
}

impl Violation {
    pub(crate) const ALL: [Self; 17] = [
        Self::TwoWinners,
        Self::InsertOverwrites,
        Self::StaleCopyWins,
        Self::UpdateInserts,
        Self::NeverStored,
        Self::LostButWritten,
        Self::Vanished,
        Self::StaleRead,
        Self::Altered,
        Self::LooseSubject,
        Self::MessageMissing,
        Self::MessageStray,
        Self::LimitBroken,
        Self::StoreFails,
        Self::RunReused,
        Self::NotTogether,
        Self::NothingSeen,
    ];

    /// A stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwoWinners => "two-winners",
            Self::InsertOverwrites => "insert-overwrites",
            Self::StaleCopyWins => "stale-copy-wins",
            Self::UpdateInserts => "update-inserts",
            Self::NeverStored => "never-stored",
            Self::LostButWritten => "lost-but-written",
            Self::Vanished => "vanished",
            Self::StaleRead => "stale-read",
            Self::Altered => "altered",
            Self::LooseSubject => "loose-subject",
            Self::MessageMissing => "message-missing",
            Self::MessageStray => "message-stray",
            Self::LimitBroken => "limit-broken",
            Self::StoreFails => "store-fails",
            Self::RunReused => "run-reused",
            Self::NotTogether => "not-together",
            Self::NothingSeen => "nothing-seen",
        }
    }

    /// How to fix it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::TwoWinners => {
                "Let the database compare and write in one statement, UPDATE ... SET revision = NEW, record = ... WHERE \
                 subject = ? AND revision = EXPECTED, and answer Lost when no row was changed. Reading the revision first and \
                 writing afterwards leaves a gap, also inside a transaction that locks nothing."
            }
            Self::InsertOverwrites => {
                "Where `expected` is None, insert only if there is no row: a primary key on the subject and INSERT ... ON \
                 CONFLICT DO NOTHING, never an upsert or a REPLACE. Answer Lost when no row was inserted."
            }
            Self::StaleCopyWins => {
                "Make the write conditional on `write.expected`: UPDATE ... WHERE subject = ? AND revision = EXPECTED, and \
                 answer Lost when no row was changed. The last write must not win."
            }
            Self::UpdateInserts => {
                "Where `expected` is Some, update and never insert: a user whose row was deleted must not come back with \
                 the factors and budgets of a copy. Answer Lost when no row was changed."
            }
            Self::NeverStored => {
                "Compare the row's revision with `write.expected`, as a whole 64-bit integer (BIGINT), and load from where \
                 the swap writes: a replica or a cache that lags gives revisions that are gone."
            }
            Self::LostButWritten => {
                "Answer Lost only when nothing was written: decide by the number of rows that the conditional write \
                 changed, and roll everything back when it is none."
            }
            Self::Vanished => {
                "Answer Stored after the commit, and commit the record whatever the request is answered with: a refusal is \
                 a result to store, so the swap must not be part of a transaction that is rolled back when the handler \
                 answers with an error."
            }
            Self::StaleRead => {
                "Load from the primary and from nothing before it: no read replica, no cache (per process, per thread or \
                 per request) and no snapshot of a transaction that began earlier."
            }
            Self::Altered => {
                "Store the record whole, as it was serialized, in a column that keeps every byte (TEXT or BYTEA, without \
                 a small limit), and put nothing through a type that rounds, truncates or normalizes. Integers reach 2^63: \
                 they do not fit a double."
            }
            Self::LooseSubject => {
                "Compare subjects byte for byte: a binary collation for the column, no folding of case or accents, no \
                 trimming, no Unicode normalization, and parameters instead of patterns."
            }
            Self::MessageMissing => {
                "Write `write.outbox` in the transaction that writes the record, before it commits, so that a crash \
                 between the two loses no message."
            }
            Self::MessageStray => {
                "Write `write.outbox` in the transaction that writes the record, after the conditional write has changed a \
                 row, and roll back otherwise: a lost swap sends nothing."
            }
            Self::LimitBroken => {
                "Verdicts got past the swap without being charged: make the write conditional on `write.expected`, and \
                 look at an outcome only after its record was answered Stored."
            }
            Self::StoreFails => {
                "Find out from the error what failed. Under contention a swap waits for its turn and then answers Stored \
                 or Lost: set a busy timeout, a lock timeout or a pool that is large enough, and answer a serialization \
                 failure that is known to have written nothing with Lost."
            }
            Self::RunReused => {
                "Draw a new id for each run: RunId::draw. Processes of one run each need another index."
            }
            Self::NotTogether => {
                "Start all processes at the same time, with the same run and an index each, and judge the partial reports of \
                 all of them."
            }
            Self::NothingSeen => {
                "Report this to the maintainers, with the report: the kit could not do what it was to do."
            }
        }
    }
}

/// One violation that the kit observed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of violation.
    pub violation: Violation,
    /// What the kit observed.
    pub observed: String,
}

impl Finding {
    pub(crate) const fn new(violation: Violation, observed: String) -> Self {
        Self { violation, observed }
    }

    /// A failure of the kit itself.
    pub(crate) fn kit(problem: impl fmt::Display) -> Self {
        Self::new(Violation::NothingSeen, format!("the kit could not prepare the check: {problem}"))
    }
}

/// What was observed, and how to fix it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.observed, self.violation.fix())
    }
}
