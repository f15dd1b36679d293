-- description: archives of partitions, and partitions that are held

-- millrace:up

-- Why a partition that is detached is still there: its archive could not be
-- written.
ALTER TABLE millrace.partition_removal ADD COLUMN trouble text;

-- Partitions that are not removed, however old, until somebody says so: those
-- that were brought back from an archive.
CREATE TABLE millrace.partition_hold (
  schema_name    text NOT NULL,
  partition_name text NOT NULL,
  partition_oid  oid NOT NULL,
  since          timestamptz NOT NULL DEFAULT clock_timestamp(),
  held_by        text NOT NULL,
  PRIMARY KEY (schema_name, partition_name)
);

-- millrace:down

DROP TABLE millrace.partition_hold;
ALTER TABLE millrace.partition_removal DROP COLUMN trouble;
