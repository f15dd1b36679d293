-- description: payments, balances, limits, fraud checks, settlement
--
-- Goes with the pack trading-engine.

-- millrace:up

CREATE TABLE payment_transactions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL,
  type varchar(20) NOT NULL
    CHECK (type IN (
      'deposit', 'withdrawal', 'refund', 'chargeback')),
  method varchar(30) NOT NULL
    CHECK (method IN (
      'card', 'bank_transfer', 'ach', 'sepa', 'wire', 'paypal', 'skrill',
      'neteller', 'bitcoin', 'ethereum', 'usdt', 'local_payment')),
  provider varchar(30) NOT NULL
    CHECK (provider IN (
      'stripe', 'braintree', 'paypal', 'coinbase', 'bitpay', 'circle',
      'wise', 'internal')),
  status varchar(20) NOT NULL
    CHECK (status IN (
      'pending', 'processing', 'completed', 'failed', 'cancelled',
      'refunded', 'disputed')),
  amount numeric(20,8) NOT NULL,
  currency varchar(10) NOT NULL,
  fee numeric(20,8) NOT NULL DEFAULT 0,
  net_amount numeric(20,8) NOT NULL,
  exchange_rate numeric(20,8),
  provider_tx_id varchar(128),
  payment_details jsonb,
  metadata jsonb,
  ip_address inet NOT NULL,
  device_id varchar(128),
  country varchar(2),
  failure_reason text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  confirmations_required integer DEFAULT 0,
  confirmations_received integer DEFAULT 0
);

CREATE TABLE user_balances (
  user_id uuid NOT NULL,
  currency varchar(10) NOT NULL,
  available_balance numeric(20,8) NOT NULL DEFAULT 0
    CHECK (available_balance >= 0),
  reserved_balance numeric(20,8) NOT NULL DEFAULT 0
    CHECK (reserved_balance >= 0),
  total_balance numeric(20,8)
    GENERATED ALWAYS AS (available_balance + reserved_balance) STORED,
  last_updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, currency)
);

