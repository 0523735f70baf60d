//! What each setting may be, in one place for checking and for saying.

use super::log::LEVEL_ALLOWED;

/// Numbers with a smallest and a largest value: the key, both, and what is counted.
const BOUNDS: &[(&str, f64, f64, &str)] = &[
    ("matching.rematch_cooloff_s", 0.0, 86_400.0, " seconds"),
    ("matching.max_wait_s", 1.0, 604_800.0, " seconds"),
    ("limits.max_message_bytes", 512.0, 65_536.0, ""),
    ("limits.max_connections", 0.0, 10_000_000.0, ""),
    ("limits.address_connections", 0.0, 1_000_000.0, ""),
    ("limits.max_addresses", 1.0, 10_000_000.0, ""),
    ("limits.write_stall_s", 1.0, 3600.0, " whole seconds"),
    ("limits.moves_per_minute", 0.0, 60_000.0, ""),
    ("limits.first_message_s", 0.1, 3600.0, " seconds"),
    ("auth.leeway_s", 0.0, 300.0, " whole seconds"),
    ("limits.tls_handshake_s", 0.1, 60.0, " seconds"),
    ("limits.request_head_s", 0.1, 60.0, " seconds"),
    ("limits.close_s", 0.1, 60.0, " seconds"),
    ("limits.outbox_bytes", 16_384.0, 16_777_216.0, ""),
    ("limits.outbox_events", 16.0, 65_536.0, ""),
    ("limits.errors_per_minute", 1.0, 1000.0, ""),
    ("limits.reconnect_spread_s", 0.0, 3600.0, " seconds"),
    ("limits.ping_s", 0.0, 3600.0, " whole seconds"),
    ("limits.pong_s", 1.0, 600.0, " whole seconds"),
    ("limits.resume_window_s", 0.0, 3600.0, " whole seconds"),
    ("limits.max_away", 0.0, 10_000_000.0, ""),
    ("limits.moves_burst", 1.0, 1_000_000.0, ""),
    ("limits.moves_free_km", 0.0, 1e9, " km"),
    ("limits.drain_s", 0.0, 3600.0, " seconds"),
    ("matching.widen_step_s", 0.0, 86_400.0, " seconds"),
    ("matching.heard_within_s", 0.0, 60.0, " seconds"),
    ("matching.confirm_s", 0.1, 60.0, " seconds"),
    ("limits.stop_s", 0.1, 3600.0, " seconds"),
    ("admin.history_step_s", 1.0, 3600.0, " whole seconds"),
    ("store.connections", 1.0, 1000.0, ""),
    ("store.queue", 1.0, 1_000_000.0, ""),
    ("store.timeout_s", 0.1, 60.0, " seconds"),
    ("store.keep_reports_days", 1.0, 3650.0, " whole days"),
    ("store.keep_bans_days", 0.0, 3650.0, " whole days"),
    ("store.keep_audit_days", 1.0, 36_500.0, " whole days"),
    ("admin.hashes_at_once", 1.0, 64.0, ""),
    ("moderation.window_h", 1.0, 8760.0, " whole hours"),
    ("moderation.reporters_min", 1.0, 1000.0, ""),
    ("moderation.slow_at", 0.0, 1e6, ""),
    ("moderation.slow_s", 1.0, 3600.0, " seconds"),
    ("moderation.apart_at", 0.0, 1e6, ""),
    ("moderation.ban_at", 0.0, 1e6, ""),
    ("moderation.lasts_h", 1.0, 87_600.0, " whole hours"),
    ("webhook.timeout_s", 0.1, 60.0, " seconds"),
    ("webhook.keep_h", 1.0, 720.0, " whole hours"),
    ("message_check.timeout_ms", 10.0, 10_000.0, " whole ms"),
    ("message_check.waiting_max", 1.0, 256.0, ""),
    ("message_check.checks_at_once", 1.0, 1024.0, ""),
    ("log.ends_per_second", 0.0, 10_000.0, ""),
    ("telemetry.sample_ratio", 0.0, 1.0, ""),
    ("telemetry.queue_spans", 1.0, 65_536.0, ""),
    ("telemetry.timeout_s", 0.1, 60.0, " seconds"),
];

