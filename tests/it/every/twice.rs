//! Every step done twice gives the same world: each effect is called twice, each message delivered twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::effect::{Call, CallError, Connector, Effect, EffectKey, Policy, Verified};
use promptsales_engine::entity::{Answer, Dedup, Fault};
use promptsales_engine::id::{Prefix, StreamKey, TenantId};
use promptsales_engine::journal::{
    Age, Appended, Base, Entry, EntryError, Error, Event, Fence, Forgotten, Info, Journal, KeyHash,
    KeyRecord, Lease, Loaded, Message, OldStreams, PartitionId, Position, Seq, StreamPage, Timer,
};
use promptsales_engine::runtime::{Command, Node};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{Life, Stage, brief};

type Shared<T> = Arc<Mutex<Vec<T>>>;

fn push<T>(list: &Shared<T>, item: T) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

fn taken<T: Clone>(list: &Shared<T>) -> Vec<T> {
    list.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A connector that makes every call twice, and notes where the second answer is not the first.
struct Twice {
    inner: Arc<dyn Connector>,
    differences: Shared<String>,
}

#[async_trait]
impl Connector for Twice {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn operations(&self) -> &'static [&'static str] {
        self.inner.operations()
    }

    fn policy(&self, operation: &str) -> Policy {
        let policy = self.inner.policy(operation);
        Policy { deadline: policy.deadline * 2, ..policy }
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let first = self.inner.call(call.clone()).await;
        let second = self.inner.call(call.clone()).await;
        let told = [&first, &second].map(|answer| format!("{answer:?}"));
        if told[0] != told[1] {
            push(&self.differences, format!("{}: {} and then {}", call.operation, told[0], told[1]));
        }
        second
    }

    async fn verify(&self, call: Call<'_>) -> Result<Verified, CallError> {
        self.inner.verify(call).await
    }
}

/// A journal that shows the messages which it commits.
struct Watched {
    inner: Arc<dyn Journal>,
    messages: Shared<Message>,
}

#[async_trait]
impl Journal for Watched {
    fn info(&self) -> &Info {
        self.inner.info()
    }

