-- description: the exchanges that the first generation knew, and their fees
--
-- Fees are ratios; a negative one is a rebate. A corrected one is corrected
-- here, and reaches rows that are there.

-- millrace:up

INSERT INTO exchanges AS t (name, maker_fee, taker_fee) VALUES
  ('binance', 0, 0.000084),
  ('bybit', 0, 0.0003),
  ('kucoin', -0.00005, 0.0002),
  ('lighter', 0, 0),
  ('paradex', 0.00002, 0.00005),
  ('hyperliquid', 0, 0.000144),
  ('cryptocom', NULL, NULL)
ON CONFLICT (name) DO UPDATE
SET maker_fee = coalesce(EXCLUDED.maker_fee, t.maker_fee),
    taker_fee = coalesce(EXCLUDED.taker_fee, t.taker_fee);
