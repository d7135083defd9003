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

/// Something that measures a case: what `setup` gives is what the host brings, and what `routine` gives is what the host
/// keeps; neither making the one nor dropping the other is measured.
pub trait Meter {
    fn case<I, O>(&mut self, name: &str, setup: impl FnMut() -> I, routine: impl FnMut(I) -> O);
}

/// Measures time.
pub struct Clock<'a>(BenchmarkGroup<'a, WallTime>);

impl Meter for Clock<'_> {
    fn case<I, O>(&mut self, name: &str, mut setup: impl FnMut() -> I, mut routine: impl FnMut(I) -> O) {
        self.0.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let (mut spent, mut left) = (Duration::ZERO, iterations);
                let mut inputs: [Option<I>; BATCH] = std::array::from_fn(|_| None);
                let mut outputs: [Option<O>; BATCH] = std::array::from_fn(|_| None);
                while left > 0 {
                    let count = usize::try_from(left).map_or(BATCH, |left| left.min(BATCH));
                    inputs.iter_mut().take(count).for_each(|input| *input = Some(setup()));
                    let begun = Instant::now();
                    for (input, output) in inputs.iter_mut().zip(&mut outputs) {
                        let Some(input) = black_box(input.take()) else { break };
                        *output = Some(routine(input));
                    }
                    black_box(&mut outputs);
                    spent += begun.elapsed();
                    outputs.iter_mut().for_each(|output| *output = None);
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
