//! What is known of a client.

use promptsales_engine::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::patch::{self, given};
use crate::value::{Attributes, Email, ExternalKey, Locale, Phone, Text, TimeZone};

/// What is known of a client when it is registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Details {
    /// The name of the client, or of who speaks for it.
    pub name: Text<200>,
    /// The company's registered name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<Text<200>>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<Email>>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<Phone>>,
    /// The caller's own key for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// The language that it is spoken to in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// Where its clock is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
}

/// What is to be changed of a client: a field that is left out stays, `null` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Patch {
    /// The name, which cannot be taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<200>>,
    /// The company's registered name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Text<200>>")]
    pub company: Option<Option<Text<200>>>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Personal<Email>>")]
    pub email: Option<Option<Personal<Email>>>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Personal<Phone>>")]
    pub phone: Option<Option<Personal<Phone>>>,
    /// The language that it is spoken to in.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Locale>")]
    pub locale: Option<Option<Locale>>,
    /// Where its clock is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<TimeZone>")]
    pub time_zone: Option<Option<TimeZone>>,
    /// What is kept beside it: a name with `null` is taken away, one that is left out stays.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<Attributes>")]
    pub attributes: Option<Option<Attributes>>,
}

impl Patch {
    /// Applies it to what is known.
    pub(super) fn apply(&self, details: &Details) -> Details {
        let mut patched = details.clone();
        if let Some(name) = &self.name {
            patched.name = name.clone();
        }
        patch::set(&mut patched.company, &self.company);
        patch::set(&mut patched.email, &self.email);
        patch::set(&mut patched.phone, &self.phone);
        patch::set(&mut patched.locale, &self.locale);
        patch::set(&mut patched.time_zone, &self.time_zone);
        patch::attributes(&mut patched.attributes, self.attributes.as_ref().map(Option::as_ref));
        patched
    }
}
