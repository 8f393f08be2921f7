//! The tasks of a run: what became of each, what it was given, and what it gave.

use std::ops::Range;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use promptsales_engine::entity::Corruption;
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::Event;
use promptsales_engine::workflow::machine::{Payload, TaskHistory, TaskItem};
use promptsales_engine::workflow::run::read_event;
use serde_json::{Value, json};

use super::address;
use super::folding::{Folding, folded};
use crate::app::App;
use crate::folds::{Cut, LARGEST, Last};
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, json_text};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};

/// The longest payload that a list shows, in bytes of JSON text; of a longer one it says where it is.
const LONGEST: usize = 8 * 1024;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/tasks",
            "Lists the tasks in the order in which they began, with what they were given and gave",
            get(tasks),
        )
        .query(PAGE)
        .answer(200, page_of(&task_schema())),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/tasks/{number}/input",
            "Shows what a task was given, whole",
            payload("input", |task| task.input),
        ),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/tasks/{number}/output",
            "Shows what a task gave, whole",
            payload("output", |task| task.output),
        ),
    ]
}

fn task_schema() -> Value {
    let claim = "a value of more than 8 KiB of JSON text is left out: then this is an object with `$ref`, the \
                 path that answers with the value, and `bytes`, its length";
    json!({
        "type": "object",
        "required": ["number", "name", "reference", "type", "status", "attempts", "startedAt", "endedAt"],
        "properties": {
            "number": { "type": "integer", "minimum": 1, "description": "its place in the order" },
            "name": { "type": "string" },
            "reference": { "type": "string", "description": "its JSON pointer in the definition" },
            "path": { "type": "string", "description": "the pointer with iterations and visits" },
            "type": { "type": "string" },
            "status": { "enum": [
                "running", "waiting", "completed", "faulted", "skipped", "cancelled", "compensated"
            ] },
            "attempts": { "type": "integer" },
            "startedAt": { "type": "string", "format": "date-time" },
            "endedAt": { "type": ["string", "null"], "format": "date-time" },
            "durationMs": { "type": ["integer", "null"], "description": "from its first beginning to its end" },
            "error": { "type": ["object", "null"] },
            "input": { "description": format!("as reshaped by `input.from`; {claim}") },
            "output": { "description": format!("as reshaped by `output.as`; null until it ends; {claim}") }
        }
    })
}

async fn tasks(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let (limit, after) = (page.limit()?, page.after()?.unwrap_or(0));
    let begin = usize::try_from(after).unwrap_or(usize::MAX);
    let end = begin.saturating_add(limit);
    let told = told(&app, &stream, begin..end, LONGEST).await?;
    if let Some(cut) = told.cut {
        app.folds().tasks.keep(&stream, end as u64, cut);
    }
    let list = told.history.list();
    let items = list.items().iter().map(|item| shown(item, &id)).collect();
    let next = (list.begun() > end).then_some(end as u64);
    Ok(Page::new(items, next, format!("/api/v1/runs/{id}/tasks?limit={limit}")).into_response())
}

/// A task of a list.
fn shown(item: &TaskItem, run: &str) -> Value {
    let mut shown = json!(item);
    shown["durationMs"] = json!(item.ended_at.map(|ended| ended.ms() - item.started_at.ms()));
    for (name, payload) in [("input", &item.input), ("output", &item.output)] {
        shown[name] = match payload {
            None => Value::Null,
            Some(Payload::Inline(value)) => (**value).clone(),
            Some(Payload::Claimed { bytes }) => {
                json!({ "$ref": format!("/api/v1/runs/{run}/tasks/{}/{name}", item.number), "bytes": bytes })
            }
        };
    }
    shown
}

/// A handler that shows a payload of a task.
fn payload(name: &'static str, of: fn(TaskItem) -> Option<Payload>) -> MethodRouter<App> {
    get(
        move |State(app): State<App>, Path((id, number)): Path<(String, String)>, caller: Caller| async move {
            let stream = address(&caller, &id)?;
            let wrong = || Problem::new(Code::InvalidParameter, "`number`: use the `number` of a task");
            let place =
                number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).ok_or_else(wrong)?;
            let end = place.checked_add(1).ok_or_else(wrong)?;
            let told = told(&app, &stream, place..end, usize::MAX).await?;
            let none = |what| Problem::new(Code::NotFound, format!("the run `{id}` has no {what}"));
            let item = told.history.list().items().first().cloned();
            let item = item.ok_or_else(|| none(format!("task {number} yet")))?;
            let payload = of(item).ok_or_else(|| none(format!("{name} of its task {number} yet")))?;
            Ok::<_, Problem>(json_text(payload.value().unwrap_or(&Value::Null).to_string()))
        },
    )
}

/// A fold that tells some of the tasks.
struct Told {
    history: TaskHistory,
    /// The place behind the last of them.
    end: usize,
    /// The fold when all of them had begun.
    cut: Option<Cut<TaskHistory>>,
}

impl Folding for Told {
    fn take_in(&mut self, events: &[Event]) -> Result<bool, Corruption> {
        for event in events {
            let applied = self.history.apply(&read_event(event)?, event.at);
            applied.map_err(|reason| Corruption { seq: event.seq, reason })?;
            if self.cut.is_none() && self.history.list().begun() == self.end {
                let fold = self.history.turned(self.end..self.end, LONGEST);
                let bytes = fold.size(LARGEST).unwrap_or(usize::MAX);
                self.cut = Some(Cut { fold, last: Last::of(event), bytes });
            }
        }
        Ok(self.history.list().begun() > self.end && self.history.is_settled())
    }
}

/// Tells the tasks at some places, from 0; goes on from where an earlier answer came to, if it can.
async fn told(app: &App, stream: &StreamKey, places: Range<usize>, longest: usize) -> Result<Told, Problem> {
    let end = places.end;
    if let Some(near) = app.folds().tasks.nearest(stream, places.start as u64) {
        let history = near.fold.turned(places.clone(), longest);
        let told = Told { history, end, cut: None };
        if let Some(told) = folded(app, stream, Some(near.last), told).await? {
            return Ok(told);
        }
    }
    let told = Told { history: TaskHistory::new(places, longest), end, cut: None };
    let told = folded(app, stream, None, told).await?;
    told.ok_or_else(|| Problem::new(Code::Internal, "the run has no beginning"))
}
