#!/usr/bin/env python3
"""The pack perps-stats: the queries its document promises, and each line of
"what it gets wrong" that concerns the schema, by its number in the sheet."""

import sys

sys.dont_write_bytecode = True

import support  # noqa: E402

SEVEN = ["binance", "bybit", "cryptocom", "hyperliquid", "kucoin", "lighter",
         "paradex"]
SERIES = ["funding_rates", "klines", "liquidity_depth", "open_interest",
          "orderbooks", "slippage", "tickers", "trades"]


class PerpsTest(support.PackTest):
    packs = ("perps-stats",)

    def setUp(self):
        """Each test in a transaction that is taken back."""
        self.db.run("BEGIN")
        self.addCleanup(self.db.run, "ROLLBACK")

    def days(self, parent):
        return [x[0] for x in self.db.values(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = "
            f"i.inhrelid WHERE i.inhparent = '{parent}'::regclass AND "
            "pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' ORDER BY 1")]

    def exchange(self, name):
        return f"(SELECT id FROM exchanges WHERE name = '{name}')"

    def ticker(self, exchange, symbol, ts, price=1, more=""):
        self.db.run("INSERT INTO tickers (exchange_id, symbol, last_price, ts)"
                    f" VALUES ({self.exchange(exchange)}, '{symbol}', {price},"
                    f" '{ts}') {more}")

    def child(self, part, index):
        """The name of a partition's part of an index."""
        return self.db.value(
            "SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = "
            "h.inhrelid JOIN pg_index i ON i.indexrelid = c.oid WHERE "
            f"h.inhparent = '{index}'::regclass AND i.indrelid = "
            f"'{part}'::regclass")

    def prices(self, where):
        return [x[0] for x in self.db.values(
            f"SELECT last_price FROM tickers WHERE {where}")]


