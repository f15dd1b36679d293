-- description: users, accounts, orders, positions, trades, instruments
--
-- Extensions belong to the database: in `public`, where every tenant's schema
-- finds them, and they stay when this is undone.

-- millrace:up

CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;

CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

-- For positions, whose column has this name.
CREATE FUNCTION update_last_updated_column() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  NEW.last_updated := now();
  RETURN NEW;
END
$$;

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email varchar(255) NOT NULL UNIQUE,
  username varchar(100) NOT NULL UNIQUE,
  password_hash varchar(255) NOT NULL,
  first_name varchar(100),
  last_name varchar(100),
  phone varchar(50),
  country_code char(2),
  kyc_status varchar(20) DEFAULT 'pending'
    CHECK (kyc_status IN (
      'pending', 'approved', 'rejected', 'under_review')),
  kyc_level integer DEFAULT 0 CHECK (kyc_level BETWEEN 0 AND 3),
  is_active boolean DEFAULT true,
  is_verified boolean DEFAULT false,
  email_verified_at timestamptz,
  two_factor_enabled boolean DEFAULT false,
  two_factor_secret varchar(255),
  last_login_at timestamptz,
  last_login_ip inet,
  failed_login_attempts integer DEFAULT 0,
  locked_until timestamptz,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  deleted_at timestamptz
);

CREATE TABLE user_roles (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  role varchar(50) NOT NULL
    CHECK (role IN (
      'user', 'trader', 'admin', 'super_admin', 'risk_manager',
      'compliance_officer')),
  granted_at timestamptz DEFAULT now(),
  granted_by uuid
    REFERENCES users (id),
  expires_at timestamptz,
  UNIQUE (user_id, role)
);

CREATE TABLE accounts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  account_number varchar(50) NOT NULL UNIQUE,
  account_type varchar(20) NOT NULL
    CHECK (account_type IN (
      'demo', 'live', 'margin', 'islamic')),
  currency varchar(10) DEFAULT 'USD',
  balance numeric(20,8) DEFAULT 0.00,
  equity numeric(20,8) DEFAULT 0.00,
  margin_used numeric(20,8) DEFAULT 0.00,
  margin_available numeric(20,8) DEFAULT 0.00,
  margin_level numeric(10,2),
  unrealized_pnl numeric(20,8) DEFAULT 0.00,
  realized_pnl numeric(20,8) DEFAULT 0.00,
  leverage integer DEFAULT 1 CHECK (leverage > 0 AND leverage <= 500),
  max_leverage integer DEFAULT 100,
  is_active boolean DEFAULT true,
  is_locked boolean DEFAULT false,
  locked_reason text,
  credit numeric(20,8) DEFAULT 0.00,
  broker_id varchar(100),
  group_name varchar(100),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  deleted_at timestamptz,
  balance_negative boolean GENERATED ALWAYS AS (balance < 0) STORED
);

CREATE TABLE account_transactions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id) ON DELETE CASCADE,
  transaction_type varchar(30) NOT NULL
    CHECK (transaction_type IN (
      'deposit', 'withdrawal', 'credit', 'debit', 'transfer', 'commission',
      'swap', 'bonus', 'adjustment')),
  amount numeric(20,8) NOT NULL,
  currency varchar(10) NOT NULL,
  balance_before numeric(20,8) NOT NULL,
  balance_after numeric(20,8) NOT NULL,
  reference_id uuid,
  reference_type varchar(50),
  description text,
  status varchar(20) DEFAULT 'pending'
    CHECK (status IN (
      'pending', 'processing', 'completed', 'failed', 'cancelled')),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  processed_at timestamptz,
  metadata jsonb
);

CREATE TABLE orders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id) ON DELETE CASCADE,
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  client_order_id varchar(100),
  symbol varchar(20) NOT NULL,
  order_type varchar(20) NOT NULL
    CHECK (order_type IN (
      'market', 'limit', 'stop', 'stop_limit', 'trailing_stop',
      'take_profit')),
  side varchar(10) NOT NULL CHECK (side IN ('buy', 'sell')),
  quantity numeric(20,8) NOT NULL CHECK (quantity > 0),
  filled_quantity numeric(20,8) DEFAULT 0.00,
  remaining_quantity numeric(20,8),
  price numeric(20,8),
  stop_price numeric(20,8),
  limit_price numeric(20,8),
  trailing_distance numeric(20,8),
  average_fill_price numeric(20,8),
  status varchar(20) DEFAULT 'pending'
    CHECK (status IN (
      'pending', 'pending_new', 'new', 'partially_filled', 'filled',
      'cancelled', 'rejected', 'expired')),
  time_in_force varchar(10) DEFAULT 'GTC'
    CHECK (time_in_force IN (
      'GTC', 'IOC', 'FOK', 'DAY', 'GTD')),
  good_till_date timestamptz,
  execution_type varchar(20)
    CHECK (execution_type IN (
      'market', 'abook', 'bbook', 'hybrid')),
  routing_decision varchar(20),
  take_profit numeric(20,8),
  stop_loss numeric(20,8),
  is_reduce_only boolean DEFAULT false,
  is_post_only boolean DEFAULT false,
  commission numeric(20,8) DEFAULT 0.00,
  commission_currency varchar(10),
  slippage numeric(20,8),
  reject_reason text,
  lp_provider varchar(100),
  lp_order_id varchar(100),
  parent_order_id uuid
    REFERENCES orders (id),
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  submitted_at timestamptz,
  filled_at timestamptz,
  cancelled_at timestamptz,
  expired_at timestamptz,
  metadata jsonb,
  CONSTRAINT orders_filled CHECK (
    filled_quantity >= 0 AND filled_quantity <= quantity),
  CONSTRAINT orders_remaining CHECK (
    remaining_quantity >= 0 AND remaining_quantity <= quantity)
);

