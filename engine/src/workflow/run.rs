//! Workflow runs, behind the face that the host knows: a [`Machine`] like every entity.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

use super::action::{Actions, StepResult};
use super::definition::Definition;
use super::ingress::unmarked;
use super::machine::{
    Bench, EVENTS, From, Limits, RunCommand, RunEvent, RunState, Status, Turn, WaitKind, orphan, start,
    written,
};
use super::topic::Interests;
use super::versions::{Definitions, NamedBy};
use crate::codec::{self, Shapes};
use crate::entity::{
    Corruption, Input, Kind, KindInfo, Machine, Step, StepCx, commands, invalid, not_found, schema,
};
use crate::id::{Id, IdKind, Prefix, StreamKey, TenantId};
use crate::journal::{Event, Json, Rejected, RejectionKind, Snapshot, TimerOp};
use crate::telemetry::names;

/// The id kind of runs.
#[derive(Debug, Clone, Copy)]
pub struct Run;

impl IdKind for Run {
    const PREFIX: Prefix = Prefix::new("run");
}

/// The id of a run.
pub type RunId = Id<Run>;

/// The shapes of runs; a kept state of another version is rebuilt from the events.
const SHAPES: Shapes = Shapes { events: EVENTS, upcasters: &[], state: 2, state_upcasters: &[] };

/// How often a run whose definition is missing looks for it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The commands that take a run up again that failed.
const REOPENING: [&str; 2] = ["retry", "skip"];

/// What all runs of a node share.
#[derive(Clone)]
pub struct Runs {
    definitions: Arc<Definitions>,
    actions: Arc<Actions>,
    limits: Arc<Limits>,
}

impl Runs {
    /// Puts together what runs need.
    pub fn new(definitions: Arc<Definitions>, actions: Arc<Actions>, limits: Limits) -> Self {
        Self { definitions, actions, limits: Arc::new(limits) }
    }

    /// The machine of a run.
    pub fn machine(&self, stream: &StreamKey) -> RunMachine {
        RunMachine { runs: self.clone(), stream: stream.clone(), state: None, size: AtomicUsize::new(0) }
    }

    /// The catalog's entry of runs; their routes are written by hand.
    pub fn info(&self) -> KindInfo {
        let (runs, definitions, others) = (self.clone(), self.definitions.clone(), self.definitions.clone());
        KindInfo {
            kind: Kind { name: "run", plural: "runs", prefix: Run::PREFIX },
            create: None,
            commands: commands::<RunCommand>(),
            events: EVENTS.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect(),
            shapes: SHAPES,
            retention: None,
            own_retention: Some(Arc::new(move || definitions.shortest_retention())),
            own_deletion: Some(Arc::new(move || others.shortest_deletion())),
            event_schema: schema::<RunEvent>(),
            fields: Some(super::found::fields),
            public: false,
            machine: Arc::new(move |stream| Box::new(runs.machine(stream))),
        }
    }
}

/// Reads a stored event of a run, whatever version its shape has.
///
/// # Errors
///
/// When it has no shape of a run's events.
pub fn read_event(event: &Event) -> Result<RunEvent, Corruption> {
    let corrupt = |reason: String| Corruption { seq: event.seq, reason };
    let (name, version) = (event.body.name.as_ref(), event.body.version);
    let text = SHAPES.upcast_event(name, version, &event.body.data).map_err(|e| corrupt(e.to_string()))?;
    codec::read_named(name, &text).map_err(|e| corrupt(e.to_string()))
}

/// A run behind the face of a machine.
pub struct RunMachine {
    runs: Runs,
    stream: StreamKey,
    state: Option<RunState>,
    /// The bytes of the state when it was last written or read as a whole.
    size: AtomicUsize,
}

impl RunMachine {
    /// The run's state; none before it was started.
    pub fn state(&self) -> Option<&RunState> {
        self.state.as_ref()
    }

