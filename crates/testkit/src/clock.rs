//! Cases by the clock, under criterion. It must never decide whether a time is good: a clock on a busy machine cannot.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};

use crate::meter::Meter;

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
