-- One row a user: the record and its revision. Every write is conditional on the revision.
CREATE TABLE accounts (
    subject  TEXT   PRIMARY KEY,
    revision BIGINT NOT NULL,
    record   TEXT   NOT NULL
);

-- Messages to send, written in the transaction that writes the record. No code is in them.
CREATE TABLE outbox (
    id         TEXT   PRIMARY KEY,
    subject    TEXT   NOT NULL,
    descriptor TEXT   NOT NULL,
    due_ms     BIGINT NOT NULL,
    tries      BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_ms);

-- The first factor.
CREATE TABLE users (
    subject        TEXT    PRIMARY KEY,
    email          TEXT    NOT NULL UNIQUE,
    email_verified BOOLEAN NOT NULL,
    password_hash  TEXT    NOT NULL
);

-- A client without a secret is a public one.
CREATE TABLE clients (
    client_id   TEXT  PRIMARY KEY,
    secret_hash BYTEA
);
