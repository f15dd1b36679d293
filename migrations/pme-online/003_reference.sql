-- description: reference tables, derived from their facts
--
-- One pattern: make the rows that are missing, lock all rows of the statement
-- in the order of their keys, and derive them from all facts in a statement of
-- its own, which sees what others committed while it waited for the locks.
-- Nothing is taken from the facts' order of arrival.

-- millrace:up

CREATE FUNCTION ms_of(t timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(extract(epoch FROM t) * 1000)::bigint;

CREATE FUNCTION time_of_day(sent text) RETURNS time
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substring(sent FROM 'T(\d\d:\d\d:\d\d)')::time;

-- The newest fact of a code tells all but its id, which is that of the first:
-- whoever has noted it finds the row by it still.
CREATE FUNCTION derive_participants() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  codes text[] := ARRAY(SELECT DISTINCT code FROM added ORDER BY code);
BEGIN
  INSERT INTO participants (nid, code, name, last_update)
  SELECT DISTINCT ON (code) nid, code, name, 0 FROM added ORDER BY code
  ON CONFLICT (code) DO NOTHING;
  PERFORM FROM participants WHERE code = ANY (codes)
  ORDER BY code FOR NO KEY UPDATE;
  UPDATE participants t
  SET nid = first.nid, name = f.name, borr_eligibility = f.borr_eligibility,
      lend_eligibility = f.lend_eligibility, last_update = ms_of(f.kafka_time)
  FROM (SELECT DISTINCT ON (code) * FROM fact1_participant
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time DESC, kafka_partition DESC,
                 kafka_offset DESC) f
  JOIN (SELECT DISTINCT ON (code) code, nid FROM fact1_participant
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time, kafka_partition, kafka_offset) first
       USING (code)
  WHERE t.code = f.code;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact1_participant
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_participants();

CREATE FUNCTION derive_instruments() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  codes text[] := ARRAY(SELECT DISTINCT code FROM added ORDER BY code);
BEGIN
  INSERT INTO instruments (nid, code, name, last_update)
  SELECT DISTINCT ON (code) nid, code, name, 0 FROM added ORDER BY code
  ON CONFLICT (code) DO NOTHING;
  PERFORM FROM instruments WHERE code = ANY (codes)
  ORDER BY code FOR NO KEY UPDATE;
  UPDATE instruments t
  SET nid = first.nid, name = f.name, type = f.type, status = f.status,
      last_update = ms_of(f.kafka_time)
  FROM (SELECT DISTINCT ON (code) * FROM fact1_instrument
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time DESC, kafka_partition DESC,
                 kafka_offset DESC) f
  JOIN (SELECT DISTINCT ON (code) code, nid FROM fact1_instrument
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time, kafka_partition, kafka_offset) first
       USING (code)
  WHERE t.code = f.code;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact1_instrument
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_instruments();

CREATE FUNCTION derive_holidays() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  nids bigint[] := ARRAY(SELECT DISTINCT nid FROM added ORDER BY nid);
BEGIN
  INSERT INTO holidays (nid, year, date, last_update)
  SELECT DISTINCT ON (nid) nid, year, date, 0 FROM added ORDER BY nid
  ON CONFLICT (nid) DO NOTHING;
  PERFORM FROM holidays WHERE nid = ANY (nids)
  ORDER BY nid FOR NO KEY UPDATE;
  UPDATE holidays t
  SET year = f.year, date = f.date, description = f.description,
      last_update = ms_of(f.kafka_time)
  FROM (SELECT DISTINCT ON (nid) * FROM fact1_holiday
        WHERE nid = ANY (nids)
        ORDER BY nid, kafka_time DESC, kafka_partition DESC,
                 kafka_offset DESC) f
  WHERE t.nid = f.nid;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact1_holiday
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_holidays();

-- The first fact of a start tells all.
CREATE FUNCTION derive_service_starts() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  ids text[] := ARRAY(SELECT DISTINCT start_id FROM added ORDER BY start_id);
BEGIN
  INSERT INTO service_starts (start_id, service_name, started_at)
  SELECT DISTINCT ON (start_id) start_id, id, 0 FROM added ORDER BY start_id
  ON CONFLICT (start_id) DO NOTHING;
  PERFORM FROM service_starts WHERE start_id = ANY (ids)
  ORDER BY start_id FOR NO KEY UPDATE;
  UPDATE service_starts t
  SET service_name = f.id, started_at = ms_of(f.start_time)
  FROM (SELECT DISTINCT ON (start_id) * FROM fact1_service_start
        WHERE start_id = ANY (ids)
        ORDER BY start_id, kafka_time, kafka_partition, kafka_offset) f
  WHERE t.start_id = f.start_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact1_service_start
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_service_starts();

-- Which row is the current one depends on all of them, so these take turns.
-- Readers see the old one or the new one: both updates commit at once.
CREATE FUNCTION derive_parameters() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('pme-online'), TG_RELID::int);
  INSERT INTO parameters AS t
    (nid, description, flat_fee, lending_fee, borrowing_fee, max_quantity,
     borrow_max_open_day, denomination_limit, updated_at)
  SELECT DISTINCT ON (nid) nid, description, flat_fee, lending_fee,
         borrowing_fee, max_quantity, borrow_max_open_day, denomination_limit,
         ms_of(kafka_time)
  FROM fact1_parameter WHERE nid IN (SELECT nid FROM added)
  ORDER BY nid, kafka_time DESC, kafka_partition DESC, kafka_offset DESC
  ON CONFLICT (nid) DO UPDATE
  SET description = EXCLUDED.description, flat_fee = EXCLUDED.flat_fee,
      lending_fee = EXCLUDED.lending_fee,
      borrowing_fee = EXCLUDED.borrowing_fee,
      max_quantity = EXCLUDED.max_quantity,
      borrow_max_open_day = EXCLUDED.borrow_max_open_day,
      denomination_limit = EXCLUDED.denomination_limit,
      updated_at = EXCLUDED.updated_at;
  newest := (SELECT nid FROM fact1_parameter
             ORDER BY kafka_time DESC, kafka_partition DESC, kafka_offset DESC
             LIMIT 1);
  UPDATE parameters SET current = false WHERE current AND nid <> newest;
  UPDATE parameters SET current = true WHERE NOT current AND nid = newest;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact1_parameter
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_parameters();

