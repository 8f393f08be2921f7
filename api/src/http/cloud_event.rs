//! CloudEvents 1.0 over HTTP: structured, batched and binary (HTTP protocol binding, sections 3.1 to 3.3).
//!
//! An event is checked and then kept as the JSON text that came, so that nothing of it is lost or written anew; one in
//! binary mode is put into the structured form first.

use std::borrow::Cow;
use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use promptsales_engine::journal::Json;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::problem::{Code, Problem};

/// The most events that one request may bring.
pub const LARGEST_BATCH: usize = 1_000;
/// The longest attribute of the context, in bytes.
const LONGEST_ATTRIBUTE: usize = 2_048;
const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";

/// An event from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// Where it comes from; with the id it is what it is recognised by when it comes again.
    pub source: String,
    /// Its id within its source.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The whole event in the JSON format.
    pub json: Json,
}

/// Reads the events of a request, by its content type and headers.
///
/// # Errors
///
/// A problem that names the event and the attribute.
pub fn read(headers: &HeaderMap, body: &str) -> Result<Vec<CloudEvent>, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(BATCHED) {
        return batch(body);
    }
    if essence.eq_ignore_ascii_case(STRUCTURED) {
        return structured(body.to_owned(), "").map(|event| vec![event]);
    }
    if headers.contains_key("ce-specversion") {
        return structured(binary(headers, media, essence, body)?, "").map(|event| vec![event]);
    }
    let detail = format!("use `{STRUCTURED}`, `{BATCHED}`, or binary mode with `ce-` headers");
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

fn batch(body: &str) -> Result<Vec<CloudEvent>, Problem> {
    let items: Vec<&RawValue> = serde_json::from_str(body)
        .map_err(|e| Problem::new(Code::MalformedJson, format!("the batch is no JSON array: {e}")))?;
    if items.len() > LARGEST_BATCH {
        let detail = format!("a batch has {} events, {LARGEST_BATCH} are taken at once", items.len());
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    let each = items.iter().enumerate();
    each.map(|(at, item)| structured(item.get().to_owned(), &format!("event {at}: "))).collect()
}

fn structured(text: String, place: &str) -> Result<CloudEvent, Problem> {
    let context = Context::deserialize(&mut serde_json::Deserializer::from_str(&text));
    let context = context.map_err(|e| Problem::new(Code::InvalidBody, format!("{place}{e}")))?;
    let refuse = |reason: String| Problem::new(Code::InvalidBody, format!("{place}{reason}"));
    let (source, id, kind) = context.checked().map_err(refuse)?;
    let json = Json::from_text(text).map_err(|e| Problem::new(Code::MalformedJson, format!("{place}{e}")))?;
    Ok(CloudEvent { source, id, kind, json })
}

/// Puts an event in binary mode into the JSON format.
fn binary(headers: &HeaderMap, media: &str, essence: &str, body: &str) -> Result<String, Problem> {
    let mut event = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let refuse = || Problem::new(Code::InvalidParameter, format!("header `ce-{name}` is not UTF-8"));
        let value = value.to_str().map_err(|_| refuse())?;
        let value = percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| refuse())?;
        event.insert(name.to_owned(), value.into_owned().into());
    }
    let is_json = essence.ends_with("/json") || essence.ends_with("+json");
    if !media.is_empty() {
        event.insert("datacontenttype".to_owned(), media.into());
    }
    if !body.is_empty() {
        let (name, data) = if is_json {
            let malformed = |e: serde_json::Error| Problem::new(Code::MalformedJson, e.to_string());
            ("data", serde_json::from_str::<Value>(body).map_err(malformed)?)
        } else if essence.starts_with("text/") {
            ("data", body.into())
        } else {
            ("data_base64", BASE64_STANDARD.encode(body).into())
        };
        event.insert(name.to_owned(), data);
    }
    Ok(Value::Object(event).to_string())
}

/// What is looked at of an event.
#[derive(Default)]
struct Context<'a> {
    specversion: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    has_data: bool,
    has_base64: bool,
}

impl Context<'_> {
    /// Checks the context, and gives source, id and type.
    fn checked(self) -> Result<(String, String, String), String> {
        match self.specversion.as_deref() {
            Some("1.0") => {}
            Some(other) => return Err(format!("`specversion` is `{other}`: use `1.0`")),
            None => return Err("`specversion` is missing: use `1.0`".to_owned()),
        }
        if self.has_data && self.has_base64 {
            return Err("it has `data` and `data_base64`: use one of them".to_owned());
        }
        if let Some(time) = self.time.as_deref()
            && time.parse::<jiff::Timestamp>().is_err()
        {
            return Err(format!("`time` is `{time}`: use RFC 3339, like `2026-01-31T09:30:00Z`"));
        }
        let source = required("source", self.source)?;
        if source.chars().any(char::is_whitespace) {
            return Err("`source` has white space: use a URI reference".to_owned());
        }
        Ok((source, required("id", self.id)?, required("type", self.kind)?))
    }
}

fn required(name: &str, value: Option<Cow<'_, str>>) -> Result<String, String> {
    let value = value.ok_or_else(|| format!("`{name}` is missing"))?;
    if value.is_empty() || value.len() > LONGEST_ATTRIBUTE || value.chars().any(char::is_control) {
        return Err(format!("`{name}`: use 1 to {LONGEST_ATTRIBUTE} bytes without control characters"));
    }
    Ok(value.into_owned())
}

impl<'de> Deserialize<'de> for Context<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ContextVisitor)
    }
}

struct ContextVisitor;

