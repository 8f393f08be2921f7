//! `promptsales deadletter` and `promptsales quarantine`: what was set aside, and what is done about it.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::Ended;
use super::client::{Client, ServerArgs};
use crate::http::paging::encoded;

/// `promptsales deadletter ...`
#[derive(Debug, Args)]
pub(crate) struct DeadletterArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: DeadletterCommand,
}

#[derive(Debug, Subcommand)]
enum DeadletterCommand {
    /// Lists dead letters, the newest first.
    List {
        /// Only those of this status: open, retrying, retried, discarded or all.
        #[arg(long, default_value = "open")]
        status: String,
        #[command(flatten)]
        which: Which,
    },
    /// Shows a dead letter with its payload, cause and backtrace.
    Show {
        /// The dead letter's id.
        id: String,
    },
    /// Sends its command again, once.
    Retry(Acting),
    /// Lets it go.
    Discard(Acting),
}

/// `promptsales quarantine ...`
#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// Lists the entities and runs that are set aside.
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Shows why one is or was set aside, and who released it, why.
    Show {
        /// The entity's id.
        id: String,
    },
    /// Releases it, and tries it again.
    Release(Acting),
}

/// Which of them.
#[derive(Debug, Args)]
struct Which {
    /// Only those of entities of this kind, in its plural: `leads`, `runs`.
    #[arg(long)]
    kind: Option<String>,
    /// Only those of this entity.
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only those whose cause contains this text.
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
    /// Only those set aside at or after this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those set aside before this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// One, or those that fit; and why.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("meant").required(true).multiple(true)
    .args(["id", "all", "kind", "target", "cause", "since", "until"]))]
struct Acting {
    /// Its id.
    #[arg(conflicts_with_all = ["all", "kind", "target", "cause", "since", "until"])]
    id: Option<String>,
    /// Every one, where no condition is given.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// What makes it right; it is kept in the journal.
    #[arg(long)]
    why: String,
}

impl Which {
    fn given(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let Self { kind, target, cause, since, until } = self;
        let all = [("kind", kind), ("target", target), ("cause", cause), ("since", since), ("until", until)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }

    fn query(&self) -> String {
        self.given().map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
    }
}

/// Works with dead letters.
pub(crate) async fn deadletter(args: DeadletterArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    match args.command {
        DeadletterCommand::List { status, which } => {
            let status = encoded(&status);
            let path = format!("/api/v1/dead-letters?limit=100&status={status}{}", which.query());
            client.table(&client.get(&path).await?, &["id", "target", "input", "cause", "status", "at"])
        }
        DeadletterCommand::Show { id } => {
            client.print(client.get(&format!("/api/v1/dead-letters/{id}")).await?)
        }
        DeadletterCommand::Retry(acting) => act(&client, "dead-letters", "retry", acting).await,
        DeadletterCommand::Discard(acting) => act(&client, "dead-letters", "discard", acting).await,
    }
}

/// Works with the quarantine.
pub(crate) async fn quarantine(args: QuarantineArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    match args.command {
        QuarantineCommand::List { which } => {
            let path = format!("/api/v1/quarantine?limit=100{}", which.query());
            client.table(&client.get(&path).await?, &["id", "kind", "cause", "restarts", "since"])
        }
        QuarantineCommand::Show { id } => {
            client.print(client.get(&format!("/api/v1/quarantine/{id}")).await?)
        }
        QuarantineCommand::Release(acting) => act(&client, "quarantine", "release", acting).await,
    }
}

/// Acts on one, or on all that fit, request by request until there are no more.
async fn act(client: &Client, of: &str, verb: &str, acting: Acting) -> anyhow::Result<Ended> {
    let Acting { id, all, which, why } = acting;
    if let Some(id) = id {
        let answer = client.post(&format!("/api/v1/{of}/{id}/{verb}"), &json!({ "why": why })).await?;
        return client.print(answer);
    }
    let mut body = json!({ "why": why, "all": all });
    for (name, value) in which.given() {
        body[name] = value.as_str().into();
    }
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    loop {
        let answer = client.post(&format!("/api/v1/{of}/{verb}"), &body).await?;
        let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        done.extend(list("done"));
        refused.extend(list("refused"));
        if answer["next"].is_null() {
            break;
        }
        body["cursor"] = answer["next"].clone();
        body["until"] = answer["until"].clone();
    }
    let failed = refused.len();
    let ended = client.print(json!({ "done": done, "refused": Value::Array(refused) }))?;
    anyhow::ensure!(failed == 0, "{failed} were refused");
    Ok(ended)
}
