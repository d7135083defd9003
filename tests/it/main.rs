//! The tests of the library through its public face: those of one source file by its path in `src`, those of many by
//! their subject. One program, so that a change costs one link.

mod accounts;
mod advisories;
mod bounds;
mod budgets;
mod command;
mod devices;
mod display;
mod drive;
mod epoch;
mod fields;
mod formats;
mod four_codes;
mod guess_probability;
mod hardening;
mod interoperability;
mod invariants;
mod lockout;
mod policy;
mod presets;
mod public_paths;
mod races;
mod races_async;
mod record;
mod redaction;
mod rooms;
mod rotation;
mod session;
mod stored_form;
mod time_left;
mod transcript;
mod under_attack;
mod wire;
