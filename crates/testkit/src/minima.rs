//! Cases by the clock, so that noise cannot decide: the least of many short batches, in one process, interleaved with
//! the batches of everything that they are compared with. It must never compare times of different processes.
//!
//! What disturbs a batch makes it longer, and never shorter: with enough batches one of them was left alone, on a busy
//! machine as on a quiet one. What two cases have in common, such as the clock's frequency, is gone from their ratio.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use crate::meter::Meter;

/// How often everything is measured, one case after the other.
pub const ROUNDS: usize = 400;

/// Batches of a case in each round, after one that warms up.
const BATCHES: usize = 4;

/// Few inputs at a time, so that they are in the cache as a record is that was just decoded, and enough for the clock.
const BATCH: usize = 16;

/// The least time of each case so far, in nanoseconds.
#[derive(Default)]
pub struct Minima {
    group: &'static str,
    least: BTreeMap<String, f64>,
}

impl Minima {
    /// Measures the cases of one group, a few batches each.
    pub fn group(&mut self, name: &'static str, cases: impl FnOnce(&mut Self)) {
        self.group = name;
        cases(self);
    }

    /// The least time of each case by its name, in nanoseconds.
    pub const fn least(&self) -> &BTreeMap<String, f64> {
        &self.least
    }

    /// Notes a time of a case, of `count` calls.
    fn note(&mut self, name: &str, spent: Duration, count: usize) {
        let each = spent.as_nanos() as f64 / count as f64;
        let least = self.least.entry(format!("{}/{name}", self.group)).or_insert(f64::INFINITY);
        *least = least.min(each);
    }

    /// A case of milliseconds: one call in a round.
    pub fn slow<O>(&mut self, name: &str, routine: impl FnOnce() -> O) {
        let begun = Instant::now();
        black_box(routine());
        self.note(name, begun.elapsed(), 1);
    }
}

impl Meter for Minima {
    fn case<S>(&mut self, name: &str, mut setup: impl FnMut() -> S, mut routine: impl FnMut(&mut S)) {
        let mut states: [Option<S>; BATCH] = std::array::from_fn(|_| None);
        for batch in 0..=BATCHES {
            states.iter_mut().for_each(|state| *state = Some(setup()));
            let begun = Instant::now();
            for state in states.iter_mut().flatten() {
                routine(black_box(state));
            }
            black_box(&mut states);
            let spent = begun.elapsed();
            states.iter_mut().for_each(|state| *state = None);
            if batch > 0 {
                self.note(name, spent, BATCH);
            }
        }
    }
}

/// Measures all rounds, and prints the least times as JSON.
///
/// `cases` runs everything that is to be compared, once a round.
pub fn print(mut cases: impl FnMut(&mut Minima)) {
    let mut minima = Minima::default();
    (0..ROUNDS).for_each(|_| cases(&mut minima));
    println!("{}", serde_json::to_string_pretty(minima.least()).expect("names and numbers"));
}
