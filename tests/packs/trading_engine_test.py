#!/usr/bin/env python3
"""The pack trading-engine: the queries its document promises, and each line of
"what it gets wrong" that concerns the schema, by its number in the sheet."""

import sys

sys.dont_write_bytecode = True

import support  # noqa: E402

TRADER1 = "22222222-2222-2222-2222-222222222222"
TRADER2 = "33333333-3333-3333-3333-333333333333"
ACCOUNT = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
OANDA = "e2e2e2e2-e2e2-e2e2-e2e2-e2e2e2e2e2e2"
BINANCE = "e1e1e1e1-e1e1-e1e1-e1e1-e1e1e1e1e1e1"
COUNTS = {"users": 4, "user_roles": 5, "instruments": 15, "accounts": 4,
          "liquidity_providers": 4, "sor_rules": 4, "risk_limits": 5,
          "circuit_breakers": 3}


def uuid(number):
    return f"00000000-0000-4000-8000-{number:012d}"


class EngineTest(support.PackTest):
    packs = ("trading-engine", "trading-engine-seed")

    def setUp(self):
        """Each test in a transaction that is taken back."""
        self.db.run("BEGIN")
        self.addCleanup(self.db.run, "ROLLBACK")

    def add(self, table, **row):
        self.db.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ("
                    + ", ".join(support.quote(x) for x in row.values()) + ")")

    def order(self, number, **more):
        self.add("orders", **{
            "id": uuid(number), "account_id": ACCOUNT, "user_id": TRADER1,
            "symbol": "EURUSD", "order_type": "limit", "side": "buy",
            "quantity": "1.5", "status": "new",
            "created_at": f"2026-01-18 10:00:{number:02d}Z", **more})

    def position(self, number, **more):
        self.add("positions", **{
            "id": uuid(number), "account_id": ACCOUNT, "user_id": TRADER1,
            "symbol": "EURUSD", "side": "long", "quantity": 1,
            "entry_price": "1.08421", **more})

    def numbers(self, query):
        """The last digits of the uuids that a query gives."""
        return [int(x[0][-12:]) for x in self.db.values(query)]

    def plan(self, query):
        self.db.run("SET LOCAL enable_seqscan = off; "
                    "SET LOCAL enable_sort = off")
        return self.db.run("EXPLAIN " + query)


