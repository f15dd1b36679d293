-- description: changes of what decides lanes and writes

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

-- millrace:down

DROP TABLE millrace.map_change;
