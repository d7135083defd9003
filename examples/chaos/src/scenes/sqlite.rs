//! One server on SQLite, killed again and again under load and started again as a supervisor would.

use std::time::Duration;

use super::{Row, Settings, Stage, WORKERS, with_sqlite};
use countersign_chaos::{
    faults::Server,
    journey::{Manners, Tally},
    users::populate_file,
};

/// The least number of kills.
const KILLS: usize = 20;

pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let mut server = Server::start(&settings.server, stage.directory.path(), &arguments, None).await?;
    populate_file(&stage.directory.path().join("chaos.db")).await?;
    let world = stage.world(&[&server], Manners::PERSISTENT);
    let playing = stage.play(&world, WORKERS);
    let mut kills = 0;
    let mut pause = 0x2545_F491_u32;
    while kills < KILLS || Tally::get(&world.tally.journeys) < settings.journeys {
        pause ^= pause << 13;
        pause ^= pause >> 17;
        pause ^= pause << 5;
        tokio::time::sleep(Duration::from_millis(200 + u64::from(pause % 900))).await;
        server.kill().await?;
        kills += 1;
        server.restart().await?;
        if stage.is_spent() {
            break;
        }
    }
    stage.curtain(playing).await?;
    // Once more, so that what is looked at now was on the disk.
    server.kill().await?;
    server.restart().await?;
    let replayed = stage.replay(&world).await?;
    let cut_off = Tally::get(&world.tally.cut_off);
    let faults = format!("{} kills, {cut_off} requests cut off, {replayed} replays", kills + 1);
    let mut row = stage.row("sqlite: kill -9", &world, faults, settings.journeys);
    row.lacks(cut_off > 0, "no request was cut off by a kill");
    row.lacks(replayed > 0, "nothing was replayed");
    Ok(row)
}
