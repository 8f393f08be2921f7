//! `promptsales run`: runs of workflows, and what people can do to them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Ended;
use super::bulk::{self, Bulk};
use super::client::{Client, ServerArgs, json_of};
use crate::http::paging::encoded;

/// Characters of a task's input or output in a table.
const SHOWN: usize = 40;

/// `promptsales run ...`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: RunCommand,
}

/// A run, and why something is done to it.
#[derive(Debug, Args)]
struct Act {
    /// The run's id.
    id: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RunCommand {
    /// Lists runs, the newest first.
    List {
        /// Only runs of this status.
        #[arg(long)]
        status: Option<String>,
        /// Only runs of this workflow.
        #[arg(long)]
        workflow: Option<String>,
        /// Only runs that pass another filter of the list: `NAME=VALUE`, as `attr.region=CR`; may be repeated.
        #[arg(long = "where", value_name = "NAME=VALUE", value_parser = bulk::filter)]
        filters: Vec<(String, String)>,
    },
    /// Shows a run and its tasks.
    Show {
        /// The run's id.
        id: String,
    },
    /// Lists the tasks of a run with what they were given and gave.
    Tasks {
        /// The run's id.
        id: String,
    },
    /// Holds a run where it is.
    Pause {
        #[command(flatten)]
        act: Act,
        /// Lets time stand still for it: all comes so much later as the pause is long.
        #[arg(long)]
        freeze: bool,
    },
    /// Lets a held run go on.
    Resume {
        #[command(flatten)]
        act: Act,
    },
    /// Cancels a run; what it did is undone.
    Cancel {
        #[command(flatten)]
        act: Act,
    },
    /// Ends a run at once; nothing is undone.
    Terminate {
        #[command(flatten)]
        act: Act,
    },
    /// Tries again what failed or needs attention.
    Retry {
        #[command(flatten)]
        act: Act,
    },
    /// Completes a task without doing what it does: the one that failed, or the one named.
    Skip {
        #[command(flatten)]
        act: Act,
        /// The task, by its JSON pointer or instance path.
        #[arg(long)]
        task: Option<String>,
        /// What it puts out: JSON, or `@FILE`; its input if absent.
        #[arg(long)]
        output: Option<String>,
    },
    /// Changes the data of a run.
    Patch {
        #[command(flatten)]
        act: Act,
        /// A JSON Merge Patch of the context: JSON, or `@FILE`.
        #[arg(long)]
        context: Option<String>,
        /// The task whose input is changed.
        #[arg(long, requires = "input")]
        task: Option<String>,
        /// Its new input: JSON, or `@FILE`.
        #[arg(long, requires = "task")]
        input: Option<String>,
    },
    /// Has a run go on with another task of the list that it is in.
    Move {
        #[command(flatten)]
        act: Act,
        /// The task, by its JSON pointer.
        #[arg(long)]
        to: String,
        /// What it begins with: JSON, or `@FILE`; the data of the task that is left if absent.
        #[arg(long)]
        input: Option<String>,
    },
    /// Has a run go on in another version of its workflow.
    Migrate {
        #[command(flatten)]
        act: Act,
        /// The version; the latest if absent.
        #[arg(long)]
        version: Option<String>,
        /// Where it goes on for a task that is gone: `OLD=NEW`, JSON pointers of the two versions; may be repeated.
        #[arg(long = "task", value_name = "OLD=NEW", value_parser = choice)]
        tasks: Vec<(String, String)>,
        /// Only says what would become of it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Starts a run with the same input.
    Restart {
        #[command(flatten)]
        act: Act,
        /// The version; that of the run if absent.
        #[arg(long)]
        version: Option<String>,
    },
    /// Does something to every run that filters name.
    Bulk(Bulk),
    /// Sends a signal.
    Signal {
        /// The run's id.
        id: String,
        /// The signal's name.
        name: String,
        /// Its data: JSON, or `@FILE`.
        #[arg(long, default_value = "{}")]
        data: String,
    },
}

/// Works with runs.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    let act = async |act: Act, verb: &str, mut body: Value| {
        if let Some(reason) = act.reason {
            body["reason"] = reason.into();
        }
        client.print(client.post(&format!("/api/v1/runs/{}/{verb}", act.id), &body).await?)
    };
    match args.command {
        RunCommand::List { status, workflow, filters } => {
            let named = [("status", status), ("workflow", workflow)];
            let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            list(&client, named.chain(filters)).await
        }
        RunCommand::Show { id } => show(&client, &id).await,
        RunCommand::Tasks { id } => tasks(&client, &id).await,
        RunCommand::Pause { act: of, freeze } => {
            let timers = if freeze { "freeze" } else { "keep" };
            act(of, "pause", json!({ "timers": timers })).await
        }
        RunCommand::Resume { act: of } => act(of, "resume", json!({})).await,
        RunCommand::Cancel { act: of } => act(of, "cancel", json!({})).await,
        RunCommand::Terminate { act: of } => act(of, "terminate", json!({})).await,
        RunCommand::Retry { act: of } => act(of, "retry", json!({})).await,
        RunCommand::Skip { act: of, task, output } => {
            let mut body = json!({});
            put(&mut body, "task", task.map(Value::from));
            put(&mut body, "output", read(output).await?);
            act(of, "skip", body).await
        }
        RunCommand::Patch { act: of, context, task, input } => {
            let mut body = json!({});
            put(&mut body, "context", read(context).await?);
            put(&mut body, "task", task.map(Value::from));
            put(&mut body, "input", read(input).await?);
            act(of, "patch", body).await
        }
        RunCommand::Move { act: of, to, input } => {
            let mut body = json!({ "to": to });
            put(&mut body, "input", read(input).await?);
            act(of, "move", body).await
        }
        RunCommand::Migrate { act: of, version, tasks, dry_run } => {
            let tasks: serde_json::Map<String, Value> =
                tasks.into_iter().map(|(old, new)| (old, Value::from(new))).collect();
            let mut body = json!({ "tasks": tasks, "dryRun": dry_run });
            put(&mut body, "version", version.map(Value::from));
            act(of, "migrate", body).await
        }
        RunCommand::Restart { act: of, version } => {
            let mut body = json!({});
            put(&mut body, "version", version.map(Value::from));
            act(of, "restart", body).await
        }
        RunCommand::Bulk(args) => bulk::run(&client, args).await,
        RunCommand::Signal { id, name, data } => {
            let path = format!("/api/v1/runs/{id}/signals/{name}");
            client.print(client.post(&path, &json_of(&data)?).await?)
        }
    }
}

