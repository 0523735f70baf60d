//! Draws what `cargo bench --bench waiting_room` has measured, as SVG with logarithmic axes: the time of an
//! operation against how many people wait, a line for each contender, a picture for each crowd.
//!
//! ```text
//! cargo run --release --example plot-performance
//! cargo run --release --example plot-performance -- docs/images
//! ```
//!
//! What was not measured is not drawn. On such axes a scan is a straight line that rises tenfold with ten times
//! the people; what hardly depends on the crowd is flat.

use anyhow::Context;
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const OPERATIONS: [&str; 5] = ["arrivals", "query", "insert", "remove", "change"];

const SIZE_PX: (u32, u32) = (720, 480);

/// Where names are written in a picture.
const LEGEND_PX: u32 = 150;

/// Colours that remain apart for most who don't see all of them: Okabe and Ito, Color Universal Design (2008).
const COLOURS: [RGBColor; 9] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(150, 120, 60),
    RGBColor(150, 70, 200),
];

/// The room that the others are compared with; it comes first and has the thickest line.
const OWN: &str = "this room";

/// Microseconds by the number of people who wait.
type Line = BTreeMap<u32, f64>;

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    )
}

/// The names in a folder, sorted; none if there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The median that criterion has kept of a benchmark.
fn median_us(benchmark: &Path) -> Option<f64> {
    let text = fs::read_to_string(benchmark.join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    let ns = estimates["median"]["point_estimate"].as_f64()?;
    Some(ns / 1000.0)
}

/// The lines of a picture, with the contender's name.
fn lines(group: &Path) -> Vec<(String, Line)> {
    let line = |contender: &str| -> Line {
        let folder = group.join(contender);
        let sizes = names(&folder);
        let points = sizes
            .iter()
            .filter_map(|size| Some((size.parse().ok()?, median_us(&folder.join(size))?)));
        points.collect()
    };
    let mut lines: Vec<_> = names(group)
        .into_iter()
        .map(|contender| (line(&contender), contender))
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, contender)| (contender, line))
        .collect();
    lines.sort_by_key(|(contender, _)| contender != OWN);
    lines
}

fn draw(title: &str, lines: &[(String, Line)], file: &Path) -> anyhow::Result<()> {
    let points = || lines.iter().flat_map(|(_, line)| line);
    let sizes = || points().map(|(size, _)| *size);
    let (first, last) = (
        sizes().min().unwrap_or(1000),
        sizes().max().unwrap_or(1_000_000),
    );
    let times = || points().map(|(_, us)| *us);
    let lowest = times().fold(f64::INFINITY, f64::min);
    let highest = times().fold(0.0, f64::max);
    let area = SVGBackend::new(file, SIZE_PX).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .margin_right(LEGEND_PX)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (f64::from(first)..f64::from(last) * 1.01).log_scale(),
            (lowest * 0.7..highest * 1.4).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("people who wait")
        .y_desc("µs")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|us| format!("{us}"))
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    for ((contender, line), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(if contender == OWN { 4 } else { 2 });
        let points = line.iter().map(|(size, us)| (f64::from(*size), *us));
        chart.draw_series(LineSeries::new(points.clone(), style))?;
        let dots = points
            .clone()
            .map(|point| Circle::new(point, 3, colour.filled()));
        chart.draw_series(dots)?;
    }
    draw_legend(&area, lines)?;
    area.present()?;
    Ok(())
}

/// Names in the order of their lines' right ends, so that most stand about where their line ends.
fn draw_legend(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    lines: &[(String, Line)],
) -> anyhow::Result<()> {
    let end = |line: &Line| line.last_key_value().map_or(0.0, |(_, us)| *us);
    let mut order: Vec<_> = lines.iter().zip(COLOURS.iter().cycle()).collect();
    order.sort_by(|((_, a), _), ((_, b), _)| end(b).total_cmp(&end(a)));
    let left = (SIZE_PX.0 - LEGEND_PX).cast_signed() + 12;
    for (row, ((contender, _), colour)) in (0..).zip(order) {
        let top = 60 + 22 * row;
        let bar = Rectangle::new([(left, top + 5), (left + 14, top + 9)], colour.filled());
        area.draw(&bar)?;
        let style = ("sans-serif", 13).into_font().color(&BLACK);
        area.draw(&Text::new(contender.as_str(), (left + 20, top), style))?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images"),
        PathBuf::from,
    );
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let results = target_dir().join("criterion");
    let mut drawn = 0;
    for group in names(&results) {
        let Some((operation, crowd)) = group.split_once('_') else {
            continue;
        };
        let lines = lines(&results.join(&group));
        if !OPERATIONS.contains(&operation) || lines.is_empty() {
            continue;
        }
        let file = folder.join(format!("{operation}-{}.svg", crowd.replace('_', "-")));
        let title = format!("{operation}: {}", crowd.replace('_', " "));
        draw(&title, &lines, &file).with_context(|| file.display().to_string())?;
        println!("{}", file.display());
        drawn += 1;
    }
    anyhow::ensure!(
        drawn > 0,
        "no results in {}; cargo bench --bench waiting_room makes them",
        results.display()
    );
    Ok(())
}
