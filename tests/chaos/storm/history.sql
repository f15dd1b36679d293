-- What becomes of lanes, floors, waiting events and the coordinator, each change
-- in the transaction that makes it: a failover takes both back together. `n` is
-- in the order of the commits for each row, whose lock is held meanwhile.

-- From here on nobody changes what the first lines of each history tell.
LOCK TABLE millrace.lane, millrace.partition_floor, millrace.waiting,
  millrace.coordinator IN SHARE ROW EXCLUSIVE MODE;

CREATE SCHEMA storm;

CREATE TABLE storm.history (
  lane text NOT NULL, node text, owner uuid, epoch_was bigint NOT NULL,
  epoch bigint NOT NULL, seq_was bigint NOT NULL, seq bigint NOT NULL,
  off_was bigint[] NOT NULL, off bigint[] NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  n bigint GENERATED ALWAYS AS IDENTITY);

CREATE TABLE storm.floors (
  pipeline text NOT NULL, partition int NOT NULL, was bigint NOT NULL,
  floor bigint NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY);

-- Events that were put aside, and the number each of them took.
CREATE TABLE storm.aside (
  lane text NOT NULL, seq bigint NOT NULL, p int NOT NULL, o bigint NOT NULL);

CREATE TABLE storm.terms (
  epoch bigint NOT NULL, owner uuid, lease_until timestamptz NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  n bigint GENERATED ALWAYS AS IDENTITY);

INSERT INTO storm.history
SELECT concat_ws('/', pipeline, tenant, shard), node, owner, epoch, epoch,
  next_seq, next_seq, next_off, next_off FROM millrace.lane;
INSERT INTO storm.floors
SELECT pipeline, partition, floor, floor FROM millrace.partition_floor;
INSERT INTO storm.aside
SELECT concat_ws('/', pipeline, tenant, shard), seq, partition, "offset"
FROM millrace.waiting;
INSERT INTO storm.terms
SELECT epoch, owner, lease_until FROM millrace.coordinator;

CREATE FUNCTION storm.note() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER AS $$
DECLARE
  was millrace.lane := coalesce(OLD, NEW);
BEGIN
  INSERT INTO storm.history VALUES (
    concat_ws('/', NEW.pipeline, NEW.tenant, NEW.shard), NEW.node, NEW.owner,
    was.epoch, NEW.epoch, was.next_seq, NEW.next_seq, was.next_off,
    NEW.next_off);
  RETURN NULL;
END $$;
CREATE TRIGGER storm AFTER INSERT OR UPDATE ON millrace.lane
  FOR EACH ROW EXECUTE FUNCTION storm.note();

CREATE FUNCTION storm.note_floor() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER AS $$
DECLARE
  was millrace.partition_floor := coalesce(OLD, NEW);
BEGIN
  INSERT INTO storm.floors VALUES (
    NEW.pipeline, NEW.partition, was.floor, NEW.floor);
  RETURN NULL;
END $$;
CREATE TRIGGER storm AFTER INSERT OR UPDATE ON millrace.partition_floor
  FOR EACH ROW EXECUTE FUNCTION storm.note_floor();

CREATE FUNCTION storm.note_aside() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER AS $$
BEGIN
  INSERT INTO storm.aside VALUES (
    concat_ws('/', NEW.pipeline, NEW.tenant, NEW.shard), NEW.seq,
    NEW.partition, NEW."offset");
  RETURN NULL;
END $$;
CREATE TRIGGER storm AFTER INSERT ON millrace.waiting
  FOR EACH ROW EXECUTE FUNCTION storm.note_aside();

CREATE FUNCTION storm.note_term() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER AS $$
BEGIN
  INSERT INTO storm.terms VALUES (NEW.epoch, NEW.owner, NEW.lease_until);
  RETURN NULL;
END $$;
CREATE TRIGGER storm AFTER INSERT OR UPDATE ON millrace.coordinator
  FOR EACH ROW EXECUTE FUNCTION storm.note_term();
