//! How tasks begin and complete, and where a list goes on.

use std::sync::Arc;

use serde_json::Value;

use super::event::RunEvent;
use super::listen::FOREACH;
use super::path;
use super::scene::{Scene, misfit};
use super::state::Phase;
use super::terms::{Data, Go, Part, TaskType};
use super::turn::Turn;
use crate::clock::Timestamp;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{Kind, Node, Role, Span, Then};

/// Where a task is to begin.
pub(super) struct Spot {
    pub(super) owner: String,
    pub(super) part: Part,
    pub(super) list: String,
    /// The list without the attempts of the `try`s around it.
    pub(super) key: String,
}

impl<'a> Turn<'a> {
    /// Begins the first task of a task's body.
    pub(super) fn first_of_body(&mut self, owner: &str, body: &str) {
        self.first_of(owner, Part::Body, body, 0);
    }

    /// Begins a task of a part of a task.
    pub(super) fn first_of(&mut self, owner: &str, part: Part, body: &str, index: usize) {
        let Some(frame) = self.state.frames.get(owner) else { return };
        let spot = Spot {
            owner: owner.to_owned(),
            part,
            list: path::list(owner, part, body, frame.attempt()),
            key: path::list(&frame.key, part, body, 1),
        };
        self.start(&spot, index);
    }

    /// Begins the next task of a list.
    pub(super) fn next_of_list(&mut self, list: &str) {
        let Some((entry, index)) = self.state.lists.get(list).and_then(|l| l.turn.map(|i| (l, i))) else {
            return;
        };
        let (owner, part) = (entry.owner.clone(), entry.part);
        let Some(frame) = self.state.frames.get(&owner) else { return };
        let body = match frame.kind {
            TaskType::Try => "try",
            TaskType::Listen => FOREACH,
            _ => "do",
        };
        let key = path::list(&frame.key, part, body, 1);
        self.start(&Spot { owner, part, list: list.to_owned(), key }, index);
    }

    fn start(&mut self, spot: &Spot, index: usize) {
        let definition = self.definition;
        let tasks = definition.list(&path::reference(&spot.list));
        let node = &definition.nodes[tasks[index]];
        let entry = self.state.lists.get(&spot.list);
        let visit = entry.and_then(|list| list.visits.get(&index)).map_or(1, |visits| visits + 1);
        let at = path::child(&spot.list, index, &node.name, visit);
        let key = path::child(&spot.key, index, &node.name, visit);
        let key = (key != at).then_some(key);
        let raw = self.state.incoming(&spot.owner, spot.part, &spot.list).unwrap_or_default();
        let scene = Scene {
            path: at.clone(),
            within: Some((spot.owner.clone(), spot.part)),
            raw: Some(raw.clone()),
            started_at: self.cx.now,
            ..Scene::default()
        };
        let (parent, part, kind) = (spot.owner.clone(), spot.part, task_type(&node.kind));
        let begun = match node.condition.as_ref().map(|formula| self.holds(formula, &raw, &scene)) {
            Some(Ok(false)) => {
                let (go, _) = self.go(node, &Then::Continue);
                return self.emit(RunEvent::TaskSkipped { path: at, key, parent, part, kind, go });
            }
            Some(Err(e)) => Err(e),
            Some(Ok(true)) | None => self.prepare(node, &raw, scene),
        };
        let (input, [deadline, attempt_deadline], error) = match begun {
            Ok((input, deadlines)) => ((input != raw).then_some(input), deadlines, None),
            Err(e) => (None, [None, None], Some(e)),
        };
        let retries = matches!(&node.kind, Kind::Try(catch) if catch.retry.is_some());
        let saga = node.saga;
        let event = RunEvent::TaskStarted {
            path: at.clone(),
            key,
            parent,
            part,
            kind,
            input,
            deadline,
            saga,
            retries,
            attempt_deadline,
        };
        self.emit(event);
        if let Some(error) = error {
            self.fault(&at, error);
        }
    }

