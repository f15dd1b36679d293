-- description: roles that may write, or read, also where tenants come later
--
-- Roles are the server's: databases share them, and who migrates often may not
-- make any. So none is made here. `millrace db roles apply` makes them and
-- writes down the beginning of their names; from then on a tenant that comes
-- is theirs as well, as part of its first migration.

-- millrace:up

-- PREFIX_ingest and PREFIX_reader are this database's, and PREFIX_TENANT_ingest
-- and PREFIX_TENANT_reader. Without its row tenants that come are not granted.
CREATE TABLE millrace.role_prefix (
  prefix text PRIMARY KEY,
  since  timestamptz NOT NULL DEFAULT now()
);

-- What a role needs to write a schema's tables, or to read them, those that
-- come later too: of all who make tables there, as far as the caller may speak
-- for them. Who writes neither migrates nor says who may what.
CREATE FUNCTION millrace.grant_statements(
  to_role text, in_schema text, writes boolean)
RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
DECLARE
  may text := CASE WHEN writes THEN 'SELECT, INSERT, UPDATE, DELETE'
                   ELSE 'SELECT' END;
  maker name;
  mine name;
BEGIN
  RETURN NEXT format('GRANT USAGE ON SCHEMA %I TO %I', in_schema, to_role);
  RETURN NEXT format('GRANT %s ON ALL TABLES IN SCHEMA %I TO %I', may,
                     in_schema, to_role);
  IF writes THEN
    RETURN NEXT format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I '
                       'TO %I', in_schema, to_role);
    RETURN NEXT format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %I',
                       in_schema, to_role);
    FOR mine IN
      SELECT c.relname FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = in_schema AND c.relkind = 'r' AND (c.relname IN (
          'schema_migrations', 'schema_repeatables', 'schema_migration_steps')
        OR n.nspname = 'millrace' AND c.relname IN (
          'admin_action', 'coordinator', 'partition_hold', 'partition_removal',
          'role_prefix'))
      ORDER BY 1
    LOOP
      RETURN NEXT format('REVOKE %s ON %I.%I FROM %I',
                         CASE WHEN in_schema = 'millrace'
                                   AND mine = 'admin_action'
                              THEN 'UPDATE, DELETE'
                              ELSE 'INSERT, UPDATE, DELETE' END,
                         in_schema, mine, to_role);
    END LOOP;
  END IF;
  FOR maker IN
    SELECT current_user UNION
    SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = in_schema AND c.relkind IN ('r', 'p')
      AND pg_catalog.pg_has_role(c.relowner, 'MEMBER')
    ORDER BY 1
  LOOP
    RETURN NEXT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I '
                       'GRANT %s ON TABLES TO %I', maker, in_schema, may,
                       to_role);
    IF writes THEN
      RETURN NEXT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I '
                         'GRANT USAGE, SELECT ON SEQUENCES TO %I', maker,
                         in_schema, to_role);
      RETURN NEXT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I '
                         'GRANT EXECUTE ON FUNCTIONS TO %I', maker, in_schema,
                         to_role);
    END IF;
  END LOOP;
END
$$;

CREATE FUNCTION millrace.role_making(in_role text) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
  SELECT format('CREATE ROLE %I NOLOGIN', in_role)
  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = in_role)
$$;

CREATE FUNCTION millrace.role_joining(in_group text, in_member text)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
  SELECT format('GRANT %I TO %I', in_group, in_member)
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_auth_members a
    JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
    JOIN pg_catalog.pg_roles m ON m.oid = a.member
    WHERE g.rolname = in_group AND m.rolname = in_member)
$$;

-- The roles of all tenants, and what they need of the control schema.
CREATE FUNCTION millrace.role_statements(in_prefix text)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
  SELECT millrace.role_making(in_prefix || '_ingest')
  UNION ALL SELECT millrace.role_making(in_prefix || '_reader')
  UNION ALL SELECT
    'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA millrace FROM PUBLIC'
  UNION ALL SELECT
    millrace.grant_statements(in_prefix || '_ingest', 'millrace', true)
  UNION ALL SELECT
    millrace.grant_statements(in_prefix || '_reader', 'millrace', false)
  UNION ALL SELECT format('INSERT INTO millrace.role_prefix (prefix) VALUES '
                          '(%L) ON CONFLICT DO NOTHING', in_prefix)
