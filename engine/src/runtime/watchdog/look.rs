//! One look at the tables of a partition, and at the entities that are alive.

use std::sync::Arc;
use std::time::Duration;

use super::{Overdue, OverdueKind, Watchdog, nudged};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectState, Policy, is_held_back};
use crate::id::StreamKey;
use crate::journal::{self, Timer};
use crate::partition::Owned;

/// Rows read of each table: the oldest.
const PAGE: usize = 128;

impl Watchdog {
    /// Looks at what a partition's tables hold.
    pub(super) async fn partition(&mut self, owned: &Arc<Owned>) -> Result<Vec<Overdue>, journal::Error> {
        let mut found = self.timers(owned).await?;
        found.extend(self.effects(owned).await?);
        found.extend(self.messages(owned).await?);
        Ok(found)
    }

    async fn timers(&self, owned: &Arc<Owned>) -> Result<Vec<Overdue>, journal::Error> {
        let (now, bound) = (self.partitions.cx.now(), self.partitions.config.overdue_after);
        let before = Timestamp::from_ms(now.ms().saturating_sub(millis(bound)));
        let due = self.partitions.journal.due_timers(owned.partition(), before, PAGE).await?;
        let mut found = Vec::with_capacity(due.len());
        for Timer { due, stream, name } in due {
            let (hint, aside) = hint(owned, &stream, "it is set again from the journal");
            let waits_for = if aside { "the release of its entity" } else { "being taken in" };
            found.push(Overdue {
                kind: OverdueKind::Timer,
                id: format!("{}/{name}", stream.id),
                stream: stream.id,
                waits_for: waits_for.to_owned(),
                since: due,
                until: due,
                overdue_ms: overdue(now, due),
                hint,
            });
            if !aside && found.len() == 1 {
                owned.feeds().timers.mark_stale();
                nudged(OverdueKind::Timer);
            }
        }
        Ok(found)
    }

    async fn effects(&self, owned: &Arc<Owned>) -> Result<Vec<Overdue>, journal::Error> {
        let (now, bound) = (self.partitions.cx.now(), self.partitions.config.overdue_after);
        let open = self.partitions.journal.open_effects(owned.partition(), 0, PAGE).await?;
        let (mut found, mut nudge) = (Vec::new(), false);
        for (_, effect) in open {
            let circuits = &self.partitions.circuits;
            let of_it = circuits.get(effect.connector.as_ref());
            let policy = of_it.map(|of_it| of_it.connector.policy(&effect.operation)).unwrap_or_default();
            let until = effect.at.plus(longest(&policy) + bound);
            if until >= now {
                continue;
            }
            let (mut hint, aside) = hint(owned, &effect.stream, "it is read again from the journal");
            let open = is_held_back(circuits, &effect);
            if open && !aside {
                hint = format!(
                    "see to what `{}` calls for it: the circuit is open, and calls go on when that answers",
                    effect.connector
                );
            }
            nudge |= !aside;
            found.push(Overdue {
                kind: OverdueKind::Effect,
                id: effect.key.to_string(),
                stream: effect.stream.id,
                waits_for: waits_for(&effect, aside, open),
                since: effect.at,
                until,
                overdue_ms: overdue(now, until),
                hint,
            });
        }
        if nudge {
            owned.feeds().effects.mark_overflow();
            nudged(OverdueKind::Effect);
        }
        Ok(found)
    }

    async fn messages(&mut self, owned: &Arc<Owned>) -> Result<Vec<Overdue>, journal::Error> {
        let (now, bound) = (self.partitions.cx.now(), self.partitions.config.overdue_after);
        let (partition, before) = (owned.partition(), std::mem::take(&mut self.messages));
        let page = self.partitions.journal.outbox(partition, 0, PAGE).await;
        let (of_it, others) = before.into_iter().partition(|((of, _), _)| *of == partition);
        self.messages = others;
        let of_it: std::collections::BTreeMap<_, _> = of_it;
        let (mut found, mut nudge) = (Vec::new(), false);
        for (cursor, message) in page? {
            let since = of_it.get(&(partition, cursor)).copied().unwrap_or(now);
            self.messages.insert((partition, cursor), since);
            let until = since.plus(bound);
            if until >= now {
                continue;
            }
            let to = StreamKey::new(message.from.tenant.clone(), message.to);
            let (hint, aside) = hint(owned, &to, "it is read again from the journal");
            nudge |= !aside;
            found.push(Overdue {
                kind: OverdueKind::Message,
                id: message.id.to_string(),
                stream: message.from.id,
                waits_for: format!("the answer of `{}` to `{}`", message.to, message.command),
                since,
                until,
                overdue_ms: overdue(now, until),
                hint,
            });
        }
        if nudge {
            owned.feeds().messages.mark_overflow();
            nudged(OverdueKind::Message);
        }
        Ok(found)
    }

    /// Looks for entities in front of which work waits while they do nothing.
    pub(super) fn entities(&mut self) -> Vec<Overdue> {
        let (now, bound) = (self.partitions.cx.now(), self.partitions.config.overdue_after);
        let before = std::mem::take(&mut self.waiting);
        let mut found = Vec::new();
        for one in self.partitions.directory.with_work() {
            let seen = before.get(&one.stream).filter(|(batches, _)| *batches == one.batches);
            let since = seen.map_or(now, |(_, since)| *since);
            self.waiting.insert(one.stream.clone(), (one.batches, since));
            let until = since.plus(bound);
            if until >= now {
                continue;
            }
            if self.partitions.directory.wake_again(&one.stream) {
                nudged(OverdueKind::Entity);
            }
            found.push(Overdue {
                kind: OverdueKind::Entity,
                id: one.stream.id.to_string(),
                stream: one.stream.id,
                waits_for: format!("its actor, which is {}; {} wait", one.state, one.waiting),
                since,
                until,
                overdue_ms: overdue(now, until),
                hint: "it is woken again; its faults stand in /api/v1/supervision".to_owned(),
            });
        }
        found
    }
}

/// How long the calls of an effect may take in all, with looks back.
fn longest(policy: &Policy) -> Duration {
    let rests: u32 = (0..policy.retries).map(|retry| 2_u32.saturating_pow(retry.min(10))).sum();
    policy.deadline * (policy.retries + 1) * 2 + policy.backoff * rests * 2
}

fn waits_for(effect: &Effect, aside: bool, circuit_open: bool) -> String {
    let call = format!("`{}` of `{}`", effect.operation, effect.connector);
    match &effect.state {
        _ if aside => "the release of its entity".to_owned(),
        _ if circuit_open => format!("the circuit in front of {call}"),
        EffectState::Dispatched { .. } => format!("{call}, dispatched, attempt {}", effect.attempts),
        EffectState::Intended | EffectState::Ended(_) => format!("{call}, intended"),
    }
}

/// What an operator can do about what belongs to a stream; `true` where it is quarantined.
fn hint(owned: &Owned, stream: &StreamKey, otherwise: &str) -> (String, bool) {
    match owned.asides().get(stream) {
        Some(_) => (format!("mend and release /api/v1/quarantine/{}", stream.id), true),
        None => (format!("{otherwise}; if it stays, look at the log for why"), false),
    }
}

fn overdue(now: Timestamp, until: Timestamp) -> u64 {
    u64::try_from(now.since(until).as_millis()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
