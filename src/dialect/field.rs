//! Typed fields out of JSON, with refusals that name the field and what is allowed.

use crate::lobby::Name;
use crate::private::Private;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A field as it stands in the message; `None` if it is absent or null.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// What is wrong with a field: a sentence.
pub(super) type FieldError = String;

/// A borrowed string where the JSON has no escapes, an owned one where it has.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A required field.
pub(super) fn required<'a>(raw: Raw<'a>, field: &str) -> Result<&'a RawValue, FieldError> {
    raw.ok_or_else(|| format!("`{field}` is missing"))
}

/// A string.
pub(super) fn string<'a>(raw: &'a RawValue, field: &str) -> Result<Cow<'a, str>, FieldError> {
    serde_json::from_str::<Text<'a>>(raw.get())
        .map(|text| text.0)
        .map_err(|_| format!("`{field}` must be a string of Unicode characters"))
}

/// A string of so many characters.
pub(super) fn text<'a>(
    raw: &'a RawValue,
    field: &str,
    chars_max: usize,
) -> Result<Cow<'a, str>, FieldError> {
    let refused = || format!("`{field}` must be a string of 1 to {chars_max} characters");
    let text = string(raw, field).map_err(|_| refused())?;
    // Fewer bytes than characters allowed can't be too many characters.
    let fits = text.len() <= chars_max || text.chars().count() <= chars_max;
    if fits && !text.is_empty() {
        Ok(text)
    } else {
        Err(refused())
    }
}

/// A finite number in bounds, both inclusive.
pub(super) fn number(raw: &RawValue, field: &str, min: f64, max: f64) -> Result<f64, FieldError> {
    serde_json::from_str::<f64>(raw.get())
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("`{field}` must be a number from {min} to {max}"))
}

/// A whole number that is not negative.
pub(super) fn whole_number(raw: &RawValue, field: &str) -> Result<u64, FieldError> {
    serde_json::from_str(raw.get())
        .map_err(|_| format!("`{field}` must be a whole number of at least 0"))
}

/// `true` or `false`.
pub(super) fn boolean(raw: &RawValue, field: &str) -> Result<bool, FieldError> {
    serde_json::from_str(raw.get()).map_err(|_| format!("`{field}` must be true or false"))
}

/// The fields of an object. `serde` would also take an array for a structure; the contract does not.
pub(super) fn object<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    field: &str,
    fields: &str,
) -> Result<T, FieldError> {
    let refused = || format!("`{field}` must be an object with the fields {fields}");
    if !raw.get().starts_with('{') {
        return Err(refused());
    }
    serde_json::from_str(raw.get()).map_err(|_| refused())
}

/// The elements of a list, each as it stands in the message.
pub(super) fn list<'a>(
    raw: &'a RawValue,
    field: &str,
    len_max: usize,
) -> Result<Vec<&'a RawValue>, FieldError> {
    serde_json::from_str::<Vec<&RawValue>>(raw.get())
        .ok()
        .filter(|list| list.len() <= len_max)
        .ok_or_else(|| format!("`{field}` must be a list of at most {len_max} strings"))
}

/// A name or an interest: trimmed, of so many characters, none of which can disturb the text around it.
pub(super) fn name(raw: &RawValue, field: &str, chars_max: usize) -> Result<Name, FieldError> {
    let text = string(raw, field)?;
    let trimmed = text.trim();
    if trimmed.chars().count() > chars_max {
        return Err(format!("`{field}` must be at most {chars_max} characters"));
    }
    if trimmed.chars().any(is_disturbing) {
        return Err(format!(
            "`{field}` must not contain control or bidirectional-override characters"
        ));
    }
    Ok(Private::new(trimmed.into()))
}

/// Control characters, and those that override the direction of the text that follows (Unicode Standard
/// Annex #9, sections 2.1, 2.2 and 2.4: embeddings, overrides and isolates).
pub(super) fn is_disturbing(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
