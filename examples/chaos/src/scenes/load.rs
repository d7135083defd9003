//! Load without faults: every client thinks, asks and goes on for as long as it is told. No error may come but
//! refusals.

use std::time::{Duration, Instant};

use super::{Row, Settings, Stage, postgres, with_sqlite};
use countersign_chaos::{
    faults::Server,
    journey::{Manners, Tally, World},
    users::populate_file,
};

/// Of clients who take no excuse: whatever is not an answer, or is a 5xx, is an error.
const STRICT: Manners = Manners {
    limit: Duration::from_secs(30),
    patience: Duration::ZERO,
    mail: Duration::from_secs(30),
    asks: 1,
    think: Duration::from_secs(4),
    persists: false,
};

/// One server on SQLite.
pub(crate) async fn sqlite(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let server = Server::start(&settings.server, stage.directory.path(), &arguments, None).await?;
    populate_file(&stage.directory.path().join("chaos.db")).await?;
    let world = stage.world(&[&server], STRICT);
    hold(settings, &stage, &world, settings.seconds, "load: sqlite").await
}

/// Two servers on PostgreSQL, for half as long.
pub(crate) async fn on_postgres(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let (_database, [one, other]) = postgres::two_servers(settings, &stage, None).await?;
    let world = stage.world(&[&one, &other], STRICT);
    hold(settings, &stage, &world, settings.seconds.div_ceil(2), "load: postgres, two servers").await
}

async fn hold(
    settings: &Settings,
    stage: &std::sync::Arc<Stage>,
    world: &std::sync::Arc<World>,
    seconds: u64,
    scene: &'static str,
) -> Result<Row, String> {
    let begun = Instant::now();
    let playing = stage.play(world, settings.clients);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let requests = Tally::get(&world.tally.requests);
    let took = begun.elapsed();
    stage.curtain(playing).await?;
    let tally = &world.tally;
    let errors = [&tally.unavailable, &tally.cut_off, &tally.unreached].map(Tally::get).iter().sum::<usize>();
    let latencies = tally.latencies();
    let [median, late] = [0.5, 0.99].map(|part| latencies.value_at_quantile(part) / 1_000);
    let faults = format!(
        "{} clients for {} s, {errors} errors, p50 {median} ms, p99 {late} ms",
        settings.clients,
        took.as_secs()
    );
    let mut row = stage.row(scene, world, faults, settings.clients);
    row.lacks(errors == 0, "there were errors that are no refusals");
    row.lacks(requests > settings.clients * 5, "the load was too light to say anything");
    Ok(row)
}
