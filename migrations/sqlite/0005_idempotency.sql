-- What was made by which key, so that it is made once however often it is asked for. Times are milliseconds since the
-- epoch; digests are SHA-256.

CREATE TABLE idempotency_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    actor TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of the request's body.
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    -- The number of what was made; null only inside the transaction that makes it.
    made BIGINT,
    at_ms BIGINT NOT NULL,
    UNIQUE (actor, route, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (at_ms);
