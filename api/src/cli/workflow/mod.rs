//! `promptsales workflow`: definitions in files, and those of a running server.

use std::io::Write as _;

use clap::{Args, Subcommand};
use reqwest::Method;

use super::Ended;
use super::client::{Client, ServerArgs, json_of, read_text};
use crate::http::paging::encoded;
use follow::Follow;
use versions::OneVersion;

mod check;
mod excerpt;
mod follow;
mod test;
mod versions;

/// `promptsales workflow ...`
#[derive(Debug, Args)]
pub(crate) struct WorkflowArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: WorkflowCommand,
}

#[derive(Debug, Subcommand)]
enum WorkflowCommand {
    /// Checks definitions without a server: exits with 0 if they can run, 1 if not, 2 if a file cannot be read.
    Check {
        /// The files; `-` reads standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Plays scenarios of a definition without a server: exits with 0 if all pass, 1 if not, 2 if a file cannot be read.
    Test {
        /// The definition; `-` reads standard input.
        file: String,
        /// A file of scenarios; may be given several times.
        #[arg(long, required = true, value_name = "FILE")]
        scenario: Vec<String>,
        /// Shows what happened where a scenario passed, too.
        #[arg(long)]
        trace: bool,
    },
    /// Registers a definition (YAML or JSON); `-` reads standard input.
    Register {
        /// The file.
        file: String,
    },
    /// Lists the definitions.
    List {},
    /// Shows a definition.
    Show {
        /// Its name.
        name: String,
        /// One version of it; otherwise the latest.
        #[arg(long)]
        version: Option<String>,
    },
    /// Says what would become of each open run if it followed a version.
    Impact {
        /// The definition's name.
        name: String,
        /// The version.
        version: String,
    },
    /// Has every open run go on in a version, but those that somebody must choose for; exits with 1 if any was refused.
    Follow(Follow),
    /// Lists the versions of a definition, each with its status.
    Versions {
        /// Its name.
        name: String,
    },
    /// Has a version take no new runs; those that are open go on.
    Deprecate(OneVersion),
    /// Has a version take runs again that was deprecated, or was to be deleted.
    Restore(OneVersion),
    /// Makes a version the latest, as to roll back: new runs are of it until a newer one is registered.
    #[command(visible_alias = "rollback")]
    Promote(OneVersion),
    /// Deletes a version that no open run is of.
    Delete(OneVersion),
    /// Lists what tasks can call; with a name, prints the page of one.
    Actions {
        /// Its name.
        name: Option<String>,
    },
    /// Starts a run.
    Run {
        /// The definition's name.
        name: String,
        /// The input: JSON, or `@FILE`.
        #[arg(long, default_value = "{}")]
        input: String,
        /// Waits this many seconds for the end.
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u32>,
    },
}

/// Works with workflows.
pub(super) async fn run(args: WorkflowArgs) -> anyhow::Result<Ended> {
    let json = args.server.json();
    let client = Client::new(args.server);
    match args.command {
        WorkflowCommand::Check { files } => check::run(&files, json),
        WorkflowCommand::Test { file, scenario, trace } => test::run(&file, &scenario, trace, json),
        WorkflowCommand::Register { file } => {
            let text = read_text(&file)?;
            let request = client.request(Method::POST, "/api/v1/workflows").body(text);
            let registered = client.send(request).await?;
            client.print(follow::completed(&client, registered).await)
        }
        WorkflowCommand::Impact { name, version } => {
            client.print(follow::impact(&client, &name, &version).await?)
        }
        WorkflowCommand::Follow(args) => follow::run(&client, args).await,
        WorkflowCommand::List {} => {
            let list = client.get("/api/v1/workflows?limit=100").await?;
            client.table(&list, &["name", "version", "status", "title"])
        }
        WorkflowCommand::Versions { name } => versions::list(&client, &name).await,
        WorkflowCommand::Deprecate(of) => versions::change(&client, "deprecate", of).await,
        WorkflowCommand::Restore(of) => versions::change(&client, "restore", of).await,
        WorkflowCommand::Promote(of) => versions::change(&client, "promote", of).await,
        WorkflowCommand::Delete(of) => versions::delete(&client, of).await,
        WorkflowCommand::Show { name, version } => {
            let tail = version.map_or_else(String::new, |v| format!("/versions/{v}"));
            client.print(client.get(&format!("/api/v1/workflows/{name}{tail}")).await?)
        }
        WorkflowCommand::Actions { name } => actions(&client, name).await,
        WorkflowCommand::Run { name, input, wait } => {
            let tail = wait.map_or_else(String::new, |s| format!("?wait={s}"));
            let answer =
                client.post(&format!("/api/v1/workflows/{name}/runs{tail}"), &json_of(&input)?).await?;
            client.print(answer)
        }
    }
}

async fn actions(client: &Client, name: Option<String>) -> anyhow::Result<Ended> {
    let Some(name) = name else {
        let list = client.get("/api/v1/actions?limit=100").await?;
        return client.table(&list, &["name", "version", "compensates", "summary"]);
    };
    let path = format!("/api/v1/actions/{}", encoded(&name));
    if client.json() {
        return client.print(client.get(&path).await?);
    }
    let page = client.open(&format!("{path}/docs.md")).await?.text().await?;
    write!(std::io::stdout(), "{page}")?;
    Ok(Ended::Done)
}
