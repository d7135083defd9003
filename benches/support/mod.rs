//! What the benches share: accounts to measure on, the floors to measure against, and the cases, each written once and
//! measured by criterion in time and by callgrind in instructions.
#![allow(dead_code, reason = "each bench uses its part")]

pub mod cases;
pub mod fixture;
pub mod floor;
#[path = "../../tests/support/mod.rs"]
pub mod world;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};

/// Something that measures a case: what `setup` gives is what the host has, `routine` works on it and leaves in it what the
/// host keeps. Neither making the one nor dropping the other is measured.
pub trait Meter {
    fn case<S>(&mut self, name: &str, setup: impl FnMut() -> S, routine: impl FnMut(&mut S));

    /// A case that needs nothing and keeps its result.
    fn call<O>(&mut self, name: &str, mut routine: impl FnMut() -> O) {
        self.case(name, || None, |kept| *kept = Some(routine()));
    }

    /// A case that consumes what it is given and keeps its result.
    fn consume<I, O>(&mut self, name: &str, mut setup: impl FnMut() -> I, mut routine: impl FnMut(I) -> O) {
        self.case(name, || (Some(setup()), None), |(given, kept)| *kept = given.take().map(&mut routine));
    }
}

/// Measures time.
pub struct Clock<'a>(BenchmarkGroup<'a, WallTime>);

impl Meter for Clock<'_> {
    fn case<S>(&mut self, name: &str, mut setup: impl FnMut() -> S, mut routine: impl FnMut(&mut S)) {
        self.0.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let (mut spent, mut left) = (Duration::ZERO, iterations);
                let mut states: [Option<S>; BATCH] = std::array::from_fn(|_| None);
                while left > 0 {
                    let count = usize::try_from(left).map_or(BATCH, |left| left.min(BATCH));
                    states.iter_mut().take(count).for_each(|state| *state = Some(setup()));
                    let begun = Instant::now();
                    for state in states.iter_mut().flatten() {
                        routine(black_box(state));
                    }
                    black_box(&mut states);
                    spent += begun.elapsed();
                    states.iter_mut().for_each(|state| *state = None);
                    left -= u64::try_from(count).expect("a small number");
                }
                spent
            });
        });
    }
}

/// Few inputs at a time, so that they are in the cache as a record is that was just decoded, and enough for the clock.
const BATCH: usize = 8;

/// Times one group of cases.
pub fn time(criterion: &mut Criterion, group: &str, cases: impl FnOnce(&mut Clock<'_>)) {
    let mut clock = Clock(criterion.benchmark_group(group));
    clock
        .0
        .sample_size(60)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    cases(&mut clock);
    clock.0.finish();
}
