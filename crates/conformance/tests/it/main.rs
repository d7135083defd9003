//! The conformance kit: right stores pass, and each wrong one is caught by the check that is for it, with words that say
//! what to mend.

mod compare_and_swap;
mod concurrency;
mod correct_stores;
mod outboxes;
mod processes;
mod records;
mod steps;
mod stores;
