//! The steps of the model: what any of its parts can do, and what comes of it.

use super::state::{
    Age, Append, Applied, Beat, Bounds, Claim, DRIFT, Defect, Held, LEASE, NODES, Node, Resolved, Row,
    Standing, Start, Step, Stored, Told, World, Writing,
};

impl Age {
    /// The age after a tick; `None` once a lease of this age does not hold any more.
    fn after_tick(self, is_missed: bool, defect: Defect) -> Option<Self> {
        let margin = if defect == Defect::NoMargin { 0 } else { DRIFT };
        let Self { ticks, missed } = self;
        let age =
            if is_missed { Self { missed: missed + 1, ticks } } else { Self { ticks: ticks + 1, missed } };
        (age.ticks + margin < LEASE).then_some(age)
    }
}

impl Node {
    fn ages(&self) -> impl Iterator<Item = Age> {
        self.lease.into_iter().chain(self.beat.iter().filter_map(|beat| beat.sent))
    }

    /// True if its clock can miss a tick, within its bound.
    fn may_miss(&self) -> bool {
        self.ages().next().is_some() && self.ages().all(|age| age.missed < DRIFT)
    }

    fn writing(&self) -> Option<Writing> {
        self.held.as_ref().map(|held| held.writing)
    }
}

impl World {
    /// A node holds the partition of an empty store, another one is there.
    pub(super) fn new(commands: usize) -> Self {
        let owner = Start { node: 0, incarnation: 0 };
        let held = Held { epoch: 1, commits: 1, view: Some(Vec::new()), writing: Writing::Idle };
        let holder = Node { lease: Some(Age::default()), held: Some(held), ..Node::default() };
        let mut leases = [0; NODES];
        leases[owner.node] = LEASE;
        Self {
            row: Row { epoch: 1, owner, commits: 1, position: 0 },
            log: Vec::new(),
            leases,
            nodes: [holder, Node::default()],
            under_way: Vec::new(),
            told: vec![None; commands],
            restarts: 0,
        }
    }

    /// The state from which a node would answer now, if it would.
    pub(super) fn serving(&self, node: usize) -> Option<&Vec<Stored>> {
        self.nodes[node].lease?;
        self.nodes[node].held.as_ref()?.view.as_ref()
    }

    pub(super) fn is_within(&self, bounds: Bounds) -> bool {
        self.row.epoch <= bounds.epochs
            && self.row.commits <= bounds.commits
            && self.restarts <= bounds.restarts
            && self.under_way.len() <= bounds.under_way
    }

    /// The steps that can be made now.
    pub(super) fn steps(&self, steps: &mut Vec<Step>) {
        let rates =
            |node: usize| [false, true].into_iter().take(1 + usize::from(self.nodes[node].may_miss()));
        for first in rates(0) {
            steps.extend(rates(1).map(|second| Step::Tick { missed_by: [first, second] }));
        }
        steps.extend((0..self.under_way.len()).map(Step::AppendArrives));
        for node in 0..NODES {
            self.steps_of(node, steps);
        }
    }

    fn steps_of(&self, node: usize, steps: &mut Vec<Step>) {
        let it = &self.nodes[node];
        match &it.beat {
            None => steps.push(Step::Beat(node)),
            Some(_) => {
                let claims = [Claim::None, Claim::Heard, Claim::Unheard];
                let claims = claims.into_iter().take(if it.held.is_some() { 1 } else { 3 });
                steps.extend(claims.map(|claim| Step::BeatAnswered { node, claim }));
            }
        }
        if it.held.as_ref().is_some_and(|held| held.view.is_none()) {
            steps.push(Step::Load(node));
        }
        match it.writing() {
            Some(Writing::Idle) if self.serving(node).is_some() => {
                let open = (0..self.told.len()).filter(|command| self.told[*command].is_none());
                steps.extend(open.map(|command| Step::Command { node, command }));
            }
            Some(Writing::Idle) | None => {}
            Some(Writing::Sent(_)) => steps.push(Step::TimeOut(node)),
            Some(Writing::Answered(..) | Writing::Resolved(..)) => {
                steps.extend([Step::Hear(node), Step::TimeOut(node)]);
            }
            Some(Writing::Unknown(_)) => steps.push(Step::Resolve(node)),
        }
        if it.held.is_some() {
            steps.push(Step::Restart(node));
        }
    }

    pub(super) fn make(&mut self, step: Step, defect: Defect) {
        match step {
            Step::Tick { missed_by } => self.tick(missed_by, defect),
            Step::Beat(node) => self.beat(node, defect),
            Step::BeatAnswered { node, claim } => self.beat_answered(node, claim, defect),
            Step::Load(node) => {
                let log = self.log.clone();
                if let Some(held) = &mut self.nodes[node].held {
                    held.view = Some(log);
                }
            }
            Step::Command { node, command } => self.command(node, command),
            Step::AppendArrives(index) => {
                let append = self.under_way.remove(index);
                self.append_arrives(append, defect);
            }
            Step::Hear(node) => self.hear(node),
            Step::TimeOut(node) => self.time_out(node),
            Step::Resolve(node) => self.resolve(node, defect),
            Step::Restart(node) => {
                let incarnation = self.nodes[node].incarnation + 1;
                self.nodes[node] = Node { incarnation, ..Node::default() };
                self.restarts += 1;
            }
        }
    }

    fn start(&self, node: usize) -> Start {
        Start { node, incarnation: self.nodes[node].incarnation }
    }

    fn tick(&mut self, missed_by: [bool; NODES], defect: Defect) {
        for (node, is_missed) in self.nodes.iter_mut().zip(missed_by) {
            node.lease = node.lease.and_then(|age| age.after_tick(is_missed, defect));
            if let Some(beat) = &mut node.beat {
                beat.sent = beat.sent.and_then(|age| age.after_tick(is_missed, defect));
            }
        }
        self.leases = self.leases.map(|left| left.saturating_sub(1));
    }

