//! Campaign documents as other systems keep them, and the briefs that they hold.

use promptsales_engine::clock::Timestamp;
use serde_json::{Map, Value};

use super::brief::{default_kinds, default_locales};
use super::{Brief, Channel, ContentKind, ExternalKey};

/// A document that holds no brief.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON object.
    #[error("a campaign document is a JSON object with a `name`")]
    NotAnObject,
    /// A field cannot be taken as it is.
    #[error("the document cannot be read as a brief: {reason}")]
    BadField {
        /// Which, and why.
        reason: String,
    },
}

/// A brief that came in as a document.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedBrief {
    /// The key that the document had where it came from.
    pub key: Option<ExternalKey>,
    /// The brief.
    pub brief: Brief,
    /// What could not be taken as it was, or contradicts itself: a code and the field.
    pub notes: Vec<String>,
}

/// The fields that a document and a brief share under one name.
const SHARED: [&str; 8] = [
    "name",
    "description",
    "targetAudience",
    "campaignMessage",
    "budget",
    "spendLimit",
    "landingUrl",
    "forbiddenWords",
];

/// What may hold a credential, in any case, within the name of a field.
const CREDENTIALS: [&str; 6] = ["authorization", "password", "secret", "token", "apikey", "cookie"];

impl Brief {
    /// Reads a document of the shape that document stores hold campaigns in.
    ///
    /// Channels and kinds come from `contentVersions` where they are not named; dates may have the extended JSON
    /// form `{"$date": ...}`. Fields that a brief does not have become attributes; credentials are dropped.
    ///
    /// # Errors
    ///
    /// When it has no name, or a field has another type than it should.
    pub fn from_document(document: &Value) -> Result<ImportedBrief, DocumentError> {
        let mut notes = Vec::new();
        let clean = without_credentials(document, &mut notes);
        let Value::Object(mut rest) = clean else { return Err(DocumentError::NotAnObject) };
        let key = rest.remove("campaignId").or_else(|| rest.remove("externalKey"));
        let mut fields = Map::new();
        for name in SHARED {
            if let Some(value) = rest.remove(name).filter(|value| !value.is_null()) {
                fields.insert(name.to_owned(), value);
            }
        }
        dates(&mut rest, &mut fields, &mut notes);
        let versions = rest.get("contentVersions").and_then(Value::as_array).cloned().unwrap_or_default();
        let labels = |name: &str, listed: Option<Value>| match listed {
            Some(Value::Array(list)) => list,
            Some(Value::Null) | None => versions.iter().filter_map(|v| v.get(name).cloned()).collect(),
            Some(other) => vec![other],
        };
        let channels =
            distinct(&labels("platform", rest.remove("channels")), &mut notes, Channel::from_label);
        let kinds = labels("type", rest.remove("contentKinds"));
        let kinds = distinct(&kinds, &mut notes, ContentKind::from_label);
        fields.insert("channels".to_owned(), to_value(&channels));
        let kinds = if kinds.is_empty() { default_kinds() } else { kinds };
        fields.insert("contentKinds".to_owned(), to_value(&kinds));
        fields.insert("locales".to_owned(), rest.remove("locales").unwrap_or(to_value(&default_locales())));
        if let Some(key) = &key {
            fields.insert("externalKey".to_owned(), key.clone());
        }
        if let Some(Value::Object(own)) = rest.remove("attributes") {
            rest.extend(own);
        }
        fields.insert("attributes".to_owned(), Value::Object(rest));
        let read = serde_json::from_value::<Brief>(Value::Object(fields));
        let brief = read.map_err(|e| DocumentError::BadField { reason: e.to_string() })?;
        Ok(ImportedBrief { key: brief.external_key.clone(), brief, notes })
    }
}

fn to_value<T: serde::Serialize>(list: &T) -> Value {
    serde_json::to_value(list).unwrap_or(Value::Null)
}

