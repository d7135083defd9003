//! SQLite on a small disk that is filled under load and freed again.
//!
//! While it is full, what must be written is refused as the server's own trouble, and nothing that was not stored is
//! acknowledged. Afterwards the service is back without a hand, and still is what it said after a kill.

use std::time::Duration;

use super::{Row, Settings, Stage, WORKERS, with_sqlite};
use countersign_chaos::{
    faults::{Disk, Server},
    journey::{Manners, Tally},
    users::populate_file,
};

/// How big the disk is.
const MEBIBYTES: u32 = 32;
/// How often it is filled.
const FILLS: usize = 4;
/// How many answers 5xx there must be before it is freed.
const REFUSALS: usize = 25;

pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let disk = Disk::mount(MEBIBYTES).await?;
    let relay = stage.sink.url();
    let database = disk.path().join("chaos.db");
    let name = database.display().to_string();
    let arguments = with_sqlite(&name, &relay);
    let mut server = Server::start(&settings.server, stage.directory.path(), &arguments, None).await?;
    populate_file(&database).await?;
    let world = stage.world(&[&server], Manners::PERSISTENT);
    let playing = stage.play(&world, WORKERS);
    let (mut fills, mut bytes) = (0, 0);
    let mut met = true;
    while fills < FILLS || Tally::get(&world.tally.journeys) < settings.journeys {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        if fills < FILLS {
            let before = Tally::get(&world.tally.unavailable);
            bytes += disk.fill()?;
            let full = std::time::Instant::now();
            while Tally::get(&world.tally.unavailable) < before + REFUSALS
                && full.elapsed() < Duration::from_secs(20)
            {
                // A checkpoint may have given some of it back.
                bytes += disk.fill()?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            met &= Tally::get(&world.tally.unavailable) >= before + REFUSALS;
            disk.free()?;
            fills += 1;
            server.is_back().await?;
        }
        if stage.is_spent() {
            break;
        }
    }
    let survived = server.still_runs();
    stage.curtain(playing).await?;
    server.kill().await?;
    server.restart().await?;
    let replayed = stage.replay(&world).await?;
    let unavailable = Tally::get(&world.tally.unavailable);
    let faults =
        format!("{fills} times full ({} KiB), {unavailable} answers 5xx, {replayed} replays", bytes / 1_024);
    let mut row = stage.row("disk: full", &world, faults, settings.journeys);
    row.lacks(met, "the full disk was not met");
    row.lacks(survived, "the server did not survive");
    row.lacks(replayed > 0, "nothing was replayed");
    Ok(row)
}
