//! What each setting may be, in one place for checking and for saying.

/// Numbers with a smallest and a largest value: the key, both, and what is counted.
const BOUNDS: &[(&str, f64, f64, &str)] = &[
    ("matching.rematch_cooloff_s", 0.0, 86_400.0, " seconds"),
    ("matching.max_wait_s", 1.0, 604_800.0, " seconds"),
    ("limits.max_message_bytes", 512.0, 65_536.0, ""),
    ("limits.max_connections", 0.0, 10_000_000.0, ""),
    ("limits.first_message_s", 0.1, 3600.0, " seconds"),
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
];

/// Settings of other kinds, and what they may be.
const OTHERS: &[(&str, &str)] = &[
    (
        "listen",
        "must be an IP address and a port, such as 127.0.0.1:8080",
    ),
    (
        "admin_listen",
        "must be auto, off, or an IP address and a port, such as 127.0.0.1:9090; one that other machines \
         can reach needs `admin.token` or `admin.token_file`",
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
        r#"must be a list of origins, such as ["https://chat.example"]"#,
    ),
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
        "log.level",
        "must be error, warn, info, debug, trace, or a filter such as info,whisperchat=debug",
    ),
];

/// What a setting may be, for people.
pub(super) fn allowed(key: &str) -> Option<String> {
    if let Some((_, words)) = OTHERS.iter().find(|(known, _)| *known == key) {
        return Some((*words).to_owned());
    }
    let (_, min, max, unit) = BOUNDS.iter().find(|(known, ..)| *known == key)?;
    Some(format!("must be {min} to {max}{unit}"))
}

/// Whether a setting's value is never to be shown.
pub(super) fn is_secret(key: &str) -> bool {
    key == "admin.token"
}

/// Whether a number is within its setting's bounds.
pub(super) fn is_within_bounds(key: &str, value: f64) -> bool {
    let bounds = BOUNDS.iter().find(|(known, ..)| *known == key);
    let (_, min, max, _) = bounds.expect("asked only for settings that have bounds");
    (*min..=*max).contains(&value)
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
        config.tls.certificate = Some("certificate.pem".into());
        config.tls.key = Some("key.pem".into());
        let table = toml::Table::try_from(config).unwrap();
        for (key, value) in &table {
            let keys = match value.as_table() {
                Some(inner) => inner.keys().map(|name| format!("{key}.{name}")).collect(),
                None => vec![key.clone()],
            };
            for key in keys {
                assert!(allowed(&key).is_some(), "{key}");
            }
        }
    }
}
