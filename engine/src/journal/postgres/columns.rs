//! The rows of plans as columns, which the database puts together again with `unnest`.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::desk::Standing;
use super::row::int;
use super::session::Param;
use crate::clock::Timestamp;
use crate::journal::plan::{Planned, Rows, json_text, origin_text, phase};

/// Declares the columns of a part: their names, what holds them, and their type in the database.
macro_rules! columns {
    ($(#[$doc:meta])* $table:ident { $($column:ident: $held:ty => $kind:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $table<'a> {
            $($column: Vec<$held>,)*
            life: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $table<'a> {
            /// The columns in the order of the part's parameters.
            pub(super) fn params(&self) -> Vec<Param<'_>> {
                vec![$((&self.$column as &(dyn ToSql + Sync), Type::$kind),)*]
            }

            /// True if there is no row.
            pub(super) fn is_empty(&self) -> bool {
                let Self { $($column,)* life: _ } = self;
                [$($column.is_empty(),)*].contains(&true)
            }

            /// Adds a row.
            fn push(&mut self, ($($column,)*): ($($held,)*)) {
                $(self.$column.push($column);)*
            }
        }
    };
}

columns! {
    /// The fences.
    Fences {
        id: i32 => INT4_ARRAY,
        epoch: i64 => INT8_ARRAY,
        incarnation: Uuid => UUID_ARRAY,
        commits: i64 => INT8_ARRAY,
        events: i64 => INT8_ARRAY,
        streams: i64 => INT8_ARRAY,
        numbers: i64 => INT8_ARRAY,
        last: i64 => INT8_ARRAY,
    }
}

columns! {
    /// New streams.
    Streams {
        part: i32 => INT4_ARRAY,
        no: i64 => INT8_ARRAY,
        uuid: Uuid => UUID_ARRAY,
        at: i64 => INT8_ARRAY,
        rank: Option<i64> => INT8_ARRAY,
        slot: i32 => INT4_ARRAY,
        prefix: String => TEXT_ARRAY,
        tenant: &'a str => TEXT_ARRAY,
    }
}

columns! {
    /// Streams that get their first event.
    Born {
        part: i32 => INT4_ARRAY,
        no: i64 => INT8_ARRAY,
        rank: i64 => INT8_ARRAY,
    }
}

columns! {
    /// Events.
    Events {
        part: i32 => INT4_ARRAY,
        pos: i64 => INT8_ARRAY,
        stream: i64 => INT8_ARRAY,
        seq: i64 => INT8_ARRAY,
        at: i64 => INT8_ARRAY,
        version: i32 => INT4_ARRAY,
        name: &'a str => TEXT_ARRAY,
        origin: String => TEXT_ARRAY,
        data: &'a str => TEXT_ARRAY,
    }
}

columns! {
    /// Answers under idempotency keys.
    Keys {
        part: i32 => INT4_ARRAY,
        at: i64 => INT8_ARRAY,
        stream: i64 => INT8_ARRAY,
        first_seq: Option<i64> => INT8_ARRAY,
        last_seq: Option<i64> => INT8_ARRAY,
        key: &'a [u8] => BYTEA_ARRAY,
        digest: &'a [u8] => BYTEA_ARRAY,
        outcome: String => TEXT_ARRAY,
    }
}

columns! {
    /// Messages taken in.
    Received {
        part: i32 => INT4_ARRAY,
        stream: i64 => INT8_ARRAY,
        no: i64 => INT8_ARRAY,
        at: i64 => INT8_ARRAY,
        message: Uuid => UUID_ARRAY,
        outcome: String => TEXT_ARRAY,
    }
}

columns! {
    /// Messages that leave the outbox.
    Acknowledged {
        part: i32 => INT4_ARRAY,
        stream: i64 => INT8_ARRAY,
        message: Uuid => UUID_ARRAY,
    }
}

columns! {
    /// Messages sent.
    Messages {
        part: i32 => INT4_ARRAY,
        no: i64 => INT8_ARRAY,
        stream: i64 => INT8_ARRAY,
        message: Uuid => UUID_ARRAY,
        uuid: Uuid => UUID_ARRAY,
        prefix: String => TEXT_ARRAY,
        command: &'a str => TEXT_ARRAY,
        origin: String => TEXT_ARRAY,
        body: &'a str => TEXT_ARRAY,
    }
}

