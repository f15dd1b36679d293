-- description: orders, trades and contracts, derived from their facts
--
-- The state of an order, a trade or a contract is the fold of its facts in the
-- order of (kafka_time, kafka_partition, kafka_offset), whatever the order in
-- which they came. Statements on facts only note what they touched; what was
-- touched is derived once, at the end of the transaction, in `settle`.

-- millrace:up

-- One row per order and trade that a fact names, whether it is there already
-- or not: what transactions lock that derive it.
CREATE TABLE order_key (
  nid bigint PRIMARY KEY
);

-- dropped_*: the fact that rejected the trade, null when none did.
CREATE TABLE trade_key (
  nid               bigint PRIMARY KEY,
  dropped_time      timestamptz,
  dropped_partition int,
  dropped_offset    bigint
);

-- Whose a business reference is.
CREATE TABLE trade_reff (
  kpei_reff varchar(100) PRIMARY KEY,
  trade_nid bigint NOT NULL
);

-- Holds rows within a transaction only.
CREATE UNLOGGED TABLE touched (
  xid    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  trades bigint[] NOT NULL,
  orders bigint[] NOT NULL
) WITH (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- -- the folds ----------------------------------------------------------------

CREATE TYPE order_fold AS (state text, done numeric, withdraw_reff text);

CREATE FUNCTION order_step(
  s order_fold, kind text, amount numeric, whole numeric, reff text)
RETURNS order_fold LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  CASE kind
    WHEN 'OrderAck' THEN
      IF s.state IN ('S', 'G') THEN s.state := 'O'; END IF;
    WHEN 'OrderNak' THEN
      IF s.state IN ('S', 'G') THEN s.state := 'R'; END IF;
    WHEN 'OrderPending' THEN
      IF s.state = 'S' THEN s.state := 'G'; END IF;
    WHEN 'OrderWithdraw' THEN
      s.withdraw_reff := reff;
    WHEN 'OrderWithdrawNak' THEN
      s.withdraw_reff := NULL;
    WHEN 'OrderWithdrawAck' THEN
      IF s.state IN ('O', 'P') THEN s.state := 'W'; END IF;
    WHEN 'amended' THEN
      IF s.state IN ('O', 'P') THEN s.state := 'A'; END IF;
    WHEN 'matched' THEN
      s.done := s.done + amount;
      IF s.state IN ('O', 'P', 'M') THEN
        s.state := CASE WHEN s.done <= 0 THEN 'O'
                        WHEN s.done >= whole THEN 'M' ELSE 'P' END;
      END IF;
    ELSE
      NULL;
  END CASE;
  RETURN s;
END
$$;

CREATE AGGREGATE fold_order(text, numeric, numeric, text) (
  SFUNC = order_step, STYPE = order_fold, INITCOND = '(S,0,)'
);

CREATE TYPE trade_fold AS (
  state text, closed_at timestamptz,
  dropped_time timestamptz, dropped_partition int, dropped_offset bigint);

CREATE FUNCTION trade_step(
  s trade_fold, kind text, at timestamptz, part int, off bigint)
RETURNS trade_fold LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF kind = 'TradeWait' AND s.state IN ('S', 'E') THEN
    s.state := 'E';
  ELSIF kind = 'TradeAck' AND s.state IN ('S', 'E') THEN
    s.state := 'O';
  ELSIF kind = 'TradeNak' AND s.state IN ('S', 'E') THEN
    s.state := 'R';
    s.dropped_time := at;
    s.dropped_partition := part;
    s.dropped_offset := off;
  ELSIF kind = 'TradeReimburse' AND s.state = 'O' THEN
    s.state := 'C';
    s.closed_at := at;
  END IF;
  RETURN s;
END
$$;

CREATE AGGREGATE fold_trade(text, timestamptz, int, bigint) (
  SFUNC = trade_step, STYPE = trade_fold, INITCOND = '(S,,,,)'
);

-- A contract goes with its trade; a Contract event may also move it, to `goal`.
CREATE TYPE contract_fold AS (state text, closed_at timestamptz);

CREATE FUNCTION contract_step(
  s contract_fold, kind text, goal text, at timestamptz)
RETURNS contract_fold LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  wanted text := CASE kind WHEN 'TradeWait' THEN 'E' WHEN 'TradeAck' THEN 'O'
                           WHEN 'TradeNak' THEN 'R'
                           WHEN 'TradeReimburse' THEN 'C' ELSE goal END;
BEGIN
  IF (s.state IN ('S', 'E') AND wanted IN ('E', 'O', 'R'))
     OR (s.state = 'O' AND wanted IN ('C', 'T')) THEN
    s.state := wanted;
    IF kind = 'TradeReimburse' THEN s.closed_at := at; END IF;
  END IF;
  RETURN s;
END
$$;

CREATE AGGREGATE fold_contract(text, text, timestamptz) (
  SFUNC = contract_step, STYPE = contract_fold, INITCOND = '(S,)'
);

-- Null for what the source sends as "not given".
CREATE FUNCTION given(t timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN t >= '0002-01-01 00:00:00+00' THEN t END;

CREATE FUNCTION given(days int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN days >= 0 THEN days END;

-- -- from facts to rows -------------------------------------------------------
--
-- Each statement is planned for the keys that it has, by EXECUTE, which costs it
-- a few milliseconds. A plan for any array takes it for ten keys and joins the
-- rows of a flush each with each.

-- The caller holds the keys of these trades.
CREATE FUNCTION derive_trades(nids bigint[]) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  EXECUTE $sql$
  WITH moves AS (
    SELECT trade_nid,
           fold_trade(kind, kafka_time, kafka_partition, kafka_offset
             ORDER BY kafka_time, kafka_partition, kafka_offset) AS fold,
           (array_agg(message
             ORDER BY kafka_time, kafka_partition, kafka_offset)
             FILTER (WHERE kind = 'TradeNak'))[1] AS message,
           max(kafka_time) AS newest
    FROM fact5_trade_event WHERE trade_nid = ANY ($1)
    GROUP BY trade_nid
  ), now_is AS (
    SELECT DISTINCT ON (f.nid) f.nid, f.kpei_reff, f.instrument_code,
           f.quantity, given(f.periode) AS periode,
           coalesce((m.fold).state, 'S') AS state, f.fee_flat_rate,
           f.fee_borr_rate, f.fee_lend_rate, f.matched_at,
           coalesce((m.fold).closed_at, given(f.reimburse_at)) AS reimburse_at,
           ms_of(greatest(f.kafka_time, m.newest)) AS last_update, m.message
    FROM fact4_trade f LEFT JOIN moves m ON m.trade_nid = f.nid
    WHERE f.nid = ANY ($1)
    ORDER BY f.nid, f.kafka_time, f.kafka_partition, f.kafka_offset
  ), dropped AS (
    -- A rejection waits for its trade, as any fact does.
    UPDATE trade_key k
    SET dropped_time = (m.fold).dropped_time,
        dropped_partition = (m.fold).dropped_partition,
        dropped_offset = (m.fold).dropped_offset
    FROM moves m JOIN now_is n ON n.nid = m.trade_nid
    WHERE k.nid = m.trade_nid
      AND (k.dropped_time, k.dropped_partition, k.dropped_offset)
          IS DISTINCT FROM ((m.fold).dropped_time, (m.fold).dropped_partition,
                            (m.fold).dropped_offset)
  ), changed AS (
    UPDATE trades t
    SET kpei_reff = n.kpei_reff, instrument_code = n.instrument_code,
        quantity = n.quantity, periode = n.periode, state = n.state,
        fee_flat_rate = n.fee_flat_rate, fee_borr_rate = n.fee_borr_rate,
        fee_lend_rate = n.fee_lend_rate, matched_at = n.matched_at,
        reimburse_at = n.reimburse_at, last_update = n.last_update,
        message = n.message
    FROM now_is n WHERE t.nid = n.nid
  )
  INSERT INTO trades
    (nid, kpei_reff, instrument_code, quantity, periode, state, fee_flat_rate,
     fee_borr_rate, fee_lend_rate, matched_at, reimburse_at, last_update,
     message)
  SELECT n.* FROM now_is n
  WHERE NOT EXISTS (SELECT FROM trades t WHERE t.nid = n.nid)
  ORDER BY n.nid
  $sql$ USING nids;
END
$$;

-- The caller holds the keys of these orders. Every fact that an order depends
-- on is written by a transaction that locks its key: its own events, the
-- acknowledgements of those that amend it, its contracts, and what becomes of
-- their trades.
CREATE FUNCTION derive_orders(nids bigint[]) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  EXECUTE $sql$
  WITH first AS (
    SELECT DISTINCT ON (nid) *
    FROM fact3_order WHERE nid = ANY ($1)
    ORDER BY nid, kafka_time, kafka_partition, kafka_offset
  ), matches AS (
    -- never: by the clocks its trade was rejected before it was there.
    SELECT DISTINCT ON (c.nid) c.*,
           k.dropped_time, k.dropped_partition, k.dropped_offset,
           coalesce((k.dropped_time, k.dropped_partition, k.dropped_offset)
                    < (c.kafka_time, c.kafka_partition, c.kafka_offset),
                    false) AS never
    FROM fact5_contract c JOIN trade_key k ON k.nid = c.trade_nid
    WHERE c.order_nid = ANY ($1)
      -- The contract is its first fact's order's, whatever a later one says.
      AND NOT EXISTS (
        SELECT FROM fact5_contract e
        WHERE e.trade_nid = c.trade_nid AND e.nid = c.nid
          AND (e.kafka_time, e.kafka_partition, e.kafka_offset)
              < (c.kafka_time, c.kafka_partition, c.kafka_offset))
    ORDER BY c.nid, c.kafka_time, c.kafka_partition, c.kafka_offset
  ), facts AS (
    SELECT order_nid AS nid, kind, NULL::numeric AS amount,
           reff_request_id AS reff, message,
           kafka_time AS t, kafka_partition AS p, kafka_offset AS o
    FROM fact4_order_event WHERE order_nid = ANY ($1)
    UNION ALL
    SELECT DISTINCT s.prev_nid, 'amended', NULL::numeric, NULL, NULL,
           e.kafka_time, e.kafka_partition, e.kafka_offset
    FROM fact3_order s JOIN fact4_order_event e ON e.order_nid = s.nid
    WHERE s.prev_nid = ANY ($1) AND s.prev_nid <> 0 AND e.kind = 'OrderAck'
      -- A repeat of an order amends nothing else.
      AND NOT EXISTS (
        SELECT FROM fact3_order r
        WHERE r.nid = s.nid AND (r.kafka_time, r.kafka_partition, r.kafka_offset)
                                < (s.kafka_time, s.kafka_partition, s.kafka_offset))
    UNION ALL
    SELECT order_nid, 'matched', CASE WHEN never THEN 0 ELSE quantity END,
           NULL, NULL, kafka_time, kafka_partition, kafka_offset
    FROM matches
    UNION ALL
    -- A contract counts until its trade was rejected.
    SELECT order_nid, 'matched', -quantity, NULL, NULL,
           dropped_time, dropped_partition, dropped_offset
    FROM matches WHERE dropped_time IS NOT NULL AND NOT never
  ), moves AS (
    SELECT f.nid,
           fold_order(f.kind, f.amount, first.quantity, f.reff
             ORDER BY f.t, f.p, f.o) AS fold,
           min(f.t) FILTER (WHERE f.kind = 'OrderAck') AS open_at,
           min(f.t) FILTER (WHERE f.kind = 'OrderNak') AS reject_at,
           min(f.t) FILTER (WHERE f.kind = 'OrderPending') AS pending_at,
           min(f.t) FILTER (WHERE f.kind = 'OrderWithdrawAck') AS withdraw_at,
           min(f.t) FILTER (WHERE f.kind = 'amended') AS amend_at,
           (array_agg(f.message ORDER BY f.t, f.p, f.o)
             FILTER (WHERE f.kind = 'OrderNak'))[1] AS reject_message,
           max(f.t) AS newest
    FROM facts f JOIN first ON first.nid = f.nid
    GROUP BY f.nid
  ), now_is AS (
    SELECT f.nid, f.prev_nid, f.reff_request_id, f.account_code,
           f.participant_code, f.instrument_code, f.side, f.quantity,
           coalesce((m.fold).done, 0) AS done_quantity,
           given(f.settlement_date) AS settlement_date,
           given(f.reimbursement_date) AS reimbursement_date,
           given(f.periode) AS periode,
           coalesce((m.fold).state, 'S') AS state,
           f.market_price, f.rate, f.instruction, f.aro,
           f.kafka_time AS entry_at, m.amend_at, m.withdraw_at,
           ms_of(greatest(f.kafka_time, m.newest)) AS last_update,
           m.reject_message, (m.fold).withdraw_reff AS withdraw_reff,
           m.open_at, m.reject_at, m.pending_at
    FROM first f LEFT JOIN moves m ON m.nid = f.nid
  ), changed AS (
    UPDATE orders t
    SET prev_nid = n.prev_nid, reff_request_id = n.reff_request_id,
        account_code = n.account_code, participant_code = n.participant_code,
        instrument_code = n.instrument_code, side = n.side,
        quantity = n.quantity, done_quantity = n.done_quantity,
        settlement_date = n.settlement_date,
        reimbursement_date = n.reimbursement_date, periode = n.periode,
        state = n.state, market_price = n.market_price, rate = n.rate,
        instruction = n.instruction, aro = n.aro, entry_at = n.entry_at,
        amend_at = n.amend_at, withdraw_at = n.withdraw_at,
        last_update = n.last_update, reject_message = n.reject_message,
        withdraw_reff_request_id = n.withdraw_reff, open_at = n.open_at,
        reject_at = n.reject_at, pending_at = n.pending_at
    FROM now_is n WHERE t.nid = n.nid
  )
  INSERT INTO orders
    (nid, prev_nid, reff_request_id, account_code, participant_code,
     instrument_code, side, quantity, done_quantity, settlement_date,
     reimbursement_date, periode, state, market_price, rate, instruction, aro,
     entry_at, amend_at, withdraw_at, last_update, reject_message,
     withdraw_reff_request_id, open_at, reject_at, pending_at)
  SELECT n.* FROM now_is n
  WHERE NOT EXISTS (SELECT FROM orders t WHERE t.nid = n.nid)
  ORDER BY n.nid
  $sql$ USING nids;
END
$$;

-- Contracts of these trades, and those of these orders that have no row yet. A
-- contract gets its row when its trade and its order have theirs. The caller
-- holds the keys of both lists; the trades of the orders' contracts need none,
-- as whoever changes one of those waits for the order.
CREATE FUNCTION derive_contracts(of_trades bigint[], of_orders bigint[])
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  nids bigint[];
  in_trades bigint[];
BEGIN
  EXECUTE $sql$
    SELECT ARRAY(
      SELECT nid FROM fact5_contract WHERE trade_nid = ANY ($1)
      UNION
      SELECT f.nid FROM fact5_contract f
      WHERE f.order_nid = ANY ($2)
        AND NOT EXISTS (SELECT FROM contracts c WHERE c.nid = f.nid))
  $sql$ INTO nids USING of_trades, of_orders;
  IF cardinality(nids) = 0 THEN
    RETURN;
  END IF;
  EXECUTE $sql$
    SELECT ARRAY(
      SELECT unnest($1)
      UNION
      SELECT f.trade_nid FROM fact5_contract f
      WHERE f.order_nid = ANY ($2) AND f.nid = ANY ($3))
  $sql$ INTO in_trades USING of_trades, of_orders, nids;
  -- An investor that changes waits for us or is seen.
  EXECUTE $sql$
    SELECT FROM accounts
    WHERE code IN (SELECT account_code FROM fact5_contract
                   WHERE trade_nid = ANY ($1) AND nid = ANY ($2))
    ORDER BY code FOR KEY SHARE
  $sql$ USING in_trades, nids;
  EXECUTE $sql$
  WITH facts AS (
    SELECT * FROM fact5_contract
    WHERE trade_nid = ANY ($1) AND nid = ANY ($2)
  ), first AS (
    SELECT DISTINCT ON (nid) * FROM facts
    ORDER BY nid, kafka_time, kafka_partition, kafka_offset
  ), newest AS (
    SELECT DISTINCT ON (nid) * FROM facts
    ORDER BY nid, kafka_time DESC, kafka_partition DESC, kafka_offset DESC
  ), steps AS (
    SELECT nid, NULL AS kind, state AS goal,
           kafka_time AS t, kafka_partition AS p, kafka_offset AS o
    FROM facts
    UNION ALL
    SELECT first.nid, e.kind, NULL,
           e.kafka_time, e.kafka_partition, e.kafka_offset
    FROM first JOIN fact5_trade_event e ON e.trade_nid = first.trade_nid
  ), moves AS (
    SELECT nid, fold_contract(kind, goal, t ORDER BY t, p, o) AS fold,
           max(t) AS newest
    FROM steps GROUP BY nid
  ), now_is AS (
    SELECT f.nid, f.trade_nid, f.kpei_reff, f.side, f.account_code,
           a.sid AS account_sid, f.account_participant_code, f.order_nid,
           f.instrument_code, f.quantity, given(f.periode) AS periode,
           (m.fold).state AS state, n.fee_flat_val, n.fee_val_daily,
           n.fee_val_accumulated, f.matched_at,
           coalesce((m.fold).closed_at, given(f.reimburse_at)) AS reimburse_at,
           ms_of(m.newest) AS last_update
    FROM first f JOIN newest n USING (nid) JOIN moves m USING (nid)
    JOIN accounts a ON a.code = f.account_code
    WHERE EXISTS (SELECT FROM trades t WHERE t.nid = f.trade_nid)
      AND EXISTS (SELECT FROM orders o WHERE o.nid = f.order_nid)
  ), changed AS (
    UPDATE contracts t
    SET trade_nid = n.trade_nid, kpei_reff = n.kpei_reff, side = n.side,
        account_code = n.account_code, account_sid = n.account_sid,
        account_participant_code = n.account_participant_code,
        order_nid = n.order_nid, instrument_code = n.instrument_code,
        quantity = n.quantity, periode = n.periode, state = n.state,
        fee_flat_val = n.fee_flat_val, fee_val_daily = n.fee_val_daily,
        fee_val_accumulated = n.fee_val_accumulated,
        matched_at = n.matched_at, reimburse_at = n.reimburse_at,
        last_update = n.last_update
    FROM now_is n WHERE t.nid = n.nid
  )
  INSERT INTO contracts
    (nid, trade_nid, kpei_reff, side, account_code, account_sid,
     account_participant_code, order_nid, instrument_code, quantity, periode,
     state, fee_flat_val, fee_val_daily, fee_val_accumulated, matched_at,
     reimburse_at, last_update)
  SELECT n.* FROM now_is n
  WHERE NOT EXISTS (SELECT FROM contracts t WHERE t.nid = n.nid)
  ORDER BY n.nid
  $sql$ USING in_trades, nids;
END
$$;

-- Derives these trades and orders, and what depends on them: the orders of the
-- trades' contracts, and the orders that these orders amend. First all locks,
-- trades before orders and each in the order of their nids, so that
-- transactions wait for each other but never in a ring; then the derivation,
-- in statements that begin after the locks were got.
--
-- A session keeps the plans of these functions until the tables are analyzed.
-- Those that it made on a new day's empty tables would read whole tables, and go
-- on doing so while they grow. What is looked up here is named by key.
CREATE FUNCTION settle(in_trades bigint[], in_orders bigint[])
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
SET enable_seqscan = off AS $$
DECLARE
  deals bigint[] := ARRAY(SELECT DISTINCT unnest(in_trades) ORDER BY 1);
  wanted bigint[];
  held bigint[] := '{}';
BEGIN
  INSERT INTO trade_key (nid) SELECT unnest(deals) ON CONFLICT DO NOTHING;
  PERFORM FROM trade_key WHERE nid = ANY (deals)
  ORDER BY nid FOR NO KEY UPDATE;
  LOOP
    wanted := ARRAY(
      SELECT unnest(in_orders)
      UNION
      SELECT order_nid FROM fact5_contract WHERE trade_nid = ANY (deals)
      UNION
      SELECT prev_nid FROM fact3_order
      WHERE nid = ANY (in_orders) AND prev_nid <> 0
      ORDER BY 1);
    EXIT WHEN wanted = held;
    INSERT INTO order_key (nid) SELECT unnest(wanted) ON CONFLICT DO NOTHING;
    PERFORM FROM order_key WHERE nid = ANY (wanted)
    ORDER BY nid FOR NO KEY UPDATE;
    -- Once more: what was committed while we waited may name others.
    held := wanted;
  END LOOP;
  PERFORM derive_trades(deals);
  PERFORM derive_orders(held);
  PERFORM derive_contracts(deals, held);
END
$$;

-- -- what touches what --------------------------------------------------------

CREATE FUNCTION settle_touched() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  trades bigint[];
  orders bigint[];
BEGIN
  -- The first of the transaction's rows takes all of them.
  WITH mine AS (
    DELETE FROM touched WHERE xid = pg_current_xact_id() RETURNING *
  )
  SELECT ARRAY(SELECT unnest(m.trades) FROM mine m),
         ARRAY(SELECT unnest(m.orders) FROM mine m)
  INTO trades, orders;
  IF cardinality(trades) + cardinality(orders) > 0 THEN
    PERFORM settle(trades, orders);
  END IF;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON touched
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION settle_touched();

CREATE FUNCTION touch_orders() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO touched (trades, orders)
  SELECT '{}', array_agg(DISTINCT nid) FROM added HAVING count(*) > 0;
  RETURN NULL;
END
$$;
CREATE TRIGGER touch AFTER INSERT ON fact3_order
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION touch_orders();

CREATE FUNCTION touch_order_events() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO touched (trades, orders)
  SELECT '{}', array_agg(DISTINCT order_nid) FROM added HAVING count(*) > 0;
  RETURN NULL;
END
$$;
CREATE TRIGGER touch AFTER INSERT ON fact4_order_event
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION touch_order_events();

-- A reference belongs to one trade: another trade with it is refused here,
-- where the statement that brings it can still be told apart.
CREATE FUNCTION touch_trades() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE
  twice record;
BEGIN
  INSERT INTO trade_reff (kpei_reff, trade_nid)
  SELECT DISTINCT ON (kpei_reff) kpei_reff, nid FROM added
  ORDER BY kpei_reff, kafka_time, kafka_partition, kafka_offset
  ON CONFLICT DO NOTHING;
  SELECT a.nid, a.kpei_reff, r.trade_nid INTO twice
  FROM added a JOIN trade_reff r USING (kpei_reff) WHERE r.trade_nid <> a.nid
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'trade % has the reference % of trade %', twice.nid,
      twice.kpei_reff, twice.trade_nid
      USING ERRCODE = 'unique_violation', TABLE = 'trades',
            COLUMN = 'kpei_reff', CONSTRAINT = 'trades_kpei_reff_key';
  END IF;
  INSERT INTO touched (trades, orders)
  SELECT array_agg(DISTINCT nid), '{}' FROM added HAVING count(*) > 0;
  RETURN NULL;
END
$$;
CREATE TRIGGER touch AFTER INSERT ON fact4_trade
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION touch_trades();

CREATE FUNCTION touch_contracts() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO touched (trades, orders)
  SELECT array_agg(DISTINCT trade_nid), array_agg(DISTINCT order_nid)
  FROM added HAVING count(*) > 0;
  RETURN NULL;
END
$$;
CREATE TRIGGER touch AFTER INSERT ON fact5_contract
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION touch_contracts();

CREATE FUNCTION touch_trade_events() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO touched (trades, orders)
  SELECT array_agg(DISTINCT trade_nid), '{}' FROM added HAVING count(*) > 0;
  RETURN NULL;
END
$$;
CREATE TRIGGER touch AFTER INSERT ON fact5_trade_event
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION touch_trade_events();

-- What lies and waits for an order or a trade that has not come.
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

-- millrace:down

DROP VIEW held_facts;
DROP TRIGGER touch ON fact5_trade_event;
DROP TRIGGER touch ON fact5_contract;
DROP TRIGGER touch ON fact4_trade;
DROP TRIGGER touch ON fact4_order_event;
DROP TRIGGER touch ON fact3_order;
DROP FUNCTION touch_trade_events();
DROP FUNCTION touch_contracts();
DROP FUNCTION touch_trades();
DROP FUNCTION touch_order_events();
DROP FUNCTION touch_orders();
DROP TABLE touched;
DROP TABLE trade_reff;
DROP FUNCTION settle_touched();
DROP FUNCTION settle(bigint[], bigint[]);
DROP FUNCTION derive_contracts(bigint[], bigint[]);
DROP FUNCTION derive_orders(bigint[]);
DROP FUNCTION derive_trades(bigint[]);
DROP FUNCTION given(int);
DROP FUNCTION given(timestamptz);
DROP AGGREGATE fold_contract(text, text, timestamptz);
DROP FUNCTION contract_step(contract_fold, text, text, timestamptz);
DROP TYPE contract_fold;
DROP AGGREGATE fold_trade(text, timestamptz, int, bigint);
DROP FUNCTION trade_step(trade_fold, text, timestamptz, int, bigint);
DROP TYPE trade_fold;
DROP AGGREGATE fold_order(text, numeric, numeric, text);
DROP FUNCTION order_step(order_fold, text, numeric, numeric, text);
DROP TYPE order_fold;
DROP TABLE trade_key;
DROP TABLE order_key;
