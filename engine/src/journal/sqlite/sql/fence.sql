-- Begins an append. The update is the fence, and fails where memory and file have come apart: no row is hit.
-- 1 partition, 2 epoch, 3 incarnation, 4 commits before, 5 number of events, 6 latest time
BEGIN IMMEDIATE;
UPDATE partition SET pos = pos + $5, commits = commits + 1, last = max(last, $6)
WHERE id = $1 AND epoch = $2 AND incarnation = $3 AND commits = $4;
