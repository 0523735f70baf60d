//! What people have reported, and what is decided of it.

use super::super::api::Desk;
use super::super::caller::Caller;
use super::super::problem::{Body, Problem};
use super::super::resource::{Params, bad, number, page, seen, with_tag, word};
use super::bans::{BanAsked, BanShown};
use crate::server::safety::AGAINST_MS;
use crate::server::store::now_ms;
use crate::store::{Decision, Gravity, Report, ReportFilter, ReportOrder, ReportState};
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::{Json, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use utoipa::ToSchema;

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportShown {
    id: i64,
    /// In ms since the Unix epoch.
    at_ms: i64,
    chat: String,
    /// `spam`, `abuse`, `sexual`, `minor`, `threat` or `other`.
    reason: String,
    /// What the reporter wrote beside it.
    note: Option<String>,
    /// Who reported: 32 hexadecimal digits, the same in all reports of one person.
    reporter: Option<String>,
    reporter_network: Option<String>,
    /// Who was reported.
    reported: Option<String>,
    reported_network: Option<String>,
    /// How much it weighs, in thousandths: 1000 from somebody known for a day, 250 from somebody new.
    weight: i64,
    /// `open`, `upheld` or `dismissed`.
    state: &'static str,
    decided_by: Option<String>,
    decided_at_ms: Option<i64>,
    /// Whether there is evidence; the report by itself has it.
    has_evidence: bool,
    /// The same as its `ETag`.
    version: i64,
}

/// Which reports are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportsAsked {
    state: Option<String>,
    reason: Option<String>,
    reported: Option<String>,
    order: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// Reports in the order that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportsShown {
    reports: Vec<ReportShown>,
    /// What to ask for with `after` to see more; `null` after the last.
    next: Option<String>,
}

/// One report with what was said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportWhole {
    #[serde(flatten)]
    report: ReportShown,
    /// The last messages of the chat in order, as the reporter saw them: `by` is `reporter` or `reported`.
    #[schema(value_type = Option<Vec<Message>>)]
    evidence: Option<Box<RawValue>>,
    /// All that speaks against who was reported, of the last 30 days; `null` if it is not known who it was.
    against: Option<Against>,
}

/// One message of the evidence.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is kept as JSON, and only described here")]
struct Message {
    /// `reporter` or `reported`.
    by: String,
    /// In ms since the Unix epoch.
    at_ms: u64,
    text: String,
}

/// What speaks against somebody.
#[derive(Debug, Serialize, ToSchema)]
struct Against {
    /// Reports that were not dismissed.
    reports: i64,
    /// By how many different people.
    reporters: i64,
    /// From how many different address ranges.
    networks: i64,
    /// Their weights together, in thousandths.
    weight: i64,
}

/// What is decided of a report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionAsked {
    /// `upheld`, `dismissed`, or `open` to take a decision back.
    #[schema(example = "upheld")]
    state: String,
    /// What follows for who was reported, if anything. Where it names nobody, it is about who was reported.
    #[serde(default)]
    ban: Option<BanAsked>,
}

/// A report as it is now, and what followed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedShown {
    report: ReportShown,
    ban: Option<BanShown>,
    /// Those that had followed from it before, and are lifted, as it is not upheld any more.
    lifted: Vec<BanShown>,
}

impl From<Report> for ReportShown {
    fn from(report: Report) -> Self {
        Self {
            id: report.id,
            at_ms: report.at_ms,
            chat: report.chat,
            reason: report.reason,
            note: report.note.map(|note| (*note).clone()),
            reporter: report.reporter.map(|subject| subject.to_string()),
            reporter_network: report.reporter_network.map(|network| (*network).clone()),
            reported: report.reported.map(|subject| subject.to_string()),
            reported_network: report.reported_network.map(|network| (*network).clone()),
            weight: report.weight,
            state: report.state.word(),
            decided_by: report.decided_by,
            decided_at_ms: report.decided_at_ms,
            has_evidence: report.evidence.is_some(),
            version: report.version,
        }
    }
}

impl From<Gravity> for Against {
    fn from(gravity: Gravity) -> Self {
        Self {
            reports: gravity.reports,
            reporters: gravity.reporters,
            networks: gravity.networks,
            weight: gravity.weight,
        }
    }
}

