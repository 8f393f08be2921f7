-- Streams that were forgotten whole, until the index beside the journal has lost them too: so nothing finds them again
-- after a crash in between.
--
-- Their idempotency rows and the ends of their effects are not looked for, as no index leads to them from a stream: they
-- count for nothing once their stream has no row, make way for others of their keys, and go in their time.
CREATE TABLE promptsales.forgotten (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition int NOT NULL,
    uuid uuid NOT NULL,
    prefix text NOT NULL,
    tenant text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