    fn prepare(
        &self,
        node: &Node,
        raw: &Data,
        mut scene: Scene,
    ) -> Result<(Data, [Option<Timestamp>; 2]), WorkflowError> {
        let input = self.take_in(node, raw, &scene)?;
        scene.input = Some(input.clone());
        let attempt = match &node.kind {
            Kind::Try(catch) => catch.retry.as_ref().and_then(|retry| retry.attempt.as_ref()),
            _ => None,
        };
        let due = |span: Option<&Span>| {
            let span = span.map(|span| self.span(span, &input, &scene)).transpose()?;
            Ok(span.map(|span| self.cx.now.plus(span)))
        };
        let deadlines = [due(node.timeout.as_ref())?, due(attempt)?];
        Ok((input, deadlines))
    }

    /// Completes a task whose own tasks are through, and which goes on where `then` says.
    pub(super) fn returned(&mut self, at: &str, output: Data, then: Option<&Then>) {
        match self.node(at).role {
            Role::Plain | Role::Extended => self.complete(at, output, then),
            // A task of an extension that leaves takes the place of the task that is extended.
            Role::Before if then == Some(&Then::Exit) => self.complete(at, output, then),
            Role::Before | Role::After => self.complete(at, self.input(at), None),
        }
    }

    /// Completes a task: reshapes its output, exports, and goes on.
    pub(super) fn complete(&mut self, at: &str, output: Data, then: Option<&Then>) {
        let node = self.node(at);
        let Some(frame) = self.state.frames.get(at) else { return };
        let natural = frame.natural().clone();
        let shaped = match self.put_out(at, node, &output) {
            Ok(shaped) => shaped,
            Err(e) => return self.fault(at, e),
        };
        let (output, context) = shaped;
        if let Err(e) = self.set_attributes(at, node, &output) {
            return self.fault(at, e);
        }
        let (go, outer) = self.go(node, then.unwrap_or(&node.then));
        let (output, context) = match self.handed_over(at, go, output, context) {
            Ok(handed) => handed,
            Err(e) => return self.fault(at, e),
        };
        let event = RunEvent::TaskCompleted {
            path: at.to_owned(),
            output: (output != natural).then(|| output.clone()),
            context,
            go,
            then: outer,
        };
        self.emit(event);
        if go == Go::End {
            self.end_run(at, output);
        }
    }

    fn put_out(&self, at: &str, node: &Node, raw: &Data) -> Result<(Data, Option<Data>), WorkflowError> {
        let mut scene = self.scene(at);
        scene.raw_output = Some(raw.clone());
        let output = match &node.output.formula {
            Some(formula) => Arc::new(self.evaluate(formula, raw, &scene)?),
            None => raw.clone(),
        };
        if let Some(schema) = &node.output.schema {
            schema.check(&output).map_err(|reason| misfit("output", &reason))?;
        }
        scene.output = Some(output.clone());
        let formula = node.export.formula.as_ref();
        let context = formula.map(|formula| self.evaluate(formula, &output, &scene)).transpose()?;
        if let Some(schema) = &node.export.schema {
            let exported = context.as_ref().unwrap_or(&self.state.context);
            schema.check(exported).map_err(|reason| misfit("context", &reason))?;
        }
        Ok((output, context.map(Arc::new)))
    }

    /// Reshapes what the last task for an event of a listener gives.
    fn handed_over(
        &self,
        at: &str,
        go: Go,
        output: Data,
        context: Option<Data>,
    ) -> Result<(Data, Option<Data>), WorkflowError> {
        let Some(frame) = self.state.frames.get(at).filter(|_| go == Go::Out) else {
            return Ok((output, context));
        };
        let Some(Phase::Listening(listening)) =
            self.state.frames.get(&frame.parent).map(|frame| &frame.phase)
        else {
            return Ok((output, context));
        };
        let Kind::Listen(spec) = &self.node(&frame.parent).kind else { return Ok((output, context)) };
        let (Some(foreach), Some(item)) = (&spec.foreach, &listening.current) else {
            return Ok((output, context));
        };
        let shaped = self.reshaped(&frame.parent, foreach, item, &output)?;
        let Some(formula) = &foreach.export.formula else { return Ok((shaped, context)) };
        let mut scene = self.scene(&frame.parent);
        scene.output = Some(shaped.clone());
        scene.extra = vec![(foreach.item.clone(), (**item).clone())];
        let exported = Arc::new(self.evaluate(formula, &shaped, &scene)?);
        if let Some(schema) = &foreach.export.schema {
            schema.check(&exported).map_err(|reason| misfit("context", &reason))?;
        }
        Ok((shaped, Some(exported)))
    }

