-- Sessions that began until then are refused, in milliseconds since 1970. An administrator ends them.
ALTER TABLE users ADD COLUMN sessions_end_ms INTEGER;

-- The durable keys that servers were started with, each with a value that only the key itself gives.
CREATE TABLE key_checks (
    key_id      INTEGER PRIMARY KEY,
    check_value TEXT NOT NULL
);
