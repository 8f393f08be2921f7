//! A stage: a store and an outside that outlive the node, and the lives of the node on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use promptsales_api::app::Registry;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::effect::{Connector, Connectors};
use promptsales_engine::id::{Prefix, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use promptsales_engine::journal::memory::{CrashPoint, MemoryJournal, MemoryStore};
use promptsales_engine::journal::{Accepted, Event, Journal, Json, Origin, Outcome};
use promptsales_engine::runtime::{Config, Context, INLET, Incoming, Node, NodeSeed};
use promptsales_engine::testkit::{EPOCH, command, key, keyed, simulation};
use promptsales_engine::workflow::check::check;
use promptsales_engine::workflow::registration::{definition_id, load_definitions};
use promptsales_engine::workflow::schedule::{Plan, schedule_id};
use promptsales_engine::workflow::versions::Definitions;
use promptsales_workflows::connectors::{self, runs::Runs, sandbox::Sandbox};
use serde_json::{Map, Value, json};

/// Both points of an append at which a process can die.
pub(crate) const POINTS: [CrashPoint; 2] = [CrashPoint::BeforeCommit, CrashPoint::AfterCommit];

/// How long everything may take to become quiet, and stays under watch then.
const SETTLING: Duration = Duration::from_secs(60);

type Wrap = Arc<dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal>>;

/// A store and an outside. Each life of the node runs in a runtime of its own, which is dropped where the life ends.
pub(crate) struct Stage {
    /// The store.
    pub(crate) store: MemoryStore,
    /// The outside.
    pub(crate) sandbox: Arc<Sandbox>,
    /// The ways to it.
    pub(crate) connectors: Vec<Arc<dyn Connector>>,
    /// The node's limits.
    pub(crate) config: Config,
    /// The definitions: those that come with the product, unless a test takes them away, and those of the test.
    pub(crate) definitions: Vec<String>,
    /// What is put between the node and the store.
    pub(crate) wrap: Option<Wrap>,
    lives: u64,
    now: Timestamp,
}

/// One life of the node.
pub(crate) struct Life {
    /// The node.
    pub(crate) node: Node,
    /// Its view of the store.
    pub(crate) journal: Arc<dyn Journal>,
    store: MemoryStore,
    sandbox: Arc<Sandbox>,
    definitions: Arc<Definitions>,
}

impl Stage {
    /// An empty store, and an outside that behaves as its rules say.
    pub(crate) fn new(rules: &Value) -> Self {
        let config = json!({ "latencyMs": 5, "rules": rules });
        let config = serde_json::from_value(config).expect("the rules are the sandbox's");
        let sandbox = Sandbox::open(None, config).expect("a sandbox in memory can be opened");
        let shipped = promptsales_workflows::definitions().iter();
        Self {
            store: MemoryStore::new(1),
            connectors: connectors::all(Arc::clone(&sandbox)),
            sandbox,
            config: simulation::config(),
            definitions: shipped.map(|(_, source)| (*source).to_owned()).collect(),
            wrap: None,
            lives: 0,
            now: EPOCH,
        }
    }

    /// Lets a node live on the stage until it has acted, or dies. A dead one gives nothing.
    pub(crate) fn live<T>(&mut self, act: impl AsyncFnOnce(&Life) -> T) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime can be built");
        self.lives += 1;
        let (ended, now) = runtime.block_on(async {
            let cx = Context::simulated(self.now, self.lives << 32);
            let life = async {
                let life = self.open(cx.clone()).await;
                act(&life).await
            };
            let ended = tokio::select! {
                biased;
                () = self.store.crashed() => None,
                ended = life => Some(ended),
            };
            (ended, cx.now())
        });
        drop(runtime);
        self.store.crash();
        self.now = now.plus(Duration::from_secs(1));
        ended
    }

    /// The same, where nothing makes the node die.
    pub(crate) fn whole<T>(&mut self, act: impl AsyncFnOnce(&Life) -> T) -> T {
        self.live(act).expect("the node lives")
    }

    async fn open(&self, cx: Context) -> Life {
        let mut journal: Arc<dyn Journal> = MemoryJournal::open(&self.store);
        if let Some(wrap) = &self.wrap {
            journal = wrap(journal);
        }
        let Registry { catalog, definitions, actions, rules } =
            Registry::new().expect("nothing is there twice");
        let tenant = TenantId::default_tenant();
        let loaded = load_definitions(&journal, &tenant, &actions, &definitions).await;
        loaded.expect("the definitions can be read");
        let (runs, mut connectors) = (Arc::new(Runs::default()), self.connectors.clone());
        connectors.push(runs.clone());
        let connectors = Connectors::new(connectors).expect("no connector is there twice");
        let (config, seed_journal) = (self.config.clone(), journal.clone());
        let (leasing, prepare) = (None, None);
        let seed = NodeSeed {
            journal: seed_journal,
            leasing,
            prepare,
            index: None,
            rules: Some(rules),
            catalog,
            connectors,
            config,
            cx,
        };
        let node = Node::start(seed).await.expect("the node starts");
        runs.attach(&node);
        let (store, sandbox) = (self.store.clone(), self.sandbox.clone());
        let life = Life { node, journal, store, sandbox, definitions: definitions.clone() };
        for source in &self.definitions {
            let definition = check(source, &actions).unwrap_or_else(|e| panic!("{e}: {source}")).definition;
            let id = definition_id(&life.node.info().secret, &tenant, &definition.name);
            let body = json!({
                "name": definition.name, "version": definition.version, "digest": definition.digest,
                "source": source,
                "scheduling": {
                    "schedule": schedule_id(&tenant, &definition.name), "plan": Plan::of(&definition, &tenant),
                },
            });
            life.accepted(id.stream(), "register", &body).await;
            definitions.insert(&tenant, Arc::new(definition)).expect("the journal took it");
        }
        life
    }
}

