//! The scenes, and what they share: a world with users, a load that goes on while faults are done, and the reckoning.

pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod disk;
pub(crate) mod load;
pub(crate) mod postgres;
pub(crate) mod smtp;
pub(crate) mod sqlite;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use countersign_chaos::{
    faults::{Clock, Directory, QUICK, Server},
    journey::{Journey, Manners, Pending, Person, Stop, Tally, World},
    ledger::{Answer, Event, Kind, Ledger, Limits, Violation},
    smtp::Sink,
    users::USERS,
};

/// What every scene is told.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The server's binary.
    pub(crate) server: PathBuf,
    /// The least number of journeys of a scene with faults.
    pub(crate) journeys: usize,
    /// How long the load scenes last, in seconds.
    pub(crate) seconds: u64,
    /// How many clients they have.
    pub(crate) clients: usize,
}

/// A line of the summary.
pub(crate) struct Row {
    pub(crate) scene: &'static str,
    pub(crate) journeys: usize,
    pub(crate) requests: usize,
    pub(crate) faults: String,
    pub(crate) retries: usize,
    pub(crate) tokens: usize,
    pub(crate) violations: Vec<Violation>,
    /// Faults that were not really there, and too few journeys.
    pub(crate) shortfalls: Vec<String>,
}

/// How many are at it at once.
const WORKERS: usize = 24;
/// Journeys of one user: the policy gives twenty messages, and some are asked for twice.
const JOURNEYS_EACH: usize = 8;
/// How many challenges of one user are tried again in the end.
const REPLAYS_EACH: usize = 12;

/// One scene's world: its directory, its ledger, its sink, and everybody who took part.
pub(crate) struct Stage {
    pub(crate) directory: Directory,
    pub(crate) ledger: Ledger,
    pub(crate) sink: Sink,
    next: AtomicUsize,
    over: AtomicBool,
    /// Counts the jumps of a clock.
    epoch: AtomicUsize,
    /// Whether the servers' clocks disagree, so that a user may come to nothing.
    disagreeing: AtomicBool,
    excused: AtomicUsize,
    cast: Mutex<Vec<Player>>,
    stops: Mutex<Vec<(String, Stop)>>,
}

/// A user, and the challenges that the user had.
pub(crate) struct Player {
    pub(crate) person: Person,
    pub(crate) past: Vec<Pending>,
}

impl Stage {
    pub(crate) async fn set() -> Result<Arc<Self>, String> {
        let directory = Directory::new()?;
        let ledger = Ledger::create(&directory.path().join("ledger.jsonl")).map_err(|e| e.to_string())?;
        let sink = Sink::start(ledger.clone()).await?;
        Ok(Arc::new(Self {
            directory,
            ledger,
            sink,
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            epoch: AtomicUsize::new(0),
            disagreeing: AtomicBool::new(false),
            excused: AtomicUsize::new(0),
            cast: Mutex::default(),
            stops: Mutex::default(),
        }))
    }

    pub(crate) fn world(&self, servers: &[&Server], manners: Manners) -> Arc<World> {
        Arc::new(World {
            ledger: self.ledger.clone(),
            sink: self.sink.clone(),
            servers: servers.iter().map(|server| server.address).collect(),
            manners,
            tally: Tally::default(),
        })
    }

    /// A user whom nobody has met yet.
    pub(crate) fn newcomer(&self) -> Person {
        Person::new(self.next.fetch_add(1, Ordering::SeqCst))
    }

    pub(crate) fn remember(&self, person: Person, past: Vec<Pending>) {
        self.cast.lock().unwrap_or_else(PoisonError::into_inner).push(Player { person, past });
    }

