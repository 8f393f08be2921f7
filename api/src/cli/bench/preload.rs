//! Events put into a store before its first server, straight through the journal.
//!
//! They are what the product itself would have written: the lead's own machine decides them, ids are derived of the
//! leads' keys as the HTTP edge derives them, and snapshots are kept as often as a host keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use promptsales_engine::entity::{Input, KindInfo, Machine, StepCx};
use promptsales_engine::id::{IdSecret, StreamKey, TenantId};
use promptsales_engine::journal::{
    Entry, Fence, Journal, Json, NewEvent, Origin, PartitionId, Seq, Snapshot,
};
use promptsales_engine::runtime::{self, Context};

use super::request::{ACTIVITY, key};
use crate::app::Registry;
use crate::config::Config;
use crate::store::open_journal;

/// Entries that one commit takes.
const BATCH: usize = 8_192;
/// Events of the long lead that one entry takes.
const LONG_BATCH: u64 = 100;
/// Commits after which the journal's upkeep is done, which a server does every second.
const UPKEEP: u64 = 8;

/// How many events are put into a store, and for whom.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preload {
    /// Events, given to the leads in turn.
    pub(super) events: u64,
    /// Leads that have them, numbered from 0.
    pub(super) entities: u32,
    /// Events of one more lead, the long one.
    pub(super) long: u64,
}

impl Preload {
    /// Events in all.
    pub(super) fn total(self) -> u64 {
        self.events + self.long
    }
}

/// What the long lead of the store `prefix` has instead of the prefix.
pub(super) fn long_prefix(prefix: &str) -> String {
    format!("{prefix}-long")
}

/// Fills the store of `config`.
pub(super) async fn run(config: &Config, prefix: &str, preload: Preload) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir)?;
    let journal = open_journal(config).await?;
    let mut writer = Writer::open(journal.clone(), preload.total()).await?;
    let leads = Leads::new(journal.info().secret, writer.cx.clone())?;
    let filled = fill(&mut writer, &leads, prefix, preload).await;
    journal.close().await;
    filled
}

async fn fill(writer: &mut Writer, leads: &Leads, prefix: &str, preload: Preload) -> anyhow::Result<()> {
    let every = runtime::Config::default().snapshot_every;
    let rounds = preload.events.div_ceil(u64::from(preload.entities.max(1)));
    // Where a lead comes to have a snapshot, its state has to be known; otherwise its events look all alike.
    let mut states: Vec<Lead> = Vec::new();
    let alike = leads.begin("x").step(leads, 1)?;
    for number in 0..preload.events {
        let (round, entity) =
            (number / u64::from(preload.entities), u32::try_from(number % u64::from(preload.entities))?);
        let name = key(prefix, entity);
        let entry = if rounds >= every {
            if round == 0 {
                states.push(leads.begin(&name));
            }
            states[entity as usize].entry(leads, 1, every)?
        } else if round == 0 {
            leads.begin(&name).entry(leads, 1, every)?
        } else {
            let mut entry = Entry::new(leads.stream(&name), leads.cx.now());
            let again = NewEvent { origin: leads.origin(), ..alike.clone() };
            (entry.expected, entry.events) = (Some(round), vec![again]);
            entry
        };
        writer.put(entry).await?;
    }
    drop(states);
    let mut long = leads.begin(&key(&long_prefix(prefix), 0));
    while long.seq < preload.long {
        let events = LONG_BATCH.min(preload.long - long.seq);
        writer.put(long.entry(leads, events, every)?).await?;
    }
    writer.finish().await
}

/// What leads are made with.
struct Leads {
    kind: Arc<KindInfo>,
    tenant: TenantId,
    secret: IdSecret,
    body: Json,
    cx: Context,
}

impl Leads {
    fn new(secret: IdSecret, cx: Context) -> anyhow::Result<Self> {
        let kind = Registry::new()?.catalog.by_plural("leads").cloned().context("there are no leads")?;
        let body = Json::from_text(ACTIVITY.to_owned())?;
        Ok(Self { kind, tenant: TenantId::default_tenant(), secret, body, cx })
    }

    /// The stream that `~name` leads to.
    fn stream(&self, name: &str) -> StreamKey {
        let parts = [self.tenant.as_str(), self.kind.kind.name, name];
        let id = self.secret.derive(self.kind.kind.prefix, None, "external key", &parts);
        StreamKey::new(self.tenant.clone(), id)
    }

