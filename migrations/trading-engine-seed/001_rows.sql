-- description: users, instruments, accounts and rules to try things with
--
-- Goes with the pack trading-engine; not for production. Repeated, it adds
-- nothing. Nobody can log in with these password hashes.

-- millrace:up

INSERT INTO users (id, username, email, password_hash, kyc_status, is_verified)
VALUES
  ('11111111-1111-1111-1111-111111111111', 'admin', 'admin@tradingengine.com',
   'no login', 'approved', true),
  ('22222222-2222-2222-2222-222222222222', 'trader1', 'trader1@example.com',
   'no login', 'approved', true),
  ('33333333-3333-3333-3333-333333333333', 'trader2', 'trader2@example.com',
   'no login', 'approved', true),
  ('44444444-4444-4444-4444-444444444444', 'demo', 'demo@example.com',
   'no login', 'pending', false)
ON CONFLICT DO NOTHING;

INSERT INTO user_roles (user_id, role) VALUES
  ('11111111-1111-1111-1111-111111111111', 'super_admin'),
  ('11111111-1111-1111-1111-111111111111', 'risk_manager'),
  ('22222222-2222-2222-2222-222222222222', 'trader'),
  ('33333333-3333-3333-3333-333333333333', 'trader'),
  ('44444444-4444-4444-4444-444444444444', 'user')
ON CONFLICT DO NOTHING;

INSERT INTO instruments
  (symbol, display_name, instrument_type, base_currency, quote_currency,
   tick_size, min_quantity, max_quantity, contract_size, leverage_max)
VALUES
  ('EURUSD', 'EUR/USD', 'forex', 'EUR', 'USD', 0.00001, 0.01, 100,
   100000, 500),
  ('GBPUSD', 'GBP/USD', 'forex', 'GBP', 'USD', 0.00001, 0.01, 100,
   100000, 500),
  ('USDJPY', 'USD/JPY', 'forex', 'USD', 'JPY', 0.001, 0.01, 100,
   100000, 500),
  ('AUDUSD', 'AUD/USD', 'forex', 'AUD', 'USD', 0.00001, 0.01, 100,
   100000, 500),
  ('BTCUSD', 'Bitcoin/USD', 'crypto', 'BTC', 'USD', 0.01, 0.0001, 10,
   1, 100),
  ('ETHUSD', 'Ethereum/USD', 'crypto', 'ETH', 'USD', 0.01, 0.001, 100,
   1, 100),
  ('BNBUSD', 'Binance Coin/USD', 'crypto', 'BNB', 'USD', 0.01, 0.01, 1000,
   1, 100),
  ('XRPUSD', 'Ripple/USD', 'crypto', 'XRP', 'USD', 0.0001, 1, 100000,
   1, 100),
  ('SOLUSD', 'Solana/USD', 'crypto', 'SOL', 'USD', 0.01, 0.1, 1000,
   1, 100),
  ('XAUUSD', 'Gold/USD', 'commodity', 'XAU', 'USD', 0.01, 0.01, 100,
   100, 200),
  ('XAGUSD', 'Silver/USD', 'commodity', 'XAG', 'USD', 0.001, 0.1, 1000,
   5000, 200),
  ('WTICOUSD', 'WTI Crude Oil', 'commodity', 'WTI', 'USD', 0.01, 0.01, 100,
   1000, 100),
  ('SPX500USD', 'S&P 500', 'index', 'SPX', 'USD', 0.01, 0.01, 100,
   50, 100),
  ('NAS100USD', 'Nasdaq 100', 'index', 'NAS', 'USD', 0.01, 0.01, 100,
   20, 100),
  ('US30USD', 'Dow Jones', 'index', 'DJI', 'USD', 0.01, 0.01, 100,
   5, 100)
ON CONFLICT DO NOTHING;

INSERT INTO accounts (id, user_id, account_number, account_type, balance,
                      leverage)
VALUES
  ('aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa',
   '22222222-2222-2222-2222-222222222222',
   'ACC-000001', 'live', 10000, 100),
  ('bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb',
   '33333333-3333-3333-3333-333333333333',
   'ACC-000002', 'live', 25000, 200),
  ('cccccccc-cccc-cccc-cccc-cccccccccccc',
   '44444444-4444-4444-4444-444444444444',
   'ACC-DEMO-001', 'demo', 100000, 500),
  ('dddddddd-dddd-dddd-dddd-dddddddddddd',
   '22222222-2222-2222-2222-222222222222',
   'ACC-000003', 'margin', 50000, 50)
