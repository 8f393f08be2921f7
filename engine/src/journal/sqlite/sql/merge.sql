-- Copies the rest of what the journal has between two marks, streams $1 to $2, positions $3 to $4, and moves the mark
-- there, for idempotency rows to $6. In the order of the keys. Copying twice changes nothing.
INSERT OR REPLACE INTO main.stream (uuid, prefix, tenant, no)
SELECT uuid, prefix, tenant, no FROM journal.stream WHERE no > $1 AND no <= $2 ORDER BY uuid, prefix, tenant;

INSERT OR REPLACE INTO main.kind (tenant, prefix, first_pos, stream)
SELECT s.tenant, s.prefix, e.pos, e.stream
FROM journal.event AS e CROSS JOIN journal.stream AS s ON s.no = e.stream
WHERE e.pos > $3 AND e.pos <= $4 AND e.seq = 1 ORDER BY s.tenant, s.prefix, e.pos;

-- Streams whose first events are not kept any more.
INSERT OR REPLACE INTO main.kind (tenant, prefix, first_pos, stream)
SELECT s.tenant, s.prefix, b.first_pos, b.stream
FROM journal.base AS b CROSS JOIN journal.stream AS s ON s.no = b.stream
WHERE b.first_pos > $3 AND b.first_pos <= $4 ORDER BY s.tenant, s.prefix, b.first_pos;

UPDATE main.mark SET stream = $2, pos = $4, key = $6;