CREATE TABLE order_fills (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  order_id uuid NOT NULL
    REFERENCES orders (id) ON DELETE CASCADE,
  fill_price numeric(20,8) NOT NULL,
  fill_quantity numeric(20,8) NOT NULL,
  fill_commission numeric(20,8) DEFAULT 0.00,
  liquidity_type varchar(10) CHECK (liquidity_type IN ('maker', 'taker')),
  venue varchar(100),
  execution_id varchar(100),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE positions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id) ON DELETE CASCADE,
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  symbol varchar(20) NOT NULL,
  side varchar(10) NOT NULL CHECK (side IN ('long', 'short')),
  quantity numeric(20,8) NOT NULL CHECK (quantity >= 0),
  entry_price numeric(20,8) NOT NULL,
  current_price numeric(20,8),
  mark_price numeric(20,8),
  average_price numeric(20,8),
  liquidation_price numeric(20,8),
  margin_required numeric(20,8),
  unrealized_pnl numeric(20,8) DEFAULT 0.00,
  realized_pnl numeric(20,8) DEFAULT 0.00,
  commission_paid numeric(20,8) DEFAULT 0.00,
  swap_charges numeric(20,8) DEFAULT 0.00,
  stop_loss numeric(20,8),
  take_profit numeric(20,8),
  trailing_stop numeric(20,8),
  is_open boolean DEFAULT true,
  open_time timestamptz DEFAULT now(),
  close_time timestamptz,
  last_updated timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE trades (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid NOT NULL
    REFERENCES accounts (id) ON DELETE CASCADE,
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  position_id uuid
    REFERENCES positions (id),
  order_id uuid
    REFERENCES orders (id),
  symbol varchar(20) NOT NULL,
  side varchar(10) NOT NULL CHECK (side IN ('buy', 'sell')),
  quantity numeric(20,8) NOT NULL,
  price numeric(20,8) NOT NULL,
  value numeric(20,8) NOT NULL,
  commission numeric(20,8) DEFAULT 0.00,
  swap numeric(20,8) DEFAULT 0.00,
  pnl numeric(20,8),
  execution_type varchar(20)
    CHECK (execution_type IN (
      'market', 'abook', 'bbook', 'hybrid')),
  liquidity_type varchar(10) CHECK (liquidity_type IN ('maker', 'taker')),
  lp_provider varchar(100),
  venue varchar(100),
  execution_id varchar(100) UNIQUE,
  is_opening boolean DEFAULT true,
  executed_at timestamptz DEFAULT now(),
  created_at timestamptz DEFAULT now(),
  metadata jsonb
);

CREATE TABLE instruments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  symbol varchar(20) NOT NULL UNIQUE,
  display_name varchar(100),
  instrument_type varchar(20)
    CHECK (instrument_type IN (
      'forex', 'crypto', 'cfd', 'commodity', 'index', 'stock')),
  base_currency varchar(10),
  quote_currency varchar(10),
  tick_size numeric(20,8),
  min_quantity numeric(20,8),
  max_quantity numeric(20,8),
  quantity_step numeric(20,8),
  contract_size numeric(20,8) DEFAULT 1.00,
  leverage_max integer DEFAULT 100,
  margin_rate numeric(10,6),
  commission_rate numeric(10,6),
  swap_long numeric(20,8),
  swap_short numeric(20,8),
  is_tradable boolean DEFAULT true,
  is_active boolean DEFAULT true,
  trading_hours jsonb,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  metadata jsonb
);

-- millrace:down

DROP TABLE instruments;
DROP TABLE trades;
DROP TABLE positions;
DROP TABLE order_fills;
DROP TABLE orders;
DROP TABLE account_transactions;
DROP TABLE accounts;
DROP TABLE user_roles;
DROP TABLE users;
DROP FUNCTION update_last_updated_column();
DROP FUNCTION update_updated_at_column();
