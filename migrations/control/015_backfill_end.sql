-- description: backfills that are given up, and partitions they have not found

-- millrace:up

-- When an operator gave it up: nothing is read for it any more, and nobody
-- waits for it. What it has written stays.
ALTER TABLE millrace.backfill ADD COLUMN given_up timestamptz;

-- By place, as backfills are waited for by partition.
-- millrace:allow index-stops-writers because few events wait at any time
CREATE INDEX waiting_place ON millrace.waiting (pipeline, topic, partition);

-- As before, and one that was given up ends where it is.
CREATE OR REPLACE VIEW millrace.backfill_progress AS
SELECT x.pipeline, x.of_pipeline, x.holds, x.ends, x.topic_name, x.retired,
  x.topic, x.partition, x.slot, x.floor, x.begin, x.until, x.of_begin,
  x.lacks_until, x.waiting,
  CASE WHEN x.lacks_until > x.of_begin THEN x.of_begin END AS lacks_from,
  CASE WHEN x.lacks_until > x.of_begin THEN x.lacks_until END AS lacks_to,
  x.ends AND x.floor >= x.until AND x.waiting = 0 AS done, x.given_up
FROM (
  SELECT b.pipeline, b.of_pipeline, b.holds, b.given_up,
    b.change IS NOT NULL OR b.given_up IS NOT NULL AS ends,
    t.name AS topic_name, t.retired IS NOT NULL AS retired, f.topic, f.partition, f.slot, f.floor,
    t.start_offsets[f.partition + 1] AS begin,
    CASE WHEN b.given_up IS NOT NULL THEN f.floor
      ELSE coalesce(e.until, CASE WHEN b.change IS NULL THEN o.floor END,
        f.floor) END AS until,
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

-- Partitions with records for a backfill that it has not found yet, so it has
-- none of them. Not of topics that were deleted and made again.
CREATE VIEW millrace.backfill_unfound AS
SELECT e.pipeline, u.name AS topic_name, e.topic, e.partition, e.until
FROM millrace.backfill b
JOIN millrace.backfill_end e ON e.pipeline = b.pipeline AND e.until > 0
LEFT JOIN millrace.topic u ON u.pipeline = b.of_pipeline AND u.uuid = e.topic
LEFT JOIN millrace.topic t ON t.pipeline = b.pipeline AND t.uuid = e.topic
WHERE b.given_up IS NULL AND u.retired IS NULL AND t.retired IS NULL
  AND NOT EXISTS (SELECT 1 FROM millrace.partition_floor f
    WHERE f.pipeline = e.pipeline AND f.topic = e.topic
      AND f.partition = e.partition);

-- Where a pipeline's map begins to write a table: nothing below is written
-- into it.
CREATE VIEW millrace.table_begin AS
SELECT w.pipeline, w.name, b.topic, b.partition, b."offset" AS begin
FROM millrace.written_table w
JOIN millrace.map_change c ON c.id = w.change
CROSS JOIN jsonb_to_recordset(c.barrier)
  AS b(topic uuid, partition int, "offset" bigint)
WHERE w.ended IS NULL;

CREATE OR REPLACE FUNCTION millrace.begun_later(
  in_pipeline text, in_topic uuid, in_partition int, in_offset bigint)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(b.name, E'\n')
  FROM millrace.table_begin b
  WHERE b.pipeline = in_pipeline AND b.topic = in_topic
    AND b.partition = in_partition AND in_offset < b.begin
$$;

CREATE OR REPLACE FUNCTION millrace.held_by(
  in_pipeline text, in_topic uuid, in_partition int)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT min(b.pipeline)
  FROM millrace.backfill b
  JOIN millrace.backfill_end e ON e.pipeline = b.pipeline
    AND e.topic = in_topic AND e.partition = in_partition
  LEFT JOIN millrace.partition_floor f ON f.pipeline = b.pipeline
    AND f.topic = in_topic AND f.partition = in_partition
  WHERE b.of_pipeline = in_pipeline AND b.holds AND b.given_up IS NULL
    AND (f.floor IS NULL OR f.floor < e.until
      OR EXISTS (SELECT 1 FROM millrace.waiting w
        WHERE w.pipeline = b.pipeline AND w.topic = in_topic
          AND w.partition = in_partition))
$$;

-- millrace:down

CREATE OR REPLACE FUNCTION millrace.held_by(
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

CREATE OR REPLACE FUNCTION millrace.begun_later(
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

DROP VIEW millrace.table_begin;
DROP VIEW millrace.backfill_unfound;
DROP VIEW millrace.backfill_progress;
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
DROP INDEX millrace.waiting_place;
ALTER TABLE millrace.backfill DROP COLUMN given_up;
