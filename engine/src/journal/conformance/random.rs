//! The differential test: the same seeded operations on two back ends, whose answers must be the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use uuid::Uuid;

use super::Backend;
use super::fixture::{
    PARTITION, THING, accepted, at, effect, entry, id, key_record, message, message_id, rejected, tenant,
    told,
};
use crate::effect::{EffectFailure, EffectOp, EffectOutcome};
use crate::id::{Prefix, StreamKey};
use crate::journal::{
    Appended, Entry, EntryError, Error, Fence, Journal, Json, Outcome, Received, Seq, Snapshot, TimerOp,
};

const STREAMS: u64 = 12;
const KEYS: u8 = 40;
const MESSAGES: u64 = 30;
const EFFECTS: u64 = 20;
const OTHER: Prefix = Prefix::new("other");

/// Runs the same operations on two back ends and compares every answer, and now and then all that can be read.
/// The back ends may hold something already, if it is the same; they are left closed.
///
/// # Panics
///
/// Where they differ; the seed is in the message.
pub async fn same_answers(seed: u64, steps: usize, left: Arc<dyn Backend>, right: Arc<dyn Backend>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pair = Pair::open(left, right).await;
    for step in 0..steps {
        let context = format!("seed {seed}, step {step}");
        match rng.random_range(0..100) {
            0..80 => {
                let batch = batch(&mut rng, &pair).await;
                pair.append(&batch, pair.fence, &context).await;
            }
            80..84 => {
                let stale = Fence { epoch: pair.fence.epoch - 1, ..pair.fence };
                let batch = batch(&mut rng, &pair).await;
                pair.append(&batch, stale, &context).await;
            }
            84..87 => pair.maintain().await,
            87..89 => pair.trim(&mut rng, &context).await,
            89..90 => pair.forget(&mut rng, &context).await,
            90..93 => pair.take_over(step).await,
            93..95 => pair = pair.reopen().await,
            _ => same_state(&*pair.left, &*pair.right, &context).await,
        }
    }
    same_state(&*pair.left, &*pair.right, &format!("seed {seed}, at the end")).await;
    pair = pair.reopen().await;
    same_state(&*pair.left, &*pair.right, &format!("seed {seed}, reopened")).await;
    pair.close().await;
}

struct Pair {
    backends: (Arc<dyn Backend>, Arc<dyn Backend>),
    left: Arc<dyn Journal>,
    right: Arc<dyn Journal>,
    fence: Fence,
}

impl Pair {
    async fn open(left: Arc<dyn Backend>, right: Arc<dyn Backend>) -> Self {
        let (one, two) = (left.open().await, right.open().await);
        let mut pair = Self {
            backends: (left, right),
            left: one,
            right: two,
            fence: Fence { partition: PARTITION, epoch: 0, incarnation: Uuid::nil() },
        };
        pair.take_over(0).await;
        pair
    }

    async fn close(&self) {
        self.left.close().await;
        self.right.close().await;
    }

    async fn reopen(self) -> Self {
        self.close().await;
        Self::open(self.backends.0, self.backends.1).await
    }

    async fn take_over(&mut self, step: usize) {
        let incarnation = Uuid::from_u128(step as u128 + 1);
        let left = self.left.take_over(PARTITION, incarnation).await.expect("can be taken over");
        let right = self.right.take_over(PARTITION, incarnation).await.expect("can be taken over");
        assert_eq!((left.fence, left.position, left.last), (right.fence, right.position, right.last));
        self.fence = left.fence;
    }

    async fn maintain(&self) {
        for journal in [&self.left, &self.right] {
            journal.maintain(at(0)).await.expect("upkeep is possible");
        }
    }

    async fn trim(&self, rng: &mut ChaCha8Rng, context: &str) {
        let (streams, limit) = (streams(), rng.random_range(1..=4));
        for stream in streams.choose_multiple(rng, 3) {
            let left = self.left.trim(stream, limit).await.expect("can be trimmed");
            let right = self.right.trim(stream, limit).await.expect("can be trimmed");
            assert_eq!(left, right, "{context}, {stream}");
        }
    }

    /// Forgets some streams, mostly when all that is under way for them has come to its end, or settles what was
    /// forgotten.
    async fn forget(&self, rng: &mut ChaCha8Rng, context: &str) {
        for stream in streams().choose_multiple(rng, 3) {
            if rng.random_bool(0.7) {
                self.append(&[self.end_of(stream).await], self.fence, context).await;
            }
            let head = self.left.load(stream).await.expect("loads").head;
            let head = head + u64::from(rng.random_bool(0.1));
            let left = self.left.forget(self.fence, stream, head).await.expect("can be tried");
            let right = self.right.forget(self.fence, stream, head).await.expect("can be tried");
            assert_eq!(left, right, "{context}, {stream}");
        }
        if rng.random_bool(0.5) {
            let count = rng.random_range(1..4);
            for journal in [&self.left, &self.right] {
                let list = journal.forgotten(PARTITION, 0, count).await.expect("reads");
                let Some((last, _)) = list.last() else { continue };
                journal.settle_forgotten(self.fence, *last).await.expect("can be settled");
            }
        }
    }

