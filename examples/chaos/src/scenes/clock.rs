//! Clocks that are set: of one server, an hour back and a day forward and right again; and of one of two servers.
//!
//! What is promised: a code that was seen to expire stays dead, what is spent stays spent, a jump ahead gives back
//! one full bucket of guesses at most, no message is sent by both servers, and once the clock is right the service is
//! back for whoever comes. A user whom a wild clock met may be locked until that time; an administrator's `unlock`
//! ends that. Not promised, and so not asked for: that a token or a code made under one clock is good under another.

use std::time::Duration;

use super::{Player, Row, Settings, Stage, WORKERS, postgres, with_sqlite};
use countersign_chaos::{
    faults::{Clock, Server},
    journey::{Journey, Manners, Stop, Tally},
    ledger::{Answer, Event},
    users::populate_file,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// Later than a code lives and earlier than its transaction ends.
const AFTER_THE_CODE: i64 = 400;
/// How long each time lasts.
const PHASE: Duration = Duration::from_secs(3);
/// Users of each kind who are looked at one by one.
const EACH: usize = 4;
/// How many seconds one more message takes.
const ONE_MESSAGE: u64 = 60;
/// How far a clock may be from where it was set.
const TOLERANCE: i64 = 3;

/// One server whose clock jumps under load.
pub(crate) async fn run(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let relay = stage.sink.url();
    let arguments = with_sqlite("chaos.db", &relay);
    let directory = stage.directory.path();
    let clock = Clock::new(directory, "clock")?;
    let server = Server::start(&settings.server, directory, &arguments, Some(clock.clone())).await?;
    populate_file(&directory.join("chaos.db")).await?;
    let world = stage.world(&[&server], Manners::PERSISTENT);
    let wrongly = |stop: Stop| format!("with a right clock: {stop:?}");

    let mut journey = Journey::new(&world, 0);
    let (mut waiting, mut done, mut locked) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..EACH {
        let mut person = stage.newcomer();
        let pending = journey.ask(&mut person).await.map_err(wrongly)?;
        waiting.push(Player { person, past: vec![pending] });
        let mut person = stage.newcomer();
        let pending = journey.sign_in(&mut person, 0).await.map_err(wrongly)?;
        done.push(Player { person, past: vec![pending] });
        let mut person = stage.newcomer();
        journey.sign_in(&mut person, 0).await.map_err(wrongly)?;
        let pending = journey.ask(&mut person).await.map_err(wrongly)?;
        journey.guess(&mut person, &pending, 12).await.map_err(wrongly)?;
        locked.push(Player { person, past: vec![pending] });
    }

    let playing = stage.play(&world, WORKERS);
    let (mut jumps, mut expired, mut regained, mut slow) = (0, 0, 0, Vec::new());
    for offset in [0, -HOUR, 0, AFTER_THE_CODE, 0, DAY, 0] {
        stage.set_clock(&clock, offset, false)?;
        if (server.offset().await? - offset).abs() > TOLERANCE {
            return Err(format!("the clock was not really set to {offset:+} s"));
        }
        jumps += 1;
        let before = Tally::get(&world.tally.journeys);
        for Player { person, past } in &mut done {
            for pending in past.iter() {
                journey.present(person, pending, &pending.code).await.map_err(wrongly)?;
            }
        }
        // Nobody answers before the first deadline was seen to pass: then they must be too late for ever.
        if offset == AFTER_THE_CODE || expired > 0 {
            for Player { person, past } in &mut waiting {
                for pending in past.iter() {
                    let answer = journey.present(person, pending, &pending.code).await.map_err(wrongly)?;
                    let seen = Answer::Refused("oob_code is expired".to_owned());
                    expired += usize::from(offset == AFTER_THE_CODE && answer == seen);
                }
            }
        }
        // Whoever is locked stays so an hour earlier, and has one bucket a day later.
        if offset != 0 {
            for Player { person, .. } in &mut locked {
                if let Ok(pending) = journey.ask(person).await {
                    let evaluated = journey.guess(person, &pending, 12).await.map_err(wrongly)?;
                    regained += usize::from(offset == DAY) * evaluated;
                    if offset < 0 && evaluated > 0 {
                        slow.push("a lock was lifted by going back".to_owned());
                    }
                }
            }
        }
        tokio::time::sleep(PHASE).await;
        if Tally::get(&world.tally.journeys) == before {
            slow.push(format!("no journey with the clock at {offset:+} s"));
        }
    }
    stage.reach(&world, settings.journeys, Duration::from_secs(60)).await;
    stage.curtain(playing).await?;

    // Whom the wild clock had locked, an administrator lets in again: at once, or, where messages were sent under it,
    // as soon as the budget for these has one more. That is not given back.
    let mut unlocked = 0;
    for Player { person, .. } in &mut locked {
        server.command(&["unlock", &person.email]).await?;
        world.ledger.enter(Event::Unlocked { user: person.email.clone() });
        match journey.sign_in(person, 0).await {
            Ok(_) => unlocked += 1,
            Err(Stop::Limited { wait, .. }) if wait <= ONE_MESSAGE => unlocked += 1,
            Err(stop) => slow.push(format!("after unlock: {stop:?}")),
        }
    }
    for player in waiting.into_iter().chain(done) {
        stage.remember(player.person, player.past);
    }
    let replayed = stage.replay(&world).await?;
    let faults = format!(
        "{jumps} times set, {} users kept out, {expired} codes seen expired, {unlocked} unlocked, {replayed} replays",
        stage.excused()
    );
    let mut row = stage.row("clock: -1 h, +1 d", &world, faults, settings.journeys);
    row.lacks(expired == EACH, "not every deadline was seen to pass");
    row.lacks(regained > 0, "no locked user was met a day later");
    row.lacks(unlocked == EACH, "not every locked user is back after an unlock");
    for shortfall in slow {
        row.lacks(false, &shortfall);
    }
    Ok(row)
}

/// Two servers on one PostgreSQL, of which one is an hour behind, and then an hour ahead.
pub(crate) async fn disagreeing(settings: &Settings) -> Result<Row, String> {
    let stage = Stage::set().await?;
    let clock = Clock::new(stage.directory.path(), "clock")?;
    let (_database, [right, wild]) = postgres::two_servers(settings, &stage, Some(clock.clone())).await?;
    let world = stage.world(&[&right, &wild], Manners::PERSISTENT);
    let wrongly = |stop: Stop| format!("with clocks that agree: {stop:?}");
    let (mut here, mut there) = (Journey::at(&world, right.address), Journey::at(&world, wild.address));

    let mut done = Vec::new();
    for _ in 0..EACH {
        let mut person = stage.newcomer();
        let pending = here.sign_in(&mut person, 0).await.map_err(wrongly)?;
        done.push(Player { person, past: vec![pending] });
    }
    let playing = stage.play(&world, WORKERS);
    let mut slow = Vec::new();
    for offset in [-HOUR, 0, HOUR, 0] {
        stage.set_clock(&clock, offset, offset != 0)?;
        if (wild.offset().await? - offset).abs() > TOLERANCE || right.offset().await?.abs() > TOLERANCE {
            return Err(format!("the clock of one server was not really set to {offset:+} s"));
        }
        let before = Tally::get(&world.tally.journeys);
        tokio::time::sleep(PHASE).await;
        // What is spent on one is spent on the other, whatever the time there.
        for Player { person, past } in &mut done {
            for pending in past.iter() {
                there.present(person, pending, &pending.code).await.map_err(wrongly)?;
                here.present(person, pending, &pending.code).await.map_err(wrongly)?;
            }
        }
        if Tally::get(&world.tally.journeys) == before {
            slow.push(format!("no journey with one clock at {offset:+} s"));
        }
    }
    stage.reach(&world, settings.journeys, Duration::from_secs(60)).await;
    stage.curtain(playing).await?;
    // Once they agree, a journey may begin on one and end on the other.
    let mut across = 0;
    for _ in 0..EACH {
        let mut person = stage.newcomer();
        let pending = here.ask(&mut person).await.map_err(wrongly)?;
        if let Answer::Token(_) =
            there.present(&mut person, &pending, &pending.code).await.map_err(wrongly)?
        {
            here.is_enrolled(&mut person, &pending);
            across += 1;
        }
        stage.remember(person, vec![pending]);
    }
    for player in done {
        stage.remember(player.person, player.past);
    }
    let replayed = stage.replay(&world).await?;
    let faults = format!(
        "4 times set, {} users kept out, {} of {} messages twice, {across} journeys across, {replayed} replays",
        stage.excused(),
        stage.sink.duplicates(),
        stage.sink.messages()
    );
    let mut row = stage.row("clocks that disagree", &world, faults, settings.journeys);
    row.lacks(across == EACH, "the servers do not work together again");
    // No server dies here, and the relay is well.
    row.lacks(stage.sink.duplicates() == 0, "messages came twice");
    for shortfall in slow {
        row.lacks(false, &shortfall);
    }
    Ok(row)
}
