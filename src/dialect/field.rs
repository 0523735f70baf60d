//! Typed fields out of JSON, with refusals that name the field and what is allowed.
//!
//! What reads a value says only what is allowed ("a number from -90 to 90"); [`required`], [`optional`] and
//! [`given`] make a sentence of it that names the field.

use crate::lobby::Name;
use crate::private::Private;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A field as it stands in the message; `None` if it is absent.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// What is wrong with a field: a sentence.
pub(super) type FieldError = String;

/// What would be allowed, to be put after "must be".
pub(super) type Allowed = String;

/// A borrowed string where the JSON has no escapes, an owned one where it has.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'a> Text<'a> {
    /// The string, if it has 1 to this many characters.
    pub(super) fn of_chars(self, max: usize) -> Option<Cow<'a, str>> {
        let Self(text) = self;
        (!text.is_empty() && is_of_at_most(&text, max)).then_some(text)
    }
}

/// For `deserialize_with`: keeps a null, which serde would take for an absent field.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Raw<'de>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A field that must be there. A null is as good as nothing.
pub(super) fn required<'a, T>(
    raw: Raw<'a>,
    field: &str,
    read: impl FnOnce(&'a RawValue) -> Result<T, Allowed>,
) -> Result<T, FieldError> {
    // Nothing reads a null, so this finds out what would be allowed.
    let found = raw.unwrap_or(RawValue::NULL);
    let is_missing = is_null(found);
    read(found).map_err(|allowed| {
        if is_missing {
            format!("`{field}` is missing: it must be {allowed}")
        } else {
            format!("`{field}` must be {allowed}")
        }
    })
}

/// A field that may be left out, or be null.
pub(super) fn optional<'a, T>(
    raw: Raw<'a>,
    field: &str,
    read: impl FnOnce(&'a RawValue) -> Result<T, Allowed>,
) -> Result<Option<T>, FieldError> {
    given(raw.filter(|raw| !is_null(raw)), field, read)
}

/// A field that may be left out, but must be good if it is there.
pub(super) fn given<'a, T>(
    raw: Raw<'a>,
    field: &str,
    read: impl FnOnce(&'a RawValue) -> Result<T, Allowed>,
) -> Result<Option<T>, FieldError> {
    raw.map(read)
        .transpose()
        .map_err(|allowed| format!("`{field}` must be {allowed}"))
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// A string of any length.
pub(super) fn string(raw: &RawValue) -> Result<Cow<'_, str>, Allowed> {
    serde_json::from_str::<Text<'_>>(raw.get())
        .map(|text| text.0)
        .map_err(|_| "a string of Unicode characters".to_owned())
}

/// A string of so many characters.
pub(super) fn text(raw: &RawValue, chars_max: usize) -> Result<Cow<'_, str>, Allowed> {
    string(raw)
        .ok()
        .and_then(|text| Text(text).of_chars(chars_max))
        .ok_or_else(|| format!("a string of 1 to {chars_max} characters"))
}

fn is_of_at_most(text: &str, chars_max: usize) -> bool {
    // Fewer bytes than characters allowed can't be too many characters.
    text.len() <= chars_max || text.chars().count() <= chars_max
}

/// A finite number in bounds, both inclusive.
pub(super) fn number(raw: &RawValue, min: f64, max: f64) -> Result<f64, Allowed> {
    serde_json::from_str::<f64>(raw.get())
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("a number from {min} to {max}"))
}

/// A whole number that is not negative.
pub(super) fn whole_number(raw: &RawValue) -> Result<u64, Allowed> {
    serde_json::from_str(raw.get()).map_err(|_| "a whole number of at least 0".to_owned())
}

/// `true` or `false`.
pub(super) fn boolean(raw: &RawValue) -> Result<bool, Allowed> {
    serde_json::from_str(raw.get()).map_err(|_| "true or false".to_owned())
}

/// The fields of an object. `serde` would also take an array for a structure; the contract does not.
pub(super) fn object<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    fields: &str,
) -> Result<T, Allowed> {
    Some(raw.get())
        .filter(|json| json.starts_with('{'))
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or_else(|| format!("an object with {fields}"))
}

/// The elements of a list, each as it stands in the message.
pub(super) fn list(raw: &RawValue, len_max: usize) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<Vec<&RawValue>>(raw.get())
        .ok()
        .filter(|list| list.len() <= len_max)
}

/// A name or an interest: trimmed, of so many characters, none of which can disturb the text around it.
pub(super) fn name(raw: &RawValue, chars_max: usize) -> Result<Name, Allowed> {
    let allowed = || {
        format!(
            "a string of at most {chars_max} Unicode characters, none of them a control or \
             bidirectional-override character"
        )
    };
    let text = string(raw).map_err(|_| allowed())?;
    let trimmed = text.trim();
    if is_of_at_most(trimmed, chars_max) && !trimmed.chars().any(is_disturbing) {
        Ok(Private::new(trimmed.into()))
    } else {
        Err(allowed())
    }
}

/// Somebody's own words for the operators: of so many characters, on as many lines as they like.
pub(super) fn note(
    raw: &RawValue,
    chars_max: usize,
) -> Result<Private<compact_str::CompactString>, Allowed> {
    string(raw)
        .ok()
        .filter(|text| is_of_at_most(text, chars_max))
        .map(|text| Private::new(text.as_ref().into()))
        .ok_or_else(|| format!("a string of at most {chars_max} characters"))
}

/// Control characters, and those that override the direction of the text that follows (Unicode Standard
/// Annex #9, sections 2.1, 2.2 and 2.4: embeddings, overrides and isolates).
pub(super) fn is_disturbing(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
