//! A strict reader of Prometheus' text format, version 0.0.4: it panics at whatever the format does not admit.

use std::collections::{BTreeMap, BTreeSet};

/// A metric and its samples.
#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The families of a page, in its order. Each has its HELP, then its TYPE, then its samples, all in one place.
#[track_caller]
pub fn read(text: &str) -> Vec<Family> {
    assert!(text.ends_with('\n'), "the last line ends with a line feed");
    let mut families: Vec<Family> = Vec::new();
    let mut help: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').unwrap_or_else(|| panic!("no help in {line}"));
            assert!(help.is_none(), "two HELP lines before a TYPE: {line}");
            assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
            help = Some((name.to_owned(), words.to_owned()));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type in {line}"));
            let (of, words) = help.take().unwrap_or_else(|| panic!("no HELP for {name}"));
            assert_eq!(of, name);
            assert!(is_name(name, true), "{name}");
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            families.push(Family { name: of, kind: kind.to_owned(), help: words, samples: Vec::new() });
        } else {
            let sample = sample(line);
            let family = families.last_mut().unwrap_or_else(|| panic!("no TYPE for {line}"));
            let suffix = sample.name.strip_prefix(&family.name);
            let admitted: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffix.is_some_and(|suffix| admitted.contains(&suffix)), "{line} in {}", family.name);
            family.samples.push(sample);
        }
    }
    assert!(help.is_none(), "a HELP without a TYPE: {help:?}");
    families.iter().for_each(check);
    families
}

/// What holds for the samples of a family together.
fn check(family: &Family) {
    let series: BTreeSet<_> = family.samples.iter().map(|sample| (&sample.name, &sample.labels)).collect();
    assert_eq!(series.len(), family.samples.len(), "a series of {} comes twice", family.name);
    if family.kind == "counter" {
        assert!(family.samples.iter().all(|sample| sample.value >= 0.0), "{family:?}");
    }
    let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for bucket in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = bucket.labels.clone();
        let bound = labels.remove("le").unwrap_or_else(|| panic!("no bound: {bucket:?}"));
        buckets.entry(labels).or_default().push((number(&bound), bucket.value));
    }
    for (labels, buckets) in buckets {
        let rising = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        assert!(rising, "{} {labels:?} {buckets:?}", family.name);
        let of = |name: &str| {
            let name = format!("{}{name}", family.name);
            family
                .samples
                .iter()
                .find(|sample| sample.name == name && sample.labels == labels)
                .map(|s| s.value)
        };
        assert_eq!(buckets.last().copied(), of("_count").map(|count| (f64::INFINITY, count)));
        assert!(of("_sum").is_some());
    }
}

fn sample(line: &str) -> Sample {
    let bad = || -> ! { panic!("no sample: {line:?}") };
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| bad());
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => {
            let mut rest = rest.strip_suffix('}').unwrap_or_else(|| bad());
            let mut labels = BTreeMap::new();
            while !rest.is_empty() {
                let (label, after) = rest.split_once("=\"").unwrap_or_else(|| bad());
                assert!(is_name(label, false), "{line}");
                // No value here needs an escape: a backslash would be one.
                let (value, after) = after.split_once('"').unwrap_or_else(|| bad());
                assert!(!value.contains('\\'), "{line}");
                assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
                rest = match after.strip_prefix(',') {
                    Some(more) if !more.is_empty() => more,
                    None if after.is_empty() => "",
                    Some(_) | None => bad(),
                };
            }
            (name, labels)
        }
    };
    assert!(is_name(name, true), "{line}");
    Sample { name: name.to_owned(), labels, value: number(value) }
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ => {
            assert!(
                text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)),
                "{text}"
            );
            text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
        }
    }
}

fn is_name(text: &str, of_metric: bool) -> bool {
    let admitted = |c: char| c.is_ascii_alphanumeric() || c == '_' || (of_metric && c == ':');
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(admitted)
}
