-- Second factors: the sealed secret of an authenticator app, the last time step whose code was used, and
-- SHA-256 of each recovery code that was not.
CREATE TABLE IF NOT EXISTS portcullis.factors (
    user_id   bigint PRIMARY KEY REFERENCES portcullis.users (id) ON DELETE CASCADE,
    sealed    bytea NOT NULL,
    created   bigint NOT NULL,
    confirmed bigint,
    last_step bigint NOT NULL,
    recovery  bytea[] NOT NULL
);

-- What was shown beside the password when the session began.
ALTER TABLE portcullis.sessions ADD COLUMN IF NOT EXISTS second_factor smallint;
