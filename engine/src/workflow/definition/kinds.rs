//! The task types but `try`, `raise` and `call`.

use serde_json::{Map, Value};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join, kind_of};
use super::ir::{Case, ForSpec, Kind, Parallel};
use crate::workflow::expression::unwrap_expression;

impl<'a> Compiler<'a> {
    pub(super) fn set(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let value = fields.get("set")?;
        let at = fields.pointer("set");
        if value.as_str().is_some_and(|text| unwrap_expression(text).is_none()) {
            let fix = "write a mapping, or an expression in `${ }`";
            self.problems.error(&at, "`set` takes no plain text", fix);
            return None;
        }
        if value.as_object().is_some_and(Map::is_empty) {
            self.problems.error(&at, "`set` sets nothing", "add a field");
        }
        self.formula(value, &at, Place::Task).map(|value| Kind::Set { value })
    }

    pub(super) fn switch(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let value = fields.get("switch")?;
        let at = fields.pointer("switch");
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            self.problems.error(&at, "expected a list of cases", "write `- name: { when: ..., then: ... }`");
            return None;
        };
        let mut cases: Vec<Case> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{at}/{index}");
            let Some((name, value)) = self.named(item, &place) else { continue };
            let pointer = join(&place, name);
            let Some(case) = self.case(name, value, &pointer) else { continue };
            if cases.iter().any(|other| other.name == case.name) {
                self.problems.error(&pointer, "the case stands twice", "give the cases different names");
            }
            if case.when.is_none() && cases.iter().any(|other| other.when.is_none()) {
                self.problems.error(&pointer, "there are two default cases", "give one a `when`");
            }
            cases.push(case);
        }
        Some(Kind::Switch { cases })
    }

    fn case(&mut self, name: &str, value: &Value, at: &str) -> Option<Case> {
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        let when = fields.get("when");
        let condition = when.map(|value| self.expression(value, &fields.pointer("when"), Place::Task));
        let then = fields.require("then", &mut self.problems).map(|v| self.then(v, &fields.pointer("then")));
        fields.close(&mut self.problems);
        // A condition that does not compile must not turn into a default case.
        let when = match condition {
            None => None,
            Some(compiled) => Some(compiled?),
        };
        Some(Case { name: name.to_owned(), when, then: then? })
    }

    pub(super) fn for_each(
        &mut self,
        fields: &mut Fields<'_>,
        metadata: Option<&Map<String, Value>>,
    ) -> Option<Kind> {
        let at = fields.pointer("for");
        let mut spec = Fields::open(fields.get("for")?, &at, &mut self.problems)?;
        let each = spec.text("each", &mut self.problems).unwrap_or("item");
        let each = self.variable(each, &spec.pointer("each"));
        let index = spec.text("at", &mut self.problems).unwrap_or("index");
        let index = self.variable(index, &spec.pointer("at"));
        let items = spec.require("in", &mut self.problems);
        let items = items.and_then(|value| self.items(value, &spec.pointer("in")));
        spec.close(&mut self.problems);
        let parallel = self.parallel(metadata, &fields.at);
        self.bound.extend([each.clone(), index.clone()]);
        let condition = fields.get("while");
        if condition.is_some() && parallel.is_some() {
            let fix = "remove `while`, or `metadata.parallel`";
            self.problems.error(&fields.pointer("while"), "a parallel loop has no `while`", fix);
        }
        let condition = condition.and_then(|v| self.expression(v, &fields.pointer("while"), Place::Task));
        if let Some(list) = fields.require("do", &mut self.problems) {
            self.list(list, &fields.pointer("do"));
        }
        self.bound.truncate(self.bound.len() - 2);
        Some(Kind::For(ForSpec { each, at: index, items: items?, condition, parallel }))
    }

    fn items(&mut self, value: &Value, at: &str) -> Option<super::Formula> {
        match value {
            Value::String(_) => self.expression(value, at, Place::Task),
            Value::Array(_) => self.template(value, at, Place::Task),
            other => {
                let message = format!("expected an expression or a list, found {}", kind_of(other));
                self.problems.error(at, message, "write an expression that gives a list");
                None
            }
        }
    }

    fn parallel(&mut self, metadata: Option<&Map<String, Value>>, at: &str) -> Option<Parallel> {
        match metadata?.get("parallel")? {
            Value::Bool(true) => Some(Parallel::Most),
            Value::Bool(false) => None,
            value => {
                let count = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
                if count.is_none() {
                    let pointer = format!("{at}/metadata/parallel");
                    self.problems.error(&pointer, "not a number of iterations", "write `true`, or 1 or more");
                }
                count.map(Parallel::Up)
            }
        }
    }

    pub(super) fn fork(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let at = fields.pointer("fork");
        let mut spec = Fields::open(fields.get("fork")?, &at, &mut self.problems)?;
        let compete = spec.flag("compete", &mut self.problems);
        if let Some(branches) = spec.require("branches", &mut self.problems) {
            self.list(branches, &spec.pointer("branches"));
        }
        spec.close(&mut self.problems);
        Some(Kind::Fork { compete })
    }

    pub(super) fn wait(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let value = fields.get("wait")?;
        self.span(value, &fields.pointer("wait"), Place::Task).map(|span| Kind::Wait { span })
    }
}
