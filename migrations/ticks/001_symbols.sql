-- description: symbols, with the ids of the pack's code table

-- millrace:up

CREATE TABLE symbols (
  symbol_id      bigint PRIMARY KEY,
  symbol_name    varchar(50) NOT NULL UNIQUE,
  description    text,
  digits         int NOT NULL DEFAULT 5,
  tick_size      numeric(20, 8) NOT NULL,
  contract_size  numeric(20, 8),
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  last_synced_at timestamptz
);

CREATE INDEX idx_symbols_last_synced ON symbols (last_synced_at);

-- The same ids as [pipeline.ticks.codes.symbols]: 1 and 41 are the feed's
-- own, the rest counts from 1001 in the order of the names.
INSERT INTO symbols (symbol_id, symbol_name, digits, tick_size) VALUES
  (1, 'EURUSD', 5, 0.00001),
  (41, 'XAUUSD', 2, 0.01),
  (1001, 'AUDCAD', 5, 0.00001),
  (1002, 'AUDCHF', 5, 0.00001),
  (1003, 'AUDHKD', 5, 0.00001),
  (1004, 'AUDJPY', 3, 0.001),
  (1005, 'AUDNZD', 5, 0.00001),
  (1006, 'AUDSGD', 5, 0.00001),
  (1007, 'AUDUSD', 5, 0.00001),
  (1008, 'CADCHF', 5, 0.00001),
  (1009, 'CHFJPY', 3, 0.001),
  (1010, 'EURAUD', 5, 0.00001),
  (1011, 'EURCAD', 5, 0.00001),
  (1012, 'EURCHF', 5, 0.00001),
  (1013, 'EURGBP', 5, 0.00001),
  (1014, 'EURJPY', 3, 0.001),
  (1015, 'GBPCHF', 5, 0.00001),
  (1016, 'GBPJPY', 3, 0.001),
  (1017, 'GBPUSD', 5, 0.00001),
  (1018, 'NZDUSD', 5, 0.00001),
  (1019, 'USDCAD', 5, 0.00001),
  (1020, 'USDCHF', 5, 0.00001);

-- millrace:down

DROP TABLE symbols;
