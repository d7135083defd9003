//! What a step gives back: a verdict, effects, and an audit event, all sealed until the record is stored. None of
//! them may ever be read before.

pub(crate) mod audit;
pub(crate) mod denial;
pub(crate) mod drive;
pub(crate) mod effect;
pub(crate) mod effect_id;
pub(crate) mod end_sessions;
pub(crate) mod issue_token;
pub(crate) mod notify;
pub(crate) mod send;
pub(crate) mod step;
pub(crate) mod store;
