-- The second structures, in a file of their own; whatever is wrong with it, it is thrown away and rebuilt.
-- The mark says up to where the journal has been merged in; it moves in the same transaction.
CREATE TABLE mark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log BLOB NOT NULL,
    history BLOB NOT NULL,
    pos INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    key INTEGER NOT NULL
) STRICT;

CREATE TABLE stream (
    uuid BLOB NOT NULL,
    prefix TEXT NOT NULL,
    tenant TEXT NOT NULL,
    no INTEGER NOT NULL,
    PRIMARY KEY (uuid, prefix, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE key (
    key BLOB NOT NULL PRIMARY KEY,
    id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The streams of each kind by the position of their first event.
CREATE TABLE kind (
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    first_pos INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    PRIMARY KEY (tenant, prefix, first_pos)
) STRICT, WITHOUT ROWID;
