//! The outbox: carries messages from stream to stream, and their answers back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Dedup, Directory, Fault, Input};
use crate::id::StreamKey;
use crate::journal::{self, Entry, Journal, Message, MessageId, Outcome, Rejected, RejectionKind};
use crate::partition::{Backlog, Carried, Carrier, Owned, Seat};
use crate::supervise::redelivered;

/// Carries messages.
pub struct Outbox {
    directory: Directory,
    journal: Arc<dyn Journal>,
    owned: Arc<Owned>,
}

impl Outbox {
    /// The outbox of a partition.
    pub fn new(directory: Directory, journal: Arc<dyn Journal>, owned: Arc<Owned>) -> Self {
        Self { directory, journal, owned }
    }

    /// Takes a message off the outbox whose sender is no entity, and takes no answer: the inlet.
    async fn acknowledge(&self, message: &Message, tries: u32) -> Carried {
        let mut entry = Entry::new(message.from.clone(), self.directory.shared().cx.now());
        entry.acknowledged.push(message.id);
        let appended = self.owned.append(entry);
        match self.directory.hear(&self.owned, appended, || Fault::Unknown).await {
            Ok(Ok(_)) => Carried::Done,
            Ok(Err(error)) => again(&self.directory.append_failed(&self.owned, &error), tries),
            Err(fault) => again(&fault, tries),
        }
    }
}

#[async_trait]
impl Carrier for Outbox {
    type Item = Message;
    type Key = MessageId;
    const NAME: &'static str = "outbox";

    fn owned(&self) -> &Arc<Owned> {
        &self.owned
    }

    fn feed(&self) -> &Backlog<Message> {
        &self.owned.feeds().messages
    }

    fn key(message: &Message) -> MessageId {
        message.id
    }

    async fn page(&self, after: u64, limit: usize) -> Result<Vec<(u64, Message)>, journal::Error> {
        self.journal.outbox(self.owned.partition(), after, limit).await
    }

    async fn carry(&self, message: &Message, tries: u32, _: &mut Seat) -> Carried {
        let to = StreamKey::new(message.from.tenant.clone(), message.to);
        let (input, origin) = redelivered(message).unwrap_or_else(|| {
            let (name, body) = (message.command.clone(), message.body.clone());
            (Input::Command { name, body, external_key: None }, message.origin.clone())
        });
        let dedup = Dedup::Message(message.id);
        let delivered = self.directory.deliver_within(&to, input, origin, dedup).await;
        let outcome = match delivered {
            Ok(answer) => answer.outcome,
            // What the database refuses for itself will be refused again: that is the answer.
            Err(Fault::Refused { reason }) => Outcome::Rejected(Rejected {
                kind: RejectionKind::Invalid,
                code: "refused_by_journal".into(),
                message: reason,
                detail: journal::Json::null(),
            }),
            Err(fault) => return again(&fault, tries),
        };
        if self.directory.shared().catalog.by_prefix(message.from.id.prefix()).is_none() {
            return self.acknowledge(message, tries).await;
        }
        let reply = Input::Reply { id: message.id, outcome };
        let origin = Arc::new(message.origin.caused(&message.id.to_string(), &message.to.to_string()));
        match self.directory.deliver_within(&message.from, reply, origin, Dedup::None).await {
            Ok(_) => Carried::Done,
            Err(fault) => again(&fault, tries),
        }
    }
}

/// How long to wait before what met a fault is tried again: 50 ms doubling to 10 s.
pub(crate) fn again(fault: &Fault, tries: u32) -> Carried {
    if tries > 6 {
        tracing::warn!(%fault, tries, "work between entities cannot be delivered");
    }
    let wait = Duration::from_millis(50) * 2_u32.pow(tries.min(8));
    Carried::Again(wait.min(Duration::from_secs(10)))
}
