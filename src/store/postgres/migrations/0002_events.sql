-- What the memory of every gateway has to hear of: each change of a user is one row, of the same
-- transaction. Ids are drawn at random, for a series would make all changes wait for one another.
-- `at` is the database's clock when the row was written, `kind` 1 a user, 2 everybody and 3 the key ring.
CREATE TABLE IF NOT EXISTS portcullis.events (
    id      bigint PRIMARY KEY,
    at      bigint NOT NULL,
    kind    smallint NOT NULL,
    user_id bigint
);
CREATE INDEX IF NOT EXISTS events_by_time ON portcullis.events (at);

-- The gateways that live on this database, by an id that each draws when it starts.
CREATE TABLE IF NOT EXISTS portcullis.gateways (
    id    bigint PRIMARY KEY,
    beats bigint NOT NULL,
    seen  bigint NOT NULL
);
