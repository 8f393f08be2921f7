-- Copies rows $1 to $2 of what was put in order: each page is written once or twice. Copying twice changes nothing.
INSERT OR REPLACE INTO main.event (stream, seq, pos)
SELECT stream, seq, pos FROM temp.events WHERE rowid > $1 AND rowid <= $2 ORDER BY rowid;

INSERT OR REPLACE INTO main.key (key, id)
SELECT key, id FROM temp.keys WHERE rowid > $1 AND rowid <= $2 ORDER BY rowid;