class Queries(EngineTest):
    def test_q02_row_counts_after_seeding(self):
        """Of every table of the schema, the largest first."""
        names = [x[0] for x in self.db.values(
            "SELECT table_name FROM information_schema.tables WHERE "
            "table_schema = 'north' AND table_type = 'BASE TABLE'")]
        counts = self.db.values(
            "SELECT * FROM (" + " UNION ALL ".join(
                f"SELECT '{x}' AS table_name, count(*) AS count FROM {x}"
                for x in names) + ") t ORDER BY count DESC, table_name")
        self.assertGreaterEqual(len(counts), 37)
        numbers = [x[1] for x in counts]
        self.assertEqual(numbers, sorted(numbers, reverse=True))
        seeded = [x for x in counts if x[0] in COUNTS]
        self.assertEqual(seeded, sorted(
            COUNTS.items(), key=lambda x: (-x[1], x[0])))

    def test_q03_sizes(self):
        row = self.db.values(
            "SELECT pg_size_pretty(pg_database_size(current_database())) "
            "AS whole, pg_size_pretty(pg_total_relation_size('orders')) "
            "AS orders, pg_size_pretty(pg_total_relation_size('trades')) "
            "AS trades")[0]
        for size in row:
            self.assertRegex(size, r"^\d+ ([kM]?B|bytes)$")

    def test_q04_index_usage_with_columns_that_exist(self):
        rows = self.db.rows(
            "SELECT schemaname, relname, indexrelname, idx_scan, "
            "pg_size_pretty(pg_relation_size(indexrelid)) AS size "
            "FROM pg_stat_user_indexes WHERE schemaname = 'north' "
            "ORDER BY idx_scan DESC LIMIT 20")
        self.assertEqual(len(rows), 20)

    def test_q05_slow_statements_with_columns_that_exist(self):
        if not self.db.value("SELECT count(*) FROM pg_available_extensions "
                             "WHERE name = 'pg_stat_statements'"):
            self.skipTest("there is no pg_stat_statements")
        # The view needs to be loaded with the server; its columns do not.
        self.db.run("CREATE EXTENSION pg_stat_statements SCHEMA public")
        self.db.run("EXPLAIN SELECT query, calls, total_exec_time, "
                    "mean_exec_time, rows FROM pg_stat_statements WHERE "
                    "mean_exec_time > 1000 ORDER BY mean_exec_time DESC "
                    "LIMIT 10")

    def test_q06_orders_of_account_symbol_and_status_use_their_index(self):
        self.order(1)
        self.order(2, symbol="GBPUSD")
        self.order(3, status="filled")
        query = (f"SELECT id FROM orders WHERE account_id = '{ACCOUNT}' AND "
                 "symbol = 'EURUSD' AND status = 'new'")
        self.assertEqual(self.numbers(query), [1])
        self.db.run(
            "INSERT INTO orders (account_id, user_id, symbol, order_type, "
            "side, quantity, status) SELECT a.id, a.user_id, i.symbol, "
            "'market', 'buy', 1, 'new' FROM accounts a, instruments i, "
            "generate_series(1, 20); ANALYZE orders")
        self.assertIn("idx_orders_account_symbol_status", self.plan(query))

    def test_q07_newest_orders_of_a_user_and_of_a_symbol(self):
        for number in (1, 3, 2):
            self.order(number)
        self.order(4, user_id=TRADER2, symbol="GBPUSD")
        by_user = (f"SELECT id FROM orders WHERE user_id = '{TRADER1}' AND "
                   "status = 'new' ORDER BY created_at DESC")
        by_symbol = ("SELECT id FROM orders WHERE symbol = 'EURUSD' AND "
                     "status = 'new' ORDER BY created_at DESC")
        self.assertEqual(self.numbers(by_user), [3, 2, 1])
        self.assertEqual(self.numbers(by_symbol), [3, 2, 1])
        self.assertIn("idx_orders_user_status_created", self.plan(by_user))
        self.assertIn("idx_orders_symbol_status_created",
                      self.plan(by_symbol))

    def test_q08_trades_newest_first(self):
        for number, symbol in ((1, "EURUSD"), (2, "GBPUSD"), (3, "EURUSD")):
            self.add("trades", id=uuid(number), account_id=ACCOUNT,
                     user_id=TRADER1, symbol=symbol, side="buy", quantity=1,
                     price=1, value=1, execution_id=f"E{number}",
                     executed_at=f"2026-01-18 10:00:0{number}Z")
        self.assertEqual(self.numbers(
            f"SELECT id FROM trades WHERE account_id = '{ACCOUNT}' AND symbol "
            "= 'EURUSD' ORDER BY executed_at DESC"), [3, 1])
        self.assertEqual(self.numbers(
            f"SELECT id FROM trades WHERE user_id = '{TRADER1}' "
            "ORDER BY executed_at DESC"), [3, 2, 1])
        self.assertEqual(self.numbers(
            "SELECT id FROM trades WHERE symbol = 'GBPUSD' "
            "ORDER BY executed_at DESC"), [2])

    def test_q09_open_positions(self):
        self.position(1)
        self.position(2, is_open=False)
        self.position(3, symbol="GBPUSD")
        for where, wanted in ((f"account_id = '{ACCOUNT}'", [1, 3]),
                              (f"user_id = '{TRADER1}'", [1, 3]),
                              ("symbol = 'GBPUSD'", [3])):
            self.assertEqual(self.numbers(
                f"SELECT id FROM positions WHERE {where} AND is_open "
                "ORDER BY id"), wanted)

    def test_q10_a_part_of_a_text_finds_by_trigrams(self):
        mail = "SELECT username FROM users WHERE email LIKE '%example%'"
        name = ("SELECT symbol FROM instruments "
                "WHERE display_name ILIKE '%coin%'")
        self.assertEqual(sorted(self.db.values(mail)),
                         [("demo",), ("trader1",), ("trader2",)])
        self.assertEqual(sorted(self.db.values(name)),
                         [("BNBUSD",), ("BTCUSD",)])
        self.assertIn("idx_users_email_trgm", self.plan(mail))
        self.assertIn("idx_instruments_display_name_trgm", self.plan(name))

    def test_q11_insert_update_delete_each_leave_an_audit_row(self):
        self.order(1)
        self.db.run(f"UPDATE orders SET status = 'filled' WHERE id = "
                    f"'{uuid(1)}'")
        self.db.run(f"DELETE FROM orders WHERE id = '{uuid(1)}'")
        self.assertEqual(self.db.values(
            "SELECT action, old_data ->> 'status' AS old, "
            "new_data ->> 'status' AS new FROM audit_log WHERE table_name = "
            f"'orders' AND record_id = '{uuid(1)}' ORDER BY created_at DESC"),
            [("DELETE", "filled", None), ("UPDATE", "new", "filled"),
             ("INSERT", None, "new")])

    def test_q12_what_is_unresolved(self):
        for number, resolved in ((1, None), (2, "2026-01-19Z"), (3, None)):
            at = f"2026-01-18 10:00:0{number}Z"
            self.add("risk_events", id=uuid(number), event_type="margin_call",
                     severity="high", resolved_at=resolved, created_at=at)
            status = "resolved" if resolved else "active"
            self.add("margin_calls", id=uuid(number), account_id=ACCOUNT,
                     user_id=TRADER1, call_type="margin_call", margin_level=1,
                     required_margin=1, available_margin=1, shortfall=1,
                     status=status, created_at=at)
            self.add("risk_alerts", id=uuid(number), alert_type="custom",
                     severity="low", alert_message="x", status=status,
                     created_at=at)
            self.db.run(
                "INSERT INTO risk_limit_breaches (id, risk_limit_id, "
                "breach_type, limit_value, actual_value, severity, "
                f"resolved_at, created_at) SELECT '{uuid(number)}', id, 'x', "
                f"1, 2, 'breach', {support.quote(resolved)}, '{at}' "
                "FROM risk_limits LIMIT 1")
        for table, where in (
                ("risk_events", "NOT auto_resolved AND resolved_at IS NULL"),
                ("risk_limit_breaches",
                 "NOT auto_resolved AND resolved_at IS NULL"),
                ("margin_calls", "status = 'active'"),
                ("risk_alerts", "status = 'active'")):
            self.assertEqual(self.numbers(
                f"SELECT id FROM {table} WHERE {where} "
                "ORDER BY created_at DESC"), [3, 1], table)

    def test_q13_compliance_events_that_wait_for_review(self):
        for number, result, at in ((1, "review_required", None),
                                   (2, "review_required", "2026-01-19Z"),
                                   (3, "pass", None)):
            self.add("compliance_events", id=uuid(number),
                     event_type="kyc_check", severity="info",
                     check_result=result, reviewed_at=at)
        self.assertEqual(self.numbers(
            "SELECT id FROM compliance_events WHERE check_result = "
            "'review_required' AND reviewed_at IS NULL"), [1])

    def test_q14_newest_fresh_quote_per_provider_and_symbol(self):
        for number, lp, stale in ((1, OANDA, False), (2, OANDA, False),
                                  (3, OANDA, True), (4, BINANCE, False)):
            self.db.run(
                "INSERT INTO lp_quotes (id, lp_id, symbol, bid, ask, "
                f"is_stale, timestamp) VALUES ('{uuid(number)}', '{lp}', "
                f"'EURUSD', 1, 2, {stale}, "
                f"date_trunc('day', now()) + interval '{number} s')")
        self.assertEqual(self.numbers(
            "SELECT DISTINCT ON (lp_id, symbol) id FROM lp_quotes WHERE NOT "
            "is_stale ORDER BY lp_id, symbol, timestamp DESC"), [4, 2])

    def test_q15_q16_providers_and_rules_by_priority(self):
        self.assertEqual(self.db.values(
            "SELECT name FROM liquidity_providers WHERE is_active "
            "ORDER BY priority DESC"),
            [("Prime Broker A",), ("Binance",), ("OANDA",),
             ("Aggregator XYZ",)])
        self.assertEqual(self.db.values(
            "SELECT priority FROM sor_rules WHERE is_active "
            "ORDER BY priority DESC"), [(100,), (100,), (95,), (90,)])

    def test_q17_exposures_above_80_percent(self):
        for symbol, used in (("EURUSD", 85), ("GBPUSD", 80), ("USDJPY", 1500)):
            self.add("lp_exposure", lp_id=OANDA, symbol=symbol,
                     risk_utilization=used)
        self.assertEqual(self.db.values(
            "SELECT symbol FROM lp_exposure WHERE risk_utilization > 80 "
            "ORDER BY risk_utilization DESC"), [("USDJPY",), ("EURUSD",)])

    def test_q18_clients_by_toxicity_and_profitability(self):
        for number, score in ((1, 10), (2, 90), (3, 50)):
            self.add("client_profiles", id=uuid(number), user_id=TRADER1,
                     account_id=ACCOUNT, toxicity_score=score,
                     profitability_score=100 - score)
        self.assertEqual(self.numbers("SELECT id FROM client_profiles "
                                      "ORDER BY toxicity_score DESC"),
                         [2, 3, 1])
        self.assertEqual(self.numbers("SELECT id FROM client_profiles "
                                      "ORDER BY profitability_score DESC"),
                         [1, 3, 2])

    def test_q19_portfolio_risk_of_an_account(self):
        for number in (1, 2):
            self.add("portfolio_risk", id=uuid(number), account_id=ACCOUNT,
                     time_bucket=f"2026-01-18 10:0{number}Z")
        self.assertEqual(self.numbers(
            f"SELECT id FROM portfolio_risk WHERE account_id = '{ACCOUNT}' "
            "ORDER BY time_bucket DESC"), [2, 1])


