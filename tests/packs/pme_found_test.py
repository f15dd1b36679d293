#!/usr/bin/env python3
"""The pack pme-online: what running the original services showed (section 8 of
the sheet), a test per number, as far as the schema decides."""

import itertools
import sys

sys.dont_write_bytecode = True

import pme_events  # noqa: E402
import support  # noqa: E402
from pme_case import PmeTest  # noqa: E402


class Found(PmeTest):
    """Named by the number."""

    def test_8_3_what_is_not_given_is_null(self):
        day = self.opened()
        self.said(day, day.order(1, "LEND"))
        self.assertEqual(self.db.values(
            "SELECT settlement_date, reimbursement_date, periode "
            "FROM orders"), [(None, None, None)])

    def test_8_4_more_can_be_done_than_was_ordered(self):
        day = self.opened()
        self.said(day, day.order(1, quantity=100), day.ack(1),
                  day.trade(1, 250, 1), day.trade(2, 1450, 1))
        self.assertEqual(self.db.values(
            "SELECT quantity, done_quantity, state FROM orders"),
            [(100, 1700, "M")])
        self.assertEqual(self.db.values(
            "SELECT nid, quantity FROM contracts ORDER BY nid"),
            [(11, 250), (21, 1450)])

    def test_8_5_equal_times_are_ordered_by_partition_and_offset(self):
        day = self.opened()
        order = day.order(1)
        pending = day.add("OrderPending", at=order.time_ms, order_nid=1)
        ack = day.ack(1, at=order.time_ms)
        pending.partition, ack.partition = 1, 2
        self.said(day, order, ack, pending)
        self.assertEqual(self.order(1), ("O", 0))
        self.setUp()
        day = self.opened()
        order = day.order(1)
        pending = day.add("OrderPending", at=order.time_ms, order_nid=1)
        ack = day.ack(1, at=order.time_ms)
        pending.partition, ack.partition = 2, 1
        self.said(day, order, pending, ack)
        self.assertEqual(self.order(1), ("O", 0))

    def test_8_5_a_rejection_that_is_before_its_trade_by_the_clocks(self):
        """The contracts never counted, not even for a moment."""
        day = self.opened()
        self.said(day, day.order(1, quantity=100), day.ack(1))
        trade = day.trade(1, 100, 1)
        drop = day.of_trade("TradeNak", 1, at=trade.time_ms - 1, message="no")
        withdraw = day.add("OrderWithdrawAck", at=trade.time_ms, order_nid=1)
        trade.partition, withdraw.partition, drop.partition = 0, 1, 2
        for event in (trade, drop, withdraw):
            event.offset = 1000
        self.said(day, trade, drop, withdraw)
        self.assertEqual(self.order(1), ("W", 0))
        self.assertEqual(self.state("contracts", 11), "R")

    def test_8_6_the_state_is_that_of_the_order_in_time_whatever_came_first(
            self):
        """An order for each way in which its events can come."""
        day = self.opened()
        ways = list(itertools.permutations(range(5)))
        for nid, way in enumerate(ways, 1):
            events = [day.order(nid, quantity=100), day.ack(nid),
                      day.trade(nid, 100, nid), day.of_trade("TradeAck", nid),
                      day.add("OrderWithdrawAck", order_nid=nid)]
            for at, event in enumerate(events):
                event.time_ms = day.time_ms + at
            sent = [events[x] for x in way]
            # Some in one flush, some alone.
            for part in (sent[:2], sent[2:4], sent[4:]):
                self.db.run("BEGIN;\n" + pme_events.insert(part)
                            + "\nCOMMIT")
        self.assertEqual(self.db.values(
            "SELECT state, done_quantity, count(*) FROM orders "
            "GROUP BY 1, 2"), [("M", 100, len(ways))])
        for table in ("trades", "contracts"):
            self.assertEqual(self.db.values(
                f"SELECT state, count(*) FROM {table} GROUP BY 1"),
                [("O", len(ways))])

    def test_8_7_moves_that_are_not_allowed_are_facts_and_leave_the_state(
            self):
        day = self.opened()
        matched = [day.order(1, quantity=100), day.ack(1),
                   day.trade(1, 100, 1)]
        withdrawn = day.add("OrderWithdrawAck", order_nid=1)
        amended = [day.order(2, quantity=1000), day.ack(2),
                   day.order(3, prev=2), day.ack(3)]
        late = day.trade(2, 400, 2)
        closed = [day.of_trade("TradeAck", 1),
                  day.of_trade("TradeReimburse", 1),
                  day.of_trade("TradeAck", 1)]
        twice = day.ack(3)
        self.said(day, *matched, withdrawn, *amended, late, *closed, twice)
        self.assertEqual(self.db.values(
            "SELECT state, done_quantity, ms_of(withdraw_at) AS w, "
            "ms_of(amend_at) AS a, ms_of(open_at) AS o "
            "FROM orders ORDER BY nid"),
            [("M", 100, withdrawn.time_ms, None, matched[1].time_ms),
             ("A", 400, None, amended[3].time_ms, amended[1].time_ms),
             ("O", 0, None, None, amended[3].time_ms)])
        self.assertEqual(self.db.values(
            "SELECT nid, state FROM trades ORDER BY nid"),
            [(1, "C"), (2, "S")])
        self.assertEqual(self.state("contracts", 21), "S")

    def test_8_8_a_contract_keeps_its_own_time_of_the_match(self):
        day = self.opened()
        trade = day.trade(1, 5, 1)
        contract = trade.body["Borrower"][0]
        trade.body["matched_at"] = "2025-12-03T09:15:30.418+07:00"
        contract["matched_at"] = "2025-12-03T09:15:30.420913+07:00"
        self.said(day, day.order(1), trade)
        self.assertEqual(self.db.values(
            "SELECT (t.matched_at AT TIME ZONE 'UTC')::text AS t, "
            "(c.matched_at AT TIME ZONE 'UTC')::text AS c "
            "FROM trades t JOIN contracts c ON c.trade_nid = t.nid"),
            [("2025-12-03 02:15:30.418", "2025-12-03 02:15:30.420913")])

    def test_8_9_a_later_account_with_another_investor_changes_nothing(self):
        day = self.opened()
        first = day.add("Account", nid=1, code="QX-7", sid="A", name="n",
                        participant_code="QX")
        day.time_ms += 1
        second = day.add("Account", nid=2, code="QX-7", sid="B", name="m",
                         participant_code="QX")
        order = day.order(1)
        trade = day.trade(1, 5, 1)
        trade.body["Borrower"][0]["account_code"] = "QX-7"
        self.said(day, second, order, trade)
        self.assertEqual(self.db.value("SELECT account_sid FROM contracts"),
                         "B")
        self.said(day, first)
        self.assertEqual(self.db.values(
            "SELECT sid, name FROM accounts WHERE code = 'QX-7'"),
            [("A", "m")])
        self.assertEqual(self.db.value("SELECT account_sid FROM contracts"),
                         "A")

    def test_8_10_texts_and_numbers_are_as_they_were_sent(self):
        day = self.opened()
        refused = "Quantity: must be in multiples of 100 shares"
        dropped = "Trade not approved by eClear by EOD"
        self.said(day, day.order(1),
                  day.add("OrderNak", order_nid=1, message=refused),
                  day.order(2), day.ack(2), day.trade(1, 5, 2),
                  day.of_trade("TradeNak", 1, message=dropped),
                  day.add("AccountLimit", code="QX-1", trade_limit=5,
                          pool_limit="1e+21"))
        self.assertEqual(self.db.values(
            "SELECT (SELECT reject_message FROM orders WHERE nid = 1) AS r, "
            "(SELECT message FROM trades) AS m, (SELECT pool_limit::text FROM "
            "accounts WHERE code = 'QX-1') AS p"),
            [(refused, dropped, "1" + 21 * "0")])


if __name__ == "__main__":
    support.main()
