-- People who look after the server. Times are milliseconds since the epoch; digests are SHA-256.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'moderator', 'admin')),
    -- A PHC string; null until an invitation was taken.
    password TEXT,
    created_at_ms BIGINT NOT NULL,
    disabled_at_ms BIGINT,
    version BIGINT NOT NULL
);

-- Second factors: at most one that is in use, and one that is being enrolled.
CREATE TABLE account_factors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    secret BLOB NOT NULL,
    created_at_ms BIGINT NOT NULL,
    confirmed_at_ms BIGINT,
    -- The step of the last code that was used; that one and those before it are not good again.
    last_step BIGINT
);
CREATE UNIQUE INDEX account_factors_in_use ON account_factors (account) WHERE confirmed_at_ms IS NOT NULL;
CREATE UNIQUE INDEX account_factors_enrolling ON account_factors (account) WHERE confirmed_at_ms IS NULL;

CREATE TABLE account_recovery_codes (
    account BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    used_at_ms BIGINT,
    PRIMARY KEY (account, digest)
);

CREATE TABLE account_invitations (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    account BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    used_at_ms BIGINT
);
CREATE INDEX account_invitations_by_account ON account_invitations (account);
CREATE INDEX account_invitations_by_end ON account_invitations (expires_at_ms);

CREATE TABLE account_sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- What all refresh tokens of the session have in common, and what the last of them has alone.
    family BLOB NOT NULL UNIQUE CHECK (length(family) = 32),
    turn BLOB NOT NULL CHECK (length(turn) = 32),
    with_factor BIGINT NOT NULL CHECK (with_factor IN (0, 1)),
    began_at_ms BIGINT NOT NULL,
    refreshed_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT
);
CREATE INDEX account_sessions_by_account ON account_sessions (account, ended_at_ms);
CREATE INDEX account_sessions_by_use ON account_sessions (refreshed_at_ms);