$$;

-- What these need of a tenant's schema, and, with `own_roles`, the roles of
-- this tenant alone. A lane's progress commits with its rows, so who writes
-- them writes the control schema, too.
CREATE FUNCTION millrace.tenant_role_statements(
  in_prefix text, in_tenant text, in_schema text, own_roles boolean)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
  SELECT millrace.grant_statements(in_prefix || '_ingest', in_schema, true)
  UNION ALL SELECT
    millrace.grant_statements(in_prefix || '_reader', in_schema, false)
  UNION ALL SELECT o.sql FROM (SELECT in_prefix || '_' || in_tenant AS name) t
  CROSS JOIN LATERAL (
    SELECT millrace.role_making(t.name || '_ingest') AS sql
    UNION ALL SELECT millrace.role_making(t.name || '_reader')
    UNION ALL SELECT
      millrace.grant_statements(t.name || '_ingest', 'millrace', true)
    UNION ALL SELECT
      millrace.grant_statements(t.name || '_ingest', in_schema, true)
    UNION ALL SELECT
      millrace.grant_statements(t.name || '_reader', in_schema, false)
    UNION ALL SELECT
      millrace.role_joining(t.name || '_ingest', in_prefix || '_ingest')
    UNION ALL SELECT
      millrace.role_joining(t.name || '_reader', in_prefix || '_reader')) o
  WHERE own_roles
$$;

CREATE FUNCTION millrace.give_tenant(
  in_prefix text, in_tenant text, in_schema text, own_roles boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  statement text;
BEGIN
  FOREACH statement IN ARRAY ARRAY(SELECT millrace.tenant_role_statements(
    in_prefix, in_tenant, in_schema, own_roles))
  LOOP
    EXECUTE statement;
  END LOOP;
END
$$;

-- With the tenant's schema. Who may not make roles gives it to those of all
-- tenants at least; who may not even that must not be kept from migrating, and
-- `millrace db doctor` tells what is lacking.
CREATE FUNCTION millrace.give_new_tenant() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  of_prefix text;
BEGIN
  FOR of_prefix IN SELECT prefix FROM millrace.role_prefix ORDER BY 1 LOOP
    -- Grants on one table at the same time refuse each other.
    PERFORM pg_advisory_xact_lock(hashtext('millrace.roles'));
    BEGIN
      PERFORM millrace.give_tenant(of_prefix, NEW.name, NEW.schema, true);
    EXCEPTION WHEN insufficient_privilege OR undefined_object
                   OR invalid_schema_name OR duplicate_object
                   OR unique_violation THEN
      BEGIN
        PERFORM millrace.give_tenant(of_prefix, NEW.name, NEW.schema, false);
      EXCEPTION WHEN insufficient_privilege OR undefined_object
                     OR invalid_schema_name THEN
        RAISE WARNING 'the roles of % have nothing of tenant %: %', of_prefix,
          NEW.name, SQLERRM
          USING HINT = 'run ''millrace db roles apply'' as the owner';
      END;
    END;
  END LOOP;
  RETURN NULL;
END
$$;

CREATE TRIGGER give_new_tenant AFTER INSERT ON millrace.tenant
FOR EACH ROW EXECUTE FUNCTION millrace.give_new_tenant();

-- millrace:down

DROP TRIGGER give_new_tenant ON millrace.tenant;
DROP FUNCTION millrace.give_new_tenant();
DROP FUNCTION millrace.give_tenant(text, text, text, boolean);
DROP FUNCTION millrace.tenant_role_statements(text, text, text, boolean);
DROP FUNCTION millrace.role_statements(text);
DROP FUNCTION millrace.role_joining(text, text);
DROP FUNCTION millrace.role_making(text);
DROP FUNCTION millrace.grant_statements(text, text, boolean);
DROP TABLE millrace.role_prefix;
