//! Runs that are accepted and have not begun: a message to start them is on its way.

use std::time::Duration;

use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::Json;
use serde_json::json;

use super::no_run;
use crate::app::App;
use crate::http::problem::{Code, Problem};

/// How long what needs a run to have begun waits for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows a run: as it is, or as one that is still to begin.
pub(in crate::routes) async fn shown(app: &App, stream: &StreamKey) -> Result<Json, Problem> {
    if let Some(view) = app.node().read(stream).await? {
        return Ok(view.state);
    }
    let Some(message) = app.node().message_to(stream).await? else {
        // It may have come between the two reads.
        let view = app.node().read(stream).await?;
        return view.map(|view| view.state).ok_or_else(|| no_run(&stream.id));
    };
    let start = message.body.value();
    Ok(Json::from(&json!({
        "id": stream.id, "workflow": start["workflow"], "version": start["version"], "status": "pending",
        "input": start["input"], "output": null, "error": null,
        "waitingFor": [{ "kind": "start", "what": "its turn to begin" }], "startedAt": null, "endedAt": null,
    })))
}

/// Waits for a run to begin whose start is on its way.
///
/// # Errors
///
/// If it takes too long; not where there is no such run.
pub(super) async fn until_begun(app: &App, stream: &StreamKey) -> Result<(), Problem> {
    let cx = app.node().cx();
    let asked = cx.monotonic();
    let mut pause = Duration::from_millis(2);
    loop {
        // What is set aside has begun.
        if !matches!(app.node().read(stream).await, Ok(None)) {
            return Ok(());
        }
        if app.node().message_to(stream).await?.is_none() {
            return Ok(());
        }
        if asked.elapsed() >= PATIENCE {
            let detail = format!("the run `{}` is accepted and waits for its turn to begin", stream.id);
            return Err(Problem::new(Code::Overloaded, detail));
        }
        cx.sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
