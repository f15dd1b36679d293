-- description: changes of what decides lanes and writes, and of columns

-- millrace:up

-- One row per `millrace lanes change`. While one is planned, and its deadline
-- has not passed, consumers of the pipeline read no further than where they
-- are. The command moves the deadline on for as long as it lives: when it
-- dies, they go on by themselves.
CREATE TABLE millrace.map_change (
  id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  pipeline        text NOT NULL REFERENCES millrace.pipeline,
  map_version     bigint NOT NULL,
  map_fingerprint bigint NOT NULL,
  lanes           int NOT NULL CHECK (lanes > 0),
  tenants         text[] NOT NULL,
  state           text NOT NULL DEFAULT 'planned'
                  CHECK (state IN ('planned', 'switched', 'aborted')),
  deadline        timestamptz NOT NULL,
  planned         timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended           timestamptz,
  why             text,
  barrier         jsonb
);

CREATE UNIQUE INDEX map_change_planned ON millrace.map_change (pipeline)
  WHERE state = 'planned';

-- Locks the table as its rows are going to, and then looks whether the columns
-- still have the types ("oid:modifier") that rows were encoded for, or raises
-- MR005 and thereby ends the transaction: COPY would take eight bytes of one
-- type for eight bytes of another. Behind the lock no ALTER TABLE can come in
-- between. Only the parent of partitions is locked: who changes a column has to
-- lock it, too.
CREATE FUNCTION millrace.check_columns(
  in_table text, in_columns text[], in_types text[])
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  same int;
BEGIN
  EXECUTE 'LOCK TABLE ONLY ' || in_table || ' IN ROW EXCLUSIVE MODE';
  SELECT count(*) INTO same
  FROM unnest(in_columns, in_types) AS e(name, type)
  JOIN pg_catalog.pg_attribute a
    ON a.attrelid = in_table::regclass AND a.attname = e.name
    AND a.attnum > 0 AND NOT a.attisdropped
    AND a.atttypid || ':' || a.atttypmod = e.type;
  IF same <> cardinality(in_columns) THEN
    RAISE EXCEPTION 'table % has other columns than its rows are encoded for',
      in_table USING ERRCODE = 'MR005';
  END IF;
  RETURN same;
END
$$;

-- millrace:down

DROP FUNCTION millrace.check_columns(text, text[], text[]);
DROP TABLE millrace.map_change;