CREATE FUNCTION derive_session_times() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('pme-online'), TG_RELID::int);
  INSERT INTO session_times AS t
    (nid, description, session1_start, session1_end, session2_start,
     session2_end, updated_at)
  SELECT DISTINCT ON (nid) nid, description, time_of_day(session1_start),
         time_of_day(session1_end), time_of_day(session2_start),
         time_of_day(session2_end), ms_of(kafka_time)
  FROM fact1_session_time WHERE nid IN (SELECT nid FROM added)
  ORDER BY nid, kafka_time DESC, kafka_partition DESC, kafka_offset DESC
  ON CONFLICT (nid) DO UPDATE
  SET description = EXCLUDED.description,
      session1_start = EXCLUDED.session1_start,
      session1_end = EXCLUDED.session1_end,
      session2_start = EXCLUDED.session2_start,
      session2_end = EXCLUDED.session2_end,
      updated_at = EXCLUDED.updated_at;
  newest := (SELECT nid FROM fact1_session_time
             ORDER BY kafka_time DESC, kafka_partition DESC, kafka_offset DESC
             LIMIT 1);
  UPDATE session_times SET current = false WHERE current AND nid <> newest;
  UPDATE session_times SET current = true WHERE NOT current AND nid = newest;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact1_session_time
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_session_times();

-- Identity, investor and participant are those of the first Account, the name is
-- that of the newest, the address that of the newest that has one (today's events
-- have none), and limits are those of the newest AccountLimit.
CREATE FUNCTION derive_account_rows(codes text[]) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM accounts WHERE code = ANY (codes)
  ORDER BY code FOR NO KEY UPDATE;
  UPDATE accounts t
  SET nid = first.nid, sid = first.sid,
      participant_code = first.participant_code,
      name = newest.name, address = place.address,
      trade_limit = coalesce(lim.trade_limit, 0),
      pool_limit = coalesce(lim.pool_limit, 0),
      last_update = ms_of(greatest(newest.kafka_time, lim.kafka_time))
  FROM (SELECT DISTINCT ON (code) * FROM fact2_account
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time, kafka_partition, kafka_offset) first
  JOIN (SELECT DISTINCT ON (code) * FROM fact2_account
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time DESC, kafka_partition DESC,
                 kafka_offset DESC) newest USING (code)
  LEFT JOIN (SELECT DISTINCT ON (code) code, address FROM fact2_account
        WHERE code = ANY (codes) AND address IS NOT NULL
        ORDER BY code, kafka_time DESC, kafka_partition DESC,
                 kafka_offset DESC) place USING (code)
  LEFT JOIN (SELECT DISTINCT ON (code) * FROM fact3_account_limit
        WHERE code = ANY (codes)
        ORDER BY code, kafka_time DESC, kafka_partition DESC,
                 kafka_offset DESC) lim USING (code)
  WHERE t.code = first.code;
END
$$;

CREATE FUNCTION derive_accounts() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  codes text[] := ARRAY(SELECT DISTINCT code FROM added ORDER BY code);
BEGIN
  INSERT INTO accounts (nid, code, sid, name, participant_code, last_update)
  SELECT DISTINCT ON (code) nid, code, sid, name, participant_code, 0
  FROM added ORDER BY code, kafka_time, kafka_partition, kafka_offset
  ON CONFLICT (code) DO NOTHING;
  PERFORM derive_account_rows(codes);
  -- Only when an older Account came later, with another investor.
  UPDATE contracts c SET account_sid = a.sid
  FROM accounts a
  WHERE a.code = ANY (codes) AND c.account_code = a.code
    AND c.account_sid <> a.sid;
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact2_account
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_accounts();

CREATE FUNCTION derive_account_limits() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM derive_account_rows(ARRAY(SELECT DISTINCT code FROM added));
  RETURN NULL;
END
$$;
CREATE TRIGGER derive AFTER INSERT ON fact3_account_limit
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION derive_account_limits();

-- millrace:down

DROP TRIGGER derive ON fact3_account_limit;
DROP TRIGGER derive ON fact2_account;
DROP TRIGGER derive ON fact1_session_time;
DROP TRIGGER derive ON fact1_parameter;
DROP TRIGGER derive ON fact1_service_start;
DROP TRIGGER derive ON fact1_holiday;
DROP TRIGGER derive ON fact1_instrument;
DROP TRIGGER derive ON fact1_participant;
DROP FUNCTION derive_account_limits();
DROP FUNCTION derive_accounts();
DROP FUNCTION derive_account_rows(text[]);
DROP FUNCTION derive_session_times();
DROP FUNCTION derive_parameters();
DROP FUNCTION derive_service_starts();
DROP FUNCTION derive_holidays();
DROP FUNCTION derive_instruments();
DROP FUNCTION derive_participants();
DROP FUNCTION time_of_day(text);
DROP FUNCTION ms_of(timestamptz);
