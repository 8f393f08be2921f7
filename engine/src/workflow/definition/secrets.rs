//! Secrets: an expression never sees one, but a mark that the connector replaces when the request goes out.
//!
//! A mark that comes from outside counts for nothing: it is made unreadable where it comes in. So a secret is in no event, no snapshot and no log, and what is written about a run can be read by everybody who
//! may see the run. The price: a secret can be put anywhere into a request, but not be computed with.

use serde_json::Value;

use super::compiler::Compiler;
use super::fields::join;
use crate::workflow::expression::unwrap_expression;

/// What stands before a secret's name in a mark: U+E000 of the private use area, and `secret:`.
pub const SECRET_OPENS: &str = "\u{e000}secret:";

/// What stands behind it: U+E001.
pub const SECRET_CLOSES: char = '\u{e001}';

/// The variable.
pub(super) const VARIABLE: &str = "$secrets";

impl<'a> Compiler<'a> {
    /// Puts marks in the place of `$secrets.NAME` in an expression.
    pub(super) fn marked(&mut self, source: &str, at: &str) -> String {
        if !source.contains(VARIABLE) {
            return source.to_owned();
        }
        let mut marked = String::new();
        let mut rest = source;
        while let Some((before, behind)) = rest.split_once(VARIABLE) {
            marked.push_str(before);
            let path = path_of(behind);
            let Some(name) = path.split('.').nth(1).filter(|name| !name.is_empty()) else {
                let fix =
                    "write `$secrets.NAME` or `$secrets.NAME.FIELD`; a secret is filled in when it is sent";
                self.problems.error(at, "secrets cannot be computed with", fix);
                return source.to_owned();
            };
            self.needs_secret(name, at);
            let mark = format!("{SECRET_OPENS}{}{SECRET_CLOSES}", &path[1..]);
            marked.push_str(&Value::String(mark).to_string());
            rest = &behind[path.len()..];
        }
        marked.push_str(rest);
        marked
    }

    /// The same for each expression in a value.
    pub(super) fn marked_in(&mut self, value: &Value, at: &str) -> Value {
        match value {
            Value::String(text) => match unwrap_expression(text) {
                Some(source) => Value::String(format!("${{ {} }}", self.marked(source, at))),
                None => value.clone(),
            },
            Value::Array(items) => {
                let each = items.iter().enumerate();
                each.map(|(index, item)| self.marked_in(item, &join(at, &index.to_string()))).collect()
            }
            Value::Object(fields) => {
                let each = fields.iter();
                each.map(|(name, item)| (name.clone(), self.marked_in(item, &join(at, name)))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Makes sure that a secret is declared.
    pub(super) fn needs_secret(&mut self, name: &str, at: &str) {
        if !self.secrets.contains(name) {
            let message = format!("the secret `{name}` is not declared");
            self.problems.error(at, message, format!("add `{name}` to `use.secrets`"));
        }
    }
}

/// The path of plain names that a text begins with: `.name.field`.
fn path_of(text: &str) -> &str {
    let mut end = 0;
    while let Some(rest) = text[end..].strip_prefix('.') {
        let name = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if name == 0 || rest.as_bytes()[0].is_ascii_digit() {
            break;
        }
        end += name + 1;
    }
    &text[..end]
}
