//! The product as a subject of simulation, over a store in memory; the outside survives its crashes.

use std::sync::Arc;

use promptsales_engine::effect::Connectors;
use promptsales_engine::entity::{Catalog, Dedup, KindInfo};
use promptsales_engine::id::{Prefix, StreamId, StreamKey, TenantId, digest, uuid_v8};
use promptsales_engine::journal::{Event, Info, Journal, Json, Origin, Outcome};
use promptsales_engine::rule::Rules;
use promptsales_engine::runtime::{Command, Node, NodeSeed};
use promptsales_engine::testkit::Tally;
use promptsales_engine::testkit::simulation::{Broken, Chance, Seat, Subject, Tallies, invariant};
use promptsales_engine::workflow::action::Actions;
use promptsales_engine::workflow::check::check;
use promptsales_engine::workflow::definition::Definition;
use promptsales_engine::workflow::machine::Limits;
use promptsales_engine::workflow::registration::{self, definition_id};
use promptsales_engine::workflow::run::Runs;
use promptsales_engine::workflow::versions::Definitions;
use promptsales_workflows::connectors::{self, sandbox::Sandbox, sandbox::SandboxConfig};
use promptsales_workflows::samples;
use rand::Rng;
use rand::SeedableRng;
use serde_json::{Value, json};

use super::runs;
use crate::app::{Known, Registry};

/// The most campaigns that one simulation launches: each is as much work as a hundred other commands.
const LAUNCHES: u32 = 6;
/// The leads.
const LEADS: u64 = 8;

/// What does not depend on the seed, made once for all simulations: pure functions of what is compiled in.
pub(super) struct Works {
    kinds: Vec<Arc<KindInfo>>,
    actions: Arc<Actions>,
    definitions: Vec<Arc<Definition>>,
    sources: Vec<String>,
    briefs: Vec<Value>,
}

impl Works {
    pub(super) fn new() -> anyhow::Result<Self> {
        let Registry { catalog, actions, .. } = Registry::new()?;
        let kinds = catalog.add::<Tally>()?.kinds().to_vec();
        let shipped = promptsales_workflows::definitions().iter().map(|(_, source)| *source);
        let sources: Vec<String> = shipped.chain(runs::DEFINITIONS).map(str::to_owned).collect();
        let compiled = sources.iter().map(|source| Ok(Arc::new(check(source, &actions)?.definition)));
        let definitions = compiled.collect::<anyhow::Result<Vec<_>>>()?;
        let samples = samples();
        let briefs = samples.campaigns.iter().map(|campaign| serde_json::to_value(&campaign.brief));
        let briefs = briefs.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { kinds, actions, definitions, sources, briefs })
    }

    /// The kinds, with runs that find their definitions in a registry.
    fn catalog(&self, definitions: &Arc<Definitions>) -> Result<Catalog, String> {
        let runs = Runs::new(definitions.clone(), self.actions.clone(), Limits::default());
        let mut catalog = Catalog::new();
        for kind in &self.kinds {
            let mut kind = KindInfo::clone(kind);
            match kind.kind.name {
                "run" => {
                    let runs = runs.clone();
                    kind.machine = Arc::new(move |stream| Box::new(runs.machine(stream)));
                }
                "definition" => kind = registration::info(definitions.clone(), self.actions.clone()),
                _ => {}
            }
            catalog = catalog.add_kind(kind).map_err(|e| e.to_string())?;
        }
        Ok(catalog)
    }
}

/// The whole product, and what is known of it.
pub(super) struct Product<'a> {
    works: &'a Works,
    sandbox: Arc<Sandbox>,
    tallies: Tallies,
    runs: Vec<StreamId>,
    campaigns: Vec<StreamId>,
    launches: u32,
    /// What the activities of each lead add up to, and how many there were.
    scores: std::collections::BTreeMap<StreamId, (i64, u64)>,
}

impl<'a> Product<'a> {
    pub(super) fn new(seed: u64, works: &'a Works) -> Self {
        let sandbox = Sandbox::open(None, outside(seed)).expect("the rules name operations that there are");
        Self {
            works,
            sandbox,
            tallies: Tallies::default(),
            runs: Vec::new(),
            campaigns: Vec::new(),
            launches: 0,
            scores: std::collections::BTreeMap::new(),
        }
    }
}

