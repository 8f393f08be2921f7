//! What can have happened to a run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::terms::{After, CallEnd, Data, Go, Part, TaskType};
use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::workflow::action::{StepResult, WorkflowError};

/// An event of a run. The names are part of what is stored; so are the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum RunEvent {
    /// The run began, pinned to a version.
    Started {
        /// The workflow's name.
        workflow: String,
        /// Its version.
        version: String,
        /// The digest of its text.
        digest: String,
        /// The raw input.
        input: Data,
        /// The input as reshaped; absent if it is the raw one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        data: Option<Data>,
        /// True if the whole run is a saga.
        #[serde(default, skip_serializing_if = "is_false")]
        saga: bool,
        /// When it times out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// What started it: a rule, a person, another stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        /// The key under which it was started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The run that waits for its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        parent: Option<StreamId>,
    },
    /// A task began. Its raw input is what its list had at that point.
    TaskStarted {
        /// Its instance path.
        path: String,
        /// The path without the attempts of the `try`s around it; absent if it is the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The path of the task that it belongs to; empty for the run itself.
        parent: String,
        /// The part of that task.
        part: Part,
        /// Its type.
        #[serde(rename = "type")]
        kind: TaskType,
        /// The input as reshaped; absent if it is the raw one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        input: Option<Data>,
        /// When it times out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// True if it is a scope that compensates.
        #[serde(default, skip_serializing_if = "is_false")]
        saga: bool,
        /// True if it tries again.
        #[serde(default, skip_serializing_if = "is_false")]
        retries: bool,
        /// When its first attempt times out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt_deadline: Option<Timestamp>,
    },
    /// A task's condition did not hold; its raw input went on as its output.
    TaskSkipped {
        /// Its instance path.
        path: String,
        /// As with [`RunEvent::TaskStarted`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// As with [`RunEvent::TaskStarted`].
        parent: String,
        /// As with [`RunEvent::TaskStarted`].
        part: Part,
        /// Its type.
        #[serde(rename = "type")]
        kind: TaskType,
        /// Where its list goes on.
        go: Go,
    },
    /// A task completed; what was still active inside of it was cancelled.
    TaskCompleted {
        /// Its instance path.
        path: String,
        /// Its output as reshaped; absent if it is what came out of its own tasks, or else its input.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Data>,
        /// The run's new context; absent if it did not change.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        context: Option<Data>,
        /// Where its list goes on.
        go: Go,
        /// Where the task around it goes on, once its list is through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<String>,
    },
    /// A task ended in an error; what was still active inside of it was cancelled.
    TaskFaulted {
        /// Its instance path.
        path: String,
        /// The error.
        error: WorkflowError,
        /// True if nothing caught it: the run ends with it, and the task is kept, so that it can be tried again.
        #[serde(default, skip_serializing_if = "is_false")]
        kept: bool,
    },
    /// A loop knows its items.
    LoopStarted {
        /// The task.
        path: String,
        /// The items, an array.
        items: Data,
        /// How many go at once; absent if they go one after the other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parallel: Option<u32>,
    },
    /// A fork is about to open its branches.
    ForkStarted {
        /// The task.
        path: String,
        /// How many.
        branches: u64,
        /// True if the first to complete decides.
        compete: bool,
    },
    /// A wait began.
    WaitStarted {
        /// The task.
        path: String,
        /// When it is over.
        until: Timestamp,
    },
    /// A task sent an event.
    EventEmitted {
        /// The task.
        path: String,
        /// The event, in the JSON format of CloudEvents.
        event: Data,
    },
    /// A task waits for events.
    ListenStarted {
        /// The task.
        path: String,
        /// Their types, in words.
        signal: String,
        /// The topics at which it listens.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(with = "Vec<String>")]
        topics: Vec<StreamId>,
        /// True if there are tasks for each event.
        #[serde(default, skip_serializing_if = "is_false")]
        foreach: bool,
    },
    /// A signal or an event came.
    SignalReceived {
        /// Its number in the run, from 1.
        number: u64,
        /// Its name, or the event's type.
        name: String,
        /// What it brought; of an event all of it.
        data: Data,
        /// True if it is an event in the JSON format of CloudEvents.
        #[serde(default, skip_serializing_if = "is_false")]
        event: bool,
    },
    /// A signal or event was let go, to make room for newer ones.
    SignalDropped {
        /// The signal.
        number: u64,
    },
    /// A task took a signal or an event; nobody else will get it.
    SignalConsumed {
        /// The signal.
        number: u64,
        /// The task.
        path: String,
        /// Which of the task's filters it met; those of `until` are counted behind the others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<usize>,
        /// What the task reads of it; absent for what it brought.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        data: Option<Data>,
        /// The correlations that it sets.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        keys: BTreeMap<String, Value>,
        /// True if it counts towards the end alone, and is no part of the output.
        #[serde(default, skip_serializing_if = "is_false")]
        ends: bool,
        /// True if the task takes no more.
        #[serde(default, skip_serializing_if = "is_false")]
        closes: bool,
    },
    /// A task calls an action.
    CallStarted {
        /// The task.
        path: String,
        /// The call's number in the run, from 1.
        call: u64,
        /// The action.
        action: String,
        /// Its arguments.
        arguments: Data,
        /// True if it is taken back when its saga unwinds.
        compensates: bool,
    },
    /// A later attempt takes a call up again where it ended.
    CallResumed {
        /// The task of the later attempt.
        path: String,
        /// The call.
        call: u64,
        /// Under which its steps from here on are recognised.
        generation: u32,
        /// How many of its steps stand.
        kept: usize,
        /// New arguments, where no step stands.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        arguments: Option<Data>,
    },
    /// A step of a call, or of its undoing, was sent.
    StepRequested {
        /// The call.
        call: u64,
        /// True in its undoing.
        undo: bool,
        /// The step, from 0.
        step: usize,
        /// The message's or effect's id.
        id: String,
        /// The stream, or the connector.
        target: String,
        /// The command, or the operation.
        name: String,
    },
    /// A step came back.
    StepAnswered {
        /// The call.
        call: u64,
        /// True in its undoing.
        undo: bool,
        /// The step, from 0.
        step: usize,
        /// How it ended.
        #[schemars(with = "Value")]
        result: StepResult,
    },
    /// A run that a call has started told of its end before the answer to the start came.
    ChildEnded {
        /// The other run.
        #[schemars(with = "String")]
        child: StreamId,
        /// How it ended.
        ending: Data,
    },
    /// A call ended.
    CallEnded {
        /// The call.
        call: u64,
        /// How.
        end: CallEnd,
        /// Its output, where its compensation may need it.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Data>,
    },
    /// A `try` caught an error, and goes on.
    ErrorCaught {
        /// The task.
        path: String,
        /// The error.
        error: WorkflowError,
        /// True if it has tasks for it.
        handles: bool,
    },
    /// A `try` caught an error, and will try again.
    RetryScheduled {
        /// The task.
        path: String,
        /// The number of the attempt to come; the first was 1.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// The error.
        error: WorkflowError,
    },
    /// A `try` tries again.
    RetryStarted {
        /// The task.
        path: String,
        /// The number of the attempt.
        attempt: u32,
        /// When this attempt times out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// What was done within a task is to be undone, last first; its own tasks were cancelled.
    UnwindingStarted {
        /// The task; empty for the run itself.
        path: String,
        /// The calls, in the order in which they began.
        calls: Vec<u64>,
        /// What comes then.
        then: After,
    },
    /// The undoing of a call began.
    CompensationStarted {
        /// The call.
        call: u64,
    },
    /// The undoing of a call failed.
    CompensationFailed {
        /// The call.
        call: u64,
        /// How often it has failed.
        attempt: u32,
        /// Why.
        error: WorkflowError,
        /// When it is tried again; absent if a person must see to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// How many of the undoing's steps stand.
        kept: usize,
        /// Under which its steps from here on are recognised.
        generation: u32,
    },
    /// The undoing of a call is tried again: its time came, or a person asked for it.
    CompensationRetried {
        /// The call.
        call: u64,
        /// True if a person asked; it then has all its attempts again.
        asked: bool,
    },
    /// A call is undone, or there was nothing to undo.
    CompensationEnded {
        /// The call.
        call: u64,
        /// True if something was undone.
        undone: bool,
    },
    /// A person paused the run.
    Paused {
        /// True if time stands still for it: what it waits for comes so much later as the pause was long.
        #[serde(default, skip_serializing_if = "is_false")]
        freeze: bool,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person let the run go on.
    Resumed {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person had the run go on that had ended in an error.
    Reopened {
        /// The task that is tried again.
        path: String,
        /// When tasks time out, and the run (under the empty path), whose time had run out.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        deadlines: BTreeMap<String, Timestamp>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person completed a task in the place of what it does.
    SkipRequested {
        /// The task.
        path: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person changed the run's data.
    DataPatched {
        /// The new context; absent if it stays.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        context: Option<Data>,
        /// The task whose input is changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Its new input.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        input: Option<Data>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person had the run go on with another task; the one that was active in its list was cancelled.
    Moved {
        /// The list.
        list: String,
        /// The task's place in it.
        to: usize,
        /// The data that it begins with.
        data: Data,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run goes on in another version of its workflow.
    Migrated {
        /// The version.
        version: String,
        /// The digest of its text.
        digest: String,
        /// The JSON pointers of the tasks that are in both versions, from the old to the new.
        tasks: BTreeMap<String, String>,
        /// The lists that go on with another task, by their old instance paths, and its place in the new version.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        turns: BTreeMap<String, usize>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody asked for the run's end.
    CancelRequested {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// True if nothing is undone.
        #[serde(default, skip_serializing_if = "is_false")]
        terminate: bool,
    },
    /// The run used its share of one transition up; it goes on by itself.
    Yielded {
        /// When.
        at: Timestamp,
    },
    /// What the run is found by changed.
    AttributesSet {
        /// The task that says so; empty for the run itself.
        path: String,
        /// The new values; null takes one away.
        attributes: BTreeMap<String, Value>,
    },
    /// The run went on after it had yielded.
    Continued {},
    /// The run ended well.
    Completed {
        /// Its output.
        output: Data,
    },
    /// The run ended in an error.
    Faulted {
        /// The error.
        error: WorkflowError,
        /// The task that can be tried again; absent if none can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<String>,
    },
    /// The run ended in an error, and all that it did has been undone.
    Compensated {
        /// The error.
        error: WorkflowError,
    },
    /// The run was cancelled, and what had to be undone is undone.
    Cancelled {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// Every event's wire name with the current version of its shape.
pub const EVENTS: &[(&str, u16)] = &[
    ("started", 1),
    ("task-started", 1),
    ("task-skipped", 1),
    ("task-completed", 1),
    ("task-faulted", 1),
    ("loop-started", 1),
    ("fork-started", 1),
    ("wait-started", 1),
    ("event-emitted", 1),
    ("listen-started", 1),
    ("signal-received", 1),
    ("signal-dropped", 1),
    ("signal-consumed", 1),
    ("call-started", 1),
    ("call-resumed", 1),
    ("step-requested", 1),
    ("step-answered", 1),
    ("child-ended", 1),
    ("call-ended", 1),
    ("error-caught", 1),
    ("retry-scheduled", 1),
    ("retry-started", 1),
    ("unwinding-started", 1),
    ("compensation-started", 1),
    ("compensation-failed", 1),
    ("compensation-retried", 1),
    ("compensation-ended", 1),
    ("paused", 1),
    ("resumed", 1),
    ("reopened", 1),
    ("skip-requested", 1),
    ("data-patched", 1),
    ("moved", 1),
    ("migrated", 1),
    ("cancel-requested", 1),
    ("attributes-set", 1),
    ("yielded", 1),
    ("continued", 1),
    ("completed", 1),
    ("faulted", 1),
    ("compensated", 1),
    ("cancelled", 1),
];

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Tells a `null` that is there from a field that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    Data::deserialize(deserializer).map(Some)
}
