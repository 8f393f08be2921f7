//! Operations: found in a document by their id, with the parameters that they declare.

use hyper::Method;
use promptsales_engine::effect::CallError;
use serde_json::Value;

use super::document::{Document, bad};
use crate::connectors::http::failure::refused;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
    /// All of the body (Swagger 2).
    Body,
    /// A field of a form (Swagger 2).
    Form,
}

/// How several values are put into one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// The name is repeated for each.
    Repeated,
    /// They stand with this between them.
    Joined(char),
    /// The fields stand in brackets after the name.
    Deep,
    /// It is written as JSON.
    Json,
}

/// A parameter that an operation declares.
#[derive(Debug)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) place: Place,
    pub(super) style: Style,
    pub(super) is_required: bool,
    /// Whether a map's fields are written with `=` between name and value.
    pub(super) is_exploded: bool,
}

/// An operation of a document.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) method: Method,
    pub(super) item: &'a Value,
    pub(super) value: &'a Value,
    pub(super) parameters: Vec<Parameter<'a>>,
}

impl<'a> Operation<'a> {
    /// Finds an operation by its id.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] with `unknown_operation`, or with `bad_document`.
    pub(super) fn find(document: &'a Document, id: &str) -> Result<Self, CallError> {
        let paths = document.root.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            // What others refer to is no matter of this one.
            let Ok(item) = document.resolved(item) else { continue };
            let has_id = |name: &&str| {
                item.get(*name).and_then(|value| value.get("operationId")).and_then(Value::as_str) == Some(id)
            };
            let Some(name) = METHODS.iter().find(|name| has_id(name)) else { continue };
            let method = Method::from_bytes(name.to_uppercase().as_bytes());
            let method = method.map_err(|_| bad(format!("`{name}` is no method")))?;
            let value = &item[*name];
            let parameters = parameters(document, item, value)?;
            return Ok(Self { path, method, item, value, parameters });
        }
        Err(refused("unknown_operation", format!("the OpenAPI document has no operation `{id}`")))
    }
}

/// The parameters of an operation; its own go before those of its path.
fn parameters<'a>(
    document: &'a Document,
    item: &'a Value,
    operation: &'a Value,
) -> Result<Vec<Parameter<'a>>, CallError> {
    let mut found: Vec<Parameter<'a>> = Vec::new();
    for list in [operation, item].iter().filter_map(|of| of.get("parameters")?.as_array()) {
        for value in list {
            let parameter = parameter(document, document.resolved(value)?)?;
            let is_known =
                |other: &Parameter<'_>| other.name == parameter.name && other.place == parameter.place;
            if !found.iter().any(is_known) {
                found.push(parameter);
            }
        }
    }
    Ok(found)
}

fn parameter<'a>(document: &Document, value: &'a Value) -> Result<Parameter<'a>, CallError> {
    let of = |key: &str| value.get(key).and_then(Value::as_str);
    let name = of("name").ok_or_else(|| bad("a parameter has no name".to_owned()))?;
    let place = match of("in") {
        Some("path") => Place::Path,
        Some("query") => Place::Query,
        Some("header") => Place::Header,
        Some("cookie") => Place::Cookie,
        Some("body") => Place::Body,
        Some("formData") => Place::Form,
        _ => return Err(bad(format!("it does not say where the parameter `{name}` goes"))),
    };
    let is_required = value.get("required").and_then(Value::as_bool).unwrap_or(false) || place == Place::Path;
    let style =
        if document.is_swagger() { of_collection(of("collectionFormat")) } else { of_style(value, place) };
    let explode = value.get("explode").and_then(Value::as_bool);
    let is_exploded = explode.unwrap_or(matches!(place, Place::Query | Place::Cookie));
    Ok(Parameter { name, place, style, is_required, is_exploded })
}

fn of_collection(format: Option<&str>) -> Style {
    match format {
        Some("multi") => Style::Repeated,
        Some("ssv") => Style::Joined(' '),
        Some("tsv") => Style::Joined('\t'),
        Some("pipes") => Style::Joined('|'),
        _ => Style::Joined(','),
    }
}

fn of_style(value: &Value, place: Place) -> Style {
    if value.get("content").is_some() {
        return Style::Json;
    }
    let explode = value.get("explode").and_then(Value::as_bool);
    match (value.get("style").and_then(Value::as_str), place) {
        (Some("deepObject"), _) => Style::Deep,
        (Some("spaceDelimited"), _) if explode != Some(true) => Style::Joined(' '),
        (Some("pipeDelimited"), _) if explode != Some(true) => Style::Joined('|'),
        (_, Place::Query | Place::Cookie) if explode != Some(false) => Style::Repeated,
        _ => Style::Joined(','),
    }
}
