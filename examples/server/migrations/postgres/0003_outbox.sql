-- The challenge of a message with a code: a later message of it takes the place of an earlier one that still waits.
ALTER TABLE outbox ADD COLUMN challenge TEXT;
CREATE INDEX outbox_challenge ON outbox (subject, challenge);

-- The locale that the request asked for, as a BCP 47 tag that had templates. Nothing: the default locale.
ALTER TABLE outbox ADD COLUMN locale TEXT;
