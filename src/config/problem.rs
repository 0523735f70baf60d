//! Mistakes in the settings, said so that they can be found and put right.

use super::allowed::{allowed, is_secret};
use super::{ENV_PREFIX, Sources};
use figment::error::Kind;
use figment::value::Value;
use figment::{Figment, Metadata, Source};
use std::fmt::Write as _;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Settings that have a flag of their own; the others are set by `--set`.
const ADDRESS_FLAGS: &[&str] = &["listen", "admin_listen"];

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

    pub(super) fn from_figment(
        errors: figment::Error,
        figment: &Figment,
        sources: &Sources,
    ) -> Self {
        let line = |error: figment::Error| {
            let mut path = error.path.clone();
            let problem = match &error.kind {
                Kind::UnknownField(field, known) => {
                    if path.last() != Some(field) {
                        path.push(field.clone());
                    }
                    unknown(&path, known)
                }
                kind => {
                    // Of a list, the whole is named.
                    if path
                        .last()
                        .is_some_and(|last| last.parse::<usize>().is_ok())
                    {
                        path.pop();
                    }
                    let key = path.join(".");
                    unusable(&key, figment).unwrap_or_else(|| format!("`{key}`: {kind}"))
                }
            };
            format!(
                "{}{problem}",
                place(&path, error.metadata.as_ref(), sources)
            )
        };
        Self(errors.into_iter().map(line).collect())
    }

    pub(super) fn from_mistakes(
        mistakes: &[&'static str],
        figment: &Figment,
        sources: &Sources,
    ) -> Self {
        let line = |key: &&'static str| {
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            let place = place(&path, figment.find_metadata(key), sources);
            let problem = unusable(key, figment).expect("what is checked has words");
            format!("{place}{problem}")
        };
        Self(mistakes.iter().map(line).collect())
    }
}

/// "`a.b` must be 1 to 9, not 10"
fn unusable(key: &str, figment: &Figment) -> Option<String> {
    let mut message = format!("`{key}` {}", allowed(key)?);
    if !is_secret(key)
        && let Ok(value) = figment.find_value(key)
    {
        let _ = write!(message, ", not {}", shown(&value));
    }
    Some(message)
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
        Value::Array(..) => "a list".to_owned(),
        Value::Dict(..) => "a table".to_owned(),
        Value::Char(..) | Value::Empty(..) => "this".to_owned(),
    }
}

/// "`a.b` is not a setting; did you mean `a.c`?"
fn unknown(path: &[String], known: &[&str]) -> String {
    let key = path.join(".");
    let (field, parents) = path.split_last().expect("an unknown field has a name");
    let nearest = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(field, a).total_cmp(&strsim::jaro_winkler(field, b)));
    let mut message = format!("`{key}` is not a setting");
    if let Some(nearest) = nearest {
        let mut parents = parents.to_vec();
        parents.push((*nearest).to_owned());
        let _ = write!(message, "; did you mean `{}`?", parents.join("."));
    }
    message
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
    if metadata.is_some_and(|metadata| metadata.name.contains("environment")) {
        return Some(format!("{ENV_PREFIX}{}", path.join("__").to_uppercase()));
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
