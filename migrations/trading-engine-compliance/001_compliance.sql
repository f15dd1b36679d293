-- description: reports, exports, retention, alerts, filings
--
-- Goes with the pack trading-engine. `chain_verified` is as in the system that
-- the tables come from and says nothing: broken_audit_log() does.

-- millrace:up

ALTER TABLE audit_log
  ADD COLUMN content_hash varchar(128),
  ADD COLUMN previous_hash varchar(128),
  ADD COLUMN chain_verified boolean DEFAULT true;

CREATE TABLE best_execution_reports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  report_id varchar(100) NOT NULL UNIQUE,
  report_period_start timestamptz NOT NULL,
  report_period_end timestamptz NOT NULL,
  generated_at timestamptz DEFAULT now(),
  total_orders bigint DEFAULT 0,
  total_volume numeric(20,8) DEFAULT 0,
  average_spread numeric(20,8),
  average_slippage numeric(20,8),
  fill_rate numeric(5,2),
  average_latency_ms numeric(10,2),
  venue_breakdown jsonb,
  instrument_stats jsonb,
  metadata jsonb,
  generated_by uuid
    REFERENCES users (id),
  exported_at timestamptz,
  export_format varchar(10),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE venue_execution_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  report_id uuid
    REFERENCES best_execution_reports (id) ON DELETE CASCADE,
  venue_name varchar(100) NOT NULL,
  venue_type varchar(50)
    CHECK (venue_type IN (
      'LP', 'Exchange', 'B-Book', 'C-Book')),
  order_count bigint DEFAULT 0,
  volume_executed numeric(20,8) DEFAULT 0,
  average_spread numeric(20,8),
  average_slippage numeric(20,8),
  fill_rate numeric(5,2),
  reject_rate numeric(5,2),
  average_latency_ms numeric(10,2),
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  created_at timestamptz DEFAULT now()
);

CREATE TABLE order_routing_reports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  report_id varchar(100) NOT NULL UNIQUE,
  quarter varchar(2) NOT NULL CHECK (quarter IN ('Q1', 'Q2', 'Q3', 'Q4')),
  year integer NOT NULL,
  generated_at timestamptz DEFAULT now(),
  total_orders_routed bigint DEFAULT 0,
  total_payment_received numeric(20,8) DEFAULT 0,
  total_payment_paid numeric(20,8) DEFAULT 0,
  net_payment numeric(20,8) DEFAULT 0,
  routing_data jsonb,
  payment_analysis jsonb,
  metadata jsonb,
  generated_by uuid
    REFERENCES users (id),
  filed_with_regulator boolean DEFAULT false,
  filing_date timestamptz,
  filing_reference varchar(100),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE venue_routing_stats (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  report_id uuid
    REFERENCES order_routing_reports (id) ON DELETE CASCADE,
  venue_name varchar(100) NOT NULL,
  orders_routed bigint DEFAULT 0,
  orders_routed_pct numeric(5,2),
  non_directed_orders bigint DEFAULT 0,
  market_orders bigint DEFAULT 0,
  marketable_limit bigint DEFAULT 0,
  non_marketable_limit bigint DEFAULT 0,
  other_orders bigint DEFAULT 0,
  average_fee_per_order numeric(20,8),
  average_rebate_per_order numeric(20,8),
  net_payment_received numeric(20,8),
  created_at timestamptz DEFAULT now()
);

CREATE TABLE execution_quality_snapshots (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  snapshot_time timestamptz NOT NULL,
  venue_name varchar(100) NOT NULL,
  symbol varchar(20) NOT NULL,
  order_count integer DEFAULT 0,
  fill_rate numeric(5,2),
  average_spread numeric(20,8),
  average_slippage numeric(20,8),
  average_latency_ms numeric(10,2),
  reject_rate numeric(5,2),
  volume_executed numeric(20,8),
  created_at timestamptz DEFAULT now()
);

CREATE TABLE audit_trail_exports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  export_id varchar(100) NOT NULL UNIQUE,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  entity_type_filter varchar(50),
  total_records bigint DEFAULT 0,
  export_format varchar(10) CHECK (export_format IN ('json', 'csv', 'pdf')),
  file_path text,
  file_size_bytes bigint,
  requested_by uuid
    REFERENCES users (id),
  purpose text,
  requested_at timestamptz DEFAULT now(),
  completed_at timestamptz,
  checksum varchar(128),
  encryption_enabled boolean DEFAULT false,
  metadata jsonb
);

CREATE TABLE data_retention_policies (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  table_name varchar(100) NOT NULL UNIQUE,
  retention_years integer NOT NULL,
  archive_enabled boolean DEFAULT true,
  archive_path text,
  last_cleanup_at timestamptz,
  next_cleanup_at timestamptz,
  created_at timestamptz DEFAULT now()
);

