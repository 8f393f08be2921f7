//! Telephone numbers (ITU-T E.164).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// A text that is not a telephone number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a telephone number: use the international form, like `+506 8812 3456`")]
pub struct PhoneError {
    text: String,
}

/// A number in the form of E.164: `+50688123456`.
///
/// What is read in exactly this form is taken by its form alone: numbering plans change, and what was stored must
/// stay readable. Who takes a number in from outside asks [`Phone::check`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Phone(String);

impl Phone {
    /// The number: a plus sign and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Asks the numbering plan of the country whether there can be such a number.
    ///
    /// # Errors
    ///
    /// [`PhoneError`].
    pub fn check(&self) -> Result<(), PhoneError> {
        parse(&self.0).map(|_| ())
    }
}

impl FromStr for Phone {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let plain = (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { Ok(Self(text.to_owned())) } else { parse(text).map(Self) }
    }
}

fn parse(text: &str) -> Result<String, PhoneError> {
    let refused = || PhoneError { text: shown(text) };
    if text.len() > 64 || !text.trim_start().starts_with('+') {
        return Err(refused());
    }
    let number = phonenumber::parse(None, text).map_err(|_| refused())?;
    if !number.is_valid() || number.extension().is_some() {
        return Err(refused());
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

impl TryFrom<Cow<'_, str>> for Phone {
    type Error = PhoneError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, PhoneError> {
        text.parse()
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Phone {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Phone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\s*\\+", "maxLength": 64, "description": "E.164" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_brought_to_its_international_form() {
        assert_eq!("+506 7010-2020".parse::<Phone>().unwrap().as_str(), "+50670102020");
        assert!("+50670102020".parse::<Phone>().unwrap().check().is_ok());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "70102020", "+", "+506 1", "hello", "+1 (555)"] {
            assert!(text.parse::<Phone>().is_err(), "{text}");
        }
        assert!("+5061111111".parse::<Phone>().unwrap().check().is_err());
    }
}
