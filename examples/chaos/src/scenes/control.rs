//! The control: a store that loses what it acknowledged must be found out.
//!
//! The database file is put back, between a kill and a restart, to what it was before its users were enrolled and their
//! codes were spent. The scene is well if the ledger says so, and fails if it is quiet.

use super::{Player, Row, Settings, Stage, with_sqlite};
use countersign_chaos::{
    faults::Server,
    journey::{Journey, Manners},
    ledger::{Kind, Limits},
    users::populate_file,
};

const PEOPLE: usize = 5;
const FILES: [&str; 2] = ["chaos.db", "chaos.db-wal"];

pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let directory = stage.directory.path();
    let mut server = Server::start(&settings.server, directory, &arguments, None).await?;
    populate_file(&directory.join("chaos.db")).await?;
    let world = stage.world(&[&server], Manners::PERSISTENT);
    let wrongly = |stop| format!("the control did not come to its fault: {stop:?}");

    // Everybody asks, nobody has answered yet. One user has a guess more to make than the policy allows.
    let mut cast = Vec::new();
    for _ in 0..PEOPLE {
        let mut person = stage.newcomer();
        let pending = Journey::new(&world, 0).ask(&mut person).await.map_err(wrongly)?;
        cast.push(Player { person, past: vec![pending] });
    }
    server.kill().await?;
    for file in FILES {
        copy(&directory.join(file), &directory.join(format!("{file}.earlier")))?;
    }
    server.restart().await?;
    let mut journey = Journey::new(&world, 0);
    for (number, Player { person, past }) in cast.iter_mut().enumerate() {
        let Some(pending) = past.first() else { continue };
        if number == 0 {
            journey.guess(person, pending, 9).await.map_err(wrongly)?;
        } else {
            journey.present(person, pending, &pending.code).await.map_err(wrongly)?;
            journey.is_enrolled(person, pending);
        }
    }
    let before = stage.ledger.violations(Limits::AUTH0);
    if !before.is_empty() {
        return Err(format!("the control is red before its fault: {before:?}"));
    }

    server.kill().await?;
    for file in FILES {
        copy(&directory.join(format!("{file}.earlier")), &directory.join(file))?;
    }
    let _ = std::fs::remove_file(directory.join("chaos.db-shm"));
    server.restart().await?;
    if let Some(Player { person, past }) = cast.first_mut()
        && let Some(pending) = past.first()
    {
        journey.guess(person, pending, 9).await.map_err(wrongly)?;
    }
    for Player { person, past } in cast.iter_mut().skip(1) {
        journey.look(person).await.map_err(wrongly)?;
        for pending in past {
            journey.present(person, pending, &pending.code).await.map_err(wrongly)?;
        }
    }

    let found = stage.ledger.violations(Limits::AUTH0);
    let kinds: std::collections::BTreeSet<_> = found.iter().map(|violation| violation.kind).collect();
    let faults = format!("1 store put back, {} violations found as they should", found.len());
    let mut row = stage.row("control: lost writes", &world, faults, 0);
    row.violations.clear();
    for kind in [Kind::LostEnrollment, Kind::RevivedCode, Kind::SecondToken, Kind::RefundedAttempt] {
        row.lacks(kinds.contains(&kind), &format!("the ledger did not see: {kind:?}"));
    }
    Ok(row)
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), String> {
    match std::fs::copy(from, to) {
        Ok(_) => Ok(()),
        // A log that was not there before must not be there again.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::remove_file(to).or_else(|error| {
                if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error.to_string()) }
            })
        }
        Err(error) => Err(format!("{}: {error}", from.display())),
    }
}
