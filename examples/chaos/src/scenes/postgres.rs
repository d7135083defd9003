//! Two servers on one PostgreSQL: either is killed, PostgreSQL is stopped in two ways and started again.
//!
//! The servers must find their way back to PostgreSQL by themselves.

use std::time::Duration;

use super::{Row, Settings, Stage, WORKERS};
use countersign_chaos::{
    faults::{self, Clock, Postgres, QUICK, Server, Stop},
    journey::{Manners, Tally},
    users::populate,
};

/// Rounds of faults: each kills a server, and all but every second restarts PostgreSQL.
const ROUNDS: usize = 8;

/// A PostgreSQL with its users, and two servers on it that share a key file; the second goes by `clock`, if there is
/// one.
pub(super) async fn two_servers(
    settings: &Settings,
    stage: &Stage,
    clock: Option<Clock>,
) -> Result<(Postgres, [Server; 2]), String> {
    let database = Postgres::start().await?;
    let (url, relay) = (database.url(), stage.sink.url());
    faults::keys(&settings.server, stage.directory.path()).await?;
    let places = ["--database", &url, "--keys", "keys.json", "--issuer", "http://localhost/"];
    let arguments = [places.as_slice(), &["--policy", "auth0", "--demo", "--smtp", &relay], &QUICK].concat();
    let directory = stage.directory.path();
    let one = Server::start(&settings.server, directory, &arguments, None).await?;
    let other = Server::start(&settings.server, directory, &arguments, clock).await?;
    populate(&url).await?;
    Ok((database, [one, other]))
}

pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let (mut postgres, mut servers) = two_servers(settings, &stage, None).await?;
    let world = stage.world(&[&servers[0], &servers[1]], Manners::PERSISTENT);
    let playing = stage.play(&world, WORKERS);
    let (mut kills, mut restarts, mut survived) = (0, 0, true);
    let mut round = 0;
    while round < ROUNDS || Tally::get(&world.tally.journeys) < settings.journeys {
        tokio::time::sleep(Duration::from_millis(700)).await;
        if let Some(server) = servers.get_mut(round % 2) {
            server.kill().await?;
            kills += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
            server.restart().await?;
        }
        if round % 2 == 1 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let stop = if round % 4 == 1 { Stop::Fast } else { Stop::Immediate };
            postgres.restart(stop, Duration::from_millis(500)).await?;
            restarts += 1;
            for server in &mut servers {
                server.is_back().await?;
                survived &= server.still_runs();
            }
        }
        round += 1;
        if stage.is_spent() {
            break;
        }
    }
    stage.curtain(playing).await?;
    let replayed = stage.replay(&world).await?;
    let unavailable = Tally::get(&world.tally.unavailable);
    let faults = format!(
        "{kills} kills, {restarts} restarts of PostgreSQL, {unavailable} answers 5xx, {replayed} replays"
    );
    let mut row = stage.row("postgres: kill -9, restarts", &world, faults, settings.journeys);
    row.lacks(unavailable > 0, "no request met PostgreSQL away");
    row.lacks(Tally::get(&world.tally.cut_off) > 0, "no request was cut off by a kill");
    row.lacks(replayed > 0, "nothing was replayed");
    row.lacks(survived, "a server did not survive a restart of PostgreSQL");
    Ok(row)
}
