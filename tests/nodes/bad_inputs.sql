-- The tables of the bad inputs, in the schema of one tenant.

CREATE TABLE typed (
  part int, off bigint, i2 smallint, i4 int, i8 bigint, num numeric,
  amount numeric(10,2), f4 real, f8 double precision, flag boolean, txt text,
  short varchar(5), fix char(3), at timestamptz, plain timestamp, day date,
  clock time, uid uuid, loose_uid uuid, doc jsonb, raw json, bytes bytea,
  mood public.mood, ints bigint[], texts text[], nums numeric[],
  from_s timestamptz, from_ms timestamptz, cents numeric(12,2), code int,
  inner_txt text, accent text, head text, name text, recorded timestamptz,
  PRIMARY KEY (part, off)
);

CREATE TABLE strict (
  id bigint NOT NULL,
  amount numeric CONSTRAINT small CHECK (amount < 1000),
  name text CONSTRAINT only_once UNIQUE
);

CREATE TABLE keyed (id text PRIMARY KEY, v text);

CREATE TABLE legs (part int, off bigint, place int, price numeric);

CREATE TABLE whole (part int, off bigint, i8 bigint, doc jsonb);

CREATE TABLE state (id text PRIMARY KEY, version bigint, v text);

CREATE TABLE latest (id text PRIMARY KEY, v text, w text DEFAULT 'default');

CREATE TABLE field (part int, off bigint, i8 bigint, txt text);

CREATE TABLE large (part int, off bigint, i8 bigint, txt text);

CREATE TABLE ends (topic text, part int, off bigint);
