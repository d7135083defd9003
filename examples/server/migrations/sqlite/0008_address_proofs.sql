-- One row an address that is proven without an account: the record and its revision. Every write is conditional on the
-- revision. The subject is computed from the address.
CREATE TABLE address_proofs (
    subject    TEXT    PRIMARY KEY,
    revision   INTEGER NOT NULL,
    record     TEXT    NOT NULL,
    written_ms INTEGER NOT NULL
);
CREATE INDEX address_proofs_written ON address_proofs (written_ms);
