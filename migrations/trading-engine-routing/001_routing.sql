-- description: routing rules, exposure limits, hedging
--
-- Goes with the pack trading-engine.

-- millrace:up

CREATE TABLE routing_rules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  priority integer NOT NULL DEFAULT 100,
  rule_name varchar(100) NOT NULL UNIQUE,
  description text,
  filters jsonb NOT NULL,
  action varchar(50) NOT NULL
    CHECK (action IN (
      'route_abook', 'route_bbook', 'route_hybrid', 'reject', 'hold',
      'alert')),
  target_lp uuid
    REFERENCES liquidity_providers (id) ON DELETE SET NULL,
  hedge_percent numeric(5,2) DEFAULT 0.00
    CHECK (hedge_percent BETWEEN 0 AND 100),
  is_active boolean DEFAULT true,
  condition_type varchar(20) DEFAULT 'and'
    CHECK (condition_type IN (
      'and', 'or', 'complex')),
  min_order_size numeric(20,8),
  max_order_size numeric(20,8),
  symbols text[],
  account_ids uuid[],
  user_ids uuid[],
  trading_hours jsonb,
  risk_limits jsonb,
  metadata jsonb,
  created_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE exposure_limits (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  symbol varchar(20) NOT NULL,
  scope varchar(20) NOT NULL
    CHECK (scope IN (
      'global', 'lp', 'account', 'user', 'instrument')),
  scope_id uuid,
  max_net_exposure numeric(20,8) NOT NULL,
  max_gross_exposure numeric(20,8) NOT NULL,
  auto_hedge_level numeric(5,2) CHECK (auto_hedge_level BETWEEN 0 AND 100),
  auto_hedge_enabled boolean DEFAULT false,
  warning_threshold numeric(5,2) DEFAULT 80.00
    CHECK (warning_threshold BETWEEN 0 AND 100),
  action_on_breach varchar(20) DEFAULT 'alert'
    CHECK (action_on_breach IN (
      'alert', 'warn', 'hedge', 'reduce', 'reject')),
  current_net_exposure numeric(20,8) DEFAULT 0.00,
  current_gross_exposure numeric(20,8) DEFAULT 0.00,
  utilization_percentage numeric(12,2) DEFAULT 0.00,
  breach_count integer DEFAULT 0,
  last_breach_at timestamptz,
  last_hedge_at timestamptz,
  is_active boolean DEFAULT true,
  created_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb,
  UNIQUE NULLS NOT DISTINCT (symbol, scope, scope_id)
);

