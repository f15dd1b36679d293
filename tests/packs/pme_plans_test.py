#!/usr/bin/env python3
"""The pack pme-online: what a transaction reads does not grow with the day."""

import sys

sys.dont_write_bytecode = True

import pme_events  # noqa: E402
import support  # noqa: E402
from pme_case import PmeTest, flush  # noqa: E402

# Rows that the transaction so far has read by going through a whole table.
READ_IN_VAIN = """
  SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_xact_user_tables
  WHERE relname ~ '^(orders|trades|contracts|.*_key|trade_reff|fact[345].*)$'"""


class Plans(PmeTest):
    def setUp(self):
        super().setUp()
        # As on a new day's tables, which nobody has analyzed.
        self.db.run("VACUUM orders, trades, contracts, order_key, trade_key, "
                    "trade_reff, fact3_order, fact4_order_event, fact4_trade, "
                    "fact5_contract, fact5_trade_event")

    def test_plans_of_an_empty_day_look_up_by_key_when_it_is_full(self):
        day = self.opened()
        # As many as it takes until a session keeps its plans.
        for nid in range(1, 9):
            self.said(day, day.order(nid), day.ack(nid),
                      day.trade(nid, 10, nid), day.of_trade("TradeAck", nid))
        many = [x for nid in range(100, 900)
                for x in (day.order(nid), day.ack(nid), day.trade(nid, 10, nid),
                          day.of_trade("TradeAck", nid))]
        flush(self.db, many)
        last = [day.order(1000), day.ack(1000), day.trade(1000, 10, 1000),
                day.of_trade("TradeAck", 1000)]
        self.db.run("BEGIN;" + pme_events.insert(last)
                    + "; SET CONSTRAINTS ALL IMMEDIATE")
        read = self.db.value(READ_IN_VAIN)
        self.db.run("COMMIT")
        self.assertLess(read, 100)
        self.assertEqual(self.order(1000), ("P", 10))


if __name__ == "__main__":
    support.main()
