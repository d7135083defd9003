//! Effects: what the host carries out once the record is stored.
//!
//! An effect is a plain value with typed data: no text, no link, no template. Each has an id that is the same whenever
//! the same effect is computed again, so that carrying one out twice can be noticed. A [`Message`] holds a code and so
//! cannot be serialised; its [`Descriptor`](crate::effect::Descriptor) holds none and can be stored with the record.

use crate::outcome::{end_sessions::EndSessions, issue_token::IssueToken, notify::Notify, send::Message};

/// What the host has to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send a message by its destination's channel. Report a failure with
    /// [`report_delivery`](crate::Verifier::report_delivery).
    Send(Message),
    /// Answer the client with a token.
    IssueToken(IssueToken),
    /// Tell the account's holder.
    Notify(Notify),
    /// End the host's own sessions of this account.
    EndSessions(EndSessions),
}