    pub(crate) fn stopped(&self, who: &Person, stop: Stop) {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner).push((who.email.clone(), stop));
    }

    /// Whether going on would say nothing more: nobody is left, or too much has gone wrong already.
    pub(crate) fn is_spent(&self) -> bool {
        let stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.next.load(Ordering::SeqCst) >= USERS || stops > 20
    }

    /// Sets a clock. The ledger takes it for wild from before it is until after it was.
    pub(crate) fn set_clock(&self, clock: &Clock, offset: i64, disagreeing: bool) -> Result<(), String> {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if offset != 0 {
            self.disagreeing.store(disagreeing, Ordering::SeqCst);
            self.ledger.enter(Event::Clock { offset });
        }
        clock.set(offset)?;
        if offset == 0 {
            self.ledger.enter(Event::Clock { offset });
            self.disagreeing.store(false, Ordering::SeqCst);
        }
        self.epoch.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// How many users a wild clock kept out.
    pub(crate) fn excused(&self) -> usize {
        self.excused.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Starts the load: users live their lives one after another until the end is called.
    pub(crate) fn play(self: &Arc<Self>, world: &Arc<World>, workers: usize) -> JoinSet<()> {
        let mut playing = JoinSet::new();
        for _ in 0..workers {
            let (stage, world) = (Arc::clone(self), Arc::clone(world));
            playing.spawn(async move {
                while !stage.is_over() {
                    stage.life(&world).await;
                }
            });
        }
        playing
    }

    /// One user's life: enrolls, signs in again and again, recovers in the middle of it.
    async fn life(&self, world: &World) {
        let mut person = self.newcomer();
        let mut journey = Journey::new(world, person.home);
        let mut past = Vec::new();
        let epoch = self.epoch.load(Ordering::SeqCst);
        for turn in 0..JOURNEYS_EACH {
            if self.is_over() {
                break;
            }
            let wrong_ones = usize::from(turn > 0 && person.throw(3) == 0);
            let done = if turn == JOURNEYS_EACH / 2 && person.recovery.is_some() {
                journey.recover(&mut person).await.map(|_| ())
            } else {
                journey.sign_in(&mut person, wrong_ones).await.map(|pending| past.push(pending))
            };
            match done {
                Ok(()) => {}
                // Asking twice after a fault takes from the same budget: somebody else's turn.
                Err(Stop::Limited { .. }) => break,
                // A wild clock may lock a user out; whoever comes afterwards is to see nothing of it.
                Err(Stop::Refused(_) | Stop::NoMail)
                    if epoch != self.epoch.load(Ordering::SeqCst)
                        || self.disagreeing.load(Ordering::SeqCst) =>
                {
                    self.excused.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Err(stop) => {
                    self.stopped(&person, stop);
                    break;
                }
            }
        }
        self.remember(person, past);
    }

    /// Waits until there were so many journeys in all, or it takes too long.
    pub(crate) async fn reach(&self, world: &World, journeys: usize, within: Duration) {
        let begun = Instant::now();
        while Tally::get(&world.tally.journeys) < journeys && begun.elapsed() < within {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the load and waits for everybody.
    pub(crate) async fn curtain(&self, mut playing: JoinSet<()>) -> Result<(), String> {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = playing.join_next().await {
            ended.map_err(|error| format!("the driver is at fault: {error}"))?;
        }
        Ok(())
    }

    /// Presents every code again that was spent, died, or whose answer was lost, every recovery code that was used, and
    /// asks of everybody whether they are enrolled.
    pub(crate) async fn replay(self: &Arc<Self>, world: &Arc<World>) -> Result<usize, String> {
        let cast = std::mem::take(&mut *self.cast.lock().unwrap_or_else(PoisonError::into_inner));
        let cast = Arc::new(Mutex::new(cast));
        let replayed = Arc::new(AtomicUsize::new(0));
        let mut replaying = JoinSet::new();
        for _ in 0..WORKERS {
            let (stage, world) = (Arc::clone(self), Arc::clone(world));
            let (cast, replayed) = (Arc::clone(&cast), Arc::clone(&replayed));
            replaying.spawn(async move {
                loop {
                    let player = cast.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some(mut player) = player else { break };
                    match replay_one(&world, &mut player).await {
                        Ok(count) => _ = replayed.fetch_add(count, Ordering::SeqCst),
                        Err(stop) => stage.stopped(&player.person, stop),
                    }
                }
            });
        }
        while let Some(ended) = replaying.join_next().await {
            ended.map_err(|error| format!("the driver is at fault: {error}"))?;
        }
        Ok(replayed.load(Ordering::SeqCst))
    }

    /// The line of the summary.
    pub(crate) fn row(&self, scene: &'static str, world: &World, faults: String, least: usize) -> Row {
        let mut violations = self.ledger.violations(Limits::AUTH0);
        let stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        violations.extend(
            stops.iter().map(|(email, stop)| Violation {
                kind: Kind::NoService,
                about: format!("{email}: {stop:?}"),
            }),
        );
        let journeys = Tally::get(&world.tally.journeys);
        let mut shortfalls = Vec::new();
        if journeys < least {
            shortfalls.push(format!("{journeys} journeys of {least}"));
        }
        Row {
            scene,
            journeys,
            requests: Tally::get(&world.tally.requests),
            faults,
            retries: Tally::get(&world.tally.retries),
            tokens: self.ledger.tokens(),
            violations,
            shortfalls,
        }
    }
}

async fn replay_one(world: &World, player: &mut Player) -> Result<usize, Stop> {
    let Player { person, past } = player;
    let mut journey = Journey::new(world, person.home);
    let mut replayed = 0;
    for pending in past.iter().rev().take(REPLAYS_EACH) {
        // Where the answer was lost, the first may be the one that spends it.
        if let Answer::Token(_) = journey.present(person, pending, &pending.code).await? {
            journey.is_enrolled(person, pending);
            journey.present(person, pending, &pending.code).await?;
        }
        replayed += 1;
    }
    if person.used.is_empty() {
        journey.look(person).await?;
    } else {
        let (transaction, mfa_token) = journey.begin(person).await?;
        for code in person.used.clone() {
            journey.try_recovery(person, transaction, &mfa_token, &code).await?;
            replayed += 1;
        }
    }
    Ok(replayed)
}

impl Row {
    pub(crate) fn is_well(&self) -> bool {
        self.violations.is_empty() && self.shortfalls.is_empty()
    }

    pub(crate) fn lacks(&mut self, really: bool, what: &str) {
        if !really {
            self.shortfalls.push(what.to_owned());
        }
    }
}

/// The arguments of a server with SQLite.
pub(crate) fn with_sqlite<'a>(database: &'a str, relay: &'a str) -> Vec<&'a str> {
    let own = [
        "--policy",
        "auth0",
        "--demo",
        "--issuer",
        "http://localhost/",
        "--database",
        database,
        "--smtp",
        relay,
    ];
    [own.as_slice(), &QUICK].concat()
}
