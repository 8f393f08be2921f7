-- Streams whose early events are not kept any more begin at a base: a copy of a snapshot, no newer than the newest one,
-- taken in the statement that deleted the first of the events before it. The event at `seq` itself stays.
--
-- `created` is when the stream's first event was committed. `at` is the time of the event at `seq`: before it there is
-- no telling what the state was. The index says which shapes there are, at every start.
CREATE TABLE promptsales.base (
    stream bigint PRIMARY KEY,
    seq bigint NOT NULL,
    created bigint NOT NULL,
    at bigint NOT NULL,
    version int NOT NULL,
    prefix text NOT NULL,
    data text NOT NULL
);
CREATE INDEX base_shape ON promptsales.base (prefix, version);
