-- description: exchanges and their markets

-- millrace:up

CREATE TABLE exchanges (
  id         serial PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  maker_fee  numeric(10,6),
  taker_fee  numeric(10,6),
  created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_exchanges_name ON exchanges (name);

CREATE TABLE markets (
  id             bigserial PRIMARY KEY,
  exchange_id    integer NOT NULL REFERENCES exchanges (id) ON DELETE CASCADE,
  symbol         text NOT NULL,
  base_currency  text,
  quote_currency text,
  contract_type  text,
  tick_size      numeric,
  lot_size       numeric,
  metadata       jsonb,
  created_at     timestamptz DEFAULT now(),
  UNIQUE (exchange_id, symbol)
);
CREATE INDEX idx_markets_exchange_id ON markets (exchange_id);
CREATE INDEX idx_markets_symbol ON markets (symbol);
CREATE INDEX idx_markets_exchange_symbol ON markets (exchange_id, symbol);

-- The exchanges that the first generation knew; more are in the set
-- perps-stats-exchanges. Fees are ratios; a negative one is a rebate.
INSERT INTO exchanges (name, maker_fee, taker_fee) VALUES
  ('binance', 0, 0.000084),
  ('bybit', 0, 0.0003),
  ('kucoin', -0.00005, 0.0002),
  ('lighter', 0, 0),
  ('paradex', 0.00002, 0.00005),
  ('hyperliquid', 0, 0.000144),
  ('cryptocom', NULL, NULL);

-- millrace:down

DROP TABLE markets;
DROP TABLE exchanges;
