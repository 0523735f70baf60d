//! Reading the settings so that every mistake is found, and not only the first.

use super::Config;
use figment::Figment;
use figment::value::Value;
use serde::Deserialize as _;

/// How many values that can't be read are told at once.
const UNREADABLE_MAX: usize = 32;

/// The settings as far as they can be read.
pub(super) struct Extracted {
    /// With the default of each that can't be read, so that the others can be looked at as well. None if they are too
    /// many, or nothing can be made of the rest.
    pub(super) config: Option<Config>,
    /// What can't be read.
    pub(super) errors: Vec<figment::Error>,
}

pub(super) fn extract(figment: &Figment) -> Extracted {
    let mut errors = Vec::new();
    let mut values = match figment.find_value("") {
        Ok(values) => values,
        Err(error) => {
            errors.push(error);
            return Extracted {
                config: None,
                errors,
            };
        }
    };
    let defaults = Value::serialize(Config::default()).expect("settings can be written");
    loop {
        let error = match Config::deserialize(&values) {
            Ok(config) => {
                let config = Some(config);
                return Extracted { config, errors };
            }
            Err(error) => error,
        };
        let (path, _) = place_of(&error);
        let is_put_right = put_right(&mut values, &defaults, &path);
        errors.push(error);
        if !is_put_right || errors.len() == UNREADABLE_MAX {
            let config = None;
            return Extracted { config, errors };
        }
    }
}

/// Where the mistake is: the setting's path, and the entry's index if it is one of a list.
pub(super) fn place_of(error: &figment::Error) -> (Vec<String>, Option<usize>) {
    let mut path = error.path.clone();
    if let figment::error::Kind::UnknownField(field, _) = &error.kind
        && path.last() != Some(field)
    {
        path.push(field.clone());
    }
    let index = path.last().and_then(|last| last.parse().ok());
    if index.is_some() {
        path.pop();
    }
    (path, index)
}

/// Puts the default in the place of what stands at a path, or takes it out where there is none. Returns whether that
/// could be done.
fn put_right(values: &mut Value, defaults: &Value, path: &[String]) -> bool {
    let Some((name, sections)) = path.split_last() else {
        return false;
    };
    let mut at = values;
    for section in sections {
        let Value::Dict(_, inner) = at else {
            return false;
        };
        let Some(inner) = inner.get_mut(section) else {
            return false;
        };
        at = inner;
    }
    let Value::Dict(_, section) = at else {
        return false;
    };
    match defaults.find_ref(&path.join(".")) {
        Some(default) => section.insert(name.clone(), default.clone()),
        None => section.remove(name),
    };
    true
}
