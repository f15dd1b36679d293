-- description: the exchanges of the second generation
--
-- Goes with the pack perps-stats. Their fees are in R_rows_exchanges.sql.

-- millrace:up

INSERT INTO exchanges (name) VALUES
  ('extended'), ('aster'), ('pacifica'), ('nado'), ('gravity'), ('01'),
  ('hotstuff'), ('hibachi'), ('qfex'), ('tradexyz'), ('risex')
ON CONFLICT (name) DO NOTHING;

-- millrace:down

-- Those of the pack itself stay.
DELETE FROM exchanges WHERE name IN (
  'extended', 'aster', 'pacifica', 'nado', 'gravity', '01', 'hotstuff',
  'hibachi', 'qfex', 'tradexyz', 'risex');
