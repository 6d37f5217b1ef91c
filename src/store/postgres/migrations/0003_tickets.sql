-- Tickets are good once, at whichever gateway: who deletes the row has it. `kept` is when, in microseconds of
-- the database's clock: the oldest of an owner give way.
CREATE TABLE IF NOT EXISTS portcullis.tickets (
    hash    bytea PRIMARY KEY,
    owner   text NOT NULL,
    scope   text NOT NULL,
    shown   bytea NOT NULL,
    expires bigint NOT NULL,
    kept    bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS tickets_of_owners ON portcullis.tickets (owner, kept);
CREATE INDEX IF NOT EXISTS tickets_by_expiry ON portcullis.tickets (expires);
