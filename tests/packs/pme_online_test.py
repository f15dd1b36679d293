#!/usr/bin/env python3
"""The pack pme-online: derived state, whatever the order of arrival."""

import collections
import random
import sys
import threading

sys.dont_write_bytecode = True

import pme_events  # noqa: E402
import support  # noqa: E402
from pme_case import PmeTest, flush  # noqa: E402
from pme_day import full_day  # noqa: E402

RECORDING = support.TOP / "deploy/data/pme-ledger-one-partition.ndjson.xz"
class Folding(PmeTest):
    def counts(self, table):
        return dict(self.db.values(
            f"SELECT state, count(*) FROM {table} GROUP BY state"))

    def test_the_recording_ends_in_the_counts_of_section_8(self):
        events = pme_events.load(RECORDING)
        for i in range(0, len(events), 100):
            flush(self.db, events[i:i + 100])
        self.assertEqual(self.counts("orders"), {
            "A": 48, "G": 30, "M": 320, "O": 63, "P": 31, "R": 85, "W": 39})
        self.assertEqual(self.counts("trades"), {"C": 113, "O": 297, "S": 29})
        self.assertEqual(self.counts("contracts"),
                         {"C": 226, "O": 594, "S": 58})
        for table, count in (("participants", 6), ("instruments", 11),
                             ("accounts", 10), ("holidays", 4),
                             ("parameters", 2), ("session_times", 2),
                             ("service_starts", 5)):
            self.assertEqual(
                self.db.value(f"SELECT count(*) FROM {table}"), count, table)
        self.assert_folded(events)

    def test_it_ends_the_same_in_any_order_through_three_lanes_at_once(self):
        for seed in range(2):
            with self.subTest(seed=seed):
                self.setUp()
                self.spread(random.Random(seed))

    def spread(self, chance):
        """Each record goes to one of three partitions, each lane takes what
        comes in an order of its own."""
        events = pme_events.load(RECORDING)
        offsets = collections.Counter()
        for event in events:
            event.partition = chance.randrange(3)
            event.offset = offsets[event.partition]
            event.at = (event.time_ms, event.partition, event.offset)
            offsets[event.partition] += 1
        parents = [x for x in events if x.kind in ("Participant",
                                                   "Instrument")]
        accounts = [x for x in events if x.kind == "Account"]
        rest = [x for x in events if x not in parents and x not in accounts]
        flush(self.db, parents)
        flush(self.db, accounts)
        chance.shuffle(rest)
        failed = []
        deadlocks = []

        def lane(number):
            session = self.open()
            mine = rest[number::3]
            try:
                for i in range(0, len(mine), 40):
                    while True:
                        try:
                            flush(session, mine[i:i + 40])
                            break
                        except support.SqlError as error:
                            session.run("ROLLBACK")
                            if error.sqlstate != "40P01":
                                raise
                            deadlocks.append(error)
            except Exception as error:
                failed.append(error)

        lanes = [threading.Thread(target=lane, args=(x,)) for x in range(3)]
        for thread in lanes:
            thread.start()
        for thread in lanes:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(deadlocks, [])
        self.assertEqual(
            self.db.value("SELECT count(*) FROM held_facts"), 0)
        self.assert_folded(events)

    def test_a_day_of_all_types_ends_the_same_in_any_order(self):
        """Flushes of any size, in any order; the reference data first, as
        what needs it waits for it."""
        tables = ["SELECT nid, code, name, last_update FROM participants",
                  "SELECT code, sid, trade_limit, pool_limit::text, "
                  "last_update FROM accounts",
                  "SELECT service_name, started_at FROM service_starts",
                  "SELECT nid, current, updated_at FROM parameters",
                  "SELECT nid, current, session1_start FROM session_times",
                  "SELECT nid, year, date, last_update FROM holidays",
                  "SELECT nid, quantity::text, settlement_date, periode "
                  "FROM orders",
                  "SELECT nid, fee_val_accumulated::text, reimburse_at "
                  "FROM contracts"]
        expected = {}
        for seed in range(24):
            with self.subTest(seed=seed):
                day = full_day(seed % 6)
                self.assertEqual(len({x.kind for x in day.events}), 23)
                self.setUp()
                chance = random.Random(seed)
                flush(self.db, day.events[:day.reference])
                rest = day.events[day.reference:]
                chance.shuffle(rest)
                while rest:
                    size = chance.randint(1, 12)
                    flush(self.db, rest[:size])
                    rest = rest[size:]
                self.assert_folded(day.events)
                found = [sorted(self.db.values(x), key=repr) for x in tables]
                self.assertEqual(found, expected.setdefault(seed % 6, found))

    def test_the_worked_example_of_2_3(self):
        day = self.opened()
        self.said(day, day.order(1), day.order(2, "LEND", 900000),
                  day.ack(1), day.ack(2))
        self.assertEqual(self.order(1), ("O", 0))
        self.said(day, day.trade(1, 60000, 1, 2))
        self.assertEqual(self.order(1), ("P", 60000))
        self.said(day, day.trade(2, 90000, 1, 2))
        self.assertEqual(self.order(1), ("M", 150000))
        self.said(day, day.of_trade("TradeNak", 1, message="no"))
        self.assertEqual(self.order(1), ("P", 90000))
        self.assertEqual(self.db.values(
            "SELECT DISTINCT state FROM contracts WHERE trade_nid = 1"),
            [("R",)])
        self.said(day, day.of_trade("TradeNak", 2, message="no"))
        self.assertEqual(self.order(1), ("O", 0))
        self.assert_folded(day.events)

    def test_a_contract_is_its_first_order_s(self):
        """A later fact that names another order counts for none, also when
        only that other order is derived."""
        day = self.opened()
        self.said(day, day.order(1), day.order(2), day.ack(1), day.ack(2),
                  day.trade(1, 500, 1))
        other = day.contract(1, 11, "BORR", 2, 500, "O")
        self.said(day, day.add("Contract", **other), day.ack(2))
        self.assertEqual(self.order(1), ("P", 500))
        self.assertEqual(self.order(2), ("O", 0))
        self.assert_folded(day.events)

    def test_a_repeated_order_amends_no_other(self):
        day = self.opened()
        self.said(day, day.order(1), day.order(2), day.ack(1), day.ack(2),
                  day.order(3, prev=1), day.order(3, prev=2), day.ack(3))
        self.assertEqual(self.order(1), ("A", 0))
        self.assertEqual(self.order(2), ("O", 0))
        self.assert_folded(day.events)

    def test_a_rejection_waits_for_its_trade(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1),
                  day.add("Contract", **day.contract(1, 11, "BORR", 1, 500)),
                  day.of_trade("TradeNak", 1, message="no"))
        self.assertEqual(self.order(1), ("P", 500))
        self.assert_folded(day.events)
        self.said(day, day.trade(1, 500, at=day.time_ms - 5))
        self.assertEqual(self.order(1), ("O", 0))
        self.assertEqual(self.state("contracts", 11), "R")
        self.assert_folded(day.events)

    def test_an_address_stays_when_accounts_come_without_one(self):
        day = self.opened()
        body = {"nid": 9, "code": "QX-9", "sid": "S9", "name": "Fund",
                "participant_code": "QX"}
        without = [day.add("Account", **body) for _ in range(2)]
        self.said(day, without[0],
                  day.add("Account", **body, address="Jalan 1"),
                  day.add("Account", **body), without[1])
        self.assertEqual(self.db.value(
            "SELECT address FROM accounts WHERE code = 'QX-9'"), "Jalan 1")

    def refused(self, event):
        session = self.open()
        with self.assertRaises(support.SqlError) as caught:
            flush(session, [event])
        return caught.exception.sqlstate

    def test_an_investor_of_another_account_is_refused(self):
        day = self.opened()
        self.assertEqual(self.refused(day.add(
            "Account", nid=9, code="QX-9", sid="SIDQ1", name="Fund",
            participant_code="QX")), "23505")
        self.assertEqual(self.db.value("SELECT count(*) FROM accounts"), 2)

    def test_a_trade_with_two_lenders_of_one_number_is_refused(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1))
        trade = day.trade(1, 500, 1, 1)
        trade.body["Lender"] *= 2
        self.assertEqual(self.refused(trade), "23505")
        self.assertEqual(self.order(1), ("O", 0))


