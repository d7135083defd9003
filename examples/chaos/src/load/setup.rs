//! The servers as they are in production, as far as one machine goes: the log and the policy's numbers as they come, no
//! panel, mail through SMTP, `fsync` on. Only the limits are Auth0's, so that nobody has to wait between two messages.

use std::{sync::Arc, time::Duration};

use countersign_chaos::{
    faults::{self, Directory, Postgres, Server},
    journey::{Manners, Tally, World},
    ledger::{Ledger, Limits},
    smtp::Sink,
    users,
};
use sqlx::{AnyConnection, Connection as _, Executor as _};

use crate::{
    Options, Store,
    figures::Figures,
    gauge::{self, Reading},
    schedule::{self, Crowd, Plan},
};

/// Of users who take no excuse: whatever is not an answer, or is a 5xx, is an error.
const STRICT: Manners = Manners {
    limit: Duration::from_secs(30),
    patience: Duration::ZERO,
    mail: Duration::from_secs(30),
    asks: 1,
    think: Duration::ZERO,
    persists: false,
};

/// The name of the SQLite file.
const FILE: &str = "load.db";

pub(crate) struct Setup {
    // The servers end before what they stand on.
    servers: Vec<Server>,
    url: String,
    ledger: Ledger,
    sink: Sink,
    _database: Option<Postgres>,
    _directory: Directory,
}

impl Setup {
    /// Makes the store and its users, and starts the servers on it.
    pub(crate) async fn start(options: &Options) -> Result<Self, String> {
        let binary = options.server.canonicalize();
        let binary = binary.map_err(|error| format!("{}: {error}", options.server.display()))?;
        let directory = Directory::new()?;
        let path = directory.path();
        let ledger = Ledger::create(&path.join("ledger.jsonl")).map_err(|error| error.to_string())?;
        let sink = Sink::start(ledger.clone()).await?;
        faults::keys(&binary, path).await?;
        let (database, place, url) = match options.store {
            Store::Sqlite => (None, FILE.to_owned(), format!("sqlite://{}", path.join(FILE).display())),
            Store::Postgres => {
                let database = Postgres::start().await?;
                let url = database.url();
                (Some(database), url.clone(), url)
            }
        };
        let memory = options.argon2_memory.map(|memory| memory.to_string());
        let relay = sink.url();
        let mut arguments = vec!["--policy", "auth0", "--issuer", "http://localhost/", "--smtp", &relay];
        arguments.extend(["--database", &place, "--keys", "keys.json"]);
        arguments.extend(memory.iter().flat_map(|memory| ["--argon2-memory", memory]));
        // One with demonstration data makes the first user and the client, and goes.
        let mut first =
            Server::start(&binary, path, &[arguments.as_slice(), &["--demo=true"]].concat(), None).await?;
        users::populate(&url).await?;
        first.kill().await?;
        // Its password stays: all users have its hash.
        arguments.extend(["--demo=false", "--allow-demo-credentials"]);
        let mut servers = Vec::new();
        for _ in 0..options.nodes {
            servers.push(Server::start(&binary, path, &arguments, None).await?);
        }
        Ok(Self { servers, url, ledger, sink, _database: database, _directory: directory })
    }

    /// Follows one plan, and says what it was like.
    pub(crate) async fn drive(&self, crowd: &Crowd, plan: Plan) -> Result<Figures, String> {
        let world = Arc::new(World {
            ledger: self.ledger.clone(),
            sink: self.sink.clone(),
            servers: self.servers.iter().map(|server| server.address).collect(),
            manners: STRICT,
            tally: Tally::default(),
        });
        let before = Reading::take(&self.servers).await?;
        let own_before = gauge::cpu_seconds("self")?;
        let halfway = async || if plan.sabotage { self.sabotage().await } else { Ok(()) };
        let course = schedule::follow(plan, &world, crowd, halfway).await?;
        let own = gauge::cpu_seconds("self")? - own_before;
        let counted = Reading::take(&self.servers).await? - before;
        Ok(Figures::new(plan.rate, &course, &world.tally, counted, own))
    }

    /// What the ledger holds against the servers.
    pub(crate) fn violations(&self) -> Vec<String> {
        let violations = self.ledger.violations(Limits::AUTH0);
        violations.iter().map(|violation| format!("{:?}: {}", violation.kind, violation.about)).collect()
    }

    async fn sabotage(&self) -> Result<(), String> {
        let mut connection = AnyConnection::connect(&self.url).await.map_err(|error| error.to_string())?;
        connection.execute("DROP TABLE outbox").await.map_err(|error| error.to_string())?;
        connection.close().await.map_err(|error| error.to_string())
    }
}
