//! The outcome as a page to look at, whole in one file: tables, and plots as inline SVG.

mod plot;

use super::outcome::{Moment, Outcome, ms};
use super::table::{counted, described, headline};
use super::tally::Metric;
use plot::{Scale, line, plot};
use std::fmt::{Arguments, Write as _};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;\
    color:#222;background:#fff}table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;\
    text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}\
    .bad{color:#b00;font-weight:bold}svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#444}";

/// Writes the page.
pub(super) fn page(outcome: &Outcome) -> String {
    let title = escaped(&headline(outcome));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
    );
    notices(outcome, &mut out);
    times(outcome, &mut out);
    let of = |name, value: fn(&Moment) -> Option<f64>| line(outcome, name, value);
    let latency = [
        of("relay p50", |m| {
            (m.relay.count > 0).then_some(m.relay.p50_ms)
        }),
        of("relay p99", |m| {
            (m.relay.count > 0).then_some(m.relay.p99_ms)
        }),
        of("match p50", |m| {
            (m.matching.count > 0).then_some(m.matching.p50_ms)
        }),
        of("match p99", |m| {
            (m.matching.count > 0).then_some(m.matching.p99_ms)
        }),
        of("connect p99", |m| {
            (m.connect.count > 0).then_some(m.connect.p99_ms)
        }),
    ];
    plot(
        "Latency over time, in ms (logarithmic)",
        &latency,
        Scale::Logarithmic,
        &mut out,
    );
    let rates = [
        of("messages said", |m| Some(m.said_per_s)),
        of("messages heard", |m| Some(m.heard_per_s)),
        of("matches", |m| Some(m.matches_per_s)),
        of("connections made", |m| Some(m.connections_per_s)),
    ];
    plot(
        "Rates over time, per second",
        &rates,
        Scale::Linear,
        &mut out,
    );
    let people = [
        of("connected", |m| Some(m.gauges.connected as f64)),
        of("waiting", |m| Some(m.gauges.waiting as f64)),
        of("chatting", |m| Some(m.gauges.chatting as f64)),
    ];
    plot("People over time", &people, Scale::Linear, &mut out);
    if outcome.server.is_some() {
        let memory = [of("resident", |m| Some(m.server_bytes? as f64 / 1e6))];
        plot(
            "The server's memory over time, in MB",
            &memory,
            Scale::Linear,
            &mut out,
        );
        let cores = [of("processors", |m| m.server_cores)];
        plot(
            "The server's processor time over time",
            &cores,
            Scale::Linear,
            &mut out,
        );
    }
    counts(outcome, &mut out);
    out.push_str("</body></html>\n");
    out
}

fn notices(outcome: &Outcome, out: &mut String) {
    let mut say = |class: &str, text: &str| {
        put(
            out,
            format_args!("<p class=\"{class}\">{}</p>\n", escaped(text)),
        );
    };
    if outcome.violations.count > 0 {
        let count = outcome.violations.count;
        say(
            "bad",
            &format!("{count} violation(s): the server broke a promise."),
        );
    }
    for example in &outcome.violations.examples {
        say("bad", example);
    }
    for remark in &outcome.remarks {
        say("", &format!("Note: {remark}"));
    }
    for verdict in &outcome.verdicts {
        let measured = verdict.measured.as_deref().unwrap_or("nothing to measure");
        let (class, became) = if verdict.holds {
            ("bad", "failed")
        } else {
            ("", "ok")
        };
        say(
            class,
            &format!("{became}: {} ({measured})", verdict.condition),
        );
    }
}

fn times(outcome: &Outcome, out: &mut String) {
    out.push_str(
        "<table><tr><th>times in ms</th><th>count</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th>\
         <th>max</th></tr>\n",
    );
    for metric in Metric::ALL {
        let times = outcome.times.of(metric);
        if times.is_empty() {
            continue;
        }
        put(
            out,
            format_args!("<tr><td>{}</td><td>{}</td>", described(metric), times.len()),
        );
        for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
            put(out, format_args!("<td>{:.3}</td>", ms(times, quantile)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn counts(outcome: &Outcome, out: &mut String) {
    out.push_str("<table><tr><th>counted</th><th></th></tr>\n");
    let mut row = |what: &str, value: &str| {
        put(
            out,
            format_args!(
                "<tr><td>{}</td><td>{}</td></tr>\n",
                escaped(what),
                escaped(value)
            ),
        );
    };
    for (what, count) in counted(outcome) {
        row(what, &count.to_string());
    }
    for (kind, count) in outcome.errors.iter() {
        row(&format!("error: {kind}"), &count.to_string());
    }
    row("violations", &outcome.violations.count.to_string());
    if let Some(server) = &outcome.server {
        row(
            "processors the server used",
            &format!("{:.2}", server.cores),
        );
        let megabytes = server.resident_max_bytes as f64 / 1e6;
        row(
            "the server's memory at most, MB",
            &format!("{megabytes:.1}"),
        );
    }
    for (number, cores) in outcome.swarm_cores.iter().enumerate() {
        row(
            &format!("processors of swarm process {number}"),
            &format!("{cores:.2}"),
        );
    }
    out.push_str("</table>\n");
}

/// Writes behind what is there.
fn put(out: &mut String, what: Arguments<'_>) {
    out.write_fmt(what).expect("a string takes everything");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::outcome::Quantiles;

    fn outcome() -> Outcome {
        let mut outcome = Outcome::for_tests();
        for second in 1..=3_u32 {
            outcome.moments.push(Moment {
                at_s: second.into(),
                said_per_s: f64::from(second) * 1000.0,
                relay: Quantiles {
                    count: u64::from(second % 2),
                    p50_ms: 0.1,
                    p99_ms: 2.0,
                },
                ..Moment::default()
            });
        }
        outcome
    }

    #[test]
    fn a_page_stands_alone() {
        let page = page(&outcome());
        for foreign in [
            "http:", "https:", "src=", "href=", "@import", "url(", "<script",
        ] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("relay p99") && page.contains("messages said"));
        assert!(!page.contains("match p99"), "nothing was matched");
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn what_a_server_says_can_not_be_markup() {
        let mut outcome = outcome();
        outcome.remarks.push("<b onload=\"x\">&".to_owned());
        let page = page(&outcome);
        assert!(
            page.contains("&lt;b onload=&quot;x&quot;&gt;&amp;"),
            "{page}"
        );
    }
}
