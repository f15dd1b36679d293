-- description: dead letters whose value was too large to keep

-- millrace:up

-- Length and SHA-256 of the record's value where `value` is only the beginning
-- of it (limits.oversized = "cut"). Null where it is whole.
ALTER TABLE millrace.dead_letter
  ADD COLUMN value_bytes bigint,
  ADD COLUMN value_sha256 bytea;

-- millrace:down

ALTER TABLE millrace.dead_letter
  DROP COLUMN value_bytes,
  DROP COLUMN value_sha256;