    fn origin(&self) -> Arc<Origin> {
        Arc::new(Origin::root(&format!("req_{}", self.cx.uuid().simple()), "dev"))
    }

    fn begin(&self, name: &str) -> Lead {
        let stream = self.stream(name);
        let machine = (self.kind.machine)(&stream);
        Lead { name: name.to_owned(), stream, machine, seq: 0, kept: 0 }
    }
}

/// A lead whose state is known.
struct Lead {
    name: String,
    stream: StreamKey,
    machine: Box<dyn Machine>,
    seq: Seq,
    /// The last event in a snapshot.
    kept: Seq,
}

impl Lead {
    /// The entry of so many commands, with a snapshot if it is time for one.
    fn entry(&mut self, leads: &Leads, commands: u64, every: u64) -> anyhow::Result<Entry> {
        let mut entry = Entry::new(self.stream.clone(), leads.cx.now());
        entry.expected = Some(self.seq);
        for _ in 0..commands {
            entry.events.push(self.step(leads, 0)?);
        }
        if self.seq - self.kept >= every {
            let (version, data) = self.machine.snapshot().context("a lead keeps snapshots")?;
            self.kept = self.seq;
            entry.snapshot = Some(Snapshot { seq: self.seq, version, data });
        }
        Ok(entry)
    }

    /// The event that a command leads to, after so many that are passed over.
    fn step(&mut self, leads: &Leads, passed: u64) -> anyhow::Result<NewEvent> {
        let input = Input::Command {
            name: "record-activity".into(),
            body: leads.body.clone(),
            external_key: Some(self.name.clone()),
        };
        let mut last = None;
        for _ in 0..=passed {
            let origin = leads.origin();
            let cx = StepCx { stream: &self.stream, now: leads.cx.now(), seq: self.seq, origin: &origin };
            let step = self.machine.step(&input, &cx);
            let step = step.map_err(|rejected| anyhow::anyhow!("a lead refused: {}", rejected.message))?;
            last = step.events.into_iter().next();
            self.seq += 1;
        }
        last.context("a command led to no event")
    }
}

/// Gathers entries and commits them in large batches.
struct Writer {
    journal: Arc<dyn Journal>,
    fences: BTreeMap<PartitionId, Fence>,
    batches: BTreeMap<PartitionId, Vec<Entry>>,
    gathered: usize,
    commits: u64,
    cx: Context,
    progress: ProgressBar,
}

impl Writer {
    async fn open(journal: Arc<dyn Journal>, total: u64) -> anyhow::Result<Self> {
        let cx = Context::real();
        let mut fences = BTreeMap::new();
        for partition in &journal.info().partitions {
            let lease = journal.take_over(*partition, cx.uuid()).await?;
            cx.not_before(lease.last);
            fences.insert(*partition, lease.fence);
        }
        let style =
            ProgressStyle::with_template("preload {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")?;
        let progress = ProgressBar::new(total).with_style(style);
        Ok(Self { journal, fences, batches: BTreeMap::new(), gathered: 0, commits: 0, cx, progress })
    }

    async fn put(&mut self, entry: Entry) -> anyhow::Result<()> {
        let partition = self.journal.info().partition_of(&entry.stream);
        self.batches.entry(partition).or_default().push(entry);
        self.gathered += 1;
        if self.gathered >= BATCH { self.commit().await } else { Ok(()) }
    }

    async fn commit(&mut self) -> anyhow::Result<()> {
        self.gathered = 0;
        let mut batches = Vec::new();
        for (partition, entries) in std::mem::take(&mut self.batches) {
            let fence = self.fences.get(&partition).context("a lead has no partition")?;
            batches.push((*fence, entries));
        }
        for answer in self.journal.append_all(&batches).await {
            for entry in answer? {
                entry?;
            }
        }
        let events = batches.iter().flat_map(|(_, entries)| entries).map(|entry| entry.events.len() as u64);
        self.progress.inc(events.sum());
        self.commits += 1;
        if self.commits.is_multiple_of(UPKEEP) {
            self.journal.maintain(self.cx.now()).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.commit().await?;
        self.journal.maintain(self.cx.now()).await?;
        self.progress.finish_and_clear();
        Ok(())
    }
}
