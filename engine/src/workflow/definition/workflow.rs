//! The top of a definition: the document, its data, and what its tasks share.

use std::time::Duration;

use serde_json::{Map, Value};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join};
use super::ir::{Kind, Span};
use super::nearest::suggestion;
use super::schedule::Schedule;
use super::shaping::{Formula, Shaping};
use super::version::is_semver;

/// The newest version of the language that is understood, without its patch number.
const LANGUAGE: &str = "1.0.";

/// What stands at the top of a definition.
#[derive(Default)]
pub(super) struct Top {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) saga: bool,
    pub(super) input: Shaping,
    pub(super) output: Shaping,
    pub(super) timeout: Option<Span>,
    pub(super) schedule: Option<Schedule>,
    pub(super) time_zone: Option<String>,
    pub(super) attributes: Option<Formula>,
    pub(super) retention: Option<Duration>,
    pub(super) deletion: Option<Duration>,
}

impl<'a> Compiler<'a> {
    /// Compiles the whole document; the tasks end up in the arena.
    pub(super) fn workflow(&mut self, document: &'a Value) -> Option<Top> {
        let mut fields = Fields::open(document, "", &mut self.problems)?;
        let mut top = Top::default();
        if let Some(value) = fields.require("document", &mut self.problems) {
            self.document(value, &mut top);
        }
        // Before everything that is evaluated.
        if let Some(value) = fields.get("evaluate") {
            self.evaluate(value);
        }
        if let Some(value) = fields.get("use") {
            self.shared(value);
        }
        if let Some(metadata) = document.pointer("/document/metadata").and_then(Value::as_object) {
            top.attributes = self.search_attributes(metadata, "/document/metadata", Place::WorkflowInput);
        }
        top.schedule = fields.get("schedule").and_then(|value| self.schedule(value));
        top.input = self.shaping(fields.get("input"), "/input", "from", Place::WorkflowInput);
        top.output = self.shaping(fields.get("output"), "/output", "as", Place::WorkflowOutput);
        top.timeout = fields.get("timeout").and_then(|v| self.timeout(v, "/timeout", Place::WorkflowInput));
        if let Some(value) = fields.require("do", &mut self.problems) {
            self.list(value, "/do");
        }
        fields.close(&mut self.problems);
        Some(top)
    }

    /// Says what is too much of the whole, and what was left out without anything having been said of it.
    pub(super) fn say_excess(&mut self) {
        if let Some((at, message)) = self.excess.take() {
            self.problems.error(&at, message, "split the workflow, and run its parts with `run`");
        }
        let broken = self.nodes.iter().find(|node| matches!(node.kind, Kind::Broken));
        if let Some(node) = broken.filter(|_| !self.problems.refuses()) {
            let at = node.text().to_owned();
            self.problems.error(&at, "the task cannot be read", "compare it with the language's reference");
        }
    }

    /// Reads a timeout: inline, or the name of a shared one.
    pub(super) fn timeout(&mut self, value: &Value, at: &str, place: Place) -> Option<Span> {
        let value = match value {
            Value::String(name) => self.shared_value(self.timeouts, name, "timeouts", at)?,
            other => other,
        };
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        let after = fields.require("after", &mut self.problems);
        let span = after.and_then(|value| self.span(value, &fields.pointer("after"), place));
        fields.close(&mut self.problems);
        span
    }

