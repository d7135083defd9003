//! The figures of one run, and whether they are as they must be.

use std::sync::PoisonError;

use countersign_chaos::journey::{Kind, Tally};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{gauge::Reading, schedule::Course};

/// How many of the things that went wrong are told one by one.
const SHOWN: usize = 5;

#[derive(Serialize)]
pub(crate) struct Figures {
    /// Journeys that were to begin in a second.
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    pub(crate) begun: usize,
    pub(crate) most_under_way: usize,
    /// Too many were under way at once, and no more were begun.
    pub(crate) overrun: bool,
    pub(crate) journeys_per_second: f64,
    pub(crate) requests_per_second: f64,
    /// Of journeys, behind the schedule.
    pub(crate) lag: Times,
    /// Of journeys, from when they were due.
    pub(crate) journeys: Times,
    /// Of requests.
    pub(crate) all: Times,
    pub(crate) kinds: Vec<(&'static str, Times)>,
    /// Of messages, from the acknowledgement.
    pub(crate) mail: Times,
    pub(crate) stops: Vec<String>,
    /// What the servers counted.
    pub(crate) served: f64,
    pub(crate) core_calls: f64,
    pub(crate) core_us_per_request: f64,
    pub(crate) record_us_per_request: f64,
    /// The library's time as a part of the time that requests took in the servers, waiting included.
    pub(crate) core_of_requests: f64,
    /// The same as a part of the servers' processor time. The library's own is taken by the clock, so this is an upper
    /// bound: it counts whatever came in between.
    pub(crate) core_of_cpu: f64,
    pub(crate) record_of_requests: f64,
    /// Processors that were kept busy, by the servers and by this driver.
    pub(crate) server_cpus: f64,
    pub(crate) driver_cpus: f64,
}

/// How often something was, and how long it took.
#[derive(Serialize)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

pub(crate) struct Verdict {
    /// Empty if all is well.
    pub(crate) wrong: Vec<String>,
}

impl Figures {
    pub(crate) fn new(rate: f64, course: &Course, tally: &Tally, counted: Reading, driver_cpu: f64) -> Self {
        let kinds = tally.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seconds = course.took.as_secs_f64();
        let all = Times::new(&tally.latencies(), kinds.values().map(|kind| kind.errors).sum());
        let mail = tally.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let per_request = |seconds: f64| ratio(seconds, counted.requests) * 1e6;
        Self {
            rate,
            seconds,
            begun: course.begun,
            most_under_way: course.most,
            overrun: course.overrun,
            journeys_per_second: ratio(float(course.journeys.len()), seconds),
            requests_per_second: ratio(float(all.count), seconds),
            lag: Times::new(&course.lag, 0),
            journeys: Times::new(&course.journeys, u64::try_from(course.stops.len()).unwrap_or(u64::MAX)),
            kinds: kinds.iter().map(|(name, kind)| (*name, Times::of(kind))).collect(),
            all,
            mail: Times::of(&mail),
            stops: course.stops.clone(),
            served: counted.requests,
            core_calls: counted.core_calls,
            core_us_per_request: per_request(counted.core_seconds),
            record_us_per_request: per_request(counted.record_seconds),
            core_of_requests: ratio(counted.core_seconds, counted.request_seconds),
            core_of_cpu: ratio(counted.core_seconds, counted.cpu_seconds),
            record_of_requests: ratio(counted.record_seconds, counted.request_seconds),
            server_cpus: ratio(counted.cpu_seconds, seconds),
            driver_cpus: ratio(driver_cpu, seconds),
        }
    }

    /// Whether the servers kept up with the schedule.
    pub(crate) fn is_sustained(&self, p99: f64, lag: f64, mail: f64) -> bool {
        !self.overrun
            && self.stops.is_empty()
            && self.all.errors == 0
            && self.all.p99_ms <= p99
            && self.lag.p99_ms <= lag
            && self.mail.p99_ms <= mail
    }

    pub(crate) fn judge(&self, bound: f64, violations: &[String]) -> Verdict {
        let mut wrong = Vec::new();
        let mut need = |well: bool, what: String| {
            if !well {
                wrong.push(what);
            }
        };
        let shown = |all: &[String]| all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
        let errors = self.all.errors;
        need(errors == 0, format!("{errors} requests had no answer, or a 5xx"));
        let stops = &self.stops;
        need(stops.is_empty(), format!("{} journeys came to no end: {}", stops.len(), shown(stops)));
        need(violations.is_empty(), format!("the ledger says {}: {}", violations.len(), shown(violations)));
        need(!self.overrun, format!("{} journeys were under way at once", self.most_under_way));
        let (sent, served) = (self.all.count, self.served);
        need(float(sent) == served, format!("{sent} requests were sent, and the servers counted {served}"));
        // Every request but the few that are refused beforehand makes at least one call.
        need(
            sent > 0 && self.core_calls >= served,
            format!("{} calls of the core were counted", self.core_calls),
        );
        let share = self.core_of_requests;
        need(
            share < bound,
            format!("the core is {:.3} % of the requests, of {:.3} % at most", share * 100.0, bound * 100.0),
        );
        Verdict { wrong }
    }

