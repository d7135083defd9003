-- Sessions that began until then are refused, in milliseconds since 1970. An administrator ends them.
ALTER TABLE users ADD COLUMN sessions_end_ms INTEGER;

-- The ids of the durable keys that servers were started with. An id is computed from the key.
CREATE TABLE durable_keys (
    key_id TEXT PRIMARY KEY
);