    /// Finds what a task refers to by name under `use`.
    pub(super) fn shared_value<'b>(
        &mut self,
        shared: Option<&'b Map<String, Value>>,
        name: &str,
        section: &str,
        at: &str,
    ) -> Option<&'b Value> {
        let found = shared.and_then(|map| map.get(name));
        if found.is_none() {
            let message = format!("there is no `{name}` under `/use/{section}`");
            let known = shared.into_iter().flat_map(|map| map.keys().map(String::as_str));
            let fix = suggestion(name, known, || format!("add it to `use.{section}`, or write it inline"));
            self.problems.error(at, message, fix);
        }
        found
    }

    fn document(&mut self, value: &Value, top: &mut Top) {
        let Some(mut fields) = Fields::open(value, "/document", &mut self.problems) else { return };
        for name in ["dsl", "namespace", "name", "version"] {
            if !fields.has(name) {
                self.problems.error("/document", format!("`{name}` is missing"), format!("add `{name}`"));
            }
        }
        let dsl = fields.text("dsl", &mut self.problems).unwrap_or(LANGUAGE);
        if !dsl.starts_with(LANGUAGE) {
            let message = format!("the language version `{dsl}` is not supported");
            self.problems.error("/document/dsl", message, "write the definition in version 1.0.3");
        }
        let mut own = |name: &'static str| fields.text(name, &mut self.problems).map(str::to_owned);
        let (namespace, name, version) = (own("namespace"), own("name"), own("version"));
        (top.title, top.summary) = (own("title"), own("summary"));
        for (field, text) in [("namespace", &namespace), ("name", &name)] {
            if text.as_deref().is_some_and(|text| !is_name(text)) {
                let fix = "use 1 to 63 letters, digits and hyphens, with a letter or digit at both ends";
                self.problems.error(&join("/document", field), format!("not a {field}"), fix);
            }
        }
        if version.as_deref().is_some_and(|text| !is_semver(text)) {
            self.problems.error("/document/version", "not a semantic version", "write it like `1.0.0`");
        }
        top.namespace = namespace.unwrap_or_default();
        top.name = name.unwrap_or_default();
        top.version = version.unwrap_or_default();
        for open in ["tags", "metadata"] {
            if let Some(value) = fields.get(open) {
                Fields::open(value, &join("/document", open), &mut self.problems);
            }
        }
        if let Some(metadata) = fields.get("metadata").and_then(Value::as_object) {
            top.saga = self.metadata_flag(metadata, "saga", "/document/metadata");
            top.time_zone = self.time_zone(metadata);
            top.retention = self.retention(metadata);
            top.deletion = self.deletion(metadata, top.retention);
        }
        fields.close(&mut self.problems);
    }

    fn shared(&mut self, value: &'a Value) {
        let Some(mut fields) = Fields::open(value, "/use", &mut self.problems) else { return };
        fields.refuse(
            "catalogs",
            "call what is in the default catalog: `NAME:VERSION@default`",
            &mut self.problems,
        );
        if let Some(names) = fields.get("secrets") {
            self.declare_secrets(names);
        }
        let extensions = fields.get("extensions");
        let mut section = |name: &'static str| {
            let map = fields.get(name)?;
            Fields::open(map, &join("/use", name), &mut self.problems)?;
            map.as_object()
        };
        self.errors = section("errors");
        self.retries = section("retries");
        self.timeouts = section("timeouts");
        self.authentications = section("authentications");
        self.functions = section("functions");
        fields.close(&mut self.problems);
        self.check_shared();
        if let Some(value) = extensions {
            self.read_extensions(value);
        }
    }

    /// Reads the time zone that a schedule goes by.
    fn time_zone(&mut self, metadata: &Map<String, Value>) -> Option<String> {
        let zone = metadata.get("timeZone")?;
        let name = zone.as_str().filter(|name| crate::timer::is_time_zone(name));
        if name.is_none() {
            let fix = "use a name of the IANA data base, like `America/Costa_Rica`";
            self.problems.error("/document/metadata/timeZone", "not a time zone", fix);
        }
        name.map(str::to_owned)
    }

    /// Reads how long runs keep their events.
    fn retention(&mut self, metadata: &Map<String, Value>) -> Option<Duration> {
        let value = metadata.get("retention")?;
        self.fixed_span(value, "/document/metadata/retention")
    }

    /// Reads how long after their end runs are deleted: not before their events may go.
    fn deletion(&mut self, metadata: &Map<String, Value>, retention: Option<Duration>) -> Option<Duration> {
        const POINTER: &str = "/document/metadata/deleteAfter";
        let deletion = self.fixed_span(metadata.get("deleteAfter")?, POINTER);
        if deletion.zip(retention).is_some_and(|(deletion, retention)| deletion < retention) {
            let fix = "give at least the time of `retention`";
            self.problems.error(POINTER, "`deleteAfter` is shorter than `retention`", fix);
        }
        deletion
    }

    fn declare_secrets(&mut self, names: &Value) {
        let texts = names.as_array().map(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let Some(Some(texts)) = texts else {
            self.problems.error("/use/secrets", "expected a list of names", "write `secrets: [ name ]`");
            return;
        };
        for (index, name) in texts.into_iter().enumerate() {
            let plain =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if !plain {
                let fix = "use letters, digits, `_` and `-`";
                self.problems.error(&format!("/use/secrets/{index}"), "not a secret's name", fix);
            }
            self.secrets.insert(name.to_owned());
        }
    }

    /// Compiles what is shared once where it stands, so that its problems are named there.
    fn check_shared(&mut self) {
        for (name, value) in self.errors.into_iter().flatten() {
            self.error(value, &join("/use/errors", name));
        }
        self.bound.push("error".to_owned());
        for (name, value) in self.retries.into_iter().flatten() {
            self.retry(value, &join("/use/retries", name));
        }
        self.bound.pop();
        for (name, value) in self.timeouts.into_iter().flatten() {
            self.timeout(value, &join("/use/timeouts", name), Place::Task);
        }
        self.check_authentications();
        self.check_functions();
    }

    fn evaluate(&mut self, value: &Value) {
        let Some(mut fields) = Fields::open(value, "/evaluate", &mut self.problems) else { return };
        if let Some(text) = fields.text("language", &mut self.problems)
            && text != "jq"
        {
            let message = format!("`language: {text}` is not supported");
            self.problems.error(&fields.pointer("language"), message, "use `jq`, or leave it out");
        }
        match fields.text("mode", &mut self.problems) {
            None | Some("strict") => {}
            Some("loose") => self.loose = true,
            Some(text) => {
                let message = format!("`mode: {text}` is not supported");
                self.problems.error(&fields.pointer("mode"), message, "use `strict` or `loose`");
            }
        }
        fields.close(&mut self.problems);
    }

    /// Reads a flag of an open map.
    pub(super) fn metadata_flag(&mut self, metadata: &Map<String, Value>, name: &str, at: &str) -> bool {
        match metadata.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                let pointer = join(at, name);
                self.problems.error(&pointer, "expected true or false", "write `true` or `false`");
                false
            }
        }
    }
}

/// True for a name that a workflow or a namespace can have.
pub(crate) fn is_name(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}
