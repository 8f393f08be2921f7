//! Where an operation's service is.

use promptsales_engine::effect::CallError;
use serde_json::Value;
use url::Url;

use super::document::{Document, bad};
use super::operation::Operation;

/// The URL that an operation's path is added to.
///
/// # Errors
///
/// [`CallError::Refused`] with `bad_document`.
pub(super) fn base(document: &Document, operation: &Operation<'_>) -> Result<Url, CallError> {
    let stated =
        if document.is_swagger() { swagger(document, operation) } else { servers(document, operation) };
    let url = document.at.join(&stated).map_err(|_| bad(format!("`{stated}` is no place of a service")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("`{stated}` is no place of an HTTP service")));
    }
    Ok(url)
}

/// The first server: of the operation, of its path, of the document; its variables have their defaults.
fn servers(document: &Document, operation: &Operation<'_>) -> String {
    let first = [operation.value, operation.item, &document.root]
        .iter()
        .find_map(|of| of.get("servers")?.as_array()?.first());
    let Some(server) = first else { return "/".to_owned() };
    let mut url = server.get("url").and_then(Value::as_str).unwrap_or("/").to_owned();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    url
}

/// Scheme, host and base path; encrypted where the service can be.
fn swagger(document: &Document, operation: &Operation<'_>) -> String {
    let of = |key: &str| document.root.get(key).and_then(Value::as_str);
    let path = of("basePath").unwrap_or("/");
    let Some(host) = of("host") else { return path.to_owned() };
    let schemes = operation.value.get("schemes").or_else(|| document.root.get("schemes"));
    let schemes: Vec<&str> =
        schemes.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let scheme = match schemes.as_slice() {
        [] => document.at.scheme(),
        several if several.contains(&"https") => "https",
        [first, ..] => first,
    };
    format!("{scheme}://{host}/{}", path.trim_start_matches('/'))
}
