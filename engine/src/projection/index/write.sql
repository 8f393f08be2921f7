-- Writes changes $1, a JSON list of [tenant, prefix, id, fields or null]. What is the same as before is not touched.
DROP TABLE IF EXISTS temp.change;
CREATE TEMP TABLE change AS
SELECT c.value ->> 0 AS tenant, c.value ->> 1 AS prefix, unhex(c.value ->> 2) AS uuid, c.value -> 3 AS fields
FROM json_each($1) AS c;

INSERT OR IGNORE INTO main.kind (tenant, prefix) SELECT DISTINCT tenant, prefix FROM temp.change;

INSERT OR IGNORE INTO main.entry (kind, uuid)
SELECT k.no, c.uuid FROM temp.change AS c JOIN main.kind AS k ON k.tenant = c.tenant AND k.prefix = c.prefix
WHERE c.fields <> 'null' ORDER BY c.rowid;

DROP TABLE IF EXISTS temp.new;
CREATE TEMP TABLE new AS
SELECT e.no AS entry, e.kind AS kind, c.fields AS fields
FROM temp.change AS c CROSS JOIN main.kind AS k ON k.tenant = c.tenant AND k.prefix = c.prefix
CROSS JOIN main.entry AS e ON e.uuid = c.uuid AND e.kind = k.no;

DELETE FROM main.field WHERE (entry, name, value) IN (
    SELECT f.entry, f.name, f.value FROM temp.new AS n CROSS JOIN main.field AS f ON f.entry = n.entry
    WHERE NOT EXISTS (
        SELECT 1 FROM json_each(n.fields) AS j WHERE n.fields <> 'null' AND j.value ->> 0 = f.name AND j.value ->> 1 = f.value
    )
);

INSERT OR IGNORE INTO main.field (entry, kind, name, value)
SELECT n.entry, n.kind, j.value ->> 0, j.value ->> 1 FROM temp.new AS n CROSS JOIN json_each(n.fields) AS j
WHERE n.fields <> 'null';

DELETE FROM main.entry WHERE no IN (SELECT entry FROM temp.new WHERE fields = 'null');
