//! Playing a case from its beginning to its end, and comparing what came of it with what comes of it over a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use promptsales_engine::codec;
use promptsales_engine::effect::EffectState;
use promptsales_engine::id::{Prefix, Slot, StreamId, TenantId, digest, uuid_v8};
use promptsales_engine::journal::Journal as _;
use promptsales_engine::journal::memory::{CrashPoint, MemoryJournal};
use promptsales_engine::testkit::{EPOCH, keyed};
use promptsales_engine::workflow::check::check;
use promptsales_engine::workflow::machine::{Lifecycle, RunEvent, reference};
use promptsales_engine::workflow::schedule::schedule_id;
use serde_json::{Map, Value, json};

use super::lifecycle::outline;
use super::service::{Rule, Service};
use crate::every::stage::{Life, Stage, brief, plain};

/// How long everything may take to become quiet between two steps.
const PAUSE: Duration = Duration::from_secs(5);

/// One step of a case. Each is taken again in a later life, and counts once.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A run of the case's workflow starts.
    Start(Value),
    /// The campaign is launched.
    Launch,
    /// An event comes from outside.
    Event(Value),
    /// The run is cancelled.
    Cancel,
    /// Time passes, until so long after the beginning.
    Until(Duration),
    /// The workflow's schedule ends.
    Clear,
}

/// A workflow, and what happens to it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// What it is called in messages.
    pub(super) name: String,
    /// The workflow.
    workflow: String,
    /// The definitions; none where it is shipped.
    definitions: Vec<String>,
    rules: Vec<Rule>,
    steps: Vec<Step>,
}

impl Case {
    /// A case about a workflow that the product ships.
    pub(super) fn shipped(workflow: &str) -> Self {
        let (name, workflow) = (workflow.to_owned(), workflow.to_owned());
        Self { name, workflow, definitions: Vec::new(), rules: Vec::new(), steps: Vec::new() }
    }