impl Life {
    /// Sends a command without a key; it must be accepted.
    pub(crate) async fn accepted(&self, id: StreamId, name: &'static str, body: &Value) -> Accepted {
        match self.tell(id, name, body).await {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Rejected(rejected) => panic!("`{name}` of {id}: {}", rejected.message),
        }
    }

    /// Sends a command without a key.
    pub(crate) async fn tell(&self, id: StreamId, name: &'static str, body: &Value) -> Outcome {
        let answer = self.node.command(command(id, name, body)).await;
        answer.unwrap_or_else(|e| panic!("`{name}` of {id}: {e}")).outcome
    }

    /// Sends a command under a key that follows from what it is, so that a later life repeats it; it must be accepted.
    pub(crate) async fn once(&self, id: StreamId, name: &'static str, body: &Value) -> Accepted {
        let answer = self.node.command(keyed(id, name, body, name)).await;
        match answer.unwrap_or_else(|e| panic!("`{name}` of {id}: {e}")).outcome {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Rejected(rejected) => panic!("`{name}` of {id}: {}", rejected.message),
        }
    }

    /// Reads a state; null where there is none.
    pub(crate) async fn state(&self, id: StreamId) -> Value {
        let view = self.node.read(&key(id)).await.unwrap_or_else(|e| panic!("{id}: {e}"));
        view.map_or(Value::Null, |view| view.state.value())
    }

