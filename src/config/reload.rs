//! What of new settings takes effect at once, and what only when the server is started again.

use super::{
    Admin, Auth, Config, Limits, Log, Matching, MessageCheck, Moderation, Privacy, Rate, Rates,
    Security, Store, Telemetry, Tls, Webhook,
};

/// New settings, as far as they can take effect while the server runs.
#[derive(Debug)]
pub struct Change {
    /// What is in force from now on.
    pub config: Config,
    /// Every setting, in the order of their keys' first parts.
    settings: Vec<Setting>,
}

/// What became of one setting.
#[derive(Debug, Clone, Copy)]
struct Setting {
    key: &'static str,
    is_live: bool,
    differs: bool,
}

impl Change {
    /// The keys of the settings that have changed.
    pub fn changed(&self) -> Vec<&'static str> {
        self.keys(|setting| setting.differs && setting.is_live)
    }

    /// The keys of the settings whose new values wait for a restart.
    pub fn needs_restart(&self) -> Vec<&'static str> {
        self.keys(|setting| setting.differs && !setting.is_live)
    }

    fn keys(&self, is_wanted: impl Fn(&Setting) -> bool) -> Vec<&'static str> {
        let wanted = self.settings.iter().filter(|setting| is_wanted(setting));
        wanted.map(|setting| setting.key).collect()
    }
}

/// Goes through the settings one by one.
struct Comparison<'a> {
    now: &'a Config,
    wanted: &'a Config,
    settings: Vec<Setting>,
}

impl Comparison<'_> {
    fn choose<T: Clone + PartialEq>(
        &mut self,
        (key, is_live): (&'static str, bool),
        now: &T,
        wanted: &T,
    ) -> T {
        self.settings.push(Setting {
            key,
            is_live,
            differs: now != wanted,
        });
        if is_live { wanted } else { now }.clone()
    }
}

/// The value of a setting that is to be in force: `live` the wanted one, `at_start` the one there is.
macro_rules! choose {
    ($comparison:ident, live $section:ident $(. $name:ident)*) => {
        choose!($comparison, true, $section $(. $name)*)
    };
    ($comparison:ident, at_start $section:ident $(. $name:ident)*) => {
        choose!($comparison, false, $section $(. $name)*)
    };
    ($comparison:ident, $is_live:expr, $section:ident $(. $name:ident)*) => {{
        let key = concat!(stringify!($section) $(, ".", stringify!($name))*);
        let (now, wanted) = ($comparison.now, $comparison.wanted);
        $comparison.choose((key, $is_live), &now.$section $(. $name)*, &wanted.$section $(. $name)*)
    }};
}

/// One section of the settings: `section!(comparison, Log log { live level })`.
macro_rules! section {
    ($comparison:ident, $kind:ident $section:ident { $($when:ident $name:ident),* $(,)? }) => {
        $kind { $($name: choose!($comparison, $when $section.$name)),* }
    };
}

/// One of the rates: `rate!(comparison, messages)`.
macro_rules! rate {
    ($comparison:ident, $name:ident) => {
        Rate {
            burst: choose!($comparison, live rates.$name.burst),
            per_minute: choose!($comparison, live rates.$name.per_minute),
            dry_run: choose!($comparison, live rates.$name.dry_run),
        }
    };
}

/// Of the store, only how long things are kept is asked anew.
fn store(it: &mut Comparison<'_>) -> Store {
    section!(it, Store store {
        at_start url,
        at_start folder,
        at_start connections,
        at_start queue,
        at_start timeout_s,
        live keep_reports_days,
        live keep_bans_days,
        live keep_audit_days,
    })
}

/// Clients show other tokens from then on; who is there by one of before stays.
fn auth(it: &mut Comparison<'_>) -> Auth {
    section!(it, Auth auth {
        live algorithm,
        live key,
        live jwks,
        live issuer,
        live audience,
        live leeway_s,
    })
}

/// Rules may change at any time.
fn moderation(it: &mut Comparison<'_>) -> Moderation {
    section!(it, Moderation moderation {
        live window_h,
        live reporters_min,
        live slow_at,
        live slow_s,
        live apart_at,
        live ban_at,
        live lasts_h,
        live appeal,
        live dry_run,
    })
}

/// Calls that wait are sent as the settings are when they are tried.
fn webhook(it: &mut Comparison<'_>) -> Webhook {
    section!(it, Webhook webhook {
        live url,
        live secret,
        live secret_file,
        live timeout_s,
        live keep_h,
    })
}

/// Whether messages are checked at all, and by whom, is decided at the start; how is not.
fn message_check(it: &mut Comparison<'_>) -> MessageCheck {
    section!(it, MessageCheck message_check {
        at_start url,
        live token,
        live token_file,
        live timeout_ms,
        live when_away,
        live waiting_max,
        at_start checks_at_once,
    })
}