/// An outside that misbehaves in a way of its own for each seed.
fn outside(seed: u64) -> SandboxConfig {
    let mut chance = Chance::seed_from_u64(seed);
    let operations = [
        ("ads", "activate"),
        ("ads", "deactivate"),
        ("content", "generate"),
        ("content", "archive"),
        ("tracking", "create_form"),
    ];
    let mut rules = Vec::new();
    for _ in 0..chance.random_range(0..4) {
        let (connector, operation) = operations[chance.random_range(0..operations.len())];
        let times = chance.random_range(1..4);
        let behaviour = match chance.random_range(0..6) {
            0 => json!({ "fail": { "times": times } }),
            1 => json!({ "refuse": { "code": "account_suspended", "message": "the account is suspended" } }),
            2 => json!({ "acceptThenTimeout": { "times": times } }),
            3 => json!({ "unreachable": { "times": times } }),
            4 => json!({ "slow": { "ms": 800 } }),
            _ => json!({ "slow": { "ms": 1_500 } }),
        };
        let contains = chance.random_ratio(1, 2).then_some("facebook");
        let mut rule = json!({ "connector": connector, "operation": operation, "behaviour": behaviour });
        if let Some(contains) = contains {
            rule["contains"] = contains.into();
        }
        rules.push(rule);
    }
    let latency = chance.random_range(0..60);
    serde_json::from_value(json!({ "latencyMs": latency, "rules": rules })).unwrap_or_default()
}

fn command(id: StreamId, name: &'static str, body: &Value) -> Command {
    Command {
        stream: StreamKey::new(TenantId::default_tenant(), id),
        name: name.into(),
        body: Json::from(body),
        external_key: None,
        origin: Arc::new(Origin::root("sim", "simulated")),
        dedup: Dedup::None,
    }
}

impl Product<'_> {
    fn lead(&self, chance: &mut Chance, info: &Info) -> StreamId {
        let number = chance.random_range(0..LEADS).to_string();
        info.secret.derive(Prefix::new("lead"), None, "simulated", &[&number])
    }

    fn of_lead(&self, chance: &mut Chance, info: &Info) -> Command {
        let lead = self.lead(chance, info);
        match chance.random_range(0..20) {
            0..14 => {
                let score = chance.random_range(-3..12);
                command(
                    lead,
                    "record-activity",
                    &json!({ "activity": "opened", "score": score, "tag": "spring" }),
                )
            }
            14..16 => command(lead, "register", &json!({ "email": "ana@example.com", "name": "Ana" })),
            16 => command(lead, "tag", &json!({ "tag": format!("t{}", chance.random_range(0..9)) })),
            17 => command(lead, "qualify", &json!({})),
            18 => command(lead, "record-activity", &json!({ "activity": 7 })),
            _ => command(lead, "no-such-command", &json!({})),
        }
    }

    fn brief(&self, chance: &mut Chance) -> Value {
        let mut brief = self.works.briefs[chance.random_range(0..self.works.briefs.len())].clone();
        if chance.random_ratio(1, 2) {
            brief["spendLimit"] = json!({ "amountMinor": 1, "currency": brief["budget"]["currency"] });
        }
        brief
    }

    /// A new id for whom nobody asks twice.
    fn fresh(chance: &mut Chance, prefix: &'static str) -> StreamId {
        let bits = digest("simulated id", &[&chance.random::<u64>().to_string()]);
        StreamId::new(Prefix::new(prefix), uuid_v8(bits, None))
    }

    fn launch(&mut self, chance: &mut Chance) -> Command {
        self.launches += 1;
        let campaign = Self::fresh(chance, "cmp");
        self.campaigns.push(campaign);
        let run = uuid_v8(digest("launch", &[&campaign.to_string()]), Some(campaign.slot()));
        self.runs.push(StreamId::new(Prefix::new("run"), run));
        command(campaign, "launch", &self.brief(chance))
    }

    fn start(&mut self, chance: &mut Chance) -> Command {
        let run = Self::fresh(chance, "run");
        let campaign = Self::fresh(chance, "cmp");
        let mut chance_of_brief = chance.clone();
        let start = runs::start(chance, &campaign.to_string(), || self.brief(&mut chance_of_brief));
        self.runs.push(run);
        command(run, "start", &start)
    }
}

