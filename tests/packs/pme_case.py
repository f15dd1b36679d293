"""What the tests of pme-online share: empty tables, and lanes that write."""

import pme_events
import support
from pme_day import Day

DERIVED = ["participants", "instruments", "accounts", "holidays", "parameters",
           "session_times", "service_starts", "orders", "trades", "contracts",
           "order_key", "trade_key", "trade_reff", "event_log"]
FACTS = ["fact1_holiday", "fact1_instrument", "fact1_parameter",
         "fact1_participant", "fact1_service_start", "fact1_session_time",
         "fact2_account", "fact3_account_limit", "fact3_order",
         "fact4_order_event", "fact4_trade", "fact5_contract",
         "fact5_trade_event"]


def flush(session, events):
    """What a lane does: one transaction, a statement per table."""
    session.run("BEGIN;\n" + pme_events.insert(events) + "\nCOMMIT")


class PmeTest(support.PackTest):
    packs = ("pme-online",)

    def setUp(self):
        # Children first. To truncate thirty tables takes longer.
        self.db.run("BEGIN;" + ";".join(
            f"DELETE FROM {x}" for x in reversed(DERIVED + FACTS))
            + ";COMMIT")

    def opened(self, seed=0):
        day = Day(seed).open()
        flush(self.db, day.events)
        return day

    def said(self, day, *events):
        for event in events:
            flush(self.db, [event])

    def assert_folded(self, events):
        fold = pme_events.Fold(events)
        for found, wanted in (
                (pme_events.orders_of(self.db), fold.order_rows()),
                (pme_events.trades_of(self.db), fold.trade_rows()),
                (pme_events.contracts_of(self.db), fold.contract_rows())):
            wrong = [(nid, found.get(nid), wanted.get(nid))
                     for nid in found.keys() | wanted.keys()
                     if found.get(nid) != wanted.get(nid)]
            self.assertEqual(wrong, [])
        self.assertEqual(self.db.value("SELECT count(*) FROM touched"), 0)
        return fold

    def state(self, table, nid):
        return self.db.value(f"SELECT state FROM {table} WHERE nid = {nid}")

    def order(self, nid):
        return self.db.values("SELECT state, done_quantity FROM orders "
                              f"WHERE nid = {nid}")[0]
