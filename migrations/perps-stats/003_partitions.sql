-- description: day partitions, the default partitions drained into them

-- millrace:up

-- Makes the child of these days (UTC, the end is exclusive) unless it is
-- there. Rows of them that the default partition took move over in the same
-- transaction. Names are those of this schema.
CREATE FUNCTION create_partition_if_not_exists(
  parent text, partition_name text, start_date date, end_date date)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  owner oid := to_regclass(quote_ident(parent));
  key_column name;
  kept name;
  columns text;
  low text := quote_literal(start_date || ' 00:00:00+00');
  high text := quote_literal(end_date || ' 00:00:00+00');
BEGIN
  SELECT a.attname,
         (SELECT relname FROM pg_class WHERE oid = p.partdefid)
  INTO key_column, kept
  FROM pg_partitioned_table p
  JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
  WHERE p.partrelid = owner;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not a partitioned table', parent;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('millrace.partitions'), owner::int);
  IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = owner AND c.relname = partition_name) THEN
    RETURN false;
  END IF;
  columns := (SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum)
              FROM pg_attribute
              WHERE attrelid = owner AND attnum > 0 AND NOT attisdropped
                AND attgenerated = '');
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING '
                 'GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)',
                 partition_name, parent);
  IF kept IS NOT NULL THEN
    -- A row that comes behind the DELETE would be in the way of the ATTACH.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', kept);
    EXECUTE format('WITH moved AS (DELETE FROM %2$I WHERE %3$I >= %4$s AND '
                   '%3$I < %5$s RETURNING *) INSERT INTO %1$I (%6$s) '
                   'SELECT %6$s FROM moved',
                   partition_name, kept, key_column, low, high, columns);
  END IF;
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) '
                 'TO (%s)', parent, partition_name, low, high);
  RETURN true;
END
$$;

-- The children of today and the days after it, for every table of the pack
-- that is partitioned by day; returns how many it made.
CREATE FUNCTION create_daily_partitions(days int)
RETURNS int LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  parent text;
  day date;
  made int := 0;
BEGIN
  FOR day IN SELECT (now() AT TIME ZONE 'UTC')::date + i
             FROM generate_series(0, days - 1) i LOOP
    FOREACH parent IN ARRAY ARRAY[
        'tickers', 'orderbooks', 'trades', 'funding_rates', 'open_interest',
        'liquidity_depth', 'klines', 'slippage'] LOOP
      made := made + create_partition_if_not_exists(
        parent, parent || to_char(day, '_YYYY_MM_DD'), day, day + 1)::int;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;

SELECT create_daily_partitions(1);

-- millrace:down

DROP FUNCTION create_daily_partitions(int);
DROP FUNCTION create_partition_if_not_exists(text, text, date, date);
