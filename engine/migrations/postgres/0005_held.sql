-- A database that went back in time has forgotten effects that were carried out, just as a restored one has: so its new
-- history says in `resumed` up to when effects are settled before they are called again, and goes on at once. `held` says
-- which histories wait for a person instead.
ALTER TABLE promptsales.history ADD COLUMN held boolean NOT NULL DEFAULT true;
