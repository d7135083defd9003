-- How often administrators used each command on this database, by its result.
CREATE TABLE administrator_acts (
    act    TEXT NOT NULL,
    result TEXT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (act, result)
);

-- The policy of the server that started last: administrators' commands go by it.
CREATE TABLE running_policy (
    one    SMALLINT PRIMARY KEY CHECK (one = 1),
    policy TEXT NOT NULL
);
