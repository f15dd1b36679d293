-- description: indexes, statistics and triggers of the core tables
--
-- Partial indexes serve only queries that repeat their condition. What a unique
-- key or another index serves has none of its own.

-- millrace:up

CREATE INDEX idx_users_is_active ON users (is_active)
  WHERE deleted_at IS NULL;
CREATE INDEX idx_users_kyc_status ON users (kyc_status);
CREATE INDEX idx_users_created_at ON users (created_at DESC);
CREATE INDEX idx_users_email_trgm ON users USING gin (email gin_trgm_ops);

CREATE INDEX idx_user_roles_user_id ON user_roles (user_id);
CREATE INDEX idx_user_roles_role ON user_roles (role);
CREATE INDEX idx_user_roles_expires_at ON user_roles (expires_at)
  WHERE expires_at IS NOT NULL;

CREATE INDEX idx_accounts_user_id ON accounts (user_id)
  WHERE deleted_at IS NULL;
CREATE INDEX idx_accounts_account_type ON accounts (account_type)
  WHERE deleted_at IS NULL;
CREATE INDEX idx_accounts_is_active ON accounts (is_active)
  WHERE deleted_at IS NULL;
CREATE INDEX idx_accounts_broker_id ON accounts (broker_id)
  WHERE broker_id IS NOT NULL;
CREATE INDEX idx_accounts_created_at ON accounts (created_at DESC);

CREATE INDEX idx_account_transactions_account_id
  ON account_transactions (account_id);
CREATE INDEX idx_account_transactions_type
  ON account_transactions (transaction_type);
CREATE INDEX idx_account_transactions_status ON account_transactions (status);
CREATE INDEX idx_account_transactions_created_at
  ON account_transactions (created_at DESC);
CREATE INDEX idx_account_transactions_reference
  ON account_transactions (reference_id, reference_type)
  WHERE reference_id IS NOT NULL;
CREATE INDEX idx_account_transactions_processed_at
  ON account_transactions (processed_at DESC)
  WHERE processed_at IS NOT NULL;
CREATE INDEX idx_account_transactions_metadata
  ON account_transactions USING gin (metadata)
  WHERE metadata IS NOT NULL;

CREATE INDEX idx_orders_account_id ON orders (account_id);
CREATE INDEX idx_orders_user_id ON orders (user_id);
CREATE INDEX idx_orders_symbol ON orders (symbol);
CREATE INDEX idx_orders_status ON orders (status);
CREATE INDEX idx_orders_client_order_id ON orders (client_order_id)
  WHERE client_order_id IS NOT NULL;
CREATE INDEX idx_orders_lp_order_id ON orders (lp_order_id)
  WHERE lp_order_id IS NOT NULL;
CREATE INDEX idx_orders_parent_order_id ON orders (parent_order_id)
  WHERE parent_order_id IS NOT NULL;
CREATE INDEX idx_orders_created_at ON orders (created_at DESC);
CREATE INDEX idx_orders_submitted_at ON orders (submitted_at DESC)
  WHERE submitted_at IS NOT NULL;
CREATE INDEX idx_orders_filled_at ON orders (filled_at DESC)
  WHERE filled_at IS NOT NULL;
CREATE INDEX idx_orders_account_symbol_status
  ON orders (account_id, symbol, status);
CREATE INDEX idx_orders_symbol_status_created
  ON orders (symbol, status, created_at DESC);
CREATE INDEX idx_orders_user_status_created
  ON orders (user_id, status, created_at DESC);
CREATE INDEX idx_orders_metadata ON orders USING gin (metadata)
  WHERE metadata IS NOT NULL;

CREATE INDEX idx_order_fills_order_id ON order_fills (order_id);
CREATE INDEX idx_order_fills_created_at ON order_fills (created_at DESC);
CREATE INDEX idx_order_fills_execution_id ON order_fills (execution_id)
  WHERE execution_id IS NOT NULL;
CREATE INDEX idx_order_fills_venue ON order_fills (venue)
  WHERE venue IS NOT NULL;

CREATE INDEX idx_positions_account_id ON positions (account_id);
CREATE INDEX idx_positions_user_id ON positions (user_id);
CREATE INDEX idx_positions_symbol ON positions (symbol);
CREATE INDEX idx_positions_is_open ON positions (is_open);
CREATE INDEX idx_positions_open_time ON positions (open_time DESC);
CREATE INDEX idx_positions_close_time ON positions (close_time DESC)
  WHERE close_time IS NOT NULL;
CREATE INDEX idx_positions_user_is_open ON positions (user_id, is_open);
CREATE INDEX idx_positions_symbol_is_open ON positions (symbol, is_open);
CREATE INDEX idx_positions_metadata ON positions USING gin (metadata)
  WHERE metadata IS NOT NULL;
CREATE UNIQUE INDEX positions_one_open ON positions (account_id, symbol, side)
  WHERE is_open;

CREATE INDEX idx_trades_account_id ON trades (account_id);
CREATE INDEX idx_trades_user_id ON trades (user_id);
CREATE INDEX idx_trades_position_id ON trades (position_id)
  WHERE position_id IS NOT NULL;
CREATE INDEX idx_trades_order_id ON trades (order_id)
  WHERE order_id IS NOT NULL;
CREATE INDEX idx_trades_symbol ON trades (symbol);
CREATE INDEX idx_trades_executed_at ON trades (executed_at DESC);
CREATE INDEX idx_trades_created_at ON trades (created_at DESC);
CREATE INDEX idx_trades_account_symbol_executed
  ON trades (account_id, symbol, executed_at DESC);
