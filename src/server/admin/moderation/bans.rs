//! Who is kept out, why, and until when.

use super::super::api::Desk;
use super::super::caller::Caller;
use super::super::once::Making;
use super::super::problem::Problem;
use super::super::resource::{Params, bad, made, number, page, seen, with_tag, word};
use crate::private::Private;
use crate::server::store::now_ms;
use crate::store::{Ban, BanFilter, Measure, NewBan, Report, Subject};
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::{Json, Response};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The longest that a ban lasts which has an end, in s: ten years.
const LASTS_MAX_S: i64 = 10 * 366 * 86_400;

/// The longest reason, and the longest appeal text, in characters. A close frame holds 123 bytes of both.
const SENTENCE_MAX_BYTES: usize = 123;

/// The longest IPv6 range that can be told apart: what is less than a network of 64 bits is one house.
const V6_LENGTH_MAX: u8 = 64;

/// A ban, or a milder measure.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BanShown {
    id: i64,
    /// `ban`, `shadow` (they meet only others of whom that is so) or `slow` (they wait longer).
    measure: &'static str,
    /// Whom it is about: 32 hexadecimal digits, as in reports; from everywhere if `network` is `null`.
    subject: Option<String>,
    /// From where; everybody if `subject` is `null`.
    network: Option<String>,
    /// Why. Who is banned is told.
    reason: String,
    /// What they can do about it.
    appeal: Option<String>,
    /// The report that it followed from.
    report: Option<i64>,
    created_at_ms: i64,
    created_by: String,
    /// When it ends; never, if `null`.
    expires_at_ms: Option<i64>,
    lifted_at_ms: Option<i64>,
    lifted_by: Option<String>,
    /// Whether it holds now.
    in_force: bool,
    /// The same as its `ETag`.
    version: i64,
}

/// Bans from the newest backwards.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BansShown {
    bans: Vec<BanShown>,
    /// What to ask for with `after` to see more; `null` after the last.
    next: Option<String>,
}

/// Which bans are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BansAsked {
    subject: Option<String>,
    network: Option<String>,
    in_force: Option<bool>,
    after: Option<String>,
    limit: Option<u32>,
}

/// A ban to be made, or a milder measure: of a person, an address range, or that person from there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BanAsked {
    /// `ban`, `shadow` (they meet only others of whom that is so) or `slow` (they wait longer); a ban, if unset. Of the
    /// latter two nobody is told, and they hold from the next time on that somebody waits.
    #[serde(default)]
    #[schema(example = "ban")]
    measure: Option<String>,
    /// Who: 32 hexadecimal digits, as in reports.
    #[serde(default)]
    subject: Option<String>,
    /// From where: an address or a range, for IPv6 at most 64 bits long.
    #[serde(default)]
    #[schema(example = "192.0.2.0/24")]
    network: Option<String>,
    /// Why, as who is banned is told it in the close frame, which has room for 123 bytes of UTF-8 with `appeal`.
    #[schema(example = "You have insulted others.")]
    reason: String,
    /// What they can do about it, in a sentence.
    #[serde(default)]
    appeal: Option<String>,
    /// For how many s; for ever, if unset.
    #[serde(default)]
    lasts_s: Option<i64>,
}

impl BanShown {
    fn new(ban: Ban, now_ms: i64) -> Self {
        Self {
            in_force: ban.is_in_force(now_ms),
            id: ban.id,
            measure: ban.measure.word(),
            subject: ban.subject.map(|subject| subject.to_string()),
            network: ban.network.map(|network| (*network).clone()),
            reason: ban.reason,
            appeal: ban.appeal,
            report: ban.report,
            created_at_ms: ban.created_at_ms,
            created_by: ban.created_by,
            expires_at_ms: ban.expires_at_ms,
            lifted_at_ms: ban.lifted_at_ms,
            lifted_by: ban.lifted_by,
            version: ban.version,
        }
    }
}

impl From<Ban> for BanShown {
    fn from(ban: Ban) -> Self {
        Self::new(ban, now_ms())
    }
}

