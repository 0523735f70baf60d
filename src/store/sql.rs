//! Every statement of the store. They are the same for both databases, and a test has both of them read all: what
//! can't be checked while this is compiled is checked there.
//!
//! So they keep to what the two share: `$1` for what is put in; integers, text and bytes as the only types; sums cast
//! to BIGINT, for PostgreSQL makes them wider; and what may be null is compared with a column before it is asked whether it is, for
//! PostgreSQL takes its type from the first place where it stands.

/// Constants, and a list of all of them for tests.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $text;)*

        /// All of them by their names.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! report_columns {
    () => {
        "id, at_ms, chat, reason, note, reporter, reporter_network, reported, reported_network, evidence, weight, \
         state, decided_by, decided_at_ms, version"
    };
}

macro_rules! ban_columns {
    () => {
        "id, measure, subject, network, reason, appeal, report, created_at_ms, created_by, expires_at_ms, \
         lifted_at_ms, lifted_by, version"
    };
}

/// A list of reports. What is not asked for is null; the last two columns are where the page before ended.
macro_rules! reports_list {
    ($condition:literal, $order:literal) => {
        concat!(
            "SELECT ",
            report_columns!(),
            " FROM reports WHERE (reported = $1 OR $1 IS NULL) AND (reason = $2 OR $2 IS NULL) AND ",
            $condition,
            " ORDER BY ",
            $order,
            " LIMIT $5"
        )
    };
}

macro_rules! account_columns {
    () => {
        "a.id AS id, a.name AS name, a.role AS role, a.password AS password, a.created_at_ms AS created_at_ms, \
         a.disabled_at_ms AS disabled_at_ms, a.version AS version, \
         (SELECT COUNT(*) FROM account_factors f WHERE f.account = a.id AND f.confirmed_at_ms IS NOT NULL) AS totps, \
         (SELECT COUNT(*) FROM account_passkeys p WHERE p.account = a.id) AS passkeys"
    };
}

macro_rules! session_columns {
    () => {
        "s.id AS id, s.account AS account, s.turn AS turn, s.with_factor AS with_factor, \
         s.began_at_ms AS began_at_ms, s.refreshed_at_ms AS refreshed_at_ms, s.ended_at_ms AS ended_at_ms, \
         a.name AS name, a.role AS role, a.disabled_at_ms AS disabled_at_ms"
    };
}

