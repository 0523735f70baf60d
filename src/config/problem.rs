//! Mistakes in the settings, said so that they can be found and put right.

use super::allowed::{allowed, is_secret};
use super::extract::place_of;
use super::reference::{Entry, entries};
use super::{ENV_PREFIX, Sources};
use figment::error::Kind;
use figment::value::Value;
use figment::{Figment, Metadata, Source};
use std::fmt::Write as _;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Settings that have a flag of their own; the others are set by `--set`.
const ADDRESS_FLAGS: &[&str] = &["listen", "admin_listen"];

/// How like a name must be to what was written to be what was meant, from 0 to 1 (Jaro-Winkler): `per_minute` is to
/// `per_hour` by 0.82, `log` to `foo` by 0.56.
const LIKENESS_MIN: f64 = 0.8;

/// What is wrong with the settings: one line for each mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self(vec![format!("{}: cannot be read: {error}", file.display())])
    }

    pub(super) fn not_toml(file: &Path, error: &toml::de::Error) -> Self {
        let message = error.to_string();
        Self(vec![format!("{}: {}", file.display(), message.trim_end())])
    }

    /// One line for each value that can't be read, and for each that can't be used, by its path.
    pub(super) fn of(
        errors: &[figment::Error],
        mistakes: &[String],
        figment: &Figment,
        sources: &Sources,
    ) -> Self {
        let line = |path: &[String], problem: String| {
            let metadata = figment.find_metadata(&path.join("."));
            format!("{}{problem}", place(path, metadata, sources))
        };
        let mut named = Vec::new();
        let mut lines = Vec::new();
        for error in errors {
            let (path, index) = place_of(error);
            lines.push(line(&path, unreadable(&path, index, &error.kind, figment)));
            named.push(path);
        }
        for mistake in mistakes {
            let mut path: Vec<_> = mistake.split('.').map(str::to_owned).collect();
            let index = path.last().and_then(|last| last.parse().ok());
            if index.is_some() {
                path.pop();
            }
            // What can't be read was looked at as if it were the default.
            if !named.contains(&path) {
                let problem = unusable(&path.join("."), index, figment);
                lines.push(line(&path, problem.expect("what is checked has words")));
            }
        }
        Self(lines)
    }
}

fn unreadable(path: &[String], index: Option<usize>, kind: &Kind, figment: &Figment) -> String {
    let key = path.join(".");
    if let Kind::UnknownField(_, known) = kind {
        return unknown(path, known, is_variable(figment.find_metadata(&key)));
    }
    unusable(&key, index, figment)
        .or_else(|| no_setting_itself(&key))
        .unwrap_or_else(|| format!("`{key}`: {kind}"))
}

/// "`a.b` must be 1 to 9, not 10"
fn unusable(key: &str, index: Option<usize>, figment: &Figment) -> Option<String> {
    let mut message = format!("`{key}` {}", allowed(key)?);
    if is_secret(key) {
        return Some(message);
    }
    let value = figment.find_value(key).ok();
    let entry = index.and_then(|index| value.as_ref()?.as_array()?.get(index));
    let _ = match (entry, &value) {
        (Some(entry), _) => write!(message, "; {} is not one", shown(entry)),
        (None, Some(Value::Empty(..))) => write!(message, "; it is not set"),
        (None, Some(value)) => write!(message, ", not {}", shown(value)),
        (None, None) => Ok(()),
    };
    Some(message)
}

/// "`a` is a section of settings, such as `a.b`, and not one itself"
fn no_setting_itself(key: &str) -> Option<String> {
    let is_in_it = |entry: &Entry| {
        let rest = entry.key.strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let Entry { key: first, .. } = entries().find(is_in_it)?;
    Some(format!(
        "`{key}` is a section of settings, such as `{first}`, and not one itself"
    ))
}

/// A value as it would be written.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|whole| whole.to_string())
            .or_else(|| number.to_u128().map(|whole| whole.to_string()))
            .or_else(|| number.to_f64().map(|float| float.to_string()))
            .unwrap_or_else(|| "this number".to_owned()),
        Value::Array(_, entries) => {
            let entries: Vec<_> = entries.iter().map(shown).collect();
            format!("[{}]", entries.join(", "))
        }
        Value::Dict(..) => "a table".to_owned(),
        Value::Char(..) | Value::Empty(..) => "this".to_owned(),
    }
}

