//! The service that has the rules of a partition look at what is committed there.
//!
//! It follows the log by position. What rules make of some events is one command for the partition's desk, which commits
//! it together with what they do; an event is weighed again only if that commit did not come about. An event of which no
//! rule wants the type costs a look-up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::deeds::{Maker, Place};
use super::desk::{Command, desk_of};
use super::facts::{self, Emitted};
use super::registry::{Live, Rules, Shelf};
use super::told::{Deed, Outcome, Seen, Told};
use super::weigh::{Weighed, weigh};
use crate::codec::write_named;
use crate::entity::{Catalog, Dedup, Directory, Fault, Input};
use crate::id::{StreamId, StreamKey, TenantId};
use crate::journal::{Event, Journal, Origin, Outcome as Answered, Position};
use crate::partition::Owned;
use crate::runtime::Context;
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// Events that are read at once.
const PAGE: usize = 256;
/// How far the desk may stay behind where no rule wants anything.
const UNMARKED: u64 = 50_000;
/// What did not become of events is told of so many of a page for each rule; of the others it is counted.
const TOLD: u64 = 50;
/// Bytes of what is done after which a page ends early.
const MOST_BYTES: usize = 1024 * 1024;
/// Matches after which others have their turn.
const TURN: usize = 8;
/// How long is waited after a failure.
const REST: Duration = Duration::from_secs(1);

/// The service.
#[derive(Clone)]
pub(crate) struct Follower {
    pub(crate) directory: Directory,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) owned: Arc<Owned>,
    pub(crate) catalog: Catalog,
    pub(crate) rules: Arc<Rules>,
    pub(crate) pulse: Pulse,
    pub(crate) cx: Context,
}

/// What became of a page of events.
#[derive(Default)]
struct Batch {
    told: Vec<Told>,
    uncounted: BTreeMap<StreamId, BTreeMap<String, u64>>,
    of_page: HashMap<(StreamId, Outcome), u64>,
    deeds: Vec<Deed>,
    emitted: Vec<Value>,
    bytes: usize,
}

/// An event that a rule wants.
struct Match<'a> {
    event: &'a Event,
    part: u32,
    kind: Arc<str>,
    seen: Arc<Value>,
    hops: u8,
    live: Arc<Live>,
    entity: Result<Option<StreamKey>, String>,
}

/// The rules by the types that were looked up since they changed.
#[derive(Default)]
struct Known {
    shelf: Arc<Shelf>,
    wanting: HashMap<String, Arc<[Arc<Live>]>>,
}

impl Known {
    fn wanting(&mut self, kind: &str) -> Arc<[Arc<Live>]> {
        if let Some(known) = self.wanting.get(kind) {
            return known.clone();
        }
        let found = self.shelf.wanting(kind);
        if self.wanting.len() < 10_000 {
            self.wanting.insert(kind.to_owned(), found.clone());
        }
        found
    }
}

impl Follower {
    async fn work(&self) -> Result<(), String> {
        let (tenant, partition) = (TenantId::default_tenant(), self.owned.partition());
        let desk = desk_of(self.journal.info(), &tenant, partition).ok_or("the partition has no slots")?;
        let mut head = self.owned.feeds().position.subscribe();
        let last = *head.borrow();
        let mut at = self.send(&desk, &Command::Open { at: last }).await?;
        let (mut marked, mut known) = (at, Known::default());
        loop {
            head.wait_for(|head| *head > at).await.map_err(|e| e.to_string())?;
            let _beat = self.pulse.begin();
            let shelf = self.rules.shelf(&tenant);
            if !Arc::ptr_eq(&known.shelf, &shelf) {
                known = Known { shelf, ..Known::default() };
            }
            if known.shelf.is_empty() {
                at = *head.borrow();
            } else {
                let events = self.journal.read_log(partition, at, PAGE).await.map_err(|e| e.to_string())?;
                let read_to = events.last().map_or(*head.borrow(), |event| event.position);
                let (batch, to) = self.weigh(&mut known, &tenant, &events).await?;
                let to = to.unwrap_or(read_to);
                if batch.is_empty() {
                    at = to;
                } else {
                    at = self.send(&desk, &batch.advance(marked, to)).await?;
                    marked = at;
                }
            }
            if at.saturating_sub(marked) > UNMARKED {
                at = self.send(&desk, &Batch::default().advance(marked, at)).await?;
                marked = at;
            }
        }
    }

