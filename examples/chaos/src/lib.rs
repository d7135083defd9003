//! What both drivers of the reference host share: users and their journeys, the servers that they go to, the mail
//! that comes back, and the ledger that is kept outside.
//!
//! `countersign-chaos` does faults to the servers and holds them to their promises; `countersign-load` starts
//! journeys on a schedule and says what they cost.

pub mod client;
pub mod faults;
pub mod journey;
pub mod ledger;
pub mod smtp;
pub mod users;
