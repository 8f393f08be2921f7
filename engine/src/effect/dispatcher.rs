//! The dispatcher: carries intended effects out, and their outcomes back to their streams.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use serde_json::Value;
use tracing::Instrument as _;

use super::breaker::{Breaker, CircuitId, Leave};
use super::doors::{Doors, Through};
use super::{
    Call, CallError, Connector, Effect, EffectFailure, EffectKey, EffectOp, EffectOutcome, EffectState,
    OnUnknown, Policy, Verified,
};
use crate::entity::{Dedup, Directory, Fault, Input, again};
use crate::journal::{self, Entry, Journal, Json};
use crate::partition::{Backlog, Carried, Carrier, Owned, Seat};
use crate::runtime::{Config, Context};
use crate::telemetry::names;

/// The longest time that an effect waits for an open circuit before it fails.
const CIRCUIT_PATIENCE: Duration = Duration::from_secs(60);

/// The part of the effects under way that may go to one place, where the connector says what a call goes to: a quarter.
const PLACES: usize = 4;

/// A connector that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connector `{name}` is registered twice")]
pub struct DuplicateConnector {
    /// Its name.
    pub name: &'static str,
}

/// The connectors with the state of their circuits, which all dispatchers of a node share.
pub(crate) type Circuits = Arc<BTreeMap<&'static str, Circuit>>;

/// A connector with the state of its circuits.
pub(crate) struct Circuit {
    pub(crate) connector: Arc<dyn Connector>,
    breaker: Breaker,
    doors: Doors,
}

