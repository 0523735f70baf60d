//! Settings that are readable and yet can't be used.

use super::allowed::bounds;
use super::log::filter;
use super::reference::entries;
use super::{Auth, Config, StoreUrl, origin};
use crate::geo::{PrivacyGrid, Range};
use serde_json::Value;

impl Config {
    /// The keys of all values that can't be used; of a list, with the index of the entry.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let numbers = self.numbers_out_of_bounds();
        let others = self.others_out_of_bounds();
        let others = others.filter(|key| !numbers.contains(key));
        let mut mistakes: Vec<_> = numbers
            .iter()
            .copied()
            .chain(others)
            .map(str::to_owned)
            .collect();
        let origins = &self.security.allowed_origins;
        let wrong = origins.iter().position(|it| !origin::is_pattern(it));
        mistakes.extend(wrong.map(|index| format!("security.allowed_origins.{index}")));
        mistakes
    }

    fn numbers_out_of_bounds(&self) -> Vec<&'static str> {
        let settings = serde_json::to_value(self).expect("settings can be written as JSON");
        let is_out_of_bounds = |key: &str| {
            let Some((min, max, _)) = bounds(key) else {
                return false;
            };
            let value = settings.pointer(&format!("/{}", key.replace('.', "/")));
            // What is no number at all, such as NaN, is none in JSON either.
            let number = value.and_then(Value::as_f64);
            !number.is_some_and(|number| (min..=max).contains(&number))
        };
        let keys = entries().map(|entry| entry.key);
        keys.filter(|key| is_out_of_bounds(key)).collect()
    }

    fn others_out_of_bounds(&self) -> impl Iterator<Item = &'static str> {
        let Self {
            listen,
            admin_listen,
            admin,
            privacy,
            matching,
            tls,
            log,
            telemetry,
            auth,
            store,
            moderation,
            webhook,
            message_check,
            ..
        } = self;
        let is_range = |km| Range::from_km(km).is_ok();
        let others = [
            (
                "admin_listen",
                admin_listen.is_beside(*listen) && (admin_listen.is_local() || admin.has_token()),
            ),
            ("admin.token", admin.is_token_good()),
            ("admin.token_file", admin.is_token_file_good()),
            ("admin.origin", admin.is_origin_good()),
            ("store.url", store.is_url_good()),
            ("store.folder", store.is_folder_good()),
            ("moderation.ban_at", moderation.is_ban_at_good()),
            ("moderation.appeal", moderation.is_appeal_good()),
            (
                "webhook.url",
                webhook.is_url_good() && (webhook.url.is_none() || store.url != StoreUrl::Off),
            ),
            ("webhook.secret", webhook.is_secret_good()),
            ("webhook.secret_file", webhook.is_secret_file_good()),
            ("message_check.url", message_check.is_url_good()),
            ("message_check.token", message_check.is_token_good()),
            (
                "message_check.token_file",
                message_check.is_token_file_good(),
            ),
            ("telemetry.endpoint", telemetry.is_endpoint_good()),
            (
                "privacy.position_grid_km",
                PrivacyGrid::new(privacy.position_grid_km).is_ok(),
            ),
            (
                "privacy.min_range_km",
                is_range(privacy.min_range_km) && privacy.min_range_km <= matching.max_range_km,
            ),
            ("matching.max_range_km", is_range(matching.max_range_km)),
            (
                "matching.widen_factor",
                matching.widen_factor > 1.0 && matching.widen_factor <= 100.0,
            ),
            (
                "tls.certificate",
                tls.certificate.is_some() || tls.key.is_none(),
            ),
            ("tls.key", tls.key.is_some() || tls.certificate.is_none()),
            ("auth.algorithm", auth.has_algorithm_if_any()),
            (
                "auth.key",
                auth.algorithm.is_none() || auth.key.is_some() != auth.jwks.is_some(),
            ),
            ("auth.issuer", auth.is_said(auth.issuer.as_ref())),
            ("auth.audience", auth.is_said(auth.audience.as_ref())),
            ("log.level", filter(&log.level).is_some()),
        ];
        others
            .into_iter()
            .filter_map(|(key, is_good)| (!is_good).then_some(key))
    }
}

impl Auth {
    /// Who sets anything of it means to ask for tokens.
    fn has_algorithm_if_any(&self) -> bool {
        let is_any_set = self.key.is_some()
            || self.jwks.is_some()
            || self.issuer.is_some()
            || self.audience.is_some();
        self.algorithm.is_some() || !is_any_set
    }

    fn is_said(&self, claim: Option<&String>) -> bool {
        self.algorithm.is_none() || claim.is_some_and(|claim| !claim.is_empty())
    }
}
