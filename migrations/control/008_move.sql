-- description: tenants that move to another database while nodes run

-- millrace:up

-- A database that receives tenants is fenced before the one that gives them
-- switches: it has a map that nobody's program has, so nothing is written or
-- read for it until the change is completed or taken back. set_id is the same
-- in all databases of one change; arrivals says which database each tenant
-- comes from; before_fingerprint is the map to go back to.
ALTER TABLE millrace.map_change
  ADD COLUMN set_id uuid,
  ADD COLUMN arrivals jsonb,
  ADD COLUMN before_fingerprint bigint,
  DROP CONSTRAINT map_change_state_check,
  ADD CONSTRAINT map_change_state_check
    CHECK (state IN ('planned', 'fenced', 'switched', 'aborted'));

CREATE UNIQUE INDEX map_change_fenced ON millrace.map_change (pipeline)
  WHERE state = 'fenced';

-- millrace:down

DROP INDEX millrace.map_change_fenced;
ALTER TABLE millrace.map_change
  DROP CONSTRAINT map_change_state_check,
  DROP COLUMN before_fingerprint,
  DROP COLUMN arrivals,
  DROP COLUMN set_id,
  ADD CONSTRAINT map_change_state_check
    CHECK (state IN ('planned', 'switched', 'aborted'));