/// "`a.b` is not a setting; did you mean `a.c`?"
fn unknown(path: &[String], known: &[&str], is_variable: bool) -> String {
    let key = path.join(".");
    let mut message = format!("`{key}` is not a setting");
    if let Some(meant) = with_other_levels(path).or_else(|| nearest(path, known)) {
        let meant = if is_variable {
            variable(&meant)
        } else {
            meant.join(".")
        };
        let _ = write!(message, "; did you mean `{meant}`?");
    }
    message
}

/// The setting that has the same name but for what stands between its levels: `log.level` for `log_level`.
fn with_other_levels(path: &[String]) -> Option<Vec<String>> {
    let name = path.join("_");
    let entry = entries().find(|entry| entry.key.replace('.', "_") == name)?;
    Some(entry.key.split('.').map(str::to_owned).collect())
}

/// The setting beside it whose name is most like its own, if any is like it at all.
fn nearest(path: &[String], known: &[&str]) -> Option<Vec<String>> {
    let (field, parents) = path.split_last()?;
    let likeness = |name: &str| strsim::jaro_winkler(field, name);
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|nearest| likeness(nearest) >= LIKENESS_MIN)?;
    let mut meant = parents.to_vec();
    meant.push((*nearest).to_owned());
    Some(meant)
}

/// The variable of the environment that is a setting.
fn variable(path: &[String]) -> String {
    format!("{ENV_PREFIX}{}", path.join("__").to_uppercase())
}

fn is_variable(metadata: Option<&Metadata>) -> bool {
    metadata.is_some_and(|metadata| metadata.name.contains("environment"))
}

/// The beginning of a line about a setting: where it was made, if that is not the default.
fn place(path: &[String], metadata: Option<&Metadata>, sources: &Sources) -> String {
    origin(path, metadata, sources).map_or_else(String::new, |origin| origin + ": ")
}

/// Where a setting was made: file and line, variable, or flag; nothing if it is the default.
pub(super) fn origin(
    path: &[String],
    metadata: Option<&Metadata>,
    sources: &Sources,
) -> Option<String> {
    if is_variable(metadata) {
        return Some(variable(path));
    }
    let source = metadata.and_then(|metadata| metadata.source.as_ref());
    if let (Some(Source::File(_)), Some(file)) = (source, &sources.file) {
        return Some(match line_of(path, file) {
            Some(line) => format!("{}, line {line}", file.display()),
            None => file.display().to_string(),
        });
    }
    let key = path.join(".");
    let is_here = |flag: &str| {
        let rest = flag.strip_prefix(&key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let (flag, _) = sources.flags.iter().rfind(|(flag, _)| is_here(flag))?;
    Some(if ADDRESS_FLAGS.contains(&flag.as_str()) {
        format!("--{}", flag.replace('_', "-"))
    } else {
        format!("--set {flag}")
    })
}

/// The line on which a key stands in a TOML file.
fn line_of(path: &[String], file: &Path) -> Option<usize> {
    let text = std::fs::read_to_string(file).ok()?;
    let parsed = DeTable::parse(&text).ok()?;
    let mut table = parsed.get_ref();
    let mut offset = None;
    for key in path {
        let (name, value) = table
            .iter()
            .find(|(name, _)| name.get_ref() == key.as_str())?;
        offset = Some(name.span().start);
        if let DeValue::Table(inner) = value.get_ref() {
            table = inner;
        }
    }
    Some(text[..offset?].matches('\n').count() + 1)
}
