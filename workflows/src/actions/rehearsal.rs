//! A launch carried out by its actions, one after the other, on real entities and the sandbox; and taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use promptsales_actors::register as register_entities;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::effect::{Call, CallError, Connector, EffectFailure, EffectKey, EffectOutcome};
use promptsales_engine::entity::{Catalog, Input, Machine, StepCx};
use promptsales_engine::id::{StreamId, StreamKey, TenantId};
use promptsales_engine::journal::{Accepted, Json, Origin, Outcome};
use promptsales_engine::workflow::action::{
    ActionCx, Actions, Next, StepRequest, StepResult, Steps, WorkflowError,
};
use serde_json::{Value, json};

use super::testkit::{CAMPAIGN, brief, cx};
use crate::connectors::{self, sandbox::Sandbox, sandbox::SandboxConfig};

/// A call that was made, with what is needed to take it back.
struct Made {
    action: &'static str,
    input: Value,
    path: String,
    steps: Vec<StepResult>,
}

/// Entities in memory, the sandbox outside, and a saga's log.
struct World {
    actions: Actions,
    catalog: Catalog,
    sandbox: Arc<Sandbox>,
    connectors: Vec<Arc<dyn Connector>>,
    entities: BTreeMap<StreamId, (Box<dyn Machine>, u64)>,
    log: Vec<Made>,
}

