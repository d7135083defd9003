//! Where the data is: the same for the server and for every command beside it.

use std::path::PathBuf;

use clap::Args;

use crate::store::Place;

/// Where the data is: the same for the server and for every other command.
#[derive(Args, Debug, Clone)]
pub(crate) struct Data {
    /// The path of an SQLite file, which is made if it is not there, or postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, global = true, env = "COUNTERSIGN_DATABASE", hide_env_values = true, default_value = "countersign.db", value_parser = Place::parse)]
    pub(crate) database: Place,

    /// How many prepared statements each connection to PostgreSQL keeps. Without it: 100, and 0 where a pooler is
    /// recognised. Give 0 for any other pooler in transaction mode; PgBouncer from 1.21 on can have more, if its
    /// max_prepared_statements is not 0.
    #[arg(long, global = true, env = "COUNTERSIGN_DATABASE_STATEMENT_CACHE", value_name = "COUNT")]
    pub(crate) database_statement_cache: Option<u16>,

    /// The key file. Without it: beside the SQLite file, where it is made if it is not there. The environment variable
    /// COUNTERSIGN_KEYS can hold the content of a key file instead.
    #[arg(long, global = true, env = "COUNTERSIGN_KEY_FILE", value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,

    /// How much memory a new password hash takes, in KiB. A stored hash of another size is made anew when its user
    /// signs in.
    #[arg(long, global = true, env = "COUNTERSIGN_ARGON2_MEMORY", default_value_t = 19_456, value_name = "KIB", value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub(crate) argon2_memory: u32,
}
