-- description: ticks, one row per symbol and time, partitioned by day

-- millrace:up

-- Repeats of (symbol, time) collapse into the row with the highest offset; the
-- pipeline upserts with only_if_newer = "src_offset".
CREATE TABLE ticks (
  symbol_id     bigint NOT NULL,
  symbol_name   varchar(50) NOT NULL,
  tick_time     timestamptz NOT NULL,
  bid_price     numeric NOT NULL,
  ask_price     numeric NOT NULL,
  spread        numeric,
  bid_volume    numeric,
  ask_volume    numeric,
  lp            text,
  broker_id     text,
  src_partition int NOT NULL,
  src_offset    bigint NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (symbol_id, tick_time)
) PARTITION BY RANGE (tick_time);

-- The days of the recorded feed, and those around today.
SELECT millrace.ensure_day_partitions('ticks', '2026-01-17', '2026-01-21');
SELECT millrace.ensure_day_partitions(
  'ticks', (now() AT TIME ZONE 'UTC')::date - 2,
  (now() AT TIME ZONE 'UTC')::date + 14);

-- millrace:down

DROP TABLE ticks;
