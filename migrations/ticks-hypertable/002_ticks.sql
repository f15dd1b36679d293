-- description: ticks, as a TimescaleDB hypertable

-- millrace:up

-- An extension belongs to the database, so it stays when this is undone.
-- In `public`, or it would lie in the schema of the first tenant.
CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public;

-- The columns of the plain table; see ticks/002_ticks.sql.
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
);

SELECT public.create_hypertable('ticks', 'tick_time',
  chunk_time_interval => interval '1 day', create_default_indexes => false);

-- millrace:down

DROP TABLE ticks;
