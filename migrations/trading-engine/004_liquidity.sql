-- description: liquidity providers, quotes, routing, exposure, client profiles

-- millrace:up

CREATE TABLE liquidity_providers (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(100) NOT NULL UNIQUE,
  provider_type varchar(20) NOT NULL
    CHECK (provider_type IN (
      'prime_broker', 'exchange', 'market_maker', 'aggregator')),
  protocol varchar(20)
    CHECK (protocol IN (
      'FIX', 'REST', 'WEBSOCKET', 'PROPRIETARY')),
  is_active boolean DEFAULT true,
  priority integer DEFAULT 100,
  max_order_size numeric(20,8),
  min_order_size numeric(20,8),
  supported_instruments text[],
  connection_string text,
  api_key_encrypted text,
  api_secret_encrypted text,
  connection_status varchar(20) DEFAULT 'disconnected'
    CHECK (connection_status IN (
      'connected', 'disconnected', 'error', 'maintenance')),
  last_heartbeat timestamptz,
  latency_ms integer,
  uptime_percentage numeric(5,2),
  total_volume_24h numeric(20,8) DEFAULT 0.00,
  total_trades_24h integer DEFAULT 0,
  config jsonb,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE lp_instruments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lp_id uuid NOT NULL
    REFERENCES liquidity_providers (id) ON DELETE CASCADE,
  instrument_id uuid NOT NULL
    REFERENCES instruments (id) ON DELETE CASCADE,
  symbol varchar(20) NOT NULL,
  lp_symbol varchar(50),
  is_enabled boolean DEFAULT true,
  min_quantity numeric(20,8),
  max_quantity numeric(20,8),
  tick_size numeric(20,8),
  commission_rate numeric(10,6),
  markup_bps integer DEFAULT 0,
  spread_markup_bps integer DEFAULT 0,
  priority integer DEFAULT 100,
  max_slippage_bps integer,
  trading_hours jsonb,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  UNIQUE (lp_id, instrument_id)
);

CREATE TABLE lp_quotes (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  lp_id uuid NOT NULL
    REFERENCES liquidity_providers (id) ON DELETE CASCADE,
  symbol varchar(20) NOT NULL,
  bid numeric(20,8) NOT NULL,
  ask numeric(20,8) NOT NULL,
  bid_size numeric(20,8),
  ask_size numeric(20,8),
  spread_bps integer,
  timestamp timestamptz NOT NULL DEFAULT now(),
  sequence_number bigint,
  is_stale boolean DEFAULT false,
  created_at timestamptz DEFAULT now(),
  PRIMARY KEY (id, timestamp)
) PARTITION BY RANGE (timestamp);

CREATE TABLE lp_order_routing (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  order_id uuid NOT NULL
    REFERENCES orders (id) ON DELETE CASCADE,
  lp_id uuid
    REFERENCES liquidity_providers (id),
  routing_decision varchar(20) NOT NULL
    CHECK (routing_decision IN (
      'abook', 'bbook', 'hybrid', 'rejected')),
  routing_score numeric(10,4),
  routing_reason text,
  expected_fill_price numeric(20,8),
  expected_slippage numeric(20,8),
  expected_commission numeric(20,8),
  actual_fill_price numeric(20,8),
  actual_slippage numeric(20,8),
  actual_commission numeric(20,8),
  routing_latency_ms integer,
  execution_latency_ms integer,
  success boolean,
  error_message text,
  created_at timestamptz DEFAULT now(),
  routed_at timestamptz,
  executed_at timestamptz,
  metadata jsonb
);

CREATE TABLE lp_performance_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lp_id uuid NOT NULL
    REFERENCES liquidity_providers (id) ON DELETE CASCADE,
  symbol varchar(20),
  time_bucket timestamptz NOT NULL,
  bucket_interval varchar(10) DEFAULT '1h'
    CHECK (bucket_interval IN (
      '1m', '5m', '15m', '1h', '1d')),
  total_orders integer DEFAULT 0,
  successful_orders integer DEFAULT 0,
  failed_orders integer DEFAULT 0,
  rejected_orders integer DEFAULT 0,
  total_volume numeric(20,8) DEFAULT 0.00,
  avg_fill_time_ms integer,
  avg_slippage_bps integer,
  avg_spread_bps integer,
  best_bid numeric(20,8),
  best_ask numeric(20,8),
  quote_count integer DEFAULT 0,
  uptime_seconds integer DEFAULT 0,
  downtime_seconds integer DEFAULT 0,
  error_count integer DEFAULT 0,
  created_at timestamptz DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (lp_id, symbol, time_bucket, bucket_interval)
);

CREATE TABLE lp_exposure (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lp_id uuid NOT NULL
    REFERENCES liquidity_providers (id) ON DELETE CASCADE,
  symbol varchar(20) NOT NULL,
  net_position numeric(20,8) DEFAULT 0.00,
  long_positions numeric(20,8) DEFAULT 0.00,
  short_positions numeric(20,8) DEFAULT 0.00,
  unrealized_pnl numeric(20,8) DEFAULT 0.00,
  realized_pnl_24h numeric(20,8) DEFAULT 0.00,
  total_volume_24h numeric(20,8) DEFAULT 0.00,
  exposure_limit numeric(20,8),
  risk_utilization numeric(12,2),
  last_updated timestamptz DEFAULT now(),
  metadata jsonb,
  UNIQUE (lp_id, symbol)
);

