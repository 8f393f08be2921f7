//! The arguments of calls over `http`, `openapi`, `mcp` and `a2a`, made fit for their connector.

use serde_json::{Map, Value, json};

use super::compiler::Compiler;
use super::fields::{Fields, join, kind_of};
use crate::workflow::expression::unwrap_expression;

/// The schemes of authentication.
const SCHEMES: [&str; 5] = ["basic", "bearer", "digest", "oauth2", "oidc"];

impl<'a> Compiler<'a> {
    /// Checks the arguments of a call over a protocol, and writes its endpoints and authentications out in full.
    pub(super) fn over(&mut self, protocol: &str, with: Option<&Value>, at: &str) -> Option<Value> {
        let Some(with) = with else {
            self.problems.error(at, "the call has no arguments", "add `with`");
            return None;
        };
        let mut fields = Fields::open(with, at, &mut self.problems)?;
        let (needed, known, endpoints): (&[&'static str], &[&'static str], &[&str]) = match protocol {
            "http" => {
                (&["method", "endpoint"], &["headers", "body", "query", "output", "redirect"], &["endpoint"])
            }
            "openapi" => (
                &["document", "operationId"],
                &["parameters", "authentication", "output", "redirect"],
                &["document/endpoint"],
            ),
            "mcp" => (
                &["method", "transport"],
                &["protocolVersion", "parameters", "timeout", "client"],
                &["transport/http/endpoint"],
            ),
            _ => (&["method"], &["agentCard", "server", "parameters"], &["agentCard/endpoint", "server"]),
        };
        for name in needed {
            fields.require(name, &mut self.problems);
        }
        for name in known {
            fields.get(name);
        }
        fields.close(&mut self.problems);
        self.options(with, at);
        let mut full = with.clone();
        for endpoint in endpoints {
            let (pointer, place) = (format!("/{endpoint}"), format!("{at}/{endpoint}"));
            if let Some(value) = full.pointer(&pointer).cloned()
                && let Some(slot) = full.pointer_mut(&pointer)
            {
                *slot = self.endpoint(&value, &place)?;
            }
        }
        if let Some(value) = with.get("authentication") {
            full["authentication"] = self.authentication(value, &join(at, "authentication"))?;
        }
        if protocol == "http"
            && let Some(method) = with.get("method").and_then(Value::as_str)
            && unwrap_expression(method).is_none()
        {
            full["method"] = method.to_ascii_uppercase().into();
        }
        Some(full)
    }

    fn options(&mut self, with: &Value, at: &str) {
        let known = ["raw", "content", "response"];
        if let Some(output) = with.get("output")
            && !output.as_str().is_some_and(|text| known.contains(&text))
        {
            self.problems.error(&join(at, "output"), "no such output", "use `raw`, `content` or `response`");
        }
        if with.get("redirect").is_some_and(|redirect| !redirect.is_boolean()) {
            self.problems.error(&join(at, "redirect"), "expected true or false", "write `true` or `false`");
        }
        if with.pointer("/transport/stdio").is_some() {
            let fix = "use the `http` transport; the engine starts no processes";
            self.problems.unsupported(&format!("{at}/transport/stdio"), "`stdio` is not supported", fix);
        }
    }

    /// Writes an endpoint out: an address with its authentication.
    fn endpoint(&mut self, value: &Value, at: &str) -> Option<Value> {
        if let Value::String(_) = value {
            return Some(json!({ "uri": self.address(value, at)? }));
        }
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        let uri = fields.require("uri", &mut self.problems);
        let authentication = fields.get("authentication");
        fields.close(&mut self.problems);
        let mut full = json!({ "uri": self.address(uri?, &join(at, "uri"))? });
        if let Some(value) = authentication {
            full["authentication"] = self.authentication(value, &join(at, "authentication"))?;
        }
        Some(full)
    }

    /// Reads an address; the variables of a template (RFC 6570, section 3.2.2) become expressions.
    fn address(&mut self, value: &Value, at: &str) -> Option<Value> {
        let Some(text) = value.as_str() else {
            let message = format!("expected an address, found {}", kind_of(value));
            self.problems.error(at, message, "write it like `https://api.example.com/pets/{petId}`");
            return None;
        };
        if unwrap_expression(text).is_some() {
            return Some(value.clone());
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            let message = format!("`{text}` is no address of a service");
            let fix = "write it like `https://api.example.com/pets/{petId}`";
            match scheme {
                Some(_) => self.problems.unsupported(at, message, fix),
                None => self.problems.error(at, message, fix),
            }
            return None;
        }
        match expanded(text) {
            Ok(expression) => Some(Value::String(expression)),
            Err(message) => {
                self.problems.error(at, message, "write variables like `{petId}`");
                None
            }
        }
    }

