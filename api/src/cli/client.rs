//! The commands that talk to a running server.

use std::io::{Read, Write};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::Ended;
use crate::http::paging::encoded;

/// Where the server is, and how its answers are printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The server.
    #[arg(
        long,
        global = true,
        env = "PROMPTSALES_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    server: String,
    /// The API key, once there is authentication.
    #[arg(long, global = true, env = "PROMPTSALES_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// Prints JSON, as the server answered it.
    #[arg(long, global = true)]
    json: bool,
}

impl ServerArgs {
    /// True if answers are printed as JSON.
    pub(super) fn json(&self) -> bool {
        self.json
    }
}

/// How long the longest answer may take to come.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// `promptsales entity ...`
#[derive(Debug, Args)]
pub(crate) struct EntityArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: EntityCommand,
}

#[derive(Debug, Subcommand)]
enum EntityCommand {
    /// Shows an entity, now or then.
    Show {
        /// The plural of its kind: `leads`.
        kind: String,
        /// Its id, or `~KEY`.
        id: String,
        /// A moment (RFC 3339).
        #[arg(long)]
        at: Option<String>,
        /// Its events instead of its state.
        #[arg(long)]
        events: bool,
    },
}

/// Works with entities.
pub(crate) async fn entity(args: EntityArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    let EntityCommand::Show { kind, id, at, events } = args.command;
    let path = match (events, at) {
        (true, _) => format!("/api/v1/{kind}/{id}/events?limit=100"),
        (false, Some(at)) => format!("/api/v1/{kind}/{id}?at={}", encoded(&at)),
        (false, None) => format!("/api/v1/{kind}/{id}"),
    };
    let answer = client.get(&path).await?;
    if events {
        client.table(&answer, &["seq", "time", "type", "principal", "data"])
    } else {
        client.print(answer)
    }
}

/// A client of one server.
pub(crate) struct Client {
    http: reqwest::Client,
    server: ServerArgs,
}

impl Client {
    pub(super) fn new(server: ServerArgs) -> Self {
        Self { http: reqwest::Client::new(), server }
    }

    /// True if answers are printed as JSON.
    pub(super) fn json(&self) -> bool {
        self.server.json
    }

    /// A client for the program's own use, of a server at an address.
    pub(crate) fn at(server: &str) -> Self {
        Self::new(ServerArgs { server: server.to_owned(), key: None, json: false })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.server.server.trim_end_matches('/'));
        let request = self.http.request(method, url).timeout(std::time::Duration::from_secs(120));
        match &self.server.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Reads a path as JSON.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or answers a problem.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Reads a path as JSON, a problem too.
    pub(super) async fn peek(&self, path: &str) -> anyhow::Result<Value> {
        let text = self.reach(self.request(Method::GET, path)).await?.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Where the server is.
    pub(super) fn address(&self) -> &str {
        &self.server.server
    }

    /// Posts JSON to a path.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or answers a problem.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Begins to read a path whose answer may be long and take long.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or answers a problem.
    pub(super) async fn open(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let response = self.reach(self.request(Method::GET, path).timeout(LONGEST)).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        answer_of(response).await?;
        bail!("the server's answer cannot be understood")
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        answer_of(self.reach(request).await?).await
    }

    async fn reach(&self, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
        request.send().await.with_context(|| format!("cannot reach {}", self.server.server))
    }
    pub(super) fn print(&self, answer: Value) -> anyhow::Result<Ended> {
        let text = if self.server.json { answer.to_string() } else { serde_json::to_string_pretty(&answer)? };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(Ended::Done)
    }

    pub(super) fn table(&self, page: &Value, columns: &[&str]) -> anyhow::Result<Ended> {
        if self.server.json {
            return self.print(page.clone());
        }
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let cell = |item: &Value, column: &str| match &item[column] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut rows = vec![columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()];
        rows.extend(items.iter().map(|item| columns.iter().map(|c| cell(item, c)).collect()));
        let mut out = std::io::stdout().lock();
        for row in &rows {
            let mut line = String::new();
            for (i, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0).min(60);
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(Ended::Done)
    }
}

/// Reads an answer, of which a problem is an error.
async fn answer_of(response: reqwest::Response) -> anyhow::Result<Value> {
    let status = response.status();
    let text = response.text().await?;
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if !status.is_success() {
        let code = answer["code"].as_str().unwrap_or("no code");
        let detail = answer["detail"].as_str().or(answer["title"].as_str()).unwrap_or_default();
        let errors = answer["errors"].as_array().map(|list| describe(list)).unwrap_or_default();
        bail!("{} ({code}): {detail}{errors}", status.as_u16());
    }
    Ok(answer)
}

fn describe(errors: &[Value]) -> String {
    let line = |e: &Value| {
        let part = |name: &str| e[name].as_str().unwrap_or_default();
        let place = match (&e["line"], &e["column"]) {
            (Value::Number(line), Value::Number(column)) => format!("{line}:{column} "),
            _ => String::new(),
        };
        format!("\n  {place}{}: {} {}", part("pointer"), part("message"), part("fix"))
    };
    errors.iter().map(line).collect()
}

pub(super) fn json_of(text: &str) -> anyhow::Result<Value> {
    let read;
    let text = match text.strip_prefix('@') {
        Some(file) => {
            read = read_text(file)?;
            &read
        }
        None => text,
    };
    serde_json::from_str(text).context("this is not JSON")
}

pub(super) fn read_text(file: &str) -> anyhow::Result<String> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
}
