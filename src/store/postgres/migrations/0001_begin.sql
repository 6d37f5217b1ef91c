-- Everything that a store keeps. Moments are milliseconds since 1970 (UTC), hashes are SHA-256.
--
-- Only what PostgreSQL, CockroachDB and YugabyteDB do alike: no sequences (two of them give numbers in
-- blocks, and a session that is started after a mark has to have a higher number), no advisory locks,
-- no triggers.

-- Numbers that are given once each: the row is the lock of its series.
CREATE TABLE IF NOT EXISTS portcullis.counters (
    series text PRIMARY KEY,
    last   bigint NOT NULL
);
INSERT INTO portcullis.counters (series, last) VALUES
    ('users', 0), ('sessions', 0), ('invitations', 0), ('groups', 0), ('letters', 0), ('user_keys', 0)
ON CONFLICT DO NOTHING;

-- A row is here only while a transaction is under way that needs its text to itself.
CREATE TABLE IF NOT EXISTS portcullis.holds (
    what text PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS portcullis.users (
    id               bigint PRIMARY KEY,
    username         text NOT NULL UNIQUE,
    email            text NOT NULL,
    email_folded     text NOT NULL,
    email_verified   boolean NOT NULL,
    password         text,
    recipe           text,
    active           boolean NOT NULL,
    roles            text[] NOT NULL,
    claims           jsonb NOT NULL,
    created          bigint NOT NULL,
    last_login       bigint,
    password_mark    bigint,
    password_mark_at bigint,
    logout_mark      bigint,
    logout_mark_at   bigint
);
CREATE INDEX IF NOT EXISTS users_by_email ON portcullis.users (email_folded, id);
CREATE INDEX IF NOT EXISTS users_by_recipe ON portcullis.users (recipe);

-- How the names of users look to a reader.
CREATE TABLE IF NOT EXISTS portcullis.looks (
    look    text NOT NULL,
    user_id bigint NOT NULL REFERENCES portcullis.users (id) ON DELETE CASCADE,
    PRIMARY KEY (look, user_id)
);
CREATE INDEX IF NOT EXISTS looks_of_users ON portcullis.looks (user_id);

-- Ids of users who were deleted: nobody gets them again.
CREATE TABLE IF NOT EXISTS portcullis.deleted_users (
    id bigint PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS portcullis.groups (
    number     bigint PRIMARY KEY,
    group_name text NOT NULL UNIQUE,
    gives      text[] NOT NULL
);

CREATE TABLE IF NOT EXISTS portcullis.members (
    group_number bigint NOT NULL REFERENCES portcullis.groups (number) ON DELETE CASCADE,
    user_id      bigint NOT NULL REFERENCES portcullis.users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_number, user_id)
);
CREATE INDEX IF NOT EXISTS members_by_user ON portcullis.members (user_id);

-- A refresh token that was spent is one element of each of the five lists, the oldest first.
CREATE TABLE IF NOT EXISTS portcullis.sessions (
    number            bigint PRIMARY KEY,
    tag               bigint NOT NULL,
    user_id           bigint NOT NULL REFERENCES portcullis.users (id) ON DELETE CASCADE,
    started           bigint NOT NULL,
    last_used         bigint NOT NULL,
    expires           bigint NOT NULL,
    ends              bigint NOT NULL,
    ended             bigint,
    end_reason        smallint,
    refresh_jti       text,
    refresh_issued    bigint,
    refresh_expires   bigint,
    spent_jti         text[] NOT NULL,
    spent_at          bigint[] NOT NULL,
    successor_jti     text[] NOT NULL,
    successor_issued  bigint[] NOT NULL,
    successor_expires bigint[] NOT NULL,
    device            text NOT NULL,
    address           text NOT NULL,
    adopted           text UNIQUE
);
CREATE INDEX IF NOT EXISTS sessions_of_users ON portcullis.sessions (user_id, number);
CREATE INDEX IF NOT EXISTS sessions_by_end ON portcullis.sessions (expires);

CREATE TABLE IF NOT EXISTS portcullis.api_keys (
    user_id bigint PRIMARY KEY REFERENCES portcullis.users (id) ON DELETE CASCADE,
    hash    bytea NOT NULL UNIQUE,
    sealed  bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS portcullis.user_keys (
    key_id        bigint PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES portcullis.users (id) ON DELETE CASCADE,
    hash          bytea NOT NULL UNIQUE,
    key_name      text NOT NULL,
    hint          text NOT NULL,
    scopes        text[],
    key_created   bigint NOT NULL,
    key_expires   bigint,
    key_last_used bigint
);
CREATE INDEX IF NOT EXISTS keys_of_users ON portcullis.user_keys (user_id, key_id);
CREATE INDEX IF NOT EXISTS keys_by_end ON portcullis.user_keys (key_expires);

CREATE TABLE IF NOT EXISTS portcullis.invitations (
    id        bigint PRIMARY KEY,
    hash      bytea NOT NULL UNIQUE,
    email     text NOT NULL,
    roles     text[] NOT NULL,
    uses_left bigint NOT NULL CHECK (uses_left > 0),
    created   bigint NOT NULL,
    expires   bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS invitations_by_end ON portcullis.invitations (expires);

-- A letter may be about a user who is gone by now.
CREATE TABLE IF NOT EXISTS portcullis.letters (
    number           bigint PRIMARY KEY,
    kind             smallint NOT NULL,
    user_id          bigint NOT NULL,
    recipient        text NOT NULL,
    recipient_folded text NOT NULL,
    basis            bytea NOT NULL,
    posted           bigint NOT NULL,
    due              bigint NOT NULL,
    attempts         bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS letters_by_due ON portcullis.letters (due, number);
CREATE INDEX IF NOT EXISTS letters_to ON portcullis.letters (recipient_folded);

-- `place` orders the tokens of one user and purpose: the oldest gives way.
CREATE TABLE IF NOT EXISTS portcullis.one_time_tokens (
    user_id bigint NOT NULL REFERENCES portcullis.users (id) ON DELETE CASCADE,
    purpose smallint NOT NULL,
    place   bigint NOT NULL,
    hash    bytea NOT NULL,
    basis   bytea NOT NULL,
    address text NOT NULL,
    expires bigint NOT NULL,
    PRIMARY KEY (user_id, purpose, place)
);
CREATE INDEX IF NOT EXISTS tokens_by_end ON portcullis.one_time_tokens (expires);
