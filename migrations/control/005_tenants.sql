-- description: which database this is, and from where on tenants are in it

-- millrace:up

-- What configurations call this database. Under two names it would be read
-- twice, for the same lanes.
CREATE TABLE millrace.identity (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  name text NOT NULL
);

-- In the control database: which other database holds a tenant of a pipeline.
-- A tenant stays where it is.
CREATE TABLE millrace.tenant_home (
  pipeline text NOT NULL,
  tenant   text NOT NULL,
  database text NOT NULL,
  at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, tenant)
);

-- Records of such a tenant below `start` are dead letters of `_unrouted`, and
-- not for its lanes. Written in the control database together with
-- tenant_home, and copied into the tenant's one before its lanes are made.
-- Where there is no row it is all of the partition.
CREATE TABLE millrace.tenant_start (
  pipeline  text NOT NULL,
  tenant    text NOT NULL,
  topic     uuid NOT NULL,
  partition int NOT NULL,
  start     bigint NOT NULL,
  PRIMARY KEY (pipeline, tenant, topic, partition)
);

-- millrace:down

DROP TABLE millrace.tenant_start;
DROP TABLE millrace.tenant_home;
DROP TABLE millrace.identity;