class Queries(PerpsTest):
    def test_q01_the_tables_exist(self):
        for table in SERIES + ["exchanges", "markets", "ingest_events",
                               "kline_discovery_cache"]:
            self.assertIsNotNone(
                self.db.value(f"SELECT to_regclass('{table}')"), table)

    def test_q02_the_seven_exchanges(self):
        self.assertEqual([x[0] for x in self.db.values(
            "SELECT name FROM exchanges ORDER BY name")], SEVEN)

    def test_q03_children_by_consecutive_days_from_today(self):
        for days, made in ((7, 48), (7, 0), (30, 184)):
            self.assertEqual(self.db.value(
                f"SELECT create_daily_partitions({days})"), made)
            for parent in SERIES:
                wanted = [x[0] for x in self.db.values(
                    f"SELECT to_char((now() AT TIME ZONE 'UTC')::date + i, "
                    f"'\"{parent}_\"YYYY_MM_DD') FROM "
                    f"generate_series(0, {days - 1}) i")]
                self.assertEqual(self.days(parent), wanted)

    def test_q05_a_symbol_in_a_time_reads_its_days_alone(self):
        for day in range(10, 14):
            self.db.run(
                "SELECT create_partition_if_not_exists('tickers', "
                f"'tickers_2025_10_{day}', '2025-10-{day}', "
                f"'2025-10-{day + 1}')")
            self.ticker("binance", "BTC", f"2025-10-{day} 12:00Z", day)
            self.ticker("bybit", "BTC", f"2025-10-{day} 13:00Z", day + .5)
        where = ("symbol = 'BTC' AND ts >= '2025-10-11Z' AND "
                 "ts < '2025-10-13Z' ORDER BY ts DESC")
        self.assertEqual(self.prices(where), [12.5, 12, 11.5, 11])
        self.db.run("SET LOCAL enable_seqscan = off; "
                    "SET LOCAL enable_bitmapscan = off")
        plan = self.db.run("EXPLAIN SELECT * FROM tickers WHERE " + where)
        for part in ("tickers_2025_10_11", "tickers_2025_10_12"):
            self.assertIn(f"using {self.child(part, 'idx_tickers_symbol_ts')}"
                          f" on {part}", plan)
        for part in ("tickers_2025_10_10", "tickers_2025_10_13",
                     "tickers_default"):
            self.assertNotIn(part, plan)

    def test_q06_an_exchange_newest_first(self):
        self.db.run("SELECT create_partition_if_not_exists('tickers', "
                    "'tickers_2025_10_10', '2025-10-10', '2025-10-11')")
        self.ticker("binance", "BTC", "2025-10-10 12:00Z", 1)
        self.ticker("binance", "ETH", "2025-10-10 13:00Z", 2)
        self.ticker("bybit", "ETH", "2025-10-10 13:00Z", 3)
        where = (f"exchange_id = {self.exchange('binance')} AND ts >= "
                 "'2025-10-10Z' AND ts < '2025-10-11Z' ORDER BY ts DESC")
        self.assertEqual(self.prices(where), [2, 1])
        self.db.run("SET LOCAL enable_seqscan = off; "
                    "SET LOCAL enable_bitmapscan = off; "
                    "SET LOCAL enable_sort = off")
        part = "tickers_2025_10_10"
        self.assertIn(
            f"using {self.child(part, 'idx_tickers_exchange_ts')} on {part}",
            self.db.run("EXPLAIN SELECT * FROM tickers WHERE " + where))

    def test_q07_a_market_is_there_once(self):
        row = ("INSERT INTO markets (exchange_id, symbol) VALUES "
               f"({self.exchange('binance')}, 'BTCUSDT')")
        self.db.run(row)
        self.assert_refused("23505", row)

    def test_q08_ingest_events_newest_first_and_by_status(self):
        self.db.run("INSERT INTO ingest_events (status, ts) VALUES "
                    "('ok', '2025-10-10Z'), ('error', '2025-10-11Z')")
        self.db.run("SET LOCAL enable_seqscan = off")
        newest = "SELECT status FROM ingest_events ORDER BY ts DESC"
        self.assertEqual(self.db.values(newest), [("error",), ("ok",)])
        self.assertIn("idx_ingest_events_ts", self.db.run("EXPLAIN " + newest))
        self.assertIn("idx_ingest_events_status", self.db.run(
            "EXPLAIN SELECT ts FROM ingest_events WHERE status = 'ok'"))

    def test_q12_recent_activity(self):
        self.db.run("INSERT INTO tickers (exchange_id, symbol, ts) SELECT "
                    f"{self.exchange('binance')}, 'BTC', now() - i * interval "
                    "'20 minutes' FROM generate_series(0, 5) i")
        self.assertEqual(self.db.values(
            "SELECT 'tickers' AS table_name, symbol, max(ts) = now() AS "
            "newest, count(*) FILTER (WHERE ts > now() - interval '1 hour') "
            "AS count_last_hour FROM tickers GROUP BY symbol "
            "ORDER BY max(ts) DESC"), [("tickers", "BTC", True, 3)])

    def test_q13_sizes_with_the_children(self):
        self.db.run("INSERT INTO tickers (exchange_id, symbol, ts) SELECT "
                    f"{self.exchange('binance')}, 'S' || i, now() "
                    "FROM generate_series(1, 100) i")
        rows = self.db.rows(
            "SELECT c.relname AS table_name, sum(pg_table_size(t.relid)) AS "
            "table_size, sum(pg_indexes_size(t.relid)) AS index_size, "
            "sum(pg_total_relation_size(t.relid)) AS total_size FROM pg_class "
            "c, pg_partition_tree(c.oid) t WHERE c.relnamespace = "
            "'north'::regnamespace AND c.relkind = 'p' AND NOT "
            "c.relispartition GROUP BY c.relname ORDER BY total_size DESC")
        self.assertEqual(rows[0]["table_name"], "tickers")
        self.assertEqual(len(rows), len(SERIES))
        self.assertEqual(rows[0]["total_size"],
                         rows[0]["table_size"] + rows[0]["index_size"])

    def test_the_least_privileges_that_the_document_promises(self):
        role = f"perps_writer_{support.os.getpid()}"
        self.db.run(
            f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA north TO {role}; "
            f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA north TO {role}; "
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA north TO {role}; "
            f"SET LOCAL ROLE {role}")
        self.ticker("binance", "BTC", "2025-10-10Z", 7)
        self.assertEqual(self.prices("true"), [7])
        self.assert_refused("42501", "SELECT create_daily_partitions(2)")

    def test_q14_the_latest_ticker_on_each_exchange(self):
        for exchange, price in (("kucoin", 1), ("binance", 2), ("bybit", 3)):
            self.ticker(exchange, "BTC", "2025-10-10 12:00Z", price)
            self.ticker(exchange, "BTC", "2025-10-10 12:01Z", price + .5)
        self.assertEqual(self.db.values(
            "SELECT name, last_price FROM (SELECT DISTINCT ON (exchange_id) * "
            "FROM tickers WHERE symbol = 'BTC' ORDER BY exchange_id, ts DESC) "
            "t JOIN exchanges e ON e.id = t.exchange_id ORDER BY name"),
            [("binance", 2.5), ("bybit", 3.5), ("kucoin", 1.5)])

    def test_q15_depth_and_slippage_newest_first(self):
        """By exchange, symbol and time, and slippage by its amount."""
        numbers = {}
        for exchange, symbol, minute in (
                ("binance", "BTC", 1), ("bybit", "BTC", 2),
                ("binance", "ETH", 2), ("binance", "BTC", 3),
                ("binance", "BTC", 2), ("binance", "BTC", 59)):
            price = len(numbers) + 1
            numbers[exchange, symbol, minute] = price
            row = (f"{self.exchange(exchange)}, '{symbol}', "
                   f"'2025-10-10 12:{minute:02d}Z', {price}")
            self.db.run(
                "INSERT INTO liquidity_depth (exchange_id, symbol, ts, "
                "mid_price, bid_1bps, bid_2_5bps, bid_5bps, bid_10bps, "
                "bid_20bps, ask_1bps, ask_2_5bps, ask_5bps, ask_10bps, "
                f"ask_20bps) VALUES ({row}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)")
            for amount in (1000, 10000):
                self.db.run(
                    "INSERT INTO slippage (exchange_id, symbol, ts, mid_price,"
                    " trade_amount, buy_feasible, sell_feasible) VALUES "
                    f"({row}, {amount}, true, false)")
        wanted = [(numbers["binance", "BTC", minute],)
                  for minute in (3, 2, 1)]
        where = (f"exchange_id = {self.exchange('binance')} AND symbol = "
                 "'BTC' AND ts >= '2025-10-10 12:00Z' AND ts < "
                 "'2025-10-10 12:30Z'")
        self.assertEqual(self.db.values(
            f"SELECT mid_price FROM liquidity_depth WHERE {where} "
            "ORDER BY ts DESC"), wanted)
        self.assertEqual(self.db.values(
            f"SELECT mid_price FROM slippage WHERE {where} AND trade_amount = "
            "1000 ORDER BY ts DESC"), wanted)

    def kline(self, open_time, close, more=""):
        self.db.run(
            "INSERT INTO klines (exchange_id, symbol, interval, open_time, "
            "close_time, open_price, high_price, low_price, close_price, "
            f"volume, quote_volume) VALUES ({self.exchange('binance')}, "
            f"'BTC', '15m', '{open_time}', '2025-10-10 12:59:59Z', 1, 1, 1, "
            f"{close}, 1, 1) {more}")

    def test_q16_klines_of_a_time_newest_first(self):
        for minute in (0, 15, 30):
            self.kline(f"2025-10-10 12:{minute:02d}Z", minute)
        self.assertEqual(self.db.values(
            "SELECT close_price FROM klines WHERE symbol = 'BTC' AND interval "
            "= '15m' AND open_time >= '2025-10-10 12:00Z' AND open_time < "
            "'2025-10-10 12:30Z' ORDER BY open_time DESC"), [(15,), (0,)])


