-- description: the hash chain over audit_log
--
-- A chain per month (UTC) of audit_log. A row's hash is over all of the row,
-- its place in the chain and the hash of the row before it. One writer at a
-- time links rows: who holds the month's row of audit_chain. Nobody waits for
-- that who only writes; the set trading-engine-chain links rows as they are
-- committed.

-- millrace:up

ALTER TABLE audit_log ADD COLUMN chain_position bigint;

-- Where each chain ends. A copy that is kept elsewhere also tells a chain that
-- was made anew as a whole.
CREATE TABLE audit_chain (
  month date PRIMARY KEY,
  length bigint NOT NULL DEFAULT 0
    CHECK (length >= 0),
  last_hash varchar(128)
);

CREATE INDEX audit_log_unsealed ON audit_log (created_at)
  WHERE content_hash IS NULL;

-- Which chain a row belongs to: where it lies may change, this does not.
CREATE FUNCTION audit_month(moment timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
  SELECT date_trunc('month', moment AT TIME ZONE 'UTC')::date
$$;

-- What is hashed: the row as it is stored, in this order.
CREATE FUNCTION audit_log_text(entry audit_log) RETURNS text
LANGUAGE plpgsql STABLE SET TimeZone = 'UTC' AS $$
BEGIN
  RETURN jsonb_build_array(
    entry.chain_position, entry.previous_hash, entry.id, entry.table_name,
    entry.record_id, entry.record_key, entry.action, entry.user_id,
    entry.user_ip, entry.user_agent, entry.old_data, entry.new_data,
    entry.changed_fields, entry.query, entry.session_id, entry.request_id,
    entry.created_at, entry.metadata)::text;
END
$$;

CREATE FUNCTION audit_log_hash(entry audit_log) RETURNS text
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
  RETURN encode(sha256(convert_to(audit_log_text(entry), 'UTF8')), 'hex');
END
$$;

-- Writes down what was linked: arrays of the same length. By the key, whatever
-- the statistics of a table say that grows all the time.
CREATE FUNCTION write_audit_links(
  ids uuid[], times timestamptz[], positions bigint[], hashes varchar[],
  hash_before varchar)
RETURNS void LANGUAGE sql SET search_path FROM CURRENT
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
  UPDATE audit_log a
  SET chain_position = l.place, content_hash = l.hash,
      previous_hash = l.before
  FROM (SELECT u.*, lag(u.hash, 1, hash_before) OVER (ORDER BY u.place)
          AS before
        FROM unnest(ids, times, positions, hashes) u (id, at, place, hash)) l
  WHERE a.id = l.id AND a.created_at = l.at
$$;

-- Links rows that are in no chain yet, at most so many, and returns how many
-- it linked. Two at once wait for each other.
CREATE FUNCTION seal_audit_log(at_most bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  at_once CONSTANT int := 1000;
  of_month date;
  head audit_chain;
  entry audit_log;
  ids uuid[];
  times timestamptz[];
  positions bigint[];
  hashes varchar[];
  hash_before varchar;
  sealed bigint := 0;
BEGIN
  -- Nobody moves rows to the partition of their month meanwhile.
  LOCK TABLE audit_log IN ROW EXCLUSIVE MODE;
  FOR of_month IN
    SELECT DISTINCT audit_month(created_at) FROM audit_log
    WHERE content_hash IS NULL ORDER BY 1
  LOOP
    INSERT INTO audit_chain (month) VALUES (of_month) ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT head FROM audit_chain WHERE month = of_month
    FOR UPDATE;
    ids := '{}'; times := '{}'; positions := '{}'; hashes := '{}';
    hash_before := head.last_hash;
    FOR entry IN
      SELECT * FROM audit_log
      WHERE content_hash IS NULL AND audit_month(created_at) = of_month
      ORDER BY created_at, id LIMIT at_most - sealed
    LOOP
      IF cardinality(ids) = at_once THEN
        PERFORM write_audit_links(ids, times, positions, hashes, hash_before);
        ids := '{}'; times := '{}'; positions := '{}'; hashes := '{}';
        hash_before := head.last_hash;
      END IF;
      head.length := head.length + 1;
      entry.chain_position := head.length;
      entry.previous_hash := head.last_hash;
      head.last_hash := audit_log_hash(entry);
      ids := ids || entry.id;
      times := times || entry.created_at;
      positions := positions || head.length;
      hashes := hashes || head.last_hash;
      sealed := sealed + 1;
    END LOOP;
    PERFORM write_audit_links(ids, times, positions, hashes, hash_before);
    UPDATE audit_chain SET length = head.length, last_hash = head.last_hash
    WHERE month = of_month;
    EXIT WHEN sealed >= at_most;
  END LOOP;
  RETURN sealed;
END
$$;

-- The first broken row of each chain of these months; none: all is as it was
-- written. Rows that are in no chain yet are not looked at. Where rows are gone
-- from the end of a chain it is the last one that is there, or none.
CREATE FUNCTION broken_audit_log(
  first_month date DEFAULT '-infinity', last_month date DEFAULT 'infinity')
RETURNS TABLE (month date, chain_position bigint, id uuid,
               created_at timestamptz, reason text)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  WITH entry AS MATERIALIZED (
    SELECT audit_month(a.created_at) AS month, a.chain_position AS place, a.id,
           a.created_at, a.previous_hash, a.content_hash,
           audit_log_hash(a) AS found_hash
    FROM audit_log a
    WHERE a.created_at >= date_trunc('month', first_month::timestamp)
                          AT TIME ZONE 'UTC'
      AND audit_month(a.created_at) <= last_month
      AND NOT (a.content_hash IS NULL AND a.previous_hash IS NULL
               AND a.chain_position IS NULL)
  ), linked AS (
    SELECT *, lag(place, 1, 0::bigint) OVER chain AS place_before,
           lag(content_hash) OVER chain AS hash_before,
           lead(id) OVER chain IS NULL AS is_last
    FROM entry WINDOW chain AS (PARTITION BY entry.month ORDER BY place, id)
  ), told AS (
    SELECT l.month, l.place, l.id, l.created_at, CASE
        WHEN place IS DISTINCT FROM place_before + 1
          THEN 'its place in the chain does not follow that of the row before'
        WHEN previous_hash IS DISTINCT FROM hash_before
          THEN 'it does not hold the hash of the row before'
        WHEN content_hash IS DISTINCT FROM found_hash
          THEN 'it is not what its hash was made of'
      END AS reason
    FROM linked l
    UNION ALL
    SELECT coalesce(l.month, c.month), l.place, l.id, l.created_at, CASE
        WHEN c.month IS NULL THEN 'audit_chain does not know its chain'
        WHEN l.id IS NULL THEN c.length || ' rows are gone: all of the chain'
        ELSE 'the chain ended at ' || c.length || ', with another hash'
      END
    FROM (SELECT * FROM linked WHERE is_last) l
    FULL JOIN (SELECT * FROM audit_chain x WHERE x.length > 0
               AND x.month >= date_trunc('month', first_month::timestamp)
               AND x.month <= last_month) c
      ON c.month = l.month
    WHERE l.place IS DISTINCT FROM c.length
       OR l.content_hash IS DISTINCT FROM c.last_hash
  )
  SELECT DISTINCT ON (t.month) t.month, t.place, t.id, t.created_at, t.reason
  FROM told t WHERE t.reason IS NOT NULL ORDER BY t.month, t.place
$$;

-- Rows are never changed, but for being linked, once.
CREATE FUNCTION keep_audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unlinked record;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.content_hash IS NULL AND NEW.content_hash IS NOT NULL THEN
      unlinked := NEW;
      unlinked.content_hash := OLD.content_hash;
      unlinked.previous_hash := OLD.previous_hash;
      unlinked.chain_position := OLD.chain_position;
      IF unlinked *= OLD THEN
        RETURN NEW;
      END IF;
    END IF;
  END IF;
  RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END
$$;

DROP TRIGGER keep_audit_log ON audit_log;
CREATE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION keep_audit_chain();

-- millrace:down

DROP TRIGGER keep_audit_log ON audit_log;
CREATE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse_change();
DROP FUNCTION keep_audit_chain();
DROP FUNCTION broken_audit_log(date, date);
DROP FUNCTION seal_audit_log(bigint);
DROP FUNCTION write_audit_links(
  uuid[], timestamptz[], bigint[], varchar[], varchar);
DROP FUNCTION audit_log_hash(audit_log);
DROP FUNCTION audit_log_text(audit_log);
DROP FUNCTION audit_month(timestamptz);
DROP INDEX audit_log_unsealed;
DROP TABLE audit_chain;
ALTER TABLE audit_log DROP COLUMN chain_position;