    pub(crate) fn print(&self) {
        println!(
            "{:.1} journeys/s due; in {:.1} s {} were begun, at most {} under way at once",
            self.rate, self.seconds, self.begun, self.most_under_way
        );
        println!(
            "\n{:<22} {:>8} {:>7} {:>10} {:>10} {:>10}",
            "", "count", "errors", "p50 ms", "p99 ms", "max ms"
        );
        let rows =
            [("all requests", &self.all), ("message arrives", &self.mail), ("journey", &self.journeys)];
        let kinds = self.kinds.iter().map(|(name, times)| (*name, times));
        for (name, times) in kinds.chain(rows).chain([("journey's lag", &self.lag)]) {
            println!(
                "{name:<22} {:>8} {:>7} {:>10.2} {:>10.2} {:>10.2}",
                times.count, times.errors, times.p50_ms, times.p99_ms, times.max_ms
            );
        }
        println!(
            "\nthroughput             {:.1} requests/s, {:.1} journeys/s",
            self.requests_per_second, self.journeys_per_second
        );
        println!(
            "core                   {:.3} % of the requests' time, {:.3} % of the servers' processor time, {:.1} µs a request",
            self.core_of_requests * 100.0,
            self.core_of_cpu * 100.0,
            self.core_us_per_request
        );
        println!(
            "records, to and from JSON  {:.3} % of the requests' time, {:.1} µs a request",
            self.record_of_requests * 100.0,
            self.record_us_per_request
        );
        println!(
            "busy processors        servers {:.2}, this driver {:.2}",
            self.server_cpus, self.driver_cpus
        );
    }
}

impl Times {
    fn new(micros: &Histogram<u64>, errors: u64) -> Self {
        let ms = |micros: u64| float(micros) / 1_000.0;
        Self {
            count: micros.len(),
            errors,
            p50_ms: ms(micros.value_at_quantile(0.5)),
            p99_ms: ms(micros.value_at_quantile(0.99)),
            max_ms: ms(micros.max()),
        }
    }

    fn of(kind: &Kind) -> Self {
        Self::new(&kind.latencies, kind.errors)
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Exact: no count here comes near 2^52.
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_chaos::journey::{Kind, Tally, microseconds};

    use super::Figures;
    use crate::{gauge::Reading, schedule::Course};

    const WELL: Reading = Reading {
        requests: 4.0,
        request_seconds: 1.0,
        core_calls: 8.0,
        core_seconds: 0.01,
        record_seconds: 0.01,
        cpu_seconds: 0.5,
    };

    /// What is wrong about four requests, and about what the servers counted of them.
    fn wrong(counted: Reading, errors: u64, overrun: bool, violations: &[String]) -> Vec<String> {
        let mut latencies = microseconds();
        let _ = latencies.record_n(1_000, 4);
        let tally = Tally::default();
        tally.kinds.lock().map(|mut kinds| kinds.insert("challenge", Kind { latencies, errors })).ok();
        let course = Course {
            took: Duration::from_secs(1),
            begun: 1,
            most: 1,
            overrun,
            lag: microseconds(),
            journeys: microseconds(),
            stops: Vec::new(),
        };
        Figures::new(1.0, &course, &tally, counted, 0.0).judge(0.02, violations).wrong
    }

    #[test]
    fn each_fault_is_told() {
        assert!(wrong(WELL, 0, false, &[]).is_empty());
        let told = |wrong: Vec<String>, what: &str| matches!(wrong.as_slice(), [one] if one.contains(what));
        assert!(told(wrong(WELL, 1, false, &[]), "1 requests had no answer"));
        assert!(told(wrong(WELL, 0, true, &[]), "under way at once"));
        assert!(told(wrong(WELL, 0, false, &["a second token".to_owned()]), "a second token"));
        assert!(told(wrong(Reading { requests: 3.0, ..WELL }, 0, false, &[]), "the servers counted 3"));
        assert!(told(wrong(Reading { core_calls: 0.0, ..WELL }, 0, false, &[]), "0 calls of the core"));
        assert!(told(wrong(Reading { core_seconds: 0.02, ..WELL }, 0, false, &[]), "the core is 2.000 %"));
    }
}