    /// Reads an authentication: inline, or the name of a shared one.
    pub(super) fn authentication(&mut self, value: &Value, at: &str) -> Option<Value> {
        let name = match value {
            Value::String(name) => Some(name.as_str()),
            other => other.get("use").and_then(Value::as_str),
        };
        let policy = match name {
            Some(name) => self.shared_value(self.authentications, name, "authentications", at)?.clone(),
            None => value.clone(),
        };
        let mut fields = Fields::open(&policy, at, &mut self.problems)?;
        if fields.get("certificate").is_some() {
            let message = "authentication by certificate is not supported";
            self.problems.unsupported(at, message, "use `bearer`, `basic`, `digest`, `oauth2` or `oidc`");
            return None;
        }
        let found: Vec<_> = SCHEMES.into_iter().filter_map(|name| Some((name, fields.get(name)?))).collect();
        fields.close(&mut self.problems);
        let [(scheme, settings)] = found.as_slice() else {
            self.problems.error(
                at,
                "expected one scheme",
                "write one of `basic`, `bearer`, `digest`, `oauth2`, `oidc`",
            );
            return None;
        };
        let mut settings_fields = Fields::open(settings, &join(at, scheme), &mut self.problems)?;
        if let Some(secret) = settings_fields.text("use", &mut self.problems) {
            self.needs_secret(secret, &join(at, scheme));
        }
        Some(json!({ *scheme: settings }))
    }

    /// Compiles the shared authentications once where they stand.
    pub(super) fn check_authentications(&mut self) {
        let empty = Map::new();
        for (name, value) in self.authentications.unwrap_or(&empty) {
            self.authentication(value, &join("/use/authentications", name));
        }
    }
}

/// Makes a jq expression of a template; a text without variables stays as it is.
fn expanded(template: &str) -> Result<String, String> {
    if !template.contains('{') {
        return match template.contains('}') {
            true => Err("`}` closes nothing".to_owned()),
            false => Ok(template.to_owned()),
        };
    }
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').ok_or("`{` is not closed")?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'%' | b'-'));
        if name.is_empty() || !plain {
            return Err(format!("`{{{name}}}` is not a simple variable"));
        }
        let quoted = Value::String(name.to_owned());
        parts.push(Value::String(before.to_owned()).to_string());
        parts.push(format!(
            "(.[{quoted}] | if . == null then \"\" elif type == \"array\" or type == \"object\" then \
             error({}) else tostring | @uri end)",
            Value::String(format!("`{name}` is neither text, number nor flag")),
        ));
        rest = after;
    }
    parts.push(Value::String(rest.to_owned()).to_string());
    Ok(format!("${{ {} }}", parts.join(" + ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::expression::{Expression, Limits};

    #[test]
    fn templates_are_expanded_by_simple_strings() {
        let cases = [
            ("https://a.example/{id}", json!({ "id": 7 }), Some("https://a.example/7")),
            (
                "https://a.example/{a}/{b}?q=1",
                json!({ "a": "x y", "b": "é" }),
                Some("https://a.example/x%20y/%C3%A9?q=1"),
            ),
            ("https://a.example/{none}", json!({}), Some("https://a.example/")),
            (
                "https://a.example/{pet.id}",
                json!({ "pet.id": "p", "pet": { "id": "q" } }),
                Some("https://a.example/p"),
            ),
            ("https://a.example/{id}", json!({ "id": [1] }), None),
        ];
        for (template, input, expected) in cases {
            let text = expanded(template).unwrap();
            let expression = Expression::compile(unwrap_expression(&text).unwrap(), &[]).unwrap();
            let found = expression.evaluate(&input, &[], 0, &Limits::default()).ok();
            assert_eq!(found, expected.map(Value::from), "{template}");
        }
        for wrong in ["https://a.example/{", "https://a.example/}", "https://a.example/{}", "https://a/{+x}"]
        {
            assert!(expanded(wrong).is_err(), "{wrong}");
        }
    }
}