columns! {
    /// Timers that go.
    Cleared {
        part: i32 => INT4_ARRAY,
        stream: i64 => INT8_ARRAY,
        name: &'a str => TEXT_ARRAY,
    }
}

columns! {
    /// Timers that are set, or that go where they are due at this moment.
    Timers {
        part: i32 => INT4_ARRAY,
        stream: i64 => INT8_ARRAY,
        name: &'a str => TEXT_ARRAY,
        due: i64 => INT8_ARRAY,
    }
}

columns! {
    /// Steps of effects.
    Steps {
        part: i32 => INT4_ARRAY,
        stream: i64 => INT8_ARRAY,
        key: Uuid => UUID_ARRAY,
        dispatch: Option<String> => TEXT_ARRAY,
        attempt: Option<i64> => INT8_ARRAY,
        end_state: Option<String> => TEXT_ARRAY,
        phase: Option<i32> => INT4_ARRAY,
        at: Option<i64> => INT8_ARRAY,
    }
}

columns! {
    /// Effects that enter the ledger.
    Effects {
        part: i32 => INT4_ARRAY,
        no: i64 => INT8_ARRAY,
        stream: i64 => INT8_ARRAY,
        key: Uuid => UUID_ARRAY,
        phase: i32 => INT4_ARRAY,
        ended: Option<i64> => INT8_ARRAY,
        attempts: i64 => INT8_ARRAY,
        at: i64 => INT8_ARRAY,
        connector: &'a str => TEXT_ARRAY,
        operation: &'a str => TEXT_ARRAY,
        state: String => TEXT_ARRAY,
        origin: String => TEXT_ARRAY,
        request: &'a str => TEXT_ARRAY,
    }
}

columns! {
    /// Snapshots.
    Snapshots {
        part: i32 => INT4_ARRAY,
        stream: i64 => INT8_ARRAY,
        seq: i64 => INT8_ARRAY,
        version: i32 => INT4_ARRAY,
        data: &'a str => TEXT_ARRAY,
    }
}

/// The rows of the plans of one statement.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    pub(super) fences: Fences<'a>,
    pub(super) streams: Streams<'a>,
    pub(super) born: Born<'a>,
    pub(super) events: Events<'a>,
    pub(super) keys: Keys<'a>,
    pub(super) received: Received<'a>,
    pub(super) acknowledged: Acknowledged<'a>,
    pub(super) messages: Messages<'a>,
    pub(super) cleared: Cleared<'a>,
    pub(super) fired: Timers<'a>,
    pub(super) timers: Timers<'a>,
    pub(super) steps: Steps<'a>,
    pub(super) effects: Effects<'a>,
    /// Effects that are known to replace one.
    pub(super) again: Effects<'a>,
    pub(super) snapshots: Snapshots<'a>,
    births: u64,
}

impl<'a> Columns<'a> {
    /// Adds a partition's plan, which goes on from where it stands.
    pub(super) fn add(&mut self, standing: &Standing, planned: &'a Planned<'a>) {
        let part = standing.partition.cast_signed();
        let (mark, rows) = (standing.mark(), &planned.rows);
        self.fences.push((
            part,
            int(standing.epoch),
            standing.incarnation,
            int(standing.commits),
            int(planned.mark.pos - mark.pos),
            int(planned.mark.stream - mark.stream),
            int(planned.known.number - standing.numbers),
            planned.latest.map_or(i64::MIN, Timestamp::ms),
        ));
        self.add_streams(part, rows);
        self.add_answers(part, rows);
        self.add_messages(part, rows);
        self.add_timers(part, rows);
        self.add_effects(part, rows);
        for (no, snapshot) in &rows.snapshots {
            let (seq, version) = (int(snapshot.seq), i32::from(snapshot.version));
            self.snapshots.push((part, int(*no), seq, version, snapshot.data.text()));
        }
    }

