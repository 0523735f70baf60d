//! What each setting is for. The manual, docs/configuration.md, is part of the program, so that the two say
//! the same.

const MANUAL: &str = include_str!("../../docs/configuration.md");

/// A row of the manual's table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The setting's dotted key.
    pub(super) key: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its default, as the manual writes it.
    pub(super) default: &'static str,
    /// Whether a change is in force without a restart.
    pub(super) is_live: bool,
}

/// All settings in the manual's order.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    MANUAL.lines().filter_map(|line| {
        let row = line.strip_prefix("| `")?.strip_suffix(" |")?;
        let (key, row) = row.split_once("` | ")?;
        let mut cells = row.splitn(4, " | ");
        let [default, _allowed, change, about] = std::array::from_fn(|_| cells.next());
        Some(Entry {
            key,
            about: about?,
            default: default?,
            is_live: change? == "live",
        })
    })
}

/// The section that a key stands in, empty for none, and its name there.
pub(super) fn section_and_name(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}
