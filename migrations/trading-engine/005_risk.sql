-- description: limits, margin, portfolio risk, circuit breakers, stress tests

-- millrace:up

CREATE TABLE risk_limits (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  limit_type varchar(50) NOT NULL
    CHECK (limit_type IN (
      'account_leverage', 'position_size', 'daily_loss', 'max_drawdown',
      'exposure_limit', 'concentration_limit', 'order_size',
      'open_positions')),
  entity_type varchar(20) NOT NULL
    CHECK (entity_type IN (
      'global', 'user', 'account', 'instrument', 'group')),
  entity_id uuid,
  limit_value numeric(20,8) NOT NULL,
  warning_threshold numeric(20,8),
  currency varchar(10),
  is_active boolean DEFAULT true,
  breached_action varchar(20) DEFAULT 'reject'
    CHECK (breached_action IN (
      'reject', 'warn', 'reduce', 'close')),
  created_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb,
  UNIQUE NULLS NOT DISTINCT (limit_type, entity_type, entity_id)
);

CREATE TABLE risk_limit_breaches (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  risk_limit_id uuid NOT NULL
    REFERENCES risk_limits (id),
  account_id uuid
    REFERENCES accounts (id),
  user_id uuid
    REFERENCES users (id),
  order_id uuid
    REFERENCES orders (id),
  position_id uuid
    REFERENCES positions (id),
  breach_type varchar(50) NOT NULL,
  limit_value numeric(20,8) NOT NULL,
  actual_value numeric(20,8) NOT NULL,
  breach_percentage numeric(12,2),
  severity varchar(20) NOT NULL
    CHECK (severity IN (
      'warning', 'breach', 'critical')),
  action_taken varchar(50),
  auto_resolved boolean DEFAULT false,
  resolved_at timestamptz,
  resolved_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE margin_requirements (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  instrument_id uuid NOT NULL
    REFERENCES instruments (id),
  symbol varchar(20) NOT NULL,
  position_size numeric(20,8) NOT NULL,
  initial_margin numeric(20,8) NOT NULL,
  maintenance_margin numeric(20,8) NOT NULL,
  margin_call_level numeric(20,8),
  stop_out_level numeric(20,8),
  leverage integer NOT NULL,
  currency varchar(10) NOT NULL,
  calculated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE margin_calls (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  user_id uuid NOT NULL
    REFERENCES users (id),
  call_type varchar(20) NOT NULL
    CHECK (call_type IN (
      'margin_call', 'stop_out', 'liquidation')),
  margin_level numeric(10,2) NOT NULL,
  required_margin numeric(20,8) NOT NULL,
  available_margin numeric(20,8) NOT NULL,
  shortfall numeric(20,8) NOT NULL,
  positions_affected uuid[],
  status varchar(20) DEFAULT 'active'
    CHECK (status IN (
      'active', 'resolved', 'liquidated', 'cancelled')),
  notified_at timestamptz,
  notification_method varchar(20),
  resolved_at timestamptz,
  resolution_method varchar(50),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE position_risk_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  position_id uuid NOT NULL
    REFERENCES positions (id) ON DELETE CASCADE,
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  symbol varchar(20) NOT NULL,
  value_at_risk numeric(20,8),
  conditional_var numeric(20,8),
  expected_shortfall numeric(20,8),
  volatility numeric(10,4),
  beta numeric(10,4),
  delta numeric(10,4),
  gamma numeric(10,4),
  theta numeric(10,4),
  vega numeric(10,4),
  max_drawdown numeric(20,8),
  current_drawdown numeric(20,8),
  unrealized_pnl_percentage numeric(10,2),
  distance_to_liquidation numeric(20,8),
  risk_score numeric(5,2),
  calculated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE portfolio_risk (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id),
  time_bucket timestamptz NOT NULL,
  total_exposure numeric(20,8),
  net_exposure numeric(20,8),
  gross_exposure numeric(20,8),
  portfolio_var numeric(20,8),
  portfolio_cvar numeric(20,8),
  correlation_risk numeric(5,2),
  concentration_risk numeric(5,2),
  liquidity_risk numeric(5,2),
  leverage_ratio numeric(10,2),
  sharpe_ratio numeric(10,4),
  sortino_ratio numeric(10,4),
  max_drawdown numeric(20,8),
  current_drawdown numeric(20,8),
  open_positions_count integer,
  largest_position_percentage numeric(5,2),
  risk_score numeric(5,2),
  created_at timestamptz DEFAULT now(),
  metadata jsonb,
  UNIQUE (account_id, time_bucket)
);

CREATE TABLE circuit_breakers (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  breaker_name varchar(100) NOT NULL UNIQUE,
  breaker_type varchar(50) NOT NULL
    CHECK (breaker_type IN (
      'price_movement', 'volatility', 'volume_surge', 'loss_limit',
      'error_rate', 'manual', 'system_health')),
  scope varchar(20) NOT NULL
    CHECK (scope IN (
      'global', 'symbol', 'account', 'lp')),
  scope_id varchar(100),
  trigger_condition jsonb NOT NULL,
  current_value numeric(20,8),
  threshold_value numeric(20,8),
  status varchar(20) DEFAULT 'armed'
    CHECK (status IN (
      'armed', 'triggered', 'cooling_down', 'disabled')),
  triggered_at timestamptz,
  reset_at timestamptz,
  cooldown_period_seconds integer DEFAULT 300,
  auto_reset boolean DEFAULT true,
  action varchar(50)
    CHECK (action IN (
      'halt_trading', 'reject_orders', 'reduce_positions', 'alert_only')),
  created_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE circuit_breaker_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  breaker_id uuid NOT NULL
    REFERENCES circuit_breakers (id),
  event_type varchar(20) NOT NULL
    CHECK (event_type IN (
      'triggered', 'reset', 'manual_override')),
  trigger_value numeric(20,8),
  threshold_value numeric(20,8),
  affected_orders uuid[],
  affected_positions uuid[],
  action_taken varchar(100),
  triggered_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE risk_alerts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  alert_type varchar(50) NOT NULL
    CHECK (alert_type IN (
      'high_leverage', 'large_position', 'rapid_trading', 'unusual_pnl',
      'correlation_spike', 'liquidity_issue', 'system_anomaly', 'custom')),
  severity varchar(20) NOT NULL
    CHECK (severity IN (
      'low', 'medium', 'high', 'critical')),
  account_id uuid
    REFERENCES accounts (id),
  user_id uuid
    REFERENCES users (id),
  symbol varchar(20),
  alert_message text NOT NULL,
  trigger_value numeric(20,8),
  threshold_value numeric(20,8),
  status varchar(20) DEFAULT 'active'
    CHECK (status IN (
      'active', 'acknowledged', 'resolved', 'false_positive')),
  acknowledged_by uuid
    REFERENCES users (id),
  acknowledged_at timestamptz,
  resolved_at timestamptz,
  resolution_notes text,
  notification_sent boolean DEFAULT false,
  notification_channels text[],
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE stress_test_scenarios (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  scenario_name varchar(100) NOT NULL UNIQUE,
  scenario_type varchar(50) NOT NULL
    CHECK (scenario_type IN (
      'market_crash', 'volatility_spike', 'liquidity_crisis',
      'correlation_breakdown', 'black_swan', 'historical', 'custom')),
  description text,
  market_shocks jsonb NOT NULL,
  is_active boolean DEFAULT true,
  created_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE stress_test_results (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  scenario_id uuid NOT NULL
    REFERENCES stress_test_scenarios (id),
  account_id uuid
    REFERENCES accounts (id),
  test_date timestamptz DEFAULT now(),
  portfolio_value_before numeric(20,8),
  portfolio_value_after numeric(20,8),
  loss_amount numeric(20,8),
  loss_percentage numeric(10,2),
  margin_call_triggered boolean DEFAULT false,
  liquidation_triggered boolean DEFAULT false,
  positions_closed integer,
  max_drawdown numeric(20,8),
  recovery_time_hours integer,
  passed_test boolean,
  risk_score numeric(5,2),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE INDEX idx_risk_limits_entity ON risk_limits (entity_type, entity_id)
  WHERE is_active;
CREATE INDEX idx_risk_limits_type ON risk_limits (limit_type)
  WHERE is_active;

CREATE INDEX idx_risk_breaches_limit_id ON risk_limit_breaches (risk_limit_id);
CREATE INDEX idx_risk_breaches_account_id ON risk_limit_breaches (account_id);
CREATE INDEX idx_risk_breaches_severity
  ON risk_limit_breaches (severity, created_at DESC);
CREATE INDEX idx_risk_breaches_unresolved
  ON risk_limit_breaches (created_at DESC)
  WHERE NOT auto_resolved AND resolved_at IS NULL;

CREATE INDEX idx_margin_req_account_id ON margin_requirements (account_id);
CREATE INDEX idx_margin_req_symbol ON margin_requirements (symbol);
CREATE INDEX idx_margin_req_calculated_at
  ON margin_requirements (calculated_at DESC);

CREATE INDEX idx_margin_calls_account_id ON margin_calls (account_id);
CREATE INDEX idx_margin_calls_user_id ON margin_calls (user_id);
CREATE INDEX idx_margin_calls_status ON margin_calls (status, created_at DESC);
CREATE INDEX idx_margin_calls_active ON margin_calls (created_at DESC)
  WHERE status = 'active';

CREATE INDEX idx_position_risk_position_id
  ON position_risk_metrics (position_id);
CREATE INDEX idx_position_risk_account_id ON position_risk_metrics (account_id);
CREATE INDEX idx_position_risk_score ON position_risk_metrics (risk_score DESC);

CREATE INDEX idx_portfolio_risk_account_id
  ON portfolio_risk (account_id, time_bucket DESC);
CREATE INDEX idx_portfolio_risk_score ON portfolio_risk (risk_score DESC);

CREATE INDEX idx_circuit_breakers_status ON circuit_breakers (status);
CREATE INDEX idx_circuit_breakers_scope ON circuit_breakers (scope, scope_id)
  WHERE status IN ('armed', 'triggered');

CREATE INDEX idx_cb_events_breaker_id ON circuit_breaker_events (breaker_id);
CREATE INDEX idx_cb_events_created_at
  ON circuit_breaker_events (created_at DESC);

CREATE INDEX idx_risk_alerts_account_id ON risk_alerts (account_id);
CREATE INDEX idx_risk_alerts_severity
  ON risk_alerts (severity, created_at DESC);
CREATE INDEX idx_risk_alerts_status ON risk_alerts (status);
CREATE INDEX idx_risk_alerts_active ON risk_alerts (created_at DESC)
  WHERE status = 'active';

CREATE INDEX idx_stress_scenarios_type ON stress_test_scenarios (scenario_type)
  WHERE is_active;

CREATE INDEX idx_stress_results_scenario_id
  ON stress_test_results (scenario_id);
CREATE INDEX idx_stress_results_account_id ON stress_test_results (account_id);
CREATE INDEX idx_stress_results_test_date
  ON stress_test_results (test_date DESC);

CREATE OR REPLACE TRIGGER update_risk_limits_updated_at BEFORE UPDATE
  ON risk_limits
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_circuit_breakers_updated_at BEFORE UPDATE
  ON circuit_breakers
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_stress_scenarios_updated_at BEFORE UPDATE
  ON stress_test_scenarios
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- millrace:down

DROP TABLE stress_test_results;
DROP TABLE stress_test_scenarios;
DROP TABLE risk_alerts;
DROP TABLE circuit_breaker_events;
DROP TABLE circuit_breakers;
DROP TABLE portfolio_risk;
DROP TABLE position_risk_metrics;
DROP TABLE margin_calls;
DROP TABLE margin_requirements;
DROP TABLE risk_limit_breaches;
DROP TABLE risk_limits;
