//! An open-loop load on the reference host: journeys start on schedule whether or not earlier ones have finished.
//!
//! Journeys begin when they are due, whether or not earlier ones have ended, and the first request of each is timed
//! from that moment: a server that falls behind shows it. The servers count how long they work on requests, and how
//! long of that in the library; what they counted is held against what was sent. Exit 0 means that every answer was
//! the expected one, that the ledger has no violation, and that the library's share of the requests' time is below
//! the bound.
//!
//! Everything is on 127.0.0.1 and gone afterwards. `benches/host.py` builds all that is needed and takes the project's
//! figures.

mod figures;
mod gauge;
mod schedule;
mod setup;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    figures::{Figures, Verdict},
    schedule::{Arrivals, Crowd, Plan},
    setup::Setup,
};

/// How far journeys may begin behind the schedule, in milliseconds, at a rate that is called sustained.
const MOST_LAG: f64 = 50.0;
/// How long a message may take to come, in milliseconds, at such a rate: where mail piles up, journeys do, too.
const MOST_MAIL: f64 = 1_000.0;
/// How often the limit is looked for between a rate that was sustained and one that was not.
const HALVINGS: usize = 3;
/// How long each rate is tried while the limit is looked for, and how long the pause is before the next.
const TRIAL: Duration = Duration::from_secs(8);

#[derive(Parser)]
#[command(name = "countersign-load", about = "Puts an open-loop load on the reference host of countersign")]
struct Options {
    /// The server's binary: a release build, if the figures are to mean anything.
    #[arg(long, env = "LOAD_SERVER")]
    server: PathBuf,

    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,

    /// How many servers share the store.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    nodes: u8,

    /// Journeys that begin in a second; with --find-limit, the first rate that is tried.
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    rate: f64,

    /// How journeys are spaced.
    #[arg(long, value_enum, default_value_t = Arrivals::Poisson)]
    arrivals: Arrivals,

    /// How long they are counted, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,

    /// How long journeys go on before that, in seconds: they make the users who sign in later.
    #[arg(long, default_value_t = 5)]
    warm_up: u64,

    /// How much memory a password hash takes, in KiB; without it, what the server takes by default.
    #[arg(long)]
    argon2_memory: Option<u32>,

    /// Raise the rate until it is not sustained any more, then measure at a part of what was.
    #[arg(long)]
    find_limit: bool,

    /// The part of the limit at which is measured.
    #[arg(long, default_value_t = 0.25)]
    part: f64,

    /// The greatest 99th percentile of a request at a rate that is called sustained, in milliseconds.
    #[arg(long, default_value_t = 250.0)]
    p99: f64,

    /// The library's share of the requests' time must be below this.
    #[arg(long, default_value_t = 0.02)]
    bound: f64,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,

    /// Take the outbox's table away in the middle, so that the servers answer 500: that must be noticed.
    #[arg(long)]
    sabotage: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
enum Store {
    Sqlite,
    Postgres,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    store: Store,
    nodes: u8,
    argon2_memory: Option<u32>,
    /// At the greatest rate that was sustained, if it was looked for.
    limit: Option<&'a Figures>,
    measured: &'a Figures,
    bound: f64,
    wrong: &'a [String],
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    let done = tokio::select! {
        done = run(&options) => done,
        // The children and directories go with what is dropped here.
        _ = tokio::signal::ctrl_c() => Err("stopped".to_owned()),
        _ = terminated.recv() => Err("stopped".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
async fn run(options: &Options) -> Result<bool, String> {
    let setup = Setup::start(options).await?;
    let crowd = Crowd::default();
    let plan = |rate, seconds| Plan { rate, seconds, arrivals: options.arrivals, sabotage: false };
    let limit = if options.find_limit { Some(find_limit(options, &setup, &crowd).await?) } else { None };
    let rate = limit.as_ref().map_or(options.rate, |limit| limit.rate * options.part);
    if options.warm_up > 0 {
        setup.drive(&crowd, plan(rate, Duration::from_secs(options.warm_up))).await?;
    }
    let whole = Plan { sabotage: options.sabotage, ..plan(rate, Duration::from_secs(options.seconds)) };
    let measured = setup.drive(&crowd, whole).await?;
    let Verdict { wrong } = measured.judge(options.bound, &setup.violations());
    if options.json {
        let (store, nodes, argon2_memory) = (options.store, options.nodes, options.argon2_memory);
        let limit = limit.as_ref();
        let result = Outcome {
            store,
            nodes,
            argon2_memory,
            limit,
            measured: &measured,
            bound: options.bound,
            wrong: &wrong,
        };
        println!("{}", serde_json::to_string_pretty(&result).map_err(|error| error.to_string())?);
    } else {
        println!("{:?}, servers: {}", options.store, options.nodes);
        measured.print();
    }
    for wrong in &wrong {
        eprintln!("load: WRONG: {wrong}");
    }
    Ok(wrong.is_empty())
}

/// The figures at the greatest rate that was sustained: doubled until one is not, then halved in between.
async fn find_limit(options: &Options, setup: &Setup, crowd: &Crowd) -> Result<Figures, String> {
    let (mut best, mut rate, mut too_much): (Option<Figures>, f64, Option<f64>) = (None, options.rate, None);
    let mut halvings = 0;
    while halvings < HALVINGS {
        let plan = Plan { rate, seconds: TRIAL, arrivals: options.arrivals, sabotage: false };
        let figures = setup.drive(crowd, plan).await?;
        let sustained = figures.is_sustained(options.p99, MOST_LAG, MOST_MAIL);
        eprintln!(
            "load: {rate:.1} journeys/s: p99 {:.1} ms, mail {:.1} ms, lag {:.1} ms, {}",
            figures.all.p99_ms,
            figures.mail.p99_ms,
            figures.lag.p99_ms,
            if sustained { "sustained" } else { "too much" }
        );
        if sustained {
            best = Some(figures);
        } else {
            too_much = Some(rate);
        }
        let least = best.as_ref().map(|figures| figures.rate);
        rate = match (least, too_much) {
            (Some(least), Some(most)) => {
                halvings += 1;
                (least * most).sqrt()
            }
            (Some(least), None) => least * 2.0,
            (None, _) if rate < 1.0 => return Err("not even a journey in a second is sustained".to_owned()),
            (None, _) => rate / 2.0,
        };
    }
    best.ok_or_else(|| "no rate was sustained".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().map_err(|error| error.to_string())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("a rate is above zero".to_owned()) }
}
