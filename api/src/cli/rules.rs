//! `promptsales rule`: automation rules.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Ended;
use super::client::{Client, ServerArgs, read_text};
use crate::http::paging::encoded;

/// `promptsales rule ...`
#[derive(Debug, Args)]
pub(crate) struct RuleArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: RuleCommand,
}

/// A rule, and why something is done to it.
#[derive(Debug, Args)]
struct Act {
    /// The rule's id, or `~NAME`.
    id: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RuleCommand {
    /// Writes a draft of a rule (YAML or JSON); `-` reads standard input.
    Write {
        /// The file.
        file: String,
        /// Publishes it at once.
        #[arg(long)]
        publish: bool,
    },
    /// Lists the rules.
    List {},
    /// Shows a rule, its draft and its versions.
    Show {
        /// The rule's id, or `~NAME`.
        id: String,
    },
    /// Says why a rule fired, or did not, the newest first.
    Explain {
        /// The rule's id, or `~NAME`.
        id: String,
        /// Only events about this.
        #[arg(long)]
        subject: Option<String>,
        /// Only this outcome.
        #[arg(long)]
        outcome: Option<String>,
    },
    /// Publishes the draft of a rule.
    Publish(Act),
    /// Holds a rule.
    Pause(Act),
    /// Lets a rule go on.
    Resume(Act),
    /// Takes a rule away.
    Delete {
        /// The rule's id, or `~NAME`.
        id: String,
    },
}

/// Works with rules.
pub(super) async fn run(args: RuleArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    let act = async |act: Act, verb: &str| {
        let body = act.reason.map_or(json!({}), |reason| json!({ "reason": reason }));
        client.print(client.post(&format!("/api/v1/rules/{}/{verb}", act.id), &body).await?)
    };
    match args.command {
        RuleCommand::Write { file, publish } => {
            let path = format!("/api/v1/rules?publish={publish}");
            let request = client.request(Method::POST, &path).body(read_text(&file)?);
            client.print(client.send(request).await?)
        }
        RuleCommand::List {} => {
            let list = client.get("/api/v1/rules?limit=100").await?;
            client.table(&list, &["id", "name", "status", "version"])
        }
        RuleCommand::Show { id } => client.print(client.get(&format!("/api/v1/rules/{id}")).await?),
        RuleCommand::Explain { id, subject, outcome } => {
            let mut path = format!("/api/v1/rules/{id}/explanations?limit=100");
            for (name, value) in [("subject", subject), ("outcome", outcome)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", encoded(&value)));
                }
            }
            explain(&client, client.get(&path).await?)
        }
        RuleCommand::Publish(of) => act(of, "publish").await,
        RuleCommand::Pause(of) => act(of, "pause").await,
        RuleCommand::Resume(of) => act(of, "resume").await,
        RuleCommand::Delete { id } => {
            let request = client.request(Method::DELETE, &format!("/api/v1/rules/{id}"));
            client.print(client.send(request).await?)
        }
    }
}

/// Shows explanations; in a table each in a line, with the reason.
fn explain(client: &Client, mut page: Value) -> anyhow::Result<Ended> {
    if !client.json() {
        for item in page["items"].as_array_mut().into_iter().flatten() {
            let why = [&item["miss"]["text"], &item["detail"], &item["refused"]["reason"]];
            let why = why.into_iter().find(|why| !why.is_null()).cloned().unwrap_or_default();
            item["why"] = why;
            for field in ["id", "subject"] {
                item[field] = item["event"][field].clone();
            }
        }
    }
    client.table(&page, &["at", "outcome", "id", "subject", "why"])
}
