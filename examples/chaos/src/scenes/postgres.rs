//! Two servers on one PostgreSQL: either is killed, PostgreSQL is stopped in two ways and started again.
//!
//! The servers must find their way back to PostgreSQL by themselves.

use std::time::Duration;

use super::{Row, Settings, Stage, WORKERS, populate};
use crate::{
    faults::{Postgres, Server, Stop},
    journey::{Manners, Tally},
};

/// Rounds of faults: each kills a server, and all but every second restarts PostgreSQL.
const ROUNDS: usize = 8;

/// The arguments of a server on PostgreSQL, with the key file that all of them share.
pub(super) fn arguments<'a>(url: &'a str, relay: &'a str) -> Vec<&'a str> {
    let places = ["--database", url, "--keys", "keys.json", "--issuer", "http://localhost/"];
    [places.as_slice(), &["--policy", "auth0", "--smtp", relay]].concat()
}

/// Makes the key file.
pub(super) async fn keys(settings: &Settings, stage: &Stage) -> Result<(), String> {
    let mut command = tokio::process::Command::new(&settings.server);
    command.current_dir(stage.directory.path()).args(["keys", "generate", "keys.json"]);
    let status = command.output().await.map_err(|error| error.to_string())?.status;
    if status.success() { Ok(()) } else { Err("no keys could be made".to_owned()) }
}

pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let mut postgres = Postgres::start().await?;
    let (url, relay) = (postgres.url(), stage.sink.url());
    keys(settings, &stage).await?;
    let arguments = arguments(&url, &relay);
    let directory = stage.directory.path();
    let mut servers = [
        Server::start(&settings.server, directory, &arguments, None).await?,
        Server::start(&settings.server, directory, &arguments, None).await?,
    ];
    populate(&url).await?;
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
