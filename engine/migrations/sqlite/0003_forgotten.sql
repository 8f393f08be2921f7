-- Streams that were forgotten whole, until the indexes beside the journal have lost them too: so nothing finds them
-- again after a crash in between. `first_pos` is where the stream began, under which lists have it.
--
-- Their idempotency rows and the ends of their effects are not looked for, as no index leads to them from a stream: they
-- count for nothing once their stream has no row, and go in their time.
CREATE TABLE forgotten (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    uuid BLOB NOT NULL,
    first_pos INTEGER NOT NULL
) STRICT;

-- What is left of all of them: how many positions they had, and the greatest number that one of them had; no number is
-- used twice.
CREATE TABLE forgotten_sum (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    events INTEGER NOT NULL,
    stream INTEGER NOT NULL
) STRICT;
INSERT INTO forgotten_sum VALUES (1, 0, 0);