ON CONFLICT DO NOTHING;

INSERT INTO liquidity_providers
  (id, name, provider_type, protocol, priority, is_active, connection_status)
VALUES
  ('e1e1e1e1-e1e1-e1e1-e1e1-e1e1e1e1e1e1', 'Binance', 'exchange', 'REST', 90,
   true, 'connected'),
  ('e2e2e2e2-e2e2-e2e2-e2e2-e2e2e2e2e2e2', 'OANDA', 'market_maker', 'REST', 85,
   true, 'connected'),
  ('e3e3e3e3-e3e3-e3e3-e3e3-e3e3e3e3e3e3', 'Prime Broker A', 'prime_broker',
   'FIX', 100, true, 'connected'),
  ('e4e4e4e4-e4e4-e4e4-e4e4-e4e4e4e4e4e4', 'Aggregator XYZ', 'aggregator',
   'WEBSOCKET', 80, true, 'connected')
ON CONFLICT DO NOTHING;

INSERT INTO sor_rules (rule_name, rule_type, priority, conditions, actions)
VALUES
  ('High Value Crypto to A-Book', 'abook', 100,
   '{"instrument_type": "crypto", "order_value_min": 10000}',
   '{"route_to": "abook", "lp_priority": ["Binance", "Prime Broker A"]}'),
  ('Small Forex to B-Book', 'bbook', 90,
   '{"instrument_type": "forex", "order_value_max": 1000}',
   '{"route_to": "bbook"}'),
  ('Demo Accounts to B-Book', 'bbook', 95,
   '{"account_type": "demo"}', '{"route_to": "bbook"}'),
  ('VIP Clients to A-Book', 'abook', 100,
   '{"profile_type": "vip"}',
   '{"route_to": "abook", "priority_execution": true}')
ON CONFLICT DO NOTHING;

INSERT INTO risk_limits (limit_type, entity_type, limit_value,
                         warning_threshold)
VALUES
  ('daily_loss', 'global', 100000, 80000),
  ('max_drawdown', 'global', 50000, 40000),
  ('position_size', 'global', 1000000, 800000),
  ('account_leverage', 'global', 500, 400),
  ('open_positions', 'global', 1000, 800)
ON CONFLICT DO NOTHING;

INSERT INTO circuit_breakers
  (breaker_name, breaker_type, scope, trigger_condition, threshold_value,
   action)
VALUES
  ('Global Volatility Breaker', 'volatility', 'global',
   '{"volatility_spike": 0.1}', 0.1, 'halt_trading'),
  ('Daily Loss Limit', 'loss_limit', 'global',
   '{"daily_loss": 100000}', 100000, 'reject_orders'),
  ('Price Movement Crypto', 'price_movement', 'symbol',
   '{"price_change_pct": 0.15}', 0.15, 'reduce_positions')
ON CONFLICT DO NOTHING;

-- millrace:down

DELETE FROM circuit_breakers WHERE breaker_name IN (
  'Global Volatility Breaker', 'Daily Loss Limit', 'Price Movement Crypto');
DELETE FROM risk_limits WHERE entity_type = 'global' AND entity_id IS NULL
  AND limit_type IN ('daily_loss', 'max_drawdown', 'position_size',
                     'account_leverage', 'open_positions');
DELETE FROM sor_rules WHERE rule_name IN (
  'High Value Crypto to A-Book', 'Small Forex to B-Book',
  'Demo Accounts to B-Book', 'VIP Clients to A-Book');
DELETE FROM liquidity_providers WHERE name IN (
  'Binance', 'OANDA', 'Prime Broker A', 'Aggregator XYZ');
DELETE FROM accounts WHERE account_number IN (
  'ACC-000001', 'ACC-000002', 'ACC-DEMO-001', 'ACC-000003');
DELETE FROM instruments WHERE symbol IN (
  'EURUSD', 'GBPUSD', 'USDJPY', 'AUDUSD', 'BTCUSD', 'ETHUSD', 'BNBUSD',
  'XRPUSD', 'SOLUSD', 'XAUUSD', 'XAGUSD', 'WTICOUSD',
  'SPX500USD', 'NAS100USD', 'US30USD');
DELETE FROM users WHERE username IN ('admin', 'trader1', 'trader2', 'demo');
