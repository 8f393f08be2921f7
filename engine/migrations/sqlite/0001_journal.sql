-- The journal's first layout.
--
-- A commit must cost the same however much stands already, so what grows for ever is only appended: event, stream
-- and idem have no index but their row numbers. Streams are found by id, and events by stream, through index.db,
-- which is filled off the commit path and can be rebuilt from here. What is small and mutable (timers, outbox,
-- inbox, effects, snapshots) is kept in tables with their indexes, in the same commit.
--
-- UUIDs, hashes and keys are 16-byte blobs; times are milliseconds since the Unix epoch; JSON is text that no
-- statement looks into.

-- What identifies the store; one row.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log BLOB NOT NULL,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;

-- The histories of the log; the last one goes on. A restored backup begins a new one behind its last position.
CREATE TABLE history (
    no INTEGER PRIMARY KEY,
    history BLOB NOT NULL,
    from_pos INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- Who may append, and how far the log is. Every append updates it, which is the fence. `commits` counts the appends,
-- those without events too, so that it can be found out whether one was committed; `last` is the latest time.
CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    incarnation BLOB NOT NULL,
    pos INTEGER NOT NULL,
    commits INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
INSERT INTO partition VALUES (0, 0, zeroblob(16), 0, 0, 0);

-- The streams by number; a row is written in the first commit of its stream.
CREATE TABLE stream (
    no INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    uuid BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- The log. `origin` is compact JSON: c causation, r correlation where it differs, t trace, p principal.
CREATE TABLE event (
    pos INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    origin TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;

-- The answers given under idempotency keys, by the order of commit. The newest row is never deleted, so that no
-- number is used twice.
CREATE TABLE idem (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    key BLOB NOT NULL,
    digest BLOB NOT NULL,
    stream INTEGER NOT NULL,
    first_seq INTEGER,
    last_seq INTEGER,
    outcome TEXT NOT NULL
) STRICT;

-- The messages taken in, with their answers.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    message BLOB NOT NULL,
    outcome TEXT NOT NULL,
    UNIQUE (stream, message)
) STRICT;

-- The messages sent and not acknowledged. Numbers are never used twice: they are cursors.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message BLOB NOT NULL UNIQUE,
    stream INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    uuid BLOB NOT NULL,
    command TEXT NOT NULL,
    origin TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- The timers that are set.
CREATE TABLE timer (
    stream INTEGER NOT NULL,
    name TEXT NOT NULL,
    due INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    PRIMARY KEY (stream, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due, stream, name);

-- The ledger of effects. `phase`: 0 open, 1 ended, 2 ended with an unknown outcome.
CREATE TABLE effect (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    stream INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    ended INTEGER,
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,
    connector TEXT NOT NULL,
    operation TEXT NOT NULL,
    state TEXT NOT NULL,
    origin TEXT NOT NULL,
    request TEXT NOT NULL
) STRICT;
CREATE INDEX effect_open ON effect (id) WHERE phase = 0;

-- The last snapshot of each stream that has one.
CREATE TABLE snapshot (
    stream INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
