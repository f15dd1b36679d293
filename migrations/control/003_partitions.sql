-- description: day partitions, made ahead of time

-- millrace:up

-- Makes the partitions of `parent` for the days first_day … last_day, in UTC,
-- where they are missing; returns how many it made. `parent` is partitioned by
-- range on one timestamptz column. A partition is made standalone and then
-- attached: CREATE TABLE … PARTITION OF would lock out readers and writers of
-- the parent, ATTACH does not. The check constraint spares ATTACH a scan and
-- is dropped again, as the partition's own bound says the same.
CREATE FUNCTION millrace.ensure_day_partitions(
  parent regclass, first_day date, last_day date)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  schema_name name;
  parent_name name;
  key_column name;
  child name;
  day date;
  lower_bound text;
  upper_bound text;
  made int := 0;
BEGIN
  SELECT n.nspname, c.relname, a.attname
  INTO schema_name, parent_name, key_column
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_partitioned_table p ON p.partrelid = c.oid
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
  WHERE c.oid = parent AND p.partstrat = 'r' AND p.partnatts = 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not partitioned by range on one column', parent;
  END IF;
  IF last_day - first_day > 3660 THEN
    RAISE EXCEPTION 'more than ten years of day partitions asked for';
  END IF;
  -- Two callers at once: the second one finds the work done.
  PERFORM pg_advisory_xact_lock(hashtext('millrace.partitions'), parent::int);
  FOR day IN SELECT generate_series(first_day, last_day, '1 day')::date LOOP
    child := parent_name || to_char(day, '_YYYY_MM_DD');
    IF octet_length(parent_name || to_char(day, '_YYYY_MM_DD')) > 63 THEN
      RAISE EXCEPTION 'name of a partition of % is too long', parent;
    END IF;
    CONTINUE WHEN to_regclass(format('%I.%I', schema_name, child)) IS NOT NULL;
    lower_bound := quote_literal(day::text || ' 00:00:00+00');
    upper_bound := quote_literal((day + 1)::text || ' 00:00:00+00');
    EXECUTE format(
      'CREATE TABLE %1$I.%2$I (LIKE %1$I.%3$I INCLUDING DEFAULTS '
      'INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)',
      schema_name, child, parent_name);
    EXECUTE format(
      'ALTER TABLE %1$I.%2$I ADD CONSTRAINT millrace_bound CHECK (%3$I IS NOT '
      'NULL AND %3$I >= %4$s::timestamptz AND %3$I < %5$s::timestamptz)',
      schema_name, child, key_column, lower_bound, upper_bound);
    EXECUTE format(
      'ALTER TABLE %1$I.%2$I ATTACH PARTITION %1$I.%3$I '
      'FOR VALUES FROM (%4$s) TO (%5$s)',
      schema_name, parent_name, child, lower_bound, upper_bound);
    EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT millrace_bound',
                   schema_name, child);
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

-- millrace:down

DROP FUNCTION millrace.ensure_day_partitions(regclass, date, date);