/// The connectors that effects can call: an explicit list.
#[derive(Clone, Default)]
pub struct Connectors(BTreeMap<&'static str, Arc<dyn Connector>>);

impl Connectors {
    /// A list of connectors.
    ///
    /// # Errors
    ///
    /// [`DuplicateConnector`].
    pub fn new(connectors: Vec<Arc<dyn Connector>>) -> Result<Self, DuplicateConnector> {
        let mut by_name = BTreeMap::new();
        for connector in connectors {
            let name = connector.name();
            if by_name.insert(name, connector).is_some() {
                return Err(DuplicateConnector { name });
            }
        }
        Ok(Self(by_name))
    }

    /// The connectors with closed circuits.
    pub(crate) fn circuits(&self, config: &Config) -> Circuits {
        let circuit = |name, connector: &Arc<dyn Connector>| Circuit {
            connector: connector.clone(),
            breaker: Breaker::new(name, config.breaker_failures, config.breaker_cooldown),
            doors: Doors::new(config.deliveries / PLACES),
        };
        Arc::new(self.0.iter().map(|(name, connector)| (*name, circuit(name, connector))).collect())
    }

    /// Finds a connector that has an operation.
    pub fn get(&self, name: &str, operation: &str) -> Option<&Arc<dyn Connector>> {
        self.0.get(name).filter(|c| c.operations().contains(&operation))
    }
}

/// Carries effects out.
pub struct Dispatcher {
    connectors: Circuits,
    directory: Directory,
    journal: Arc<dyn Journal>,
    owned: Arc<Owned>,
    cx: Context,
    /// How effects ended that their streams could not take in yet: they are not carried out again.
    ended: Mutex<BTreeMap<EffectKey, EffectOutcome>>,
}

impl Dispatcher {
    /// The dispatcher of a partition.
    pub(crate) fn new(
        connectors: Circuits,
        directory: Directory,
        journal: Arc<dyn Journal>,
        owned: Arc<Owned>,
        cx: Context,
    ) -> Self {
        Self { connectors, directory, journal, owned, cx, ended: Mutex::default() }
    }

    fn ended(&self) -> MutexGuard<'_, BTreeMap<EffectKey, EffectOutcome>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how an effect ended, until its stream has taken that in.
    fn note(&self, effect: &Effect, outcome: EffectOutcome) -> EffectOutcome {
        let ended = match &outcome {
            EffectOutcome::Confirmed(_) => "confirmed",
            EffectOutcome::Refused(_) => "refused",
            EffectOutcome::Failed(_) => "failed",
            EffectOutcome::Unknown(_) => "unknown",
        };
        metrics::counter!(names::EFFECTS, "connector" => effect.connector.to_string(), "outcome" => ended)
            .increment(1);
        self.ended().insert(effect.key, outcome.clone());
        outcome
    }

    /// Carries an effect out, as often as its policy allows.
    async fn outcome(&self, effect: &Effect, seat: &mut Seat) -> Result<EffectOutcome, Fault> {
        let found = self.connectors.get(effect.connector.as_ref());
        let found = found.filter(|found| found.connector.operations().contains(&effect.operation.as_ref()));
        let Some(Circuit { connector, breaker, doors }) = found else {
            let message = format!("there is no operation `{}` of `{}`", effect.operation, effect.connector);
            return Ok(EffectOutcome::Refused(EffectFailure { code: "no_such_operation".into(), message }));
        };
        let request = effect.request.value();
        let circuit = circuit_of(&**connector, effect, &request);
        let policy = connector.policy(&effect.operation);
        let calls = Calls { effect, connector, breaker, doors, circuit, policy, cx: &self.cx };
        let mut unknown = None;
        let is_older = self.journal.info().resumed_at.is_some_and(|resumed| effect.at <= resumed);
        if is_older || matches!(effect.state, EffectState::Dispatched { .. }) {
            match calls.look_back(&request, calls.on_unknown(is_older)).await {
                LookBack::Ended(outcome) => return Ok(outcome),
                LookBack::CallAgain => {}
            }
        }
        let mut attempt = effect.attempts;
        loop {
            attempt += 1;
            let leave = calls.leave(seat).await;
            // What still waits for its circuit, or is never let through, was not dispatched.
            if leave.is_ok() && calls.policy.on_unknown != OnUnknown::Retry {
                self.note_dispatch(effect, attempt).await?;
            }
            if !self.owned.serves() {
                // Another node may be about to make the same call.
                return Err(Fault::NotOwner { address: None });
            }
            let called = match leave {
                Ok((leave, _through)) => calls.once(&request, attempt, leave).await,
                Err(error) => Err(error),
            };
            let error = match called {
                Ok(answer) => return Ok(EffectOutcome::Confirmed(Json::from(&answer))),
                Err(error) => error,
            };
            let failure = match error {
                CallError::Refused { code, message } => {
                    return Ok(EffectOutcome::Refused(EffectFailure { code, message }));
                }
                CallError::Failed { code, message } => EffectFailure { code, message },
                CallError::Unknown { code, message } => {
                    let failure = EffectFailure { code, message };
                    metrics::counter!(names::EFFECT_AMBIGUITIES, "connector" => connector.name())
                        .increment(1);
                    unknown = Some(failure.clone());
                    if calls.policy.on_unknown != OnUnknown::Retry {
                        match calls.look_back(&request, calls.policy.on_unknown).await {
                            LookBack::Ended(outcome) => return Ok(outcome),
                            LookBack::CallAgain => unknown = None,
                        }
                    }
                    failure
                }
            };
            if attempt > effect.attempts + calls.policy.retries {
                // After an unknown call under the same key, a later failure does not prove that nothing was done.
                return Ok(unknown.map_or(EffectOutcome::Failed(failure), EffectOutcome::Unknown));
            }
            let doublings = 2_u32.pow((attempt - effect.attempts - 1).min(10));
            seat.aside(self.cx.sleep(self.cx.jitter(calls.policy.backoff * doublings))).await;
        }
    }

    /// Commits that a call begins, for connectors where a repeat is not safe.
    async fn note_dispatch(&self, effect: &Effect, attempt: u32) -> Result<(), Fault> {
        let mut entry = Entry::new(effect.stream.clone(), self.cx.now());
        let epoch = self.owned.fence().epoch;
        entry.effects.push(EffectOp::Dispatch { key: effect.key, epoch, attempt });
        let appended = self.owned.append(entry).await;
        appended.map(|_| ()).map_err(|e| Fault::Unavailable { reason: e.to_string() })
    }
}

fn call_of<'a>(effect: &'a Effect, request: &'a Value, attempt: u32) -> Call<'a> {
    let Effect { key, stream, operation, origin, .. } = effect;
    Call { key: *key, stream, origin, operation, request, attempt }
}

/// The circuit of an effect's calls; the connector's own where the connector panics over it, as it will at the call.
fn circuit_of(connector: &dyn Connector, effect: &Effect, request: &Value) -> CircuitId {
    let call = call_of(effect, request, effect.attempts);
    let place = std::panic::catch_unwind(AssertUnwindSafe(|| connector.circuit(&call)));
    CircuitId::new(&effect.stream.tenant, place.ok().flatten().as_deref())
}

/// Whether the circuit of an effect's calls is open.
pub(crate) fn is_held_back(circuits: &Circuits, effect: &Effect) -> bool {
    circuits.get(effect.connector.as_ref()).is_some_and(|Circuit { connector, breaker, .. }| {
        breaker.is_open(circuit_of(&**connector, effect, &effect.request.value()))
    })
}

enum LookBack {
    Ended(EffectOutcome),
    CallAgain,
}

/// The calls of one effect.
struct Calls<'a> {
    effect: &'a Effect,
    connector: &'a Arc<dyn Connector>,
    breaker: &'a Breaker,
    doors: &'a Doors,
    circuit: CircuitId,
    policy: Policy,
    cx: &'a Context,
}

