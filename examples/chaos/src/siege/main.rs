//! Hostile clients on the reference host, and honest users beside them.
//!
//! Hostile clients come from some addresses of the loopback and do one thing, each [`Scene`] another. Honest users sign
//! in from an address of their own on a schedule, whether or not earlier requests have been answered. Exit 0 means that
//! 99 in 100 of them had their answer within a bound, counted from when they were due, and that the server's memory
//! stayed within its own. `ci/load.sh` plays every scene, and each once more with its guard switched off, which must be
//! noticed.

mod honest;
mod hostile;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use countersign_chaos::faults::{Directory, Server};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

const MIB: u64 = 1_048_576;

#[derive(Parser)]
#[command(name = "countersign-siege", about = "Plays hostile clients on the reference host of countersign")]
struct Options {
    #[arg(value_enum)]
    scene: Scene,

    /// The server's binary.
    #[arg(long)]
    server: PathBuf,

    /// How long it goes on, in seconds.
    #[arg(long, default_value_t = 42)]
    seconds: u64,

    /// Connections that hostile clients keep open, or try to.
    #[arg(long, default_value_t = 500)]
    connections: usize,

    /// The addresses that they come from: 127.0.1.1 and on.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=200))]
    peers: u8,

    /// Honest sign-ins in a second.
    #[arg(long, default_value_t = 5)]
    rate: u32,

    /// The address that all honest users come from. Without it they have 100 addresses of their own, from 127.0.2.1 on.
    #[arg(long)]
    from: Option<std::net::Ipv4Addr>,

    /// Within how many milliseconds 99 in 100 honest users have their answer.
    #[arg(long, default_value_t = 500)]
    within: u64,

    /// How many MiB more than at the start the server may take.
    #[arg(long, default_value_t = 140)]
    memory: u64,

    /// More arguments of the server.
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Scene {
    /// Password grants whose clients hang up at once, as fast as they can be sent.
    Flood,
    /// Password grants for names of nobody, on every connection one after the other.
    Guess,
    /// Bodies that come a byte at a time.
    Body,
    /// Connections that are opened and say nothing, or a part of a head.
    Hold,
    /// Sixteen honest users at once, and as many with wrong passwords for names of nobody: the memory.
    Memory,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    let done = tokio::select! {
        done = run(&options) => done,
        // The server and its directory go with what is dropped here.
        _ = tokio::signal::ctrl_c() => Err("stopped".to_owned()),
        _ = terminated.recv() => Err("stopped".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("siege: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), String> {
    let binary = options.server.canonicalize();
    let binary = binary.map_err(|error| format!("{}: {error}", options.server.display()))?;
    let directory = Directory::new()?;
    let mut arguments = vec!["--policy", "auth0", "--log", "warn", "--demo=true"];
    arguments.extend(options.arguments.iter().map(String::as_str));
    // The bounds as they come: nothing that the other drivers set for their crowds.
    let server = Server::start_strict(&binary, directory.path(), &arguments).await?;
    let process = server.process().ok_or("the server has ended")?;
    let before = resident(process)?;
    let end = Instant::now() + Duration::from_secs(options.seconds);

    let mut hostile = hostile::start(options, server.address);
    // The siege stands before anybody is counted.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let honest = match options.scene {
        Scene::Memory => honest::crowd(server.address, 8, end).await,
        _ => honest::on_schedule(server.address, options.from, options.rate, end).await,
    };
    let most = resident(process)?;
    hostile.stop().await;
    let after = resident(process)?;

    let within = Duration::from_millis(options.within);
    let (p50, p99, slow) = honest.figures(within);
    println!(
        "{:?}: {} honest sign-ins, p50 {} ms, p99 {} ms, {slow} not within {} ms, {} of them without the right answer; \
         hostile: {}; memory {} MiB, then {} MiB, then {} MiB",
        options.scene,
        honest.count(),
        p50.as_millis(),
        p99.as_millis(),
        options.within,
        honest.failed(),
        hostile.tally(),
        before / MIB,
        most / MIB,
        after / MIB,
    );
    if honest.count() < 30 {
        return Err(format!("{} honest sign-ins say nothing", honest.count()));
    }
    if options.scene != Scene::Memory && slow * 100 > honest.count() {
        return Err(format!("{slow} of {} honest users waited too long", honest.count()));
    }
    let grown = most.max(after).saturating_sub(before) / MIB;
    if grown > options.memory {
        return Err(format!("the memory grew by {grown} MiB, and by {} MiB at most it may", options.memory));
    }
    if !hostile.was_there() {
        return Err("there was no siege".to_owned());
    }
    Ok(())
}

/// The resident memory of a process, in bytes.
fn resident(process: u32) -> Result<u64, String> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| format!("{path} cannot be read"))
}
