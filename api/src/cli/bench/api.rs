//! The server's API, as what stands beside a load uses it: where time does not count.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// Items of a page, the most that there are.
const PAGE: usize = 100;

/// A server to ask.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
}

/// What a server's metrics tell (Prometheus text format 0.0.4).
pub(super) struct Metrics(String);

impl Api {
    pub(super) fn new(base: &str) -> Self {
        Self { client: reqwest::Client::new(), base: base.to_owned() }
    }

    /// Registers a workflow.
    pub(super) async fn register(&self, source: String) -> anyhow::Result<()> {
        self.post("/api/v1/workflows", source).await.context("the workflow is not taken").map(drop)
    }

    /// Starts a run, and answers its id.
    pub(super) async fn start(&self, workflow: &str, input: &Value) -> anyhow::Result<String> {
        let path = format!("/api/v1/workflows/{workflow}/runs");
        let started = self.post(&path, input.to_string()).await.context("the run is not started")?;
        Ok(started["runId"].as_str().context("a run has no id")?.to_owned())
    }

    /// Asks for a resource.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.text(path).await?)?)
    }

    /// Shows `each` item of a list, page by page, as long as it says true.
    pub(super) async fn list(
        &self,
        path: &str,
        mut each: impl FnMut(&Value) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit={PAGE}{cursor}")).await?;
            for item in page["items"].as_array().into_iter().flatten() {
                if !each(item)? {
                    return Ok(());
                }
            }
            let Some(next) = page["next"].as_str() else { return Ok(()) };
            cursor = format!("&cursor={next}");
        }
    }

    /// What the metrics tell.
    pub(super) async fn metrics(&self) -> anyhow::Result<Metrics> {
        self.text("/metrics").await.map(Metrics)
    }

    async fn text(&self, path: &str) -> anyhow::Result<String> {
        let request = self.client.get(format!("{}{path}", self.base)).timeout(PATIENCE);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }

    async fn post(&self, path: &str, body: String) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).timeout(PATIENCE).body(body);
        Ok(serde_json::from_str(&request.send().await?.error_for_status()?.text().await?)?)
    }
}

impl Metrics {
    /// The sum of all series of a name.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        let series = self.0.lines().filter_map(|line| line.strip_prefix(name));
        let series = series.filter(|rest| rest.starts_with([' ', '{']));
        series.filter_map(|rest| rest.rsplit(' ').next()?.parse().ok()).reduce(|sum: f64, value| sum + value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_series_of_all_lanes() {
        let text = "# TYPE promptsales_commit_entries summary\n\
                    promptsales_commit_entries{lane=\"0\",quantile=\"0.5\"} 9\n\
                    promptsales_commit_entries_sum{lane=\"0\"} 12.5\n\
                    promptsales_commit_entries_sum{lane=\"1\"} 3\n\
                    promptsales_commit_entries_count 4\n";
        let metrics = Metrics(text.to_owned());
        let sum = |suffix| metrics.sum(&format!("promptsales_commit_entries{suffix}"));
        assert_eq!((sum("_sum"), sum("_count"), sum("_min")), (Some(15.5), Some(4.0), None));
    }
}
