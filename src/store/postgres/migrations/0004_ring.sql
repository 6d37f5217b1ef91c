-- The keys that sign tokens, where gateways share them: sealed under a key that is not here.
CREATE TABLE IF NOT EXISTS portcullis.key_ring (
    one     smallint PRIMARY KEY CHECK (one = 1),
    version bigint NOT NULL,
    sealed  bytea NOT NULL
);
