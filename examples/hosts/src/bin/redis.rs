//! A store in Redis: a hash a user, and a Lua script that writes under a condition. The conformance kit tries it.
//!
//! ```sh
//! redis-server --port 6379 --appendonly yes --appendfsync always
//! cargo run -p countersign-hosts --bin redis -- redis://127.0.0.1:6379/
//! ```
//!
//! A record must outlive a crash of the server that took a charge: `appendfsync always` writes it to the disk before
//! the answer, and a replica must never be read from.

use std::error::Error;

use countersign::{
    Account, BlockingStore, Subject, Swap, Write,
    store::{DriveError, drive_blocking},
};
use countersign_conformance::{Kit, Request, RunId};
use getrandom::SysRng;
use redis::{Client, Commands as _, Script};
use time::OffsetDateTime;

type Failure = Box<dyn Error + Send + Sync>;

/// The condition and the write are one script, which nothing interrupts. Revisions are below 2^53, so the texts of
/// Redis and the numbers of Lua hold them exactly; they are compared as texts.
const SWAP: &str = r"
    local stored = redis.call('HGET', KEYS[1], 'revision')
    if (stored or '') ~= ARGV[1] then
        return 0
    end
    redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'record', ARGV[3])
    return 1
";

struct Rows {
    client: Client,
    swap: Script,
}

impl Rows {
    fn new(url: &str) -> Result<Self, Failure> {
        Ok(Self { client: Client::open(url)?, swap: Script::new(SWAP) })
    }

    fn key(subject: &Subject) -> String {
        format!("countersign:account:{subject}")
    }

    fn delete(&self, subject: &Subject) -> Result<(), Failure> {
        Ok(self.client.get_connection()?.del(Self::key(subject))?)
    }
}

impl BlockingStore for Rows {
    type Record = Account;
    type Error = Failure;

    fn load(&self, subject: &Subject) -> Result<Option<Account>, Failure> {
        let record: Option<Vec<u8>> = self.client.get_connection()?.hget(Self::key(subject), "record")?;
        Ok(record.map(|record| serde_json::from_slice(&record)).transpose()?)
    }

    fn swap(&self, write: Write) -> Result<Swap, Failure> {
        let expected = write.expected.map(|revision| revision.to_string()).unwrap_or_default();
        let stored: bool = self
            .swap
            .key(Self::key(write.subject()))
            .arg(expected)
            .arg(write.revision().get())
            .arg(serde_json::to_vec(&write.record)?)
            .invoke(&mut self.client.get_connection()?)?;
        Ok(if stored { Swap::Stored } else { Swap::Lost })
    }
}

fn main() -> Result<(), Failure> {
    let rows = Rows::new(&std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379/".to_owned()))?;
    let (load, swap) = (|subject: &Subject| rows.load(subject), |write| rows.swap(write));
    let request = |asked: Request| {
        let outcome = drive_blocking(&rows, asked.subject(), |account| asked.step(account))?;
        Ok::<_, DriveError<Failure>>(outcome.into_parts().0)
    };
    let run = RunId::draw(&mut SysRng)?;
    let report = Kit::new(load, swap)
        .delete(|subject: &Subject| rows.delete(subject))
        .request(request)
        .run(&run, OffsetDateTime::now_utc());
    println!("{report}");
    if report.passed() { Ok(()) } else { Err("the store does not keep its promise".into()) }
}
