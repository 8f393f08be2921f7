-- Writes what a batch commits beside events and keys: a JSON array of rows per table. Only the statements whose tables have rows are run, in
-- this order; each has one parameter. Elements that are JSON themselves come as strings, so that SQLite never renders
-- them anew. Parameters are ? and not ?N: with several statements in one text sqlx would miscount.

INSERT INTO stream (no, tenant, prefix, uuid, at)
SELECT value->>0, value->>1, value->>2, unhex(value->>3), value->>4 FROM jsonb_each(?);

INSERT INTO inbox (at, stream, message, outcome)
SELECT value->>0, value->>1, unhex(value->>2), value->>3 FROM jsonb_each(?);

DELETE FROM outbox WHERE (message, stream) IN (SELECT unhex(value->>0), value->>1 FROM jsonb_each(?));

INSERT INTO outbox (message, stream, prefix, uuid, command, origin, body)
SELECT unhex(value->>0), value->>1, value->>2, unhex(value->>3), value->>4, value->>5, value->>6
FROM jsonb_each(?);

DELETE FROM outbox WHERE (message, stream) IN (SELECT unhex(value->>0), value->>1 FROM jsonb_each(?));

DELETE FROM timer WHERE (stream, name) IN (SELECT value->>0, value->>1 FROM jsonb_each(?));

DELETE FROM timer
WHERE (due, stream, name) IN (SELECT value->>0, value->>1, value->>2 FROM jsonb_each(?));

INSERT INTO timer (stream, name, due, slot)
SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each(?) WHERE true
ON CONFLICT (stream, name) DO UPDATE SET due = excluded.due;

-- Before the new ones: steps of effects that the batch itself intends are folded into these.
UPDATE effect SET
    state = CASE WHEN step.end IS NOT NULL THEN step.end
        WHEN phase = 0 THEN coalesce(step.dispatch, state) ELSE state END,
    attempts = CASE WHEN phase = 0 THEN coalesce(step.attempt, attempts) ELSE attempts END,
    ended = CASE WHEN step.end IS NOT NULL THEN coalesce(ended, step.at) ELSE ended END,
    phase = coalesce(step.phase_after, phase)
FROM (
    SELECT unhex(value->>0) AS key, value->>1 AS stream, value->>2 AS dispatch, value->>3 AS attempt,
        value->>4 AS end, value->>5 AS phase_after, value->>6 AS at
    FROM jsonb_each(?)
) AS step
WHERE effect.key = step.key AND effect.stream = step.stream AND effect.phase <> 1;

INSERT INTO effect
    (key, stream, phase, ended, attempts, at, connector, operation, state, origin, request)
SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8,
    value->>9, value->>10
FROM jsonb_each(?) WHERE true
-- An effect whose end is not known may be intended again; any other one fails here, since a phase is never null.
ON CONFLICT (key) DO UPDATE SET
    phase = CASE WHEN effect.phase = 2 AND effect.stream = excluded.stream THEN excluded.phase END,
    ended = excluded.ended, attempts = excluded.attempts, at = excluded.at, connector = excluded.connector,
    operation = excluded.operation, state = excluded.state, origin = excluded.origin, request = excluded.request;

INSERT INTO snapshot (stream, seq, version, data)
SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each(?) WHERE true
ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, version = excluded.version, data = excluded.data;
