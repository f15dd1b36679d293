-- description: audit rows are linked as they are committed
--
-- Goes with trading-engine-compliance. Without this set rows are linked by
-- whoever calls seal_audit_log(). With it those who write into tables that are
-- audited commit one after the other: from the first row that a COMMIT links
-- to the end of that COMMIT, all others wait.

-- millrace:up

-- The first row of a transaction links all of them.
CREATE FUNCTION seal_audit_log_at_commit() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM audit_log WHERE id = NEW.id AND created_at = NEW.created_at
    AND content_hash IS NULL;
  IF FOUND THEN
    PERFORM seal_audit_log();
  END IF;
  RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER seal_audit_log AFTER INSERT ON audit_log
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION seal_audit_log_at_commit();

-- What was there before; for very many rows rather by seal_audit_log(10000),
-- again and again, beforehand: nobody writes audit rows meanwhile.
SELECT seal_audit_log();

-- millrace:down

DROP TRIGGER seal_audit_log ON audit_log;
DROP FUNCTION seal_audit_log_at_commit();