    fn bench<'a>(
        &'a self,
        definition: &'a Arc<Definition>,
        interests: &'a Interests,
        cx: &StepCx<'a>,
    ) -> Bench<'a> {
        let Runs { actions, limits, .. } = &self.runs;
        Bench { definition, actions, limits, interests, size: self.size.load(Relaxed), cx: *cx }
    }

    fn start(&mut self, command: RunCommand, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        let RunCommand::Start { workflow, version, input, cause, key, namespace, parent } = command else {
            return Err(not_found(cx.stream.id));
        };
        // Only a run gives the namespace, which its definition names beside the version.
        let named_by = if namespace.is_some() { NamedBy::Definition } else { NamedBy::Caller };
        let definitions = &self.runs.definitions;
        let definition = definitions.for_run(&cx.stream.tenant, &workflow, version.as_deref(), named_by)?;
        if namespace.as_ref().is_some_and(|namespace| *namespace != definition.namespace) {
            let message = format!("`{workflow}` is in the namespace `{}`", definition.namespace);
            let (kind, code) = (RejectionKind::NotFound, "unknown_workflow".into());
            return Err(Rejected { kind, code, message, detail: Json::null() });
        }
        let _span = transition_span(&definition, cx).entered();
        let interests = self.runs.definitions.interests(&cx.stream.tenant);
        let bench = self.bench(&definition, &interests, cx);
        let (state, mut step) = start(input, From { cause, key, parent }, bench)?.finish();
        let mut reply = json!({ "runId": cx.stream.id, "status": state.status() });
        if parent.is_some() {
            reply["child"] = json!(cx.stream.id);
        }
        self.state = Some(state);
        step.reply = Some(Json::from(&reply));
        Ok(step)
    }

    fn go_on(
        &mut self,
        definition: &Arc<Definition>,
        input: &Input,
        cx: &StepCx<'_>,
    ) -> Result<Step, Rejected> {
        let Some(state) = self.state.take() else { return Err(not_found(cx.stream.id)) };
        let _span = transition_span(definition, cx).entered();
        let interests = self.runs.definitions.interests(&cx.stream.tenant);
        let mut turn = Turn::new(state, self.bench(definition, &interests, cx));
        let answer = take_in(&mut turn, input);
        let (state, mut step) = turn.finish();
        self.state = Some(state);
        step.reply = answer?.map(|reply| Json::from(&reply));
        Ok(step)
    }

    /// Goes on in another version.
    fn migrate(&mut self, command: RunCommand, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        let RunCommand::Migrate { version, tasks, dry_run, reason } = command else {
            return Err(not_found(cx.stream.id));
        };
        let Some(state) = self.state.as_ref() else { return Err(not_found(cx.stream.id)) };
        let refuse = |kind, code: &'static str, message| {
            Err(Rejected { kind, code: code.into(), message, detail: Json::null() })
        };
        let definitions = &self.runs.definitions;
        let new =
            definitions.for_run(&cx.stream.tenant, &state.workflow, version.as_deref(), NamedBy::Caller)?;
        let Some(old) = self.pinned(&cx.stream.tenant) else {
            return refuse(RejectionKind::Conflict, "definition_missing", missing(state));
        };
        if dry_run {
            let mut reply = json!(state.effect_of(&old, &new, &tasks));
            reply["from"] = state.version.clone().into();
            return Ok(Step { reply: Some(Json::from(&reply)), ..Step::default() });
        }
        let renaming = match state.renaming(&old, &new, &tasks) {
            Ok(renaming) => renaming,
            Err(lost) => {
                let message = format!(
                    "the run is in tasks, or would have to undo tasks, that version {} does not have: `{}`; say in `tasks` where it goes on",
                    new.version,
                    lost.join("`, `")
                );
                return refuse(RejectionKind::Conflict, "must_choose", message);
            }
        };
        let reply = json!({ "from": state.version, "version": new.version });
        let Some(state) = self.state.take() else { return Err(not_found(cx.stream.id)) };
        let _span = transition_span(&new, cx).entered();
        let interests = self.runs.definitions.interests(&cx.stream.tenant);
        let mut turn = Turn::new(state, self.bench(&new, &interests, cx));
        let mut answer = turn.migrate(&old, renaming, reason);
        let (state, mut step) = turn.finish();
        self.state = Some(state);
        answer["from"] = reply["from"].clone();
        answer["version"] = reply["version"].clone();
        step.reply = Some(Json::from(&answer));
        Ok(step)
    }

    /// Refuses to take a run that failed up again where its version takes no runs any more.
    fn may_reopen(&self, state: &RunState, input: &Input, cx: &StepCx<'_>) -> Result<(), Rejected> {
        let Input::Command { name, .. } = input else { return Ok(()) };
        if state.failed.is_none() || !REOPENING.contains(&name.as_ref()) {
            return Ok(());
        }
        let (definitions, version) = (&self.runs.definitions, Some(state.version.as_str()));
        let found = definitions.for_run(&cx.stream.tenant, &state.workflow, version, NamedBy::Caller);
        found.map(drop).map_err(|no_runs| {
            let rejected = Rejected::from(no_runs);
            let hint = "`restart` it in another version, or restore this one";
            Rejected { message: format!("{}; {hint}", rejected.message), ..rejected }
        })
    }

    /// The definition that the run is pinned to.
    fn pinned(&self, tenant: &TenantId) -> Option<Arc<Definition>> {
        let state = self.state.as_ref()?;
        self.runs.definitions.pinned(tenant, &state.workflow, &state.version, &state.digest)
    }

    /// Takes an input in while the definition is not there: answers are recorded, timers come again, and commands
    /// are refused, so that nothing is lost until it is there.
    fn hold(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        let Some(state) = &mut self.state else { return Err(not_found(cx.stream.id)) };
        let (id, result) = match input {
            Input::Command { .. } => {
                let (kind, code) = (RejectionKind::Conflict, "definition_missing".into());
                return Err(Rejected { kind, code, message: missing(state), detail: Json::null() });
            }
            Input::Timer { name, .. } => return Ok(come_again(name, cx)),
            Input::Reply { id, outcome } => (id.to_string(), StepResult::Command(outcome.clone())),
            Input::Effect { key, outcome } => (key.to_string(), StepResult::Effect(outcome.clone())),
        };
        let Some(event) = state.answer_to(&id, result) else { return Ok(Step::default()) };
        let mut step = come_again("yield", cx);
        step.events.push(written(&event, cx.origin));
        state.apply(&event, cx.now).expect("what was decided can be folded");
        Ok(step)
    }
}

