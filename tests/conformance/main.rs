//! The conformance kit: right stores pass, and each wrong one is caught by the check that is for it, with words that say
//! what to mend.

mod outboxes;
mod processes;
mod requests;
mod right;
mod rows;
mod shapes;
mod stores;
mod timing;