/// Takes the dates over, and notes those that contradict each other.
fn dates(rest: &mut Map<String, Value>, fields: &mut Map<String, Value>, notes: &mut Vec<String>) {
    let moment = |value: Option<&Value>| value.and_then(Value::as_str)?.parse::<Timestamp>().ok();
    for name in ["createdAt", "updatedAt", "startDate", "endDate"] {
        if let Some(plain) = rest.get(name).and_then(|value| value.get("$date")).cloned() {
            rest.insert(name.to_owned(), plain);
        }
    }
    if moment(rest.get("updatedAt")) < moment(rest.get("createdAt")) && rest.contains_key("updatedAt") {
        notes.push("clock_conflict: updatedAt is before createdAt".to_owned());
    }
    if let (Some(start), Some(end)) = (moment(rest.get("startDate")), moment(rest.get("endDate")))
        && end <= start
    {
        notes.push("clock_conflict: endDate is not after startDate, and kept as an attribute".to_owned());
        fields.insert("startDate".to_owned(), rest.remove("startDate").unwrap_or_default());
        return;
    }
    for name in ["startDate", "endDate"] {
        match moment(rest.get(name)) {
            Some(_) => {
                fields.insert(name.to_owned(), rest.remove(name).unwrap_or_default());
            }
            None if rest.get(name).is_some_and(|value| !value.is_null()) => {
                notes.push(format!("format_conflict: {name} is no time, and kept as an attribute"));
            }
            None => {}
        }
    }
}

/// Reads labels, each once; notes those that are not understood.
fn distinct<T: PartialEq, E: std::fmt::Display>(
    labels: &[Value],
    notes: &mut Vec<String>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut found = Vec::new();
    for label in labels {
        let text = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
        match read(&text) {
            Ok(value) if !found.contains(&value) => found.push(value),
            Ok(_) => {}
            Err(e) => notes.push(format!("format_conflict: {e}")),
        }
    }
    found
}

fn without_credentials(value: &Value, notes: &mut Vec<String>) -> Value {
    match value {
        Value::Object(map) => {
            let mut kept = Map::new();
            for (name, value) in map {
                let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
                let plain = plain.to_lowercase();
                if CREDENTIALS.iter().any(|credential| plain.contains(credential)) {
                    notes.push(format!("credential_dropped: {name}"));
                } else {
                    kept.insert(name.clone(), without_credentials(value, notes));
                }
            }
            Value::Object(kept)
        }
        Value::Array(list) => list.iter().map(|item| without_credentials(item, notes)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_becomes_a_brief() {
        let document = json!({
            "campaignId": "CMP-INVIERNO-2026", "name": "Campaña Invierno", "description": "Abrigos.",
            "targetAudience": "Familias", "campaignMessage": "Abrigate.",
            "contentVersions": [
                { "contentId": "CNT-001", "platform": "Instagram", "type": "imagen" },
                { "contentId": "CNT-002", "platform": "Facebook", "type": "video" },
                { "contentId": "CNT-003", "platform": "Instagram", "type": "video" },
                { "contentId": "CNT-004", "platform": "Fax", "type": "texto" },
            ],
            "usedImages": ["MED-1"], "status": "active", "apiKey": "x",
            "startDate": { "$date": "2026-06-01T00:00:00Z" }, "endDate": "2026-08-01T00:00:00Z",
            "createdAt": "2026-05-02T10:15:00Z", "updatedAt": "2026-05-01T14:30:00Z",
        });
        let imported = Brief::from_document(&document).unwrap();
        let brief = &imported.brief;
        assert_eq!(imported.key.as_ref().unwrap().as_str(), "CMP-INVIERNO-2026");
        assert_eq!(brief.channels, [Channel::Instagram, Channel::Facebook]);
        assert_eq!(brief.content_kinds, [ContentKind::Image, ContentKind::Video, ContentKind::Text]);
        assert_eq!(brief.start_date, "2026-06-01T00:00:00Z".parse().ok());
        assert_eq!(brief.attributes.get("status"), Some(&json!("active")));
        assert_eq!(brief.attributes.get("apiKey"), None);
        let notes = imported.notes.join("\n");
        for note in ["credential_dropped: apiKey", "clock_conflict: updatedAt", "`Fax` is not a channel"] {
            assert!(notes.contains(note), "{notes}");
        }
        assert_eq!(brief.check(), Ok(()));
    }

    #[test]
    fn a_document_without_a_name_is_none() {
        assert_eq!(Brief::from_document(&json!([])), Err(DocumentError::NotAnObject));
        let unnamed = Brief::from_document(&json!({ "description": "x" })).unwrap_err();
        assert!(unnamed.to_string().contains("`name`"), "{unnamed}");
    }
}
