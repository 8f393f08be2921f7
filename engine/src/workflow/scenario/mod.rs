//! Scenarios: what a workflow is to do when its actions give these results. No server, no journal, no waiting.
//!
//! A scenario starts a run of a definition, answers its calls from a script, sends signals and commands at their
//! times, and says what must have come of it. Time is virtual: it jumps to whatever is due next. The same scenario
//! always gives the same report.
//!
//! A file holds one scenario, a list of them, or several documents. Fields that are not known are refused.
//!
//! ```yaml
//! name: The order is refused, and the stock is given back
//! input: { items: 3 }
//! actions:
//!   stock.reserve:                     # by the action's name
//!     - output: { id: s1, items: '${ .items }' }
//!   payOnce:                           # or by the task's: name, JSON pointer or instance path
//!     - error: { code: unreachable, status: 503 }
//!     - error: { code: card_refused, status: 422, detail: no money }
//! signals:
//!   - { name: confirmed, at: PT5M, data: { by: Ada } }
//! expect:
//!   status: compensated
//!   error: { code: card_refused }
//!   tasks: [reserve, confirm, payOnce]
//!   compensated: [reserve]
//!   duration: PT5M
//! ```
//!
//! | field | what it says |
//! |---|---|
//! | `name` | what is tried, in a sentence |
//! | `startsAt` | when the run starts; 2026-01-01T00:00:00Z if absent |
//! | `input` | the run's input; `{}` if absent |
//! | `actions` | the results of the calls: for each action or task a list, of which the last repeats. `output` is what the action gives: an expression in `${ }` sees the call's arguments as `.` and the number of the call as `$n`; it must fit the action's schema. `error` is what the task raises: `code` or `type`, `status` (422), `title`, `detail`, and `unknown: true` where it is not known whether something was done, so that it is undone. `takes` is how long the call takes. A task goes before its action. What is not listed is asked itself, as long as it gives its result without a step outside |
//! | `undo` | the results of undoing calls, in the same way: `error` and `takes`. What is not listed is undone at once. Where the task names the action that undoes it (`metadata.compensate`), that is a call: what `undo` does not list, `actions` answers by the name of that action alone |
//! | `workflows` | how runs of other workflows come out (`run: workflow`), in the same way: for each `NAME`, `NAMESPACE/NAME` or task a list of `output` (an expression sees the run's input as `.` and the number of the run as `$n`) or `error`, and `takes`. Each that is started must be listed, one that is not awaited too: nobody hears of its end. One that is not needed any more is cancelled at once |
//! | `signals` | `name`, `data`, and `at`: how long after the start; without it, as soon as a task listens to it |
//! | `commands` | `at` and `command`: `pause`, `resume`, `cancel` (with a `reason`), `retry`, `skip` |
//! | `expect` | see [`Expectations`]; what is not mentioned may be anything |

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::play::{Bounds, Play};
use super::action::Actions;
use super::definition::Definition;

mod answer;
mod children;
mod expect;
mod hear;
mod log;
mod names;
mod play;
mod script;
mod stand_in;

#[cfg(test)]
mod tests;

pub use expect::Expectations;
pub use script::{Scenario, Unreadable, read};

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The scenario.
    pub name: String,
    /// What was expected and did not come; the scenario passed where there is nothing.
    pub failures: Vec<Failure>,
    /// The run's status at the end; `refused` where it could not start.
    pub status: String,
    /// How long the run took, as an ISO 8601 duration.
    pub duration: String,
    /// What happened, a line each: when, what, where.
    pub trace: Vec<String>,
}

/// Something that did not come as it was expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What it is about: a field of `expect`, or a part of the scenario.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
}

impl Report {
    /// True if everything came as it was expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Plays a scenario with a definition that has been checked against these actions.
pub fn play(definition: &Arc<Definition>, actions: &Actions, scenario: &Scenario) -> Report {
    play_within(definition, actions, scenario, Bounds::default())
}

fn play_within(
    definition: &Arc<Definition>,
    actions: &Actions,
    scenario: &Scenario,
    bounds: Bounds,
) -> Report {
    let unknown = names::check(definition, scenario);
    if !unknown.is_empty() {
        let (status, duration) = ("unplayed".to_owned(), iso(Duration::ZERO));
        return Report {
            name: scenario.name.clone(),
            failures: unknown,
            status,
            duration,
            trace: Vec::new(),
        };
    }
    let ending = Play::new(definition, actions, scenario, bounds).play();
    let mut failures = ending.failures.clone();
    if !ending.broken {
        failures.extend(scenario.expect.compare(&ending));
    }
    Report {
        name: scenario.name.clone(),
        failures,
        status: ending.status,
        duration: iso(ending.lasted),
        trace: ending.log.lines,
    }
}

/// Writes a length of time as an ISO 8601 duration of hours, minutes and seconds.
fn iso(span: Duration) -> String {
    let (seconds, ms) = (span.as_secs(), span.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = "PT".to_owned();
    if hours > 0 {
        text.push_str(&format!("{hours}H"));
    }
    if minutes > 0 {
        text.push_str(&format!("{minutes}M"));
    }
    if ms > 0 {
        text.push_str(&format!("{seconds}.{ms:03}S"));
    } else if seconds > 0 || text == "PT" {
        text.push_str(&format!("{seconds}S"));
    }
    text
}