/// What people have reported, without evidence.
#[utoipa::path(get, path = "/api/v1/reports", tag = "moderation",
    extensions(("x-permission" = json!("moderate"))),
    params(
        ("state" = Option<String>, Query, description = "Only those that are `open`, `upheld` or `dismissed`"),
        ("reason" = Option<String>, Query, description = "Only those for this reason"),
        ("reported" = Option<String>, Query, description = "Only those of this person"),
        ("order" = Option<String>, Query, description = "`newest` (the default), `worst` or `oldest` first"),
        ("after" = Option<String>, Query, description = "`next` of the page before, with the same order and filter"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 100"),
    ),
    responses(
        (status = OK, body = ReportsShown),
        (status = BAD_REQUEST, description = "Not such parameters", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn reports(
    State(desk): State<Arc<Desk>>,
    Params(asked): Params<ReportsAsked>,
) -> Result<Json<ReportsShown>, Problem> {
    let (state, reported) = (asked.state.as_deref(), asked.reported.as_deref());
    let filter = ReportFilter {
        state: word(
            "state",
            state,
            "open, upheld or dismissed",
            ReportState::from_word,
        )?,
        reported: word("reported", reported, "32 hexadecimal digits", |text| {
            text.parse().ok()
        })?,
        reason: asked.reason,
    };
    let order = asked.order.as_deref();
    let order = word(
        "order",
        order,
        "newest, worst or oldest",
        |word| match word {
            "newest" => Some(ReportOrder::Newest),
            "worst" => Some(ReportOrder::Worst),
            "oldest" => Some(ReportOrder::Oldest),
            _ => None,
        },
    )?;
    let page = page(asked.after.as_deref(), asked.limit)?;
    let store = desk.store()?;
    let page = store
        .reports(&filter, order.unwrap_or_default(), page.after, page.limit)
        .await?;
    Ok(Json(ReportsShown {
        reports: page.rows.into_iter().map(ReportShown::from).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

/// One report, with what was said and all that speaks against who was reported.
#[utoipa::path(get, path = "/api/v1/reports/{id}", tag = "moderation",
    extensions(("x-permission" = json!("moderate"))),
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = OK, description = "With its version as `ETag`", body = ReportWhole),
        (status = NOT_FOUND, description = "There is no such report", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn report(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let store = desk.store()?;
    let report = store.report(number(&id, "report")?).await?;
    let against = match report.reported {
        Some(subject) => Some(
            store
                .weight_of_reports(subject, now_ms() - AGAINST_MS)
                .await?,
        ),
        None => None,
    };
    let evidence = report.evidence.as_ref();
    let whole = ReportWhole {
        // What is there was written as JSON.
        evidence: evidence.and_then(|text| RawValue::from_string((**text).clone()).ok()),
        against: against.map(Against::from),
        report: ReportShown::from(report),
    };
    Ok(with_tag(whole.report.version, whole))
}

/// Decide a report, and ban who was reported if that is to follow: both, or nothing.
///
/// It can be decided anew. Unless it is upheld again, bans that have followed from it by a decision are lifted.
#[utoipa::path(post, path = "/api/v1/reports/{id}/decision", tag = "moderation", request_body = DecisionAsked,
    extensions(("x-permission" = json!("moderate"))),
    params(
        ("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The `ETag` of the report as you have seen it"),
    ),
    responses(
        (status = OK, body = DecidedShown),
        (status = BAD_REQUEST, description = "Not a state, or not a ban", body = Problem),
        (status = NOT_FOUND, description = "There is no such report", body = Problem),
        (status = PRECONDITION_FAILED, description = "Somebody else has decided it since", body = Problem),
        (status = PRECONDITION_REQUIRED, description = "There is no `If-Match`", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn decide(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(asked): Body<DecisionAsked>,
) -> Result<Response, Problem> {
    let state = ReportState::from_word(&asked.state)
        .ok_or_else(|| bad("`state` must be open, upheld or dismissed"))?;
    if asked.ban.is_some() && state != ReportState::Upheld {
        return Err(bad("a ban follows only from a report that is `upheld`"));
    }
    let (report, version) = seen(&id, "report", &headers)?;
    let store = desk.store()?;
    let (by, at_ms) = (caller.actor(), now_ms());
    let ban = match asked.ban {
        Some(ban) => {
            let about = store.report(report).await?;
            Some(ban.read(&by, at_ms, Some(&about))?)
        }
        None => None,
    };
    let decision = Decision {
        report,
        version,
        state,
        ban,
        by,
        at_ms,
    };
    let decided = store.decide_report(&decision).await?;
    for ban in decided.ban.iter().chain(&decided.lifted) {
        desk.shared.rules.hub.take_up(ban);
    }
    let shown = DecidedShown {
        report: decided.report.into(),
        ban: decided.ban.map(BanShown::from),
        lifted: decided.lifted.into_iter().map(BanShown::from).collect(),
    };
    Ok(with_tag(shown.report.version, shown))
}
