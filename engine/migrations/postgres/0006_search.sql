-- What entities are found by: see the index over what entities are. Everything here follows from the journal.

-- Up to where what is written of a partition is true.
CREATE TABLE promptsales.search_mark (
    partition int PRIMARY KEY,
    made_of uuid NOT NULL,
    position bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE promptsales.search_kind (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    prefix text NOT NULL,
    UNIQUE (tenant, prefix)
);

-- The entities, in the order in which they came. Numbers are cursors.
CREATE TABLE promptsales.search_entry (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind bigint NOT NULL,
    uuid uuid NOT NULL,
    UNIQUE (uuid, kind)
);
CREATE INDEX search_entry_kind ON promptsales.search_entry (kind, no);

-- Their fields; a value is the written form of a term, in the order of its bytes.
CREATE TABLE promptsales.search_field (
    entry bigint NOT NULL,
    kind bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (entry, name, value)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX search_field_value ON promptsales.search_field (kind, name, value, entry);
