-- description: what people change by hand, replayed dead letters, old topics

-- millrace:up

-- One row per change that a command made, in the transaction of the change.
CREATE TABLE millrace.admin_action (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  os_user text NOT NULL,
  host    text NOT NULL,
  role    text NOT NULL DEFAULT session_user,
  command text NOT NULL,
  object  text NOT NULL,
  reason  text NOT NULL,
  before  jsonb,
  after   jsonb
);

-- Dead letters of another database whose rows are in this one: their
-- coordinates, and their seq there.
CREATE TABLE millrace.replayed (
  pipeline  text NOT NULL,
  topic     uuid NOT NULL,
  partition int NOT NULL,
  "offset"  bigint NOT NULL,
  seq       bigint NOT NULL,
  at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (pipeline, topic, partition, "offset", seq)
);

-- Set when another topic of the same name was adopted. Nothing of a retired
-- topic is read any more; its rows stay, as lanes keep their slots.
ALTER TABLE millrace.topic ADD COLUMN retired timestamptz;

-- Takes a dead letter away for its replay, or raises MR002 and thereby ends
-- the transaction: somebody else has replayed or discarded it.
CREATE FUNCTION millrace.take_dead_letter(
  in_pipeline text, in_tenant text, in_shard int, in_seq bigint,
  in_topic uuid, in_partition int, in_offset bigint,
  in_os_user text, in_host text, in_reason text)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM millrace.dead_letter
  WHERE pipeline = in_pipeline AND tenant = in_tenant AND shard = in_shard
    AND seq = in_seq AND topic = in_topic AND partition = in_partition
    AND "offset" = in_offset;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the dead letter is gone' USING ERRCODE = 'MR002';
  END IF;
  INSERT INTO millrace.admin_action
    (os_user, host, command, object, reason, before)
  VALUES (in_os_user, in_host, 'dlq replay',
          in_pipeline || '/' || in_tenant || '/' || in_shard || ' ' || in_seq,
          in_reason,
          jsonb_build_object('topic', in_topic, 'partition', in_partition,
                             'offset', in_offset));
  RETURN in_seq;
END
$$;

-- The same for a dead letter that lies in another database: notes that its
-- rows are in this one, or raises MR002 when they are already.
CREATE FUNCTION millrace.note_replayed(
  in_pipeline text, in_topic uuid, in_partition int, in_offset bigint,
  in_seq bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO millrace.replayed (pipeline, topic, partition, "offset", seq)
  VALUES (in_pipeline, in_topic, in_partition, in_offset, in_seq)
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the dead letter was replayed' USING ERRCODE = 'MR002';
  END IF;
  RETURN in_seq;
END
$$;

-- millrace:down

DROP FUNCTION millrace.note_replayed(text, uuid, int, bigint, bigint);
DROP FUNCTION millrace.take_dead_letter(
  text, text, int, bigint, uuid, int, bigint, text, text, text);
ALTER TABLE millrace.topic DROP COLUMN retired;
DROP TABLE millrace.replayed;
DROP TABLE millrace.admin_action;
