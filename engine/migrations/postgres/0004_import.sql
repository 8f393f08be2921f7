-- A store that an import fills is none yet that may be served: while there is a row here, nobody takes its partitions.
--
-- `file` is the digest of the file that is taken in, `lines` how many of its lines are in the store at least: what a
-- crash left between a commit and its note is taken in again, and is found there. `claim` is the import that is under
-- way, which appends as this incarnation; after `expires` another one may go on in its place, under higher epochs.
CREATE TABLE promptsales.import (
    id int PRIMARY KEY CHECK (id = 1),
    file text NOT NULL,
    lines bigint NOT NULL,
    claim uuid NOT NULL,
    expires timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
