-- Begins an append. The update is the fence, and fails where memory and file have come apart: no row is hit.
-- Parameters: number of events, latest time, partition, epoch, incarnation, commits before.
BEGIN IMMEDIATE;
UPDATE partition SET pos = pos + ?, commits = commits + 1, last = max(last, ?)
WHERE id = ? AND epoch = ? AND incarnation = ? AND commits = ?;
