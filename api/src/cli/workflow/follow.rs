//! `promptsales workflow impact` and `follow`: open runs and a version, request by request until there are no more.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Ended;
use crate::cli::client::Client;
use crate::cli::runs::choice;

/// `promptsales workflow follow ...`
#[derive(Debug, Args)]
pub(super) struct Follow {
    /// The definition's name.
    name: String,
    /// The version.
    version: String,
    /// Where runs go on for a task that is gone: `OLD=NEW`, JSON pointers of the two versions; may be repeated.
    #[arg(long = "task", value_name = "OLD=NEW", value_parser = choice)]
    tasks: Vec<(String, String)>,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

/// Has every open run go on in a version.
pub(super) async fn run(client: &Client, args: Follow) -> anyhow::Result<Ended> {
    let Follow { name, version, tasks, reason } = args;
    let tasks: BTreeMap<_, _> = tasks.into_iter().collect();
    let path = format!("/api/v1/workflows/{name}/versions/{version}/follow");
    let mut body = json!({ "tasks": tasks, "reason": reason });
    let mut all = client.post(&path, &body).await?;
    while !all["next"].is_null() {
        body["cursor"] = all["next"].clone();
        add(&mut all, client.post(&path, &body).await?);
    }
    let failed = all["runs"]["refused"].as_array().map_or(0, Vec::len);
    let ended = client.print(all)?;
    anyhow::ensure!(failed == 0, "{failed} were refused");
    Ok(ended)
}

/// What would become of every open run.
pub(super) async fn impact(client: &Client, name: &str, version: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1/workflows/{name}/versions/{version}/impact");
    let mut all = client.get(&path).await?;
    while let Some(next) = all["next"].as_str() {
        let more = client.get(&format!("{path}?cursor={next}")).await?;
        add(&mut all, more);
    }
    Ok(all)
}

/// The answer of a registration with what would become of every open run, where not all were looked at then. The
/// version is there even if that cannot be told.
pub(super) async fn completed(client: &Client, mut registered: Value) -> Value {
    let [name, version] = ["name", "version"].map(|part| registered[part].as_str().unwrap_or_default());
    if !registered["next"].is_null()
        && let Ok(all) = impact(client, name, version).await
    {
        registered["runs"] = all["runs"].clone();
        registered["next"] = Value::Null;
    }
    registered
}

/// Adds an answer to those before it: numbers are summed, lists are joined, and the rest is that of the new one.
pub(super) fn add(all: &mut Value, more: Value) {
    match (all, more) {
        (Value::Object(all), Value::Object(more)) => {
            for (name, value) in more {
                add(all.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(all), Value::Array(more)) => all.extend(more),
        (all, more) => {
            let sum = all.as_u64().zip(more.as_u64()).map(|(a, b)| Value::from(a + b));
            *all = sum.unwrap_or(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_added_up() {
        let answer = |followed: u64, run: &str, next: Value| {
            json!({
                "version": "2.0.0", "next": next,
                "runs": { "followed": followed, "refused": [{ "run": run, "code": "must_choose" }] },
            })
        };
        let mut all = answer(2, "a", json!("p5"));
        add(&mut all, answer(3, "b", Value::Null));
        assert_eq!((&all["version"], &all["next"]), (&json!("2.0.0"), &Value::Null));
        assert_eq!((&all["runs"]["followed"], &all["runs"]["refused"][1]["run"]), (&json!(5), &json!("b")));
    }
}
