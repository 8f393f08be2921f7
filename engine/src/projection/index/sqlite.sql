-- What entities are found by. Everything here follows from the journal.

-- Up to where what is written of a partition is true.
CREATE TABLE mark (
    made_of BLOB NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (made_of, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE kind (
    no INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    UNIQUE (tenant, prefix)
) STRICT;

-- The entities, in the order in which they came. Numbers are never used twice: they are cursors.
CREATE TABLE entry (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    UNIQUE (uuid, kind)
) STRICT;
CREATE INDEX entry_kind ON entry (kind, no);

-- Their fields; a value is the written form of a term.
CREATE TABLE field (
    entry INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (entry, name, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX field_value ON field (kind, name, value, entry);