impl BanAsked {
    /// The ban, or what is wrong with it. One that names nobody is about who was reported.
    pub(super) fn read(
        self,
        by: &str,
        at_ms: i64,
        report: Option<&Report>,
    ) -> Result<NewBan, Problem> {
        let measure = self.measure.as_deref();
        let measure = word(
            "measure",
            measure,
            "ban, shadow or slow",
            Measure::from_word,
        )?;
        let given = self.subject.as_deref().map(str::parse::<Subject>);
        let given = given
            .transpose()
            .map_err(|why| bad(format!("`subject` {why}")))?;
        let network = self.network.as_deref().map(network).transpose()?;
        let is_given = given.is_some() || network.is_some();
        let subject = given.or(report
            .filter(|_| !is_given)
            .and_then(|report| report.reported));
        if subject.is_none() && network.is_none() {
            return Err(bad("say who is banned: `subject`, `network`, or both"));
        }
        let appeal = self.appeal.as_deref().unwrap_or_default();
        // With a space between them.
        let bytes = self.reason.len() + appeal.len() + usize::from(!appeal.is_empty());
        if bytes > SENTENCE_MAX_BYTES {
            return Err(bad(format!(
                "`reason` and `appeal` have {bytes} bytes together with the space between them, and a close frame \
                 has room for {SENTENCE_MAX_BYTES}"
            )));
        }
        if self
            .lasts_s
            .is_some_and(|lasts_s| !(1..=LASTS_MAX_S).contains(&lasts_s))
        {
            return Err(bad(format!(
                "`lasts_s` must be 1 to {LASTS_MAX_S}, or left out"
            )));
        }
        Ok(NewBan {
            measure: measure.unwrap_or(Measure::Ban),
            subject,
            network: network.map(|network| Private::new(network.to_string())),
            reason: self.reason,
            appeal: self.appeal,
            report: report.map(|report| report.id),
            created_at_ms: at_ms,
            created_by: by.to_owned(),
            expires_at_ms: self.lasts_s.map(|lasts_s| at_ms + lasts_s * 1000),
        })
    }
}

/// An address or a range, in its shortest form.
fn network(text: &str) -> Result<IpNet, Problem> {
    let of_address = || Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?));
    let network = text.parse().ok().or_else(of_address);
    let network: IpNet = network.ok_or_else(|| {
        bad("`network` must be an address or a range, such as 192.0.2.0/24 or 2001:db8::/48")
    })?;
    let network = match network {
        IpNet::V6(range) if range.prefix_len() > V6_LENGTH_MAX => {
            let widened = IpNet::new(network.addr(), V6_LENGTH_MAX);
            widened.map_err(|_| bad("`network` is no range"))?
        }
        network => network,
    };
    if network.prefix_len() == 0 {
        return Err(bad("`network` must not be everybody"));
    }
    Ok(network.trunc())
}

