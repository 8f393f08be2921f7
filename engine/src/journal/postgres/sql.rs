//! The statements that write a batch: parts of one `WITH`, of which a batch takes those that it has rows for.
//!
//! `#n` stands for the part's own parameters, which are numbered when the statement is put together. Every part
//! writes only for partitions whose fence was hit; as the list of these is asked for first, the fence comes before all
//! else. No two parts touch the same row, but for `acknowledged` and `messages`, which come in this order.

/// The fence of each partition: the first part.
pub(super) const FENCE: &str =
    "fence AS (UPDATE promptsales.partition AS p
    SET pos = p.pos + r.events, commits = p.commits + 1, streams = p.streams + r.streams,
        numbers = p.numbers + r.numbers, last = greatest(p.last, r.last)
    FROM unnest(#1::int4[], #2::int8[], #3::uuid[], #4::int8[], #5::int8[], #6::int8[], #7::int8[], #8::int8[])
        AS r (id, epoch, incarnation, commits, events, streams, numbers, last)
    WHERE p.id = r.id AND p.epoch = r.epoch AND p.incarnation = r.incarnation AND p.commits = r.commits
    RETURNING p.id)";

/// The order of the streams that get their first event: one number for the statement, drawn when the fence is held, in
/// front of each stream's rank.
pub(super) const BIRTH: &str = "birth AS MATERIALIZED (SELECT nextval('promptsales.birth') * 1048576 AS base
    FROM (SELECT id FROM fence LIMIT 1) AS held)";

pub(super) const STREAMS: &str = "streams AS (INSERT INTO promptsales.stream (no, uuid, at, birth, slot, prefix, tenant)
    SELECT no, uuid, at, (SELECT base FROM birth) + rank, slot, prefix, tenant
    FROM unnest(#1::int4[], #2::int8[], #3::uuid[], #4::int8[], #5::int8[], #6::int4[], #7::text[], #8::text[])
        AS r (part, no, uuid, at, rank, slot, prefix, tenant)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)))";

pub(super) const BORN: &str =
    "born AS (UPDATE promptsales.stream AS s SET birth = (SELECT base FROM birth) + r.rank
    FROM unnest(#1::int4[], #2::int8[], #3::int8[]) AS r (part, no, rank)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND s.no = r.no AND s.birth IS NULL)";

pub(super) const EVENTS: &str =
    "events AS (INSERT INTO promptsales.event (partition, pos, stream, seq, at, version, name, origin, data)
    SELECT * FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::int8[], #5::int8[], #6::int4[], #7::text[],
        #8::text[], #9::text[]) AS r (part, pos, stream, seq, at, version, name, origin, data)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)))";

pub(super) const KEYS: &str =
    "keys AS (INSERT INTO promptsales.idem (at, stream, first_seq, last_seq, key, digest, outcome)
    SELECT at, stream, first_seq, last_seq, key, digest, outcome
    FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::int8[], #5::int8[], #6::bytea[], #7::bytea[], #8::text[])
        AS r (part, at, stream, first_seq, last_seq, key, digest, outcome)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)))";

pub(super) const RECEIVED: &str =
    "received AS (INSERT INTO promptsales.inbox (stream, no, at, message, outcome)
    SELECT stream, no, at, message, outcome
    FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::int8[], #5::uuid[], #6::text[])
        AS r (part, stream, no, at, message, outcome)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)))";

pub(super) const ACKNOWLEDGED: &str = "acknowledged AS (DELETE FROM promptsales.outbox AS o
    USING unnest(#1::int4[], #2::int8[], #3::uuid[]) AS r (part, stream, message)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND o.message = r.message AND o.stream = r.stream
    RETURNING o.no)";

pub(super) const MESSAGES: &str =
    "messages AS (INSERT INTO promptsales.outbox (partition, no, stream, message, uuid, prefix, command, origin, body)
    SELECT * FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::uuid[], #5::uuid[], #6::text[], #7::text[],
        #8::text[], #9::text[]) AS r (part, no, stream, message, uuid, prefix, command, origin, body)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)))";

/// As [`MESSAGES`], where the batch also acknowledges: a message may go and come again.
pub(super) const MESSAGES_BEHIND: &str =
    "messages AS (INSERT INTO promptsales.outbox (partition, no, stream, message, uuid, prefix, command, origin, body)
    SELECT * FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::uuid[], #5::uuid[], #6::text[], #7::text[],
        #8::text[], #9::text[]) AS r (part, no, stream, message, uuid, prefix, command, origin, body)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND (SELECT count(*) FROM acknowledged) >= 0)";

