//! The body of an operation's request.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use promptsales_engine::effect::CallError;
use serde_json::{Map, Value};

use super::document::{Document, bad};
use super::operation::Operation;
use super::place::{Placed, Rest, undeclared};
use crate::connectors::http::exchange::Ask;
use crate::connectors::http::failure::refused;
use crate::connectors::http::request::{add_body, essence, is_json};

const FORM: &str = "application/x-www-form-urlencoded";

/// Gives the request the body that its parameters make up, written as the operation takes it.
pub(super) fn add(
    ask: &mut Ask,
    document: &Document,
    operation: &Operation<'_>,
    placed: Placed,
) -> Result<(), CallError> {
    if document.is_swagger() {
        return of_swagger(ask, document, operation, placed);
    }
    let body = document.get(operation.value, "requestBody")?;
    let rest = match (body, placed.rest) {
        (Some(body), Rest::Nothing) => {
            let is_required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
            return match is_required {
                true => Err(refused("missing_parameter", "the operation needs a body")),
                false => Ok(()),
            };
        }
        (_, Rest::Nothing) => return Ok(()),
        (None, Rest::Fields(fields)) => return Err(undeclared(&fields)),
        (None, Rest::Whole(body)) => return Err(undeclared(&Map::from_iter([("body".to_owned(), body)]))),
        (Some(_), rest) => rest,
    };
    let types = body.and_then(|body| body.get("content")).and_then(Value::as_object);
    let types: Vec<&str> = types.into_iter().flat_map(|types| types.keys().map(String::as_str)).collect();
    write(ask, &types, whole(rest))
}

fn of_swagger(
    ask: &mut Ask,
    document: &Document,
    operation: &Operation<'_>,
    placed: Placed,
) -> Result<(), CallError> {
    let Placed { rest, form, .. } = placed;
    match (rest, form.is_empty()) {
        (Rest::Fields(fields), _) => Err(undeclared(&fields)),
        (Rest::Nothing, true) => Ok(()),
        (Rest::Nothing, false) => write(ask, &[FORM], Value::Object(form)),
        (Rest::Whole(body), _) => {
            let consumes = operation.value.get("consumes").or_else(|| document.root.get("consumes"));
            let types = consumes.and_then(Value::as_array).into_iter().flatten();
            write(ask, &types.filter_map(Value::as_str).collect::<Vec<_>>(), body)
        }
    }
}

fn whole(rest: Rest) -> Value {
    match rest {
        Rest::Nothing => Value::Null,
        Rest::Whole(body) => body,
        Rest::Fields(fields) => Value::Object(fields),
    }
}

/// Writes a body in the type that suits best: JSON, a form, or the first that there is.
fn write(ask: &mut Ask, types: &[&str], body: Value) -> Result<(), CallError> {
    let json = types.iter().find(|one| is_json(&essence(one)));
    let best = json.or_else(|| types.iter().find(|one| essence(one) == FORM)).or_else(|| types.first());
    let best = best.copied().filter(|one| !one.contains('*')).unwrap_or("application/json");
    let value = HeaderValue::from_str(best).map_err(|_| bad(format!("`{best}` is no content type")))?;
    ask.headers.insert(CONTENT_TYPE, value);
    add_body(ask, &body)
}