CREATE TABLE balance_ledger (
  id bigserial PRIMARY KEY,
  user_id uuid NOT NULL,
  currency varchar(10) NOT NULL,
  transaction_id uuid NOT NULL,
  operation varchar(20) NOT NULL
    CHECK (operation IN (
      'credit', 'debit', 'reserve', 'unreserve', 'debit_reserved')),
  amount numeric(20,8) NOT NULL,
  balance_before numeric(20,8) NOT NULL,
  balance_after numeric(20,8) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE payment_limits (
  id bigserial PRIMARY KEY,
  user_id uuid,
  verification_level integer NOT NULL DEFAULT 0,
  method varchar(30) NOT NULL,
  min_amount numeric(20,8) NOT NULL,
  max_amount numeric(20,8) NOT NULL,
  daily_limit numeric(20,8) NOT NULL,
  weekly_limit numeric(20,8) NOT NULL,
  monthly_limit numeric(20,8) NOT NULL,
  requires_verification boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (user_id, verification_level, method)
);

CREATE TABLE fraud_checks (
  id bigserial PRIMARY KEY,
  transaction_id uuid NOT NULL,
  risk_score numeric(5,2) NOT NULL,
  risk_level varchar(20) NOT NULL
    CHECK (risk_level IN (
      'low', 'medium', 'high', 'critical')),
  blocked boolean NOT NULL DEFAULT false,
  reason text,
  flags jsonb,
  checks jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE device_tracking (
  device_id varchar(128) PRIMARY KEY,
  user_id uuid NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT now(),
  last_seen timestamptz NOT NULL DEFAULT now(),
  transaction_count integer NOT NULL DEFAULT 0,
  failed_count integer NOT NULL DEFAULT 0,
  success_count integer NOT NULL DEFAULT 0,
  device_fingerprint jsonb
);

CREATE TABLE ip_tracking (
  ip_address inet PRIMARY KEY,
  user_id uuid NOT NULL,
  country varchar(2),
  city varchar(100),
  is_tor boolean NOT NULL DEFAULT false,
  is_proxy boolean NOT NULL DEFAULT false,
  is_vpn boolean NOT NULL DEFAULT false,
  is_datacenter boolean NOT NULL DEFAULT false,
  reputation_score numeric(5,2),
  first_seen timestamptz NOT NULL DEFAULT now(),
  last_seen timestamptz NOT NULL DEFAULT now(),
  transaction_count integer NOT NULL DEFAULT 0
);

CREATE TABLE exchange_rates (
  from_currency varchar(10) NOT NULL,
  to_currency varchar(10) NOT NULL,
  rate numeric(20,8) NOT NULL,
  source varchar(50) NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (from_currency, to_currency)
);

CREATE TABLE webhook_events (
  id bigserial PRIMARY KEY,
  provider varchar(30) NOT NULL,
  event_type varchar(100) NOT NULL,
  transaction_id uuid,
  provider_tx_id varchar(128),
  status varchar(20),
  amount numeric(20,8),
  currency varchar(10),
  payload jsonb NOT NULL,
  signature varchar(256),
  verified boolean NOT NULL DEFAULT false,
  processed boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  processed_at timestamptz
);

CREATE TABLE reconciliation_results (
  id bigserial PRIMARY KEY,
  transaction_id uuid NOT NULL,
  provider_tx_id varchar(128),
  our_status varchar(20) NOT NULL,
  provider_status varchar(20),
  matched boolean NOT NULL,
  discrepancy text,
  reconciled_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE settlement_reports (
  id bigserial PRIMARY KEY,
  provider varchar(30) NOT NULL,
  from_date date NOT NULL,
  to_date date NOT NULL,
  total_deposits numeric(20,8) NOT NULL DEFAULT 0,
  total_withdrawals numeric(20,8) NOT NULL DEFAULT 0,
  total_fees numeric(20,8) NOT NULL DEFAULT 0,
  net_settlement numeric(20,8) NOT NULL DEFAULT 0,
  deposit_count integer NOT NULL DEFAULT 0,
  withdrawal_count integer NOT NULL DEFAULT 0,
  report_data jsonb,
  generated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider, from_date, to_date)
);

CREATE TABLE user_verification (
  user_id uuid PRIMARY KEY,
  verification_level integer NOT NULL DEFAULT 0,
  kyc_status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (kyc_status IN (
      'pending', 'verified', 'rejected')),
  identity_verified boolean NOT NULL DEFAULT false,
  address_verified boolean NOT NULL DEFAULT false,
  phone_verified boolean NOT NULL DEFAULT false,
  email_verified boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  verified_at timestamptz
);

CREATE INDEX idx_payment_transactions_user_id ON payment_transactions (user_id);
CREATE INDEX idx_payment_transactions_status ON payment_transactions (status);
CREATE INDEX idx_payment_transactions_type ON payment_transactions (type);
CREATE INDEX idx_payment_transactions_provider
  ON payment_transactions (provider);
CREATE INDEX idx_payment_transactions_provider_tx_id
  ON payment_transactions (provider_tx_id);
CREATE INDEX idx_payment_transactions_created_at
  ON payment_transactions (created_at);
CREATE INDEX idx_payment_transactions_completed_at
  ON payment_transactions (completed_at);
CREATE INDEX idx_payment_transactions_user_status
  ON payment_transactions (user_id, status);
CREATE INDEX idx_payment_transactions_user_type
  ON payment_transactions (user_id, type);

CREATE INDEX idx_user_balances_user_id ON user_balances (user_id);

CREATE INDEX idx_balance_ledger_user_id ON balance_ledger (user_id);
CREATE INDEX idx_balance_ledger_transaction_id
  ON balance_ledger (transaction_id);
CREATE INDEX idx_balance_ledger_created_at ON balance_ledger (created_at);

CREATE INDEX idx_payment_limits_user_id ON payment_limits (user_id);
CREATE INDEX idx_payment_limits_method ON payment_limits (method);

CREATE INDEX idx_fraud_checks_transaction_id ON fraud_checks (transaction_id);
CREATE INDEX idx_fraud_checks_risk_level ON fraud_checks (risk_level);
CREATE INDEX idx_fraud_checks_blocked ON fraud_checks (blocked);

CREATE INDEX idx_device_tracking_user_id ON device_tracking (user_id);
CREATE INDEX idx_device_tracking_failed_count ON device_tracking (failed_count);

CREATE INDEX idx_ip_tracking_user_id ON ip_tracking (user_id);
CREATE INDEX idx_ip_tracking_country ON ip_tracking (country);
CREATE INDEX idx_ip_tracking_reputation_score ON ip_tracking (reputation_score);

CREATE INDEX idx_exchange_rates_updated_at ON exchange_rates (updated_at);

CREATE INDEX idx_webhook_events_provider ON webhook_events (provider);
CREATE INDEX idx_webhook_events_transaction_id
  ON webhook_events (transaction_id);
CREATE INDEX idx_webhook_events_provider_tx_id
  ON webhook_events (provider_tx_id);
CREATE INDEX idx_webhook_events_processed ON webhook_events (processed);
CREATE INDEX idx_webhook_events_created_at ON webhook_events (created_at);

CREATE INDEX idx_reconciliation_results_transaction_id
  ON reconciliation_results (transaction_id);
CREATE INDEX idx_reconciliation_results_matched
  ON reconciliation_results (matched);
CREATE INDEX idx_reconciliation_results_reconciled_at
  ON reconciliation_results (reconciled_at);

CREATE INDEX idx_settlement_reports_provider ON settlement_reports (provider);
CREATE INDEX idx_settlement_reports_from_to
  ON settlement_reports (from_date, to_date);
CREATE INDEX idx_settlement_reports_generated_at
  ON settlement_reports (generated_at);

CREATE INDEX idx_user_verification_level
  ON user_verification (verification_level);
CREATE INDEX idx_user_verification_kyc_status ON user_verification (kyc_status);

-- Adds to what is available and writes it into the ledger.
CREATE FUNCTION credit_user_balance(
  in_user uuid, in_currency text, in_amount numeric, in_transaction uuid)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  available numeric;
BEGIN
  INSERT INTO user_balances AS b (user_id, currency, available_balance)
  VALUES (in_user, in_currency, in_amount)
  ON CONFLICT (user_id, currency) DO UPDATE
  SET available_balance = b.available_balance + in_amount,
      last_updated = now()
  RETURNING available_balance INTO available;
  INSERT INTO balance_ledger (user_id, currency, transaction_id, operation,
                              amount, balance_before, balance_after)
  VALUES (in_user, in_currency, in_transaction, 'credit', in_amount,
          available - in_amount, available);
END
$$;

-- Moves from available to reserved, or fails.
CREATE FUNCTION reserve_user_balance(
  in_user uuid, in_currency text, in_amount numeric, in_transaction uuid)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  available numeric;
BEGIN
  UPDATE user_balances
  SET available_balance = available_balance - in_amount,
      reserved_balance = reserved_balance + in_amount,
      last_updated = now()
  WHERE user_id = in_user AND currency = in_currency
    AND available_balance >= in_amount
  RETURNING available_balance INTO available;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'insufficient funds';
  END IF;
  INSERT INTO balance_ledger (user_id, currency, transaction_id, operation,
                              amount, balance_before, balance_after)
  VALUES (in_user, in_currency, in_transaction, 'reserve', in_amount,
          available + in_amount, available);
END
$$;

INSERT INTO payment_limits (verification_level, method, min_amount, max_amount,
                            daily_limit, weekly_limit, monthly_limit)
VALUES
  (0, 'card', 10, 500, 1000, 3000, 10000),
  (0, 'paypal', 10, 300, 500, 1500, 5000),
  (1, 'card', 10, 2000, 5000, 20000, 50000),
  (1, 'bank_transfer', 50, 5000, 10000, 40000, 100000),
  (1, 'paypal', 10, 1000, 2000, 8000, 20000),
  (2, 'card', 10, 10000, 50000, 200000, 500000),
  (2, 'bank_transfer', 50, 50000, 100000, 400000, 1000000),
  (2, 'wire', 100, 100000, 500000, 2000000, 5000000),
  (2, 'bitcoin', 100, 50000, 100000, 400000, 1000000),
  (2, 'ethereum', 100, 50000, 100000, 400000, 1000000),
  (2, 'usdt', 100, 50000, 100000, 400000, 1000000)
ON CONFLICT DO NOTHING;

-- millrace:down

DROP FUNCTION reserve_user_balance(uuid, text, numeric, uuid);
DROP FUNCTION credit_user_balance(uuid, text, numeric, uuid);
DROP TABLE user_verification;
DROP TABLE settlement_reports;
DROP TABLE reconciliation_results;
DROP TABLE webhook_events;
DROP TABLE exchange_rates;
DROP TABLE ip_tracking;
DROP TABLE device_tracking;
DROP TABLE fraud_checks;
DROP TABLE payment_limits;
DROP TABLE balance_ledger;
DROP TABLE user_balances;
DROP TABLE payment_transactions;
