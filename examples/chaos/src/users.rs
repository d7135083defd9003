//! The users of a store: thousands at once, who all have the password of [`crate::journey::PASSWORD`].
//!
//! Hashing it for each of them would take minutes, so they share the hash that the server made for its demonstration
//! user.

use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Executor as _};

/// How many users a store gets: more than any run uses up.
pub const USERS: usize = 20_000;

/// Adds the users, each with the password hash that the server made for the demonstration's.
pub async fn populate(url: &str) -> Result<(), String> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.map_err(|error| error.to_string())?;
    let numbers = if url.starts_with("postgres") {
        format!("SELECT generate_series AS n FROM generate_series(0, {})", USERS - 1)
    } else {
        format!(
            "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT n FROM s",
            USERS - 1
        )
    };
    let sql = format!(
        "INSERT INTO users (subject, email, email_verified, password_hash) \
         SELECT 'usr_' || numbers.n, 'user' || numbers.n || '@example.com', demo.email_verified, demo.password_hash \
         FROM ({numbers}) AS numbers, (SELECT * FROM users WHERE email = 'user@example.com') AS demo"
    );
    connection.execute(sql.as_str()).await.map_err(|error| format!("no users: {error}"))?;
    connection.close().await.map_err(|error| error.to_string())
}

/// The same for the file of a server.
pub async fn populate_file(path: &Path) -> Result<(), String> {
    populate(&format!("sqlite://{}", path.display())).await
}
