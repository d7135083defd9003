//! The checks by name, and the kinds of concurrency. This module must never run one.

use std::fmt;

/// One property of a store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Check {
    /// Of several inserts of one subject exactly one is stored.
    Insert,
    /// Of several writes over one revision exactly one is stored.
    Swap,
    /// A write over an older revision, or over a row that is not there, changes nothing.
    StaleCopy,
    /// A copy from before a row was deleted does not overwrite the row that was inserted again.
    DeletedRow,
    /// A load gives the last write that was answered `Stored`, and never an older one than a load before.
    Reads,
    /// Records of every shape come back as they were written, and their revisions count exactly.
    Records,
    /// Subjects that look alike are different users.
    Subjects,
    /// A refused step keeps the attempt that it spent.
    DeniedStep,
    /// A request in the host's handler that ends with a refusal keeps the attempt that it spent, and each of many at
    /// once gets an answer.
    DeniedRequest,
    /// A crash between the swap and the effects loses nothing that the record promises.
    Crash,
    /// The messages of a write are in the outbox if and only if the write was stored, and as soon as it is.
    Outbox,
    /// Parallel wrong codes reveal as many verdicts as there are attempts.
    Guesses,
    /// Parallel right codes issue one token.
    Answers,
    /// A recovery code that is presented in parallel is accepted once.
    Recovery,
    /// Resends between guesses refill no attempt and send one message.
    Resends,
    /// An app and a device come back as they were enrolled, and a code of theirs is accepted once.
    Otp,
}

impl Check {
    pub(crate) const ALL: [Self; 16] = [
        Self::Insert,
        Self::Swap,
        Self::StaleCopy,
        Self::DeletedRow,
        Self::Reads,
        Self::Records,
        Self::Subjects,
        Self::DeniedStep,
        Self::DeniedRequest,
        Self::Crash,
        Self::Outbox,
        Self::Guesses,
        Self::Answers,
        Self::Recovery,
        Self::Resends,
        Self::Otp,
    ];

    /// A stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert-if-absent",
            Self::Swap => "swap-is-atomic",
            Self::StaleCopy => "stale-copy-loses",
            Self::DeletedRow => "deleted-row-stays-deleted",
            Self::Reads => "reads-are-current",
            Self::Records => "records-come-back",
            Self::Subjects => "subjects-are-exact",
            Self::DeniedStep => "denied-step-is-charged",
            Self::DeniedRequest => "denied-request-is-charged",
            Self::Crash => "crash-loses-nothing",
            Self::Outbox => "outbox-is-atomic",
            Self::Guesses => "guesses-race",
            Self::Answers => "answers-race",
            Self::Recovery => "recovery-race",
            Self::Resends => "resends-race",
            Self::Otp => "otp-is-accepted-once",
        }
    }

    /// What the check does, in the past tense for the report.
    #[must_use]
    pub const fn did(self) -> &'static str {
        match self {
            Self::Insert => "inserted one subject more than once",
            Self::Swap => "wrote over one revision more than once",
            Self::StaleCopy => "wrote over older revisions, and over a row that is not there",
            Self::DeletedRow => "wrote over a row from before it was deleted and made anew",
            Self::Reads => "loaded after each write, and while another wrote",
            Self::Records => {
                "wrote and loaded records of every shape, and revisions at the ends of their range"
            }
            Self::Subjects => "wrote records for subjects that look alike",
            Self::DeniedStep => "presented wrong codes and looked for their charge",
            Self::DeniedRequest => {
                "presented wrong codes to the host's own request and looked for their charge"
            }
            Self::Crash => "dropped what happened after the swap, and went on from a fresh load",
            Self::Outbox => "compared the outbox with what was stored and what was lost",
            Self::Guesses => "presented more wrong codes at once than there are attempts",
            Self::Answers => "presented the right code many times at once",
            Self::Recovery => "presented one recovery code many times at once, in two transactions",
            Self::Resends => "asked for the code again and guessed, at once",
            Self::Otp => {
                "enrolled an app and a device, and presented their codes again, and one many times at once"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a check ran concurrently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Concurrency {
    /// In parallel: in threads of a [`Kit`](super::Kit), or in tasks of an [`AsyncKit`](super::AsyncKit) that the
    /// runtime spawned.
    Threads,
    /// As tasks of one future, which take turns wherever one waits.
    Tasks,
    /// In several processes.
    Processes,
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "threads",
            Self::Tasks => "tasks",
            Self::Processes => "processes",
        })
    }
}
