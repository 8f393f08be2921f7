-- A history that a restore began starts held, and one that began because the database went back in time under its nodes
-- does not: `resumed` tells them apart. It is when a restored history went on, in milliseconds since the Unix epoch and
-- not before anything that had been committed; what was intended up to then is settled before it is called again.
ALTER TABLE promptsales.history ADD COLUMN resumed bigint;