impl Calls<'_> {
    fn call<'r>(&'r self, request: &'r Value, attempt: u32) -> Call<'r> {
        call_of(self.effect, request, attempt)
    }

    /// Makes one call, within its deadline and with the circuit's leave.
    async fn once(&self, request: &Value, attempt: u32, leave: Leave<'_>) -> Result<Value, CallError> {
        metrics::counter!(names::EFFECT_CALLS, "connector" => self.connector.name()).increment(1);
        let call = self.connector.call(self.call(request, attempt)).instrument(self.span(attempt));
        let answered = tokio::time::timeout(self.policy.deadline, guarded(call)).await;
        let unknown = |code: &'static str, message| Err(CallError::Unknown { code: code.into(), message });
        let result = match answered {
            Ok(Some(result)) => result,
            Ok(None) => unknown("panicked", format!("the connector `{}` panicked", self.connector.name())),
            Err(_) => {
                unknown("deadline", format!("no answer within {} ms", self.policy.deadline.as_millis()))
            }
        };
        let ok = matches!(result, Ok(_) | Err(CallError::Refused { .. }));
        leave.note(ok, self.cx.monotonic());
        result
    }

    fn span(&self, attempt: u32) -> tracing::Span {
        let Effect { stream, operation, key, origin, .. } = self.effect;
        tracing::debug_span!(
            names::SPAN_EFFECT,
            tenant = %stream.tenant,
            stream = %stream.id,
            connector = self.connector.name(),
            %operation,
            %key,
            attempt,
            correlation = %origin.correlation,
            trace = origin.trace.as_deref(),
        )
    }

    /// Waits for the circuit, up to a limit, and for the door. What waits holds up no calls that go elsewhere.
    async fn leave(&self, seat: &mut Seat) -> Result<(Leave<'_>, Through), CallError> {
        let begun = self.cx.monotonic();
        loop {
            let wait = match self.breaker.ask(self.circuit, self.cx.monotonic()) {
                Ok(leave) => match self.through(leave, seat).await {
                    Some(passed) => return Ok(passed),
                    None => continue,
                },
                Err(wait) => wait,
            };
            if begun.elapsed() + wait > CIRCUIT_PATIENCE {
                let (operation, connector) = (&self.effect.operation, self.connector.name());
                let message = format!("the circuit in front of `{operation}` of `{connector}` is open");
                return Err(CallError::Failed { code: "circuit_open".into(), message });
            }
            seat.aside(self.cx.sleep(self.cx.jitter(wait) + wait / 2)).await;
        }
    }

    /// Goes through the door. Where it had to be waited for, the circuit has the last word again.
    async fn through<'b>(&'b self, leave: Leave<'b>, seat: &mut Seat) -> Option<(Leave<'b>, Through)> {
        let Some(door) = self.doors.of(self.circuit) else { return Some((leave, None)) };
        if let Ok(through) = door.clone().try_acquire_owned() {
            return Some((leave, Some(through)));
        }
        drop(leave);
        // Who waited in its seat for one that waits for a seat would wait for ever: it goes through without.
        let through = seat.aside_if_room(door.acquire_owned()).await.and_then(Result::ok);
        let leave = self.breaker.ask(self.circuit, self.cx.monotonic()).ok()?;
        Some((leave, through))
    }

    /// What to do about a call of which nothing is known. One that was open in a copy of the store may have been
    /// carried out long since, and the outside may have forgotten its key: it is never just made again.
    fn on_unknown(&self, is_older: bool) -> OnUnknown {
        match self.policy.on_unknown {
            OnUnknown::Retry if is_older => OnUnknown::Verify,
            on_unknown => on_unknown,
        }
    }

    /// Decides on a call whose outcome is not known.
    async fn look_back(&self, request: &Value, on_unknown: OnUnknown) -> LookBack {
        let parked = |message: String| {
            LookBack::Ended(EffectOutcome::Unknown(EffectFailure { code: "unknown".into(), message }))
        };
        match on_unknown {
            OnUnknown::Retry => LookBack::CallAgain,
            OnUnknown::Park => parked("it is not known whether the call was carried out".to_owned()),
            OnUnknown::Verify => {
                for tries in 0..=self.policy.retries {
                    let call = self.connector.verify(self.call(request, self.effect.attempts));
                    match tokio::time::timeout(self.policy.deadline, guarded(call)).await {
                        Ok(Some(Ok(Verified::Done(answer)))) => {
                            return LookBack::Ended(EffectOutcome::Confirmed(Json::from(&answer)));
                        }
                        Ok(Some(Ok(Verified::NotDone))) => return LookBack::CallAgain,
                        Ok(Some(Err(_)) | None) | Err(_) => {
                            self.cx
                                .sleep(self.cx.jitter(self.policy.backoff * 2_u32.pow(tries.min(10))))
                                .await;
                        }
                    }
                }
                parked("it could not be verified whether the call was carried out".to_owned())
            }
        }
    }
}

