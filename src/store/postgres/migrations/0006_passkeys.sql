-- Passkeys: whoever has one may have no authenticator app. `sign_count` is an unsigned number of 32 bits.
ALTER TABLE portcullis.factors ALTER COLUMN sealed DROP NOT NULL;
ALTER TABLE portcullis.factors ALTER COLUMN created DROP NOT NULL;

CREATE TABLE IF NOT EXISTS portcullis.passkeys (
    credential    bytea PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES portcullis.users (id) ON DELETE CASCADE,
    place         bigint NOT NULL,
    public_key    bytea NOT NULL,
    handle        bytea NOT NULL,
    sign_count    bigint NOT NULL,
    may_be_copied boolean NOT NULL,
    is_copied     boolean NOT NULL,
    passkey_name  text NOT NULL,
    created       bigint NOT NULL,
    used          bigint
);
CREATE INDEX IF NOT EXISTS passkeys_of_users ON portcullis.passkeys (user_id);

-- SHA-256 of each challenge that a passkey has signed, until it would have ended: it is good once, at whichever
-- gateway.
CREATE TABLE IF NOT EXISTS portcullis.signed_challenges (
    hash    bytea PRIMARY KEY,
    expires bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS signed_challenges_by_expiry ON portcullis.signed_challenges (expires);
