-- description: which tables a pipeline writes since when, and backfills of them

-- millrace:up

-- One row for each time that a pipeline began to write a table. change: the
-- map with which it began, whose barrier says where; NULL: with its first
-- record.
CREATE TABLE millrace.written_table (
  pipeline text NOT NULL REFERENCES millrace.pipeline,
  name     text NOT NULL,
  since    bigint NOT NULL,
  change   uuid REFERENCES millrace.map_change,
  ended    timestamptz,
  PRIMARY KEY (pipeline, name, since)
);

-- One row for each pipeline that makes up for what another one did not write
-- into new tables. change: the map with which that one writes them, where the
-- backfill ends; NULL: it does not yet, and the backfill follows its floors.
-- holds: it reads nothing beyond that before the backfill has come there.
CREATE TABLE millrace.backfill (
  pipeline    text PRIMARY KEY REFERENCES millrace.pipeline,
  of_pipeline text NOT NULL REFERENCES millrace.pipeline,
  tables      text[] NOT NULL,
  change      uuid REFERENCES millrace.map_change,
  holds       boolean NOT NULL DEFAULT false
);

CREATE INDEX backfill_of ON millrace.backfill (of_pipeline);

-- The offset behind the last one that is for a backfill.
CREATE TABLE millrace.backfill_end (
  pipeline  text NOT NULL REFERENCES millrace.backfill,
  topic     uuid NOT NULL,
  partition int NOT NULL,
  until     bigint NOT NULL,
  PRIMARY KEY (pipeline, topic, partition)
);

-- How far each backfill has got in each partition that it has found. What the
-- other pipeline has not found or not read is not for the backfill. Offsets
-- [lacks_from, lacks_to) were read by the other one, and had gone from Kafka
-- when the backfill began.
CREATE VIEW millrace.backfill_progress AS
SELECT x.*,
  CASE WHEN x.lacks_until > x.of_begin THEN x.of_begin END AS lacks_from,
  CASE WHEN x.lacks_until > x.of_begin THEN x.lacks_until END AS lacks_to,
  x.ends AND x.floor >= x.until AND x.waiting = 0 AS done
FROM (
  SELECT b.pipeline, b.of_pipeline, b.holds, b.change IS NOT NULL AS ends,
    t.name AS topic_name, t.retired IS NOT NULL AS retired, f.topic, f.partition, f.slot, f.floor,
    t.start_offsets[f.partition + 1] AS begin,
    coalesce(e.until, CASE WHEN b.change IS NULL THEN o.floor END, f.floor)
      AS until,
    u.start_offsets[f.partition + 1] AS of_begin,
    CASE WHEN e.until < t.start_offsets[f.partition + 1] THEN e.until
      ELSE t.start_offsets[f.partition + 1] END AS lacks_until,
    (SELECT count(*) FROM millrace.waiting w WHERE w.pipeline = b.pipeline
      AND w.topic = f.topic AND w.partition = f.partition) AS waiting
  FROM millrace.backfill b
  JOIN millrace.partition_floor f ON f.pipeline = b.pipeline
  JOIN millrace.topic t ON t.pipeline = f.pipeline AND t.uuid = f.topic
  LEFT JOIN millrace.topic u ON u.pipeline = b.of_pipeline AND u.uuid = f.topic
  LEFT JOIN millrace.backfill_end e ON e.pipeline = b.pipeline
    AND e.topic = f.topic AND e.partition = f.partition
  LEFT JOIN millrace.partition_floor o ON o.pipeline = b.of_pipeline
    AND o.topic = f.topic AND o.partition = f.partition) x;

-- The backfill that the pipeline waits for at this partition, if it does.
CREATE FUNCTION millrace.held_by(
  in_pipeline text, in_topic uuid, in_partition int)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT min(b.pipeline)
  FROM millrace.backfill b
  JOIN millrace.backfill_end e ON e.pipeline = b.pipeline
    AND e.topic = in_topic AND e.partition = in_partition
  LEFT JOIN millrace.partition_floor f ON f.pipeline = b.pipeline
    AND f.topic = in_topic AND f.partition = in_partition
  WHERE b.of_pipeline = in_pipeline AND b.holds
    AND (f.floor IS NULL OR f.floor < e.until
      OR EXISTS (SELECT 1 FROM millrace.waiting w
        WHERE w.pipeline = b.pipeline AND w.topic = in_topic
          AND w.partition = in_partition))
$$;

-- Tables, a line each, that the pipeline's map writes, but not for this
-- record: it lies before the barrier where the pipeline began to. So that a
-- record that has waited, or is replayed, is not written by a backfill too.
CREATE FUNCTION millrace.begun_later(
  in_pipeline text, in_topic uuid, in_partition int, in_offset bigint)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(w.name, E'\n')
  FROM millrace.written_table w
  JOIN millrace.map_change c ON c.id = w.change
  CROSS JOIN jsonb_to_recordset(c.barrier)
    AS b(topic uuid, partition int, "offset" bigint)
  WHERE w.pipeline = in_pipeline AND w.ended IS NULL AND b.topic = in_topic
    AND b.partition = in_partition AND in_offset < b."offset"
$$;

-- millrace:down

DROP FUNCTION millrace.begun_later(text, uuid, int, bigint);
DROP FUNCTION millrace.held_by(text, uuid, int);
DROP VIEW millrace.backfill_progress;
DROP TABLE millrace.backfill_end;
DROP TABLE millrace.backfill;
DROP TABLE millrace.written_table;
