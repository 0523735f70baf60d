-- Passkeys of people who look after the server. Times are milliseconds since the epoch; digests are SHA-256.

-- Second factors beside those of account_factors: several for an account.
CREATE TABLE account_passkeys (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- What its owner calls it.
    name TEXT NOT NULL,
    -- Of the credential's id: nobody else can have the same.
    digest BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
    -- The public key and what goes with it, as JSON.
    credential TEXT NOT NULL,
    -- How often it had signed when it was last used; 0 of those that do not count.
    counter BIGINT NOT NULL CHECK (counter >= 0),
    created_at_ms BIGINT NOT NULL,
    last_used_at_ms BIGINT
);
CREATE INDEX account_passkeys_by_account ON account_passkeys (account, id);