impl Config {
    /// What of the wanted settings takes effect while these are in force. A new setting doesn't compile
    /// before it is said here when its changes take effect; docs/configuration.md says the same.
    pub fn change_to(&self, wanted: &Self) -> Change {
        let mut comparison = Comparison {
            now: self,
            wanted,
            settings: Vec::new(),
        };
        let it = &mut comparison;
        // Whether there is TLS at all is decided when the server begins to listen.
        let is_tls = |config: &Self| config.tls.certificate.is_some();
        let keeps_tls = is_tls(self) == is_tls(wanted);
        let config = Self {
            listen: choose!(it, at_start listen),
            admin_listen: choose!(it, at_start admin_listen),
            admin: Admin {
                token: choose!(it, live admin.token),
                token_file: choose!(it, live admin.token_file),
                origin: choose!(it, at_start admin.origin),
                history_step_s: choose!(it, at_start admin.history_step_s),
                hashes_at_once: choose!(it, at_start admin.hashes_at_once),
            },
            // Everybody has been told these, or the waiting room was built with them.
            privacy: section!(it, Privacy privacy {
                at_start position_grid_km,
                at_start min_range_km,
            }),
            matching: section!(it, Matching matching {
                at_start max_range_km,
                live rematch_cooloff_s,
                live max_wait_s,
                live widen_step_s,
                live widen_factor,
                live heard_within_s,
                live confirm_s,
            }),
            limits: section!(it, Limits limits {
                at_start max_message_bytes,
                live max_connections,
                live address_connections,
                live address_connections_dry_run,
                live max_addresses,
                live first_message_s,
                live tls_handshake_s,
                live request_head_s,
                live close_s,
                live write_stall_s,
                at_start outbox_bytes,
                at_start outbox_events,
                live errors_per_minute,
                live errors_dry_run,
                at_start ping_s,
                at_start pong_s,
                at_start resume_window_s,
                live max_away,
                live moves_burst,
                live moves_per_minute,
                live moves_dry_run,
                live moves_free_km,
                live drain_s,
                live reconnect_spread_s,
                live stop_s,
            }),
            rates: Rates {
                messages: rate!(it, messages),
                typing: rate!(it, typing),
                joins: rate!(it, joins),
                address: rate!(it, address),
                node: rate!(it, node),
                exempt: choose!(it, live rates.exempt),
            },
            security: section!(it, Security security {
                live allowed_origins,
                live allow_no_origin,
                live trusted_proxies,
                live forwarded_header,
                live proxy_protocol_from,
            }),
            tls: Tls {
                certificate: choose!(it, keeps_tls, tls.certificate),
                key: choose!(it, keeps_tls, tls.key),
            },
            auth: auth(it),
            store: store(it),
            moderation: moderation(it),
            webhook: webhook(it),
            message_check: message_check(it),
            log: section!(it, Log log { live level, at_start format, live ends_per_second }),
            telemetry: section!(it, Telemetry telemetry {
                at_start endpoint,
                at_start sample_ratio,
                at_start queue_spans,
                at_start timeout_s,
            }),
        };
        Change {
            config,
            settings: comparison.settings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../docs/configuration.md");

    /// What the table of the documentation says of each setting.
    fn documented() -> Vec<(String, bool)> {
        let row = |line: &str| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, key, _, _, reload, _, _] = cells[..] else {
                return None;
            };
            let key = key.strip_prefix('`')?.strip_suffix('`')?;
            assert!(["live", "restart"].contains(&reload), "{line}");
            Some((key.to_owned(), reload == "live"))
        };
        DOCS.lines().filter_map(row).collect()
    }

    #[test]
    fn the_documentation_says_when_each_setting_takes_effect() {
        let config = Config::default();
        let change = config.change_to(&config);
        let mut settings: Vec<_> = change
            .settings
            .iter()
            .map(|setting| (setting.key.to_owned(), setting.is_live))
            .collect();
        let mut documented = documented();
        settings.sort();
        documented.sort();
        assert_eq!(settings, documented);
    }

    #[test]
    fn what_is_live_takes_effect_and_the_rest_stays() {
        let now = Config::default();
        let mut wanted = now.clone();
        wanted.limits.stop_s = 3.0;
        wanted.log.level = "debug".to_owned();
        wanted.limits.ping_s = 7;
        wanted.listen.set_port(1);
        let change = now.change_to(&wanted);
        assert_eq!(change.changed(), ["limits.stop_s", "log.level"]);
        assert_eq!(change.needs_restart(), ["listen", "limits.ping_s"]);
        assert_eq!(change.config.limits.stop_s, 3.0);
        assert_eq!(change.config.log.level, "debug");
        assert_eq!(change.config.limits.ping_s, now.limits.ping_s);
        assert_eq!(change.config.listen, now.listen);
    }

    #[test]
    fn other_files_are_live_and_tls_as_such_is_not() {
        let (plain, mut tls) = (Config::default(), Config::default());
        tls.tls.certificate = Some("a.pem".into());
        tls.tls.key = Some("a.key".into());
        let mut other = tls.clone();
        other.tls.key = Some("b.key".into());
        assert_eq!(tls.change_to(&other).changed(), ["tls.key"]);
        for (now, wanted) in [(&plain, &tls), (&tls, &plain)] {
            let change = now.change_to(wanted);
            assert_eq!(change.needs_restart(), ["tls.certificate", "tls.key"]);
            assert_eq!(change.config, *now);
        }
    }

    #[test]
    fn the_token_for_operators_is_live_and_so_is_whether_there_is_one() {
        let (open, mut guarded) = (Config::default(), Config::default());
        guarded.admin.token = Some("sixteen-or-more-characters".to_owned().into());
        let mut other = Config::default();
        other.admin.token_file = Some("token".into());
        let both = ["admin.token", "admin.token_file"];
        assert_eq!(guarded.change_to(&other).changed(), both);
        for (now, wanted) in [(&open, &guarded), (&guarded, &open)] {
            let change = now.change_to(wanted);
            assert_eq!(change.changed(), ["admin.token"]);
            assert_eq!(change.config, *wanted);
        }
    }
}
