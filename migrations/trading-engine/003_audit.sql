-- description: audit, activity, risk, compliance and system events
--
-- What was audited stays: nothing cascades into these tables, and rows of the
-- four audit tables are never changed or deleted. Months are dropped whole.

-- millrace:up

CREATE TABLE audit_log (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  table_name varchar(100) NOT NULL,
  record_id uuid,
  action varchar(20) NOT NULL
    CHECK (action IN (
      'INSERT', 'UPDATE', 'DELETE', 'SELECT')),
  user_id uuid
    REFERENCES users (id),
  user_ip inet,
  user_agent text,
  old_data jsonb,
  new_data jsonb,
  changed_fields text[],
  query text,
  session_id varchar(100),
  request_id varchar(100),
  created_at timestamptz NOT NULL DEFAULT now(),
  metadata jsonb,
  record_key text,
  PRIMARY KEY (id, created_at),
  CONSTRAINT audit_log_record CHECK (
    record_id IS NOT NULL OR record_key IS NOT NULL)
) PARTITION BY RANGE (created_at);

CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;

CREATE TABLE user_activity_log (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid
    REFERENCES users (id),
  activity_type varchar(50) NOT NULL
    CHECK (activity_type IN (
      'login', 'logout', 'login_failed', 'password_change',
      'password_reset', 'email_change', '2fa_enabled', '2fa_disabled',
      'kyc_submitted', 'profile_update', 'settings_change',
      'api_key_created', 'api_key_revoked')),
  ip_address inet,
  user_agent text,
  device_fingerprint varchar(255),
  location_country char(2),
  location_city varchar(100),
  session_id varchar(100),
  success boolean DEFAULT true,
  failure_reason text,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE order_audit (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  order_id uuid NOT NULL
    REFERENCES orders (id),
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  user_id uuid NOT NULL
    REFERENCES users (id),
  event_type varchar(50) NOT NULL
    CHECK (event_type IN (
      'created', 'submitted', 'acknowledged', 'partially_filled', 'filled',
      'cancelled', 'rejected', 'expired', 'amended', 'triggered')),
  previous_status varchar(20),
  new_status varchar(20),
  previous_data jsonb,
  new_data jsonb,
  triggered_by varchar(50),
  reason text,
  lp_provider varchar(100),
  execution_venue varchar(100),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE position_audit (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  position_id uuid NOT NULL
    REFERENCES positions (id),
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  user_id uuid NOT NULL
    REFERENCES users (id),
  event_type varchar(50) NOT NULL
    CHECK (event_type IN (
      'opened', 'increased', 'decreased', 'closed', 'modified',
      'stop_loss_hit', 'take_profit_hit', 'liquidated', 'margin_call')),
  previous_quantity numeric(20,8),
  new_quantity numeric(20,8),
  previous_price numeric(20,8),
  new_price numeric(20,8),
  pnl_change numeric(20,8),
  reason text,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE account_audit (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  user_id uuid NOT NULL
    REFERENCES users (id),
  event_type varchar(50) NOT NULL
    CHECK (event_type IN (
      'created', 'activated', 'deactivated', 'locked', 'unlocked',
      'leverage_changed', 'margin_call', 'liquidation', 'balance_adjusted',
      'settings_changed', 'closed')),
  previous_data jsonb,
  new_data jsonb,
  changed_by uuid
    REFERENCES users (id),
  reason text,
  ip_address inet,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE risk_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  event_type varchar(50) NOT NULL
    CHECK (event_type IN (
      'margin_call', 'stop_out', 'liquidation', 'position_limit_breach',
      'daily_loss_limit', 'concentration_risk', 'leverage_breach',
      'exposure_limit', 'circuit_breaker_triggered',
      'market_manipulation_alert')),
  severity varchar(20) NOT NULL
    CHECK (severity IN (
      'low', 'medium', 'high', 'critical')),
  account_id uuid
    REFERENCES accounts (id),
  user_id uuid
    REFERENCES users (id),
  position_id uuid
    REFERENCES positions (id),
  order_id uuid
    REFERENCES orders (id),
  symbol varchar(20),
  risk_metric varchar(50),
  threshold_value numeric(20,8),
  actual_value numeric(20,8),
  action_taken varchar(100),
  auto_resolved boolean DEFAULT false,
  resolved_at timestamptz,
  resolved_by uuid
    REFERENCES users (id),
  description text,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE compliance_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  event_type varchar(50) NOT NULL
    CHECK (event_type IN (
      'kyc_check', 'aml_screening', 'sanctions_check', 'pep_check',
      'transaction_monitoring', 'unusual_activity', 'regulatory_report',
      'best_execution_review', 'trade_reconstruction', 'mifid_report')),
  severity varchar(20) NOT NULL
    CHECK (severity IN (
      'info', 'warning', 'alert', 'critical')),
  user_id uuid
    REFERENCES users (id),
  account_id uuid
    REFERENCES accounts (id),
  order_id uuid
    REFERENCES orders (id),
  trade_id uuid
    REFERENCES trades (id),
  check_result varchar(20)
    CHECK (check_result IN (
      'pass', 'fail', 'review_required', 'pending')),
  risk_score numeric(5,2),
  flagged_reason text,
  reviewed_by uuid
    REFERENCES users (id),
  reviewed_at timestamptz,
  review_notes text,
  reported_to_regulator boolean DEFAULT false,
  report_reference varchar(100),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE system_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  event_type varchar(50) NOT NULL
    CHECK (event_type IN (
      'server_start', 'server_stop', 'server_error', 'database_error',
      'lp_connection_lost', 'lp_connection_restored', 'api_error',
      'websocket_error', 'data_pipeline_error', 'backup_completed',
      'migration_completed', 'config_changed', 'security_alert')),
  severity varchar(20) NOT NULL
    CHECK (severity IN (
      'debug', 'info', 'warning', 'error', 'critical')),
  component varchar(100),
  message text NOT NULL,
  stack_trace text,
  error_code varchar(50),
  user_id uuid
    REFERENCES users (id),
  ip_address inet,
  request_id varchar(100),
  session_id varchar(100),
  resolved boolean DEFAULT false,
  resolved_at timestamptz,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE api_access_log (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid
    REFERENCES users (id),
  api_key_id uuid,
  endpoint varchar(255) NOT NULL,
  http_method varchar(10) NOT NULL,
  request_body jsonb,
  response_status integer,
  response_time_ms integer,
  ip_address inet,
  user_agent text,
  error_message text,
  rate_limit_remaining integer,
  created_at timestamptz DEFAULT now()
);

CREATE INDEX idx_audit_log_table_record ON audit_log (table_name, record_id);
CREATE INDEX idx_audit_log_user_id ON audit_log (user_id);
CREATE INDEX idx_audit_log_created_at ON audit_log (created_at DESC);
CREATE INDEX idx_audit_log_action ON audit_log (action);
CREATE INDEX idx_audit_log_session_id ON audit_log (session_id)
  WHERE session_id IS NOT NULL;

CREATE INDEX idx_user_activity_user_id ON user_activity_log (user_id);
CREATE INDEX idx_user_activity_type ON user_activity_log (activity_type);
CREATE INDEX idx_user_activity_created_at
  ON user_activity_log (created_at DESC);
CREATE INDEX idx_user_activity_ip ON user_activity_log (ip_address);
CREATE INDEX idx_user_activity_session ON user_activity_log (session_id)
  WHERE session_id IS NOT NULL;

CREATE INDEX idx_order_audit_order_id ON order_audit (order_id);
CREATE INDEX idx_order_audit_account_id ON order_audit (account_id);
CREATE INDEX idx_order_audit_user_id ON order_audit (user_id);
CREATE INDEX idx_order_audit_event_type ON order_audit (event_type);
CREATE INDEX idx_order_audit_created_at ON order_audit (created_at DESC);

CREATE INDEX idx_position_audit_position_id ON position_audit (position_id);
CREATE INDEX idx_position_audit_account_id ON position_audit (account_id);
CREATE INDEX idx_position_audit_user_id ON position_audit (user_id);
CREATE INDEX idx_position_audit_event_type ON position_audit (event_type);
CREATE INDEX idx_position_audit_created_at ON position_audit (created_at DESC);

CREATE INDEX idx_account_audit_account_id ON account_audit (account_id);
CREATE INDEX idx_account_audit_user_id ON account_audit (user_id);
CREATE INDEX idx_account_audit_event_type ON account_audit (event_type);
CREATE INDEX idx_account_audit_created_at ON account_audit (created_at DESC);

CREATE INDEX idx_risk_events_event_type ON risk_events (event_type);
CREATE INDEX idx_risk_events_severity ON risk_events (severity);
CREATE INDEX idx_risk_events_account_id ON risk_events (account_id)
  WHERE account_id IS NOT NULL;
CREATE INDEX idx_risk_events_user_id ON risk_events (user_id)
  WHERE user_id IS NOT NULL;
CREATE INDEX idx_risk_events_created_at ON risk_events (created_at DESC);
CREATE INDEX idx_risk_events_unresolved ON risk_events (created_at DESC)
  WHERE NOT auto_resolved AND resolved_at IS NULL;

CREATE INDEX idx_compliance_events_event_type ON compliance_events (event_type);
CREATE INDEX idx_compliance_events_severity ON compliance_events (severity);
CREATE INDEX idx_compliance_events_user_id ON compliance_events (user_id)
  WHERE user_id IS NOT NULL;
CREATE INDEX idx_compliance_events_result ON compliance_events (check_result);
CREATE INDEX idx_compliance_events_created_at
  ON compliance_events (created_at DESC);
CREATE INDEX idx_compliance_events_pending_review
  ON compliance_events (created_at DESC)
  WHERE check_result = 'review_required' AND reviewed_at IS NULL;

CREATE INDEX idx_system_events_event_type ON system_events (event_type);
CREATE INDEX idx_system_events_severity ON system_events (severity);
CREATE INDEX idx_system_events_component ON system_events (component);
CREATE INDEX idx_system_events_created_at ON system_events (created_at DESC);
CREATE INDEX idx_system_events_unresolved ON system_events (created_at DESC)
  WHERE NOT resolved;

CREATE INDEX idx_api_access_user_id ON api_access_log (user_id)
  WHERE user_id IS NOT NULL;
CREATE INDEX idx_api_access_endpoint ON api_access_log (endpoint);
CREATE INDEX idx_api_access_created_at ON api_access_log (created_at DESC);
CREATE INDEX idx_api_access_ip ON api_access_log (ip_address);
CREATE INDEX idx_api_access_status ON api_access_log (response_status);

-- Makes the partitions of the months from first to last, where they are
-- missing, and returns how many it made. Rows of such a month move over from
-- the default partition in the same transaction.
CREATE FUNCTION ensure_audit_log_months(first date, last date)
RETURNS int LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  month timestamp;
  child text;
  low text;
  high text;
  made int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('millrace.partitions'),
                                'audit_log'::regclass::int);
  FOR month IN SELECT generate_series(date_trunc('month', first::timestamp),
                                      last::timestamp, '1 month') LOOP
    child := to_char(month, '"audit_log_"YYYY_MM');
    CONTINUE WHEN EXISTS (
      SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'audit_log'::regclass AND c.relname = child);
    low := quote_literal(month::date || ' 00:00:00+00');
    high := quote_literal((month + interval '1 month')::date
                          || ' 00:00:00+00');
    EXECUTE format('CREATE TABLE %I (LIKE audit_log INCLUDING DEFAULTS '
                   'INCLUDING STORAGE INCLUDING COMPRESSION '
                   'INCLUDING CONSTRAINTS)', child);
    EXECUTE format('ALTER TABLE audit_log_default DISABLE TRIGGER USER');
    EXECUTE format('WITH moved AS (DELETE FROM audit_log_default '
                   'WHERE created_at >= %2$s AND created_at < %3$s '
                   'RETURNING *) '
                   'INSERT INTO %1$I SELECT * FROM moved', child, low, high);
    EXECUTE format('ALTER TABLE audit_log_default ENABLE TRIGGER USER');
    EXECUTE format('ALTER TABLE audit_log ATTACH PARTITION %I '
                   'FOR VALUES FROM (%s) TO (%s)', child, low, high);
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

-- Who did it comes from the session: SET LOCAL trading_engine.user_id = …, and
-- so user_ip, user_agent, session_id and request_id. A table whose key is not
-- `id` names it as the trigger's argument; what is no uuid is kept as text.
CREATE FUNCTION audit_trigger_function() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  before jsonb;
  after jsonb;
  key text;
  fields text[];
BEGIN
  IF TG_OP <> 'INSERT' THEN before := to_jsonb(OLD); END IF;
  IF TG_OP <> 'DELETE' THEN after := to_jsonb(NEW); END IF;
  key := coalesce(after, before) ->> coalesce(TG_ARGV[0], 'id');
  IF TG_OP = 'UPDATE' THEN
    fields := ARRAY(SELECT a.key FROM jsonb_each(after) a
                    WHERE a.value IS DISTINCT FROM before -> a.key
                    ORDER BY a.key);
  END IF;
  INSERT INTO audit_log
    (table_name, record_id, record_key, action, user_id, user_ip, user_agent,
     old_data, new_data, changed_fields, session_id, request_id, created_at)
  SELECT TG_TABLE_NAME,
         CASE WHEN is_uuid THEN key::uuid END,
         CASE WHEN NOT is_uuid THEN key END, TG_OP,
         nullif(current_setting('trading_engine.user_id', true), '')::uuid,
         nullif(current_setting('trading_engine.user_ip', true), '')::inet,
         nullif(current_setting('trading_engine.user_agent', true), ''),
         before, after, fields,
         nullif(current_setting('trading_engine.session_id', true), ''),
         nullif(current_setting('trading_engine.request_id', true), ''),
         clock_timestamp()
  FROM (SELECT key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
               AS is_uuid) x;
  RETURN NULL;
END
$$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER audit_users AFTER INSERT OR UPDATE OR DELETE ON users
FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();
CREATE OR REPLACE TRIGGER audit_accounts AFTER INSERT OR UPDATE OR DELETE
  ON accounts
FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();
CREATE OR REPLACE TRIGGER audit_orders AFTER INSERT OR UPDATE OR DELETE
  ON orders
FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();
CREATE OR REPLACE TRIGGER audit_positions AFTER INSERT OR UPDATE OR DELETE
  ON positions
FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();
CREATE OR REPLACE TRIGGER audit_trades AFTER INSERT OR UPDATE OR DELETE
  ON trades
FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();

CREATE OR REPLACE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER keep_order_audit BEFORE UPDATE OR DELETE
  ON order_audit
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER keep_position_audit BEFORE UPDATE OR DELETE
  ON position_audit
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER keep_account_audit BEFORE UPDATE OR DELETE
  ON account_audit
FOR EACH ROW EXECUTE FUNCTION refuse_change();

SELECT ensure_audit_log_months(
  ((now() AT TIME ZONE 'UTC') - interval '2 months')::date,
  ((now() AT TIME ZONE 'UTC') + interval '12 months')::date);

-- millrace:down

DROP TRIGGER audit_trades ON trades;
DROP TRIGGER audit_positions ON positions;
DROP TRIGGER audit_orders ON orders;
DROP TRIGGER audit_accounts ON accounts;
DROP TRIGGER audit_users ON users;
DROP TABLE api_access_log;
DROP TABLE system_events;
DROP TABLE compliance_events;
DROP TABLE risk_events;
DROP TABLE account_audit;
DROP TABLE position_audit;
DROP TABLE order_audit;
DROP TABLE user_activity_log;
DROP TABLE audit_log;
DROP FUNCTION refuse_change();
DROP FUNCTION audit_trigger_function();
DROP FUNCTION ensure_audit_log_months(date, date);