/// A timer after which a run looks again whether its definition is there.
fn come_again(name: &str, cx: &StepCx<'_>) -> Step {
    let timers = vec![TimerOp::Set { name: name.to_owned(), due: cx.now.plus(LOOK_AGAIN) }];
    Step { timers, ..Step::default() }
}

fn missing(state: &RunState) -> String {
    let RunState { workflow, version, .. } = state;
    format!("version {version} of `{workflow}`, which the run is pinned to, is not loaded")
}

/// Takes an input in. A rejection comes before anything has changed.
fn take_in(turn: &mut Turn<'_>, input: &Input) -> Result<Option<Value>, Rejected> {
    match input {
        Input::Command { name, body, .. } => {
            let command = codec::read_named::<RunCommand>(name, body.text());
            let command = command.map_err(|e| invalid("invalid_command", e.message))?;
            return turn.command(command).map(Some);
        }
        Input::Timer { name, .. } => turn.timer(name),
        Input::Reply { id, outcome } => {
            turn.answered(&id.to_string(), StepResult::Command(outcome.clone()));
        }
        Input::Effect { key, outcome } => {
            turn.answered(&key.to_string(), StepResult::Effect(outcome.clone()));
        }
    }
    Ok(None)
}

fn transition_span(definition: &Definition, cx: &StepCx<'_>) -> tracing::Span {
    tracing::debug_span!(
        names::SPAN_TRANSITION,
        tenant = %cx.stream.tenant,
        run = %cx.stream.id,
        workflow = %definition.name,
        version = %definition.version,
    )
}

