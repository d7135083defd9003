//! The conformance kit: correct stores pass, and each incorrect one fails the check that is for it, with a report that
//! says how to fix it.

mod compare_and_swap;
mod concurrency;
mod contents;
mod correct_stores;
mod outboxes;
mod processes;
mod records;
mod steps;
mod stores;
