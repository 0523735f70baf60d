//! Lines over time as inline SVG.

use super::put;
use crate::swarm::outcome::{Moment, Outcome};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;

/// Room around a plot for its axes.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 14.0;

/// More points than pixels say nothing more.
const POINTS_MAX: usize = 900;

/// Colours that people who confuse red and green can tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// A line of a plot.
pub(super) struct Line {
    name: &'static str,
    /// Seconds, and the value if there was one.
    points: Vec<(f64, Option<f64>)>,
}

/// What was measured second by second, thinned out to what can be seen.
pub(super) fn line(
    outcome: &Outcome,
    name: &'static str,
    value: fn(&Moment) -> Option<f64>,
) -> Line {
    let every = outcome.moments.len().div_ceil(POINTS_MAX).max(1);
    let moments = outcome.moments.iter().step_by(every);
    Line {
        name,
        points: moments.map(|moment| (moment.at_s, value(moment))).collect(),
    }
}

/// How values are spread over the height of a plot.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

/// Where values are on a plot.
struct Axes {
    scale: Scale,
    from: f64,
    to: f64,
    end_s: f64,
}

impl Axes {
    fn around(lines: &[Line], scale: Scale) -> Option<Self> {
        let points = || lines.iter().flat_map(|line| &line.points);
        let values = || points().filter_map(|(_, value)| *value);
        let max = values().fold(0.0, f64::max);
        if max <= 0.0 {
            return None;
        }
        let (from, to) = match scale {
            Scale::Linear => {
                let step = round_step(max);
                (0.0, step * (max / step).ceil())
            }
            Scale::Logarithmic => {
                let min = values().filter(|value| *value > 0.0).fold(max, f64::min);
                (
                    10_f64.powf(min.log10().floor()),
                    10_f64.powf((max * 1.01).log10().ceil()),
                )
            }
        };
        let end_s = points().map(|(at_s, _)| *at_s).fold(1.0, f64::max);
        Some(Self {
            scale,
            from,
            to,
            end_s,
        })
    }

    fn x(&self, at_s: f64) -> f64 {
        LEFT + (WIDTH - LEFT - 10.0) * at_s / self.end_s
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => value / self.to,
            Scale::Logarithmic => {
                let [from, to, value] = [self.from, self.to, value.max(self.from)].map(f64::log10);
                (value - from) / (to - from)
            }
        };
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share
    }

    /// Values with a line across the plot.
    fn marks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => steps(self.to),
            Scale::Logarithmic => {
                let decades = (self.to / self.from).log10().round() as i32;
                (0..=decades)
                    .map(|decade| self.from * 10_f64.powi(decade))
                    .collect()
            }
        }
    }
}

/// Draws lines into one plot; nothing if there is nothing to see.
pub(super) fn plot(title: &str, lines: &[Line], scale: Scale, out: &mut String) {
    let Some(axes) = Axes::around(lines, scale) else {
        return;
    };
    put(
        out,
        format_args!(
            "<h2>{title}</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n"
        ),
    );
    for mark in axes.marks() {
        let y = axes.y(mark);
        let label = short(mark);
        put(
            out,
            format_args!(
                "<path d=\"M{LEFT} {y:.1}H{WIDTH}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{label}</text>\n",
                LEFT - 6.0,
                y + 4.0
            ),
        );
    }
    for at_s in steps(axes.end_s) {
        let x = axes.x(at_s);
        put(
            out,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{} s</text>\n",
                HEIGHT - 10.0,
                short(at_s)
            ),
        );
    }
    let shown = lines
        .iter()
        .filter(|line| line.points.iter().any(|(_, value)| value.is_some()));
    for (number, (line, colour)) in shown.zip(COLOURS).enumerate() {
        let path = path(line, &axes);
        let x = LEFT + 10.0 + 150.0 * number as f64;
        put(
            out,
            format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" \
             stroke-linecap=\"round\"/><text x=\"{x:.1}\" y=\"11\" style=\"fill:{colour}\">{}</text>\n",
                line.name
            ),
        );
    }
    out.push_str("</svg>\n");
}

/// A line with gaps where nothing was measured.
fn path(line: &Line, axes: &Axes) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for (at_s, value) in &line.points {
        if let Some(value) = value {
            let (x, y) = (axes.x(*at_s), axes.y(*value));
            // A line of no length, so that a point without neighbours is seen.
            let step = if is_down {
                format!("L{x:.1} {y:.1}")
            } else {
                format!("M{x:.1} {y:.1}h0")
            };
            path.push_str(&step);
        }
        is_down = value.is_some();
    }
    path
}

/// The distance between round numbers that leaves three to seven of them up to `max`: 1, 2 or 5, and zeros.
fn round_step(max: f64) -> f64 {
    let decade = 10_f64.powf((max / 5.0).log10().floor());
    let within = max / 5.0 / decade;
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| within <= *digit);
    digit.unwrap_or(10.0) * decade
}

/// Round numbers from 0 to at most `max`.
fn steps(max: f64) -> Vec<f64> {
    let step = round_step(max);
    let count = (max / step * (1.0 + 1e-9)).floor() as u32;
    (0..=count).map(|index| step * f64::from(index)).collect()
}

fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", digits(value / 1e6)),
        1e4.. => format!("{}k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// With three decimals at most, and none that say nothing.
fn digits(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::outcome::Quantiles;

    #[test]
    fn axes_have_round_numbers() {
        for (max, labels) in [
            (1.0, "0 0.2 0.4 0.6 0.8 1"),
            (7.3, "0 2 4 6"),
            (31.0, "0 10 20 30"),
            (15_250.0, "0 5000 10k 15k"),
            (2_600_000.0, "0 1M 2M"),
        ] {
            let labelled: Vec<_> = steps(max).into_iter().map(short).collect();
            assert_eq!(labelled.join(" "), labels, "{max}");
        }
        assert_eq!(
            [0.001, 0.01, 2.5, 100.0].map(short),
            ["0.001", "0.01", "2.5", "100"]
        );
    }

    #[test]
    fn a_line_has_gaps_where_nothing_was_measured() {
        let mut outcome = Outcome::for_tests();
        for second in 1..=3_u32 {
            let relay = Quantiles {
                count: u64::from(second % 2),
                p50_ms: 0.1,
                p99_ms: 2.0,
            };
            outcome.moments.push(Moment {
                at_s: second.into(),
                relay,
                ..Moment::default()
            });
        }
        let lines = [line(&outcome, "relay", |m| {
            (m.relay.count > 0).then_some(m.relay.p50_ms)
        })];
        let axes = Axes::around(&lines, Scale::Logarithmic).unwrap();
        let path = path(&lines[0], &axes);
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }
}
