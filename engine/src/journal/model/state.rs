//! What the world of the model is made of: a store, nodes, clients, and what is on its way between them.

use crate::journal::Position;

/// Nodes that share the store.
pub(super) const NODES: usize = 2;
/// How long a lease holds, in ticks of the store's clock.
pub(super) const LEASE: u8 = 2;
/// Ticks that a node's own clock may miss over one lease.
pub(super) const DRIFT: u8 = 1;

/// What is done otherwise than the contract wants, to show that the model would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// Nothing: this is the engine.
    None,
    /// An append checks neither epoch nor incarnation, nor how many appends there were.
    NoFence,
    /// An append checks epoch and incarnation, but not that it is the one expected next.
    NoCommitsInFence,
    /// The position tells what became of an unknown append, but nothing keeps it from being committed later.
    ResolvedByReading,
    /// A lease is counted from the moment at which the heartbeat was answered.
    LeaseFromAnswer,
    /// A node serves for the whole length of its lease, as if its clock could not be slow.
    NoMargin,
    /// A new owner reads the tail before its take-over has committed.
    TailBeforeTakeOver,
}

/// Bounds of what is explored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) epochs: u8,
    pub(super) commits: u8,
    pub(super) restarts: u8,
    pub(super) under_way: usize,
}

/// A start of a node's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Start {
    pub(super) node: usize,
    pub(super) incarnation: u8,
}

/// The partition's row in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) epoch: u8,
    pub(super) owner: Start,
    pub(super) commits: u8,
    pub(super) position: Position,
}

/// A command as it stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stored {
    pub(super) position: Position,
    pub(super) epoch: u8,
    pub(super) command: usize,
}

/// An append that has been sent and has not come to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Append {
    pub(super) by: Start,
    pub(super) epoch: u8,
    pub(super) commits: u8,
    pub(super) position: Position,
    pub(super) command: usize,
}

/// What a node holds that has taken the partition over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) epoch: u8,
    pub(super) commits: u8,
    /// The fold of the log; `None` until the tail has been read.
    pub(super) view: Option<Vec<Stored>>,
    pub(super) writing: Writing,
}

/// How the owner's append stands, as the owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writing {
    Idle,
    Sent(Append),
    /// The store has answered; the answer is on its way.
    Answered(Append, Applied),
    /// The answer has been lost, or did not come in time.
    Unknown(Append),
    /// The store has told what became of an unknown one; that answer is on its way.
    Resolved(Append, Resolved),
}

/// What the store made of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Applied {
    Committed,
    Fenced,
}

/// What became of an append whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Resolved {
    /// It stands; with the commits that there are now.
    Committed { commits: u8 },
    /// It never will.
    Lost { commits: u8 },
    /// Somebody else has the partition, and will know.
    Fenced,
}

/// Time that has gone by on a node's own clock since a heartbeat was sent, and the ticks that its clock missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Age {
    pub(super) ticks: u8,
    pub(super) missed: u8,
}

/// A heartbeat under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Beat {
    /// When it was sent; `None` if that is too long ago for a lease.
    pub(super) sent: Option<Age>,
    /// What it found in the store; the answer is on its way.
    pub(super) found: Standing,
}

/// How the partition stands, as a heartbeat found it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    pub(super) epoch: u8,
    /// The log as it was, for [`Defect::TailBeforeTakeOver`].
    pub(super) tail: Vec<Stored>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) incarnation: u8,
    pub(super) lease: Option<Age>,
    pub(super) beat: Option<Beat>,
    pub(super) held: Option<Held>,
}

/// What a client has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Told {
    pub(super) position: Position,
    /// By an owner that found the key in the log.
    pub(super) replayed: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) row: Row,
    pub(super) log: Vec<Stored>,
    /// Ticks until each node's lease runs out, by the store's clock.
    pub(super) leases: [u8; NODES],
    pub(super) nodes: [Node; NODES],
    pub(super) under_way: Vec<Append>,
    /// What each command's client has been told, under its idempotency key.
    pub(super) told: Vec<Option<Told>>,
    pub(super) restarts: u8,
}

/// A step. A node that makes none for a while is paused; what never comes, and whose answer never comes, is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// A tick of the store's clock, which some nodes' clocks miss. (A fast clock lets its node stop serving earlier,
    /// which is a pause.)
    Tick {
        missed_by: [bool; NODES],
    },
    /// A node sends a heartbeat, and the store takes it. (Taken later, it would only make the lease longer than the
    /// node believes.)
    Beat(usize),
    /// A node hears the answer to its heartbeat, and perhaps claims what it found; of which it perhaps hears nothing.
    BeatAnswered {
        node: usize,
        claim: Claim,
    },
    Load(usize),
    /// A client brings its command, perhaps not for the first time.
    Command {
        node: usize,
        command: usize,
    },
    AppendArrives(usize),
    Hear(usize),
    TimeOut(usize),
    Resolve(usize),
    Restart(usize),
}

/// What a node does about a partition that it does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    None,
    Heard,
    Unheard,
}
