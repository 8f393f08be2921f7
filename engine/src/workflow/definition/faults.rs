//! The task types that raise and catch.

use serde_json::Value;

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join};
use super::handling::{Backoff, Catch, ErrorFilter, Retry};
use super::ir::Kind;
use super::shaping::Formula;

/// The most retries that a policy can ask for.
const MOST_RETRIES: u64 = 1_000_000;

impl<'a> Compiler<'a> {
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
            attempt: None,
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
        let one = fields.get("duration");
        retry.attempt = one.and_then(|v| self.span(v, &join(&at, "duration"), Place::Task));
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
