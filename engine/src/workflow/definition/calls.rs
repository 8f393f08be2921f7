//! What a `call` can name: an action, an action of the default catalog by its version, a protocol, or a function of the
//! definition; and `run`, which calls another workflow.

use serde_json::{Map, Value, json};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join, kind_of};
use super::ir::{CallSpec, Compensate, Kind, Node, RunSpec};
use super::secrets::VARIABLE;
use super::shaping::Formula;

/// The functions of the specification that go over a connector.
pub(super) const PROTOCOLS: [&str; 4] = ["http", "openapi", "mcp", "a2a"];

/// The functions of the specification that are not supported.
const UNSUPPORTED: [&str; 2] = ["asyncapi", "grpc"];

/// The deepest that functions may call each other.
const DEEPEST: usize = 16;

/// The name of the task that hands a function its arguments.
const ARGUMENTS: &str = "with";

impl<'a> Compiler<'a> {
    pub(super) fn call(
        &mut self,
        fields: &mut Fields<'_>,
        metadata: Option<&Map<String, Value>>,
    ) -> Option<Kind> {
        let name = fields.text("call", &mut self.problems);
        let with = fields.get("with");
        let at = fields.at.clone();
        let name = name?;
        if self.functions.is_some_and(|functions| functions.contains_key(name)) {
            return self.function(name, with, &at);
        }
        let action = self.action(name, &join(&at, "call"));
        let compensate = self.compensation(metadata, &at);
        let (action, version) = action?;
        let (arguments, with) = self.arguments_of(&action, with, &join(&at, "with"), Place::Task)?;
        Some(Kind::Call(CallSpec { action, version, arguments, with, compensate: compensate? }))
    }

    /// Compiles a call of one of the definition's functions: a `do` of two tasks, which hand the arguments over and
    /// run the function.
    fn function(&mut self, name: &str, with: Option<&Value>, at: &str) -> Option<Kind> {
        let body = self.functions?.get(name)?;
        let at_call = join(at, "call");
        if self.calling.iter().any(|other| other == name) {
            self.cycle = true;
        } else if self.calling.len() >= DEEPEST {
            let excess = format!("functions call each other more than {DEEPEST} deep");
            let at = self.source_of(&at_call);
            self.excess.get_or_insert((at, excess));
            return None;
        }
        if self.cycle {
            self.calls_itself(name, &at_call);
            return None;
        }
        let (value, _) = self.arguments(with, &join(at, "with"), Place::Task)?;
        let list = join(at, "do");
        let first = Node {
            kind: Kind::Set { value },
            source: Some(join(at, "with")),
            ..Node::named(ARGUMENTS, &list, 0)
        };
        self.nodes.push(first);
        let first = self.nodes.len() - 1;
        let bound = std::mem::take(&mut self.bound);
        self.calling.push(name.to_owned());
        let mapped = (join(&format!("{list}/1"), name), join("/use/functions", name));
        let source = self.source.replace(mapped);
        // What is wrong in the function is said once, where it stands.
        let second = self.quietly(|compiler| compiler.task(name, body, &list, 1));
        self.source = source;
        self.calling.pop();
        self.bound = bound;
        self.lists.insert(list, vec![first, second]);
        if self.cycle {
            self.calls_itself(name, &at_call);
            return None;
        }
        Some(Kind::Do)
    }

    /// Says that a function comes to call itself. Inside of functions that is not heard, and is said again outside.
    fn calls_itself(&mut self, name: &str, at: &str) {
        let message = format!("the function `{name}` calls itself");
        self.problems.error(at, message, "repeat with a `for`, or with a `then` that goes back");
        self.cycle = self.calling.len() > 1;
    }