    /// Sends an event from outside under a number, so that a later life repeats it.
    pub(crate) async fn hear(&self, number: usize, event: &Value) {
        let mut whole = json!({ "specversion": "1.0", "id": number.to_string(), "source": "/test" });
        let fields = whole.as_object_mut().expect("it is an object");
        fields.extend(
            event.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())),
        );
        let tenant = TenantId::default_tenant();
        let topics = self.definitions.interests(&tenant).topics(&tenant, &whole);
        let text = |field: &str| whole[field].as_str().unwrap_or_default().to_owned();
        let (source, id, kind) = (text("source"), text("id"), text("type"));
        let incoming = Incoming { source, id, kind, event: Json::from(&whole), topics };
        let origin = Arc::new(Origin::root("test", "tester"));
        let taken = self.node.take_in(&tenant, &origin, vec![incoming]).await;
        taken.unwrap_or_else(|e| panic!("{whole}: {e}"));
    }

    /// Launches the campaign, and waits until its run is through and all is quiet.
    pub(crate) async fn launch(&self, brief: &Value) -> StreamId {
        let accepted = self.once(campaign(), "launch", brief).await;
        let run = serde_json::from_value(accepted.reply.value()["runId"].clone());
        let run: StreamId = run.expect("a launch answers the run");
        self.through(run).await;
        run
    }

    /// Waits until a run has ended or needs a person, and all is quiet; approves what waits for an approval.
    pub(crate) async fn through(&self, run: StreamId) {
        for _ in 0..72_000 {
            let state = self.state(run).await;
            if is_over(&state) {
                return self.node.cx().sleep(SETTLING).await;
            }
            let waits = state["waitingFor"].as_array().into_iter().flatten();
            if waits.into_iter().any(|wait| wait["kind"] == "signal" && wait["what"] == "approval") {
                let signal = json!({ "name": "approval", "data": { "approved": true, "by": "ana" } });
                self.once(run, "signal", &signal).await;
            }
            self.node.cx().sleep(Duration::from_millis(50)).await;
        }
        panic!("{run} has not come to an end within an hour: {}", self.state(run).await);
    }

    /// Waits until every run has ended or needs a person, and all is quiet; gives the runs in the order in which they
    /// began.
    pub(crate) async fn all_through(&self) -> Vec<StreamId> {
        for _ in 0..3_600 {
            let (runs, mut going) = (self.runs(), false);
            for run in &runs {
                going |= !is_over(&self.state(*run).await);
            }
            if !going {
                self.node.cx().sleep(SETTLING).await;
                return runs;
            }
            self.node.cx().sleep(Duration::from_secs(1)).await;
        }
        panic!("not every run has come to an end within an hour");
    }

    /// Every run that has begun, in the order in which they did.
    fn runs(&self) -> Vec<StreamId> {
        let streams =
            self.store.events().into_iter().filter(|event| event.seq == 1).map(|event| event.stream.id);
        streams.filter(|id| id.prefix().as_str() == "run").collect()
    }

    /// What all is in the end, without what may differ between runs that did the same: times and numbers.
    ///
    /// Checks on the way what always holds: logs without gaps, live states that are the folds of their streams, no
    /// key executed twice, nothing left over in outbox, ledger and timers.
    pub(crate) async fn outcome(&self) -> Value {
        let events = self.store.events();
        check_gaps(&events);
        // What came from outside is kept as it came, and is no state.
        let streams = events.into_iter().map(|event| event.stream);
        let streams: BTreeSet<StreamKey> = streams.filter(|stream| stream.id.prefix() != INLET).collect();
        let mut states = Map::new();
        for stream in streams {
            let live = self.node.read(&stream).await.expect("it can be read").expect("it has events");
            let folded = self.node.read_at(&stream, Timestamp::from_ms(i64::MAX)).await;
            let folded = folded.expect("it can be folded").expect("it has events");
            assert_eq!(
                (live.seq, &live.state),
                (folded.seq, &folded.state),
                "{stream}: the fold is the state"
            );
            states.insert(stream.id.to_string(), plain(&live.state.value()));
        }
        let report = self.sandbox.report();
        assert!(report.repeated.is_empty(), "executed more than once: {:?}", report.repeated);
        assert_eq!(self.left().await, (0, 0, 0), "messages, effects and timers are left over");
        json!({ "states": states, "world": self.sandbox.world(), "executed": report.executed })
    }

    async fn left(&self) -> (usize, usize, usize) {
        let ever = Timestamp::from_ms(i64::MAX);
        let messages = self.journal.outbox(0, 0, 100).await.expect("the outbox can be read");
        let effects = self.journal.open_effects(0, 0, 100).await.expect("the ledger can be read");
        let timers = self.journal.due_timers(0, ever, 100).await.expect("the timers can be read");
        (messages.len(), effects.len(), timers.len())
    }

    /// The events of a stream.
    pub(crate) async fn events(&self, id: StreamId) -> Vec<Event> {
        self.node.events(&key(id), 0, usize::MAX).await.expect("the stream can be read")
    }

    /// The number of all events.
    pub(crate) fn journal_length(&self) -> usize {
        self.store.events().len()
    }

    /// The outside.
    pub(crate) fn world(&self) -> Value {
        self.sandbox.world()
    }
}

/// The campaign of a stage: its id is always the same, and so are all that derive from it.
pub(crate) fn campaign() -> StreamId {
    StreamId::new(Prefix::new("cmp"), uuid_v7(1_767_225_600_000, Slot::new(7), 7))
}

/// A brief for two channels and two languages, above its spend limit.
pub(crate) fn brief() -> Value {
    json!({
        "name": "Verano 2026", "targetAudience": "Jóvenes de Costa Rica", "campaignMessage": "Refrescate",
        "channels": ["instagram", "facebook"], "locales": ["es-CR", "en"],
        "budget": { "amountMinor": 100_001, "currency": "USD" },
        "spendLimit": { "amountMinor": 100_000, "currency": "USD" },
        "landingUrl": "https://tienda.example/verano",
    })
}

/// A state without times and numbers of events.
pub(crate) fn plain(state: &Value) -> Value {
    const VARYING: &[&str] = &[
        "at",
        "createdAt",
        "endedAt",
        "lastAt",
        "registeredAt",
        "seq",
        "since",
        "startedAt",
        "time",
        "until",
        "updatedAt",
    ];
    match state {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !VARYING.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Whether a run has ended, or needs a person.
fn is_over(run: &Value) -> bool {
    !run["endedAt"].is_null() || run["status"] == "needs-attention"
}

fn check_gaps(events: &[Event]) {
    let mut heads: BTreeMap<&StreamKey, u64> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.position, index as u64 + 1, "positions have no gaps");
        let head = heads.entry(&event.stream).or_default();
        *head += 1;
        assert_eq!(event.seq, *head, "{} has no gaps", event.stream);
    }
}
