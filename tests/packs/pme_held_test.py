#!/usr/bin/env python3
"""The pack pme-online: facts whose order or trade has not come."""

import sys

sys.dont_write_bytecode = True

import pme_events  # noqa: E402
import support  # noqa: E402
from pme_case import PmeTest  # noqa: E402

HELD = "SELECT kind, parent, waits_for FROM held_facts ORDER BY kind"


class HeldFacts(PmeTest):
    def log(self, event, written):
        self.db.run(
            "INSERT INTO event_log (event_type, timestamp, created_at, "
            f"kafka_partition, kafka_offset) VALUES ('{event.kind}', "
            f"{event.time_ms}, {written}, {event.partition}, {event.offset})")

    def drop(self, keep):
        return sorted(x[0] for x in self.db.values(
            f"SELECT kind FROM drop_held_facts('{keep}')"))

    def test_they_say_what_they_wait_for_and_since_when(self):
        day = self.opened()
        trade, ack = day.trade(1, 500, 1), day.of_trade("TradeAck", 2)
        self.said(day, trade, ack)
        self.log(trade, "now() - interval '1 hour'")
        self.assertEqual(self.db.values(HELD), [("Contract", "order", 1),
                                                ("TradeAck", "trade", 2)])
        # Without a row of the log, the time of the event counts.
        self.assertEqual(self.db.values(
            "SELECT kind FROM held_facts WHERE held_since < now() - "
            "interval '2 hours'"), [("TradeAck",)])

    def test_those_that_have_waited_for_too_long_can_be_dropped(self):
        day = self.opened()
        old, new = day.ack(1), day.ack(2)
        self.said(day, old, new)
        self.log(old, "now() - interval '3 days'")
        self.log(new, "now()")
        self.assertEqual(self.drop("4 days"), [])
        self.assertEqual(self.drop("2 days"), ["OrderAck"])
        self.assertEqual(self.db.values(HELD), [("OrderAck", "order", 2)])
        # What comes after all comes without them; the log has them.
        self.said(day, day.order(1), day.order(2))
        self.assertEqual((self.order(1), self.order(2)), (("S", 0), ("O", 0)))
        self.assertEqual(self.db.value("SELECT count(*) FROM event_log"), 2)

    def test_a_contract_that_is_dropped_counts_no_more_for_its_order(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1))
        day.time_ms += 1
        contract = day.contract(1, 11, "BORR", 1, 500)
        self.said(day, day.add("Contract", **contract),
                  day.of_trade("TradeWait", 1))
        self.assertEqual(self.order(1), ("P", 500))
        self.assertEqual(self.drop("0 s"), ["Contract", "TradeWait"])
        self.assertEqual(self.order(1), ("O", 0))
        self.assertEqual(self.db.value("SELECT count(*) FROM touched"), 0)

    def test_what_waits_for_nothing_is_never_dropped(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1), day.trade(1, 500, 1),
                  day.of_trade("TradeAck", 1))
        before = self.db.rows("SELECT * FROM orders"), \
            self.db.rows("SELECT * FROM contracts")
        self.assertEqual(self.drop("0 s"), [])
        self.assertEqual((self.db.rows("SELECT * FROM orders"),
                          self.db.rows("SELECT * FROM contracts")), before)

    def test_a_parent_that_comes_meanwhile_keeps_its_facts(self):
        day = self.opened()
        self.said(day, day.ack(1))
        other = self.open()
        other.run("BEGIN;" + pme_events.insert([day.order(1)])
                  + "; SET CONSTRAINTS ALL IMMEDIATE")
        self.db.send("SELECT count(*) FROM drop_held_facts('0 s')")
        self.assertTrue(self.db.waits(.2))
        other.run("COMMIT")
        self.assertIn("0", self.db.answer())
        self.assertEqual(self.order(1), ("O", 0))


if __name__ == "__main__":
    support.main()
