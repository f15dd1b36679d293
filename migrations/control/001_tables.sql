-- description: lanes, partitions, dead letters, tenants, nodes
--
-- Every database that holds tenant rows has these tables, because a lane's
-- progress commits in the same transaction as its rows.

-- millrace:up

CREATE TABLE millrace.tenant (
  name        text PRIMARY KEY,
  schema      text NOT NULL UNIQUE,
  created     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE millrace.node (
  name        text PRIMARY KEY,
  address     text,
  incarnation uuid NOT NULL,
  started     timestamptz NOT NULL DEFAULT now(),
  heartbeat   timestamptz NOT NULL DEFAULT now(),
  version     text NOT NULL
);

-- map_fingerprint stands for everything that decides which lane and which
-- writes an event gets; map_version numbers its changes.
CREATE TABLE millrace.pipeline (
  pipeline        text PRIMARY KEY,
  map_version     bigint NOT NULL DEFAULT 1,
  map_fingerprint bigint NOT NULL,
  lanes           int NOT NULL CHECK (lanes > 0),
  created         timestamptz NOT NULL DEFAULT now()
);

-- start_offsets[partition + 1] is the concrete offset at which reading began.
CREATE TABLE millrace.topic (
  pipeline      text NOT NULL REFERENCES millrace.pipeline,
  uuid          uuid NOT NULL,
  name          text NOT NULL,
  partitions    int NOT NULL,
  gap_policy    text NOT NULL DEFAULT 'verify'
                CHECK (gap_policy IN ('verify', 'allow', 'strict')),
  start_offsets bigint[] NOT NULL,
  PRIMARY KEY (pipeline, uuid)
);

-- A claim is one HOT update of one row: there must be no index on a column
-- that it changes, and room for the new version on the same page.
CREATE TABLE millrace.lane (
  pipeline    text NOT NULL REFERENCES millrace.pipeline,
  tenant      text NOT NULL,
  shard       int NOT NULL,
  epoch       bigint NOT NULL DEFAULT 0,
  owner       uuid,
  map_version bigint NOT NULL,
  shape       bigint NOT NULL,
  next_seq    bigint NOT NULL DEFAULT 1,
  state       text NOT NULL DEFAULT 'active'
              CHECK (state IN ('active', 'parked', 'halted')),
  next_off    bigint[] NOT NULL,
  cache_seq   bigint NOT NULL DEFAULT 0,
  node        text,
  reason      text,
  updated     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, tenant, shard)
) WITH (
  fillfactor = 60,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0
);

-- slot is the partition's position in every lane's next_off, from 1.
CREATE TABLE millrace.partition_floor (
  pipeline    text NOT NULL REFERENCES millrace.pipeline,
  topic       uuid NOT NULL,
  partition   int NOT NULL,
  slot        int NOT NULL CHECK (slot > 0),
  floor       bigint NOT NULL,
  token       uuid NOT NULL DEFAULT gen_random_uuid(),
  map_version bigint NOT NULL,
  state       text NOT NULL DEFAULT 'active'
              CHECK (state IN ('active', 'halted')),
  reason      text,
  updated     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, topic, partition),
  UNIQUE (pipeline, slot),
  FOREIGN KEY (pipeline, topic) REFERENCES millrace.topic (pipeline, uuid)
) WITH (
  fillfactor = 60,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500
);

-- One row per reject, in the same transaction as the rows beside it. A null
-- key or value was a null in Kafka. headers: int32 length and name, int32
-- length and value, and so on, big endian, -1 for a null value.
CREATE TABLE millrace.dead_letter (
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
  stage       text NOT NULL,
  sqlstate    text,
  reason      text NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, tenant, shard, seq)
);

-- millrace:down

DROP TABLE millrace.dead_letter;
DROP TABLE millrace.partition_floor;
DROP TABLE millrace.lane;
DROP TABLE millrace.topic;
DROP TABLE millrace.pipeline;
DROP TABLE millrace.node;
DROP TABLE millrace.tenant;
