//! The figures as Prometheus reads them.

use super::{CHECK_OUTCOMES, CLOSE_CODES, ENDED_BY, ERROR_CODES, Login};
use crate::distribution::Distribution;
use crate::lobby::Tally;
use crate::server::connection::Rules;
use crate::server::duty::Duty;
use crate::server::limits::{Limit, Refusals};
use crate::server::listen::Shared;
use crate::server::log;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;

/// All figures at this moment, in the text format of Prometheus, version 0.0.4.
pub(in crate::server) fn text(shared: &Arc<Shared>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("whisperchat");
    registry.register_collector(Box::new(Figures(Arc::clone(shared))));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Figures(Arc<Shared>);

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.who_is_there(&mut page)?;
        self.matches(&mut page)?;
        self.messages(&mut page)?;
        self.checks(&mut page)?;
        self.connections(&mut page)?;
        self.store(&mut page)?;
        self.logins(&mut page)?;
        self.webhook(&mut page)
    }
}

/// None where there is no runtime to ask.
fn alive_tasks() -> usize {
    Handle::try_current().map_or(0, |handle| handle.metrics().num_alive_tasks())
}

impl Figures {
    fn who_is_there(&self, page: &mut Page<'_>) -> fmt::Result {
        let shared = &self.0;
        let (sessions, doing) = shared.rules.hub.doing();
        let (_, in_room) = shared.rules.hub.census();
        page.gauge(
            "build_info",
            "What runs; always 1.",
            [([("version", env!("CARGO_PKG_VERSION"))].as_slice(), 1)],
        )?;
        page.gauge(
            "ready",
            "1 if people can connect, 0 if the server is full or sends them away.",
            [(
                [].as_slice(),
                usize::from(shared.roster.duty() == Duty::Serving && !shared.is_full()),
            )],
        )?;
        page.gauge(
            "connections",
            "WebSocket connections.",
            [([].as_slice(), shared.connections())],
        )?;
        page.gauge(
            "connections_max",
            "How many WebSocket connections there may be.",
            [([].as_slice(), shared.connections_max())],
        )?;
        page.gauge(
            "tasks",
            "Tasks of the runtime that have not ended.",
            [([].as_slice(), alive_tasks())],
        )?;
        page.gauge(
            "sessions",
            "Sessions by what they do, those without a connection included.",
            [
                (
                    [("state", "idle")].as_slice(),
                    sessions - doing.waiting - doing.chatting,
                ),
                (&[("state", "waiting")], doing.waiting),
                (&[("state", "chatting")], doing.chatting),
            ],
        )?;
        page.gauge(
            "sessions_away",
            "Sessions whose connection was lost and that may yet be resumed.",
            [([].as_slice(), doing.away)],
        )?;
        page.gauge(
            "waiting_room",
            "Sessions that stand in the waiting room, to be found.",
            [([].as_slice(), in_room)],
        )
    }

    fn matches(&self, page: &mut Page<'_>) -> fmt::Result {
        let hub = &self.0.rules.hub;
        let (tally, looked_at) = hub.tally();
        let Tally {
            waited_ms,
            confirmed_ms,
            matches_found,
            matches_undone,
            broken,
        } = tally;
        page.histogram(
            "search_candidates",
            "How many of those in the waiting room each search for a partner looked at.",
            &looked_at,
            1.0,
        )?;
        page.histogram(
            "time_to_match_seconds",
            "How long each who was matched had waited.",
            &waited_ms,
            1000.0,
        )?;
        page.histogram(
            "confirm_seconds",
            "From finding a match to having heard from both, of matches that were shown.",
            &confirmed_ms,
            1000.0,
        )?;
        page.counter(
            "matches_found",
            "Matches that were found.",
            [([].as_slice(), matches_found)],
        )?;
        page.counter(
            "matches_undone",
            "Matches that were undone before they were shown.",
            [([].as_slice(), matches_undone)],
        )?;
        page.counter(
            "rule_violations",
            "Promises that were broken by a match or a message that was shown. Anything but 0 is a bug in the server.",
            [
                ([("rule", "range")].as_slice(), broken.out_of_range),
                (&[("rule", "avoided")], broken.avoided),
                (&[("rule", "heard")], broken.unheard),
                (&[("rule", "sequence")], hub.seq_gaps()),
            ],
        )
    }

    fn messages(&self, page: &mut Page<'_>) -> fmt::Result {
        let Rules { metrics, hub, .. } = &*self.0.rules;
        page.histogram(
            "message_size_bytes",
            "Text messages from clients, their fragments put together.",
            &metrics.message_bytes.read(),
            1.0,
        )?;
        page.histogram(
            "relay_seconds",
            "From reading what somebody says to having written it to the partner's socket, of one message in many.",
            &hub.relay.read(),
            1e6,
        )?;
        page.histogram(
            "outbox_bytes",
            "What had gathered for a client each time it was taken to be written.",
            &metrics.outbox_bytes.read(),
            1.0,
        )?;
        let errors = ERROR_CODES.iter().zip(&metrics.errors);
        let errors: Vec<_> = errors
            .map(|((_, word), count)| ([("code", *word)], read(count)))
            .collect();
        page.counter(
            "errors",
            "`error` messages to clients, by code.",
            errors
                .iter()
                .map(|(labels, count)| (labels.as_slice(), *count)),
        )
    }