CREATE TABLE sor_rules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  rule_name varchar(100) NOT NULL UNIQUE,
  rule_type varchar(50) NOT NULL
    CHECK (rule_type IN (
      'abook', 'bbook', 'hybrid', 'conditional')),
  priority integer DEFAULT 100,
  is_active boolean DEFAULT true,
  conditions jsonb NOT NULL,
  actions jsonb NOT NULL,
  fallback_action varchar(20)
    CHECK (fallback_action IN (
      'abook', 'bbook', 'reject')),
  valid_from timestamptz DEFAULT now(),
  valid_until timestamptz,
  created_by uuid
    REFERENCES users (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE client_profiles (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  account_id uuid NOT NULL
    REFERENCES accounts (id) ON DELETE CASCADE,
  profile_type varchar(20) DEFAULT 'neutral'
    CHECK (profile_type IN (
      'toxic', 'neutral', 'profitable', 'vip')),
  toxicity_score numeric(5,2) DEFAULT 50.00
    CHECK (toxicity_score BETWEEN 0 AND 100),
  profitability_score numeric(5,2) DEFAULT 50.00,
  win_rate numeric(5,2),
  avg_trade_duration_seconds integer,
  avg_trade_size numeric(20,8),
  preferred_instruments text[],
  trading_style varchar(20)
    CHECK (trading_style IN (
      'scalper', 'day_trader', 'swing_trader', 'position_trader')),
  total_trades integer DEFAULT 0,
  total_volume numeric(20,8) DEFAULT 0.00,
  total_pnl numeric(20,8) DEFAULT 0.00,
  total_commission_paid numeric(20,8) DEFAULT 0.00,
  abook_percentage integer DEFAULT 50,
  bbook_percentage integer DEFAULT 50,
  risk_category varchar(20) DEFAULT 'medium'
    CHECK (risk_category IN (
      'low', 'medium', 'high', 'extreme')),
  auto_route boolean DEFAULT true,
  manual_override_route varchar(10)
    CHECK (manual_override_route IN (
      'abook', 'bbook', 'auto')),
  last_analyzed timestamptz,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE INDEX idx_lp_is_active ON liquidity_providers (is_active);
CREATE INDEX idx_lp_connection_status
  ON liquidity_providers (connection_status);
CREATE INDEX idx_lp_priority ON liquidity_providers (priority DESC)
  WHERE is_active;

CREATE INDEX idx_lp_instruments_lp_id ON lp_instruments (lp_id);
CREATE INDEX idx_lp_instruments_instrument_id ON lp_instruments (instrument_id);
CREATE INDEX idx_lp_instruments_symbol ON lp_instruments (symbol)
  WHERE is_enabled;
CREATE INDEX idx_lp_instruments_enabled ON lp_instruments (lp_id, is_enabled);

CREATE INDEX idx_lp_quotes_lp_symbol
  ON lp_quotes (lp_id, symbol, timestamp DESC);
CREATE INDEX idx_lp_quotes_symbol_timestamp
  ON lp_quotes (symbol, timestamp DESC);
CREATE INDEX idx_lp_quotes_timestamp ON lp_quotes (timestamp DESC);
CREATE INDEX idx_lp_quotes_not_stale ON lp_quotes (symbol, timestamp DESC)
  WHERE NOT is_stale;

CREATE INDEX idx_lp_order_routing_order_id ON lp_order_routing (order_id);
CREATE INDEX idx_lp_order_routing_lp_id ON lp_order_routing (lp_id);
CREATE INDEX idx_lp_order_routing_decision
  ON lp_order_routing (routing_decision);
CREATE INDEX idx_lp_order_routing_created_at
  ON lp_order_routing (created_at DESC);

CREATE INDEX idx_lp_perf_lp_symbol_time
  ON lp_performance_metrics (lp_id, symbol, time_bucket DESC);
CREATE INDEX idx_lp_perf_time_bucket
  ON lp_performance_metrics (time_bucket DESC);

CREATE INDEX idx_lp_exposure_lp_id ON lp_exposure (lp_id);
CREATE INDEX idx_lp_exposure_symbol ON lp_exposure (symbol);
CREATE INDEX idx_lp_exposure_risk ON lp_exposure (risk_utilization DESC)
  WHERE risk_utilization > 80;

CREATE INDEX idx_sor_rules_active ON sor_rules (priority DESC)
  WHERE is_active;
CREATE INDEX idx_sor_rules_type ON sor_rules (rule_type) WHERE is_active;

CREATE INDEX idx_client_profiles_user_id ON client_profiles (user_id);
CREATE INDEX idx_client_profiles_account_id ON client_profiles (account_id);
CREATE INDEX idx_client_profiles_type ON client_profiles (profile_type);
CREATE INDEX idx_client_profiles_toxicity
  ON client_profiles (toxicity_score DESC);
CREATE INDEX idx_client_profiles_profitability
  ON client_profiles (profitability_score DESC);

CREATE OR REPLACE TRIGGER update_lp_updated_at BEFORE UPDATE
  ON liquidity_providers
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_lp_instruments_updated_at BEFORE UPDATE
  ON lp_instruments
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_sor_rules_updated_at BEFORE UPDATE ON sor_rules
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_client_profiles_updated_at BEFORE UPDATE
  ON client_profiles
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

SELECT millrace.ensure_day_partitions(
  'lp_quotes', (now() AT TIME ZONE 'UTC')::date - 2,
  (now() AT TIME ZONE 'UTC')::date + 14);

-- millrace:down

DROP TABLE client_profiles;
DROP TABLE sor_rules;
DROP TABLE lp_exposure;
DROP TABLE lp_performance_metrics;
DROP TABLE lp_order_routing;
DROP TABLE lp_quotes;
DROP TABLE lp_instruments;
DROP TABLE liquidity_providers;
