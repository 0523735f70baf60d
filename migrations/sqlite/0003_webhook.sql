-- Calls of the webhook that wait to be delivered, each telling of a report. Times are milliseconds since the epoch.

CREATE TABLE webhook_calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What its receiver knows it by, the same at every try.
    name TEXT NOT NULL,
    -- What it tells is read from there when it is tried, so nothing of a person is kept here.
    report BIGINT NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    made_at_ms BIGINT NOT NULL,
    -- Later than now while a server has it.
    next_try_at_ms BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    -- What spoke against who was reported when the report was made; null if it was not known who that was.
    against_reports BIGINT,
    against_reporters BIGINT,
    against_networks BIGINT,
    against_weight BIGINT
);
CREATE INDEX webhook_calls_by_next_try ON webhook_calls (next_try_at_ms, id);
CREATE INDEX webhook_calls_by_time ON webhook_calls (made_at_ms);
CREATE INDEX webhook_calls_by_report ON webhook_calls (report);