class Concurrency(PmeTest):
    """Two lanes write about one order at the same time."""

    def meet(self, first, second):
        """Both transactions have written before either one commits."""
        a, b = self.open(), self.open()
        a.run("BEGIN;\n" + pme_events.insert(first))
        b.run("BEGIN;\n" + pme_events.insert(second))
        a.run("SET CONSTRAINTS ALL IMMEDIATE")
        b.send("COMMIT")
        waited = b.waits(0.2)
        a.run("COMMIT")
        b.answer()
        return waited

    def test_two_trades_on_one_order_in_two_lanes_lose_none(self):
        day = self.opened()
        self.said(day, day.order(1), day.order(2, "LEND", 900000), day.ack(1),
                  day.ack(2))
        waited = self.meet([day.trade(1, 60000, 1, 2)],
                           [day.trade(2, 90000, 1, 2)])
        self.assertTrue(waited)
        self.assertEqual(self.order(1), ("M", 150000))
        self.assert_folded(day.events)

    def test_an_order_and_its_acknowledgement_in_two_lanes(self):
        for turn in (1, -1):
            day = self.opened()
            order, ack = day.order(1), day.ack(1)
            self.meet(*[[order], [ack]][::turn])
            self.assertEqual(self.order(1), ("O", 0))
            self.setUp()

    def test_an_order_and_the_acknowledgement_of_its_successor(self):
        for turn in (1, -1):
            day = self.opened()
            order, ack = day.order(1), day.ack(1)
            self.said(day, day.order(2, prev=1))
            amend = day.ack(2)
            self.meet(*[[order, ack], [amend]][::turn])
            self.assertEqual(self.order(1), ("A", 0))
            self.setUp()

    def test_a_successor_and_its_acknowledgement_in_two_lanes(self):
        """The second lane learns only after its wait whom it amends."""
        for turn in (1, -1):
            day = self.opened()
            self.said(day, day.order(1), day.ack(1))
            order, ack = day.order(2, prev=1), day.ack(2)
            self.meet(*[[order], [ack]][::turn])
            self.assertEqual(self.order(1), ("A", 0))
            self.setUp()

    def test_a_contract_and_the_rejection_of_its_trade_in_two_lanes(self):
        for turn in (1, -1):
            day = self.opened()
            self.said(day, day.order(1), day.ack(1), day.trade(1, 500))
            contract = day.add("Contract",
                               **day.contract(1, 11, "BORR", 1, 500))
            drop = day.of_trade("TradeNak", 1, message="no")
            self.meet(*[[contract], [drop]][::turn])
            self.assertEqual(self.order(1), ("O", 0))
            self.assertEqual(self.state("contracts", 11), "R")
            self.setUp()

    def test_a_contract_and_a_change_of_its_investor_in_two_lanes(self):
        day = self.opened()
        first = day.add("Account", nid=1, code="QX-7", sid="A", name="n",
                        participant_code="QX")
        day.time_ms += 1
        order = day.order(1)
        trade = day.trade(1, 5, 1)
        trade.body["Borrower"][0]["account_code"] = "QX-7"
        self.said(day, day.add("Account", nid=2, code="QX-7", sid="B",
                               name="n", participant_code="QX"), trade)
        a, b = self.open(), self.open()
        a.run("BEGIN;\n" + pme_events.insert([first]))
        b.send("BEGIN;\n" + pme_events.insert([order]) + "COMMIT")
        self.assertTrue(b.waits(0.2))
        a.run("COMMIT")
        b.answer()
        self.assertEqual(self.db.value("SELECT account_sid FROM contracts"),
                         "A")

    def test_a_trade_and_its_rejection_in_two_lanes(self):
        for turn in (1, -1):
            day = self.opened()
            self.said(day, day.order(1), day.ack(1))
            trade = day.trade(1, 60000, 1)
            drop = day.of_trade("TradeNak", 1, message="no")
            self.meet(*[[trade], [drop]][::turn])
            self.assertEqual(self.order(1), ("O", 0))
            self.assertEqual(self.state("contracts", 11), "R")
            self.setUp()

    def test_a_trade_and_its_order_in_two_lanes(self):
        for turn in (1, -1):
            day = self.opened()
            order = day.order(1)
            ack = day.ack(1)
            self.meet(*[[order, ack], [day.trade(1, 500, 1)]][::turn])
            self.assertEqual(self.order(1), ("P", 500))
            self.assertEqual(self.state("contracts", 11), "S")
            self.setUp()

    def test_two_accounts_of_one_code_in_two_lanes(self):
        day = self.opened()
        body = {"code": "QX-9", "sid": "S9", "participant_code": "QX"}
        old = day.add("Account", nid=1, name="old", **body)
        new = day.add("Account", nid=2, at=day.time_ms + 1, name="new", **body)
        a, b = self.open(), self.open()
        a.run("BEGIN;\n" + pme_events.insert([new]))
        b.send("BEGIN;\n" + pme_events.insert([old]) + "COMMIT")
        self.assertTrue(b.waits(0.2))
        a.run("COMMIT")
        b.answer()
        self.assertEqual(self.db.values(
            "SELECT nid, name FROM accounts WHERE code = 'QX-9'"),
            [(1, "new")])


if __name__ == "__main__":
    support.main()
