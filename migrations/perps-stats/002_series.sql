-- description: tickers, books, trades, funding, depth, candles, slippage
--
-- Partitioned by UTC day, with a default partition for what lies outside of
-- the days that were made. The columns of both generations; every table has
-- the natural key that makes a repeated record harmless.

-- millrace:up

-- best_bid and best_ask are the older generation's names.
CREATE TABLE tickers (
  id                     bigserial,
  exchange_id            integer NOT NULL REFERENCES exchanges (id),
  market_id              bigint,
  symbol                 text NOT NULL,
  last_price             numeric,
  mark_price             numeric,
  index_price            numeric,
  best_bid_price         numeric,
  best_bid_qty           numeric,
  best_ask_price         numeric,
  best_ask_qty           numeric,
  best_bid               numeric GENERATED ALWAYS AS (best_bid_price) STORED,
  best_ask               numeric GENERATED ALWAYS AS (best_ask_price) STORED,
  volume_24h             numeric,
  turnover_24h           numeric,
  open_interest          numeric,
  open_interest_notional numeric,
  price_change_24h       numeric,
  price_change_pct       numeric,
  high_24h               numeric,
  low_24h                numeric,
  ts                     timestamptz NOT NULL,
  received_at            timestamptz DEFAULT now(),
  PRIMARY KEY (id, ts),
  UNIQUE (exchange_id, symbol, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX idx_tickers_symbol_ts ON tickers (symbol, ts DESC);
CREATE INDEX idx_tickers_exchange_ts ON tickers (exchange_id, ts DESC);
CREATE INDEX idx_tickers_exchange_symbol_ts
  ON tickers (exchange_id, symbol, ts DESC);
CREATE TABLE tickers_default PARTITION OF tickers DEFAULT;

-- Null, not 0, where a side is empty or a figure is undefined.
CREATE TABLE orderbooks (
  id            bigserial,
  exchange_id   integer NOT NULL REFERENCES exchanges (id),
  market_id     bigint,
  symbol        text NOT NULL,
  bids_notional numeric,
  asks_notional numeric,
  raw_book      jsonb,
  spread_bps    double precision,
  bid_size      integer,
  ask_size      integer,
  best_bid      numeric,
  best_ask      numeric,
  best_bid_qty  numeric,
  best_ask_qty  numeric,
  ts            timestamptz NOT NULL,
  received_at   timestamptz DEFAULT now(),
  PRIMARY KEY (id, ts),
  CONSTRAINT orderbooks_unique UNIQUE (exchange_id, symbol, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX idx_orderbooks_symbol_ts ON orderbooks (symbol, ts DESC);
CREATE INDEX idx_orderbooks_exchange_ts ON orderbooks (exchange_id, ts DESC);
CREATE INDEX idx_orderbooks_exchange_symbol_ts
  ON orderbooks (exchange_id, symbol, ts DESC);
CREATE TABLE orderbooks_default PARTITION OF orderbooks DEFAULT;

CREATE TABLE trades (
  id          bigserial,
  exchange_id integer NOT NULL REFERENCES exchanges (id),
  market_id   bigint,
  symbol      text NOT NULL,
  trade_id    text,
  price       numeric NOT NULL,
  size        numeric NOT NULL,
  side        text,
  ts          timestamptz NOT NULL,
  received_at timestamptz DEFAULT now(),
  raw         jsonb,
  PRIMARY KEY (id, ts),
  UNIQUE (exchange_id, symbol, trade_id, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX idx_trades_symbol_ts ON trades (symbol, ts DESC);
CREATE INDEX idx_trades_exchange_ts ON trades (exchange_id, ts DESC);
CREATE INDEX idx_trades_exchange_symbol_ts
  ON trades (exchange_id, symbol, ts DESC);
CREATE TABLE trades_default PARTITION OF trades DEFAULT;

CREATE TABLE funding_rates (
  id          bigserial,
  exchange_id integer NOT NULL REFERENCES exchanges (id),
  market_id   bigint,
  symbol      text NOT NULL,
  rate        numeric NOT NULL,
  next_rate   numeric,
  ts          timestamptz NOT NULL,
  received_at timestamptz DEFAULT now(),
  raw         jsonb,
  PRIMARY KEY (id, ts),
  UNIQUE (exchange_id, symbol, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX idx_funding_symbol_ts ON funding_rates (symbol, ts DESC);
CREATE INDEX idx_funding_exchange_ts ON funding_rates (exchange_id, ts DESC);
CREATE INDEX idx_funding_exchange_symbol_ts
  ON funding_rates (exchange_id, symbol, ts DESC);
CREATE TABLE funding_rates_default PARTITION OF funding_rates DEFAULT;

CREATE TABLE open_interest (
  exchange_id   integer NOT NULL REFERENCES exchanges (id),
  symbol        text NOT NULL,
  open_interest numeric,
  open_value    numeric,
  ts            timestamptz NOT NULL,
  received_at   timestamptz DEFAULT now(),
  UNIQUE (exchange_id, symbol, ts)
) PARTITION BY RANGE (ts);
CREATE TABLE open_interest_default PARTITION OF open_interest DEFAULT;

CREATE TABLE liquidity_depth (
  exchange_id integer NOT NULL REFERENCES exchanges (id),
  symbol      text NOT NULL,
  mid_price   numeric NOT NULL,
  bid_1bps    numeric NOT NULL,
  bid_2_5bps  numeric NOT NULL,
  bid_5bps    numeric NOT NULL,
  bid_10bps   numeric NOT NULL,
  bid_20bps   numeric NOT NULL,
  bid_50bps   numeric,
  bid_100bps  numeric,
  ask_1bps    numeric NOT NULL,
  ask_2_5bps  numeric NOT NULL,
  ask_5bps    numeric NOT NULL,
  ask_10bps   numeric NOT NULL,
  ask_20bps   numeric NOT NULL,
  ask_50bps   numeric,
  ask_100bps  numeric,
  max_ask_bps numeric,
  max_bid_bps numeric,
  ts          timestamptz NOT NULL,
  received_at timestamptz DEFAULT now(),
  CONSTRAINT liquidity_depth_unique UNIQUE (exchange_id, symbol, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX idx_liquidity_depth_exchange_symbol_ts
  ON liquidity_depth (exchange_id, symbol, ts DESC);
CREATE INDEX idx_liquidity_depth_symbol_ts
  ON liquidity_depth (symbol, ts DESC);
CREATE INDEX idx_liquidity_depth_max_bps
  ON liquidity_depth (exchange_id, symbol, max_ask_bps, max_bid_bps);
CREATE TABLE liquidity_depth_default PARTITION OF liquidity_depth DEFAULT;

-- By open_time, so that the key by which a candle is replaced can be unique:
-- it has to contain the partition key. ts says the same.
CREATE TABLE klines (
  exchange_id  integer NOT NULL REFERENCES exchanges (id),
  symbol       text NOT NULL,
  interval     text NOT NULL,
  open_time    timestamptz NOT NULL,
  close_time   timestamptz NOT NULL,
  open_price   numeric NOT NULL,
  high_price   numeric NOT NULL,
  low_price    numeric NOT NULL,
  close_price  numeric NOT NULL,
  volume       numeric NOT NULL,
  quote_volume numeric NOT NULL,
  trade_count  integer,
  ts           timestamptz NOT NULL GENERATED ALWAYS AS (open_time) STORED,
  received_at  timestamptz DEFAULT now(),
  UNIQUE (exchange_id, symbol, interval, open_time)
) PARTITION BY RANGE (open_time);
CREATE INDEX idx_klines_exchange_symbol_interval_ts
  ON klines (exchange_id, symbol, interval, ts DESC);
CREATE INDEX idx_klines_open_time ON klines (open_time DESC);
CREATE TABLE klines_default PARTITION OF klines DEFAULT;

CREATE TABLE slippage (
  exchange_id       integer NOT NULL REFERENCES exchanges (id),
  symbol            text NOT NULL,
  ts                timestamptz NOT NULL DEFAULT now(),
  mid_price         numeric NOT NULL,
  trade_amount      numeric NOT NULL,
  buy_avg_price     numeric,
  buy_slippage_bps  numeric,
  buy_slippage_pct  numeric,
  buy_total_cost    numeric,
  buy_feasible      boolean NOT NULL,
  sell_avg_price    numeric,
  sell_slippage_bps numeric,
  sell_slippage_pct numeric,
  sell_total_cost   numeric,
  sell_feasible     boolean NOT NULL,
  received_at       timestamptz DEFAULT now(),
  CONSTRAINT slippage_unique UNIQUE (exchange_id, symbol, ts, trade_amount)
) PARTITION BY RANGE (ts);
CREATE INDEX idx_slippage_exchange_symbol_ts
  ON slippage (exchange_id, symbol, ts DESC);
CREATE INDEX idx_slippage_symbol_ts ON slippage (symbol, ts DESC);
CREATE INDEX idx_slippage_trade_amount ON slippage (trade_amount);
CREATE TABLE slippage_default PARTITION OF slippage DEFAULT;

CREATE TABLE kline_discovery_cache (
  id                 serial PRIMARY KEY,
  exchange_id        integer NOT NULL
                     REFERENCES exchanges (id) ON DELETE CASCADE,
  symbol             varchar(20) NOT NULL,
  interval           varchar(10) NOT NULL,
  earliest_timestamp timestamptz NOT NULL,
  discovered_at      timestamptz NOT NULL DEFAULT now(),
  api_calls_used     integer NOT NULL DEFAULT 0,
  duration_ms        integer NOT NULL DEFAULT 0,
  UNIQUE (exchange_id, symbol, interval)
);
CREATE INDEX idx_kline_discovery_cache_lookup
  ON kline_discovery_cache (exchange_id, symbol, interval);
CREATE INDEX idx_kline_discovery_cache_discovered_at
  ON kline_discovery_cache (discovered_at);

-- A row per written batch and per failure; status is ok, error or skipped.
CREATE TABLE ingest_events (
  id          bigserial PRIMARY KEY,
  exchange_id integer,
  market_id   bigint,
  symbol      text,
  event_type  text,
  status      text,
  message     text,
  ts          timestamptz DEFAULT now()
);
CREATE INDEX idx_ingest_events_ts ON ingest_events (ts DESC);
CREATE INDEX idx_ingest_events_status ON ingest_events (status);

-- millrace:down

DROP TABLE ingest_events;
DROP TABLE kline_discovery_cache;
DROP TABLE slippage;
DROP TABLE klines;
DROP TABLE liquidity_depth;
DROP TABLE open_interest;
DROP TABLE funding_rates;
DROP TABLE trades;
DROP TABLE orderbooks;
DROP TABLE tickers;