/// Bans, the newest first.
#[utoipa::path(get, path = "/api/v1/bans", tag = "moderation",
    extensions(("x-permission" = json!("moderate"))),
    params(
        ("subject" = Option<String>, Query, description = "Only those of this person"),
        ("network" = Option<String>, Query, description = "Only those of this address range"),
        ("in_force" = Option<bool>, Query, description = "`true`: only those that hold now"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 100"),
    ),
    responses(
        (status = OK, body = BansShown),
        (status = BAD_REQUEST, description = "Not such parameters", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn bans(
    State(desk): State<Arc<Desk>>,
    Params(asked): Params<BansAsked>,
) -> Result<Json<BansShown>, Problem> {
    let now_ms = now_ms();
    let subject = asked.subject.as_deref();
    let network = asked.network.as_deref().map(network).transpose()?;
    let filter = BanFilter {
        in_force_at_ms: asked.in_force.unwrap_or(false).then_some(now_ms),
        subject: word("subject", subject, "32 hexadecimal digits", |text| {
            text.parse().ok()
        })?,
        network: network.map(|network| network.to_string()),
    };
    let page = page(asked.after.as_deref(), asked.limit)?;
    let page = desk.store()?.bans(&filter, page.after, page.limit).await?;
    let shown = |ban| BanShown::new(ban, now_ms);
    Ok(Json(BansShown {
        bans: page.rows.into_iter().map(shown).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

/// Ban a person, an address range, or that person from there, or do something milder about them.
///
/// Whoever is banned and here is told why, and their connection ends (4000).
#[utoipa::path(post, path = "/api/v1/bans", tag = "moderation", request_body = BanAsked,
    extensions(("x-permission" = json!("moderate"))),
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 visible characters: asked again by the same key, this makes no other ban")),
    responses(
        (status = CREATED, description = "By a key that was used before, the ban that was made then", body = BanShown),
        (status = BAD_REQUEST, description = "It names nobody, or something else is wrong", body = Problem),
        (status = NOT_FOUND, description = "What was made by this key is kept no more", body = Problem),
        (status = UNPROCESSABLE_ENTITY, description = "The key was used with another body", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn create(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    making: Making<BanAsked>,
) -> Result<Response, Problem> {
    let (by, at_ms) = (caller.actor(), now_ms());
    let new = making.asked.read(&by, at_ms, None)?;
    let store = desk.store()?;
    let ban = match &making.key {
        Some(key) => {
            let once = key.once("POST /api/v1/bans", &by, at_ms);
            store.add_ban_once(&new, &once).await?
        }
        None => store.add_ban(&new).await?,
    };
    desk.shared.rules.hub.take_up(&ban);
    let location = format!("/api/v1/bans/{}", ban.id);
    Ok(made(ban.version, &location, BanShown::from(ban)))
}

/// One ban.
#[utoipa::path(get, path = "/api/v1/bans/{id}", tag = "moderation",
    extensions(("x-permission" = json!("moderate"))),
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = OK, description = "With its version as `ETag`", body = BanShown),
        (status = NOT_FOUND, description = "There is no such ban", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn ban(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let ban = desk.store()?.ban(number(&id, "ban")?).await?;
    Ok(with_tag(ban.version, BanShown::from(ban)))
}

/// Lift a ban. It stays in the list.
#[utoipa::path(delete, path = "/api/v1/bans/{id}", tag = "moderation",
    extensions(("x-permission" = json!("moderate"))),
    params(
        ("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The `ETag` of the ban as you have seen it"),
    ),
    responses(
        (status = OK, body = BanShown),
        (status = NOT_FOUND, description = "There is no such ban", body = Problem),
        (status = PRECONDITION_FAILED, description = "It has been lifted since", body = Problem),
        (status = PRECONDITION_REQUIRED, description = "There is no `If-Match`", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn lift(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, version) = seen(&id, "ban", &headers)?;
    let ban = desk
        .store()?
        .lift_ban(id, version, &caller.actor(), now_ms())
        .await?;
    desk.shared.rules.hub.take_up(&ban);
    Ok(with_tag(ban.version, BanShown::from(ban)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str) -> BanAsked {
        serde_json::from_str(json).unwrap()
    }

    fn complaint(json: &str) -> String {
        let problem = asked(json).read("ann", 0, None).unwrap_err();
        serde_json::to_value(problem).unwrap()["detail"].to_string()
    }

    #[test]
    fn a_ban_is_about_somebody_and_has_an_end_in_reach() {
        for (json, said) in [
            (r#"{"reason": "x"}"#, "say who"),
            (
                r#"{"reason": "x", "subject": "7"}"#,
                "32 hexadecimal digits",
            ),
            (
                r#"{"reason": "x", "network": "here"}"#,
                "an address or a range",
            ),
            (r#"{"reason": "x", "network": "0.0.0.0/0"}"#, "everybody"),
            (
                r#"{"reason": "x", "network": "::1", "measure": "kick"}"#,
                "ban, shadow or slow",
            ),
            (
                r#"{"reason": "x", "network": "::1", "lasts_s": 0}"#,
                "lasts_s",
            ),
            (
                r#"{"reason": "x", "network": "::1", "lasts_s": 99999999999}"#,
                "lasts_s",
            ),
        ] {
            let complaint = complaint(json);
            assert!(complaint.contains(said), "{json}: {complaint}");
        }
        let measure = |json| asked(json).read("ann", 0, None).unwrap().measure;
        assert_eq!(
            measure(r#"{"reason": "x", "network": "::1"}"#),
            Measure::Ban
        );
        assert_eq!(
            measure(r#"{"reason": "x", "network": "::1", "measure": "slow"}"#),
            Measure::Slow
        );
        let of_both = |reason: usize, appeal: usize| {
            let (reason, appeal) = ("é".repeat(reason), "x".repeat(appeal));
            format!(r#"{{"reason": "{reason}", "appeal": "{appeal}", "network": "::1"}}"#)
        };
        for fits in [of_both(61, 0), of_both(11, 100)] {
            assert!(asked(&fits).read("ann", 0, None).is_ok(), "{fits}");
        }
        for long in [of_both(62, 0), of_both(11, 101)] {
            assert!(complaint(&long).contains("room for 123"), "{long}");
        }
    }

    #[test]
    fn ranges_are_kept_in_one_form() {
        for (text, kept) in [
            ("192.0.2.77", "192.0.2.77/32"),
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
            ("2001:DB8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), kept);
        }
    }
}
