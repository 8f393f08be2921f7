//! Corrections: what is known of a person, with some of it changed.

use promptsales_engine::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Details, Rejection};
use crate::value::patch::{self, given, set};
use crate::value::{Attributes, Email, Locale, Phone, Text, TimeZone};

/// What is to be changed of what is known of a person: a field that is left out stays, `null` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Patch {
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Personal<Email>>")]
    pub email: Option<Option<Personal<Email>>>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Personal<Phone>>")]
    pub phone: Option<Option<Personal<Phone>>>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Personal<Text<200>>>")]
    pub name: Option<Option<Personal<Text<200>>>>,
    /// The language that the person speaks.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Locale>")]
    pub locale: Option<Option<Locale>>,
    /// Where the person's clock is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<TimeZone>")]
    pub time_zone: Option<Option<TimeZone>>,
    /// What is kept beside it: a name with `null` is taken away, one that is left out stays.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Personal<Attributes>>")]
    pub attributes: Option<Option<Personal<Attributes>>>,
}

impl Patch {
    /// Applies it to what is known.
    ///
    /// # Errors
    ///
    /// Where the outcome could not be registered either.
    pub(super) fn apply(&self, details: &Details) -> Result<Details, Rejection> {
        let patched = self.fold(details);
        let attributes = patched.attributes.as_ref().map(|kept| kept.expose().check());
        attributes.unwrap_or(Ok(())).map_err(|e| Rejection::Attributes { reason: e.to_string() })?;
        if patched.email.is_none() && patched.phone.is_none() && patched.external_key.is_none() {
            return Err(Rejection::NoIdentity);
        }
        if matches!(&self.phone, Some(Some(phone)) if phone.expose().check().is_err()) {
            return Err(Rejection::InvalidPhone);
        }
        Ok(patched)
    }

    /// The same without checks, for what was decided.
    pub(super) fn fold(&self, details: &Details) -> Details {
        let mut patched = details.clone();
        set(&mut patched.email, &self.email);
        set(&mut patched.phone, &self.phone);
        set(&mut patched.name, &self.name);
        set(&mut patched.locale, &self.locale);
        set(&mut patched.time_zone, &self.time_zone);
        let mut attributes = patched.attributes.take().map(|known| known.expose().clone());
        let patch = self.attributes.as_ref().map(|given| given.as_ref().map(Personal::expose));
        patch::attributes(&mut attributes, patch);
        patched.attributes = attributes.map(Personal::new);
        patched
    }
}
