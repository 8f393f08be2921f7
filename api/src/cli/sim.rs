//! `promptsales sim`: the whole product under simulated time, faults and crashes.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use promptsales_engine::entity::Dedup;
use promptsales_engine::id::{Prefix, StreamId, StreamKey, TenantId, digest};
use promptsales_engine::journal::memory::{MemoryJournal, MemoryStore};
use promptsales_engine::journal::{Event, Json, Origin};
use promptsales_engine::runtime::{Command, Context, Node};
use promptsales_engine::testkit::simulation::{Chance, Subject, config, simulate};
use promptsales_workflows::connectors::sandbox::{Sandbox, SandboxConfig};
use promptsales_workflows::samples;
use rand::Rng;
use serde_json::{Value, json};

use crate::app::App;

/// What is simulated.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The seed of the first simulation.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of simulations, each with the next seed.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The steps of each.
    #[arg(long, default_value_t = 150)]
    steps: u64,
}

/// Runs simulations and prints a line for each; the first violated invariant ends them.
pub(crate) fn run(args: &SimArgs) -> anyhow::Result<()> {
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let mut product = Product { sent: 0, sandbox: Sandbox::open(None, outside(seed))?, runs: Vec::new() };
        let history = simulate(&mut product, seed, args.steps)?;
        writeln!(std::io::stdout(), "{history}")?;
    }
    Ok(())
}

/// The whole product over a store in memory; the outside survives its crashes.
struct Product {
    sent: u64,
    sandbox: Arc<Sandbox>,
    runs: Vec<StreamId>,
}

/// An outside that misbehaves in a way of its own for each seed.
fn outside(seed: u64) -> SandboxConfig {
    let behaviour = match seed % 5 {
        0 => json!({ "fail": { "times": 2 } }),
        1 => json!({ "refuse": { "code": "account_suspended", "message": "the account is suspended" } }),
        2 => json!({ "acceptThenTimeout": { "times": 1 } }),
        3 => json!({ "slow": { "ms": 800 } }),
        _ => return SandboxConfig::default(),
    };
    let rule = json!({ "connector": "ads", "operation": "activate", "contains": "facebook", "behaviour": behaviour });
    serde_json::from_value(json!({ "latencyMs": 20, "rules": [rule] })).unwrap_or_default()
}

impl Subject for Product {
    async fn start(&mut self, store: &MemoryStore, cx: Context) -> Result<Node, String> {
        let journal = MemoryJournal::open(store);
        let app = App::compose(journal, None, self.sandbox.clone(), config(), cx, None).await;
        app.map(|app| app.node().clone()).map_err(|e| format!("{e:#}"))
    }

    fn command(&mut self, chance: &mut Chance, node: &Node) -> Command {
        self.sent += 1;
        let secret = node.info().secret;
        let lead =
            secret.derive(Prefix::new("lead"), None, "simulated", &[&chance.random_range(0..8).to_string()]);
        let (id, name, body) = match chance.random_range(0..100) {
            0..55 => (lead, "record-activity", json!({ "activity": "opened", "score": 1, "tag": "spring" })),
            55..65 => (lead, "register", json!({ "email": "ana@example.com", "name": "Ana" })),
            65..70 => (lead, "record-activity", json!({ "activity": 7 })),
            70..75 => (lead, "no-such-command", json!({})),
            75..85 if !self.runs.is_empty() => {
                let run = self.runs[chance.random_range(0..self.runs.len())];
                match chance.random_range(0..3) {
                    0 => (
                        run,
                        "signal",
                        json!({ "name": "approval", "data": { "approved": true, "by": "ana" } }),
                    ),
                    1 => (
                        run,
                        "signal",
                        json!({ "name": "approval", "data": { "approved": false, "by": "ana", "reason": "no" } }),
                    ),
                    _ => (run, "cancel", json!({ "reason": "simulated" })),
                }
            }
            _ => {
                let campaign = node.cx().new_id(Prefix::new("cmp"), None);
                let run = digest("launch", &[&campaign.to_string()]);
                let run = promptsales_engine::id::uuid_v8(run, Some(campaign.slot()));
                self.runs.push(StreamId::new(Prefix::new("run"), run));
                (campaign, "launch", brief(chance))
            }
        };
        command(self.sent, id, name, &body)
    }

    async fn check(&mut self, node: &Node, events: &[Event]) -> Result<(), String> {
        let runs = events.iter().filter(|e| e.seq == 1 && e.stream.id.prefix().as_str() == "run");
        for first in runs {
            let view = node.read(&first.stream).await.map_err(|e| e.to_string())?;
            let run = view.map_or(Value::Null, |v| v.state.value());
            let ended = !run["endedAt"].is_null();
            let waits = run["waitingFor"].as_array().is_some_and(|w| !w.is_empty());
            if !ended && !waits {
                return Err(format!("{} is {} and waits for nothing", first.stream, run["status"]));
            }
            if !ended && run["status"] != "needs-attention" {
                return Err(format!("{} has not come to an end: {run}", first.stream));
            }
        }
        let repeated = self.sandbox.report().repeated;
        if !repeated.is_empty() {
            return Err(format!("the outside executed these keys more than once: {repeated:?}"));
        }
        node.cx().sleep(Duration::ZERO).await;
        Ok(())
    }
}

fn brief(chance: &mut Chance) -> Value {
    let campaigns = samples().campaigns;
    let chosen = &campaigns[chance.random_range(0..campaigns.len())].brief;
    let mut brief = serde_json::to_value(chosen).unwrap_or_default();
    if chance.random_ratio(1, 2) {
        brief["spendLimit"] = json!({ "amountMinor": 1, "currency": brief["budget"]["currency"] });
    }
    brief
}

fn command(number: u64, id: StreamId, name: &'static str, body: &Value) -> Command {
    let body = Json::from(body);
    let dedup = Dedup::Key {
        key: digest("simulated key", &[&number.to_string()]),
        digest: digest("payload", &[body.text()]),
    };
    Command {
        stream: StreamKey::new(TenantId::default_tenant(), id),
        name: name.into(),
        body,
        external_key: None,
        origin: Arc::new(Origin::root(&format!("sim_{number}"), "simulated")),
        dedup,
    }
}