    /// An entry that ends all that a stream has under way.
    async fn end_of(&self, stream: &StreamKey) -> Entry {
        let mut end = Entry::new(stream.clone(), at(0));
        let clear = |name: &str| TimerOp::Clear { name: name.to_owned() };
        end.timers = ["a", "b", "c"].map(clear).into();
        end.acknowledged = (0..MESSAGES).map(message_id).collect();
        let outcome = || EffectOutcome::Confirmed(Json::null());
        let key = |n: u64| effect(stream, &n.to_string()).key;
        end.effects = (0..EFFECTS).map(|n| EffectOp::End { key: key(n), outcome: outcome() }).collect();
        end
    }

    async fn append(&self, batch: &[Entry], fence: Fence, context: &str) {
        let left = self.left.append(fence, batch).await;
        let right = self.right.append(fence, batch).await;
        assert_eq!(answers(left), answers(right), "{context}");
    }
}

/// Answers without the reasons that each back end words for itself.
fn answers(result: Result<Vec<Result<Appended, EntryError>>, Error>) -> Vec<String> {
    let answer = |answer: Result<Appended, EntryError>| match answer {
        Err(EntryError::Refused { stream, .. }) => format!("refused {stream}"),
        other => format!("{other:?}"),
    };
    match result {
        Ok(answers) => answers.into_iter().map(answer).collect(),
        Err(error) => vec![format!("{error:?}")],
    }
}

/// Compares everything that can be read of two journals.
///
/// # Panics
///
/// Where they differ.
pub async fn same_state(left: &dyn Journal, right: &dyn Journal, context: &str) {
    let (left, right) = (state(left).await, state(right).await);
    for (left, right) in left.lines().zip(right.lines()) {
        assert_eq!(left, right, "{context}");
    }
    assert_eq!(left.len(), right.len(), "{context}");
}

/// Everything that can be read of a journal, as text.
async fn state(journal: &dyn Journal) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all");
    for event in journal.read_log(PARTITION, 0, usize::MAX).await.expect("reads") {
        line(format!("log {:?} {:?} {:?} {}", told(&event), event.at, event.body.origin, event.body.version));
    }
    for key in streams() {
        let loaded = journal.load(&key).await.expect("loads");
        let events: Vec<_> = loaded.events.iter().map(told).collect();
        let snapshot = loaded.snapshot.map(|kept| (kept.seq, kept.version, kept.data.text().to_owned()));
        let ends = (loaded.created_at, loaded.last);
        line(format!("load {key} {} {snapshot:?} {events:?} {ends:?}", loaded.head));
        for received in loaded.received {
            line(format!("received {key} {} {}", received.id, outcome(&received.outcome)));
        }
        for (after, limit) in [(0, 2), (3, 4), (loaded.head.saturating_sub(2), 9)] {
            let read = journal.read_stream(&key, after, limit).await;
            let read = read.map(|read| read.iter().map(told).collect::<Vec<_>>());
            line(format!("stream {key} {after} {limit} {read:?}"));
        }
        line(format!("base {key} {:?}", journal.base(&key).await.expect("reads")));
    }
    for n in 0..KEYS {
        let record = journal.find_key(&[n; 16]).await.expect("reads");
        let told = record.map(|r| (r.stream.to_string(), r.digest, r.range, outcome(&r.outcome)));
        line(format!("key {n} {told:?}"));
    }
    for tenant_name in ["default", "rival"] {
        for (prefix, newest_first) in [(THING, true), (THING, false), (OTHER, true)] {
            line(format!("list {tenant_name} {:?}", list(journal, tenant_name, prefix, newest_first).await));
        }
    }
    let forgotten = journal.forgotten(PARTITION, 0, usize::MAX).await.expect("reads");
    line(format!("forgotten {:?}", forgotten.iter().map(|(_, key)| key.to_string()).collect::<Vec<_>>()));
    line(format!("shapes {:?}", journal.base_shapes().await.expect("reads")));
    beside(journal, &mut line).await;
    text
}

async fn list(journal: &dyn Journal, name: &str, prefix: Prefix, newest_first: bool) -> Vec<String> {
    let (mut cursor, mut found) = (None, Vec::new());
    loop {
        let page = journal.list_streams(&tenant(name), prefix, cursor, newest_first, 2).await.expect("reads");
        let Some((_, last)) = page.streams.last() else { return found };
        cursor = Some(*last);
        found.extend(page.streams.iter().map(|(key, _)| key.to_string()));
    }
}

