//! A relay that hangs, refuses for now, drops connections, and recovers, under load.
//!
//! Users here ask once and wait: what brings their mail in the end is the outbox. A relay that hangs does so for as
//! long as the server holds out, and for one message alone it holds up no other. A refusal for good is told to the
//! core, which lifts the cool-down, once. A message may come twice only where the relay broke off after it had taken
//! it.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::task::JoinSet;

use super::{Row, Settings, Stage, WORKERS, with_sqlite};
use countersign_chaos::{
    faults::Server,
    journey::{Journey, Manners, Person, Tally},
    smtp::Mode,
    users::populate_file,
};

/// Of users who wait for their mail as long as it takes: a hang of twenty seconds, the pauses, and a queue.
const WAITING: Manners = Manners { mail: Duration::from_secs(50), asks: 1, ..Manners::PERSISTENT };
/// Of users whom somebody else's message must not keep waiting: not for as long as the server bears with a relay.
const HURRIED: Manners = Manners { mail: Duration::from_secs(15), asks: 1, ..Manners::PERSISTENT };
/// How many of them there are.
const OTHERS: usize = 12;
/// What the relay does, and for how long.
const FAULTS: [(Mode, Duration); 4] = [
    (Mode::RefusesForNow, Duration::from_secs(2)),
    (Mode::Drops, Duration::from_secs(2)),
    (Mode::DropsLate, Duration::from_secs(1)),
    (Mode::Hangs, Duration::from_secs(2)),
];
/// How long it behaves in between.
const WELL: Duration = Duration::from_secs(2);
/// How often a user asks within the cool-down.
const ASKS: usize = 40;

pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let server = Server::start(&settings.server, stage.directory.path(), &arguments, None).await?;
    populate_file(&stage.directory.path().join("chaos.db")).await?;
    let world = stage.world(&[&server], WAITING);
    let playing = stage.play(&world, WORKERS);
    for (mode, time) in FAULTS {
        tokio::time::sleep(WELL).await;
        stage.sink.behave(mode);
        tokio::time::sleep(time).await;
        stage.sink.behave(Mode::Well);
    }
    stage.reach(&world, settings.journeys, Duration::from_secs(90)).await;
    stage.curtain(playing).await?;
    let replayed = stage.replay(&world).await?;
    let lifted = lifted_once(settings).await?;
    let (hung, arrived) = beside_one_that_hangs(settings).await?;

    let counts: Vec<_> = FAULTS.iter().map(|(mode, _)| (*mode, stage.sink.faults(*mode))).collect();
    let duplicates = stage.sink.duplicates();
    let told: Vec<_> = counts.iter().map(|(mode, count)| format!("{count} {mode:?}")).collect();
    let faults = format!(
        "{}, {duplicates} of {} messages twice, {arrived} beside {hung} that hung, {replayed} replays",
        told.join(", "),
        stage.sink.messages()
    );
    let mut row = stage.row("smtp: hangs, refuses, drops", &world, faults, settings.journeys);
    for (mode, count) in counts {
        row.lacks(count > 0, &format!("the relay never did: {mode:?}"));
    }
    row.lacks(
        duplicates <= stage.sink.faults(Mode::DropsLate),
        "more messages came twice than the relay broke off",
    );
    row.lacks(lifted, "the cool-down was not lifted exactly once");
    row.lacks(hung == 1, "no message hung beside others");
    row.lacks(arrived == OTHERS, "a message that hung held up others");
    row.lacks(Tally::get(&world.tally.unavailable) == 0, "a relay's trouble became the client's");
    Ok(row)
}

/// Under a policy with a cool-down of thirty seconds: after a message was refused for good the user may ask again at
/// once, and then not again.
async fn lifted_once(settings: &Settings) -> Result<bool, String> {
    let stage = Stage::set().await?;
    stage.sink.behave(Mode::RefusesForGood);
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let arguments: Vec<_> =
        arguments.iter().map(|&word| if word == "auth0" { "default" } else { word }).collect();
    let server = Server::start(&settings.server, stage.directory.path(), &arguments, None).await?;
    populate_file(&stage.directory.path().join("chaos.db")).await?;
    let world = stage.world(&[&server], Manners::PERSISTENT);
    let mut person = stage.newcomer();
    let mut journey = Journey::new(&world, 0);
    let (_, mfa_token) = journey.begin(&mut person).await.map_err(|stop| format!("{stop:?}"))?;
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": person.email });
    for _ in 0..ASKS {
        let reply = journey.once("/mfa/associate", Some(&mfa_token), Some(&body)).await;
        reply.map_err(|failure| format!("no answer: {failure:?}"))?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if stage.sink.faults(Mode::RefusesForGood) > 0 {
            stage.sink.behave(Mode::Well);
        }
    }
    // Asking inside the cool-down sends nothing: one was refused, the next went through, and no other was sent.
    Ok((stage.sink.faults(Mode::RefusesForGood), stage.sink.messages()) == (1, 1))
}

/// The relay hangs for one recipient, and then others ask: how many messages hung, and how many others arrived.
async fn beside_one_that_hangs(settings: &Settings) -> Result<(usize, usize), String> {
    let stage = Stage::set().await?;
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let server = Server::start(&settings.server, stage.directory.path(), &arguments, None).await?;
    populate_file(&stage.directory.path().join("chaos.db")).await?;
    let world = stage.world(&[&server], HURRIED);
    let ask = |asking: &mut JoinSet<bool>, mut person: Person| {
        let world = Arc::clone(&world);
        asking.spawn(async move { Journey::new(&world, 0).ask(&mut person).await.is_ok() });
    };
    let unlucky = stage.newcomer();
    stage.sink.hang_for(&unlucky.email);
    // Nobody waits for this one.
    let mut alone = JoinSet::new();
    ask(&mut alone, unlucky);
    while stage.sink.faults(Mode::Hangs) == 0 && alone.try_join_next().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut asking = JoinSet::new();
    for _ in 0..OTHERS {
        ask(&mut asking, stage.newcomer());
    }
    let arrived = asking.join_all().await.into_iter().filter(|arrived| *arrived).count();
    Ok((stage.sink.faults(Mode::Hangs), arrived))
}
