-- description: who coordinates, and partitions on their way out

-- millrace:up

-- One row: who makes partitions and migrates, in this database, until when by
-- this server's clock. A takeover locks it FOR UPDATE, which waits for every
-- transaction that has checked it; a renewal changes lease_until alone, which
-- does not.
CREATE TABLE millrace.coordinator (
  only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  epoch       bigint NOT NULL DEFAULT 0,
  owner       uuid,
  node        text,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  since       timestamptz
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500
);

INSERT INTO millrace.coordinator DEFAULT VALUES;

-- Opens every transaction of a coordinator: raises MR006 and thereby ends it
-- unless that term still holds; then nobody takes over before its end.
CREATE FUNCTION millrace.hold_coordinator(in_epoch bigint, in_owner uuid)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM millrace.coordinator
  WHERE epoch = in_epoch AND owner = in_owner
    AND lease_until > clock_timestamp()
  FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this node does not coordinate any more'
      USING ERRCODE = 'MR006';
  END IF;
END
$$;

-- Partitions that are beyond their retention: noted before they are detached,
-- forgotten in the transaction that drops them, so that one whose removal was
-- interrupted is not left behind. table_name is that of the parent with its
-- schema, schema_name the partition's own.
CREATE TABLE millrace.partition_removal (
  schema_name    text NOT NULL,
  table_name     text NOT NULL,
  partition_name text NOT NULL,
  partition_oid  oid NOT NULL,
  bounds         text NOT NULL,
  noted          timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (schema_name, partition_name)
);

-- millrace:down

DROP TABLE millrace.partition_removal;
DROP FUNCTION millrace.hold_coordinator(bigint, uuid);
DROP TABLE millrace.coordinator;
