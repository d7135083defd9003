//! Faults and load for the reference host: `kill -9`, PostgreSQL restarted, mail that fails, a full disk, a wild clock.
//!
//! Users go through thousands of journeys at real servers while faults are done to them. A ledger outside keeps what
//! was asked, mailed and answered; afterwards it is held against what the servers say. `ci/chaos.sh` builds all that
//! is needed and runs every scene. Exit 0 means that nothing was violated, and that every fault was really there.

mod scenes;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::scenes::{Row, Settings};

/// How long a scene may take, whatever happens; more for longer runs.
const SCENE_LIMIT: Duration = Duration::from_secs(180);
/// How many violations of a scene are printed.
const SHOWN: usize = 10;

#[derive(Parser)]
#[command(about = "Does faults to the reference host of countersign and holds it to its promises")]
struct Options {
    /// The server's binary.
    #[arg(long, env = "CHAOS_SERVER")]
    server: PathBuf,

    /// The least number of journeys of each scene with faults.
    #[arg(long, env = "CHAOS_JOURNEYS", default_value_t = 600)]
    journeys: usize,

    /// How long the load on SQLite lasts, in seconds; that on PostgreSQL lasts half as long.
    #[arg(long, env = "CHAOS_SECONDS", default_value_t = 60)]
    seconds: u64,

    /// How many clients are at it in the load scenes.
    #[arg(long, env = "CHAOS_CLIENTS", default_value_t = 500)]
    clients: usize,

    /// The scenes; without any, all of them.
    #[arg(value_enum)]
    scenes: Vec<Scene>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Scene {
    Control,
    Sqlite,
    Postgres,
    Smtp,
    Disk,
    Clock,
    Clocks,
    Load,
    LoadPostgres,
}

impl Scene {
    async fn run(self, settings: &Settings) -> Result<Row, String> {
        match self {
            Self::Control => scenes::control::run(settings).await,
            Self::Sqlite => scenes::sqlite::run(settings).await,
            Self::Postgres => scenes::postgres::run(settings).await,
            Self::Smtp => scenes::smtp::run(settings).await,
            Self::Disk => scenes::disk::run(settings).await,
            Self::Clock => scenes::clock::run(settings).await,
            Self::Clocks => scenes::clock::disagreeing(settings).await,
            Self::Load => scenes::load::sqlite(settings).await,
            Self::LoadPostgres => scenes::load::on_postgres(settings).await,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    tokio::select! {
        well = play(&options) => if well { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        // The children and directories go with what is dropped here.
        _ = tokio::signal::ctrl_c() => ExitCode::FAILURE,
        _ = terminated.recv() => ExitCode::FAILURE,
    }
}

async fn play(options: &Options) -> bool {
    let Ok(server) = options.server.canonicalize() else {
        eprintln!("chaos: {} is not there", options.server.display());
        return false;
    };
    let settings =
        Settings { server, journeys: options.journeys, seconds: options.seconds, clients: options.clients };
    let limit = SCENE_LIMIT + Duration::from_millis(u64::try_from(options.journeys).unwrap_or(0) * 100);
    let limit = limit + Duration::from_secs(options.seconds * 2);
    let scenes = if options.scenes.is_empty() { Scene::value_variants() } else { &options.scenes };
    // The scene with mail waits more than it works, so it goes beside the others; the load is alone.
    let is_load = |scene: &Scene| matches!(scene, Scene::Load | Scene::LoadPostgres);
    let (loads, faults): (Vec<_>, Vec<_>) = scenes.iter().copied().partition(is_load);
    let (mail, faults): (Vec<_>, Vec<_>) = faults.into_iter().partition(|scene| *scene == Scene::Smtp);
    let (faults, mail) = tokio::join!(in_turn(&settings, &faults, limit), in_turn(&settings, &mail, limit));
    let loads = in_turn(&settings, &loads, limit).await;
    let rows: Vec<_> = faults.into_iter().chain(mail).chain(loads).collect();
    report(&rows);
    rows.len() == scenes.len() && rows.iter().all(Row::is_well)
}

/// Runs scenes one after another. One that comes to no end, or cannot be set, has no line.
async fn in_turn(settings: &Settings, scenes: &[Scene], limit: Duration) -> Vec<Row> {
    let mut rows = Vec::new();
    for scene in scenes {
        let begun = Instant::now();
        let ended = tokio::time::timeout(limit, scene.run(settings)).await;
        match ended.unwrap_or_else(|_| Err(format!("no end after {limit:?}"))) {
            Ok(row) => {
                let verdict = if row.is_well() { "well" } else { "NOT WELL" };
                eprintln!("{}: {verdict}, {} s", row.scene, begun.elapsed().as_secs());
                rows.push(row);
            }
            Err(error) => eprintln!("{scene:?}: {error}"),
        }
    }
    rows
}

fn report(rows: &[Row]) {
    println!(
        "\n{:<28} {:>8} {:>8} {:>7} {:>7} {:>10}  faults",
        "scene", "journeys", "requests", "retries", "tokens", "violations"
    );
    for row in rows {
        println!(
            "{:<28} {:>8} {:>8} {:>7} {:>7} {:>10}  {}",
            row.scene,
            row.journeys,
            row.requests,
            row.retries,
            row.tokens,
            row.violations.len(),
            row.faults
        );
    }
    println!("{} journeys in all", rows.iter().map(|row| row.journeys).sum::<usize>());
    for row in rows {
        for violation in row.violations.iter().take(SHOWN) {
            println!("VIOLATION in {}: {:?}: {}", row.scene, violation.kind, violation.about);
        }
        for shortfall in &row.shortfalls {
            println!("SHORTFALL in {}: {shortfall}", row.scene);
        }
    }
}
