//! The intake of an entity: what waits for it, kept outside its actor so that it survives the actor's restart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::admission::Admitted;
use super::deletion::Deletion;
use super::{Input, Overload, View};
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::{self, KeyHash, MessageId, Origin, Outcome, Position, Seq};
use crate::partition::{NotOwner, Owned};
use crate::runtime::Caught;

/// What makes a delivery count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedup {
    /// Nothing: a command without a key.
    None,
    /// An idempotency key, with the digest of the payload that it stands for.
    Key {
        /// What the key is found by.
        key: KeyHash,
        /// The digest of the payload.
        digest: [u8; 16],
    },
    /// A message of another stream.
    Message(MessageId),
    /// The claim under which a timer was handed out: it is taken in while that holds.
    Claim(u64),
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it did, or why it was refused.
    pub outcome: Outcome,
    /// A position at or after which the journal holds it.
    pub position: Position,
    /// True if it was recorded earlier and is only given again.
    pub replayed: bool,
}

/// Why a command has no answer: nothing of the business, but of the machinery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A limit was hit; nothing was done.
    #[error("too much is waiting: {reason}")]
    Overloaded {
        /// Which limit.
        reason: Overload,
        /// After how long it is worth asking again; whole seconds, one at least.
        retry_after: Duration,
    },
    /// The entity faults too often and is set aside; nothing was done.
    #[error("`{stream}` is quarantined: {cause}")]
    Quarantined {
        /// The entity.
        stream: StreamKey,
        /// The last fault.
        cause: String,
        /// Since when.
        since: Timestamp,
    },
    /// The idempotency key was used with another payload; nothing was done.
    #[error("the idempotency key was used with another payload")]
    KeyReused,
    /// The store was restored and has not been released; nothing was done.
    #[error("the store was restored and is held until an operator releases it")]
    Held,
    /// The node is ending; nothing was done.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// The journal cannot be used now; nothing was done.
    #[error("the journal cannot be used now: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// The database refuses the command for itself; nothing was done.
    #[error("the journal refuses the command: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// What is asked for is of before the time for which events are kept.
    #[error("what was before event {seq}, of {at}, is not kept any more")]
    Trimmed {
        /// The number of the first event of which it can be told what the state was.
        seq: Seq,
        /// When that was: the horizon.
        at: Timestamp,
    },
    /// The stream belongs to a partition that this node does not own; nothing was done.
    #[error("another node owns what the command is for")]
    NotOwner {
        /// Where the owner can be reached, as far as known.
        address: Option<String>,
    },
    /// It is not known whether the command was carried out.
    #[error("it is not known whether the command was carried out; repeat it under the same Idempotency-Key")]
    Unknown,
}

impl From<journal::Error> for Fault {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::Unknown { .. } => Self::Unknown,
            journal::Error::Corrupt { reason } => Self::Refused { reason },
            journal::Error::Unavailable { reason } => Self::Unavailable { reason },
            journal::Error::Trimmed { seq, at, .. } => Self::Trimmed { seq, at },
            journal::Error::Fenced { .. } => Self::NotOwner { address: None },
            journal::Error::Regressed { .. } | journal::Error::InUse { .. } => {
                Self::Unavailable { reason: error.to_string() }
            }
        }
    }
}

impl From<NotOwner> for Fault {
    fn from(NotOwner { address }: NotOwner) -> Self {
        Self::NotOwner { address }
    }
}

/// What waits for an entity.
pub(crate) enum Work {
    /// Something to take in.
    Deliver(Box<Delivery>),
    /// Somebody wants to see the state.
    Read(oneshot::Sender<Result<Option<View>, Fault>>),
    /// It is to be deleted, if it is old enough.
    Delete(Deletion),
}

/// Something to take in, with what is needed to answer.
pub(crate) struct Delivery {
    pub(crate) input: Input,
    pub(crate) origin: Arc<Origin>,
    pub(crate) dedup: Dedup,
    pub(crate) answer: oneshot::Sender<Result<Answer, Fault>>,
    /// How often it has brought the entity down, and the last cause.
    pub(crate) strikes: u8,
    pub(crate) cause: Option<Caught>,
    /// The leave that it came in with; none for work of the node's own.
    pub(crate) admitted: Option<Admitted>,
}

/// Where an entity is in its life on this node.
pub(crate) enum Phase<A> {
    /// No actor.
    Dormant,
    /// The supervisor has been asked for an actor.
    Starting,
    /// An actor; `awake` if a wake-up is on its way or being worked on. Readers are answered with the view that is
    /// `shown`: see [`view`](super::view).
    Active { actor: A, awake: bool, shown: Option<View> },
    /// No actor until the back-off is over.
    BackingOff,
    /// Out of the directory, for ever; look again.
    Removed,
}

impl<A> Phase<A> {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Dormant => "dormant",
            Self::Starting => "starting",
            Self::Active { awake: true, .. } => "working",
            Self::Active { awake: false, .. } => "idle",
            Self::BackingOff => "backing-off",
            Self::Removed => "removed",
        }
    }
}

/// The place of one entity on this node.
pub(crate) struct Cell<A> {
    pub(crate) key: StreamKey,
    /// What this node owns, and had when the entity came to life; ends with it.
    pub(crate) owned: Arc<Owned>,
    inner: Mutex<Inner<A>>,
}

pub(crate) struct Inner<A> {
    pub(crate) queue: VecDeque<Work>,
    pub(crate) phase: Phase<A>,
    pub(crate) used: Instant,
    /// How often its actor has looked for work.
    pub(crate) batches: u64,
    /// When its actor was started last.
    pub(crate) since: Instant,
    pub(crate) restarts: u32,
    pub(crate) last_fault: Option<String>,
    pub(crate) intensity: Option<crate::supervise::Intensity>,
}

impl<A> Cell<A> {
    pub(crate) fn new(key: StreamKey, owned: Arc<Owned>, now: Instant) -> Self {
        let inner = Inner {
            queue: VecDeque::new(),
            phase: Phase::Dormant,
            used: now,
            batches: 0,
            since: now,
            restarts: 0,
            last_fault: None,
            intensity: None,
        };
        Self { key, owned, inner: Mutex::new(inner) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Inner<A> {
    /// Takes up to `limit` pieces of work; with none left, the actor is noted as asleep.
    pub(crate) fn take(&mut self, limit: usize, now: Instant) -> Vec<Work> {
        self.used = now;
        self.batches += 1;
        if self.queue.is_empty()
            && let Phase::Active { awake, .. } = &mut self.phase
        {
            *awake = false;
        }
        let count = self.queue.len().min(limit);
        self.queue.drain(..count).collect()
    }

    /// Puts work back to the front, in its order; gives it back where the place is gone.
    #[must_use]
    pub(crate) fn put_back(&mut self, work: Vec<Work>) -> Vec<Work> {
        if matches!(self.phase, Phase::Removed) {
            return work;
        }
        for piece in work.into_iter().rev() {
            self.queue.push_front(piece);
        }
        Vec::new()
    }
}

/// Answers work that will not be done.
pub(crate) fn refuse_all(work: impl IntoIterator<Item = Work>, fault: &Fault) {
    for piece in work {
        // Who does not listen any more needs no answer.
        match piece {
            Work::Read(answer) => drop(answer.send(Err(fault.clone()))),
            Work::Deliver(delivery) => drop(delivery.answer.send(Err(fault.clone()))),
            Work::Delete(deletion) => drop(deletion.answer.send(Err(fault.clone()))),
        }
    }
}