/// The bounds of the numbers of every rate.
const RATE_BOUNDS: &[(&str, f64, f64, &str)] = &[
    ("burst", 1.0, 1_000_000.0, ""),
    ("per_minute", 0.0, 60_000.0, ""),
];

const SWITCH: &str = "must be true or false";
const NETWORKS: &str = r#"must be a list of networks, such as ["10.0.0.0/8", "fd00::/8"]"#;

/// Settings of other kinds, and what they may be.
const OTHERS: &[(&str, &str)] = &[
    (
        "listen",
        "must be an IP address and a port, such as 127.0.0.1:8080",
    ),
    (
        "admin_listen",
        "must be auto, off, or an IP address and a port, such as 127.0.0.1:9090, other than those of `listen`; \
         one that other machines can reach needs `admin.token` or `admin.token_file`",
    ),
    (
        "admin.token",
        "must be 16 to 1024 visible ASCII characters, and unset if `admin.token_file` is set",
    ),
    (
        "admin.token_file",
        "must be a file that can be read and holds a token of 16 to 1024 visible ASCII characters",
    ),
    (
        "admin.origin",
        "must be where browsers have the board: https:// and a host's name, or http://localhost, and perhaps a port, \
         such as https://ops.example.com",
    ),
    (
        "privacy.position_grid_km",
        "must be 0, or 0.01 to 1000 (km)",
    ),
    (
        "privacy.min_range_km",
        "must be above 0 and at most `matching.max_range_km`",
    ),
    (
        "matching.max_range_km",
        "must be above 0 and at most 20040 (km)",
    ),
    ("matching.widen_factor", "must be above 1 and at most 100"),
    (
        "security.allowed_origins",
        r#"must be a list of origins, such as ["https://chat.example", "https://*.example.com"]"#,
    ),
    ("security.allow_no_origin", SWITCH),
    ("security.trusted_proxies", NETWORKS),
    (
        "security.forwarded_header",
        r#"must be "x-forwarded-for" or "forwarded""#,
    ),
    ("security.proxy_protocol_from", NETWORKS),
    ("rates.exempt", NETWORKS),
    ("limits.address_connections_dry_run", SWITCH),
    ("limits.errors_dry_run", SWITCH),
    ("limits.moves_dry_run", SWITCH),
    (
        "tls.certificate",
        "must be the path of a PEM file, set together with `tls.key`",
    ),
    (
        "tls.key",
        "must be the path of a PEM file, set together with `tls.certificate`",
    ),
    ("log.format", "must be auto, human or json"),
    (
        "telemetry.endpoint",
        "must be http:// or https://, a host, and the path at which a collector takes spans, such as \
         http://127.0.0.1:4318/v1/traces",
    ),
    (
        "auth.algorithm",
        "must be EdDSA, ES256, RS256 or HS256, and set if anything else of `auth` is",
    ),
    (
        "auth.key",
        "must be the path of a file, or `auth.jwks` in its place, if `auth.algorithm` is set",
    ),
    (
        "auth.jwks",
        "must be the path of a file with a JSON Web Key Set, in the place of `auth.key`",
    ),
    (
        "auth.issuer",
        "must be what tokens have as `iss`, and set if `auth.algorithm` is",
    ),
    (
        "auth.audience",
        "must be what tokens have as `aud`, and set if `auth.algorithm` is",
    ),
    (
        "store.url",
        "must be auto, off, or the URL of a PostgreSQL database, such as \
         postgres://whisperchat:password@db.example/whisperchat",
    ),
    ("store.folder", "must be the path of a folder"),
    (
        "moderation.appeal",
        "must be a sentence of at most 90 bytes, for a close frame has no room for more",
    ),
    (
        "webhook.url",
        "must be http:// or https://, a host, and the path at which calls are taken, such as \
         https://desk.example/reports; reports are told of from the store, so `store.url` must not be off",
    ),
    (
        "webhook.secret",
        "must be 24 to 1024 visible ASCII characters, or whsec_ and at least 24 bytes in base64; needed if \
         `webhook.url` is set, and unset if `webhook.secret_file` is set in its place",
    ),
    (
        "webhook.secret_file",
        "must be a file that can be read and holds a secret of 24 to 1024 visible ASCII characters, or whsec_ and at \
         least 24 bytes in base64",
    ),
    (
        "message_check.url",
        "must be http:// or https://, a host, and the path at which a service checks messages, such as \
         http://127.0.0.1:7000/check",
    ),
    (
        "message_check.token",
        "must be 16 to 1024 visible ASCII characters, and unset if `message_check.token_file` is set",
    ),
    (
        "message_check.token_file",
        "must be a file that can be read and holds a token of 16 to 1024 visible ASCII characters",
    ),
    ("message_check.when_away", "must be pass or refuse"),
    (
        "moderation.ban_at",
        "must be 0 to 1000000, and not below `moderation.apart_at`, or 0 for never",
    ),
    ("moderation.dry_run", SWITCH),
    ("log.level", LEVEL_ALLOWED),
];

