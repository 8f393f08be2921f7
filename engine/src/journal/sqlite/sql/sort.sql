-- Puts in order what the journal has most of between two marks: positions $3 to $4, idempotency rows $5 to $6.
DROP TABLE IF EXISTS temp.events;
CREATE TEMP TABLE events AS
SELECT stream, seq, pos FROM journal.event WHERE pos > $3 AND pos <= $4 ORDER BY stream, seq;

DROP TABLE IF EXISTS temp.keys;
CREATE TEMP TABLE keys AS
SELECT key, id FROM journal.idem WHERE id > $5 AND id <= $6 ORDER BY key, id;
