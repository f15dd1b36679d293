-- description: ticks, partitioned by day

-- millrace:up

-- Prices keep the digits as sent. The coordinates in the key keep repeated
-- (symbol, time) pairs apart and make a second copy of a record impossible.
-- src_topic is not stored: one topic feeds the table.
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
  PRIMARY KEY (symbol_id, tick_time, src_partition, src_offset)
) PARTITION BY RANGE (tick_time);

-- The days of the recorded feed, and those around today.
SELECT millrace.ensure_day_partitions('ticks', '2026-01-17', '2026-01-21');
SELECT millrace.ensure_day_partitions(
  'ticks', (now() AT TIME ZONE 'UTC')::date - 2,
  (now() AT TIME ZONE 'UTC')::date + 14);

-- millrace:down

DROP TABLE ticks;