    /// Ranks the streams that get their first event by when they do, over all partitions; each partition's own order
    /// stays.
    pub(super) fn rank_births(&mut self) {
        if self.fences.id.len() < 2 {
            return;
        }
        let Streams { part, at, rank, .. } = &mut self.streams;
        let new = part.iter().zip(at.iter()).zip(rank.iter_mut());
        let new = new.filter_map(|((part, at), rank)| Some((*part, *at, rank.as_mut()?)));
        // Of a stream that stands already it is not known when; it comes at once.
        let born = self.born.part.iter().zip(&mut self.born.rank).map(|(part, rank)| (*part, i64::MIN, rank));
        let mut births: Vec<_> = new.chain(born).collect();
        births.sort_unstable_by_key(|(.., rank)| **rank);
        let mut last = (i32::MIN, i64::MIN);
        for (part, at, _) in &mut births {
            *at = if *part == last.0 { last.1.max(*at) } else { *at };
            last = (*part, *at);
        }
        births.sort_by_key(|(_, at, _)| *at);
        for ((.., rank), place) in births.into_iter().zip(0..) {
            *rank = place;
        }
    }

    fn add_streams(&mut self, part: i32, rows: &'a Rows<'a>) {
        for row in &rows.streams {
            let (id, slot) = (row.key.id, i32::from(row.key.slot().get()));
            let (prefix, tenant) = (id.prefix().as_str().to_owned(), row.key.tenant.as_str());
            let (no, at, rank) = (int(row.no), row.at.ms(), row.birth.map(|rank| int(self.births + rank)));
            self.streams.push((part, no, id.uuid(), at, rank, slot, prefix, tenant));
        }
        for (no, rank) in &rows.born {
            self.born.push((part, int(*no), int(self.births + rank)));
        }
        self.births += rows.births;
        for row in &rows.events {
            let (pos, stream, seq, at) = (int(row.pos), int(row.no), int(row.seq), row.at.ms());
            let (event, version) = (row.event, i32::from(row.event.version));
            let (origin, data) = (origin_text(&event.origin), event.data.text());
            self.events.push((part, pos, stream, seq, at, version, event.name.as_ref(), origin, data));
        }
    }

    fn add_answers(&mut self, part: i32, rows: &'a Rows<'a>) {
        for row in &rows.keys {
            let (first, last) = row.record.range.map(|(first, last)| (int(first), int(last))).unzip();
            let (key, digest) = (row.record.key.as_slice(), row.record.digest.as_slice());
            let outcome = json_text(&row.record.outcome);
            self.keys.push((part, row.at.ms(), int(row.no), first, last, key, digest, outcome));
        }
        for row in &rows.received {
            let (stream, no, at) = (int(row.no), int(row.number), row.at.ms());
            self.received.push((
                part,
                stream,
                no,
                at,
                row.received.id.uuid(),
                json_text(&row.received.outcome),
            ));
        }
    }

    fn add_messages(&mut self, part: i32, rows: &'a Rows<'a>) {
        for (id, no) in &rows.acknowledged {
            self.acknowledged.push((part, int(*no), id.uuid()));
        }
        for row in &rows.messages {
            let (message, no, stream) = (row.message, int(row.number), int(row.no));
            let (to, prefix) = (message.to.uuid(), message.to.prefix().as_str().to_owned());
            let (command, origin) = (message.command.as_ref(), origin_text(&message.origin));
            let (id, body) = (message.id.uuid(), message.body.text());
            self.messages.push((part, no, stream, id, to, prefix, command, origin, body));
        }
    }

    fn add_timers(&mut self, part: i32, rows: &'a Rows<'a>) {
        for (no, name) in &rows.cleared {
            self.cleared.push((part, int(*no), name));
        }
        for (due, no, name) in &rows.fired {
            self.fired.push((part, int(*no), name, due.ms()));
        }
        for row in &rows.timers {
            self.timers.push((part, int(row.no), row.name, row.due.ms()));
        }
    }

    fn add_effects(&mut self, part: i32, rows: &'a Rows<'a>) {
        for row in &rows.steps {
            let step = row.columns();
            let (stream, key, attempt) = (int(row.no), row.key.uuid(), step.attempt.map(i64::from));
            let phase = step.phase.map(i32::from);
            self.steps.push((part, stream, key, step.dispatch, attempt, step.end, phase, step.at));
        }
        for row in &rows.effects {
            let effect = &row.effect;
            let table = if row.is_again { &mut self.again } else { &mut self.effects };
            table.push((
                part,
                int(row.number),
                int(row.no),
                effect.key.uuid(),
                i32::from(phase(&effect.state)),
                row.ended.map(Timestamp::ms),
                i64::from(effect.attempts),
                effect.at.ms(),
                effect.connector.as_ref(),
                effect.operation.as_ref(),
                json_text(&effect.state),
                origin_text(&effect.origin),
                effect.request.text(),
            ));
        }
    }
}