    fn checks(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = &self.0.rules.metrics;
        let checks = CHECK_OUTCOMES.iter().zip(&metrics.checks);
        let checks: Vec<_> = checks
            .map(|(word, count)| ([("outcome", *word)], read(count)))
            .collect();
        page.counter(
            "message_checks",
            "Messages that were to be checked, by what came of it.",
            checks
                .iter()
                .map(|(labels, count)| (labels.as_slice(), *count)),
        )?;
        page.histogram(
            "message_check_seconds",
            "How long the service that checks messages took, each time it was asked.",
            &metrics.check_ms.read(),
            1000.0,
        )
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = &self.0.rules.metrics;
        page.histogram(
            "connection_seconds",
            "How long connections were, of those that have ended.",
            &metrics.connection_ms.read(),
            1000.0,
        )?;
        page.counter(
            "connections_begun",
            "Connections that have become WebSockets.",
            [([].as_slice(), read(&metrics.begun))],
        )?;
        let mut closes = Vec::new();
        for (by, counts) in ENDED_BY.iter().zip(&metrics.closes) {
            let codes = CLOSE_CODES
                .iter()
                .map(ToString::to_string)
                .chain(["other".to_owned()]);
            for (code, count) in codes.zip(counts).filter(|(_, count)| read(count) > 0) {
                closes.push((code, *by, read(count)));
            }
        }
        let labelled: Vec<_> = closes
            .iter()
            .map(|(code, by, count)| ([("code", code.as_str()), ("by", *by)], *count))
            .collect();
        page.counter(
            "connections_ended",
            "Connections that have ended, by close code (1005: none was given; 1006: it broke) and who ended it.",
            labelled.iter().map(|(labels, count)| (labels.as_slice(), *count)),
        )?;
        self.refusals(
            page,
            "refused",
            "What was refused because it was too much, or because of who asked, by limit.",
            Refusals::refused,
        )?;
        self.refusals(
            page,
            "let_pass",
            "What would have been refused, but the limit is a dry run.",
            Refusals::passed,
        )?;
        page.counter(
            "log_lines_dropped",
            "Lines of the log that nobody read in time.",
            [([].as_slice(), log::dropped_lines())],
        )
    }

    /// Without a store there is nothing to tell of it but that there are such figures.
    fn store(&self, page: &mut Page<'_>) -> fmt::Result {
        let status = self.0.store_status();
        page.gauge(
            "store_up",
            "1 if the store keeps what it is given, 0 if it is away.",
            status.map(|status| ([].as_slice(), usize::from(!status.is_away))),
        )?;
        page.gauge(
            "store_queue",
            "Reports and bans that wait to be written.",
            status.map(|status| ([].as_slice(), status.waiting)),
        )?;
        page.counter(
            "store_writes",
            "Reports and bans that chatting did not wait for, by what became of them.",
            status.into_iter().flat_map(|status| {
                [
                    ([("outcome", "kept")].as_slice(), status.kept),
                    (&[("outcome", "refused")], status.refused),
                ]
            }),
        )
    }

    fn logins(&self, page: &mut Page<'_>) -> fmt::Result {
        let logins = &self.0.rules.metrics.logins;
        let outcomes =
            Login::ALL.map(|login| ([("outcome", login.word())], logins.count_of(login)));
        page.counter(
            "logins",
            "Steps of logging in to look after the server, by what came of them.",
            outcomes
                .iter()
                .map(|(labels, count)| (labels.as_slice(), *count)),
        )?;
        page.counter(
            "refresh_reused",
            "Refresh tokens that were shown a second time, so that their sessions ended.",
            [([].as_slice(), logins.reused())],
        )?;
        let (done, refused) = logins.hashes();
        page.counter(
            "password_hashes",
            "Passwords that were to be hashed, by what came of it.",
            [
                ([("outcome", "done")].as_slice(), done),
                (&[("outcome", "refused")], refused),
            ],
        )?;
        page.gauge(
            "password_hashes_waiting",
            "Passwords that wait to be hashed.",
            [([].as_slice(), logins.waiting())],
        )
    }

    /// There is none without a store.
    fn webhook(&self, page: &mut Page<'_>) -> fmt::Result {
        let safety = self.0.rules.hub.safety.as_ref();
        let figures = safety.map(|safety| safety.webhook.figures());
        page.gauge(
            "webhook_waiting",
            "Calls of the webhook that wait to be delivered.",
            figures.map(|figures| ([].as_slice(), figures.waiting as usize)),
        )?;
        page.counter(
            "webhook_deliveries",
            "Calls of the webhook by what became of them, and how often they failed.",
            figures.into_iter().flat_map(|figures| {
                [
                    ([("outcome", "delivered")].as_slice(), figures.delivered),
                    (&[("outcome", "failed")], figures.failed),
                    (&[("outcome", "given_up")], figures.given_up),
                    (&[("outcome", "dropped")], figures.dropped),
                ]
            }),
        )
    }

    fn refusals(
        &self,
        page: &mut Page<'_>,
        name: &str,
        help: &str,
        count: impl Fn(&Refusals, Limit) -> u64,
    ) -> fmt::Result {
        let refusals = &self.0.rules.hub.refusals;
        let counts = Limit::ALL.map(|limit| ([("limit", limit.name())], count(refusals, limit)));
        let series = counts
            .iter()
            .map(|(labels, count)| (labels.as_slice(), *count));
        page.counter(name, help, series)
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

type Labels<'a> = &'a [(&'static str, &'a str)];

/// What is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, usize)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            metric
                .encode_family(&labels)?
                .encode_gauge(&(value as u64))?;
        }
        Ok(())
    }

    /// `scale` is how many of what was recorded make one of what is told.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        distribution: &Distribution,
        scale: f64,
    ) -> fmt::Result {
        let steps: Vec<_> = distribution
            .steps()
            .map(|(bound, count)| (bound as f64 / scale, count))
            .collect();
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        let sum = distribution.sum() as f64 / scale;
        metric.encode_histogram::<NoLabelSet>(sum, distribution.count(), &steps, None)
    }
}