    /// Compiles without saying what is wrong: that is said at another place.
    pub(super) fn quietly<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let problems = self.problems.clone();
        let quiet = std::mem::replace(&mut self.quiet, true);
        let done = work(self);
        self.quiet = quiet;
        self.problems = problems;
        done
    }

    /// Compiles for the problems alone.
    pub(super) fn on_trial<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let (nodes, lists) = (self.nodes.len(), std::mem::take(&mut self.lists));
        let on_trial = std::mem::replace(&mut self.on_trial, true);
        let done = work(self);
        self.on_trial = on_trial;
        self.nodes.truncate(nodes);
        self.lists = lists;
        done
    }

    /// Reads the name of an action, with its version where it is `NAME:VERSION@default`.
    fn action(&mut self, name: &str, at: &str) -> Option<(String, Option<String>)> {
        let fix = "call an action by its name, like `order.place`, or a function under `use.functions`";
        if UNSUPPORTED.contains(&name) {
            let message = format!("calls over `{name}` are not supported");
            self.problems.unsupported(at, message, "put a service in front of it that is called over `http`");
            return None;
        }
        if name.contains("://") {
            self.problems.unsupported(at, format!("`{name}` cannot be fetched to be run"), fix);
            return None;
        }
        let Some((function, catalog)) = name.split_once('@') else { return Some((name.to_owned(), None)) };
        if catalog != "default" {
            let message = format!("the catalog `{catalog}` is not supported");
            self.problems.unsupported(at, message, "use `@default`");
            return None;
        }
        let Some((action, version)) = function.split_once(':') else {
            self.problems.error(at, "a function of a catalog has a version", "write `NAME:VERSION@default`");
            return None;
        };
        Some((action.to_owned(), Some(version.to_owned())))
    }

    /// The arguments of an action; those of a protocol in the one form that its connector reads.
    fn arguments_of(
        &mut self,
        action: &str,
        with: Option<&Value>,
        at: &str,
        place: Place,
    ) -> Option<(Formula, Value)> {
        if !PROTOCOLS.contains(&action) {
            return self.arguments(with, at, place);
        }
        let with = self.over(action, with, at)?;
        self.arguments(Some(&with), at, place)
    }

    pub(super) fn arguments(
        &mut self,
        with: Option<&Value>,
        at: &str,
        place: Place,
    ) -> Option<(Formula, Value)> {
        let empty = Value::Object(Map::new());
        let with = with.unwrap_or(&empty);
        if !with.is_object() {
            let message = format!("expected a mapping of arguments, found {}", kind_of(with));
            self.problems.error(at, message, "write `name: value` for each argument");
            return None;
        }
        Some((self.template(with, at, place)?, with.clone()))
    }

    fn compensation(&mut self, metadata: Option<&Map<String, Value>>, at: &str) -> Option<Compensate> {
        match metadata.and_then(|map| map.get("compensate")) {
            None => Some(Compensate::Action),
            Some(value) => self.compensate(value, &format!("{at}/metadata/compensate")),
        }
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
        fields.close(&mut self.problems);
        let (action, _) = action?;
        // What a compensation can see is the call itself, not the loops around it.
        let bound = std::mem::take(&mut self.bound);
        let arguments = self.arguments_of(&action, with, &join(at, "with"), Place::Compensation);
        self.bound = bound;
        let (arguments, with) = arguments?;
        Some(Compensate::By { action, arguments, with })
    }

    pub(super) fn run(
        &mut self,
        fields: &mut Fields<'_>,
        metadata: Option<&Map<String, Value>>,
    ) -> Option<Kind> {
        let at = fields.pointer("run");
        let mut run = Fields::open(fields.get("run")?, &at, &mut self.problems)?;
        for (process, instead) in [
            ("container", "run what it does as a service, and call it over `http`"),
            ("script", "compute it in an expression, or call an action"),
            ("shell", "call an action; work outside goes through a connector"),
        ] {
            run.refuse(process, instead, &mut self.problems);
        }
        let awaited = run.get("await").is_none() || run.flag("await", &mut self.problems);
        let returned = run.text("return", &mut self.problems);
        if returned.is_some_and(|text| !["stdout", "none"].contains(&text)) {
            let fix = "leave it out: a workflow gives its output";
            self.problems.error(&run.pointer("return"), "a workflow has no such output", fix);
        }
        let silent = returned == Some("none");
        let others = ["container", "script", "shell"].into_iter().any(|name| run.has(name));
        let workflow = if others { run.get("workflow") } else { run.require("workflow", &mut self.problems) };
        run.close(&mut self.problems);
        let at_workflow = join(&at, "workflow");
        let mut spec = Fields::open(workflow?, &at_workflow, &mut self.problems)?;
        let [namespace, name, version] = ["namespace", "name", "version"].map(|field| {
            if field != "version" {
                spec.require(field, &mut self.problems);
            }
            spec.text(field, &mut self.problems).map(str::to_owned)
        });
        let input = spec.get("input");
        spec.close(&mut self.problems);
        let compensate = self.compensation(metadata, &fields.at)?;
        let empty = json!({});
        if input.is_some_and(|input| input.to_string().contains(VARIABLE)) {
            let fix = "declare the secret in the other workflow too, and use it there";
            self.problems.error(&join(&at_workflow, "input"), "a secret is not handed to another run", fix);
        }
        let input = self.template(input.unwrap_or(&empty), &join(&at_workflow, "input"), Place::Task)?;
        let version = version.filter(|version| version != "latest");
        let (namespace, name) = (namespace?, name?);
        self.runs.insert(name.clone());
        Some(Kind::Run(RunSpec { namespace, name, version, input, awaited, silent, compensate }))
    }
}