    /// Where a list goes on behind one of its tasks, and where that leads the task around it.
    fn go(&self, node: &Node, then: &Then) -> (Go, Option<String>) {
        let tasks = self.definition.list(&node.list);
        let next = node.index + 1;
        let go_on = if next < tasks.len() { Go::To(next) } else { Go::Out };
        match then {
            Then::Continue => (go_on, None),
            Then::End => (Go::End, None),
            // What an extended task leads to stands in the list around; the tasks behind it come first.
            Then::Exit | Then::Task(_) if node.role == Role::Extended => {
                (go_on, Some(then.text().to_owned()))
            }
            Then::Exit if self.is_before(&node.list) => (Go::Out, Some(then.text().to_owned())),
            Then::Exit => (Go::Out, None),
            Then::Task(name) => {
                let target = tasks.iter().position(|id| self.definition.nodes[*id].name == *name);
                (target.map_or(Go::Out, Go::To), None)
            }
        }
    }

    /// True for the list of the tasks that an extension puts before a task.
    fn is_before(&self, list: &str) -> bool {
        let owner = list.strip_suffix("/do").and_then(|owner| self.definition.node(owner));
        owner.is_some_and(|owner| owner.role == Role::Before)
    }

    /// Ends the run from the inside: what is unfinished elsewhere is cancelled, and undone where it is a saga.
    fn end_run(&mut self, at: &str, output: Data) {
        let mut calls = self.state.to_unwind("");
        calls.retain(|number| {
            let call = &self.state.calls[number];
            call.unwinding.is_some() || self.state.saga_of(call).is_some_and(|saga| !path::within(at, saga))
        });
        if calls.is_empty() {
            return self.complete_run(&output);
        }
        let then = super::terms::After::End { output };
        self.emit(RunEvent::UnwindingStarted { path: String::new(), calls, then });
    }

    /// Completes the run with the last task's output.
    pub(super) fn complete_run(&mut self, output: &Data) {
        match self.run_output(output) {
            Ok(output) => self.emit(RunEvent::Completed { output }),
            Err(e) => self.fault("", e),
        }
    }

    fn run_output(&self, output: &Data) -> Result<Data, WorkflowError> {
        let definition = self.definition;
        let shaped = match &definition.output.formula {
            Some(formula) => Arc::new(self.evaluate(formula, output, &Scene::default())?),
            None => output.clone(),
        };
        if let Some(schema) = &definition.output.schema {
            schema.check(&shaped).map_err(|reason| misfit("output of the workflow", &reason))?;
        }
        Ok(shaped)
    }

    /// The input of an active task.
    pub(super) fn input(&self, at: &str) -> Data {
        let frame = self.state.frames.get(at);
        frame.map_or_else(|| Arc::new(Value::Null), |frame| frame.input.clone())
    }

    /// True if a task is in the phase of an unwinding.
    pub(super) fn is_undoing(&self, at: &str) -> bool {
        matches!(self.state.frames.get(at).map(|frame| &frame.phase), Some(Phase::Unwinding { .. }))
    }
}

fn task_type(kind: &Kind) -> TaskType {
    match kind {
        Kind::Do | Kind::Broken => TaskType::Do,
        Kind::Set { .. } => TaskType::Set,
        Kind::Switch { .. } => TaskType::Switch,
        Kind::For(_) => TaskType::For,
        Kind::Fork { .. } => TaskType::Fork,
        Kind::Call(_) => TaskType::Call,
        Kind::Wait { .. } => TaskType::Wait,
        Kind::Emit { .. } => TaskType::Emit,
        Kind::Listen(_) => TaskType::Listen,
        Kind::Run(_) => TaskType::Run,
        Kind::Raise { .. } => TaskType::Raise,
        Kind::Try(_) => TaskType::Try,
    }
}
