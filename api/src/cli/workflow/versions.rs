//! `promptsales workflow versions`, `deprecate`, `restore`, `promote` and `delete`: the life of versions.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Ended;
use crate::cli::client::Client;

/// A version, and why something is done to it.
#[derive(Debug, Args)]
pub(super) struct OneVersion {
    /// The definition's name.
    name: String,
    /// The version.
    version: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

impl OneVersion {
    fn path(&self) -> String {
        format!("/api/v1/workflows/{}/versions/{}", self.name, self.version)
    }
}

/// Lists the versions of a workflow.
pub(super) async fn list(client: &Client, name: &str) -> anyhow::Result<Ended> {
    let path = format!("/api/v1/workflows/{name}/versions?limit=100");
    let mut all = client.get(&path).await?;
    while let Some(next) = all["next"].as_str() {
        let more = client.get(&format!("{path}&cursor={next}")).await?;
        super::follow::add(&mut all, more);
    }
    for version in all["items"].as_array_mut().into_iter().flatten() {
        version["reason"] = version["change"]["reason"].clone();
    }
    client.table(&all, &["version", "status", "latest", "registeredAt", "reason"])
}

/// Does something to a version.
pub(super) async fn change(client: &Client, what: &str, of: OneVersion) -> anyhow::Result<Ended> {
    let body = json!({ "reason": of.reason });
    client.print(client.post(&format!("{}/{what}", of.path()), &body).await?)
}

/// Deletes a version, however many requests it takes to look at all runs.
pub(super) async fn delete(client: &Client, of: OneVersion) -> anyhow::Result<Ended> {
    let asked = |parts: &[(&str, &str)]| {
        let request = client.request(Method::DELETE, &of.path());
        client.send(request.query(parts))
    };
    let reason: Vec<_> = of.reason.iter().map(|reason| ("reason", reason.as_str())).collect();
    let mut answer = asked(&reason).await?;
    while let Value::String(next) = &answer["next"] {
        answer = asked(&[&reason[..], &[("cursor", next)]].concat()).await?;
    }
    client.print(answer)
}