    fn beat(&mut self, node: usize, defect: Defect) {
        self.leases[node] = LEASE;
        let tail = if defect == Defect::TailBeforeTakeOver { self.log.clone() } else { Vec::new() };
        let found = Standing { epoch: self.row.epoch, tail };
        self.nodes[node].beat = Some(Beat { sent: Some(Age::default()), found });
    }

    fn beat_answered(&mut self, node: usize, claim: Claim, defect: Defect) {
        let it = &mut self.nodes[node];
        let Some(Beat { sent, found: standing }) = it.beat.take() else { return };
        it.lease = if defect == Defect::LeaseFromAnswer { Some(Age::default()) } else { sent };
        // Taken over by another node meanwhile: step down.
        it.held = it.held.take().filter(|held| held.epoch >= standing.epoch);
        match claim {
            Claim::None => {}
            Claim::Heard => self.nodes[node].held = self.claim(node, standing, defect),
            Claim::Unheard => {
                self.claim(node, standing, defect);
            }
        }
    }

    /// Takes the partition over where its owner's lease has run out by the store's clock, or the owner was an earlier
    /// start of the same node: a compare-and-set on the epoch.
    fn claim(&mut self, node: usize, seen: Standing, defect: Defect) -> Option<Held> {
        let is_free = self.row.owner.node == node || self.leases[self.row.owner.node] == 0;
        if self.row.epoch != seen.epoch || !is_free {
            return None;
        }
        self.row.epoch += 1;
        self.row.commits += 1;
        self.row.owner = self.start(node);
        let view = (defect == Defect::TailBeforeTakeOver).then_some(seen.tail);
        let (epoch, commits) = (self.row.epoch, self.row.commits);
        Some(Held { epoch, commits, view, writing: Writing::Idle })
    }

    /// A command comes to a node that serves: it is answered from the log if its key is there, or sent.
    fn command(&mut self, node: usize, command: usize) {
        let by = self.start(node);
        let Some(held) = &mut self.nodes[node].held else { return };
        let Some(view) = &held.view else { return };
        if let Some(stored) = view.iter().find(|stored| stored.command == command) {
            self.told[command] = Some(Told { position: stored.position, replayed: true });
            return;
        }
        let position = view.last().map_or(0, |stored| stored.position) + 1;
        let append = Append { by, epoch: held.epoch, commits: held.commits, position, command };
        held.writing = Writing::Sent(append);
        self.under_way.push(append);
    }

    /// An append comes to the store, which checks its fence and writes in one step.
    fn append_arrives(&mut self, append: Append, defect: Defect) {
        let row = &mut self.row;
        let is_owner = (row.epoch, row.owner) == (append.epoch, append.by);
        let is_next = row.commits == append.commits;
        let holds = match defect {
            Defect::NoFence => true,
            Defect::NoCommitsInFence => is_owner,
            Defect::None
            | Defect::ResolvedByReading
            | Defect::LeaseFromAnswer
            | Defect::NoMargin
            | Defect::TailBeforeTakeOver => is_owner && is_next,
        };
        let applied = if holds { Applied::Committed } else { Applied::Fenced };
        if holds {
            row.commits += 1;
            row.position = append.position;
            let (position, command) = (append.position, append.command);
            self.log.push(Stored { position, epoch: append.epoch, command });
        }
        // An answer finds only the process that waits for it.
        if let Some(held) = &mut self.nodes[append.by.node].held
            && held.writing == Writing::Sent(append)
        {
            held.writing = Writing::Answered(append, applied);
        }
    }

    fn hear(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let Some(held) = &mut it.held else { return };
        let (append, committed, commits) = match held.writing {
            Writing::Answered(append, Applied::Committed) => (append, true, held.commits + 1),
            Writing::Resolved(append, Resolved::Committed { commits }) => (append, true, commits),
            Writing::Resolved(append, Resolved::Lost { commits }) => (append, false, commits),
            Writing::Answered(_, Applied::Fenced) | Writing::Resolved(_, Resolved::Fenced) => {
                it.held = None;
                return;
            }
            Writing::Idle | Writing::Sent(_) | Writing::Unknown(_) => return,
        };
        held.writing = Writing::Idle;
        held.commits = commits;
        if committed {
            let Append { position, epoch, command, .. } = append;
            held.view.iter_mut().for_each(|view| view.push(Stored { position, epoch, command }));
            self.told[command] = Some(Told { position, replayed: false });
        }
    }

    fn time_out(&mut self, node: usize) {
        let Some(held) = &mut self.nodes[node].held else { return };
        match held.writing {
            Writing::Sent(append) | Writing::Answered(append, _) | Writing::Resolved(append, _) => {
                held.writing = Writing::Unknown(append);
            }
            Writing::Idle | Writing::Unknown(_) => {}
        }
    }

    /// Finds out what became of an append: one update counts another commit, which lets no earlier append in any
    /// more, and tells the position.
    fn resolve(&mut self, node: usize, defect: Defect) {
        let start = self.start(node);
        let Some(held) = &mut self.nodes[node].held else { return };
        let Writing::Unknown(append) = held.writing else { return };
        let resolved = if (self.row.epoch, self.row.owner) != (held.epoch, start) {
            Resolved::Fenced
        } else {
            self.row.commits += u8::from(defect != Defect::ResolvedByReading);
            let commits = self.row.commits;
            match self.row.position >= append.position {
                true => Resolved::Committed { commits },
                false => Resolved::Lost { commits },
            }
        };
        held.writing = Writing::Resolved(append, resolved);
    }
}
