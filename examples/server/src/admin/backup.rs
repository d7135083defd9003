//! `backup`: a copy of the SQLite database, whole and of one instant, beside servers that go on writing.
//!
//! A copy of the file alone lacks what is still in the write-ahead log, and may be of two instants: `docs/backup.md`.
//! This module must never write over a file, or leave a half-written one under the name that was asked for.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde_json::json;

use super::{Answer, Failure, open_existing};
use crate::options::Data;

pub(super) async fn run(file: &Path, data: &Data) -> Result<Answer, Failure> {
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Failure::taken(format!("{} is there already: give another name", file.display()));
        }
        format!("the backup {} cannot be written: {error}", file.display()).into()
    };
    if file.try_exists().map_err(failed)? {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
    }
    let database = open_existing(data).await?;
    // SQLite would take a name that begins with `file:` for a URI; a whole path never does.
    let mut beside = std::path::absolute(file).map_err(failed)?.into_os_string();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = Path::new(&beside);
    // SQLite writes into an empty file, so its owner alone can read it from the first byte on.
    let part = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside).map_err(failed)?;
    let written = async {
        if !database.copy_into(beside).await? {
            return Err("PostgreSQL has pg_dump and its own archives for that: see docs/backup.md"
                .to_owned()
                .into());
        }
        part.sync_all().map_err(failed)?;
        // A link fails if the name was taken meanwhile, which a rename would write over.
        fs::hard_link(beside, file).map_err(failed)?;
        fs::metadata(file).map_err(failed)
    };
    let written: Result<_, Failure> = written.await;
    let removed = fs::remove_file(beside);
    let bytes = written?.len();
    removed.map_err(failed)?;
    Ok(Answer::new(
        format!(
            "{} holds the database of now. Keep a copy of the key file in another place.",
            file.display()
        ),
        json!({ "file": file.display().to_string(), "bytes": bytes }),
    ))
}
