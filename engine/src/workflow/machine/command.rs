//! The commands of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::event::RunEvent;
use super::scene::Scene;
use super::state::RunState;
use super::terms::After;
use super::turn::{Bench, Turn};
use crate::entity::invalid;
use crate::id::StreamId;
use crate::journal::{Json, Rejected, RejectionKind};

/// What a run can be told to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum RunCommand {
    /// Starts a run of a workflow.
    Start {
        /// The workflow's name.
        workflow: String,
        /// Its version; the latest if absent.
        #[serde(default)]
        version: Option<String>,
        /// The input.
        #[serde(default)]
        input: Value,
        /// What starts it: a rule, a person, another stream.
        #[serde(default)]
        cause: Option<String>,
        /// A key by which it can be found.
        #[serde(default)]
        key: Option<String>,
        /// The namespace that the workflow must have.
        #[serde(default)]
        namespace: Option<String>,
        /// The run that waits for its end.
        #[serde(default)]
        #[schemars(with = "Option<String>")]
        parent: Option<StreamId>,
    },
    /// Brings the run events of a topic.
    Hear {
        /// The topic.
        #[schemars(with = "String")]
        topic: StreamId,
        /// The events, in the JSON format of CloudEvents.
        events: Vec<Value>,
    },
    /// Tells the run how a run ended that it has started.
    ChildEnded {
        /// The other run.
        #[schemars(with = "String")]
        child: StreamId,
        /// Its status, with its output or error.
        ending: Value,
    },
    /// Gives the run a signal.
    Signal {
        /// The signal's name, as the workflow listens to it.
        name: String,
        /// What it brings.
        #[serde(default)]
        data: Value,
    },
    /// Ends the run; a saga is undone first.
    Cancel {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Ends the run at once; nothing is undone.
    Terminate {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Holds the run: what is under way may end, nothing new begins.
    Pause {
        /// Whether its timers go on meanwhile.
        #[serde(default)]
        timers: PausedTimers,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Lets a paused run go on.
    Resume {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Tries again what failed: the task with which the run ended in an error, or what could not be undone.
    Retry {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Completes an active task, or the one that failed, without doing what it does; or takes what could not be
    /// undone for undone: a person has seen to it.
    Skip {
        /// The task, by its instance path or its JSON pointer; the one that failed, or what could not be undone, if
        /// absent.
        #[serde(default)]
        task: Option<String>,
        /// What it puts out; its input if absent.
        #[serde(default)]
        output: Option<Value>,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Changes the run's context by a JSON Merge Patch (RFC 7396), or the input of an active task.
    Patch {
        /// The patch of the context.
        #[serde(default)]
        context: Option<Value>,
        /// The task whose input is changed, by its instance path or its JSON pointer.
        #[serde(default)]
        task: Option<String>,
        /// The task's new input.
        #[serde(default)]
        input: Option<Value>,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Goes on with another task of a list in which one is active; that one is cancelled.
    Move {
        /// The task to go on with, by its JSON pointer.
        to: String,
        /// The data that it begins with; that of the task that is left if absent.
        #[serde(default)]
        input: Option<Value>,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Goes on in another version of the workflow.
    Migrate {
        /// The version; the latest if absent.
        #[serde(default)]
        version: Option<String>,
        /// For tasks that the run is in and that are gone: which task of the same list it goes on with, by JSON
        /// pointers from the old version to the new.
        #[serde(default)]
        tasks: BTreeMap<String, String>,
        /// True to be told what would become of the run, and nothing else.
        #[serde(default)]
        dry_run: bool,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
}

/// What a pause does to the timers of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PausedTimers {
    /// They go on: what comes due meanwhile comes at once when the run goes on.
    #[default]
    Keep,
    /// They stand still: all comes so much later as the pause was long.
    Freeze,
}

/// Where a run comes from.
#[derive(Debug, Clone, Default)]
pub(in crate::workflow) struct From {
    /// What started it.
    pub(in crate::workflow) cause: Option<String>,
    /// The key under which it was started.
    pub(in crate::workflow) key: Option<String>,
    /// The run that waits for its end.
    pub(in crate::workflow) parent: Option<StreamId>,
}

/// Starts a run; the version has been chosen.
///
/// # Errors
///
/// `invalid_input`, when the input does not fit the workflow's schema.
pub(in crate::workflow) fn start<'a>(
    input: Value,
    from: From,
    bench: Bench<'a>,
) -> Result<Turn<'a>, Rejected> {
    let definition = bench.definition;
    if let Some(schema) = &definition.input.schema {
        let misfit = |reason| format!("the input does not fit the schema of `{}`: {reason}", definition.name);
        schema.check(&input).map_err(|reason| invalid("invalid_input", misfit(reason)))?;
    }
    let input = Arc::new(input);
    let started = |data, deadline| RunEvent::Started {
        workflow: definition.name.clone(),
        version: definition.version.clone(),
        digest: definition.digest.clone(),
        input: input.clone(),
        data,
        saga: definition.saga,
        deadline,
        cause: from.cause.clone(),
        key: from.key.clone(),
        parent: from.parent,
    };
    // The formulas of the head see the run, so a run without them comes first.
    let probe = Turn::begin(started(None, None), bench);
    let formula = definition.input.formula.as_ref();
    let data = formula.map(|formula| probe.evaluate(formula, &input, &Scene::default())).transpose();
    let span = definition.timeout.as_ref();
    let span = span.map(|span| probe.span(span, &input, &Scene::default())).transpose();
    let (data, span, error) = match (data, span) {
        (Ok(data), Ok(span)) => (data.map(Arc::new), span, None),
        (Err(e), _) | (_, Err(e)) => (None, None, Some(e)),
    };
    let deadline = span.map(|span| bench.cx.now.plus(span));
    let mut turn = Turn::begin(started(data, deadline), bench);
    let error = error.or_else(|| turn.set_first_attributes().err());
    match error {
        Some(error) => turn.fault("", error),
        None => turn.run(),
    }
    Ok(turn)
}

impl Turn<'_> {
    /// Carries a command for a run that exists out, and gives the answer.
    ///
    /// # Errors
    ///
    /// Why it is refused; nothing has changed.
    pub(in crate::workflow) fn command(&mut self, command: RunCommand) -> Result<Value, Rejected> {
        let command = match command {
            RunCommand::Retry { reason } if self.state.failed.is_some() => return self.reopen(reason),
            RunCommand::Skip { task: None, output, reason } if self.state.failed.is_some() => {
                return self.skip_failed(output, reason);
            }
            // What comes for a run that may be taken up again is kept for it.
            RunCommand::ChildEnded { child, ending } if self.state.failed.is_some() => {
                self.child_ended(child, ending);
                return Ok(self.go_on_after_act());
            }
            RunCommand::Hear { topic, events } if self.state.failed.is_some() => {
                self.hear_events(topic, events);
                return Ok(self.go_on_after_act());
            }
            other => other,
        };
        if self.state.end.is_some() {
            let status = self.state.status().name();
            return Err(conflict("run_ended", format!("the run has ended: it is {status}")));
        }
        match command {
            // It takes both versions, and does not come here.
            RunCommand::Migrate { .. } => {
                return Err(conflict("not_migrated", "the run cannot go on in another version now".into()));
            }
            RunCommand::Start { .. } => {
                return Err(conflict("run_exists", "the run has begun already".into()));
            }
            RunCommand::Hear { topic, events } => self.hear_events(topic, events),
            RunCommand::ChildEnded { child, ending } => self.child_ended(child, ending),
            RunCommand::Signal { name, data } => self.signal(name, data)?,
            RunCommand::Cancel { reason } => self.cancel(reason),
            RunCommand::Terminate { reason } => {
                self.emit(RunEvent::CancelRequested { reason: reason.clone(), terminate: true });
                self.emit(RunEvent::Cancelled { reason });
            }
            RunCommand::Pause { timers, reason } => {
                if self.state.paused.is_none() {
                    self.emit(RunEvent::Paused { freeze: timers == PausedTimers::Freeze, reason });
                }
            }
            RunCommand::Resume { reason } => {
                if self.state.paused.is_some() {
                    self.emit(RunEvent::Resumed { reason });
                }
            }
            RunCommand::Retry { .. } => {
                let again = |call| RunEvent::CompensationRetried { call, asked: true };
                self.attend(again, "nothing_to_retry")?;
            }
            RunCommand::Skip { task: None, .. } => {
                let over = |call| RunEvent::CompensationEnded { call, undone: false };
                self.attend(over, "nothing_to_skip")?;
            }
            RunCommand::Skip { task: Some(task), output, reason } => {
                let at = self.active(&task)?;
                self.may_skip(&at)?;
                self.skip(at, output, reason);
            }
            RunCommand::Patch { context, task, input, reason } => self.patch(context, task, input, reason)?,
            RunCommand::Move { to, input, reason } => self.move_to(&to, input, reason)?,
        }
        Ok(self.go_on_after_act())
    }

    pub(super) fn go_on_after_act(&mut self) -> Value {
        self.run();
        json!({ "status": self.state.status().name() })
    }

    fn signal(&mut self, name: String, data: Value) -> Result<(), Rejected> {
        if !self.definition.signals.contains(&name) && !self.definition.hears_all {
            let known: Vec<&str> = self.definition.signals.iter().map(String::as_str).collect();
            let message = match known.join("`, `") {
                none if none.is_empty() => "the workflow listens to no signals".to_owned(),
                names => format!("the workflow does not listen to `{name}`, but to `{names}`"),
            };
            return Err(invalid("unknown_signal", message));
        }
        let most = self.limits.signals;
        if self.state.signals.len() >= most {
            let message = format!("{most} signals are waiting for their listeners, the most that are kept");
            return Err(conflict("too_many_signals", message));
        }
        let number = self.state.last_signal + 1;
        self.emit(RunEvent::SignalReceived { number, name, data: Arc::new(data), event: false });
        Ok(())
    }

    fn cancel(&mut self, reason: Option<String>) {
        self.emit(RunEvent::CancelRequested { reason: reason.clone(), terminate: false });
        if self.is_undoing("") {
            return;
        }
        let calls = self.state.to_unwind("");
        let event = match calls.is_empty() {
            true => RunEvent::Cancelled { reason },
            false => {
                RunEvent::UnwindingStarted { path: String::new(), calls, then: After::Cancel { reason } }
            }
        };
        self.emit(event);
    }

    /// Does something about each call whose undoing a person was asked to see to.
    fn attend(&mut self, what: impl Fn(u64) -> RunEvent, code: &'static str) -> Result<(), Rejected> {
        let calls = self.state.stuck_calls();
        if calls.is_empty() {
            return Err(conflict(code, "nothing of the run waits for a person".to_owned()));
        }
        for call in calls {
            self.emit(what(call));
        }
        Ok(())
    }
}

impl RunState {
    /// The calls whose undoing has failed for good.
    fn stuck_calls(&self) -> Vec<u64> {
        let stuck = self.calls.iter().filter(|(_, call)| call.undo.as_ref().is_some_and(|undo| undo.stuck));
        stuck.map(|(number, _)| *number).collect()
    }
}

pub(super) fn conflict(code: &'static str, message: String) -> Rejected {
    Rejected { kind: RejectionKind::Conflict, code: code.into(), message, detail: Json::null() }
}
