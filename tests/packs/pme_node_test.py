#!/usr/bin/env python3
"""The pack pme-online through a node and three partitions: the queries that its
document promises (section 6 of the sheet), every line of what it got wrong
(section 7), and a beginning beside the exporter, over rows that the node has
written. Which line is tested where: README.md beside this file."""

import argparse
import json
import sys
import unittest
from decimal import Decimal

sys.dont_write_bytecode = True

import pme_queries  # noqa: E402
import pme_seam  # noqa: E402
import support  # noqa: E402
from pme_case import PmeTest  # noqa: E402
from pme_day import ZERO, Day  # noqa: E402
from pme_node import Exchange, record  # noqa: E402

JAKARTA = "2025-12-03T00:00:00+07:00"
BIG = 254430383091757056


class Ledger:
    """One day with an order or trade for every line, numbered by it."""

    def __init__(self):
        self.day = Day(7).open()
        self.at = {}
        self.first = [record(x) for x in self.day.events]
        self.second = []
        self.filler()
        self.states()
        self.reference()
        self.refused()

    def say(self, event, to=None, at=None, **how):
        """`at` keeps the event's time under that name."""
        self.day.time_ms += 1
        event.time_ms = self.day.time_ms
        if at:
            self.at[at] = event.time_ms
        (self.first if to is None else to).append(record(event, **how))
        return event

    def add(self, kind, to=None, **body):
        return self.say(self.day.add(kind, **body), to)

    def filler(self):
        """So many that they cannot have come in one by one."""
        for _ in range(300):
            self.add("Sod", date=JAKARTA)

    def order(self, nid, *acked, **more):
        self.say(self.day.order(nid, **more))
        if not acked:
            self.say(self.day.ack(nid))

    def states(self):
        day, say = self.day, self.say
        self.order(201)
        say(day.trade(21, 500, 201))
        late, early = day.order(401), day.ack(401)
        late.partition, early.partition = 2, 0
        say(late)
        say(early)
        self.order(701)
        self.order(702, side="LEND")
        say(day.trade(71, 400, 701, 702))
        self.order(901)
        say(day.trade(91, 500, 901))
        say(day.ack(901))
        self.add("OrderNak", order_nid=901, message="too late")
        for nid, quantity in ((1001, 100), (1002, 200)):
            self.order(nid, quantity=quantity)
            say(day.trade(nid // 10 * 10 + nid % 10, 100, nid))
        self.order(1101)
        say(day.trade(111, 500, 1101))
        for kind in ("TradeWait", "TradeAck"):
            say(day.of_trade(kind, 111))
        say(day.of_trade("TradeReimburse", 111), at="closed")
        self.order(1201)
        say(day.order(1202, prev=1201))
        say(day.ack(1202), at="amended")
        self.order(1203)
        say(day.add("OrderWithdrawAck", order_nid=1203), at="withdrawn")
        say(day.order(1301, at=0))
        say(day.add("OrderPending", order_nid=1301), at="pending")
        say(day.order(1401))
        self.add("OrderNak", order_nid=1401, message="no such account")
        self.order(1402)
        say(day.trade(141, 5, 1402))
        say(day.of_trade("TradeNak", 141, message="not approved"))
        say(day.order(1501), at="entered")
        say(day.ack(1501), at="opened")
        say(day.ack(1801))
        exact = day.order(BIG)
        exact.body["market_price"] = Decimal("304767.12328767125000001")
        say(exact)

    def reference(self):
        for nid, fee in ((1601, 0.1), (1602, 0.2)):
            self.add("Parameter", nid=nid, description="d", flat_fee=fee,
                     lending_fee=0, borrowing_fee=0, max_quantity=1,
                     borrow_max_open_day=1, denomination_limit=1)
        for service in ("pmeoms", "pmeapi"):
            self.add("ServiceStart", id=service, start_id=service + "_1",
                     start_time=JAKARTA)
        for code, name in (("NN", "old"), ("OO", "other"), ("NN", "new")):
            self.add("Participant", nid=2900, code=code, name=name,
                     borr_eligibility=True, lend_eligibility=True)
        self.add("Account", nid=6, code="PP-1", sid="SIDP", name="n",
                 participant_code="PP")
        waits = self.day.order(601)
        waits.body.update(account_code="PP-1", participant_code="PP")
        self.say(waits)
        self.add("Participant", self.second, nid=7, code="PP", name="late",
                 borr_eligibility=True, lend_eligibility=True)
        self.say(self.day.order(2101), self.second,
                 headers=[["event-type", "OrderPlain"]])
        self.say(self.day.order(201, quantity=7), self.second)

    def refused(self):
        day, say = self.day, self.say
        for nid in (51, 52):
            say(day.trade(nid, 1, reff="PME-TWICE"))
        say(day.order(2001), value=b'{"nid":2001,')
        say(day.order(2100), headers=[["event-type", "OrderFancy"]])
        say(day.order(2201), headers=[["trace", "OrderNak"],
                                      ["event-type", "Order"]])
        say(day.order(2202), headers=[["any", "Order"]])
        say(day.order(2203), headers=[])


class NodeTest(PmeTest):
    """Tests that look at what the node has written."""

    tenant = "north"
    db = None

    @classmethod
    def setUpClass(cls):
        cls.db = exchange.session(cls.tenant)

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass


class Queries(NodeTest, pme_queries.Tests):
    """The same days and the same queries as without a node."""

    tenant = "south"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = asked


class WhatItGetsWrong(NodeTest):
    """Named by the line of section 7."""

    def dead(self, stage):
        return self.db.values(
            "SELECT reason FROM millrace.dead_letter WHERE tenant = 'north' "
            f"AND stage = '{stage}'")

    def logged(self, event_type):
        return self.db.value("SELECT count(*) FROM event_log WHERE event_type "
                             f"= '{event_type}'")

    def column(self, query):
        return [x[0] for x in self.db.values(query)]

    def test_01_after_a_kill_each_record_is_in_the_log_once(self):
        self.assertEqual(self.db.values(
            "SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset)) "
            "AS d FROM event_log"), [(exchange.sent["north"],) * 2])

    def test_02_a_repeated_order_changes_nothing(self):
        self.assertEqual(self.db.values(
            "SELECT quantity, state, done_quantity FROM orders WHERE nid = "
            "201"), [(150000, "P", 500)])

    def test_03_all_partitions_are_read(self):
        self.assertEqual(self.column(
            "SELECT DISTINCT kafka_partition FROM event_log ORDER BY 1"),
            [0, 1, 2])

    def test_04_an_order_and_its_events_come_through_several_partitions(self):
        self.assertEqual(self.order(401), ("O", 0))

    def test_05_what_is_refused_is_a_dead_letter_and_audited(self):
        refused = self.dead("store")
        self.assertEqual(len(refused), 1)
        self.assertIn("trades_kpei_reff_key", refused[0][0])
        self.assertEqual(self.db.values(
            "SELECT (SELECT count(*) FROM trades WHERE kpei_reff = "
            "'PME-TWICE') AS t, (SELECT count(*) FROM event_log WHERE "
            "event_data->>'kpei_reff' = 'PME-TWICE') AS l"), [(1, 2)])

    def test_05_a_flush_that_was_cut_off_is_tried_again(self):
        """Its session ended in the middle; what it had was written later."""
        self.assertTrue(cut.first)
        self.assertTrue(cut.again)
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM fact3_order WHERE nid = 201"), 2)
        self.assertEqual(len(self.dead("store")), 1)

    def test_06_a_child_waits_for_its_parent(self):
        self.assertEqual(self.column(
            "SELECT code FROM accounts WHERE participant_code = 'PP'"),
            ["PP-1"])
        self.assertEqual(self.order(601), ("S", 0))

    def test_07_a_trade_and_its_contracts_are_one_transaction(self):
        self.assertEqual(self.db.value(
            "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM "
            "fact4_trade WHERE nid = 71 UNION ALL SELECT xmin FROM "
            "fact5_contract WHERE trade_nid = 71) x"), 1)

    def test_08_the_contracts_in_a_trade_become_rows(self):
        self.assertEqual(self.db.values(
            "SELECT nid, side, order_nid FROM contracts WHERE trade_nid = 71 "
            "ORDER BY nid"), [(711, "BORR", 701), (712, "LEND", 702)])

    def test_09_acknowledgements_leave_the_done_quantity(self):
        self.assertEqual(self.order(901), ("P", 500))

    def test_10_trades_move_orders_to_p_and_m(self):
        self.assertEqual(self.order(1001), ("M", 100))
        self.assertEqual(self.order(1002), ("P", 100))

    def test_11_contracts_follow_their_trade(self):
        self.assertEqual(self.db.values(
            "SELECT state, ms_of(reimburse_at) FROM trades WHERE nid = 111 "
            "UNION ALL SELECT state, ms_of(reimburse_at) FROM contracts WHERE "
            "trade_nid = 111"), [("C", ledger.at["closed"])] * 2)

    def test_12_an_amended_and_a_withdrawn_order_say_when(self):
        self.assertEqual(self.db.values(
            "SELECT state, ms_of(coalesce(amend_at, withdraw_at)) FROM orders "
            "WHERE nid IN (1201, 1203) ORDER BY nid"),
            [("A", ledger.at["amended"]), ("W", ledger.at["withdrawn"])])

    def test_13_a_pending_order_is_g(self):
        self.assertEqual(self.db.values(
            "SELECT state, ms_of(pending_at) FROM orders WHERE nid = 1301"),
            [("G", ledger.at["pending"])])

    def test_14_the_reasons_have_columns(self):
        self.assertEqual(self.column(
            "SELECT reject_message FROM orders WHERE nid = 1401 UNION ALL "
            "SELECT message FROM trades WHERE nid = 141"),
            ["no such account", "not approved"])

    def test_15_times_are_those_of_the_events(self):
        self.assertEqual(self.db.values(
            "SELECT ms_of(entry_at) AS e, ms_of(open_at) AS o, last_update "
            "FROM orders WHERE nid = 1501"),
            [(ledger.at["entered"], ledger.at["opened"],
              ledger.at["opened"])])

    def test_16_one_parameter_row_is_current_and_the_others_stay(self):
        self.assertEqual(self.db.values(
            "SELECT flat_fee, current FROM parameters ORDER BY updated_at"),
            [(0.1, False), (0.2, True)])

    def test_17_every_service_s_start_is_there_once(self):
        self.assertEqual(self.column(
            "SELECT service_name FROM service_starts ORDER BY 1"),
            ["pmeapi", "pmeoms"])

    def test_18_what_hits_no_row_is_held_and_counted(self):
        self.assertEqual(self.db.values(
            "SELECT kind, parent, waits_for FROM held_facts"),
            [("OrderAck", "order", 1801)])

    def test_19_29_reference_data_is_keyed_by_code(self):
        self.assertEqual(self.db.values(
            "SELECT code, nid, name FROM participants WHERE nid = 2900 "
            "ORDER BY code"), [("NN", 2900, "new"), ("OO", 2900, "other")])

    def test_20_a_body_that_nobody_can_read_is_a_dead_letter(self):
        self.assertEqual(len(self.dead("decode")), 1)
        self.assertEqual(self.db.values(
            "SELECT event_type, convert_from(raw, 'UTF8') AS raw FROM "
            "event_log WHERE event_data IS NULL"), [("Order", '{"nid":2001,')])
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM orders WHERE nid = 2001"), 0)

    def test_21_an_unknown_type_is_audited_and_a_dead_letter(self):
        for kind in ("OrderFancy", "OrderPlain"):
            self.assertEqual(self.logged(kind), 1)
            self.assertEqual(
                sum(f'"{kind}"' in x[0] for x in self.dead("map")), 1)
        self.assertGreaterEqual(cut.unknown, 1)

    def test_22_the_type_is_the_header_of_that_name(self):
        self.assertEqual(self.column(
            "SELECT nid FROM orders WHERE nid IN (2201, 2202, 2203) "
            "ORDER BY nid"), [2201, 2202])
        self.assertEqual(self.logged(""), 1)
        self.assertTrue(any("no event type" in x[0]
                            for x in self.dead("map")))

    def test_23_a_lost_connection_is_no_end(self):
        """All sessions of the node ended while the second half came."""
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM participants WHERE code = 'PP'"), 1)
        self.assertGreater(cut.reconnects, 0)
        self.assertIsNone(exchange.process.poll())

    def test_24_events_are_written_in_batches(self):
        rows, transactions = self.db.values(
            "SELECT count(*), count(DISTINCT xmin::text) AS t FROM event_log "
            "WHERE event_type = 'SOD'")[0]
        self.assertEqual(rows, 300)
        self.assertLess(transactions, 100)

    def test_25_log_ids_have_64_bits(self):
        self.assertEqual(self.db.value(
            "SELECT pg_typeof(id) FROM event_log LIMIT 1"), "bigint")

    def test_26_an_offset_is_not_lost(self):
        self.assertEqual(self.db.value(
            "SELECT (settlement_date AT TIME ZONE 'UTC')::text FROM orders "
            "WHERE nid = 201"), "2025-12-02 17:00:00")

    def test_27_money_keeps_its_digits(self):
        self.assertEqual(self.db.value(
            f"SELECT market_price::text FROM orders WHERE nid = {BIG}"),
            "304767.12328767125000001")

    def test_28_the_investor_comes_from_the_account(self):
        self.assertEqual(self.column(
            "SELECT account_sid FROM contracts WHERE trade_nid = 71 "
            "ORDER BY nid"), ["SIDQ1", "SIDZ1"])

    def test_30_months_health_and_lag(self):
        self.assertGreaterEqual(self.db.value(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = "
            "'event_log'::regclass"), 15)
        self.assertEqual(exchange.page("/readyz")[0], 200)
        text = exchange.page("/metrics")[1]
        for name in ("millrace_lag_messages", "millrace_lag_seconds"):
            self.assertIn(name, text)

    def test_31_how_to_reach_the_database_must_be_said(self):
        file = exchange.folder / "without.toml"
        file.write_text('kafka.bootstrap = "h:9092"\n')
        done = exchange.run("validate", file)
        self.assertEqual(done.returncode, 2)
        self.assertIn("postgresql.url", done.stdout + done.stderr)

    def test_32_ids_keep_their_digits_also_as_text(self):
        file = exchange.folder / "order.ndjson"
        file.write_text(f'{{"headers":[["event-type","Order"]],'
                        f'"value":{{"nid":{BIG}}}}}\n')
        done = exchange.run("map", exchange.config, "--pipeline", "north",
                            "--events", file, "--json")
        shown = {x["table"]: x["columns"]
                 for x in json.loads(done.stdout)["rows"]}
        self.assertEqual(shown["fact3_order"]["nid"], str(BIG))
        self.assertEqual(self.column(
            "SELECT event_data->>'nid' FROM event_log WHERE "
            f"event_data->>'nid' = '{BIG}'"), [str(BIG)])


class BeginningLater(NodeTest, pme_seam.Tests):
    """What docs/from-pme-exporter.md says of offsets beside the exporter."""

    tenant = "east"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.days, cls.begins = days, exchange.begins["east"]


class Cut:
    """The second half comes while a lane cannot write, and all sessions end."""

    def __init__(self):
        self.first, self.again = set(), set()
        self.reconnects = self.unknown = 0

    @staticmethod
    def unknown_types():
        return exchange.metric("millrace_dead_letters_total", tenant="north",
                               stage="map")

    @staticmethod
    def waiting():
        """The node's sessions that wait for the lock."""
        return {x[0] for x in exchange.server.values(
            "SELECT pid FROM pg_stat_activity WHERE datname = "
            f"'{exchange.name}' AND application_name LIKE 'millrace%' "
            "AND wait_event_type = 'Lock'")}

    def others_wait(self):
        self.again = self.waiting() - self.first
        return self.again

    def run(self):
        unknown = self.unknown_types()
        holder = exchange.session("north")
        holder.run("BEGIN; LOCK TABLE fact3_order IN ACCESS EXCLUSIVE MODE")
        exchange.feed("north", ledger.second)
        exchange.until(self.waiting, "a flush that waits for the lock")
        self.first = self.waiting()
        exchange.server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            f"datname = '{exchange.name}' AND application_name LIKE "
            "'millrace%'")
        exchange.until(self.others_wait, "another attempt")
        self.reconnects = exchange.metric("millrace_reconnects_total",
                                          tenant="north")
        holder.run("COMMIT")
        exchange.until(lambda: self.unknown_types() > unknown,
                       "the count of unknown types")
        self.unknown = self.unknown_types() - unknown


def run_day():
    """The first half is there before the node; it is killed in between."""
    half = len(asked.records) // 2
    exchange.feed("south", asked.records[:half])
    exchange.feed("north", ledger.first)
    exchange.feed("east", days.before)
    exchange.begin_here("east")
    exchange.feed("east", days.first)
    exchange.start()
    exchange.until(lambda: lines_there() > 0, "some records")
    exchange.kill()
    exchange.start()
    exchange.settled(waiting=2)
    cut.run()
    exchange.feed("south", asked.records[half:])
    exchange.feed("east", days.second)
    exchange.settled()


def lines_there():
    try:
        return exchange.value("SELECT count(*) FROM tenant_north.event_log")
    except support.SqlError:
        return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--env-file", default=None)
    own, rest = parser.parse_known_args()
    support.read_environment(own.env_file)
    ledger, days = Ledger(), pme_seam.Days()
    asked, cut = pme_queries.Ledger(), Cut()
    exchange = Exchange(own.bin)
    try:
        run_day()
        ended = unittest.main(argv=[sys.argv[0], *rest], exit=False)
        exchange.stop()
    finally:
        exchange.close()
    sys.exit(0 if ended.result.wasSuccessful() else 1)