class WhatItGetsWrong(EngineTest):
    def test_01_one_open_position_per_account_symbol_and_side(self):
        self.position(1, is_open=False)
        self.position(2, is_open=False)
        self.position(3)
        self.assert_refused("23505", "INSERT INTO positions SELECT (p).* FROM "
                            "(SELECT jsonb_populate_record(x, '{\"id\": \""
                            + uuid(4) + "\"}') p FROM positions x "
                            f"WHERE id = '{uuid(3)}') y")

    def test_03_04_the_audit_log_has_its_months_and_takes_any_time(self):
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = "
            "'audit_log'::regclass"), 16)
        self.add("audit_log", table_name="x", record_key="k", action="SELECT",
                 created_at="2031-05-01Z")
        self.assertEqual(self.db.value(
            "SELECT ensure_audit_log_months('2031-05-01', '2031-06-30')"), 2)
        self.assertEqual(self.db.value(
            "SELECT tableoid::regclass::text FROM audit_log "
            "WHERE record_key = 'k'"), "audit_log_2031_05")
        self.assertEqual(self.db.value(
            "SELECT ensure_audit_log_months('2031-05-01', '2031-06-30')"), 0)

    def test_05_a_position_can_be_updated(self):
        self.position(1, last_updated="2026-01-01Z")
        self.db.run("UPDATE positions SET quantity = 2")
        self.assertTrue(self.db.value(
            "SELECT last_updated = now() FROM positions"))

    def test_06_triggers_can_be_made_again(self):
        up, _ = support.parts_of(support.files_of("trading-engine")[2])
        triggers = [x for x in up.split("\n\n") if "CREATE OR REPLACE TRIGGER"
                    in x]
        self.assertTrue(triggers)
        for part in triggers:
            self.db.run(part)

    def test_17_seeding_again_adds_nothing(self):
        up, _ = support.parts_of(support.files_of("trading-engine-seed")[0])
        self.db.run(up)
        for table, count in COUNTS.items():
            self.assertEqual(
                self.db.value(f"SELECT count(*) FROM {table}"), count, table)

    def test_21_quotes_lie_in_days(self):
        self.add("lp_quotes", lp_id=OANDA, symbol="EURUSD", bid=1, ask=2)
        self.assertRegex(self.db.value(
            "SELECT tableoid::regclass::text FROM lp_quotes"),
            r"^lp_quotes_\d{4}_\d\d_\d\d$")

    def test_22_the_audit_knows_who_and_what(self):
        self.order(1)
        self.db.run(
            f"SET LOCAL trading_engine.user_id = '{TRADER2}'; "
            "SET LOCAL trading_engine.user_ip = '10.0.0.7'; "
            "SET LOCAL trading_engine.session_id = 'S1'; "
            "SET LOCAL trading_engine.request_id = 'R1'; "
            "UPDATE orders SET status = 'filled', filled_quantity = 1.5")
        self.assertEqual(self.db.values(
            "SELECT user_id, host(user_ip), session_id, request_id, "
            "changed_fields FROM audit_log WHERE action = 'UPDATE' "
            "AND table_name = 'orders'"),
            [(TRADER2, "10.0.0.7", "S1", "R1",
              ["filled_quantity", "status"])])

    def refused_then_back(self, sqlstate, sql):
        self.db.run("SAVEPOINT before")
        self.assert_refused(sqlstate, sql)
        self.db.run("ROLLBACK TO before")

    def test_23_audit_rows_stay(self):
        self.order(1)
        self.add("order_audit", order_id=uuid(1), account_id=ACCOUNT,
                 user_id=TRADER1, event_type="created")
        self.refused_then_back("23503", "DELETE FROM orders")
        self.refused_then_back("23001", "DELETE FROM order_audit")
        self.refused_then_back("23001", "UPDATE audit_log SET action = 'x'")
        self.refused_then_back("23001", "DELETE FROM audit_log")

    def test_24_a_table_with_another_key_can_be_audited(self):
        self.db.run(
            "CREATE TABLE keyed (code text PRIMARY KEY); "
            "CREATE TRIGGER audit AFTER INSERT ON keyed FOR EACH ROW "
            "EXECUTE FUNCTION audit_trigger_function('code'); "
            "INSERT INTO keyed VALUES ('A-7')")
        self.assertEqual(self.db.values(
            "SELECT record_id, record_key FROM audit_log "
            "WHERE table_name = 'keyed'"), [(None, "A-7")])

    def test_26_currencies_of_more_than_three_letters(self):
        self.db.run("UPDATE accounts SET currency = 'USDT'")
        self.db.run("UPDATE instruments SET quote_currency = 'USDT'")

    def test_27_no_index_stands_beside_one_that_does_its_work(self):
        self.assertEqual(self.db.values(
            "SELECT i.indexrelid::regclass::text AS name, "
            "u.indexrelid::regclass::text AS does_it FROM pg_index i JOIN "
            "pg_index u USING (indrelid) JOIN pg_class c ON c.oid = indrelid "
            "JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class uc ON "
            "uc.oid = u.indexrelid WHERE c.relnamespace = "
            "'north'::regnamespace AND i.indexrelid <> u.indexrelid AND "
            "i.indkey = u.indkey AND (u.indisunique AND u.indpred IS NULL AND "
            "NOT i.indisunique AND ic.relam = uc.relam AND i.indoption = "
            "u.indoption AND i.indclass = u.indclass OR ic.relam = (SELECT "
            "oid FROM pg_am WHERE amname = 'brin') AND u.indpred IS NULL)"),
            [])
        # What the ones that are gone were for.
        for table, column in (("users", "email"), ("users", "username"),
                              ("accounts", "account_number"),
                              ("instruments", "symbol"),
                              ("trades", "execution_id"),
                              ("liquidity_providers", "name")):
            self.assertIn(f"{table}_{column}_key", self.plan(
                f"SELECT id FROM {table} WHERE {column} = 'x'"))
        self.assertIn("positions_one_open", self.plan(
            f"SELECT id FROM positions WHERE account_id = '{ACCOUNT}' AND "
            "symbol = 'EURUSD' AND side = 'long' AND is_open"))

    def test_28_the_promised_queries_repeat_the_conditions(self):
        """Of the partial indexes that they need."""
        for index, query in (
                ("idx_users_is_active", "SELECT id FROM users WHERE is_active "
                 "AND deleted_at IS NULL"),
                ("idx_risk_events_unresolved", "SELECT id FROM risk_events "
                 "WHERE NOT auto_resolved AND resolved_at IS NULL "
                 "ORDER BY created_at DESC"),
                ("idx_lp_priority", "SELECT name FROM liquidity_providers "
                 "WHERE is_active ORDER BY priority DESC")):
            condition = self.db.value(
                "SELECT count(*) FROM pg_indexes WHERE indexname = "
                f"'{index}' AND indexdef LIKE '% WHERE %'")
            self.assertEqual(condition, 1, index)
            self.assertIn(index, self.plan(query))

    def test_29_filled_and_remaining_fit_the_quantity(self):
        self.order(1)
        self.refused_then_back("23514",
                               "UPDATE orders SET filled_quantity = 1.6")
        self.refused_then_back("23514",
                               "UPDATE orders SET remaining_quantity = -1")

    def test_30_a_balance_may_be_negative_and_is_flagged(self):
        self.db.run(f"UPDATE accounts SET balance = -5 WHERE id = '{ACCOUNT}'")
        self.assertEqual(self.db.values(
            "SELECT id FROM accounts WHERE balance_negative"), [(ACCOUNT,)])

    def test_31_there_is_no_column_for_a_password(self):
        self.assertEqual(self.db.values(
            "SELECT column_name FROM information_schema.columns WHERE "
            "table_schema = 'north' AND column_name LIKE '%passw%'"),
            [("password_hash",)])

    def test_32_equal_prices_within_a_second_are_two_quotes(self):
        self.db.run(
            "INSERT INTO lp_quotes (lp_id, symbol, bid, ask, timestamp) "
            f"SELECT '{OANDA}', 'EURUSD', 1.08421, 1.08434, "
            "date_trunc('second', now()) + n * interval '1 microsecond' "
            "FROM generate_series(1, 2) n")
        self.assertEqual(self.db.values(
            "SELECT extract(microseconds FROM timestamp)::int % 1000000 "
            "FROM lp_quotes ORDER BY timestamp"), [(1,), (2,)])

    def test_35_internal_execution_needs_no_provider(self):
        self.order(1)
        self.add("lp_order_routing", order_id=uuid(1),
                 routing_decision="bbook")

    def test_36_figures_for_all_symbols_are_there_once(self):
        row = ("INSERT INTO lp_performance_metrics (lp_id, time_bucket) "
               f"VALUES ('{OANDA}', '2026-01-18Z')")
        self.db.run(row)
        self.assert_refused("23505", row)

    def test_37_percentages_above_a_thousand(self):
        self.add("lp_exposure", lp_id=OANDA, symbol="X",
                 risk_utilization=123456.78)


