//! `promptsales demo`: a campaign launched for real on a throw-away store, through a crash if asked.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use promptsales_workflows::connectors::sandbox::SandboxReport;
use promptsales_workflows::samples;
use serde_json::{Value, json};

use super::Ended;
use super::client::Client;
use child::Server;

mod child;
mod story;

/// How the demo is run.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Kills the server hard in the middle of the launch, and starts it again.
    #[arg(long)]
    crash: bool,
    /// Keeps the server up afterwards, until it is interrupted.
    #[arg(long)]
    serve: bool,
}

/// The longest time that the launch may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Ended> {
    let folder = tempfile::Builder::new().prefix("promptsales-demo-").tempdir()?;
    story::title("PromptSales demo: one brief becomes a running campaign")?;
    story::line(&format!("store: {} (thrown away at the end)", folder.path().display()))?;
    let mut server = Server::start(folder.path()).await?;
    let mut client = Client::at(&server.url);
    story::line(&format!("server: {} (its own process, SQLite inside)", server.url))?;

    let brief = serde_json::to_value(
        &samples().campaigns.first().context("the product ships a sample brief")?.brief,
    )?;
    story::brief(&brief)?;
    let launched = client.post("/api/v1/campaigns/launch", &brief).await?;
    let run = text(&launched, "runId")?;
    let campaign = text(&launched, "campaignId")?;
    story::line(&format!("launched: campaign {campaign}\n          run      {run}"))?;

    story::title("The run, task by task")?;
    let mut crash = args.crash;
    let status = loop {
        let watched = watch(&client, &run, crash).await?;
        match watched {
            Watched::Ended(status) => break status,
            Watched::TimeToCrash => {
                crash = false;
                story::title("kill -9, in the middle of the launch")?;
                server.kill().await?;
                story::line("the process is gone; nothing was saved on the way out")?;
                server = Server::start(folder.path()).await?;
                client = Client::at(&server.url);
                story::line(&format!("started again: {}; the run goes on from the journal", server.url))?;
            }
        }
    };
    let campaign = client.get(&format!("/api/v1/campaigns/{campaign}")).await?;
    story::campaign(&campaign, &status)?;
    if status != "completed" {
        let shown = client.get(&format!("/api/v1/runs/{run}")).await?;
        bail!("the launch ended {status}: {}", shown["error"]);
    }
    outside(folder.path())?;
    leads(&client, &campaign).await?;
    story::pointers(&server.url, &run, &text(&campaign, "id")?, args.serve)?;
    if args.serve {
        tokio::signal::ctrl_c().await?;
    }
    server.stop().await?;
    Ok(Ended::Done)
}

enum Watched {
    Ended(String),
    TimeToCrash,
}

/// Prints the tasks as they end. With `crash`, returns when the first ad has been activated and others have not.
async fn watch(client: &Client, run: &str, crash: bool) -> anyhow::Result<Watched> {
    let mut told = BTreeSet::new();
    let mut left = PATIENCE.as_millis() / 50;
    loop {
        let (state, tasks) =
            (client.get(&format!("/api/v1/runs/{run}")).await?, all_tasks(client, run).await?);
        for (index, task) in tasks.iter().enumerate() {
            let ended = !task["endedAt"].is_null();
            if ended && told.insert(index) {
                story::task(task)?;
            }
        }
        if !state["endedAt"].is_null() {
            return Ok(Watched::Ended(text(&state, "status")?));
        }
        let activating = |status: &str| {
            let of = tasks.iter().filter(|t| t["name"].as_str().is_some_and(|n| n.starts_with("activate")));
            of.filter(|t| t["status"] == status && t["type"] == "call").count()
        };
        if crash && activating("running") + activating("waiting") > 0 {
            return Ok(Watched::TimeToCrash);
        }
        left = left.checked_sub(1).context("the launch does not come to an end")?;
        super::pause(Duration::from_millis(50)).await;
    }
}

async fn all_tasks(client: &Client, run: &str) -> anyhow::Result<Vec<Value>> {
    let mut tasks = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/v1/runs/{run}/tasks?limit=100{cursor}")).await?;
        tasks.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(tasks),
        }
    }
}

/// Says what the outside saw, from its own books.
fn outside(folder: &Path) -> anyhow::Result<()> {
    let report = SandboxReport::read(&folder.join("sandbox.jsonl"))?;
    story::title("What the outside saw (the sandbox's own books)")?;
    story::line(&format!("requests seen:       {}", report.requests))?;
    story::line(&format!("operations executed: {}", report.executed))?;
    story::line(&format!("keys executed twice: {}", report.repeated.len()))?;
    if !report.repeated.is_empty() {
        bail!("the outside executed these keys more than once: {:?}", report.repeated);
    }
    Ok(())
}

/// Captures the sample leads under the campaign's links.
async fn leads(client: &Client, campaign: &Value) -> anyhow::Result<()> {
    story::title("Leads that came in")?;
    let links = campaign["tracking"]["links"].as_array().cloned().unwrap_or_default();
    for (index, lead) in samples().leads.into_iter().enumerate() {
        let mut lead = serde_json::to_value(lead)?;
        if let Some(link) = links.get(index % links.len().max(1)) {
            let mut provenance = lead["provenance"].take();
            if provenance.is_null() {
                provenance = json!({});
            }
            provenance["campaign"] = campaign["id"].clone();
            provenance["channel"] = link["channel"].clone();
            lead["provenance"] = provenance;
        }
        let made = client.post("/api/v1/leads", &lead).await?;
        let id = text(&made, "id")?;
        let activity = json!({ "activity": "form submitted", "score": 10, "tag": "verano" });
        client.post(&format!("/api/v1/leads/{id}/commands/record-activity"), &activity).await?;
        story::lead(&client.get(&format!("/api/v1/leads/{id}")).await?)?;
    }
    Ok(())
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("the answer has no `{field}`: {value}"))
}

fn out(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