impl Subject for Product<'_> {
    async fn start(&mut self, seat: Seat) -> Result<Node, String> {
        let Seat { journal, leasing, config, cx } = seat;
        let journal: Arc<dyn Journal> = journal;
        let tenant = TenantId::default_tenant();
        let definitions = Arc::new(Definitions::new());
        for definition in &self.works.definitions {
            // What the journal holds is compiled once for all lives: the same text gives the same definition.
            definitions.insert(&tenant, definition.clone()).map_err(|e| e.to_string())?;
        }
        let catalog = self.works.catalog(&definitions)?;
        let rules = Arc::new(Rules::new(definitions.clone()));
        let known = Known { tenant, actions: self.works.actions.clone(), definitions, rules };
        let connectors = Connectors::new(connectors::all(self.sandbox.clone())).map_err(|e| e.to_string())?;
        let prepare = Some(Arc::new(known) as _);
        let seed =
            NodeSeed { journal, leasing, prepare, index: None, rules: None, catalog, connectors, config, cx };
        Node::start(seed).await.map_err(|e| e.to_string())
    }

    fn prologue(&mut self, info: &Info) -> Vec<Command> {
        let works = self.works;
        let register = |(definition, source): (&Arc<Definition>, &String)| {
            let id = definition_id(&info.secret, &TenantId::default_tenant(), &definition.name);
            let body = json!({
                "name": definition.name, "version": definition.version, "digest": definition.digest, "source": source,
            });
            command(id.stream(), "register", &body)
        };
        works.definitions.iter().zip(&works.sources).map(register).collect()
    }

    fn command(&mut self, chance: &mut Chance, info: &Info) -> Option<Command> {
        Some(match chance.random_range(0..100) {
            0..45 => self.of_lead(chance, info),
            45..70 => self.tallies.command(chance),
            70..72 if self.launches < LAUNCHES => self.launch(chance),
            72..82 => self.start(chance),
            82..96 if !self.runs.is_empty() => {
                // Mostly one of the newest, which may still be under way.
                let newest = self.runs.len().min(8);
                let run = self.runs[self.runs.len() - 1 - chance.random_range(0..newest)];
                let (name, body) = runs::command(chance);
                command(run, name, &body)
            }
            _ => self.of_lead(chance, info),
        })
    }

    fn read(&mut self, chance: &mut Chance, info: &Info) -> Option<StreamKey> {
        let of = |id| StreamKey::new(TenantId::default_tenant(), id);
        Some(match chance.random_range(0..10) {
            0..5 => of(self.lead(chance, info)),
            5..8 => self.tallies.read(chance),
            8 if !self.runs.is_empty() => of(self.runs[chance.random_range(0..self.runs.len())]),
            9 if !self.campaigns.is_empty() => {
                of(self.campaigns[chance.random_range(0..self.campaigns.len())])
            }
            _ => of(self.lead(chance, info)),
        })
    }

    fn heard(&mut self, command: &Command, outcome: &Outcome) {
        self.tallies.heard(command, outcome);
        if let (Outcome::Accepted(_), "record-activity") = (outcome, command.name.as_ref()) {
            let (sum, count) = self.scores.entry(command.stream.id).or_default();
            *sum += command.body.value()["score"].as_i64().unwrap_or_default();
            *count += 1;
        }
    }

    fn epilogue(&mut self, _: &Info) -> Vec<Command> {
        self.runs.iter().map(|run| command(*run, "resume", &json!({}))).collect()
    }

    fn adds(&self, command: &Command) -> Option<i64> {
        if command.stream.id.prefix().as_str() != "lead" {
            return self.tallies.adds(command);
        }
        let adds = command.name == "record-activity";
        Some(if adds { command.body.value()["score"].as_i64().unwrap_or_default() } else { 0 })
    }

    fn shows(&self, stream: &StreamKey, state: &Value) -> Option<i64> {
        if stream.id.prefix().as_str() != "lead" {
            return self.tallies.shows(stream, state);
        }
        Some(state["score"].as_i64().unwrap_or_default())
    }

    async fn check(&mut self, node: &Node, events: &[Event]) -> Result<(), Broken> {
        self.tallies.check(node, events).await?;
        let of = |id| StreamKey::new(TenantId::default_tenant(), id);
        let state = async |stream: &StreamKey| {
            let view = node.read(stream).await;
            let view =
                view.map_err(|e| Broken::new(invariant::PROGRESS, format!("{stream} cannot be read: {e}")))?;
            Ok::<_, Broken>(view.map_or(Value::Null, |view| view.state.value()))
        };
        for (lead, (sum, count)) in &self.scores {
            let state = state(&of(*lead)).await?;
            let there = (state["score"].as_i64(), state["activityCount"].as_u64());
            if there != (Some(*sum), Some(*count)) {
                let what = format!("{lead} shows {there:?}; {count} activities worth {sum} were accepted");
                return Err(Broken::new(invariant::MODEL, what));
            }
        }
        for first in events.iter().filter(|e| e.seq == 1 && e.stream.id.prefix().as_str() == "run") {
            runs::check(&first.stream.id.to_string(), &state(&first.stream).await?)?;
        }
        let repeated = self.sandbox.report().repeated;
        if !repeated.is_empty() {
            return Err(Broken::new(invariant::EFFECT, format!("executed more than once: {repeated:?}")));
        }
        Ok(())
    }
}
