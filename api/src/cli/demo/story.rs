//! What the demo prints.

use promptsales_engine::clock::Timestamp;
use serde_json::Value;

use super::out;

/// A heading.
pub(super) fn title(text: &str) -> anyhow::Result<()> {
    out(&format!("\n== {text}"))
}

/// A line of the story.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    out(&format!("   {text}"))
}

/// The brief.
pub(super) fn brief(brief: &Value) -> anyhow::Result<()> {
    title("The brief")?;
    for (label, field) in [
        ("name", "name"),
        ("for", "targetAudience"),
        ("says", "campaignMessage"),
        ("channels", "channels"),
        ("locales", "locales"),
    ] {
        line(&format!("{label:<9} {}", plain(&brief[field])))?;
    }
    line(&format!("{:<9} {}", "budget", money(&brief["budget"])))
}

/// A task that has ended.
pub(super) fn task(task: &Value) -> anyhow::Result<()> {
    let at = |field: &str| task[field].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let took = at("endedAt").zip(at("startedAt")).map_or(0, |(end, start)| end.since(start).as_millis());
    let status = task["status"].as_str().unwrap_or("?");
    let mark = match status {
        "completed" => "ok  ",
        "skipped" => "skip",
        "faulted" => "FAIL",
        "compensated" => "undo",
        other => other,
    };
    let (name, kind) = (plain(&task["name"]), plain(&task["type"]));
    let depth = task["reference"].as_str().map_or(0, |r| r.matches('/').count() / 3).saturating_sub(1);
    line(&format!("{mark} {:indent$}{name:<24} {kind:<7} {took:>5} ms", "", indent = depth * 2))
}

/// What came of the campaign.
pub(super) fn campaign(campaign: &Value, status: &str) -> anyhow::Result<()> {
    title(&format!("The campaign: run {status}"))?;
    line(&format!("{:<11} {}", "state", plain(&campaign["configured"])))?;
    line(&format!("{:<11} {}", "effective", plain(&campaign["effective"])))?;
    for part in campaign["plan"].as_array().into_iter().flatten() {
        let channel = plain(&part["channel"]);
        let activation = &campaign["activations"][&channel];
        let external = if activation.is_object() { &activation["externalId"] } else { activation };
        line(&format!("{channel:<11} {:>14}   ad {}", money(&part["amount"]), plain(external)))?;
    }
    for link in campaign["tracking"]["links"].as_array().into_iter().flatten() {
        line(&format!("{:<11} {}", plain(&link["channel"]), plain(&link["url"])))?;
    }
    for reason in campaign["reasons"].as_array().into_iter().flatten() {
        line(&format!("{:<11} {}", plain(&reason["code"]), plain(&reason["message"])))?;
    }
    Ok(())
}

/// A lead that was captured.
pub(super) fn lead(lead: &Value) -> anyhow::Result<()> {
    let (name, email) = (plain(&lead["name"]), plain(&lead["email"]));
    let from = plain(&lead["provenance"]["channel"]);
    line(&format!("{name:<20} {email:<28} from {from:<10} score {}", plain(&lead["score"])))
}

/// Where to look next.
pub(super) fn pointers(url: &str, run: &str, campaign: &str, serves: bool) -> anyhow::Result<()> {
    title("Where to look")?;
    if !serves {
        line("run `promptsales demo --serve` to keep the server up; then, for example:")?;
    }
    line(&format!("curl {url}/api/v1/runs/{run}"))?;
    line(&format!("curl {url}/api/v1/runs/{run}/tasks"))?;
    line(&format!("curl {url}/api/v1/campaigns/{campaign}"))?;
    line(&format!("curl {url}/api/v1/campaigns/{campaign}/events"))?;
    line(&format!("curl {url}/api/v1/leads"))?;
    line(&format!("curl {url}/api/v1/supervision"))?;
    line(&format!("curl {url}/openapi.json"))?;
    if serves {
        line("Ctrl-C ends it.")?;
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn money(value: &Value) -> String {
    let (minor, currency) = (value["amountMinor"].as_i64().unwrap_or(0), plain(&value["currency"]));
    format!("{currency} {}.{:02}", minor / 100, minor % 100)
}
