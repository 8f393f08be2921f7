//! The services outside: a connector `http` that answers as a script says, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use promptsales_engine::effect::{Call, CallError, Connector, EffectKey, Policy, Verified};
use promptsales_tests::pause;
use promptsales_workflows::connectors::http::{HttpConnector, Outgoing, Secrets};
use serde_json::{Value, json};

/// What a service answers.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// It does it.
    Done(Value),
    /// It does nothing, with this status.
    Status(u16),
}

/// How a service behaves. Where no rule fits, it does what it is asked at once.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// A part of the requests that it is about.
    pub(super) contains: &'static str,
    /// The answers to the first, second, ... effect; the last one goes on.
    pub(super) replies: Vec<Reply>,
    /// How long an answer takes.
    pub(super) after_ms: u64,
    /// True if its OpenAPI document says that a repeat is harmful.
    pub(super) harmful: bool,
}

/// A rule about requests that hold a text.
pub(super) fn rule(contains: &'static str) -> Rule {
    Rule { contains, replies: vec![Reply::Done(json!({ "ok": true }))], after_ms: 0, harmful: false }
}

/// What a service knows of an effect, by its key.
#[derive(Debug)]
struct Known {
    operation: String,
    request: Value,
    reply: Reply,
    calls: u32,
}

#[derive(Debug, Default)]
struct World {
    known: BTreeMap<EffectKey, Known>,
    /// How many effects met each rule.
    met: BTreeMap<&'static str, usize>,
}

/// The services. They outlive the process that calls them.
pub(super) struct Service {
    rules: Vec<Rule>,
    /// The product's connector, for its policies.
    real: HttpConnector,
    world: Mutex<World>,
}

impl Service {
    /// Services that behave as their rules say.
    pub(super) fn new(rules: &[Rule]) -> Arc<Self> {
        let real = HttpConnector::new(Outgoing::default(), Secrets::none());
        let real = real.expect("the limits are those of the product");
        Arc::new(Self { rules: rules.to_vec(), real, world: Mutex::default() })
    }

    /// Every effect that has reached the services, by its key.
    ///
    /// Checks that none was done twice: one that is harmful to repeat has been called once.
    pub(super) fn effects(&self) -> Value {
        let world = self.world();
        let effect = |(key, known): (&EffectKey, &Known)| {
            let Known { operation, request, reply, calls } = known;
            let harmful = self.is_harmful(operation, request) && matches!(reply, Reply::Done(_));
            assert!(!harmful || *calls == 1, "{key} was done {calls} times: {operation} {request}");
            (key.to_string(), json!({ "operation": operation, "request": request }))
        };
        Value::Object(world.known.iter().map(effect).collect())
    }

    /// Whether a repeat would do once more what has been done.
    pub(super) fn is_harmful(&self, operation: &str, request: &Value) -> bool {
        match operation {
            "send" => true,
            "openapi" => self.rule(request).is_some_and(|rule| rule.harmful),
            "mcp" => request["method"] == "tools/call",
            "a2a" => request["method"] == "message/send",
            _ => false,
        }
    }

    fn rule(&self, request: &Value) -> Option<&Rule> {
        let text = request.to_string();
        self.rules.iter().find(|rule| text.contains(rule.contains))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is asked, once for a key, and gives the answer.
    fn answer(&self, call: &Call<'_>) -> Reply {
        let mut world = self.world();
        if let Some(known) = world.known.get_mut(&call.key) {
            assert_eq!(&known.request, call.request, "another request under the key {}", call.key);
            known.calls += 1;
            return known.reply.clone();
        }
        let reply = match self.rule(call.request) {
            None => Reply::Done(json!({ "ok": true })),
            Some(rule) => {
                let met = world.met.entry(rule.contains).or_default();
                let at = (*met).min(rule.replies.len() - 1);
                *met += 1;
                rule.replies[at].clone()
            }
        };
        let (operation, request) = (call.operation.to_owned(), call.request.clone());
        world.known.insert(call.key, Known { operation, request, reply: reply.clone(), calls: 1 });
        reply
    }
}

#[async_trait]
impl Connector for Service {
    fn name(&self) -> &'static str {
        self.real.name()
    }

    fn operations(&self) -> &'static [&'static str] {
        self.real.operations()
    }

    fn policy(&self, operation: &str) -> Policy {
        self.real.policy(operation)
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let reply = self.answer(&call);
        pause(self.rule(call.request).map_or(0, |rule| rule.after_ms)).await;
        match reply {
            Reply::Done(body) => Ok(body),
            Reply::Status(status) => {
                let (code, message) = (format!("http_{status}").into(), "not now".to_owned());
                match status {
                    503 => Err(CallError::Failed { code, message }),
                    _ => Err(CallError::Refused { code, message }),
                }
            }
        }
    }

    async fn verify(&self, call: Call<'_>) -> Result<Verified, CallError> {
        match self.is_harmful(call.operation, call.request) {
            false => Ok(Verified::NotDone),
            true => {
                let message = "a repeat could do once more what has been done".to_owned();
                Err(CallError::Unknown { code: "cannot_verify".into(), message })
            }
        }
    }
}
