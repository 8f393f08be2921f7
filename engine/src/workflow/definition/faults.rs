//! The task types that call, raise and catch.

use serde_json::{Map, Value};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join, kind_of};
use super::ir::{Backoff, CallSpec, Catch, Compensate, ErrorFilter, Formula, Kind, Retry};

/// Functions of the specification that need an action here.
const PROTOCOLS: [&str; 6] = ["asyncapi", "grpc", "http", "openapi", "a2a", "mcp"];

/// The most retries that a policy can ask for.
const MOST_RETRIES: u64 = 1_000_000;

impl Compiler<'_> {
    pub(super) fn call(
        &mut self,
        fields: &mut Fields<'_>,
        metadata: Option<&Map<String, Value>>,
    ) -> Option<Kind> {
        let action = fields.text("call", &mut self.problems);
        let with = fields.get("with");
        let at = fields.at.clone();
        let action = action.and_then(|name| self.action(name, &join(&at, "call")));
        let compensate = match metadata.and_then(|map| map.get("compensate")) {
            None => Some(Compensate::Action),
            Some(value) => self.compensate(value, &format!("{at}/metadata/compensate")),
        };
        let action = action?;
        let (arguments, with) = self.arguments(with, &join(&at, "with"), Place::Task)?;
        Some(Kind::Call(CallSpec { action, arguments, with, compensate: compensate? }))
    }

    fn action(&mut self, name: &str, at: &str) -> Option<String> {
        let bare = name.split('@').next().unwrap_or_default();
        let problem = if PROTOCOLS.contains(&name) {
            format!("calls over `{name}` are not supported")
        } else if name.contains('@') || name.contains("://") {
            format!("`{bare}` cannot be taken from a catalog of your own")
        } else {
            return Some(name.to_owned());
        };
        self.problems.error(at, problem, "call an action by its name, like `order.place`");
        None
    }

    fn arguments(&mut self, with: Option<&Value>, at: &str, place: Place) -> Option<(Formula, Value)> {
        let empty = Value::Object(Map::new());
        let with = with.unwrap_or(&empty);
        if !with.is_object() {
            let message = format!("expected a mapping of arguments, found {}", kind_of(with));
            self.problems.error(at, message, "write `name: value` for each argument");
            return None;
        }
        Some((self.template(with, at, place)?, with.clone()))
    }

    fn compensate(&mut self, value: &Value, at: &str) -> Option<Compensate> {
        if value == &Value::Bool(false) {
            return Some(Compensate::Never);
        }
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        fields.require("call", &mut self.problems);
        let action = fields.text("call", &mut self.problems);
        let action = action.and_then(|name| self.action(name, &join(at, "call")));
        let with = fields.get("with");
        // What a compensation can see is the call itself, not the loops around it.
        let bound = std::mem::take(&mut self.bound);
        let arguments = self.arguments(with, &join(at, "with"), Place::Compensation);
        self.bound = bound;
        fields.close(&mut self.problems);
        let (arguments, with) = arguments?;
        Some(Compensate::By { action: action?, arguments, with })
    }

    pub(super) fn raise(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let at = fields.pointer("raise");
        let mut spec = Fields::open(fields.get("raise")?, &at, &mut self.problems)?;
        let error = spec.require("error", &mut self.problems);
        let at = spec.pointer("error");
        spec.close(&mut self.problems);
        let error = match error? {
            Value::String(name) => self.shared_value(self.errors, name, "errors", &at)?,
            other => other,
        };
        self.error(error, &at).map(|error| Kind::Raise { error })
    }

    /// Compiles an error's members; each may be an expression.
    pub(super) fn error(&mut self, value: &Value, at: &str) -> Option<Formula> {
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        for name in ["type", "status"] {
            fields.require(name, &mut self.problems);
        }
        for name in ["type", "title", "detail", "instance"] {
            fields.text(name, &mut self.problems);
        }
        let status = fields.get("status");
        let fits = |status: &Value| status.is_string() || status.as_u64().is_some_and(|s| s <= 999);
        if status.is_some_and(|status| !fits(status)) {
            self.problems.error(&fields.pointer("status"), "not a status", "write a number like 409");
        }
        fields.close(&mut self.problems);
        self.template(value, at, Place::Task)
    }

    pub(super) fn try_catch(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        if let Some(list) = fields.get("try") {
            self.list(list, &fields.pointer("try"));
        }
        let value = fields.require("catch", &mut self.problems)?;
        let at = fields.pointer("catch");
        let mut spec = Fields::open(value, &at, &mut self.problems)?;
        let filter = spec.get("errors").map(|value| self.filter(value, &spec.pointer("errors")));
        let variable = spec.text("as", &mut self.problems).unwrap_or("error");
        let variable = self.variable(variable, &spec.pointer("as"));
        self.bound.push(variable.clone());
        let [when, except_when] = ["when", "exceptWhen"].map(|name| {
            spec.get(name).and_then(|value| self.expression(value, &join(&at, name), Place::Task))
        });
        let retry = spec.get("retry").and_then(|value| self.retry_or_name(value, &join(&at, "retry")));
        let handler = spec.get("do");
        if let Some(list) = handler {
            self.list(list, &join(&at, "do"));
        }
        self.bound.pop();
        let then = spec.get("then").map(|value| self.then(value, &join(&at, "then")));
        spec.close(&mut self.problems);
        Some(Kind::Try(Box::new(Catch {
            filter: filter.unwrap_or_default(),
            variable,
            when,
            except_when,
            retry,
            handles: handler.is_some(),
            then,
        })))
    }

    fn filter(&mut self, value: &Value, at: &str) -> ErrorFilter {
        let mut filter = ErrorFilter::default();
        let Some(mut errors) = Fields::open(value, at, &mut self.problems) else { return filter };
        let with = errors.get("with");
        errors.close(&mut self.problems);
        let at = join(at, "with");
        let Some(mut with) = with.and_then(|v| Fields::open(v, &at, &mut self.problems)) else {
            return filter;
        };
        let mut member = |name| with.text(name, &mut self.problems).map(str::to_owned);
        filter.kind = member("type");
        filter.instance = member("instance");
        filter.title = member("title");
        filter.detail = member("detail");
        if let Some(value) = with.get("status") {
            filter.status = value.as_u64().and_then(|status| u16::try_from(status).ok());
            if filter.status.is_none() {
                self.problems.error(&with.pointer("status"), "not a status", "write a number like 503");
            }
        }
        with.close(&mut self.problems);
        filter
    }

    fn retry_or_name(&mut self, value: &Value, at: &str) -> Option<Retry> {
        match value {
            Value::String(name) => {
                let value = self.shared_value(self.retries, name, "retries", at)?;
                self.retry(value, at)
            }
            other => self.retry(other, at),
        }
    }

    /// Compiles a retry policy.
    pub(super) fn retry(&mut self, value: &Value, at: &str) -> Option<Retry> {
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        let [when, except_when] = ["when", "exceptWhen"].map(|name| {
            fields.get(name).and_then(|value| self.expression(value, &join(at, name), Place::Task))
        });
        let delay = fields.get("delay").and_then(|v| self.span(v, &join(at, "delay"), Place::Task));
        let backoff = fields.get("backoff").and_then(|v| self.backoff(v, &join(at, "backoff")));
        let mut retry = Retry {
            when,
            except_when,
            delay,
            backoff: backoff.unwrap_or(Backoff::Constant),
            count: None,
            duration: None,
            jitter: None,
        };
        if let Some(value) = fields.get("limit") {
            self.limit(value, &join(at, "limit"), &mut retry);
        }
        if let Some(value) = fields.get("jitter") {
            retry.jitter = self.jitter(value, &join(at, "jitter"));
        }
        fields.close(&mut self.problems);
        Some(retry)
    }

    fn backoff(&mut self, value: &Value, at: &str) -> Option<Backoff> {
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        let mut found = Vec::new();
        for (name, backoff) in [
            ("constant", Backoff::Constant),
            ("linear", Backoff::Linear),
            ("exponential", Backoff::Exponential),
        ] {
            let Some(value) = fields.get(name) else { continue };
            found.push(backoff);
            if let Some(inner) = Fields::open(value, &join(at, name), &mut self.problems) {
                inner.close(&mut self.problems);
            }
        }
        fields.close(&mut self.problems);
        if found.len() != 1 {
            let fix = "write one of `constant: {}`, `linear: {}`, `exponential: {}`";
            self.problems.error(at, "the back-off is not one of its kinds", fix);
        }
        found.pop()
    }

    fn limit(&mut self, value: &Value, at: &str, retry: &mut Retry) {
        let Some(mut fields) = Fields::open(value, at, &mut self.problems) else { return };
        let duration = fields.get("duration");
        retry.duration = duration.and_then(|v| self.span(v, &join(at, "duration"), Place::Task));
        let attempt = fields.get("attempt");
        fields.close(&mut self.problems);
        let at = join(at, "attempt");
        let Some(mut fields) = attempt.and_then(|v| Fields::open(v, &at, &mut self.problems)) else { return };
        fields.refuse("duration", "give the tasks a `timeout` instead", &mut self.problems);
        if let Some(value) = fields.get("count") {
            let count = value.as_u64().filter(|n| *n <= MOST_RETRIES).and_then(|n| u32::try_from(n).ok());
            if count.is_none() {
                let fix = format!("write a number from 0 to {MOST_RETRIES}");
                self.problems.error(&fields.pointer("count"), "not a count of retries", fix);
            }
            retry.count = count;
        }
        fields.close(&mut self.problems);
    }

    fn jitter(&mut self, value: &Value, at: &str) -> Option<(super::Span, super::Span)> {
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        let [from, to] = ["from", "to"].map(|name| {
            let value = fields.require(name, &mut self.problems)?;
            self.span(value, &join(at, name), Place::Task)
        });
        fields.close(&mut self.problems);
        Some((from?, to?))
    }
}
