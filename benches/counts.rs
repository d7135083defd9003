//! The cases once more, to have their instructions counted by callgrind. `benches/counts.py` runs this; by itself it only
//! prints the names of the cases in their order. With the argument `slower` each does one HMAC more: the control.

use std::hint::black_box;

use countersign_testkit::{cases, floor::Floor, login::Bare, meter::Meter};

struct Counter {
    group: &'static str,
    extra: Option<Floor>,
}

impl Meter for Counter {
    fn case<S>(&mut self, name: &str, mut setup: impl FnMut() -> S, mut routine: impl FnMut(&mut S)) {
        // Once before, so that whatever happens only once has happened.
        routine(&mut setup());
        let mut state = setup();
        match &self.extra {
            None => counted_operation(&mut state, &mut routine),
            Some(floor) => counted_operation(&mut state, &mut |state| {
                black_box(floor.check());
                routine(state);
            }),
        }
        println!("{}/{name}", self.group);
    }
}

/// What callgrind collects in; the name is what `benches/counts.py` looks for.
#[inline(never)]
fn counted_operation<S>(state: &mut S, routine: &mut impl FnMut(&mut S)) {
    routine(black_box(state));
}

fn main() {
    let extra = std::env::args().any(|argument| argument == "slower").then(|| Bare::asked().floor());
    let mut counter = Counter { group: "verification", extra };
    cases::verification(&mut counter);
    counter.group = "issue";
    cases::issue(&mut counter);
    counter.group = "scaling";
    cases::scaling(&mut counter);
}