/// Reads `OLD=NEW`.
pub(super) fn choice(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("write it as `OLD=NEW`, like `/do/1/wait=/do/2/pause`")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

async fn list(client: &Client, filters: impl Iterator<Item = (String, String)>) -> anyhow::Result<Ended> {
    let mut path = "/api/v1/runs?limit=100".to_owned();
    for (name, value) in filters {
        path.push_str(&format!("&{}={}", encoded(&name), encoded(&value)));
    }
    let list = client.get(&path).await?;
    client.table(&list, &["id", "workflow", "version", "status", "startedAt", "endedAt"])
}

async fn show(client: &Client, id: &str) -> anyhow::Result<Ended> {
    let run = client.get(&format!("/api/v1/runs/{id}")).await?;
    let tasks = client.get(&format!("/api/v1/runs/{id}/tasks?limit=100")).await?;
    if client.json() {
        return client.print(json!({ "run": run, "tasks": tasks["items"] }));
    }
    client.print(run)?;
    client.table(&tasks, &["reference", "type", "status", "attempts", "startedAt", "endedAt"])
}

/// Lists all tasks, page by page; in a table payloads are shown as far as they are short.
async fn tasks(client: &Client, id: &str) -> anyhow::Result<Ended> {
    let (path, mut cursor) = (format!("/api/v1/runs/{id}/tasks?limit=100"), String::new());
    let mut all = Vec::new();
    loop {
        let mut page = client.get(&format!("{path}{cursor}")).await?;
        if let Value::Array(items) = page["items"].take() {
            all.extend(items);
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if !client.json() {
        for task in &mut all {
            for payload in ["input", "output"] {
                task[payload] = shortened(&task[payload]).into();
            }
        }
    }
    let columns = ["number", "reference", "type", "status", "attempts", "durationMs", "input", "output"];
    client.table(&json!({ "items": all }), &columns)
}

/// The beginning of a value as JSON text; of one that is left out, how long it is.
fn shortened(value: &Value) -> String {
    if let (Some(_), Some(bytes)) = (value.get("$ref"), value.get("bytes")) {
        return format!("({bytes} bytes)");
    }
    let text = if value.is_null() { String::new() } else { value.to_string() };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

async fn read(text: Option<String>) -> anyhow::Result<Option<Value>> {
    text.map(|text| json_of(&text)).transpose()
}

fn put(body: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        body[name] = value;
    }
}
