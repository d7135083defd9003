//! Effects: what the host carries out once the record is stored.
//!
//! An effect is a plain value with typed data: no text, no link, no template. Each has an id that is the same whenever
//! the same effect is computed again, so that carrying one out twice can be noticed. [`SendEmail`] holds a code and so
//! cannot be serialised; its [`Descriptor`] holds none and can be stored with the record.

use crate::outcome::{issue_token::IssueToken, notify::Notify, send::SendEmail};

/// What the host has to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send a code. Report a failure with [`report_delivery`](crate::Verifier::report_delivery).
    SendEmail(SendEmail),
    /// Answer the client with a token.
    IssueToken(IssueToken),
    /// Tell the account's holder.
    Notify(Notify),
}