async fn beside(journal: &dyn Journal, line: &mut impl FnMut(String)) {
    for timer in journal.due_timers(PARTITION, at(1_000), usize::MAX).await.expect("reads") {
        line(format!("timer {timer:?}"));
    }
    for (_, message) in journal.outbox(PARTITION, 0, usize::MAX).await.expect("reads") {
        let (from, to, body) = (&message.from, message.to, message.body.text());
        line(format!("outbox {} {from} {to} {} {body} {:?}", message.id, message.command, message.origin));
    }
    for (_, effect) in journal.open_effects(PARTITION, 0, usize::MAX).await.expect("reads") {
        line(format!("open {}", effect.key));
    }
    for n in 0..EFFECTS {
        let key = effect(&streams()[0], &n.to_string()).key;
        let found = journal.find_effect(&key).await.expect("reads");
        let told =
            found.map(|e| (e.stream.to_string(), e.state, e.attempts, e.at, e.request.text().to_owned()));
        line(format!("effect {n} {told:?}"));
    }
}

fn outcome(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("outcomes can be written")
}

fn streams() -> Vec<StreamKey> {
    let stream = |n: u64| {
        let prefix = if n % 5 == 4 { OTHER } else { THING };
        StreamKey::new(tenant(if n % 3 == 2 { "rival" } else { "default" }), id(prefix, n))
    };
    (0..STREAMS).map(stream).collect()
}

/// A batch that is mostly in order, and sometimes not.
async fn batch(rng: &mut ChaCha8Rng, pair: &Pair) -> Vec<Entry> {
    let mut heads = BTreeMap::new();
    let mut batch = Vec::new();
    for _ in 0..rng.random_range(1..=6) {
        let stream = streams().choose(rng).expect("there are some").clone();
        let head = match heads.get(&stream) {
            Some(head) => *head,
            None => pair.left.load(&stream).await.expect("loads").head,
        };
        let new = random_entry(rng, stream.clone(), head);
        heads.insert(stream, head + new.events.len() as u64);
        batch.push(new);
    }
    batch
}

fn random_entry(rng: &mut ChaCha8Rng, stream: StreamKey, head: Seq) -> Entry {
    let expected = if rng.random_bool(0.07) { head + rng.random_range(0..2) } else { head };
    let names = &["made", "named", "kept"][..rng.random_range(0..=3)];
    let mut new = entry(&stream, expected, names);
    new.at = at(rng.random_range(0..100));
    if rng.random_bool(if names.is_empty() { 0.5 } else { 0.1 }) {
        new.expected = None;
    }
    for _ in 0..few(rng) {
        let answer = if rng.random() { accepted(head, json!(head)) } else { rejected("no") };
        new.keys.push(key_record(rng.random_range(0..KEYS), &stream, answer));
    }
    for _ in 0..few(rng) {
        let id = message_id(rng.random_range(0..MESSAGES));
        new.received.push(Received { id, outcome: accepted(head, json!({ "at": head })) });
    }
    for _ in 0..few(rng) {
        new.timers.push(random_timer(rng));
    }
    for _ in 0..few(rng) {
        new.messages.push(message(&stream, rng.random_range(0..MESSAGES)));
    }
    for _ in 0..few(rng) {
        new.acknowledged.push(message_id(rng.random_range(0..MESSAGES)));
    }
    for _ in 0..few(rng) {
        new.effects.push(random_effect(rng, &stream));
    }
    if rng.random_bool(0.2) {
        let seq =
            (head + names.len() as u64).saturating_sub(rng.random_range(0..3)) + rng.random_range(0..20) / 19;
        new.snapshot = Some(Snapshot { seq, version: 1, data: Json::from(&json!({ "seq": seq })) });
    }
    new
}

fn few(rng: &mut ChaCha8Rng) -> usize {
    *[0, 0, 0, 0, 0, 0, 1, 1, 2].choose(rng).expect("there are some")
}

fn random_timer(rng: &mut ChaCha8Rng) -> TimerOp {
    let name = ["a", "b", "c"].choose(rng).expect("there are some").to_string();
    let due = at(rng.random_range(0..5));
    match rng.random_range(0..5) {
        0..3 => TimerOp::Set { name, due },
        3 => TimerOp::Clear { name },
        _ => TimerOp::Fired { name, due },
    }
}

fn random_effect(rng: &mut ChaCha8Rng, stream: &StreamKey) -> EffectOp {
    let new = effect(stream, &rng.random_range(0..EFFECTS).to_string());
    let failure = EffectFailure { code: "deadline".into(), message: "no answer".to_owned() };
    match rng.random_range(0..6) {
        0..3 => EffectOp::Intend(Box::new(new)),
        3 => EffectOp::Dispatch { key: new.key, epoch: 1, attempt: rng.random_range(1..4) },
        4 => EffectOp::End { key: new.key, outcome: EffectOutcome::Unknown(failure) },
        _ => EffectOp::End { key: new.key, outcome: EffectOutcome::Confirmed(Json::from(&json!(1))) },
    }
}