statements! {
    PING = "SELECT 1";
    /// A write that changes nothing that anybody reads: whether the database can keep something again.
    PROBE = "UPDATE probe SET writes = writes + 1";

    ADD_REPORT = "INSERT INTO reports (once, at_ms, chat, reason, note, reporter, reporter_network, reported, \
         reported_network, evidence, weight, state, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'open', 1) \
         ON CONFLICT (once) DO NOTHING RETURNING id";
    /// Whoever says more of the same while nobody has decided has it added.
    COMPLETE_REPORT = "UPDATE reports SET reason = $2, note = COALESCE(CAST($3 AS TEXT), note), \
         evidence = COALESCE(evidence, CAST($4 AS TEXT)), version = version + 1 \
         WHERE once = $1 AND state = 'open' AND (reason <> $2 OR (CAST($3 AS TEXT) IS NOT NULL AND COALESCE(note, '') <> $3) \
         OR (CAST($4 AS TEXT) IS NOT NULL AND evidence IS NULL))";
    REPORT_MADE_ONCE = "SELECT id FROM reports WHERE once = $1";
    REPORT = concat!("SELECT ", report_columns!(), " FROM reports WHERE id = $1");
    REPORT_VERSION = "SELECT version FROM reports WHERE id = $1";
    DECIDE_REPORT = concat!(
        "UPDATE reports SET state = $3, decided_by = $4, decided_at_ms = $5, version = version + 1 \
         WHERE id = $1 AND version = $2 RETURNING ",
        report_columns!()
    );
    REPORTS_NEWEST = reports_list!("(at_ms, id) < ($3, $4)", "at_ms DESC, id DESC");
    REPORTS_OLDEST = reports_list!("(at_ms, id) > ($3, $4)", "at_ms, id");
    REPORTS_WORST = reports_list!("(weight, id) < ($3, $4)", "weight DESC, id DESC");
    REPORTS_IN_STATE_NEWEST = reports_list!("state = $6 AND (at_ms, id) < ($3, $4)", "at_ms DESC, id DESC");
    REPORTS_IN_STATE_OLDEST = reports_list!("state = $6 AND (at_ms, id) > ($3, $4)", "at_ms, id");
    REPORTS_IN_STATE_WORST = reports_list!("state = $6 AND (weight, id) < ($3, $4)", "weight DESC, id DESC");
    GRAVITY = "SELECT COUNT(*) AS reports, COUNT(DISTINCT reporter) AS reporters, \
         COUNT(DISTINCT reporter_network) AS networks, CAST(COALESCE(SUM(weight), 0) AS BIGINT) AS weight \
         FROM reports WHERE reported = $1 AND at_ms >= $2 AND state <> 'dismissed'";

    CALLS_COUNT = "SELECT COUNT(*) FROM webhook_calls";
    ADD_CALL = "INSERT INTO webhook_calls (name, report, made_at_ms, next_try_at_ms, tries, against_reports, \
         against_reporters, against_networks, against_weight) VALUES ($1, $2, $3, $3, 0, $4, $5, $6, $7)";
    CALL_DUE = "SELECT id FROM webhook_calls WHERE next_try_at_ms <= $1 AND made_at_ms >= $2 \
         ORDER BY next_try_at_ms, id LIMIT 1";
    /// Of two that take the same, the second finds that it is not due any more.
    CLAIM_CALL = "UPDATE webhook_calls SET next_try_at_ms = $3, tries = tries + 1 \
         WHERE id = $1 AND next_try_at_ms <= $2";
    CALL = "SELECT c.id AS id, c.name AS name, c.tries AS tries, c.report AS report, r.at_ms AS at_ms, \
         r.chat AS chat, r.reason AS reason, r.reporter AS reporter, r.reported AS reported, r.weight AS weight, \
         CAST(CASE WHEN r.evidence IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_evidence, \
         c.against_reports AS against_reports, c.against_reporters AS against_reporters, \
         c.against_networks AS against_networks, c.against_weight AS against_weight \
         FROM webhook_calls c JOIN reports r ON r.id = c.report WHERE c.id = $1";
    /// Only by who had it last.
    PUT_OFF_CALL = "UPDATE webhook_calls SET next_try_at_ms = $3 WHERE id = $1 AND tries = $2";
    END_CALL = "DELETE FROM webhook_calls WHERE id = $1";

    ADD_BAN = concat!(
        "INSERT INTO bans (measure, subject, network, reason, appeal, report, created_at_ms, created_by, \
         expires_at_ms, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) RETURNING ",
        ban_columns!()
    );
    BAN = concat!("SELECT ", ban_columns!(), " FROM bans WHERE id = $1");
    BAN_VERSION = "SELECT version FROM bans WHERE id = $1";
    LIFT_BAN = concat!(
        "UPDATE bans SET lifted_at_ms = $3, lifted_by = $4, version = version + 1 \
         WHERE id = $1 AND version = $2 AND lifted_at_ms IS NULL RETURNING ",
        ban_columns!()
    );
    /// Those that followed from a report by somebody's decision.
    LIFT_BANS_OF_REPORT = concat!(
        "UPDATE bans SET lifted_at_ms = $2, lifted_by = $3, version = version + 1 \
         WHERE report = $1 AND lifted_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > $2) \
         AND created_by NOT LIKE 'rule:%' RETURNING ",
        ban_columns!()
    );
    BANS = concat!(
        "SELECT ",
        ban_columns!(),
        " FROM bans WHERE (subject = $1 OR $1 IS NULL) AND (network = $2 OR $2 IS NULL) \
         AND ((lifted_at_ms IS NULL AND (expires_at_ms > $3 OR expires_at_ms IS NULL)) OR $3 IS NULL) \
         AND id < $4 ORDER BY id DESC LIMIT $5"
    );
    BANS_IN_FORCE = concat!(
        "SELECT ",
        ban_columns!(),
        " FROM bans WHERE lifted_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > $1) \
         AND id > $2 ORDER BY id LIMIT $3"
    );
    BANS_CHANGED = concat!(
        "SELECT ",
        ban_columns!(),
        " FROM bans WHERE (created_at_ms >= $1 OR lifted_at_ms >= $1) AND id > $2 ORDER BY id LIMIT $3"
    );

    ADD_AUDIT = "INSERT INTO audit (at_ms, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5) RETURNING id";
    AUDIT = "SELECT id, at_ms, actor, action, target, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
    AUDIT_OF_ACTOR = "SELECT id, at_ms, actor, action, target, detail FROM audit \
         WHERE actor = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

    MEASURES_BY = "SELECT DISTINCT measure FROM bans WHERE subject = $1 AND created_by = $2 AND created_at_ms >= $3";
    KEYS = "SELECT id, purpose, secret, created_at_ms, retired_at_ms FROM signing_keys \
         WHERE purpose = $1 ORDER BY id DESC";
    KEY_NEWEST = "SELECT id, purpose, secret, created_at_ms, retired_at_ms FROM signing_keys \
         WHERE purpose = $1 AND retired_at_ms IS NULL ORDER BY id DESC LIMIT 1";
    ADD_KEY = "INSERT INTO signing_keys (purpose, secret, created_at_ms) VALUES ($1, $2, $3) \
         RETURNING id, purpose, secret, created_at_ms, retired_at_ms";
    RETIRE_KEYS = "UPDATE signing_keys SET retired_at_ms = $2 WHERE purpose = $1 AND retired_at_ms IS NULL";

    CLAIM_KEY = "INSERT INTO idempotency_keys (actor, route, key, digest, at_ms) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (actor, route, key) DO NOTHING RETURNING id";
    /// Changes nothing, and holds the row until the transaction ends, so that those who ask again take turns.
    MADE_BY_KEY = "UPDATE idempotency_keys SET made = made WHERE actor = $1 AND route = $2 AND key = $3 \
         RETURNING digest, made";
    REMEMBER_MADE = "UPDATE idempotency_keys SET made = $2 WHERE id = $1";

    REPORTS_BY = concat!("SELECT ", report_columns!(), " FROM reports WHERE reporter = $1 ORDER BY id LIMIT $2");
    REPORTS_OF = concat!("SELECT ", report_columns!(), " FROM reports WHERE reported = $1 ORDER BY id LIMIT $2");
    CALLS_ABOUT_COUNT = "SELECT COUNT(*) FROM webhook_calls c JOIN reports r ON r.id = c.report \
         WHERE r.reporter = $1 OR r.reported = $1";
    FORGET_REPORTER = "UPDATE reports SET reporter = NULL, reporter_network = NULL, note = NULL, evidence = NULL, \
         chat = '', once = 'erased:' || id, version = version + 1 WHERE reporter = $1";
    /// Those that a ban in force stands on stay.
    FORGET_REPORTED = "UPDATE reports SET reported = NULL, reported_network = NULL, evidence = NULL, note = NULL, \
         chat = '', version = version + 1 WHERE reported = $1 AND id NOT IN (SELECT report FROM bans \
         WHERE report IS NOT NULL AND lifted_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > $2))";
    REPORTS_OF_COUNT = "SELECT COUNT(*) FROM reports WHERE reported = $1";
    FORGET_BANS = "DELETE FROM bans WHERE subject = $1 \
         AND (lifted_at_ms IS NOT NULL OR (expires_at_ms IS NOT NULL AND expires_at_ms <= $2))";
    BANS_OF_COUNT = "SELECT COUNT(*) FROM bans WHERE subject = $1";

    SWEEP_CALLS = "DELETE FROM webhook_calls WHERE id IN \
         (SELECT id FROM webhook_calls WHERE made_at_ms < $1 ORDER BY made_at_ms LIMIT $2)";
    SWEEP_REPORTS = "DELETE FROM reports WHERE id IN \
         (SELECT id FROM reports WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)";
    SWEEP_BANS = "DELETE FROM bans WHERE id IN \
         (SELECT id FROM bans WHERE expires_at_ms < $1 OR lifted_at_ms < $1 ORDER BY id LIMIT $2)";
    SWEEP_IDEMPOTENCY_KEYS = "DELETE FROM idempotency_keys WHERE id IN \
         (SELECT id FROM idempotency_keys WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)";
    SWEEP_KEYS = "DELETE FROM signing_keys WHERE retired_at_ms < $1";
    /// Until when entries may be removed, for the transaction that does it.
    SET_AUDIT_BOUND = "UPDATE audit_bound SET before_ms = $1";
    SWEEP_AUDIT = "DELETE FROM audit WHERE id IN \
         (SELECT id FROM audit WHERE at_ms < $1 ORDER BY id LIMIT $2)";

    ANY_ACCOUNT = "SELECT COUNT(*) FROM (SELECT id FROM accounts LIMIT 1) AS any_account";
    ADD_ACCOUNT = "INSERT INTO accounts (name, role, created_at_ms, version) VALUES ($1, $2, $3, 1) \
         ON CONFLICT (name) DO NOTHING RETURNING id";
    /// Changes nothing, and holds the row until the transaction ends, if nobody has changed it since it was made.
    HOLD_NEW_ACCOUNT = "UPDATE accounts SET version = version WHERE id = $1 AND version = 1 RETURNING id";
    ACCOUNT = concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.id = $1");
    ACCOUNT_NAMED = concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.name = $1");
    ACCOUNTS = concat!(
        "SELECT ",
        account_columns!(),
        " FROM accounts a WHERE a.id > $1 ORDER BY a.id LIMIT $2"
    );
    ACCOUNT_VERSION = "SELECT version FROM accounts WHERE id = $1";
    CHANGE_ACCOUNT = "UPDATE accounts SET role = $3, disabled_at_ms = $4, version = version + 1 \
         WHERE id = $1 AND version = $2 RETURNING id";
    /// Admins who could log in.
    ADMINS_LEFT = "SELECT COUNT(*) FROM accounts \
         WHERE role = 'admin' AND disabled_at_ms IS NULL AND password IS NOT NULL";
    /// So that nobody can log in before the invitation is taken.
    EMPTY_ACCOUNT = "UPDATE accounts SET password = NULL, disabled_at_ms = NULL, version = version + 1 WHERE id = $1 \
         AND version = $2 RETURNING id";

    /// Changes nothing, and holds the row until the transaction ends.
    HOLD_ACCOUNT = "UPDATE accounts SET version = version WHERE id = $1 AND password = $2 AND disabled_at_ms IS NULL \
         RETURNING id";
    /// Whoever begins a session meanwhile has held that row, too.
    TOUCH_ACCOUNT = "UPDATE accounts SET version = version WHERE id = $1";
    /// Only as long as the one it replaces is the one that was checked.
    CHANGE_PASSWORD = "UPDATE accounts SET password = $3 WHERE id = $1 AND password = $2 AND disabled_at_ms IS NULL \
         RETURNING id";
    FIRST_PASSWORD = "UPDATE accounts SET password = $2, version = version + 1 WHERE id = $1 AND disabled_at_ms IS NULL \
         RETURNING id";

    ADD_INVITATION = "INSERT INTO account_invitations (digest, account, created_at_ms, expires_at_ms) \
         VALUES ($1, $2, $3, $4)";
    INVITED = concat!(
        "SELECT ",
        account_columns!(),
        " FROM accounts a JOIN account_invitations i ON i.account = a.id \
         WHERE i.digest = $1 AND i.used_at_ms IS NULL AND i.expires_at_ms > $2 AND a.disabled_at_ms IS NULL"
    );
    USE_INVITATION = "UPDATE account_invitations SET used_at_ms = $2 \
         WHERE digest = $1 AND used_at_ms IS NULL AND expires_at_ms > $2 RETURNING account";
    DROP_INVITATIONS = "DELETE FROM account_invitations WHERE account = $1 AND used_at_ms IS NULL";

    FACTOR = "SELECT id, secret, created_at_ms, last_step FROM account_factors \
         WHERE account = $1 AND confirmed_at_ms IS NOT NULL";
    FACTOR_ENROLLING = "SELECT id, secret, created_at_ms, last_step FROM account_factors \
         WHERE account = $1 AND confirmed_at_ms IS NULL";
    ADD_FACTOR = "INSERT INTO account_factors (account, secret, created_at_ms) VALUES ($1, $2, $3) RETURNING id";
    DROP_FACTOR_ENROLLING = "DELETE FROM account_factors WHERE account = $1 AND confirmed_at_ms IS NULL";
    DROP_FACTOR = "DELETE FROM account_factors WHERE account = $1 AND confirmed_at_ms IS NOT NULL";
    CONFIRM_FACTOR = "UPDATE account_factors SET confirmed_at_ms = $2, last_step = $3 \
         WHERE id = $1 AND confirmed_at_ms IS NULL RETURNING account";
    USE_STEP = "UPDATE account_factors SET last_step = $2 \
         WHERE id = $1 AND (last_step IS NULL OR last_step < $2) RETURNING account";
    PASSKEYS = "SELECT id, name, credential, created_at_ms, last_used_at_ms FROM account_passkeys \
         WHERE account = $1 ORDER BY id";
    ADD_PASSKEY = "INSERT INTO account_passkeys (account, name, digest, credential, counter, created_at_ms) \
         VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT (digest) DO NOTHING RETURNING id";
    PASSKEY_OF_DIGEST = "SELECT id FROM account_passkeys WHERE account = $1 AND digest = $2";
    /// Only if it has signed more often than ever before, or does not count.
    USE_PASSKEY = "UPDATE account_passkeys SET credential = $3, counter = $4, last_used_at_ms = $5 \
         WHERE account = $1 AND digest = $2 AND (counter < $4 OR (counter = 0 AND $4 = 0)) RETURNING id";
    REMOVE_PASSKEY = "DELETE FROM account_passkeys WHERE account = $1 AND id = $2 RETURNING id";
    DROP_PASSKEYS = "DELETE FROM account_passkeys WHERE account = $1";
    ADD_RECOVERY_CODE = "INSERT INTO account_recovery_codes (account, digest) VALUES ($1, $2)";
    DROP_RECOVERY_CODES = "DELETE FROM account_recovery_codes WHERE account = $1";
    USE_RECOVERY_CODE = "UPDATE account_recovery_codes SET used_at_ms = $3 \
         WHERE account = $1 AND digest = $2 AND used_at_ms IS NULL RETURNING account";
    RECOVERY_CODES_LEFT = "SELECT COUNT(*) FROM account_recovery_codes WHERE account = $1 AND used_at_ms IS NULL";

    ADD_SESSION = "INSERT INTO account_sessions \
         (account, family, turn, with_factor, began_at_ms, refreshed_at_ms) VALUES ($1, $2, $3, $4, $5, $5) RETURNING id";
    SESSION = concat!(
        "SELECT ",
        session_columns!(),
        " FROM account_sessions s JOIN accounts a ON a.id = s.account WHERE s.id = $1"
    );
    SESSION_OF_FAMILY = concat!(
        "SELECT ",
        session_columns!(),
        " FROM account_sessions s JOIN accounts a ON a.id = s.account WHERE s.family = $1"
    );
    SESSIONS_OF = concat!(
        "SELECT ",
        session_columns!(),
        " FROM account_sessions s JOIN accounts a ON a.id = s.account \
         WHERE s.account = $1 AND s.ended_at_ms IS NULL ORDER BY s.refreshed_at_ms DESC, s.id DESC LIMIT $2"
    );
    TURN_SESSION = "UPDATE account_sessions SET turn = $3, refreshed_at_ms = $4 \
         WHERE id = $1 AND turn = $2 AND ended_at_ms IS NULL RETURNING id";
    PROVE_SESSION = "UPDATE account_sessions SET with_factor = 1 WHERE id = $1 AND ended_at_ms IS NULL";
    /// What it has shown is no factor any more.
    UNPROVE_SESSION = "UPDATE account_sessions SET with_factor = 0 WHERE id = $1";
    END_SESSION = "UPDATE account_sessions SET ended_at_ms = $2 WHERE id = $1 AND ended_at_ms IS NULL RETURNING account";
    /// All of an account but one; but none, for the id 0.
    END_SESSIONS = "UPDATE account_sessions SET ended_at_ms = $3 WHERE account = $1 AND id <> $2 AND ended_at_ms IS NULL";
    /// Those beyond so many, which were used the longest ago.
    END_SESSIONS_BEYOND = "UPDATE account_sessions SET ended_at_ms = $2 WHERE account = $1 AND ended_at_ms IS NULL \
         AND id NOT IN (SELECT id FROM account_sessions WHERE account = $1 AND ended_at_ms IS NULL \
         ORDER BY refreshed_at_ms DESC, id DESC LIMIT $3)";

    SWEEP_INVITATIONS = "DELETE FROM account_invitations WHERE expires_at_ms < $1";
    SWEEP_SESSIONS = "DELETE FROM account_sessions WHERE refreshed_at_ms < $1";
}

/// SQLite's alone: a copy of the whole database in a new file.
pub(super) const BACKUP: &str = "VACUUM INTO $1";
