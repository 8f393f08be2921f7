//! Every metric and span, once.
//!
//! Spans are of the level `debug`, so that a server which logs at `info` does not pay for them; all carry what they are
//! about as fields.

/// Span of a request at the edge: `request`, `method`, `route`.
pub const SPAN_REQUEST: &str = "request";
/// Span of a command, timer, answer or effect's outcome that an entity or run decides on: `tenant`, `stream`, `input`,
/// `causation`, `correlation`, `trace`.
pub const SPAN_COMMAND: &str = "command";
/// Span of a commit: `entries`.
pub const SPAN_APPEND: &str = "append";
/// Span of a transition of a run, within that of its command: `tenant`, `run`, `workflow`, `version`.
pub const SPAN_TRANSITION: &str = "transition";
/// Span of one call of an effect: `tenant`, `stream`, `connector`, `operation`, `key`, `attempt`, `correlation`, `trace`.
pub const SPAN_EFFECT: &str = "effect";
/// Span of a timer that is due until it has been taken in: `tenant`, `stream`, `timer`.
pub const SPAN_TIMER: &str = "timer";

/// Histogram, seconds: how long a commit took, its sync included.
pub const COMMIT_SECONDS: &str = "promptsales_commit_seconds";
/// Histogram: entries in a commit.
pub const COMMIT_ENTRIES: &str = "promptsales_commit_entries";
/// Counter: commits that failed as a whole.
pub const COMMIT_FAILURES: &str = "promptsales_commit_failures_total";
/// Counter: events that were not kept any longer.
pub const EVENTS_TRIMMED: &str = "promptsales_events_trimmed_total";
/// Counter by `kind`: streams that were deleted whole.
pub const STREAMS_DELETED: &str = "promptsales_streams_deleted_total";
/// Counter by `kind` and `outcome`: commands answered.
pub const COMMANDS: &str = "promptsales_commands_total";
/// Counter by `reason`: work refused because a limit was hit.
pub const REFUSED: &str = "promptsales_refused_total";
/// Gauge: commands from outside that may be under way.
pub const ADMISSION_LIMIT: &str = "promptsales_admission_limit";
/// Gauge: commands from outside that are under way.
pub const ADMITTED: &str = "promptsales_admitted";
/// Histogram, seconds: how long commands from outside waited, from their admission to their answer.
pub const QUEUE_AGE: &str = "promptsales_queue_age_seconds";
/// Gauge, bytes: memory that the process holds and no file backs; only where there is a limit.
pub const MEMORY: &str = "promptsales_memory_bytes";
/// Counter: events from outside that were taken in.
pub const EVENTS_TAKEN_IN: &str = "promptsales_events_taken_in_total";
/// Gauge: live entity and run actors.
pub const LIVE: &str = "promptsales_live_actors";
/// Counter by `child`: restarts by a supervisor.
pub const RESTARTS: &str = "promptsales_restarts_total";
/// Counter by `child`: services that did not get on with their work and were ended.
pub const WEDGED: &str = "promptsales_wedged_total";
/// Gauge by `kind` (`timer`, `effect`, `message`, `entity`, `run`): what should have gone on by now and did not.
pub const OVERDUE: &str = "promptsales_overdue";
/// Counter by `kind`: nudges of the watchdog: feeds read again, actors woken again.
pub const NUDGES: &str = "promptsales_nudges_total";
/// Counter: children set aside because they fault too often.
pub const QUARANTINED: &str = "promptsales_quarantined_total";
/// Gauge: entities and runs that are quarantined in what this node owns.
pub const IN_QUARANTINE: &str = "promptsales_in_quarantine";
/// Counter by `act` (`release`, `retry`, `discard`): what operators did about what was set aside.
pub const OPERATOR_ACTS: &str = "promptsales_operator_acts_total";
/// Counter: commands set aside because they bring their entity down.
pub const DEAD_LETTERS: &str = "promptsales_dead_letters_total";
/// Counter by `outcome`: what became of events by rules that want them.
pub const RULE_OUTCOMES: &str = "promptsales_rule_outcomes_total";
/// Counter by `connector` and `outcome`: effects ended.
pub const EFFECTS: &str = "promptsales_effects_total";
/// Counter by `connector`: calls of connectors.
pub const EFFECT_CALLS: &str = "promptsales_effect_calls_total";
/// Counter by `connector`: calls whose outcome is not known.
pub const EFFECT_AMBIGUITIES: &str = "promptsales_effect_ambiguities_total";
/// Gauge by `connector`: circuits that are open.
pub const CIRCUITS_OPEN: &str = "promptsales_circuits_open";
/// Histogram, seconds: how late timers fire.
pub const TIMER_LATENESS: &str = "promptsales_timer_lateness_seconds";
/// Gauge, seconds: how far the engine's clock is ahead of the machine's.
pub const CLOCK_OFFSET: &str = "promptsales_clock_offset_seconds";
/// Counter by `kind`: entities brought to life.
pub const ACTIVATIONS: &str = "promptsales_activations_total";
/// Gauge: partitions that this node owns.
pub const PARTITIONS_OWNED: &str = "promptsales_partitions_owned";
/// Gauge, seconds: how long this node may still serve unless its lease is renewed.
pub const LEASE_REMAINING: &str = "promptsales_lease_remaining_seconds";
/// Counter: partitions taken over.
pub const TAKE_OVERS: &str = "promptsales_take_overs_total";
/// Counter by `reason`: partitions given up or lost.
pub const STEP_DOWNS: &str = "promptsales_step_downs_total";
/// Counter: heartbeats that failed.
pub const HEARTBEAT_FAILURES: &str = "promptsales_heartbeat_failures_total";
/// Counter: times that the store was found to have gone back in time, once by each node that finds it.
pub const REGRESSIONS: &str = "promptsales_journal_regressions_total";
