-- Streams whose early events are not kept any more begin at a base: a copy of a snapshot, no newer than the newest one,
-- taken in the commit that deleted the first of the events before it. The event at `seq` itself stays.
--
-- `created` is when the stream's first event was committed, `first_pos` where: lists go by it, and a rebuilt index must
-- find it here. `at` is the time of the event at `seq`: before it there is no telling what the state was.
CREATE TABLE base (
    stream INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data TEXT NOT NULL,
    created INTEGER NOT NULL,
    at INTEGER NOT NULL,
    first_pos INTEGER NOT NULL
) STRICT;
CREATE INDEX base_first ON base (first_pos);
CREATE INDEX base_shape ON base (prefix, version);