CREATE TABLE compliance_alert_rules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  rule_name varchar(200) NOT NULL UNIQUE,
  rule_type varchar(50) NOT NULL
    CHECK (rule_type IN (
      'execution_quality', 'routing_concentration', 'payment_threshold',
      'audit_anomaly', 'regulatory_threshold')),
  enabled boolean DEFAULT true,
  threshold_config jsonb NOT NULL,
  alert_severity varchar(20)
    CHECK (alert_severity IN (
      'info', 'warning', 'critical')),
  notification_emails text[],
  auto_report boolean DEFAULT false,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE compliance_alerts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  rule_id uuid
    REFERENCES compliance_alert_rules (id),
  severity varchar(20) NOT NULL,
  alert_type varchar(50) NOT NULL,
  message text NOT NULL,
  triggered_by_entity varchar(50),
  triggered_by_id uuid,
  threshold_value numeric(20,8),
  actual_value numeric(20,8),
  status varchar(20) DEFAULT 'open'
    CHECK (status IN (
      'open', 'acknowledged', 'resolved', 'false_positive')),
  acknowledged_by uuid
    REFERENCES users (id),
  acknowledged_at timestamptz,
  resolved_by uuid
    REFERENCES users (id),
  resolved_at timestamptz,
  resolution_notes text,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE regulatory_filings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  filing_type varchar(100) NOT NULL,
  filing_period varchar(20) NOT NULL,
  regulator varchar(100) NOT NULL
    CHECK (regulator IN (
      'SEC', 'ESMA', 'FCA', 'FINRA', 'CFTC', 'Other')),
  report_id uuid,
  filing_reference varchar(100),
  filing_deadline timestamptz NOT NULL,
  filing_status varchar(20) DEFAULT 'pending'
    CHECK (filing_status IN (
      'pending', 'submitted', 'accepted', 'rejected', 'amended')),
  submitted_at timestamptz,
  submitted_by uuid
    REFERENCES users (id),
  confirmation_number varchar(100),
  regulator_response text,
  response_received_at timestamptz,
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE INDEX idx_best_execution_reports_period
  ON best_execution_reports (report_period_start, report_period_end);
CREATE INDEX idx_best_execution_reports_generated_at
  ON best_execution_reports (generated_at DESC);

CREATE INDEX idx_venue_metrics_report ON venue_execution_metrics (report_id);
CREATE INDEX idx_venue_metrics_venue ON venue_execution_metrics (venue_name);

CREATE INDEX idx_order_routing_reports_quarter
  ON order_routing_reports (year, quarter);
CREATE INDEX idx_order_routing_reports_generated_at
  ON order_routing_reports (generated_at DESC);

CREATE INDEX idx_venue_routing_stats_report ON venue_routing_stats (report_id);
CREATE INDEX idx_venue_routing_stats_venue ON venue_routing_stats (venue_name);

CREATE INDEX idx_execution_quality_venue_symbol
  ON execution_quality_snapshots (venue_name, symbol);
CREATE INDEX idx_execution_quality_snapshot_time
  ON execution_quality_snapshots (snapshot_time DESC);

CREATE INDEX idx_audit_exports_requested_by
  ON audit_trail_exports (requested_by);
CREATE INDEX idx_audit_exports_requested_at
  ON audit_trail_exports (requested_at DESC);
CREATE INDEX idx_audit_exports_period
  ON audit_trail_exports (period_start, period_end);





CREATE INDEX idx_compliance_alerts_status ON compliance_alerts (status);
CREATE INDEX idx_compliance_alerts_severity ON compliance_alerts (severity);
CREATE INDEX idx_compliance_alerts_created_at
  ON compliance_alerts (created_at DESC);

CREATE INDEX idx_regulatory_filings_status
  ON regulatory_filings (filing_status);
CREATE INDEX idx_regulatory_filings_deadline
  ON regulatory_filings (filing_deadline);
CREATE INDEX idx_regulatory_filings_type
  ON regulatory_filings (filing_type, regulator);

CREATE VIEW v_recent_execution_quality AS
SELECT venue_name, symbol, avg(fill_rate) AS avg_fill_rate,
       avg(average_spread) AS avg_spread, avg(average_slippage) AS avg_slippage,
       avg(average_latency_ms) AS avg_latency_ms,
       sum(order_count) AS order_count
FROM execution_quality_snapshots
WHERE snapshot_time > now() - interval '24 hours'
GROUP BY venue_name, symbol;

CREATE VIEW v_open_compliance_alerts AS
SELECT severity, alert_type, count(*) AS alert_count,
       min(created_at) AS oldest_alert, max(created_at) AS newest_alert
FROM compliance_alerts WHERE status = 'open'
GROUP BY severity, alert_type
ORDER BY CASE severity WHEN 'critical' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END,
         alert_type;

INSERT INTO data_retention_policies (table_name, retention_years,
                                     archive_enabled)
VALUES
  ('audit_log', 7, true),
  ('order_audit', 7, true),
  ('position_audit', 7, true),
  ('account_audit', 7, true),
  ('compliance_events', 7, true),
  ('api_access_log', 2, true),
  ('user_activity_log', 3, true),
  ('risk_events', 5, true),
  ('system_events', 1, false)
ON CONFLICT DO NOTHING;

INSERT INTO compliance_alert_rules (rule_name, rule_type, threshold_config)
VALUES
  ('Poor Execution Quality', 'execution_quality',
   '{"fill_rate_below": 95, "reject_rate_above": 5}'),
  ('Routing Concentration Risk', 'routing_concentration',
   '{"venue_share_above": 80}'),
  ('High Payment for Order Flow', 'payment_threshold',
   '{"payment_share_above": 10}'),
  ('Audit Chain Break', 'audit_anomaly', '{"chain_verified": false}')
ON CONFLICT DO NOTHING;

-- millrace:down

DROP VIEW v_open_compliance_alerts;
DROP VIEW v_recent_execution_quality;
DROP TABLE regulatory_filings;
DROP TABLE compliance_alerts;
DROP TABLE compliance_alert_rules;
DROP TABLE data_retention_policies;
DROP TABLE audit_trail_exports;
DROP TABLE execution_quality_snapshots;
DROP TABLE venue_routing_stats;
DROP TABLE order_routing_reports;
DROP TABLE venue_execution_metrics;
DROP TABLE best_execution_reports;
ALTER TABLE audit_log
  DROP COLUMN chain_verified,
  DROP COLUMN previous_hash,
  DROP COLUMN content_hash;