pub(super) const CLEARED: &str = "cleared AS (DELETE FROM promptsales.timer AS t
    USING unnest(#1::int4[], #2::int8[], #3::text[]) AS r (part, stream, name)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND t.stream = r.stream AND t.name = r.name)";

pub(super) const FIRED: &str = "fired AS (DELETE FROM promptsales.timer AS t
    USING unnest(#1::int4[], #2::int8[], #3::text[], #4::int8[]) AS r (part, stream, name, due)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND t.stream = r.stream AND t.name = r.name AND t.due = r.due)";

pub(super) const TIMERS: &str = "timers AS (INSERT INTO promptsales.timer AS t (partition, stream, name, due)
    SELECT * FROM unnest(#1::int4[], #2::int8[], #3::text[], #4::int8[]) AS r (part, stream, name, due)
    WHERE part = ANY (ARRAY(SELECT id FROM fence))
    ON CONFLICT (stream, name) DO UPDATE SET due = excluded.due, partition = excluded.partition)";

pub(super) const STEPS: &str = "steps AS (UPDATE promptsales.effect AS e SET
        state = CASE WHEN r.end_state IS NOT NULL THEN r.end_state
            WHEN e.phase = 0 THEN coalesce(r.dispatch, e.state) ELSE e.state END,
        attempts = CASE WHEN e.phase = 0 THEN coalesce(r.attempt, e.attempts) ELSE e.attempts END,
        ended = CASE WHEN r.end_state IS NOT NULL THEN coalesce(e.ended, r.at) ELSE e.ended END,
        phase = coalesce(r.phase, e.phase)
    FROM unnest(#1::int4[], #2::int8[], #3::uuid[], #4::text[], #5::int8[], #6::text[], #7::int4[], #8::int8[])
        AS r (part, stream, key, dispatch, attempt, end_state, phase, at)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND e.key = r.key AND e.stream = r.stream AND e.phase <> 1)";

/// An effect whose end is not known may be intended again; any other one fails here, as a phase is never null.
pub(super) const EFFECTS: &str = "effects AS (INSERT INTO promptsales.effect AS e
        (partition, no, stream, key, phase, ended, attempts, at, connector, operation, state, origin, request)
    SELECT * FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::uuid[], #5::int4[], #6::int8[], #7::int8[], #8::int8[],
        #9::text[], #10::text[], #11::text[], #12::text[], #13::text[])
        AS r (part, no, stream, key, phase, ended, attempts, at, connector, operation, state, origin, request)
    WHERE part = ANY (ARRAY(SELECT id FROM fence))
    ON CONFLICT (key) DO UPDATE SET
        phase = CASE WHEN e.phase = 2 AND e.stream = excluded.stream THEN excluded.phase END,
        ended = excluded.ended, attempts = excluded.attempts, at = excluded.at, connector = excluded.connector,
        operation = excluded.operation, state = excluded.state, origin = excluded.origin, request = excluded.request)";

/// Effects that are known to replace one whose end was not known; should that be gone by now, they are new.
pub(super) const AGAIN: &str = "again AS (UPDATE promptsales.effect AS e SET phase = r.phase, ended = r.ended,
        attempts = r.attempts, at = r.at, connector = r.connector, operation = r.operation, state = r.state,
        origin = r.origin, request = r.request
    FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::uuid[], #5::int4[], #6::int8[], #7::int8[], #8::int8[],
        #9::text[], #10::text[], #11::text[], #12::text[], #13::text[])
        AS r (part, no, stream, key, phase, ended, attempts, at, connector, operation, state, origin, request)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND e.key = r.key AND e.stream = r.stream RETURNING e.key),
    anew AS (INSERT INTO promptsales.effect
        (partition, no, stream, key, phase, ended, attempts, at, connector, operation, state, origin, request)
    SELECT * FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::uuid[], #5::int4[], #6::int8[], #7::int8[], #8::int8[],
        #9::text[], #10::text[], #11::text[], #12::text[], #13::text[])
        AS r (part, no, stream, key, phase, ended, attempts, at, connector, operation, state, origin, request)
    WHERE part = ANY (ARRAY(SELECT id FROM fence)) AND key <> ALL (ARRAY(SELECT key FROM again)))";

pub(super) const SNAPSHOTS: &str = "snapshots AS (INSERT INTO promptsales.snapshot AS s (stream, seq, version, data)
    SELECT stream, seq, version, data
    FROM unnest(#1::int4[], #2::int8[], #3::int8[], #4::int4[], #5::text[]) AS r (part, stream, seq, version, data)
    WHERE part = ANY (ARRAY(SELECT id FROM fence))
    ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, version = excluded.version, data = excluded.data)";

/// The end: which fences were hit.
pub(super) const END: &str = "SELECT id FROM fence";
