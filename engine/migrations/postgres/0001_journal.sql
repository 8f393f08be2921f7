-- The journal's first layout.
--
-- What grows for ever (stream, event) is only appended; its two indexes grow at the right edge of each partition or
-- stream, so that a commit touches few pages. What is deleted in time (idem, inbox, effect, outbox) is deleted in the
-- order of its own index, so that whole pages become free and are used again, and is vacuumed early: its size follows
-- the load and not its age. What is updated in place (partition, node, snapshot) leaves room in its pages and has no
-- index on what changes, so that updates stay in their page (HOT) and need no vacuum to be found.
--
-- Numbers of streams, messages and effects are given out by the owner of a partition, under the lock of its row, from
-- the partition's own range (2^40 numbers each); so they rise in the order of commit, and a cursor skips nothing.
--
-- Names are qualified everywhere, as a search path would be state of the session. UUIDs are uuid, hashes and keys
-- 16-byte bytea; times are milliseconds since the Unix epoch, but for leases, which run by the database's own clock;
-- JSON is text that no statement looks into.

-- What identifies the store; one row.
CREATE TABLE promptsales.meta (
    id int PRIMARY KEY CHECK (id = 1),
    log uuid NOT NULL,
    secret bytea NOT NULL CHECK (octet_length(secret) = 32),
    created timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The histories of the log; the last one goes on. A database that went back in time begins a new one.
CREATE TABLE promptsales.history (
    no bigint PRIMARY KEY,
    history uuid NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The partition of each slot.
CREATE TABLE promptsales.slot_map (
    slot int PRIMARY KEY CHECK (slot BETWEEN 0 AND 4095),
    partition int NOT NULL
);

-- Who may append to a partition, and how far it is. Every append updates the row, which is the fence. An append adds
-- one to `commits`; whoever looks for the fate of an append that was lost adds two, which fences it as well: whether
-- it was committed is then told by the parity. `streams` and `numbers` count the numbers given out.
CREATE TABLE promptsales.partition (
    id int PRIMARY KEY,
    epoch bigint NOT NULL,
    pos bigint NOT NULL,
    commits bigint NOT NULL,
    streams bigint NOT NULL,
    numbers bigint NOT NULL,
    last bigint NOT NULL,
    incarnation uuid NOT NULL,
    owner uuid
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

-- The nodes, and until when their leases hold by the database's clock.
CREATE TABLE promptsales.node (
    id uuid PRIMARY KEY,
    incarnation uuid NOT NULL,
    address text NOT NULL,
    lease_ms bigint NOT NULL,
    expires timestamptz NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

-- The starts of the nodes' processes that have been seen, so that an earlier one does not take its place again.
CREATE TABLE promptsales.start (
    node uuid NOT NULL,
    incarnation uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (node, incarnation)
);

-- Gives the streams of all partitions their order in lists.
CREATE SEQUENCE promptsales.birth;

-- The streams by number; a row is written in the first commit of its stream. `birth` comes with the first event.
CREATE TABLE promptsales.stream (
    no bigint PRIMARY KEY,
    uuid uuid NOT NULL,
    at bigint NOT NULL,
    birth bigint,
    slot int NOT NULL,
    prefix text NOT NULL,
    tenant text NOT NULL,
    CONSTRAINT stream_key UNIQUE (uuid, prefix, tenant)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE UNIQUE INDEX stream_birth ON promptsales.stream (tenant, prefix, birth) WHERE birth IS NOT NULL;

-- The log. `origin` is compact JSON: c causation, r correlation where it differs, t trace, p principal.
CREATE TABLE promptsales.event (
    pos bigint NOT NULL,
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    partition int NOT NULL,
    version int NOT NULL,
    name text NOT NULL,
    origin text NOT NULL,
    data text NOT NULL,
    CONSTRAINT event_pos PRIMARY KEY (partition, pos),
    CONSTRAINT event_seq UNIQUE (stream, seq)
) WITH (fillfactor = 100, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- The answers given under idempotency keys.
CREATE TABLE promptsales.idem (
    at bigint NOT NULL,
    stream bigint NOT NULL,
    first_seq bigint,
    last_seq bigint,
    key bytea NOT NULL,
    digest bytea NOT NULL,
    outcome text NOT NULL,
    CONSTRAINT idem_key PRIMARY KEY (key)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX idem_at ON promptsales.idem (at);

-- The messages taken in, with their answers.
CREATE TABLE promptsales.inbox (
    stream bigint NOT NULL,
    no bigint NOT NULL,
    at bigint NOT NULL,
    message uuid NOT NULL,
    outcome text NOT NULL,
    CONSTRAINT inbox_message PRIMARY KEY (stream, message)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX inbox_at ON promptsales.inbox (at, no);

-- The messages sent and not acknowledged.
CREATE TABLE promptsales.outbox (
    partition int NOT NULL,
    no bigint NOT NULL,
    stream bigint NOT NULL,
    message uuid NOT NULL,
    uuid uuid NOT NULL,
    prefix text NOT NULL,
    command text NOT NULL,
    origin text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (partition, no),
    CONSTRAINT outbox_message UNIQUE (message)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- The timers that are set.
CREATE TABLE promptsales.timer (
    stream bigint NOT NULL,
    due bigint NOT NULL,
    partition int NOT NULL,
    name text NOT NULL,
    CONSTRAINT timer_name PRIMARY KEY (stream, name)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timer_due ON promptsales.timer (partition, due, stream, name);

-- The ledger of effects. `phase`: 0 open, 1 ended, 2 ended with an unknown outcome.
CREATE TABLE promptsales.effect (
    partition int NOT NULL,
    phase int NOT NULL,
    no bigint NOT NULL,
    stream bigint NOT NULL,
    ended bigint,
    at bigint NOT NULL,
    key uuid NOT NULL,
    attempts bigint NOT NULL,
    connector text NOT NULL,
    operation text NOT NULL,
    state text NOT NULL,
    origin text NOT NULL,
    request text NOT NULL,
    CONSTRAINT effect_key PRIMARY KEY (key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX effect_open ON promptsales.effect (partition, no) WHERE phase = 0;
CREATE INDEX effect_ended ON promptsales.effect (ended) WHERE ended IS NOT NULL;

-- The last snapshot of each stream that has one.
CREATE TABLE promptsales.snapshot (
    stream bigint PRIMARY KEY,
    seq bigint NOT NULL,
    version int NOT NULL,
    data text NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