    /// A case about another workflow.
    pub(super) fn new(name: &str, definition: &str) -> Self {
        let actions = promptsales_workflows::actions::register().expect("no action is there twice");
        let checked = check(definition, &actions).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (name, workflow) = (name.to_owned(), checked.definition.name);
        Self {
            name,
            workflow,
            definitions: vec![definition.to_owned()],
            rules: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The same with a step more.
    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The same with the start of a run.
    pub(super) fn start(self, input: Value) -> Self {
        self.then(Step::Start(input))
    }

    /// The same with an event of a type.
    pub(super) fn event(self, kind: &str, data: Value) -> Self {
        self.then(Step::Event(json!({ "type": kind, "data": data })))
    }

    /// The same with a service that behaves in its own way.
    pub(super) fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The same with another definition beside it.
    pub(super) fn beside(mut self, definition: &str) -> Self {
        self.definitions.push(definition.to_owned());
        self
    }

    /// The run that it starts.
    fn run(&self) -> StreamId {
        let bits = digest("every crash", &[&self.name]);
        StreamId::new(Prefix::new("run"), uuid_v8(bits, Some(Slot::new(7))))
    }

    /// A stage with its definitions and services.
    fn stage(&self) -> (Stage, Arc<Service>) {
        let (mut stage, service) = (Stage::new(&json!([])), Service::new(&self.rules));
        stage.connectors.push(service.clone());
        if !self.definitions.is_empty() {
            stage.definitions.clone_from(&self.definitions);
        }
        (stage, service)
    }

    async fn step(&self, life: &Life, number: usize, step: &Step) {
        life.node.cx().sleep(PAUSE).await;
        match step {
            Step::Start(input) => {
                let start = json!({ "workflow": self.workflow, "input": input });
                life.once(self.run(), "start", &start).await;
            }
            Step::Launch => {
                life.launch(&brief()).await;
            }
            Step::Event(event) => life.hear(number, event).await,
            Step::Cancel => {
                // A run that has ended refuses it; how it ended is compared.
                let cancel = keyed(self.run(), "cancel", &json!({ "reason": "enough" }), "cancel");
                life.node.command(cancel).await.expect("it is answered");
            }
            Step::Until(since) => {
                let left = EPOCH.plus(*since).since(life.node.cx().now());
                life.node.cx().sleep(left).await;
            }
            Step::Clear => {
                let schedule = schedule_id(&TenantId::default_tenant(), &self.workflow);
                life.once(schedule, "clear", &json!({})).await;
            }
        }
    }

    /// Takes every step, waits until all runs have ended, and tells what came of it.
    async fn play(&self, life: &Life, service: &Service) -> Value {
        for (number, step) in self.steps.iter().enumerate() {
            self.step(life, number, step).await;
        }
        life.node.cx().sleep(PAUSE).await;
        let (all, mut runs) = (life.all_through().await, Map::new());
        assert!(!all.is_empty(), "{}: no run has begun", self.name);
        for run in &all {
            runs.insert(run.to_string(), told(life, *run).await);
        }
        let came = json!({ "runs": runs, "effects": service.effects(), "all": life.outcome().await });
        numbered(&came, &all)
    }

    /// What comes of it undisturbed, and how many appends that takes.
    pub(super) fn undisturbed(&self) -> (Value, u64) {
        let (mut stage, service) = self.stage();
        let expected = stage.whole(async |life: &Life| self.play(life, &service).await);
        (expected, stage.store.appends())
    }

    /// Lets the process die at one append after the other, starts it again, and compares what comes of it.
    ///
    /// Says whether a call was cut off of which nobody can say whether it was carried out. Its run is to say so.
    ///
    /// # Errors
    ///
    /// What is not the same.
    pub(super) fn crash_at(&self, crashes: &[(u64, CrashPoint)], expected: &Value) -> Result<bool, String> {
        let (mut stage, service) = self.stage();
        let mut in_doubt = false;
        for (number, (append, point)) in crashes.iter().enumerate() {
            stage.store.crash_after(*append, *point);
            let died = stage.live(async |life: &Life| self.play(life, &service).await).is_none();
            // A later life may have less to do.
            assert!(died || number > 0, "{}: append {append} was not reached", self.name);
            in_doubt |= is_in_doubt(&stage, &service);
        }
        stage.store.forget_faults();
        let found = stage.whole(async |life: &Life| self.play(life, &service).await);
        let place = format!("{} after {crashes:?}", self.name);
        let wrong = match in_doubt {
            true => undoubted(&found),
            false => difference("", &found, expected),
        };
        wrong.map_or(Ok(in_doubt), |wrong| Err(format!("{place}: {wrong}")))
    }
}

/// The same with runs that are called by their numbers: of those that a schedule begins, the ids are made of the time.
fn numbered(came: &Value, runs: &[StreamId]) -> Value {
    let names = (1..).zip(runs).map(|(number, run)| (run.to_string(), format!("run {number}")));
    let text = names.fold(came.to_string(), |text, (id, name)| text.replace(&id, &name));
    let mut came: Value = serde_json::from_str(&text).expect("it is JSON still");
    for state in came["all"]["states"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if state["cause"].as_str().is_some_and(|cause| cause.starts_with("schedule 2")) {
            state["cause"] = json!("schedule");
        }
    }
    came
}

/// How a run ended, and its lifecycle events.
async fn told(life: &Life, run: StreamId) -> Value {
    let state = plain(&life.state(run).await);
    let mut fold = Lifecycle::new(run, "test");
    let (mut events, mut side_by_side) = (Vec::new(), BTreeSet::new());
    for event in life.events(run).await {
        let read = codec::read_named::<RunEvent>(&event.body.name, event.body.data.text());
        let read = read.expect("its events can be read");
        if let RunEvent::LoopStarted { path, parallel: Some(_), .. } | RunEvent::ForkStarted { path, .. } =
            &read
        {
            side_by_side.insert(reference(path));
        }
        events.extend(fold.apply(&read, event.at).into_iter().map(|(kind, data)| (kind.to_owned(), data)));
    }
    let fields = ["workflow", "status", "output", "error"];
    let fields = fields.map(|field| (field.to_owned(), state[field].clone()));
    let mut told: BTreeMap<String, Value> = fields.into();
    told.insert("lifecycle".to_owned(), outline(&events, &side_by_side));
    json!(told)
}

/// Whether a call was under way that is harmful to repeat.
fn is_in_doubt(stage: &Stage, service: &Service) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
    let journal = MemoryJournal::open(&stage.store);
    let open = runtime.block_on(journal.open_effects(0, 0, 100)).expect("the ledger can be read");
    open.iter().any(|(_, effect)| {
        matches!(effect.state, EffectState::Dispatched { .. })
            && service.is_harmful(&effect.operation, &effect.request.value())
    })
}

/// What is wrong where a call was cut off, and no run says that nobody knows whether it was carried out: by its error,
/// or by what it needs a person for.
fn undoubted(found: &Value) -> Option<String> {
    let mut runs = found["runs"].as_object().into_iter().flatten();
    let says_so = runs.any(|(_, run)| {
        run["status"] == "needs-attention" || (run["error"]["status"] == 504 && run["status"] != "completed")
    });
    (!says_so).then(|| format!("no run says that a call is in doubt: {}", found["runs"]))
}

/// The first place where two values differ.
fn difference(place: &str, found: &Value, expected: &Value) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            let of = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
            let each =
                |name: &String| difference(&format!("{place}/{name}"), &of(found, name), &of(expected, name));
            names.into_iter().find_map(each)
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let pairs = found.iter().zip(expected).enumerate();
            pairs
                .into_iter()
                .find_map(|(n, (found, expected))| difference(&format!("{place}/{n}"), found, expected))
        }
        _ => (found != expected).then(|| format!("{place} is {found}, and undisturbed {expected}")),
    }
}