CREATE TABLE routing_audit (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  change_type varchar(20) NOT NULL
    CHECK (change_type IN (
      'create', 'update', 'delete', 'activate', 'deactivate',
      'manual_override')),
  entity_type varchar(50) NOT NULL
    CHECK (entity_type IN (
      'routing_rule', 'exposure_limit', 'exposure_limit_breach',
      'hedge_action')),
  entity_id uuid NOT NULL,
  rule_id uuid
    REFERENCES routing_rules (id) ON DELETE SET NULL,
  exposure_limit_id uuid
    REFERENCES exposure_limits (id) ON DELETE SET NULL,
  old_values jsonb,
  new_values jsonb,
  reason text,
  impact_summary text,
  affected_orders integer,
  affected_positions integer,
  changed_by uuid
    REFERENCES users (id),
  change_timestamp timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE exposure_limit_breaches (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  exposure_limit_id uuid NOT NULL
    REFERENCES exposure_limits (id) ON DELETE CASCADE,
  breach_type varchar(20) NOT NULL
    CHECK (breach_type IN (
      'net_exposure', 'gross_exposure')),
  limit_value numeric(20,8) NOT NULL,
  actual_value numeric(20,8) NOT NULL,
  breach_percentage numeric(12,2) NOT NULL,
  severity varchar(20) NOT NULL CHECK (severity IN ('warning', 'critical')),
  trigger_order_id uuid
    REFERENCES orders (id),
  auto_action_taken varchar(50),
  manual_override boolean DEFAULT false,
  override_reason text,
  override_by uuid
    REFERENCES users (id),
  resolved boolean DEFAULT false,
  resolution_action varchar(50),
  resolved_at timestamptz,
  resolved_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE hedge_actions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  exposure_limit_id uuid NOT NULL
    REFERENCES exposure_limits (id) ON DELETE CASCADE,
  hedge_type varchar(20) NOT NULL
    CHECK (hedge_type IN (
      'auto', 'manual', 'emergency')),
  trigger_event varchar(100),
  target_hedge_level numeric(5,2),
  hedge_instrument varchar(20),
  hedge_direction varchar(10) CHECK (hedge_direction IN ('long', 'short')),
  target_quantity numeric(20,8),
  actual_quantity numeric(20,8),
  hedge_price numeric(20,8),
  total_cost numeric(20,8),
  status varchar(20) DEFAULT 'pending'
    CHECK (status IN (
      'pending', 'in_progress', 'completed', 'partially_completed',
      'failed', 'cancelled')),
  initiated_by uuid
    REFERENCES users (id),
  initiated_at timestamptz DEFAULT now(),
  completed_at timestamptz,
  cancellation_reason text,
  cancelled_at timestamptz,
  cancelled_by uuid
    REFERENCES users (id),
  error_message text,
  metadata jsonb
);

CREATE TABLE routing_performance (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  rule_id uuid
    REFERENCES routing_rules (id) ON DELETE SET NULL,
  exposure_limit_id uuid
    REFERENCES exposure_limits (id) ON DELETE SET NULL,
  time_bucket timestamptz NOT NULL,
  bucket_interval varchar(10) DEFAULT '1h'
    CHECK (bucket_interval IN (
      '1m', '5m', '15m', '1h', '1d')),
  total_orders_routed integer DEFAULT 0,
  successful_routes integer DEFAULT 0,
  failed_routes integer DEFAULT 0,
  rejected_routes integer DEFAULT 0,
  avg_routing_latency_ms numeric(10,2),
  total_exposure_managed numeric(20,8) DEFAULT 0.00,
  hedge_actions_triggered integer DEFAULT 0,
  breach_alerts_generated integer DEFAULT 0,
  effectiveness_score numeric(5,2),
  created_at timestamptz DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (
    rule_id, exposure_limit_id, time_bucket, bucket_interval)
);

CREATE INDEX idx_routing_rules_active ON routing_rules (priority DESC)
  WHERE is_active;
CREATE INDEX idx_routing_rules_target_lp ON routing_rules (target_lp)
  WHERE is_active;
CREATE INDEX idx_routing_rules_action ON routing_rules (action)
  WHERE is_active;

CREATE INDEX idx_exposure_limits_symbol ON exposure_limits (symbol)
  WHERE is_active;
CREATE INDEX idx_exposure_limits_scope ON exposure_limits (scope, scope_id)
  WHERE is_active;
CREATE INDEX idx_exposure_limits_breach
  ON exposure_limits (utilization_percentage DESC)
  WHERE utilization_percentage > 80;
CREATE INDEX idx_exposure_limits_active ON exposure_limits (is_active, symbol);

CREATE INDEX idx_routing_audit_entity ON routing_audit (entity_type, entity_id);
CREATE INDEX idx_routing_audit_rule_id ON routing_audit (rule_id);
CREATE INDEX idx_routing_audit_exposure_id ON routing_audit (exposure_limit_id);
CREATE INDEX idx_routing_audit_change_type ON routing_audit (change_type);
CREATE INDEX idx_routing_audit_timestamp
  ON routing_audit (change_timestamp DESC);
CREATE INDEX idx_routing_audit_changed_by ON routing_audit (changed_by);

CREATE INDEX idx_breaches_exposure_limit_id
  ON exposure_limit_breaches (exposure_limit_id);
CREATE INDEX idx_breaches_resolved ON exposure_limit_breaches (resolved)
  WHERE NOT resolved;
CREATE INDEX idx_breaches_severity
  ON exposure_limit_breaches (severity, created_at DESC);
CREATE INDEX idx_breaches_created_at
  ON exposure_limit_breaches (created_at DESC);

CREATE INDEX idx_hedge_actions_exposure_limit_id
  ON hedge_actions (exposure_limit_id);
CREATE INDEX idx_hedge_actions_status ON hedge_actions (status)
  WHERE status NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX idx_hedge_actions_initiated_at
  ON hedge_actions (initiated_at DESC);
CREATE INDEX idx_hedge_actions_type ON hedge_actions (hedge_type);

CREATE INDEX idx_routing_perf_rule_id
  ON routing_performance (rule_id, time_bucket DESC);
CREATE INDEX idx_routing_perf_exposure_id
  ON routing_performance (exposure_limit_id, time_bucket DESC);
CREATE INDEX idx_routing_perf_time_bucket
  ON routing_performance (time_bucket DESC);
CREATE INDEX idx_routing_perf_effectiveness
  ON routing_performance (effectiveness_score DESC);

-- millrace:down

DROP TABLE routing_performance;
DROP TABLE hedge_actions;
DROP TABLE exposure_limit_breaches;
DROP TABLE routing_audit;
DROP TABLE exposure_limits;
DROP TABLE routing_rules;