class WhatItGetsWrong(PerpsTest):
    kline = Queries.kline

    def test_02_open_interest_has_a_table(self):
        row = ("INSERT INTO open_interest (exchange_id, symbol, "
               f"open_interest, open_value, ts) VALUES "
               f"({self.exchange('bybit')}, 'BTC', 1, 2, '2025-10-10Z')")
        self.db.run(row)
        self.assert_refused("23505", row)

    def test_03_a_row_outside_of_all_days_is_taken(self):
        for table in SERIES:
            self.assertEqual(self.db.value(
                "SELECT count(*) FROM pg_partitioned_table WHERE partrelid = "
                f"'{table}'::regclass AND partdefid = "
                f"'{table}_default'::regclass"), 1, table)
        self.ticker("binance", "BTC", "2031-01-01Z")
        self.assertEqual(self.db.value(
            "SELECT tableoid::regclass::text FROM tickers"),
            "tickers_default")

    def test_05_the_rows_of_a_new_day_leave_the_default(self):
        """With all their values, generated ones too; bounds are UTC's."""
        self.db.run("SET LOCAL TimeZone = 'Asia/Kolkata'")
        for time in ("00:00:00", "23:59:59.999999"):
            self.ticker("binance", "BTC", f"2031-01-01 {time}+00", 5)
            self.kline(f"2031-01-01 {time}+00", 7)
        self.ticker("binance", "BTC", "2031-01-02 00:00:00+00", 6)
        self.db.run("UPDATE tickers SET best_bid_price = 4")
        before = self.db.rows("SELECT * FROM tickers ORDER BY id")
        for parent in ("tickers", "klines"):
            self.assertTrue(self.db.value(
                f"SELECT create_partition_if_not_exists('{parent}', "
                f"'{parent}_2031_01_01', '2031-01-01', '2031-01-02')"))
            self.assertEqual(self.db.value(
                f"SELECT count(*) FROM {parent}_2031_01_01"), 2)
            self.assertFalse(self.db.value(
                f"SELECT create_partition_if_not_exists('{parent}', "
                f"'{parent}_2031_01_01', '2031-01-01', '2031-01-02')"))
        self.assertEqual(
            self.db.rows("SELECT * FROM tickers ORDER BY id"), before)
        self.assertEqual(before[0]["best_bid"], 4)

    def test_07_a_candle_that_is_sent_again_replaces_the_stored_one(self):
        again = ("ON CONFLICT (exchange_id, symbol, interval, open_time) "
                 "DO UPDATE SET close_price = EXCLUDED.close_price")
        self.kline("2025-10-10 12:00Z", 1, again)
        self.kline("2025-10-10 12:00Z", 2, again)
        self.assertEqual(self.db.values("SELECT close_price FROM klines"),
                         [(2,)])

    def test_08_a_candle_s_time_is_its_open_time(self):
        self.kline("2025-10-10 12:00Z", 1)
        self.assertTrue(self.db.value("SELECT ts = open_time FROM klines"))

    def test_09_repeated_records_add_no_rows(self):
        for table, columns, values in (
                ("tickers", "ts", "'2025-10-10Z'"),
                ("orderbooks", "ts", "'2025-10-10Z'"),
                ("trades", "trade_id, price, size, ts",
                 "'7', 1, 1, '2025-10-10Z'"),
                ("funding_rates", "rate, ts", "1, '2025-10-10Z'"),
                ("open_interest", "ts", "'2025-10-10Z'")):
            for _ in range(2):
                self.db.run(
                    f"INSERT INTO {table} (exchange_id, symbol, {columns}) "
                    f"VALUES ({self.exchange('binance')}, 'BTC', {values}) "
                    "ON CONFLICT DO NOTHING")
            self.assertEqual(
                self.db.value(f"SELECT count(*) FROM {table}"), 1, table)

    def test_13_a_spread_keeps_its_fraction_and_may_be_undefined(self):
        self.db.run(
            "INSERT INTO orderbooks (exchange_id, symbol, spread_bps, ts) "
            f"VALUES ({self.exchange('binance')}, 'A', 19.98001998, "
            f"'2025-10-10Z'), ({self.exchange('binance')}, 'B', NULL, "
            "'2025-10-10Z')")
        self.assertEqual(self.db.values(
            "SELECT spread_bps FROM orderbooks ORDER BY symbol"),
            [(19.98001998,), (None,)])

    def test_14_times_keep_their_microseconds(self):
        self.ticker("binance", "BTC", "2025-10-10 12:00:00.123456Z")
        self.assertEqual(self.db.value(
            "SELECT extract(microseconds FROM ts) FROM tickers"), 123456)

    def test_15_arrival_has_a_column_of_its_own(self):
        for table in SERIES:
            self.assertEqual(self.db.value(
                "SELECT count(*) FROM information_schema.columns WHERE "
                "table_schema = 'north' AND column_name = 'received_at' AND "
                f"table_name = '{table}'"), 1, table)

    def test_16_18_depth_to_100_bps_and_distances_without_limit(self):
        self.db.run(
            "INSERT INTO liquidity_depth (exchange_id, symbol, mid_price, "
            "bid_1bps, bid_2_5bps, bid_5bps, bid_10bps, bid_20bps, bid_50bps, "
            "bid_100bps, ask_1bps, ask_2_5bps, ask_5bps, ask_10bps, "
            "ask_20bps, ask_50bps, ask_100bps, max_bid_bps, ts) VALUES ("
            f"{self.exchange('binance')}, 'BTC', 100.1, 0, 0, 0, 200, 699.5, "
            "699.5, 699.5, 0, 0, 0, 100.2, 1103.2, 1103.2, 1103.2, 12345678, "
            "'2025-10-10Z')")
        self.assertEqual(self.db.values(
            "SELECT bid_100bps, ask_50bps, max_bid_bps FROM liquidity_depth"),
            [(699.5, 1103.2, 12345678)])

    def test_17_small_prices_and_long_names_are_kept(self):
        self.db.run(
            "INSERT INTO slippage (exchange_id, symbol, mid_price, "
            "trade_amount, buy_slippage_bps, buy_feasible, sell_feasible, ts) "
            f"VALUES ({self.exchange('binance')}, repeat('X', 30), "
            "0.000000123456789, 1000, 9999999.123456, true, false, "
            "'2025-10-10Z')")
        self.assertEqual(self.db.value(
            "SELECT mid_price::text FROM slippage"), "0.000000123456789")

    def test_26_27_other_schemas_and_names_do_not_count(self):
        self.db.run("CREATE SCHEMA elsewhere; "
                    "CREATE TABLE elsewhere.tickers_2031_01_01 (x int)")
        self.assertTrue(self.db.value(
            "SELECT create_partition_if_not_exists('tickers', "
            "'tickers_2031_01_01', '2031-01-01', '2031-01-02')"))

    def test_32_a_corrected_fee_reaches_the_row_that_is_there(self):
        up, down = support.parts_of(
            support.files_of("perps-stats-exchanges")[0])
        rows, _ = support.parts_of(
            support.MIGRATIONS / "perps-stats-exchanges/R_rows_exchanges.sql")
        self.db.run("UPDATE exchanges SET taker_fee = 1 "
                    "WHERE name = 'binance'")
        self.db.run(up)
        self.db.run(rows)
        self.db.run(rows)
        self.assertEqual(self.db.values(
            "SELECT name, taker_fee::text FROM exchanges WHERE name IN "
            "('binance', 'risex', 'tradexyz') ORDER BY name"),
            [("binance", "0.000084"), ("risex", "0.000150"),
             ("tradexyz", "0.000023")])
        self.assertEqual(
            self.db.value("SELECT count(*) FROM exchanges"), 18)
        self.db.run(down)
        self.assertEqual([x[0] for x in self.db.values(
            "SELECT name FROM exchanges ORDER BY name")], SEVEN)


class Writers(support.PackTest):
    """Several sessions at once."""

    packs = ("perps-stats",)

    def test_05_a_row_on_its_way_into_the_default_goes_with_its_day(self):
        writer = self.open()
        maker = self.open()
        writer.run("BEGIN; INSERT INTO tickers (exchange_id, symbol, ts) "
                   "SELECT id, 'BTC', '2031-01-01 12:00Z' FROM exchanges "
                   "WHERE name = 'binance'")
        maker.send("SELECT create_partition_if_not_exists('tickers', "
                   "'tickers_2031_01_01', '2031-01-01', '2031-01-02')")
        self.until(lambda: self.db.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
            "'tickers_default'::regclass"), 60)
        writer.run("COMMIT")
        self.assertEqual(maker.answer().strip(), "t")
        self.assertEqual(self.db.value(
            "SELECT tableoid::regclass::text FROM tickers"),
            "tickers_2031_01_01")


if __name__ == "__main__":
    support.main()
