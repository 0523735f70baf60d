//! Mistakes in the settings, said so that they can be found and put right.

use super::ENV_PREFIX;
use figment::error::Kind;
use figment::{Figment, Source};
use std::fmt::Write as _;
use std::path::Path;
use toml::de::{DeTable, DeValue};

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

    pub(super) fn from_figment(errors: figment::Error, file: Option<&Path>) -> Self {
        let line = |error: figment::Error| {
            let mut path = error.path.clone();
            let problem = match &error.kind {
                Kind::UnknownField(field, known) => {
                    if path.last() != Some(field) {
                        path.push(field.clone());
                    }
                    unknown(&path, known)
                }
                kind => format!("`{}`: {kind}", path.join(".")),
            };
            let source = error
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.source.as_ref());
            let is_env = error
                .metadata
                .as_ref()
                .is_some_and(|metadata| metadata.name.contains("environment"));
            format!("{}{problem}", place(&path, source, is_env, file))
        };
        Self(errors.into_iter().map(line).collect())
    }

    pub(super) fn from_mistakes(
        mistakes: &[(&'static str, String)],
        figment: &Figment,
        file: Option<&Path>,
    ) -> Self {
        let line = |(key, allowed): &(&'static str, String)| {
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            let metadata = figment.find_metadata(key);
            let source = metadata.and_then(|metadata| metadata.source.as_ref());
            let is_env = metadata.is_some_and(|metadata| metadata.name.contains("environment"));
            format!("{}`{key}` {allowed}", place(&path, source, is_env, file))
        };
        Self(mistakes.iter().map(line).collect())
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

/// Where a setting was made: file and line, variable, or flag.
fn place(path: &[String], source: Option<&Source>, is_env: bool, file: Option<&Path>) -> String {
    if is_env {
        return format!("{ENV_PREFIX}{}: ", path.join("__").to_uppercase());
    }
    match (source, file) {
        (Some(Source::File(_)), Some(file)) => match line_of(path, file) {
            Some(line) => format!("{}, line {line}: ", file.display()),
            None => format!("{}: ", file.display()),
        },
        _ => String::new(),
    }
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
