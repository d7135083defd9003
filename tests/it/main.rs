//! The tests of the library through its public face, a module a subject. One program, so that a change costs one link.

mod advisories;
mod bounds;
mod budgets;
mod display;
mod drive;
mod edge_cases;
mod factors;
mod first_factor_only;
mod formats;
mod guess_probability;
mod invariants;
mod journey;
mod lockout;
mod preconditions;
mod presets;
mod public_paths;
mod races;
mod races_async;
mod redaction;
mod rooms;
mod rotation;
mod sessions;
mod standalone;
mod stored_form;
mod tampered_records;
mod wire;