CREATE INDEX idx_trades_user_executed ON trades (user_id, executed_at DESC);
CREATE INDEX idx_trades_symbol_executed ON trades (symbol, executed_at DESC);
CREATE INDEX idx_trades_metadata ON trades USING gin (metadata)
  WHERE metadata IS NOT NULL;

CREATE INDEX idx_instruments_type ON instruments (instrument_type)
  WHERE is_active;
CREATE INDEX idx_instruments_is_tradable ON instruments (is_tradable);
CREATE INDEX idx_instruments_base_currency ON instruments (base_currency)
  WHERE is_active;
CREATE INDEX idx_instruments_quote_currency ON instruments (quote_currency)
  WHERE is_active;
CREATE INDEX idx_instruments_metadata ON instruments USING gin (metadata)
  WHERE metadata IS NOT NULL;
CREATE INDEX idx_instruments_display_name_trgm
  ON instruments USING gin (display_name gin_trgm_ops);

CREATE OR REPLACE TRIGGER update_users_updated_at BEFORE UPDATE ON users
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_accounts_updated_at BEFORE UPDATE ON accounts
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_account_transactions_updated_at BEFORE UPDATE
  ON account_transactions
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_orders_updated_at BEFORE UPDATE ON orders
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE OR REPLACE TRIGGER update_positions_updated_at BEFORE UPDATE ON positions
FOR EACH ROW EXECUTE FUNCTION update_last_updated_column();
CREATE OR REPLACE TRIGGER update_instruments_updated_at BEFORE UPDATE
  ON instruments
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

ALTER TABLE orders ALTER COLUMN symbol SET STATISTICS 1000;
ALTER TABLE orders ALTER COLUMN status SET STATISTICS 1000;
ALTER TABLE positions ALTER COLUMN symbol SET STATISTICS 1000;
ALTER TABLE trades ALTER COLUMN symbol SET STATISTICS 1000;

-- millrace:down

ALTER TABLE trades ALTER COLUMN symbol SET STATISTICS DEFAULT;
ALTER TABLE positions ALTER COLUMN symbol SET STATISTICS DEFAULT;
ALTER TABLE orders ALTER COLUMN status SET STATISTICS DEFAULT;
ALTER TABLE orders ALTER COLUMN symbol SET STATISTICS DEFAULT;
DROP TRIGGER update_instruments_updated_at ON instruments;
DROP TRIGGER update_positions_updated_at ON positions;
DROP TRIGGER update_orders_updated_at ON orders;
DROP TRIGGER update_account_transactions_updated_at ON account_transactions;
DROP TRIGGER update_accounts_updated_at ON accounts;
DROP TRIGGER update_users_updated_at ON users;
DROP INDEX idx_instruments_display_name_trgm;
DROP INDEX idx_instruments_metadata;
DROP INDEX idx_instruments_quote_currency;
DROP INDEX idx_instruments_base_currency;
DROP INDEX idx_instruments_is_tradable;
DROP INDEX idx_instruments_type;
DROP INDEX idx_trades_metadata;
DROP INDEX idx_trades_symbol_executed;
DROP INDEX idx_trades_user_executed;
DROP INDEX idx_trades_account_symbol_executed;
DROP INDEX idx_trades_created_at;
DROP INDEX idx_trades_executed_at;
DROP INDEX idx_trades_symbol;
DROP INDEX idx_trades_order_id;
DROP INDEX idx_trades_position_id;
DROP INDEX idx_trades_user_id;
DROP INDEX idx_trades_account_id;
DROP INDEX positions_one_open;
DROP INDEX idx_positions_metadata;
DROP INDEX idx_positions_symbol_is_open;
DROP INDEX idx_positions_user_is_open;
DROP INDEX idx_positions_close_time;
DROP INDEX idx_positions_open_time;
DROP INDEX idx_positions_is_open;
DROP INDEX idx_positions_symbol;
DROP INDEX idx_positions_user_id;
DROP INDEX idx_positions_account_id;
DROP INDEX idx_order_fills_venue;
DROP INDEX idx_order_fills_execution_id;
DROP INDEX idx_order_fills_created_at;
DROP INDEX idx_order_fills_order_id;
DROP INDEX idx_orders_metadata;
DROP INDEX idx_orders_user_status_created;
DROP INDEX idx_orders_symbol_status_created;
DROP INDEX idx_orders_account_symbol_status;
DROP INDEX idx_orders_filled_at;
DROP INDEX idx_orders_submitted_at;
DROP INDEX idx_orders_created_at;
DROP INDEX idx_orders_parent_order_id;
DROP INDEX idx_orders_lp_order_id;
DROP INDEX idx_orders_client_order_id;
DROP INDEX idx_orders_status;
DROP INDEX idx_orders_symbol;
DROP INDEX idx_orders_user_id;
DROP INDEX idx_orders_account_id;
DROP INDEX idx_account_transactions_metadata;
DROP INDEX idx_account_transactions_processed_at;
DROP INDEX idx_account_transactions_reference;
DROP INDEX idx_account_transactions_created_at;
DROP INDEX idx_account_transactions_status;
DROP INDEX idx_account_transactions_type;
DROP INDEX idx_account_transactions_account_id;
DROP INDEX idx_accounts_created_at;
DROP INDEX idx_accounts_broker_id;
DROP INDEX idx_accounts_is_active;
DROP INDEX idx_accounts_account_type;
DROP INDEX idx_accounts_user_id;
DROP INDEX idx_user_roles_expires_at;
DROP INDEX idx_user_roles_role;
DROP INDEX idx_user_roles_user_id;
DROP INDEX idx_users_email_trgm;
DROP INDEX idx_users_created_at;
DROP INDEX idx_users_kyc_status;
DROP INDEX idx_users_is_active;
