-- Until when what is owed of a limit is paid off, in microseconds since 1970, by a keyed digest of what is limited. A
-- crash of the server may forget it, so that counting a guess waits for no disk.
CREATE UNLOGGED TABLE IF NOT EXISTS portcullis.charges (
    key  bytea PRIMARY KEY,
    paid bigint NOT NULL
);