    async fn take_over(&self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error> {
        self.inner.take_over(partition, incarnation).await
    }

    async fn append(
        &self,
        fence: Fence,
        batch: &[Entry],
    ) -> Result<Vec<Result<Appended, EntryError>>, Error> {
        let appended = self.inner.append(fence, batch).await;
        batch
            .iter()
            .flat_map(|entry| &entry.messages)
            .for_each(|message| push(&self.messages, message.clone()));
        appended
    }

    async fn load(&self, stream: &StreamKey) -> Result<Loaded, Error> {
        self.inner.load(stream).await
    }

    async fn read_stream(&self, stream: &StreamKey, after: Seq, limit: usize) -> Result<Vec<Event>, Error> {
        self.inner.read_stream(stream, after, limit).await
    }

    async fn read_log(&self, id: PartitionId, after: Position, limit: usize) -> Result<Vec<Event>, Error> {
        self.inner.read_log(id, after, limit).await
    }

    async fn list_streams(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error> {
        self.inner.list_streams(tenant, prefix, after, newest_first, limit).await
    }

    async fn base(&self, stream: &StreamKey) -> Result<Option<Base>, Error> {
        self.inner.base(stream).await
    }

    async fn trim(&self, stream: &StreamKey, limit: usize) -> Result<usize, Error> {
        self.inner.trim(stream, limit).await
    }

    async fn old_streams(
        &self,
        partition: PartitionId,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> Result<OldStreams, Error> {
        self.inner.old_streams(partition, prefix, age, after, limit).await
    }

    async fn forget(&self, fence: Fence, stream: &StreamKey, head: Seq) -> Result<Forgotten, Error> {
        self.inner.forget(fence, stream, head).await
    }

    async fn forgotten(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        self.inner.forgotten(partition, after, limit).await
    }

    async fn settle_forgotten(&self, fence: Fence, upto: u64) -> Result<(), Error> {
        self.inner.settle_forgotten(fence, upto).await
    }

    async fn base_shapes(&self) -> Result<Vec<(Prefix, u16)>, Error> {
        self.inner.base_shapes().await
    }

    async fn find_key(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error> {
        self.inner.find_key(key).await
    }

    async fn due_timers(&self, id: PartitionId, until: Timestamp, limit: usize) -> Result<Vec<Timer>, Error> {
        self.inner.due_timers(id, until, limit).await
    }

    async fn outbox(&self, id: PartitionId, after: u64, limit: usize) -> Result<Vec<(u64, Message)>, Error> {
        self.inner.outbox(id, after, limit).await
    }

    async fn open_effects(
        &self,
        id: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, Error> {
        self.inner.open_effects(id, after, limit).await
    }

    async fn message_to(&self, stream: &StreamKey) -> Result<Option<Message>, Error> {
        self.inner.message_to(stream).await
    }

    async fn find_effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        self.inner.find_effect(key).await
    }

    async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.inner.maintain(now).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn rules(refused: bool) -> Value {
    let behaviour = json!({ "refuse": { "code": "account_suspended", "message": "no" } });
    let rule = json!({ "connector": "tracking", "operation": "create_form", "behaviour": behaviour });
    if refused { json!([rule]) } else { json!([]) }
}

async fn through(life: &Life) -> Value {
    life.launch(&brief()).await;
    life.outcome().await
}

#[test]
fn every_effect_called_twice_gives_the_same_world() {
    for refused in [false, true] {
        let expected = Stage::new(&rules(refused)).whole(through);
        let mut stage = Stage::new(&rules(refused));
        let differences = Shared::default();
        let twice = stage.connectors.iter().map(|inner| -> Arc<dyn Connector> {
            Arc::new(Twice { inner: inner.clone(), differences: differences.clone() })
        });
        stage.connectors = twice.collect();
        assert_eq!(stage.whole(through), expected);
        assert!(taken(&differences).is_empty(), "{:?}", taken(&differences));
        let report = stage.sandbox.report();
        assert!(report.requests >= 2 * report.executed, "{report:?}");
    }
}

/// Sends a message once more, as its outbox would.
async fn again(node: &Node, message: &Message) -> Result<Answer, Fault> {
    let stream = StreamKey::new(message.from.tenant.clone(), message.to);
    let (name, body, origin) = (message.command.clone(), message.body.clone(), message.origin.clone());
    let dedup = Dedup::Message(message.id);
    node.command(Command { stream, name, body, external_key: None, origin, dedup }).await
}

fn watched(refused: bool) -> (Stage, Shared<Message>) {
    let mut stage = Stage::new(&rules(refused));
    let messages = Shared::default();
    let seen = messages.clone();
    stage.wrap = Some(Arc::new(move |inner| Arc::new(Watched { inner, messages: seen.clone() })));
    (stage, messages)
}

#[test]
fn every_message_delivered_again_gets_the_same_answer_and_changes_nothing() {
    for refused in [false, true] {
        let (mut stage, messages) = watched(refused);
        stage.whole(async |life: &Life| {
            life.launch(&brief()).await;
            let (outcome, sent) = (life.outcome().await, taken(&messages));
            assert!(sent.len() > 10, "{}", sent.len());
            for message in sent {
                let first = again(&life.node, &message).await.expect("it is answered");
                let second = again(&life.node, &message).await.expect("it is answered");
                assert!(first.replayed && second.replayed, "`{}` of {}", message.command, message.to);
                assert_eq!(first.outcome, second.outcome);
            }
            assert_eq!(life.outcome().await, outcome, "nothing has changed");
        });
    }
}

#[test]
fn every_message_delivered_twice_at_once_counts_once() {
    for refused in [false, true] {
        let expected = Stage::new(&rules(refused)).whole(through);
        let (mut stage, messages) = watched(refused);
        let outcome = stage.whole(async |life: &Life| {
            let answers = Shared::default();
            let (node, seen, heard) = (life.node.clone(), messages.clone(), answers.clone());
            life.node.cx().spawn("second postman", async move {
                for delivered in 0.. {
                    while taken(&seen).len() <= delivered {
                        node.cx().sleep(Duration::from_millis(1)).await;
                    }
                    push(&heard, again(&node, &taken(&seen)[delivered]).await);
                }
            });
            let outcome = through(life).await;
            let (sent, answers) = (taken(&messages), taken(&answers));
            assert_eq!(sent.len(), answers.len(), "the second postman has delivered everything");
            for (message, answer) in sent.iter().zip(answers) {
                let known = again(&life.node, message).await.expect("it is answered");
                assert_eq!(answer.map(|answer| answer.outcome), Ok(known.outcome), "`{}`", message.command);
            }
            outcome
        });
        assert_eq!(outcome, expected);
    }
}
