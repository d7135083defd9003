-- Sessions of an earlier epoch are refused, but for those of the spared transaction: what the core said ends them.
ALTER TABLE users ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN spared TEXT;

-- The context of the keys, which every record carries a tag of: with other keys it stays the same.
CREATE TABLE key_context (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    context TEXT NOT NULL
);