impl World {
    fn new(config: Value) -> Self {
        let config: SandboxConfig = serde_json::from_value(config).unwrap();
        let sandbox = Sandbox::open(None, config).unwrap();
        Self {
            actions: super::register().unwrap(),
            catalog: register_entities(Catalog::new()).unwrap(),
            connectors: connectors::all(Arc::clone(&sandbox)),
            sandbox,
            entities: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn command(&mut self, to: StreamId, name: String, body: Json) -> StepResult {
        let catalog = &self.catalog;
        let key = StreamKey::new(TenantId::default_tenant(), to);
        let (machine, seq) = self.entities.entry(to).or_insert_with(|| {
            let kind = catalog.by_prefix(to.prefix()).unwrap();
            ((kind.machine)(&key), 0)
        });
        let origin = Arc::new(Origin::root("test", "run:rehearsal"));
        let now = Timestamp::from_ms(1_767_225_600_000);
        let cx = StepCx { stream: &key, now, seq: *seq, origin: &origin };
        let input = Input::Command { name: name.into(), body, external_key: None };
        StepResult::Command(match machine.step(&input, &cx) {
            Err(rejected) => Outcome::Rejected(rejected),
            Ok(step) => {
                *seq += step.events.len() as u64;
                let events = step.events.into_iter().map(|event| event.name).collect();
                let reply = step.reply.unwrap_or_else(Json::null);
                Outcome::Accepted(Accepted { seq: *seq, events, reply })
            }
        })
    }

    /// Calls as the dispatcher does: up to four times under one key.
    async fn effect(&self, key: EffectKey, connector: &str, operation: &str, request: &Value) -> StepResult {
        let connector = self.connectors.iter().find(|known| known.name() == connector).unwrap();
        assert!(connector.operations().contains(&operation), "{operation}");
        let stream = &StreamKey::new(TenantId::default_tenant(), cx().run);
        let origin = &Origin::root("test", "run:rehearsal");
        let failure = |code, message| EffectFailure { code, message };
        let mut outcome = None;
        for attempt in 1..=4 {
            let deadline = connector.policy(operation).deadline;
            let call = connector.call(Call { key, stream, origin, operation, request, attempt });
            outcome = Some(match tokio::time::timeout(deadline, call).await {
                Ok(Ok(answer)) => return StepResult::Effect(EffectOutcome::Confirmed(Json::from(&answer))),
                Ok(Err(CallError::Refused { code, message })) => {
                    return StepResult::Effect(EffectOutcome::Refused(failure(code, message)));
                }
                Ok(Err(CallError::Failed { code, message })) => EffectOutcome::Failed(failure(code, message)),
                Ok(Err(CallError::Unknown { code, message })) => {
                    EffectOutcome::Unknown(failure(code, message))
                }
                Err(_) => EffectOutcome::Unknown(failure("deadline".into(), "no answer".to_owned())),
            });
        }
        StepResult::Effect(outcome.unwrap())
    }

    async fn carry(&mut self, step: StepRequest, place: &str) -> StepResult {
        match step {
            StepRequest::Command { to, command, body } => self.command(to, command, body),
            StepRequest::Effect { connector, operation, request } => {
                let key = EffectKey::derive(&[place]);
                self.effect(key, &connector, &operation, &request.value()).await
            }
            StepRequest::Await { run } => panic!("nothing of the launch waits for {run}"),
        }
    }

    /// Makes a call; a failed one that may have changed something stays in the log.
    async fn call(&mut self, action: &'static str, path: &str, input: Value) -> Result<Value, WorkflowError> {
        let info = Arc::clone(self.actions.get(action).unwrap());
        let cx = ActionCx { path: path.to_owned(), ..cx() };
        let mut steps: Vec<StepResult> = Vec::new();
        loop {
            let result = match info.next(&input, Steps(&steps), &cx) {
                Ok(Next::Step(step)) => {
                    steps.push(self.carry(step, &format!("{path}#{}", steps.len())).await);
                    continue;
                }
                Ok(Next::Done(output)) => Ok(output),
                Err(error) => Err(error),
            };
            let changed = steps.iter().any(|step| !step.changed_nothing());
            if info.compensates && changed {
                self.log.push(Made { action, input, path: path.to_owned(), steps });
            }
            return result;
        }
    }

    /// The definition's way, with approval by rule.
    async fn launch(&mut self, brief: &Value) -> Result<(), WorkflowError> {
        let id = json!({ "campaignId": CAMPAIGN });
        let with = |more: Value| {
            let mut all = id.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let begun = self.call("campaign.begin", "begin", with(json!({ "brief": brief }))).await?;
        let brief = &begun["brief"];
        let checked = self.call("brief.check", "check", json!({ "brief": brief })).await?;
        let mut content = Vec::new();
        for (i, piece) in checked["pieces"].as_array().unwrap().iter().enumerate() {
            let input = with(json!({ "brief": brief, "piece": piece }));
            content.push(self.call("content.create", &format!("write/{i}"), input).await?);
        }
        let input = json!({ "brief": brief, "content": content });
        self.call("content.check", "checked", input).await?;
        self.call("campaign.record-content", "record", with(json!({ "content": content }))).await?;
        let approval = with(json!({ "approved": true, "by": "the spend limit" }));
        self.call("approval.record", "approve", approval).await?;
        let approved = json!({ "content": content, "by": "the spend limit" });
        self.call("content.approve", "pieces", approved).await?;
        let plan = self.call("campaign.plan", "plan", with(json!({ "brief": brief }))).await?;
        self.call("budget.reserve", "reserve", with(json!({ "amount": brief["budget"] }))).await?;
        for allocation in plan["allocations"].as_array().unwrap() {
            let channel = &allocation["channel"];
            let mine = |made: &&Value| made["piece"]["channel"] == *channel;
            let mine: Vec<&Value> = content.iter().filter(mine).collect();
            let input = with(json!({ "allocation": allocation, "content": mine }));
            self.call("ads.activate", &format!("activate/{channel}"), input).await?;
        }
        let channels = json!({ "channels": brief["channels"] });
        self.call("tracking.set-up", "track", with(channels)).await?;
        self.call("campaign.activate", "activate", id.clone()).await?;
        Ok(())
    }

    /// Takes everything back in reverse order, each call `times` times.
    async fn unwind(&mut self, error: &WorkflowError, times: usize) {
        while let Some(made) = self.log.pop() {
            let info = Arc::clone(self.actions.get(made.action).unwrap());
            let cx = ActionCx { path: made.path.clone(), error: Some(error.clone()), ..cx() };
            for time in 0..times {
                let mut steps: Vec<StepResult> = Vec::new();
                while let Next::Step(step) =
                    info.undo(&made.input, Steps(&made.steps), Steps(&steps), &cx).unwrap()
                {
                    let place = format!("undo {} {time}#{}", made.path, steps.len());
                    steps.push(self.carry(step, &place).await);
                }
            }
        }
    }

    fn campaign(&self) -> Value {
        self.entities[&CAMPAIGN.parse().unwrap()].0.view().unwrap()
    }

    fn is_clean(&self) -> bool {
        self.sandbox.world() == Sandbox::open(None, SandboxConfig::default()).unwrap().world()
    }
}

fn failing(connector: &str, operation: &str, contains: Option<&str>, behaviour: &Value) -> Value {
    let mut rule = json!({ "connector": connector, "operation": operation, "behaviour": behaviour });
    if let Some(text) = contains {
        rule["contains"] = json!(text);
    }
    json!({ "latencyMs": 0, "rules": [rule] })
}

#[tokio::test(start_paused = true)]
async fn a_launch_goes_through_on_the_sandbox() {
    let mut world = World::new(json!({ "latencyMs": 5 }));
    world.launch(&brief()).await.unwrap();
    let campaign = world.campaign();
    assert_eq!((&campaign["configured"], &campaign["effective"]), (&json!("active"), &json!("serving")));
    assert_eq!(campaign["activations"].as_object().unwrap().len(), 2);
    assert_eq!(campaign["reserved"]["amountMinor"], 1001);
    assert!(!world.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_shipped_samples_can_be_launched() {
    for imported in crate::samples().campaigns {
        let mut world = World::new(json!({ "latencyMs": 0 }));
        let launched = world.launch(&json!(imported.brief)).await;
        assert!(launched.is_ok(), "{}: {launched:?}", imported.brief.name);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_the_slate_is_clean_and_the_campaign_says_why() {
    let refuse = json!({ "refuse": { "code": "said_no", "message": "the platform said no" } });
    let lost = json!({ "acceptThenTimeout": { "times": 4 } });
    for behaviour in [&refuse, &lost] {
        for (connector, operation, contains) in [
            ("content", "generate", Some("\"channel\":\"facebook\"")),
            ("ads", "activate", Some("\"channel\":\"instagram\"")),
            ("ads", "activate", Some("\"channel\":\"facebook\"")),
            ("tracking", "create_form", None),
        ] {
            for times in [1, 2] {
                let mut world = World::new(failing(connector, operation, contains, behaviour));
                let error = world.launch(&brief()).await.unwrap_err();
                world.unwind(&error, times).await;
                let case = format!("{connector}.{operation} {contains:?} {behaviour} {times}");
                assert!(world.is_clean(), "{case}: {}", world.sandbox.world());
                let campaign = world.campaign();
                assert_eq!(campaign["effective"], "misconfigured", "{case}");
                let code = error.kind.rsplit(':').next().unwrap();
                assert_eq!(campaign["reasons"][0]["code"], code, "{case}");
                for gone in ["content", "plan", "reserved", "activations", "tracking"] {
                    assert!(campaign.get(gone).is_none(), "{case}: {gone}");
                }
            }
        }
    }
}
