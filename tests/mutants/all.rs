//! Every test of the library in one program, so that a mutant costs one link and not twenty.
#[path = "../advisories/main.rs"]
mod advisories;
#[path = "../budgets.rs"]
mod budgets;
#[path = "../debug.rs"]
mod debug;
#[path = "../doors.rs"]
mod doors;
#[path = "../edges.rs"]
mod edges;
#[path = "../gates.rs"]
mod gates;
#[path = "../golden.rs"]
mod golden;
#[path = "../guessing.rs"]
mod guessing;
#[path = "../invariants.rs"]
mod invariants;
#[path = "../journey.rs"]
mod journey;
#[path = "../locks.rs"]
mod locks;
#[path = "../presets.rs"]
mod presets;
#[path = "../races.rs"]
mod races;
#[path = "../races_async.rs"]
mod races_async;
#[path = "../records.rs"]
mod records;
#[path = "../rotation.rs"]
mod rotation;
#[path = "../sessions.rs"]
mod sessions;
#[path = "../shown.rs"]
mod shown;
#[path = "../standalone.rs"]
mod standalone;
#[path = "../wire.rs"]
mod wire;
