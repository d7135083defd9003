//! `countersign-server conformance`: the conformance kit on this server's own store.
//!
//! It runs on the server's database, with the same connections, statements and loop. The kit's records belong to
//! subjects that no user has, and are deleted at the end. Then several processes of this binary play the races
//! together.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use countersign::{Subject, Write};
use countersign_conformance::{AsyncKit, PartialReport, Report, Request, RunId};
use getrandom::SysRng;
use time::OffsetDateTime;

use crate::{
    admin,
    options::{Conformance, Data},
    step,
    store::Database,
};

/// Runs the kit. The answer is its report; a store that breaks its promise is an error, which is the report, too.
/// As a participant of a run, the answer is the partial report of this process.
pub(crate) async fn run(options: &Conformance, data: &Data) -> Result<String, String> {
    let database = admin::open(data).await?;
    let kit = kit(&database, options);
    if let (Some(run), Some(index)) = (&options.run, options.part) {
        let participant = run.participant(index, options.processes);
        let participant =
            participant.ok_or_else(|| format!("there is no part {index} of {}", options.processes))?;
        return Ok(kit.take_part(&participant, OffsetDateTime::now_utc()).await.to_string());
    }
    let alone = kit.run(&draw()?, OffsetDateTime::now_utc()).await;
    // What is wrong in one process is mended first.
    let together = if alone.passed() { Some(together(options, data).await?) } else { None };
    let mut text = alone.to_string();
    if let Some(together) = &together {
        text.push_str(&format!("\n{} processes: {together}", options.processes));
    }
    if alone.is_complete() && together.is_some_and(|together| together.is_complete()) {
        Ok(text.trim_end().to_owned())
    } else {
        Err(format!("the store breaks its promise\n{}", text.trim_end()))
    }
}

fn draw() -> Result<RunId, String> {
    RunId::draw(&mut SysRng).map_err(|error| format!("no randomness: {error}"))
}

fn kit(database: &Arc<dyn Database>, options: &Conformance) -> AsyncKit<'static> {
    let share = || Arc::clone(database);
    let (load, swap, delete, outbox, request) = (share(), share(), share(), share(), share());
    let kit = AsyncKit::new(
        move |subject: Subject| {
            let database = Arc::clone(&load);
            async move { database.load(&subject).await }
        },
        move |write: Write| {
            let database = Arc::clone(&swap);
            async move { database.swap(write, None).await }
        },
    );
    kit.rounds(options.rounds)
        .spawn(|task| {
            tokio::spawn(task);
        })
        .delete(move |subject| {
            let database = Arc::clone(&delete);
            async move { database.delete(&subject).await }
        })
        .outbox(move |subject| {
            let database = Arc::clone(&outbox);
            async move { database.messages(&subject).await }
        })
        .request(move |asked: Request| {
            let database = Arc::clone(&request);
            async move {
                let taken = step::take(&*database, asked.subject(), |account| asked.step(account)).await;
                taken.map(|outcome| outcome.into_parts().0)
            }
        })
}

/// Starts the processes, and judges their partial reports.
async fn together(options: &Conformance, data: &Data) -> Result<Report, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("a process of the run cannot be started: {error}");
    let run = draw()?;
    let binary = std::env::current_exe().map_err(|error| cannot(&error))?;
    let mut waiting = Vec::new();
    for part in 0..options.processes {
        let mut command = Command::new(&binary);
        command.args(["conformance", "--run", &run.to_string(), "--part", &part.to_string()]);
        command.args([
            "--processes",
            &options.processes.to_string(),
            "--rounds",
            &options.rounds.to_string(),
        ]);
        // Not as an argument: everybody on the machine can read those, and the URL may hold a password.
        command.env("COUNTERSIGN_DATABASE", data.database.to_text());
        if let Some(statements) = data.database_statement_cache {
            command.env("COUNTERSIGN_DATABASE_STATEMENT_CACHE", statements.to_string());
        }
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| cannot(&error))?;
        waiting.push(tokio::task::spawn_blocking(move || child.wait_with_output()));
    }
    let mut partial_reports = Vec::new();
    for output in waiting {
        let output = output.await.map_err(|error| cannot(&error))?.map_err(|error| cannot(&error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        // A process without a partial report wrote the reason to its standard error. The judgement reports it missing.
        partial_reports.extend(text.parse::<PartialReport>().ok());
    }
    Ok(PartialReport::judge(&partial_reports))
}