class Sets(EngineTest):
    """The sets that go on top of the pack."""

    packs = ("trading-engine", "trading-engine-payments",
             "trading-engine-compliance", "trading-engine-ticks")

    def test_a_credit_and_a_reservation_are_in_the_ledger(self):
        user, deal = uuid(1), uuid(2)
        for call in ("credit_user_balance", "credit_user_balance",
                     "reserve_user_balance"):
            self.db.run(f"SELECT {call}('{user}', 'USDT', 30, '{deal}')")
        self.assertEqual(self.db.values(
            "SELECT available_balance, reserved_balance, total_balance "
            "FROM user_balances"), [(30, 30, 60)])
        self.assertEqual(self.db.values(
            "SELECT operation, balance_before, balance_after "
            "FROM balance_ledger ORDER BY id"),
            [("credit", 0, 30), ("credit", 30, 60), ("reserve", 60, 30)])
        self.assert_refused(
            "P0001", f"SELECT reserve_user_balance('{user}', 'USDT', 31, "
            f"'{deal}')")

    def test_seeding_again_adds_nothing(self):
        for table, count, pack in (
                ("payment_limits", 11, "payments"),
                ("data_retention_policies", 9, "compliance"),
                ("compliance_alert_rules", 4, "compliance")):
            up, _ = support.parts_of(
                support.files_of("trading-engine-" + pack)[0])
            for statement in up.split("\n\n"):
                if statement.startswith("INSERT INTO " + table):
                    self.db.run(statement)
            self.assertEqual(
                self.db.value(f"SELECT count(*) FROM {table}"), count, table)

    def test_candles_open_and_close_with_the_first_and_the_last_bid(self):
        self.db.run(
            "INSERT INTO tick_history (timestamp, symbol, bid, ask) SELECT "
            "date_trunc('hour', now()) + t * interval '1 second', 'EURUSD', "
            "p, p + 1 FROM (VALUES (1, 5), (2, 9), (59, 3), (59, 4), (60, 7)) "
            "x (t, p)")
        columns = "SELECT open, high, low, close, volume FROM "
        self.assertEqual(
            self.db.values(columns + "tick_ohlc_1m ORDER BY bucket"),
            [(5, 9, 3, 4, 4), (7, 7, 7, 7, 1)])
        self.assertEqual(self.db.values(columns + "tick_ohlc_5m"),
                         [(5, 9, 3, 7, 5)])
        self.assertEqual(self.db.values(columns + "tick_ohlc_1h"),
                         [(5, 9, 3, 7, 5)])

    def test_open_alerts_by_severity_the_critical_first(self):
        for severity, status in (("info", "open"), ("critical", "open"),
                                 ("critical", "open"), ("warning", "open"),
                                 ("critical", "resolved")):
            self.add("compliance_alerts", severity=severity, alert_type="x",
                     message="m", status=status)
        self.assertEqual(self.db.values(
            "SELECT severity, alert_count FROM v_open_compliance_alerts"),
            [("critical", 2), ("warning", 1), ("info", 1)])


if __name__ == "__main__":
    support.main()
