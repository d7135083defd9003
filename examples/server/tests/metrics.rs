//! `/metrics` under Prometheus' conventions: names, units, help, counters that exist from the start, bounded labels.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeSet, net::TcpStream};

use common::{
    Server, eventually,
    exposition::{Family, read},
    json, wrong,
};

fn families(server: &Server) -> Vec<Family> {
    let reply = server.get("/metrics");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4"));
    read(&reply.text)
}

#[track_caller]
fn family<'a>(families: &'a [Family], name: &str) -> &'a Family {
    families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The value of a metric without labels.
#[track_caller]
fn value(server: &Server, name: &str) -> f64 {
    let families = families(server);
    let [sample] = &*family(&families, name).samples else { panic!("{name} has labels") };
    sample.value
}

/// H15: names broke the conventions of <https://prometheus.io/docs/practices/naming/>.
#[test]
fn the_metrics_follow_prometheus_conventions() {
    let server = Server::start();
    server.enroll();
    let families = families(&server);
    assert!(families.len() >= 20, "{}", families.len());
    for Family { name, kind, help, samples } in &families {
        assert!(name.starts_with("countersign_") || name.starts_with("process_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        for unit in [
            "_ms",
            "_millis",
            "_milliseconds",
            "_us",
            "_micros",
            "_kib",
            "_kb",
            "_mb",
            "_minutes",
            "_percent",
        ] {
            let stem = name.strip_suffix("_total").unwrap_or(name);
            assert!(
                !stem.ends_with(unit) && !name.contains(&format!("{unit}_")),
                "{name}: base units are seconds and bytes"
            );
        }
        if kind == "histogram" {
            assert!(name.ends_with("_seconds"), "{name}");
        }
        assert!(
            help.len() > 15 && help.ends_with('.') && help.starts_with(|first: char| first.is_uppercase()),
            "{name}: {help}"
        );
        assert!(!samples.is_empty(), "{name} has no sample");
        let labels: BTreeSet<_> = samples.iter().flat_map(|sample| sample.labels.keys()).collect();
        assert!(!name.split('_').any(|word| labels.contains(&word.to_owned())), "{name} repeats a label");
    }
    let build = family(&families, "countersign_build_info");
    assert_eq!((build.samples.len(), build.samples[0].value), (1, 1.0));
    assert_eq!(build.samples[0].labels["version"], env!("CARGO_PKG_VERSION"));
    for name in
        ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "process_max_fds"]
    {
        assert!(family(&families, name).samples[0].value > 0.0, "{name}");
    }
    assert_eq!(family(&families, "process_cpu_seconds_total").kind, "counter");
    assert!(family(&families, "countersign_database_connections_max").samples[0].value > 1.0);
    let pool = family(&families, "countersign_database_connections");
    let states: BTreeSet<_> = pool.samples.iter().map(|sample| sample.labels["state"].as_str()).collect();
    assert_eq!(states, BTreeSet::from(["idle", "used"]));
}

/// H15: a counter appeared with its first event, so an alert on its growth missed that one.
#[test]
fn counters_exist_before_the_first_event_and_no_event_adds_one() {
    let server = Server::start();
    let counters = |families: &[Family]| -> Vec<_> {
        let counters = families.iter().filter(|family| family.kind == "counter");
        let series = counters.flat_map(|family| family.samples.iter());
        series
            .map(|sample| (sample.name.clone(), sample.labels.clone()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let at_first = families(&server);
    let unused = [
        "countersign_messages_total",
        "countersign_second_factor_decisions_total",
        "countersign_administrator_acts_total",
    ];
    for name in unused {
        assert!(family(&at_first, name).samples.iter().all(|sample| sample.value == 0.0), "{name}");
    }
    // Right and wrong ones, of many kinds.
    server.enroll();
    let token = server.mfa_token();
    let challenged = server.challenge(&token);
    server.answer(&token, &challenged.body["oob_code"], &wrong(&server.code(2)));
    server.answer(&token, &json!("no code"), "no code");
    server.recover(&token, "no code");
    server.recover(&token, "AAAAAAAAAAAAAAAAAAAAAAAAAA");
    server.associate(&token, "other@example.com");
    server.associate("no.token.atall", "other@example.com");
    server.post("/oauth/token", &json!({ "grant_type": "password", "client_id": "nobody" }));
    server.send("POST", "/oauth/token", &[("Content-Type", "text/plain")], "x");
    eventually("messages", || {
        server.get("/metrics").text.contains("kind=\"code\",result=\"sent\"} 2\n").then_some(())
    });
    assert_eq!(counters(&families(&server)), counters(&at_first));
}

/// The names of the core's denials, so that each has its counter from the start.
#[test]
fn every_denial_of_the_core_has_its_counter() {
    let source = include_str!("../../../src/outcome/denial.rs");
    let body = source.split_once("pub const fn code(&self)").unwrap().1.split_once("\n    }\n").unwrap().0;
    let mut known: BTreeSet<_> = body.split('"').skip(1).step_by(2).collect();
    assert!(known.len() >= 29, "{known:?}");
    known.insert("accepted");
    // Why a message was withheld from an ask, which is answered like any other.
    assert!(include_str!("../../../src/command/address_verifier.rs").contains("\"absent_address\""));
    known.insert("absent_address");
    let families = families(&Server::start());
    let decisions = family(&families, "countersign_second_factor_decisions_total");
    let counted: BTreeSet<_> =
        decisions.samples.iter().map(|sample| sample.labels["reason"].as_str()).collect();
    assert_eq!(counted, known);
    let commands: BTreeSet<_> =
        decisions.samples.iter().map(|sample| sample.labels["command"].as_str()).collect();
    assert_eq!(decisions.samples.len(), commands.len() * known.len());
}

/// H15: nobody could see how many connections were open.
#[test]
fn gauges_rise_and_fall_with_what_they_count() {
    let server = Server::start();
    let open = || value(&server, "countersign_http_connections_open");
    // The one that asks.
    eventually("one connection", || (open() == 1.0).then_some(()));
    let idle: Vec<_> = (0..3).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    eventually("four connections", || (open() == 4.0).then_some(()));
    drop(idle);
    eventually("one connection again", || (open() == 1.0).then_some(()));
    assert_eq!(value(&server, "countersign_http_requests_in_flight"), 1.0);
}
