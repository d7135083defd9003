//! When journeys begin, and whose they are. Nothing here may ever wait for a journey to end before the next begins.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum;
use countersign_chaos::{
    journey::{Journey, Person, Stop, World, microseconds},
    ledger::Answer,
    users::USERS,
};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

/// Journeys of one user: an enrollment, then codes by mail, in the middle of them the recovery code.
const JOURNEYS_EACH: usize = 8;
/// With so many under way at once nobody can speak of a schedule any more, and the servers have a limit of connections.
const MOST_UNDER_WAY: usize = 700;

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrivals {
    /// At random, as independent users come.
    Poisson,
    /// Evenly.
    Constant,
}

/// How many journeys begin, when, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Journeys in a second.
    pub(crate) rate: f64,
    pub(crate) seconds: Duration,
    pub(crate) arrivals: Arrivals,
    /// Whether the servers are made to fail in the middle.
    pub(crate) sabotage: bool,
}

/// What became of a plan.
pub(crate) struct Course {
    /// From the first moment that was due to the last answer.
    pub(crate) took: Duration,
    pub(crate) begun: usize,
    /// The most that were under way at once.
    pub(crate) most: usize,
    /// Whether the plan was broken off because too many were under way.
    pub(crate) overrun: bool,
    /// How far behind the schedule journeys began, in microseconds.
    pub(crate) lag: Histogram<u64>,
    /// How long they took, from when they were due, in microseconds.
    pub(crate) journeys: Histogram<u64>,
    /// Those that did not come to their end.
    pub(crate) stops: Vec<String>,
}

/// The users who have enrolled and are not signing in just now.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<Shared>);

#[derive(Default)]
struct Shared {
    met: AtomicUsize,
    resting: Mutex<VecDeque<(Person, usize)>>,
}

impl Crowd {
    /// Every eighth journey is a newcomer's; the others are of the user who has rested longest, if there is one.
    fn next(&self, number: usize) -> Option<(Person, usize)> {
        let rested = || self.0.resting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let known = if number.is_multiple_of(JOURNEYS_EACH) { None } else { rested() };
        known.or_else(|| {
            let met = self.0.met.fetch_add(1, Ordering::Relaxed);
            (met < USERS).then(|| (Person::new(met), 0))
        })
    }

    /// Lets a user rest, unless the user has done enough: the policy gives everybody only so many messages.
    fn rests(&self, person: Person, done: usize) {
        if done < JOURNEYS_EACH {
            self.0.resting.lock().unwrap_or_else(PoisonError::into_inner).push_back((person, done));
        }
    }
}

/// Begins journeys as planned and waits for the end of all. `halfway` is called once, in the middle.
pub(crate) async fn follow(
    plan: Plan,
    world: &Arc<World>,
    crowd: &Crowd,
    halfway: impl AsyncFnOnce() -> Result<(), String>,
) -> Result<Course, String> {
    let mut course = Course {
        took: Duration::ZERO,
        begun: 0,
        most: 0,
        overrun: false,
        lag: microseconds(),
        journeys: microseconds(),
        stops: Vec::new(),
    };
    let mut halfway = Some(halfway);
    let mut under_way = JoinSet::new();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let begun = Instant::now();
    let mut due = begun;
    while due.duration_since(begun) < plan.seconds {
        tokio::time::sleep_until(due.into()).await;
        if due.duration_since(begun) >= plan.seconds / 2
            && let Some(halfway) = halfway.take()
        {
            halfway().await?;
        }
        while let Some(ended) = under_way.try_join_next() {
            course.enter(ended)?;
        }
        if under_way.len() >= MOST_UNDER_WAY {
            course.overrun = true;
            break;
        }
        let (person, done) =
            crowd.next(course.begun).ok_or("there are no users left: make the run shorter")?;
        under_way.spawn(visit(Arc::clone(world), crowd.clone(), person, done, due));
        course.begun += 1;
        course.most = course.most.max(under_way.len());
        let gap = match plan.arrivals {
            Arrivals::Constant => 1.0,
            Arrivals::Poisson => -dice.throw().ln(),
        };
        due += Duration::from_secs_f64(gap / plan.rate);
    }
    while let Some(ended) = under_way.join_next().await {
        course.enter(ended)?;
    }
    course.took = begun.elapsed();
    Ok(course)
}

/// How one journey went.
struct Visit {
    lag: Duration,
    took: Duration,
    stop: Option<String>,
}

async fn visit(world: Arc<World>, crowd: Crowd, mut person: Person, done: usize, due: Instant) -> Visit {
    let lag = due.elapsed();
    let mut journey = Journey::new(&world, person.home).due(due);
    let answer = if done == JOURNEYS_EACH / 2 && person.recovery.is_some() {
        journey.recover(&mut person).await.map(|answer| answer.unwrap_or(Answer::Unavailable))
    } else {
        let wrong_ones = usize::from(done > 0 && person.throw(3) == 0);
        journey.prove(&mut person, wrong_ones).await.map(|(_, answer)| answer)
    };
    let stop = match answer {
        Ok(Answer::Token(_)) => None,
        Ok(answer) => Some(format!("{}: no token: {answer:?}", person.email)),
        Err(Stop::Limited { said, .. }) => Some(format!("{}: {said}", person.email)),
        Err(stop) => Some(format!("{}: {stop:?}", person.email)),
    };
    if stop.is_none() {
        crowd.rests(person, done + 1);
    }
    Visit { lag, took: due.elapsed(), stop }
}

impl Course {
    fn enter(&mut self, ended: Result<Visit, tokio::task::JoinError>) -> Result<(), String> {
        let Visit { lag, took, stop } = ended.map_err(|error| format!("the driver is at fault: {error}"))?;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let _ = self.lag.record(micros(lag));
        let _ = self.journeys.record(micros(took));
        self.stops.extend(stop);
        Ok(())
    }
}

/// The same throws in every run, so that schedules can be compared.
struct Dice(u64);

impl Dice {
    /// Above zero, and at most one.
    fn throw(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = u32::try_from(self.0 >> 32).unwrap_or(u32::MAX);
        (f64::from(high) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn throws_are_even_and_never_zero() {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        let throws: Vec<_> = (0..100_000).map(|_| dice.throw()).collect();
        assert!(throws.iter().all(|&throw| throw > 0.0 && throw <= 1.0));
        let mean = throws.iter().map(|throw| -throw.ln()).sum::<f64>() / 100_000.0;
        assert!((mean - 1.0).abs() < 0.02, "gaps of {mean} on average");
    }
}
