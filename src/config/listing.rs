//! All settings as a TOML file with comments: the defaults and what they are for, or what is in force and
//! where it came from.

use super::allowed::allowed;
use super::problem::origin;
use super::reference::{Entry, entries, section_and_name};
use super::{Config, Sources};
use figment::Figment;
use std::fmt::Write as _;
use toml::{Table, Value};

const DEFAULTS_HEAD: &str = "\
# WhisperChat's settings with their defaults. What is the default need not be in a file.
# `whisperchat serve --config FILE` reads one; `whisperchat check-config --config FILE` checks it.
";

impl Config {
    /// The defaults as a TOML file that says what each setting is for and what it may be. Who has none by
    /// default stands there as a comment.
    pub fn commented_defaults() -> String {
        let mut out = DEFAULTS_HEAD.to_owned();
        list(&Self::default(), &mut out, |out, entry, value| {
            let Entry {
                key,
                about,
                default,
                is_live,
            } = entry;
            let change = if is_live { "SIGHUP" } else { "a restart" };
            let (_, name) = section_and_name(key);
            let about = without_links(about);
            let allowed = allowed(key).unwrap_or_default();
            let _ = writeln!(out, "\n# {about}\n# {allowed}; changed by {change}");
            let _ = match value {
                Some(value) => writeln!(out, "{name} = {value}"),
                None => writeln!(out, "# {default} by default\n# {name} ="),
            };
        });
        out
    }
}

/// Text of the manual with the words of its links alone: `[these](there.md)`.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, words, after)) = first_link(rest) {
        out.extend([before, words]);
        rest = after;
    }
    out + rest
}

/// What stands before a link, its words, and what stands after it.
fn first_link(text: &str) -> Option<(&str, &str, &str)> {
    let (words_and_before, rest) = text.split_once("](")?;
    let (before, words) = words_and_before.rsplit_once('[')?;
    let (_, after) = rest.split_once(')')?;
    Some((before, words, after))
}

/// What is in force as a TOML file that says where each setting came from.
pub(super) fn explained(config: &Config, figment: &Figment, sources: &Sources) -> String {
    let mut out = String::new();
    list(config, &mut out, |out, Entry { key, .. }, value| {
        let (_, name) = section_and_name(key);
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        let origin = origin(&path, figment.find_metadata(key), sources);
        let origin = origin.as_deref().unwrap_or("default");
        let _ = match value {
            Some(value) => writeln!(out, "{name} = {value} # {origin}"),
            None => writeln!(out, "# {name} is unset"),
        };
    });
    out
}

/// Shows each setting in the manual's order, under the header of its section.
fn list(config: &Config, out: &mut String, show: impl Fn(&mut String, Entry, Option<&Value>)) {
    let table = Table::try_from(config).expect("settings can be written as TOML");
    let mut sections: Vec<&str> = Vec::new();
    for entry in entries() {
        let (section, _) = section_and_name(entry.key);
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    // What is outside all sections can only stand before them.
    sections.sort_by_key(|section| !section.is_empty());
    for section in sections {
        if !section.is_empty() {
            let _ = writeln!(out, "\n[{section}]");
        }
        for entry in entries().filter(|entry| section_and_name(entry.key).0 == section) {
            show(out, entry, value(&table, entry.key));
        }
    }
}

fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = section_and_name(key);
    let sections = section.split('.').filter(|section| !section.is_empty());
    let mut table = table;
    for section in sections {
        table = table.get(section)?.as_table()?;
    }
    table.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::error::Kind;
    use figment::providers::Serialized;
    use std::collections::BTreeSet;

    /// The names that a section knows, as it says to whoever asks for one that it does not know.
    fn known(section: &str) -> &'static [&'static str] {
        let stranger = [section, "no_such_setting"].join(".");
        let stranger = stranger.trim_start_matches('.');
        let error = Figment::from(Serialized::defaults(Config::default()))
            .merge(Serialized::default(stranger, 1))
            .extract::<Config>()
            .unwrap_err();
        match error.kind {
            Kind::UnknownField(_, known) => known,
            kind => panic!("{section} takes anything, or nothing: {kind}"),
        }
    }

    /// The dotted keys of all settings, in whatever sections.
    fn all_keys(section: &str, table: &Table) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for name in known(section) {
            let key = [section, name].join(".").trim_start_matches('.').to_owned();
            match table.get(*name) {
                Some(Value::Table(inner)) => keys.extend(all_keys(&key, inner)),
                _ => {
                    keys.insert(key);
                }
            }
        }
        keys
    }

    fn defaults() -> Table {
        Table::try_from(Config::default()).unwrap()
    }

    #[test]
    fn the_manual_has_a_row_for_each_setting_and_no_other() {
        let rows: Vec<_> = entries().map(|entry| entry.key.to_owned()).collect();
        let in_manual: BTreeSet<_> = rows.iter().cloned().collect();
        assert_eq!(in_manual, all_keys("", &defaults()));
        assert_eq!(rows.len(), in_manual.len(), "a row stands there twice");
    }

    #[test]
    fn the_manual_says_the_defaults_that_are_in_force() {
        for Entry { key, default, .. } in entries() {
            let said = default.trim_matches('`');
            match value(&defaults(), key) {
                None => assert_eq!(said, "unset", "{key}"),
                Some(Value::String(text)) => assert_eq!(said, text, "{key}"),
                Some(Value::Float(number)) => assert_eq!(said, number.to_string(), "{key}"),
                Some(other) => assert_eq!(said, other.to_string(), "{key}"),
            }
        }
    }

    #[test]
    fn the_printed_defaults_are_the_defaults_and_name_every_setting() {
        let printed = Config::commented_defaults();
        let read: Config = toml::from_str(&printed).unwrap();
        assert_eq!(read, Config::default());
        for Entry { key, about, .. } in entries() {
            let (_, name) = section_and_name(key);
            let is_there = |line: &str| {
                line.trim_start_matches("# ")
                    .starts_with(&format!("{name} ="))
            };
            assert!(printed.lines().any(is_there), "{key}");
            assert!(printed.contains(&without_links(about)), "{about}");
        }
        assert!(
            !printed.contains("](") && printed.contains("(admin.md)"),
            "{printed}"
        );
    }

    #[test]
    fn a_link_is_its_words() {
        let text = "one ([a.md](a.md)), [b](b.md#c) and [\"10.0.0.0/8\"]";
        assert_eq!(without_links(text), "one (a.md), b and [\"10.0.0.0/8\"]");
    }
}
