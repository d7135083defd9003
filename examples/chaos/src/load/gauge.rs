//! What the servers say of themselves: their metrics, and the processor time that the kernel gives them.

use std::{ops::Sub, time::Duration};

use countersign_chaos::{client::Client, faults::Server};

/// Ticks of the kernel's accounts in a second: what Linux shows to every process.
const TICKS: f64 = 100.0;

/// What was counted so far, of one server or of all.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Reading {
    /// Requests of the API, and the time until they were answered.
    pub(crate) requests: f64,
    pub(crate) request_seconds: f64,
    /// Calls of the library, and the time in them: those of the outbox's worker, too.
    pub(crate) core_calls: f64,
    pub(crate) core_seconds: f64,
    /// The time to read and to write the stored form of records.
    pub(crate) record_seconds: f64,
    /// The processor time of the process.
    pub(crate) cpu_seconds: f64,
}

impl Reading {
    /// Of all servers together.
    pub(crate) async fn take(servers: &[Server]) -> Result<Self, String> {
        let mut all = Self::default();
        for server in servers {
            let mut client = Client::new(server.address, Duration::from_secs(5));
            let text = client.page("/metrics").await.map_err(|failure| format!("no metrics: {failure:?}"))?;
            let one = Self::parse(&text).ok_or("the metrics cannot be read")?;
            let process = server.process().ok_or("a server has ended")?;
            all.requests += one.requests;
            all.request_seconds += one.request_seconds;
            all.core_calls += one.core_calls;
            all.core_seconds += one.core_seconds;
            all.record_seconds += one.record_seconds;
            all.cpu_seconds += cpu_seconds(&process.to_string())?;
        }
        Ok(all)
    }

    /// A page of metrics. The requests are those of the API alone.
    fn parse(text: &str) -> Option<Self> {
        let mut reading = Self::default();
        let (mut core, mut record) = (false, false);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ')?;
            let value: f64 = value.parse().ok()?;
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let of_the_api = ["route=\"/oauth/", "route=\"/mfa/"].iter().any(|route| labels.contains(route));
            match name {
                "countersign_http_request_duration_seconds_count" if of_the_api => reading.requests += value,
                "countersign_http_request_duration_seconds_sum" if of_the_api => {
                    reading.request_seconds += value
                }
                "countersign_core_call_duration_seconds_count" => reading.core_calls = value,
                "countersign_core_call_duration_seconds_sum" => (reading.core_seconds, core) = (value, true),
                "countersign_record_coding_duration_seconds_sum" => {
                    (reading.record_seconds, record) = (value, true)
                }
                _ => {}
            }
        }
        (core && record).then_some(reading)
    }
}

impl Sub for Reading {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            request_seconds: self.request_seconds - before.request_seconds,
            core_calls: self.core_calls - before.core_calls,
            core_seconds: self.core_seconds - before.core_seconds,
            record_seconds: self.record_seconds - before.record_seconds,
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
        }
    }
}

/// The processor time of a process, its threads included; `self` is this one.
pub(crate) fn cpu_seconds(process: &str) -> Result<f64, String> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name, in parentheses, may hold spaces; what comes after it are fields 3 and on.
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|ticks| ticks.parse::<f64>().ok());
    match (ticks(14), ticks(15)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err(format!("{path} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::Reading;

    const PAGE: &str = "# HELP x y\n\
        countersign_http_request_duration_seconds_sum{method=\"POST\",route=\"/oauth/token\",status=\"200\"} 2\n\
        countersign_http_request_duration_seconds_count{method=\"POST\",route=\"/oauth/token\",status=\"200\"} 8\n\
        countersign_http_request_duration_seconds_sum{method=\"POST\",route=\"/mfa/challenge\",status=\"200\"} 0.5\n\
        countersign_http_request_duration_seconds_count{method=\"POST\",route=\"/mfa/challenge\",status=\"200\"} 4\n\
        countersign_http_request_duration_seconds_count{method=\"GET\",route=\"/metrics\",status=\"200\"} 100\n\
        countersign_core_call_duration_seconds_sum 0.003\ncountersign_core_call_duration_seconds_count 20\ncountersign_record_coding_duration_seconds_sum 0.001\n";

    #[test]
    fn the_requests_of_the_api_are_added_up() {
        let reading = Reading::parse(PAGE);
        let reading = reading.map(|of| (of.requests, of.request_seconds, of.core_calls, of.core_seconds));
        assert_eq!(reading, Some((12.0, 2.5, 20.0, 0.003)));
    }

    #[test]
    fn a_page_without_the_core_is_none() {
        assert!(Reading::parse(&PAGE.replace("core_call_duration_seconds_sum", "other")).is_none());
    }
}