impl Machine for RunMachine {
    fn step(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        let input = &*unmarked(input);
        match (&self.state, input) {
            (None, Input::Command { name, body, .. }) => {
                let command = codec::read_named::<RunCommand>(name, body.text());
                self.start(command.map_err(|e| invalid("invalid_command", e.message))?, cx)
            }
            (None, Input::Timer { .. } | Input::Reply { .. } | Input::Effect { .. }) => Ok(Step::default()),
            // What comes for a run that has ended is acknowledged, and changes nothing.
            (Some(state), Input::Reply { outcome, .. }) if state.end.is_some() && state.failed.is_none() => {
                // A run that it had asked for, and does not need any more.
                let orphan = orphan(&StepResult::Command(outcome.clone()), cx);
                Ok(Step { messages: orphan.into_iter().collect(), ..Step::default() })
            }
            (Some(state), Input::Effect { .. }) if state.end.is_some() && state.failed.is_none() => {
                Ok(Step::default())
            }
            (Some(state), Input::Command { name, body, .. }) if name == "migrate" && state.end.is_none() => {
                let command = codec::read_named::<RunCommand>(name, body.text());
                self.migrate(command.map_err(|e| invalid("invalid_command", e.message))?, cx)
            }
            (Some(state), _) => match self.pinned(&cx.stream.tenant) {
                Some(definition) => {
                    self.may_reopen(state, input, cx)?;
                    self.go_on(&definition, input, cx)
                }
                None => self.hold(input, cx),
            },
        }
    }

    fn apply(&mut self, event: &Event) -> Result<(), Corruption> {
        let corrupt = |reason: String| Corruption { seq: event.seq, reason };
        let read = read_event(event)?;
        match &mut self.state {
            Some(state) => state.apply(&read, event.at).map_err(corrupt),
            None => {
                self.state = Some(RunState::begin(&read, event.at).map_err(corrupt)?);
                Ok(())
            }
        }
    }

    fn ready(&self) -> Result<(), Corruption> {
        let Some(state) = self.state.as_ref().filter(|state| state.end.is_none()) else { return Ok(()) };
        let (name, version) = (&state.workflow, &state.version);
        let found = self.runs.definitions.pinned(&self.stream.tenant, name, version, &state.digest);
        let reason = || format!("version {version} of `{name}`, which the run is pinned to, is not loaded");
        found.map(|_| ()).ok_or_else(|| Corruption { seq: 0, reason: reason() })
    }

    fn view(&self) -> Option<Value> {
        let state = self.state.as_ref()?;
        let mut view = state.view(self.stream.id);
        if state.end.is_none() && self.pinned(&self.stream.tenant).is_none() {
            view["status"] = Status::NeedsAttention.name().into();
            let what = missing(state);
            let since = state.started_at;
            view["waitingFor"] = json!([{
                "kind": WaitKind::Attention, "task": "", "path": "", "what": what, "since": since,
            }]);
        }
        Some(view)
    }

    fn view_lasts(&self) -> bool {
        // Until then it also tells whether the version that the run is pinned to is loaded.
        self.state.as_ref().is_some_and(|state| state.end.is_some())
    }

    fn may_forget(&self) -> bool {
        // Whether its version wants it kept is known by the version alone.
        let has_ended = self.state.as_ref().is_some_and(|state| state.ended_at.is_some());
        has_ended && self.pinned(&self.stream.tenant).is_some()
    }

    fn may_delete(&self) -> bool {
        self.may_forget()
    }

    fn retention(&self) -> Option<Duration> {
        self.pinned(&self.stream.tenant)?.retention
    }

    fn deletion(&self) -> Option<Duration> {
        self.pinned(&self.stream.tenant)?.deletion
    }

    fn snapshot(&self) -> Option<(u16, Json)> {
        let data = Json::of(self.state.as_ref()?).ok()?;
        self.size.store(data.text().len(), Relaxed);
        Some((SHAPES.state, data))
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Corruption> {
        let Ok(text) = SHAPES.upcast_state(snapshot.version, &snapshot.data) else { return Ok(false) };
        let read = serde_json::from_str::<RunState>(&text);
        self.state = Some(read.map_err(|e| Corruption { seq: 0, reason: e.to_string() })?);
        self.size.store(text.len(), Relaxed);
        Ok(true)
    }
}