/// What a setting may be, for people.
pub(super) fn allowed(key: &str) -> Option<String> {
    if let Some((_, words)) = OTHERS.iter().find(|(known, _)| *known == key) {
        return Some((*words).to_owned());
    }
    if is_of_a_rate(key) && key.ends_with(".dry_run") {
        return Some(SWITCH.to_owned());
    }
    let (min, max, unit) = bounds(key)?;
    Some(format!("must be {min} to {max}{unit}"))
}

/// Whether a setting's value is never to be shown.
pub(super) fn is_secret(key: &str) -> bool {
    [
        "admin.token",
        "store.url",
        "webhook.secret",
        "message_check.token",
    ]
    .contains(&key)
}

/// The smallest and the largest value of a number, and what is counted.
pub(super) fn bounds(key: &str) -> Option<(f64, f64, &'static str)> {
    let (table, name) = match key.rsplit_once('.') {
        Some((_, name)) if is_of_a_rate(key) => (RATE_BOUNDS, name),
        _ => (BOUNDS, key),
    };
    let (_, min, max, unit) = table.iter().find(|(known, ..)| *known == name)?;
    Some((*min, *max, *unit))
}

/// Whether it is a setting of one of the rates: `rates.messages.burst`.
fn is_of_a_rate(key: &str) -> bool {
    key.strip_prefix("rates.")
        .is_some_and(|rest| rest.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::MAX_RANGE_KM;

    #[test]
    fn the_largest_range_is_the_one_that_is_said() {
        let words = allowed("matching.max_range_km").unwrap();
        assert!(words.contains(&MAX_RANGE_KM.to_string()), "{words}");
    }

    #[test]
    fn every_setting_has_words() {
        let mut config = crate::config::Config::default();
        config.admin.token = Some("a token of 16 or more".to_owned().into());
        config.admin.token_file = Some("token".into());
        config.admin.origin = Some("https://ops.example.com".to_owned());
        config.tls.certificate = Some("certificate.pem".into());
        config.tls.key = Some("key.pem".into());
        config.message_check.url = Some("http://localhost".to_owned());
        config.message_check.token = Some("a token of 16 or more".to_owned().into());
        config.message_check.token_file = Some("token".into());
        config.telemetry.endpoint = Some("http://localhost".to_owned());
        config.auth.algorithm = Some(crate::config::AuthAlgorithm::EdDSA);
        config.auth.key = Some("key.pem".into());
        config.auth.jwks = Some("keys.json".into());
        config.auth.issuer = Some("https://id.example".to_owned());
        config.auth.audience = Some("whisperchat".to_owned());
        config.store.folder = Some("state".into());
        config.moderation.appeal = Some("Write to help@chat.example.".to_owned());
        config.webhook.url = Some("https://desk.example/reports".to_owned());
        config.webhook.secret = Some("twenty-four-characters-!".to_owned().into());
        config.webhook.secret_file = Some("secret".into());
        let table = toml::Table::try_from(config).unwrap();
        assert_has_words("", &table);
    }

    fn assert_has_words(path: &str, table: &toml::Table) {
        for (key, value) in table {
            match value.as_table() {
                Some(inner) => assert_has_words(&format!("{path}{key}."), inner),
                None => assert!(allowed(&format!("{path}{key}")).is_some(), "{path}{key}"),
            }
        }
    }
}
