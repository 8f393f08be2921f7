//! `promptsales run bulk`: an act on every run that filters name, itself a run that is watched here to its end.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use promptsales_engine::runtime::Context;
use serde_json::{Map, Value, json};

use super::Ended;
use super::client::{Client, json_of};

/// How often its progress is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// `promptsales run bulk ...`
#[derive(Debug, Args)]
pub(super) struct Bulk {
    /// What is done: pause, resume, cancel, terminate, retry, skip, signal, patch, move, migrate or restart.
    act: String,
    /// Which runs are meant: `NAME=VALUE`, a filter of the list of runs; may be repeated, and all must pass.
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = filter, required_unless_present = "all")]
    filters: Vec<(String, String)>,
    /// All runs are meant.
    #[arg(long, conflicts_with = "filters")]
    all: bool,
    /// The fields of the act, as the same act on one run takes them: JSON, or `@FILE`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    with: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// Only starts it.
    #[arg(long)]
    detach: bool,
}

/// Reads `NAME=VALUE`.
pub(super) fn filter(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("write it as `NAME=VALUE`, like `workflow=order`")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Starts it, and watches it to its end.
pub(super) async fn run(client: &Client, args: Bulk) -> anyhow::Result<Ended> {
    let Bulk { act, filters, all, with, reason, detach } = args;
    let filter: Map<String, Value> =
        filters.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    let body = json!({ "act": act, "with": json_of(&with)?, "filter": filter, "all": all, "reason": reason });
    let started = client.post("/api/v1/runs/bulk", &body).await?;
    if detach {
        return client.print(started);
    }
    let cx = Context::real();
    let path = format!("/api/v1/runs/{}", started["runId"].as_str().unwrap_or_default());
    let shows = std::io::stderr().is_terminal() && !client.json();
    loop {
        let run = client.get(&path).await?;
        let counts = &run["attributes"];
        if shows {
            eprint!("\r{act}: done {}, refused {} ", counts["done"], counts["refused"]);
        }
        if run["endedAt"].is_null() && run["status"] != "suspended" && run["status"] != "needs-attention" {
            cx.sleep(LOOK).await;
            continue;
        }
        if shows {
            eprintln!();
        }
        let (status, id) = (run["status"].clone(), run["id"].clone());
        let shown = json!({ "runId": id, "status": status, "output": run["output"], "error": run["error"] });
        let refused = run["output"]["refused"].as_u64().unwrap_or_default();
        let ended = client.print(shown)?;
        anyhow::ensure!(status == "completed", "the run {id} is {status}");
        anyhow::ensure!(refused == 0, "{refused} were refused");
        return Ok(ended);
    }
}
