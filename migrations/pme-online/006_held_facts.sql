-- description: how long facts have waited, and how to part with them

-- millrace:up

-- What lies and waits for an order or a trade that has not come. held_since is
-- when it was written: what is replayed from long ago has not waited long.
CREATE OR REPLACE VIEW held_facts AS
SELECT f.*, coalesce(l.created_at, f.kafka_time) AS held_since
FROM (
  SELECT kind, order_nid AS waits_for, kafka_time, kafka_partition,
         kafka_offset, 'order' AS parent
  FROM fact4_order_event e
  WHERE NOT EXISTS (SELECT FROM orders o WHERE o.nid = e.order_nid)
  UNION ALL
  SELECT kind, trade_nid, kafka_time, kafka_partition, kafka_offset, 'trade'
  FROM fact5_trade_event e
  WHERE NOT EXISTS (SELECT FROM trades t WHERE t.nid = e.trade_nid)
  UNION ALL
  SELECT 'Contract', CASE WHEN there THEN order_nid ELSE trade_nid END,
         kafka_time, kafka_partition, kafka_offset,
         CASE WHEN there THEN 'order' ELSE 'trade' END
  FROM (
    SELECT c.*, EXISTS (SELECT FROM trades t WHERE t.nid = c.trade_nid) AS there
    FROM fact5_contract c
    WHERE NOT EXISTS (SELECT FROM contracts k WHERE k.nid = c.nid)
  ) c
) f
LEFT JOIN event_log l
  ON l.kafka_partition = f.kafka_partition AND l.kafka_offset = f.kafka_offset
  AND l.timestamp = ms_of(f.kafka_time);

-- Removes facts that have waited for longer than `keep` and returns what they
-- were. The log keeps their events. An order or trade that comes after all
-- comes without them.
CREATE FUNCTION drop_held_facts(keep interval)
RETURNS SETOF held_facts LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  gone held_facts[];
  in_trades bigint[];
  in_orders bigint[];
BEGIN
  gone := ARRAY(SELECT h FROM held_facts h WHERE held_since < now() - keep);
  -- As a flush does it: trades before orders, each by their numbers. What was
  -- committed meanwhile may have brought the parent.
  in_trades := ARRAY(
    SELECT waits_for FROM unnest(gone) WHERE parent = 'trade'
    UNION
    SELECT c.trade_nid FROM unnest(gone) g JOIN fact5_contract c
      USING (kafka_time, kafka_partition, kafka_offset)
    WHERE g.kind = 'Contract' ORDER BY 1);
  in_orders := ARRAY(
    SELECT waits_for FROM unnest(gone) WHERE parent = 'order'
    UNION
    SELECT c.order_nid FROM unnest(gone) g JOIN fact5_contract c
      USING (kafka_time, kafka_partition, kafka_offset)
    WHERE g.kind = 'Contract' ORDER BY 1);
  PERFORM FROM trade_key WHERE nid = ANY (in_trades)
  ORDER BY nid FOR NO KEY UPDATE;
  PERFORM FROM order_key WHERE nid = ANY (in_orders)
  ORDER BY nid FOR NO KEY UPDATE;
  gone := ARRAY(SELECT h FROM held_facts h WHERE held_since < now() - keep
                  AND waits_for = ANY (CASE parent WHEN 'trade'
                                       THEN in_trades ELSE in_orders END));
  DELETE FROM fact4_order_event f USING unnest(gone) g
  WHERE g.kind LIKE 'Order%' AND f.order_nid = g.waits_for
    AND (f.kafka_time, f.kafka_partition, f.kafka_offset)
        = (g.kafka_time, g.kafka_partition, g.kafka_offset);
  DELETE FROM fact5_trade_event f USING unnest(gone) g
  WHERE g.kind LIKE 'Trade%' AND f.trade_nid = g.waits_for
    AND (f.kafka_time, f.kafka_partition, f.kafka_offset)
        = (g.kafka_time, g.kafka_partition, g.kafka_offset);
  DELETE FROM fact5_contract f USING unnest(gone) g
  WHERE g.kind = 'Contract'
    AND (f.kafka_time, f.kafka_partition, f.kafka_offset)
        = (g.kafka_time, g.kafka_partition, g.kafka_offset)
    AND NOT EXISTS (SELECT FROM contracts k WHERE k.nid = f.nid);
  -- Contracts without their trade counted for their order until now.
  IF cardinality(in_trades) + cardinality(in_orders) > 0 THEN
    INSERT INTO touched (trades, orders) VALUES (in_trades, in_orders);
  END IF;
  RETURN QUERY SELECT * FROM unnest(gone);
END
$$;

-- millrace:down

DROP FUNCTION drop_held_facts(interval);
DROP VIEW held_facts;
CREATE VIEW held_facts AS
SELECT kind, order_nid AS waits_for, kafka_time, kafka_partition, kafka_offset
FROM fact4_order_event e
WHERE NOT EXISTS (SELECT FROM orders o WHERE o.nid = e.order_nid)
UNION ALL
SELECT kind, trade_nid, kafka_time, kafka_partition, kafka_offset
FROM fact5_trade_event e
WHERE NOT EXISTS (SELECT FROM trades t WHERE t.nid = e.trade_nid)
UNION ALL
SELECT 'Contract',
       CASE WHEN EXISTS (SELECT FROM trades t WHERE t.nid = c.trade_nid)
            THEN c.order_nid ELSE c.trade_nid END,
       kafka_time, kafka_partition, kafka_offset
FROM fact5_contract c
WHERE NOT EXISTS (SELECT FROM contracts k WHERE k.nid = c.nid);
