//! Ratios between contenders of one run, from what criterion has stored.

/// The median time of a benchmark in ns, if it was run.
pub(crate) fn median_ns(group: &str, contender: &str, parameter: &str) -> Option<f64> {
    let folder = super::target_dir()
        .join("criterion")
        .join(group.replace('/', "_"))
        .join(contender)
        .join(parameter);
    let text = std::fs::read_to_string(folder.join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
