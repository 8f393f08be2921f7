//! Patches: what is to be changed of what is known. A field that is left out stays, `null` takes it away.

use serde::{Deserialize, Deserializer};

use super::Attributes;

/// Reads a field, and tells `null` from one that is left out.
///
/// # Errors
///
/// When it does not have the field's form.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Changes a field.
pub fn set<T: Clone>(field: &mut Option<T>, patch: &Option<Option<T>>) {
    if let Some(value) = patch {
        field.clone_from(value);
    }
}

/// Changes attributes: those that are named in the patch, or all of them where it takes them away.
pub fn attributes(field: &mut Option<Attributes>, patch: Option<Option<&Attributes>>) {
    match patch {
        None => {}
        Some(None) => *field = None,
        Some(Some(patch)) => {
            let patched = field.take().unwrap_or_default().patched(patch);
            *field = (!patched.is_empty()).then_some(patched);
        }
    }
}