impl<'de> Visitor<'de> for ContextVisitor {
    type Value = Context<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent, a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context<'de>, A::Error> {
        use serde::de::Error;
        let mut context = Context::default();
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            let place = match &*name {
                "specversion" => &mut context.specversion,
                "source" => &mut context.source,
                "id" => &mut context.id,
                "type" => &mut context.kind,
                "time" => &mut context.time,
                "data" | "data_base64" => {
                    let is_base64 = &*name == "data_base64";
                    let seen = if is_base64 { &mut context.has_base64 } else { &mut context.has_data };
                    if std::mem::replace(seen, true) {
                        return Err(A::Error::custom(format!("`{name}` stands twice")));
                    }
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                other => {
                    let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                    if other.is_empty() || !other.bytes().all(sound) {
                        let why = "attributes are named by lower-case letters and digits";
                        return Err(A::Error::custom(format!("`{name}`: {why}")));
                    }
                    let Attribute =
                        map.next_value().map_err(|e| A::Error::custom(format!("`{name}`: {e}")))?;
                    continue;
                }
            };
            let value = map.next_value::<Option<Text<'de>>>();
            let value = value.map_err(|e| A::Error::custom(format!("`{name}`: {e}")))?;
            if let Some(Text(value)) = value
                && place.replace(value).is_some()
            {
                return Err(A::Error::custom(format!("`{name}` stands twice")));
            }
        }
        Ok(context)
    }
}

/// A text that is borrowed where it can be.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The value of an extension: a text, a number or a truth value, or nothing.
struct Attribute;

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttributeVisitor;
        impl Visitor<'_> for AttributeVisitor {
            type Value = Attribute;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, a truth value or null")
            }

            fn visit_str<E>(self, _: &str) -> Result<Attribute, E> {
                Ok(Attribute)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Attribute, E> {
                Ok(Attribute)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Attribute, E> {
                Ok(Attribute)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Attribute, E> {
                Ok(Attribute)
            }

            fn visit_unit<E>(self) -> Result<Attribute, E> {
                Ok(Attribute)
            }
        }
        deserializer.deserialize_any(AttributeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn refused(text: &str) -> String {
        let refused = read(&headers(&[("content-type", STRUCTURED)]), text).unwrap_err();
        format!("{refused:?}")
    }

    #[test]
    fn a_structured_event_is_kept_as_it_came() {
        let text = r#"{ "specversion":"1.0", "id":"a\u00f1", "source":"/crm","type":"lead.seen", "count":3,
            "time":"2026-01-31T09:30:00Z", "data":{"x":1.50} }"#;
        let read = read(&headers(&[("content-type", "application/cloudevents+json; charset=utf-8")]), text);
        let [event] = &read.unwrap()[..] else { panic!("one event") };
        assert_eq!((&*event.source, &*event.id, &*event.kind), ("/crm", "añ", "lead.seen"));
        assert_eq!(event.json.text(), text);
    }

    #[test]
    fn a_batch_may_be_empty_and_names_the_event_that_is_wrong() {
        let batched = headers(&[("content-type", BATCHED)]);
        assert_eq!(read(&batched, "[]").unwrap(), []);
        let good = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t"}"#;
        assert_eq!(read(&batched, &format!("[{good},{good}]")).unwrap().len(), 2);
        let wrong = read(&batched, &format!(r#"[{good},{{"specversion":"1.0","id":"2","type":"t"}}]"#));
        let wrong = format!("{:?}", wrong.unwrap_err());
        assert!(wrong.contains("event 1: `source` is missing"), "{wrong}");
        assert!(read(&batched, good).is_err(), "no array");
    }

    #[test]
    fn a_binary_event_becomes_a_structured_one() {
        let all = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/a"),
            ("ce-type", "t"),
            ("ce-note", "50%25"),
            ("content-type", "application/json"),
        ];
        let [event] = &read(&headers(&all), r#"{"x":[1]}"#).unwrap()[..] else { panic!("one event") };
        let value = event.json.value();
        assert_eq!((&value["note"], &value["data"]), (&"50%".into(), &serde_json::json!({ "x": [1] })));
        assert_eq!(value["datacontenttype"], "application/json");
        let all =
            all.map(|(name, value)| (name, value.replace("application/json", "image/png").leak() as &_));
        let [event] = &read(&headers(&all), "abc").unwrap()[..] else { panic!("one event") };
        assert_eq!(event.json.value()["data_base64"], "YWJj");
    }

    #[test]
    fn what_is_no_event_is_told_by_its_attribute() {
        let cases = [
            (r#"{"specversion":"0.3","id":"1","source":"/a","type":"t"}"#, "specversion"),
            (r#"{"specversion":"1.0","id":"","source":"/a","type":"t"}"#, "`id`"),
            (r#"{"specversion":"1.0","id":1,"source":"/a","type":"t"}"#, "`id`"),
            (r#"{"specversion":"1.0","id":"1","source":"a b","type":"t"}"#, "`source`"),
            (r#"{"specversion":"1.0","id":"1","source":"/a"}"#, "`type`"),
            (r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","time":"today"}"#, "`time`"),
            (r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","Big":"x"}"#, "`Big`"),
            (r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","deep":{}}"#, "`deep`"),
            (r#"{"specversion":"1.0","id":"1","id":"2","source":"/a","type":"t"}"#, "twice"),
            (
                r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":1,"data_base64":""}"#,
                "data_base64",
            ),
            ("[]", "object"),
            ("{", "EOF"),
        ];
        for (text, told) in cases {
            let refused = refused(text);
            assert!(refused.contains(told), "{text}: {refused}");
        }
        assert!(read(&headers(&[("content-type", "text/plain")]), "x").is_err());
    }
}