    /// Sends the desk a command; gives where it is then.
    async fn send(&self, desk: &StreamKey, command: &Command) -> Result<Position, String> {
        let (name, body) = write_named(command).map_err(|e| e.to_string())?;
        let input = Input::Command { name: name.into(), body, external_key: None };
        let origin = Arc::new(Origin::root(&format!("rules:{}", self.owned.partition()), "system"));
        let answer = self.directory.deliver_in_any_case(desk, input, origin, Dedup::None).await;
        if matches!(answer, Err(Fault::ShuttingDown)) {
            // The service is ended together with the node.
            return std::future::pending().await;
        }
        let reply = match answer.map_err(|fault| fault.to_string())?.outcome {
            Answered::Accepted(accepted) => accepted.reply.value(),
            // An advance that was not heard of came about.
            Answered::Rejected(rejected) if rejected.code == "desk_elsewhere" => rejected.detail.value(),
            Answered::Rejected(rejected) => return Err(rejected.message),
        };
        reply["at"].as_u64().ok_or_else(|| format!("the desk answers {reply}"))
    }

    /// Weighs events by the rules that want them; says where it stopped, if that was before the last of them.
    async fn weigh(
        &self,
        known: &mut Known,
        tenant: &TenantId,
        events: &[Event],
    ) -> Result<(Batch, Option<Position>), String> {
        let mut matches = Vec::new();
        for event in events.iter().filter(|event| event.stream.tenant == *tenant) {
            self.find(known, event, &mut matches);
        }
        let entities = self.read(&matches).await?;
        let maker = Maker {
            rules: &self.rules,
            catalog: &self.catalog,
            info: self.journal.info(),
            tenant,
            now: self.cx.now(),
        };
        let (mut batch, mut last) = (Batch::default(), None);
        for (number, found) in matches.into_iter().enumerate() {
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            if batch.bytes > MOST_BYTES && last.is_some_and(|last| last != found.event.position) {
                return Ok((batch, last));
            }
            last = Some(found.event.position);
            let weighed = match &found.entity {
                Err(detail) => Some(Weighed::broken(detail.clone())),
                Ok(entity) => {
                    let state = entity.as_ref().and_then(|entity| entities.get(entity));
                    match state {
                        Some(Err(detail)) => Some(Weighed::broken(detail.clone())),
                        Some(Ok(state)) => weigh(&found.live.rule, &found.seen, state.clone(), found.hops),
                        None => weigh(&found.live.rule, &found.seen, Value::Null, found.hops),
                    }
                }
            };
            if let Some(weighed) = weighed {
                batch.add(&found, weighed, &maker, self.owned.partition());
            }
        }
        Ok((batch, None))
    }

