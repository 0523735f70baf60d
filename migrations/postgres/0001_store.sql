-- Reports, bans, the audit log and keys. Times are milliseconds since the epoch.

CREATE TABLE reports (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    once TEXT NOT NULL UNIQUE,
    at_ms BIGINT NOT NULL,
    chat TEXT NOT NULL,
    reason TEXT NOT NULL,
    note TEXT,
    reporter BYTEA CHECK (length(reporter) = 16),
    reporter_network TEXT,
    reported BYTEA CHECK (length(reported) = 16),
    reported_network TEXT,
    evidence TEXT,
    weight BIGINT NOT NULL CHECK (weight >= 0),
    state TEXT NOT NULL CHECK (state IN ('open', 'upheld', 'dismissed')),
    decided_by TEXT,
    decided_at_ms BIGINT,
    version BIGINT NOT NULL
);
CREATE INDEX reports_by_time ON reports (at_ms, id);
CREATE INDEX reports_by_weight ON reports (weight, id);
CREATE INDEX reports_by_state_and_time ON reports (state, at_ms, id);
CREATE INDEX reports_by_state_and_weight ON reports (state, weight, id);
CREATE INDEX reports_by_reported ON reports (reported, at_ms) WHERE reported IS NOT NULL;
CREATE INDEX reports_by_reporter ON reports (reporter) WHERE reporter IS NOT NULL;

CREATE TABLE bans (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    measure TEXT NOT NULL CHECK (measure IN ('ban', 'shadow', 'slow')),
    subject BYTEA CHECK (length(subject) = 16),
    network TEXT,
    reason TEXT NOT NULL,
    appeal TEXT,
    report BIGINT REFERENCES reports (id) ON DELETE SET NULL,
    created_at_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at_ms BIGINT,
    lifted_at_ms BIGINT,
    lifted_by TEXT,
    version BIGINT NOT NULL,
    CHECK (subject IS NOT NULL OR network IS NOT NULL)
);
CREATE INDEX bans_by_subject ON bans (subject) WHERE subject IS NOT NULL;
CREATE INDEX bans_by_network ON bans (network) WHERE network IS NOT NULL;
CREATE INDEX bans_by_report ON bans (report) WHERE report IS NOT NULL;
CREATE INDEX bans_by_begin ON bans (created_at_ms);
CREATE INDEX bans_by_end ON bans (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX bans_by_lifting ON bans (lifted_at_ms) WHERE lifted_at_ms IS NOT NULL;

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_actor ON audit (actor, id);

-- Entries older than this may be removed. It is 0 but inside the sweeper's transaction.
CREATE TABLE audit_bound (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    before_ms BIGINT NOT NULL
);
INSERT INTO audit_bound (one, before_ms) VALUES (1, 0);

CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to';
END
$$;
CREATE FUNCTION audit_refuses_unless_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at_ms >= (SELECT before_ms FROM audit_bound) THEN
        RAISE EXCEPTION 'the audit log is only added to';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_refuses();
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_refuses_unless_old();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses();

CREATE TABLE signing_keys (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purpose TEXT NOT NULL,
    secret BYTEA NOT NULL,
    created_at_ms BIGINT NOT NULL,
    retired_at_ms BIGINT
);
CREATE INDEX signing_keys_by_purpose ON signing_keys (purpose, id);

-- Written to find out whether anything can be written.
CREATE TABLE probe (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    writes BIGINT NOT NULL
);
INSERT INTO probe (one, writes) VALUES (1, 0);
