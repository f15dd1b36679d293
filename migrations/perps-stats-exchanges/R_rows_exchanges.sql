-- description: all exchanges of the second generation, and their fees
--
-- Fees are ratios; a negative one is a rebate. A corrected one is corrected
-- here, and reaches rows that are there.

-- millrace:up

INSERT INTO exchanges (name, maker_fee, taker_fee) VALUES
  ('binance', 0, 0.000084),
  ('bybit', 0, 0.0003),
  ('extended', 0, 0.00025),
  ('kucoin', -0.00005, 0.0002),
  ('lighter', 0, 0),
  ('paradex', 0.00002, 0.00005),
  ('hyperliquid', 0, 0.000144),
  ('aster', 0, 0.00023),
  ('pacifica', 0, 0.00028),
  ('nado', -0.00008, 0.00015),
  ('gravity', -0.00003, 0.00024),
  ('01', 0, 0.0002),
  ('hotstuff', -0.00014, 0.0002),
  ('hibachi', 0, 0),
  ('qfex', 0, 0.00006),
  ('tradexyz', 0, 0.0000228),
  ('risex', 0, 0.000150)
ON CONFLICT (name) DO UPDATE
SET maker_fee = EXCLUDED.maker_fee, taker_fee = EXCLUDED.taker_fee;
