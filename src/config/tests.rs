use super::*;
use std::io::Write as _;

// `figment::Jail` would isolate the environment, but these tests only need keys nobody else sets.

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load(text: &str, flags: &[(&str, &str)]) -> Result<Config, String> {
    let file = file(text);
    let sources = Sources {
        file: Some(file.path().to_owned()),
        flags: flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    };
    Config::load(&sources).map_err(|error| {
        let path = file.path().display().to_string();
        error.to_string().replace(&path, "FILE")
    })
}

#[test]
fn without_anything_the_defaults_are_good() {
    assert_eq!(load("", &[]), Ok(Config::default()));
    assert!(Config::default().mistakes().is_empty());
}

#[test]
fn flags_win_over_the_file_over_defaults() {
    let text = "listen = \"127.0.0.1:1\"\n[privacy]\nposition_grid_km = 5\nmin_range_km = 3";
    let config = load(
        text,
        &[("listen", "127.0.0.1:2"), ("privacy.min_range_km", "4")],
    )
    .unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.privacy.min_range_km, 4.0);
    assert_eq!(config.privacy.position_grid_km, 5.0);
    assert_eq!(config.limits, Config::default().limits);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_valid_one() {
    let error = load("\n[privacy]\nposision_grid = 1\n", &[]).unwrap_err();
    let expected = "FILE, line 3: `privacy.posision_grid` is not a setting; \
                    did you mean `privacy.position_grid_km`?";
    assert_eq!(error, expected);

    let error = load("", &[("limit.max_message_bytes", "1")]).unwrap_err();
    assert!(
        error.contains("`limit` is not a setting; did you mean `limits`?"),
        "{error}"
    );
    let error = load("", &[("rates_messages_burst", "1")]).unwrap_err();
    assert!(
        error.ends_with("did you mean `rates.messages.burst`?"),
        "{error}"
    );
    // What is like no other is not likened to one.
    for key in ["foo", "limits.foo", "privacy.foo"] {
        let error = load("", &[(key, "1")]).unwrap_err();
        assert!(
            error.ends_with(&format!("`{key}` is not a setting")),
            "{error}"
        );
    }
}

#[test]
fn every_mistake_is_named_whatever_its_kind() {
    let text = "listn = 1\nlisten = 1\n[limits]\nstop_s = 0\nclose_s = \"soon\"\npong = 1\n\
                [rates]\nexempt = [\"10.0.0.0/8\", \"home\"]\n[tls]\nkey = 7\n";
    let error = load(text, &[("matching", "3")]).unwrap_err();
    for expected in [
        "FILE, line 1: `listn` is not a setting",
        "FILE, line 2: `listen` must be an IP address",
        "FILE, line 4: `limits.stop_s` must be 0.1 to 3600 seconds, not 0",
        "FILE, line 5: `limits.close_s` must be 0.1 to 60 seconds, not \"soon\"",
        "FILE, line 6: `limits.pong` is not a setting; did you mean `limits.pong_s`?",
        "FILE, line 8: `rates.exempt` must be a list",
        "FILE, line 10: `tls.key` must be the path",
        "--set matching: `matching` is a section of settings, such as `matching.max_range_km`",
    ] {
        assert!(error.contains(expected), "no {expected} in {error}");
    }
    assert_eq!(error.lines().count(), 8, "each once: {error}");
}

