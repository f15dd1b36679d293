-- description: events that wait for rows which are not there yet

-- millrace:up

-- One row per waiting event, put aside in the transaction that passes its
-- offset, and taken away in the one that writes it. Numbered like dead
-- letters: in the order of the lane. touches: 17 bytes for each row that the
-- event's writes touch, 1 where it awaits this row, and 16 of a hash of table
-- and key.
CREATE TABLE millrace.waiting (
  pipeline    text NOT NULL,
  tenant      text NOT NULL,
  shard       int NOT NULL,
  seq         bigint NOT NULL,
  topic       uuid NOT NULL,
  topic_name  text NOT NULL,
  partition   int NOT NULL,
  "offset"    bigint NOT NULL,
  key         bytea,
  headers     bytea NOT NULL,
  value       bytea,
  "timestamp" timestamptz,
  touches     bytea NOT NULL,
  sqlstate    text,
  reason      text NOT NULL,
  since       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, tenant, shard, seq)
);

-- Dead letters go by age.
CREATE INDEX dead_letter_at ON millrace.dead_letter (at);

-- Raises MR003 when there are any: rows that a flush has to find and did not.
CREATE FUNCTION millrace.refuse_missing(positions bigint[])
RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF positions IS NOT NULL THEN
    RAISE EXCEPTION 'rows are missing'
      USING ERRCODE = 'MR003', DETAIL = array_to_string(positions, ',');
  END IF;
  RETURN 0;
END
$$;

-- Takes waiting events away, after the claim and before they are written, or
-- raises MR004 and thereby ends the transaction: they are not as the lane
-- believes.
CREATE FUNCTION millrace.take_waiting(
  in_pipeline text, in_tenant text, in_shard int, in_seqs bigint[])
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  taken int;
BEGIN
  DELETE FROM millrace.waiting
  WHERE pipeline = in_pipeline AND tenant = in_tenant AND shard = in_shard
    AND seq = ANY (in_seqs);
  GET DIAGNOSTICS taken = ROW_COUNT;
  IF taken <> cardinality(in_seqs) THEN
    RAISE EXCEPTION 'waiting events are gone' USING ERRCODE = 'MR004';
  END IF;
  RETURN taken;
END
$$;

-- millrace:down

DROP FUNCTION millrace.take_waiting(text, text, int, bigint[]);
DROP FUNCTION millrace.refuse_missing(bigint[]);
DROP INDEX millrace.dead_letter_at;
DROP TABLE millrace.waiting;
