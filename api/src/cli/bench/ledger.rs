//! What the server acknowledged, and whether it is still there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::client::Connection;
use super::request::{BATCH, Request, Work, key};
use super::store::fresh;

/// At most so many leads are read back.
const SAMPLE: usize = 10_000;
/// At most so many batches are sent again.
const BATCHES: usize = 1_000;
const READERS: usize = 16;
/// A read model may lag: a lead that looks short is read again so many times, this far apart.
const PASSES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(500);

/// The acknowledgements of one run, by lead.
pub(super) struct Ledger {
    /// What the names of the store's leads begin with.
    pub(super) prefix: String,
    /// Fresh for each ledger: what idempotency keys and the ids of events begin with.
    pub(super) run: String,
    leads: Vec<Lead>,
    serial: AtomicU64,
    /// The batches of events that were acknowledged.
    batches: Mutex<Vec<u64>>,
    /// The events in them that the server had not had before.
    accepted: AtomicU64,
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
        let (serial, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { prefix, run: fresh("run"), leads, serial, batches: Mutex::default(), accepted }
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
        if let Some(version) = number_in(body, b"\"version\":") {
            lead.version.fetch_max(version, Relaxed);
        }
    }

    /// Notes that the batch `serial` was answered with 200 and `body`.
    pub(super) fn take(&self, serial: u64, body: &[u8]) {
        let accepted = number_in(body, b"\"accepted\":").unwrap_or(0);
        self.accepted.fetch_add(accepted.into(), Relaxed);
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(serial);
    }

    /// Events that the acknowledged commands wrote, one each, and those that came in batches.
    pub(super) fn events(&self) -> u64 {
        let commands: u64 = self.leads.iter().map(|lead| u64::from(lead.acknowledged.load(Relaxed))).sum();
        commands + self.accepted.load(Relaxed)
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

    /// Sends some acknowledged batches to the server at `address` again, and counts the events that it took as new.
    pub(super) async fn verify_batches(&self, address: SocketAddr) -> anyhow::Result<Verified> {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stride = batches.len().div_ceil(BATCHES).max(1);
        let mut connection = Connection::open(address).await?;
        let mut request = Request::new(address, &self.prefix, &self.run, Work::Events);
        let mut verified = Verified::default();
        for serial in batches.into_iter().step_by(stride) {
            let answer = connection.exchange(request.patch(serial, || 0)).await?;
            anyhow::ensure!(answer.status == 200, "a batch sent again was answered with {}", answer.status);
            let accepted = number_in(answer.body, b"\"accepted\":").context("the answer counts nothing")?;
            verified.acknowledged += u64::from(BATCH);
            verified.lost += u64::from(accepted);
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

/// The number after the first `name`, without parsing the document.
fn number_in(body: &[u8], name: &[u8]) -> Option<u32> {
    let at = body.windows(name.len()).position(|window| window == name)?;
    let value = body[at + name.len()..].trim_ascii_start();
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
        assert_eq!(ledger.leads.iter().map(Lead::least_version).collect::<Vec<_>>(), [7, 1]);
        assert_eq!(ledger.events(), 3);
        let version = |body| number_in(body, b"\"version\":");
        assert_eq!((version(b"{}"), version(br#"{"version":"x"}"#)), (None, None));
    }

    #[test]
    fn counts_what_batches_brought() {
        let ledger = Ledger::new("b".to_owned(), 1);
        ledger.take(0, br#"{"accepted":98,"duplicates":2}"#);
        ledger.take(1, br#"{"accepted":0,"duplicates":100}"#);
        assert_eq!((ledger.events(), ledger.batches.lock().unwrap().len()), (98, 2));
    }
}