    /// Finds the rules that want an event, or an event that was emitted with it.
    fn find<'a>(&self, known: &mut Known, event: &'a Event, matches: &mut Vec<Match<'a>>) {
        let emitted = facts::emitted_by_rules(event);
        if emitted.is_empty() {
            let Some(kind) = facts::type_of(event, &self.catalog) else { return };
            let wanting = known.wanting(&kind);
            if wanting.is_empty() {
                return;
            }
            let place = (self.journal.info().history, self.owned.partition());
            match facts::cloud_event(event, &kind, place, &self.catalog) {
                Ok(seen) => {
                    let seen = Emitted { kind, event: seen, hops: event.body.origin.hops };
                    self.wanted(event, 0, seen, &wanting, matches);
                }
                Err(reason) => {
                    tracing::error!(stream = %event.stream, seq = event.seq, reason, "rules cannot read an event");
                }
            }
            return;
        }
        for (part, emitted) in (0..).zip(emitted) {
            let wanting = known.wanting(&emitted.kind);
            self.wanted(event, part, emitted, &wanting, matches);
        }
    }

    fn wanted<'a>(
        &self,
        event: &'a Event,
        part: u32,
        Emitted { kind, event: seen, hops }: Emitted,
        wanting: &[Arc<Live>],
        matches: &mut Vec<Match<'a>>,
    ) {
        let (kind, seen): (Arc<str>, _) = (kind.into(), Arc::new(seen));
        for live in wanting {
            if !live.counts(event.at) || live.rule.on.passes(&seen).is_err() {
                continue;
            }
            let entity = if live.rule.reads_entity() { self.entity_of(live, event, &seen) } else { Ok(None) };
            let (kind, seen, live) = (kind.clone(), seen.clone(), live.clone());
            matches.push(Match { event, part, kind, seen, hops, live, entity });
        }
    }

    /// The entity whose state a rule sees: the one that it names, or the one that the event is about.
    fn entity_of(&self, live: &Live, event: &Event, seen: &Value) -> Result<Option<StreamKey>, String> {
        let Some(named) = live.rule.entity_of(seen)? else { return Ok(None) };
        let found = facts::resolve(&named, &event.stream.tenant, self.journal.info(), &self.catalog);
        match found {
            Ok(entity) => Ok(Some(entity)),
            // What an event from outside is about need not be one of ours.
            Err(_) if live.rule.entity.is_none() => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    /// Reads the states of the entities that rules see; null for those that there are not.
    async fn read(&self, matches: &[Match<'_>]) -> Result<HashMap<StreamKey, Result<Value, String>>, String> {
        let wanted = matches.iter().filter_map(|found| found.entity.as_ref().ok()?.clone());
        let wanted: std::collections::BTreeSet<StreamKey> = wanted.collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let mut states = HashMap::with_capacity(wanted.len());
        for (stream, read) in wanted.iter().zip(self.directory.read_each(&wanted).await) {
            let state = match read {
                Ok(view) => Ok(view.map_or(Value::Null, |view| view.state.value())),
                Err(fault @ (Fault::Quarantined { .. } | Fault::Refused { .. } | Fault::NotOwner { .. })) => {
                    Err(fault.to_string())
                }
                Err(fault) => return Err(fault.to_string()),
            };
            states.insert(stream.clone(), state);
        }
        Ok(states)
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.told.is_empty() && self.uncounted.is_empty()
    }

    fn advance(self, from: Position, to: Position) -> Command {
        let Self { told, uncounted, deeds, emitted, .. } = self;
        Command::Advance { from, to, told, uncounted, deeds, emitted }
    }

    /// Notes what became of an event by a rule, and what is done.
    fn add(&mut self, found: &Match<'_>, weighed: Weighed, maker: &Maker<'_>, partition: u32) {
        let place = Place { partition, event: found.event, part: found.part, hops: found.hops };
        let event = Seen {
            position: found.event.position,
            part: found.part,
            id: found.seen["id"].as_str().unwrap_or_default().to_owned(),
            kind: found.kind.to_string(),
            subject: found.seen["subject"].as_str().map(str::to_owned),
            at: found.event.at,
        };
        let made = maker.made(&found.live, &place, event, weighed);
        metrics::counter!(names::RULE_OUTCOMES, "outcome" => made.told.outcome.name()).increment(1);
        let outcome = made.told.outcome;
        let of_page = self.of_page.entry((found.live.id, outcome)).or_default();
        *of_page += 1;
        if *of_page > TOLD && !matches!(outcome, Outcome::Fired | Outcome::Limited) {
            let counts = self.uncounted.entry(found.live.id).or_default();
            *counts.entry(outcome.name().to_owned()).or_default() += 1;
            return;
        }
        self.bytes += made.bytes;
        self.told.push(made.told);
        self.deeds.extend(made.deeds);
        self.emitted.extend(made.emitted);
    }
}

#[async_trait]
impl Service for Follower {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        loop {
            // Nothing is lost meanwhile: it stands in the log.
            if let Err(error) = self.work().await {
                tracing::warn!(error, "rules cannot look at events, and try again");
            }
            self.cx.sleep(self.cx.jitter(REST)).await;
        }
    }
}