/// Runs a connector's code; `None` where it panics, of which nothing is known but that it ended there.
async fn guarded<T>(call: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(call).catch_unwind().await.ok()
}

#[async_trait]
impl Carrier for Dispatcher {
    type Item = Effect;
    type Key = EffectKey;
    const NAME: &'static str = "effects";

    fn owned(&self) -> &Arc<Owned> {
        &self.owned
    }

    fn feed(&self) -> &Backlog<Effect> {
        &self.owned.feeds().effects
    }

    fn key(effect: &Effect) -> EffectKey {
        effect.key
    }

    async fn page(&self, after: u64, limit: usize) -> Result<Vec<(u64, Effect)>, journal::Error> {
        self.journal.open_effects(self.owned.partition(), after, limit).await
    }

    async fn carry(&self, effect: &Effect, tries: u32, seat: &mut Seat) -> Carried {
        let known = self.ended().get(&effect.key).cloned();
        let outcome = match known {
            Some(outcome) => outcome,
            None => match self.outcome(effect, seat).await {
                Ok(outcome) => self.note(effect, outcome),
                Err(fault) => return again(&fault, tries),
            },
        };
        let origin = Arc::new(effect.origin.caused(&effect.key.to_string(), "effects"));
        let input = Input::Effect { key: effect.key, outcome };
        match self.directory.deliver_within(&effect.stream, input, origin, Dedup::None).await {
            Ok(_) => {
                self.ended().remove(&effect.key);
                Carried::Done
            }
            // Others go on meanwhile: a stream that is quarantined may take it in much later.
            Err(fault) => again(&fault, tries),
        }
    }
}
