//! What the server acknowledged, and whether it is still there.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::client::key;

/// At most so many leads are read back.
const SAMPLE: usize = 10_000;
const READERS: usize = 16;
/// A read model may lag: a lead that looks short is read again so many times, this far apart.
const PASSES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(500);

/// The acknowledgements of one run, by lead.
pub(super) struct Ledger {
    /// Fresh in each run, so that older commands cannot stand in for lost ones.
    pub(super) prefix: String,
    leads: Vec<Lead>,
    serial: AtomicU64,
}

#[derive(Default)]
struct Lead {
    acknowledged: AtomicU32,
    /// The highest version acknowledged.
    version: AtomicU32,
}

/// What reading back found.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verified {
    pub(super) leads: usize,
    pub(super) acknowledged: u64,
    pub(super) lost: u64,
}

impl Ledger {
    pub(super) fn new(prefix: String, keys: u32) -> Self {
        let leads = (0..keys).map(|_| Lead::default()).collect();
        Self { prefix, leads, serial: AtomicU64::new(0) }
    }

    pub(super) fn keys(&self) -> u32 {
        u32::try_from(self.leads.len()).unwrap_or(u32::MAX)
    }

    /// A number never given before in this run.
    pub(super) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Relaxed)
    }

    /// Notes that a command to the lead `key` was answered with 200 and `body`.
    pub(super) fn acknowledge(&self, key: u32, body: &[u8]) {
        let lead = &self.leads[key as usize];
        lead.acknowledged.fetch_add(1, Relaxed);
        if let Some(version) = version_in(body) {
            lead.version.fetch_max(version, Relaxed);
        }
    }

    /// Events that the acknowledged commands wrote, as far as the answers tell.
    pub(super) fn events(&self) -> u64 {
        self.leads.iter().map(|lead| u64::from(lead.least_version())).sum()
    }

    /// Reads leads back from the server at `base` and counts the versions that are missing.
    pub(super) async fn verify(&self, base: &str) -> anyhow::Result<Verified> {
        let client = reqwest::Client::new();
        let mut verified = Verified::default();
        let stride = self.leads.len().div_ceil(SAMPLE).max(1);
        let mut pending = Vec::new();
        for (number, lead) in (0..self.keys()).zip(&self.leads).step_by(stride) {
            if lead.least_version() > 0 {
                pending.push(number);
                verified.leads += 1;
                verified.acknowledged += u64::from(lead.acknowledged.load(Relaxed));
            }
        }
        for pass in 0..PASSES {
            if pass > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            let reads = stream::iter(pending).map(|number| self.missing(&client, base, number));
            let short: Vec<(u32, u32)> = reads
                .buffer_unordered(READERS)
                .try_filter(|(_, missing)| std::future::ready(*missing > 0))
                .try_collect()
                .await?;
            verified.lost = short.iter().map(|(_, missing)| u64::from(*missing)).sum();
            pending = short.into_iter().map(|(number, _)| number).collect();
            if pending.is_empty() {
                break;
            }
        }
        Ok(verified)
    }

    /// The lead's number and how many of its versions are not there.
    async fn missing(&self, client: &reqwest::Client, base: &str, number: u32) -> anyhow::Result<(u32, u32)> {
        let url = format!("{base}/api/v1/leads/~{}", key(&self.prefix, number));
        let request = client.get(&url).timeout(Duration::from_secs(10));
        let answer = request.send().await.with_context(|| format!("could not read {url}"))?;
        let version = match answer.status() {
            reqwest::StatusCode::NOT_FOUND => 0,
            reqwest::StatusCode::OK => {
                let lead: serde_json::Value = answer.json().await?;
                let version = lead.get("version").and_then(serde_json::Value::as_u64);
                u32::try_from(version.with_context(|| format!("{url} has no version"))?)?
            }
            status => anyhow::bail!("reading {url} was answered with {status}"),
        };
        Ok((number, self.leads[number as usize].least_version().saturating_sub(version)))
    }
}

impl Lead {
    /// The version that the lead must have reached: each command writes an event or more.
    fn least_version(&self) -> u32 {
        self.version.load(Relaxed).max(self.acknowledged.load(Relaxed))
    }
}

/// The number after the first `"version":`, without parsing the document.
fn version_in(body: &[u8]) -> Option<u32> {
    const NAME: &[u8] = br#""version":"#;
    let at = body.windows(NAME.len()).position(|window| window == NAME)?;
    let value = body[at + NAME.len()..].trim_ascii_start();
    let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_highest_version_and_counts_answers_without_one() {
        let ledger = Ledger::new("b".to_owned(), 2);
        ledger.acknowledge(0, br#"{"id":"lead_0","version": 7,"events":[{"version":9}]}"#);
        ledger.acknowledge(0, br#"{"id":"lead_0","version":3}"#);
        ledger.acknowledge(1, b"{}");
        assert_eq!(ledger.events(), 8);
        assert_eq!((version_in(b"{}"), version_in(br#"{"version":"x"}"#)), (None, None));
    }
}
