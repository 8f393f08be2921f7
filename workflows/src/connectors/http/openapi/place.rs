//! Placing parameters: what a request's values become in its path, query, headers and cookies.

use hyper::header::COOKIE;
use promptsales_engine::effect::CallError;
use serde_json::{Map, Value};
use url::Url;

use super::operation::{Operation, Parameter, Place, Style};
use crate::connectors::http::exchange::Ask;
use crate::connectors::http::failure::{bad_request, refused};
use crate::connectors::http::request::{add_header, url};
use crate::connectors::http::text::{component, plain};
use crate::connectors::http::trip::Trip;

/// Parameters in their places.
#[derive(Debug, Default)]
pub(super) struct Placed {
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    /// Fields of a form, where the document says so.
    pub(super) form: Map<String, Value>,
    /// What is for the body.
    pub(super) rest: Rest,
}

/// What is for the body.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Rest {
    /// Nothing is.
    #[default]
    Nothing,
    /// All of it.
    Whole(Value),
    /// These fields of it: no parameter is declared for them.
    Fields(Map<String, Value>),
}

/// Puts the parameters where the operation declares them.
///
/// # Errors
///
/// [`CallError::Refused`] with `missing_parameter`, or `bad_request` where one cannot be put into its place.
pub(super) fn place(operation: &Operation<'_>, mut given: Map<String, Value>) -> Result<Placed, CallError> {
    given.retain(|_, value| !value.is_null());
    let mut placed = Placed { path: operation.path.to_owned(), ..Placed::default() };
    for parameter in &operation.parameters {
        match given.get(parameter.name) {
            Some(value) => placed.put(parameter, value)?,
            None if parameter.is_required => {
                let message = format!("the operation needs the parameter `{}`", parameter.name);
                return Err(refused("missing_parameter", message));
            }
            None => {}
        }
    }
    given.retain(|name, _| !operation.parameters.iter().any(|parameter| parameter.name == name));
    if given.is_empty() || placed.rest != Rest::Nothing {
        return if given.is_empty() { Ok(placed) } else { Err(undeclared(&given)) };
    }
    placed.rest = match given.remove("body") {
        Some(body) if given.is_empty() => Rest::Whole(body),
        Some(body) => {
            given.insert("body".to_owned(), body);
            Rest::Fields(given)
        }
        None => Rest::Fields(given),
    };
    Ok(placed)
}

/// The error of parameters that nothing is declared for.
pub(super) fn undeclared(given: &Map<String, Value>) -> CallError {
    let names = given.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    bad_request(format!("the operation declares no parameter {names}"))
}

impl Placed {
    fn put(&mut self, parameter: &Parameter<'_>, value: &Value) -> Result<(), CallError> {
        let name = parameter.name;
        match parameter.place {
            Place::Path => {
                let text = joined(parameter, value, component);
                if text.is_empty() {
                    return Err(bad_request(format!("the parameter `{name}` cannot stand in a path")));
                }
                let hole = format!("{{{name}}}");
                self.path = self.path.replace(&hole, &text);
            }
            Place::Query => self.query.extend(pairs(parameter, value)),
            Place::Cookie => self.cookies.extend(pairs(parameter, value)),
            Place::Header => self.headers.push((name.to_owned(), joined(parameter, value, str::to_owned))),
            Place::Body => self.rest = Rest::Whole(value.clone()),
            Place::Form => {
                let value = match parameter.style {
                    Style::Repeated => value.clone(),
                    _ => joined(parameter, value, str::to_owned).into(),
                };
                self.form.insert(name.to_owned(), value);
            }
        }
        Ok(())
    }

    /// Where the request goes.
    pub(super) fn url(&self, base: &Url) -> Result<Url, CallError> {
        // They would lead to another path; several parameters together may make them up.
        if self.path.split(['/', '\\', '?', '#']).any(is_dots) {
            return Err(bad_request("the operation's path has a segment of dots alone"));
        }
        let base = base.as_str().trim_end_matches('/');
        let mut url = url(&format!("{base}/{}", self.path.trim_start_matches('/')))?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    /// Adds headers and cookies.
    pub(super) fn add_headers(&self, ask: &mut Ask, trip: &Trip<'_>) -> Result<(), CallError> {
        for (name, value) in &self.headers {
            add_header(ask, trip, name, value)?;
        }
        if !self.cookies.is_empty() {
            let cookie =
                |(name, value): &(String, String)| format!("{}={}", component(name), component(value));
            let cookies: Vec<String> = self.cookies.iter().map(cookie).collect();
            add_header(ask, trip, COOKIE.as_str(), &cookies.join("; "))?;
        }
        Ok(())
    }
}

/// Whether a segment of a path leads to this place or the one above (as the URL standard has it).
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// A value as names and texts.
fn pairs(parameter: &Parameter<'_>, value: &Value) -> Vec<(String, String)> {
    let name = parameter.name;
    match (parameter.style, value) {
        (Style::Json, value) => vec![(name.to_owned(), value.to_string())],
        (Style::Deep, Value::Object(fields)) => fields
            .iter()
            .filter_map(|(field, value)| Some((format!("{name}[{field}]"), plain(value)?)))
            .collect(),
        (Style::Repeated, Value::Object(fields)) => {
            fields.iter().filter_map(|(field, value)| Some((field.clone(), plain(value)?))).collect()
        }
        (Style::Repeated, Value::Array(items)) => {
            items.iter().filter_map(|item| Some((name.to_owned(), plain(item)?))).collect()
        }
        _ => vec![(name.to_owned(), joined(parameter, value, str::to_owned))],
    }
}

/// A value as one text, each of its parts written by itself.
fn joined(parameter: &Parameter<'_>, value: &Value, write: impl Fn(&str) -> String) -> String {
    let between = match parameter.style {
        Style::Joined(mark) => mark.to_string(),
        Style::Repeated | Style::Deep => ",".to_owned(),
        Style::Json => return write(&value.to_string()),
    };
    let texts: Vec<String> = match value {
        Value::Array(items) => items.iter().filter_map(plain).map(|text| write(&text)).collect(),
        Value::Object(fields) => {
            let mark = if parameter.is_exploded { "=" } else { between.as_str() };
            let field = |(name, value): (&String, &Value)| {
                Some(format!("{}{mark}{}", write(name), write(&plain(value)?)))
            };
            fields.iter().filter_map(field).collect()
        }
        one => plain(one).map(|text| write(&text)).into_iter().collect(),
    };
    texts.join(&between)
}