#[test]
fn a_setting_that_is_missing_beside_another_is_said_not_to_be_set() {
    let error = load("", &[("tls.certificate", "/x.pem")]).unwrap_err();
    assert!(
        error.ends_with("`tls.certificate`; it is not set"),
        "{error}"
    );
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    for (flags, expected) in [
        (
            [("listen", "127.0.0.1:7"), ("admin_listen", "127.0.0.1:7")],
            "`admin_listen` must be",
        ),
        (
            [("listen", "0.0.0.0:7"), ("admin_listen", "127.0.0.1:7")],
            "`admin_listen` must be",
        ),
        (
            [("moderation.apart_at", "3"), ("moderation.ban_at", "2.5")],
            "`moderation.ban_at` must be 0 to 1000000, and not below `moderation.apart_at`",
        ),
        (
            [("store.url", "postgres://"), ("store.folder", "/x")],
            "`store.url` must be",
        ),
    ] {
        let error = load("", &flags).unwrap_err();
        assert!(error.contains(expected), "no {expected} in {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for flags in [
        [("listen", "127.0.0.1:0"), ("admin_listen", "127.0.0.1:0")],
        [("listen", "[::]:7"), ("admin_listen", "127.0.0.1:7")],
        [("moderation.apart_at", "3"), ("moderation.ban_at", "0")],
        [("store.url", "off"), ("store.folder", "/x")],
    ] {
        assert!(load("", &flags).is_ok(), "{flags:?}");
    }
}

#[test]
fn values_out_of_bounds_are_named_with_what_is_allowed() {
    let text = "[limits]\nmax_message_bytes = 10\nfirst_message_s = 0\n[privacy]\nmin_range_km = 0";
    let error = load(text, &[("log.level", "verbose")]).unwrap_err();
    for expected in [
        "FILE, line 2: `limits.max_message_bytes` must be 512 to 65536",
        "FILE, line 3: `limits.first_message_s` must be 0.1 to 3600 seconds",
        "FILE, line 5: `privacy.min_range_km` must be above 0",
        "`log.level` must be off, error, warn",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn wrong_types_are_named() {
    let error = load("[limits]\nmax_connections = \"many\"", &[]).unwrap_err();
    let expected = "FILE, line 2: `limits.max_connections` must be 0 to 10000000, not \"many\"";
    assert_eq!(error, expected);
    let error = load("listen = \"everywhere\"", &[]).unwrap_err();
    let expected = "FILE, line 1: `listen` must be an IP address and a port, such as \
                    127.0.0.1:8080, not \"everywhere\"";
    assert_eq!(error, expected);
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_said() {
    let error = load("[privacy\n", &[]).unwrap_err();
    assert!(
        error.starts_with("FILE: ") && error.contains("line 1"),
        "{error}"
    );
    let sources = Sources {
        file: Some("/nowhere/at/all.toml".into()),
        flags: Vec::new(),
    };
    let error = Config::load(&sources).unwrap_err().to_string();
    assert!(
        error.starts_with("/nowhere/at/all.toml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn rates_and_networks_are_checked_like_the_rest() {
    let text = "[rates.messages]\nburst = 0\n[rates]\nexempt = [\"10.0.0.0/8\", \"home\"]";
    let error = load(text, &[]).unwrap_err();
    let expected = "FILE, line 4: `rates.exempt` must be a list of networks, such as \
                    [\"10.0.0.0/8\", \"fd00::/8\"]; \"home\" is not one\n\
                    FILE, line 2: `rates.messages.burst` must be 1 to 1000000, not 0";
    assert_eq!(error, expected);
    let origins = "[\"https://chat.example\", \"chat.example\"]";
    let error = load("", &[("security.allowed_origins", origins)]).unwrap_err();
    assert!(error.ends_with("; \"chat.example\" is not one"), "{error}");
    let error = load("[rates.messages]\nburst = 0", &[]).unwrap_err();
    assert_eq!(
        error,
        "FILE, line 2: `rates.messages.burst` must be 1 to 1000000, not 0"
    );
    let error = load("", &[("rates.joins.dry_run", "7")]).unwrap_err();
    assert!(error.contains("must be true or false, not 7"), "{error}");
    let error = load("[rates.joins]\nper_hour = 7", &[]).unwrap_err();
    assert!(
        error.contains("did you mean `rates.joins.per_minute`?"),
        "{error}"
    );
    let rates = "[rates.joins]\nburst = 3\n[rates]\nexempt = []";
    let rates = load(rates, &[]).unwrap().rates;
    assert_eq!((rates.joins.burst, rates.joins.per_minute), (3, 120.0));
    assert_eq!(rates.exempt, []);
}
