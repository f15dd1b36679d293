"""The queries that the pack's document promises (section 6 of the sheet): two
days of the exchange that give each of them several rows at different times, and
the queries as tests, for tables however they were filled."""

import json
import random
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pme_fold
import pme_rows
from pme_day import Day
from pme_node import record

UTC = timezone.utc
DAY_MS = 86_400_000
JAKARTA = timezone(timedelta(hours=7))


def text_of(ms):
    return datetime.fromtimestamp(ms / 1000, JAKARTA).isoformat(
        timespec="milliseconds")


def date_of(ms):
    return str(datetime.fromtimestamp(ms / 1000, UTC).date())


def today_ms():
    """Now; or a moment after midnight where that is near, so that today is the
    same day for as long as the tests run. (Brokers refuse times that are more
    than an hour ahead.)"""
    now = int(time.time() * 1000)
    soon = now + 600_000
    return now if now // DAY_MS == soon // DAY_MS else soon


class Ledger:
    """What was said two days ago and today. Nothing comes in the order of its
    numbers: neither entries, nor matches, nor what arrives."""

    def __init__(self):
        self.day = Day(6)
        self.today = today_ms()
        self.before = self.today - 2 * DAY_MS
        self.now = self.before
        self.matched = {}
        self.reference()
        self.two_days_ago()
        self.now = self.today
        self.of_today()
        self.arrive()
        self.records = [record(x) for x in self.events]
        self.rows, _ = pme_fold.expected(pme_fold.records_of(self.records))

    # -- what is said ---------------------------------------------------------

    def say(self, event):
        """No two at the same time."""
        self.now += 10
        event.time_ms = self.now
        return event

    def add(self, kind, **body):
        return self.say(self.day.add(kind, **body))

    def reference(self):
        for event in self.day.open().events:
            self.say(event)
        self.add("Instrument", nid=31, code="ABCD", name="Abece Tbk",
                 type="STOCK", status=True)
        self.add("Account", nid=32, code="QX-2", sid="SIDQ2", name="Other",
                 participant_code="QX")
        self.opening = len(self.day.events)

    def order(self, nid, side, account, instrument, quantity, says="OrderAck",
              message=None):
        event = self.say(self.day.order(nid, side, quantity,
                                        instrument=instrument))
        event.body.update(account_code=account, participant_code=account[:2])
        if says:
            self.add(says, order_nid=nid,
                     **({"message": message} if message else {}))

    def trade(self, nid, quantity, instrument, borrower, lender, fees,
              *then, message=None, matched=None):
        """`borrower` and `lender`: order and account. A contract's match is
        never exactly its trade's (8.8)."""
        event = self.say(self.day.trade(nid, quantity, borrower[0], lender[0]))
        body = event.body
        self.matched[nid] = matched or event.time_ms - 5
        body.update(instrument_code=instrument,
                    matched_at=text_of(self.matched[nid]))
        for side, (_, account), fee, later in (
                ("Borrower", borrower, fees[0], 3),
                ("Lender", lender, fees[1], 2)):
            body[side][0].update(
                account_code=account, account_participant_code=account[:2],
                instrument_code=instrument, fee_val_accumulated=fee,
                matched_at=text_of(self.matched[nid] + later))
        for kind in then:
            self.add(kind, trade_nid=nid,
                     **({"message": message} if message else {}))

    def two_days_ago(self):
        self.order(12, "LEND", "ZV-1", "MLRC", 5000)
        self.order(11, "BORR", "QX-1", "MLRC", 1000)
        self.order(15, "BORR", "ZV-1", "ABCD", 40)
        self.order(13, "BORR", "QX-1", "GRND", 300, "OrderNak",
                   "Quantity: must be in multiples of 100 shares")
        self.order(14, "LEND", "ZV-1", "MLRC", 700, "OrderNak",
                   "an error of the source")
        self.order(17, "BORR", "QX-1", "GRND", 60)
        self.order(16, "LEND", "ZV-1", "GRND", 60)
        self.trade(5, 60, "GRND", (17, "QX-1"), (16, "ZV-1"), (77, 88),
                   "TradeAck", "TradeReimburse")
        self.trade(1, 400, "MLRC", (11, "QX-1"), (12, "ZV-1"),
                   (12.5, 7), "TradeAck")

    def of_today(self):
        self.order(21, "BORR", "QX-1", "MLRC", 100)
        self.order(31, "BORR", "ZV-1", "MLRC", 77)
        self.order(26, "LEND", "QX-2", "GRND", 60)
        self.order(22, "LEND", "QX-2", "MLRC", 100)
        self.order(24, "LEND", "ZV-1", "GRND", 900)
        self.order(25, "BORR", "QX-1", "MLRC", 10, "OrderNak",
                   "error: too late")
        self.order(23, "BORR", "QX-1", "GRND", 50)
        self.order(27, "BORR", "ZV-1", "GRND", 90)
        self.order(28, "BORR", "QX-2", "ABCD", 500, None)
        self.order(30, "BORR", "QX-1", "ABCD", 150)
        self.order(29, "LEND", "ZV-1", "ABCD", 150)
        # Matched at the very beginning of the day.
        self.trade(6, 70, "MLRC", (31, "ZV-1"), (12, "ZV-1"), (5, 5),
                   "TradeNak", message="an error: not approved",
                   matched=self.today // DAY_MS * DAY_MS)
        self.trade(3, 90, "GRND", (27, "ZV-1"), (24, "ZV-1"), (99, 99))
        self.trade(2, 100, "MLRC", (21, "QX-1"), (22, "QX-2"),
                   (30.25, 5.5), "TradeAck")
        # More than was ordered (8.4).
        self.trade(4, 160, "ABCD", (30, "QX-1"), (29, "ZV-1"), (44, 44),
                   "TradeWait")
        # Said twice: an event more, and no order more.
        self.say(self.day.order(21, quantity=100))

    def arrive(self):
        """Accounts before the rest, so that none of it waits for them."""
        first = self.day.events[:self.opening]
        others = self.day.events[self.opening:]
        random.Random(1).shuffle(others)
        self.events = first + others
        ends = [0, 0, 0]
        for event in self.events:
            event.offset = ends[event.partition]
            ends[event.partition] += 1

    # -- what must be there ---------------------------------------------------

    def of(self, table, *nids):
        return [self.rows[table][nid,] for nid in nids]

    def log(self, wanted=lambda row: True):
        """Rows of the log, the newest first."""
        return sorted(filter(wanted, self.rows["event_log"].values()),
                      key=lambda x: -x["timestamp"])

    def types(self):
        """(type, count, first, last)."""
        times = {}
        for row in self.log():
            times.setdefault(row["event_type"], []).append(row["timestamp"])
        return [(x, len(y), min(y), max(y)) for x, y in times.items()]


class Tests:
    """Over `db`, whose tables were filled with `ledger`. Expected rows are those
    of the independent fold; which, and in which order, stands here."""

    maxDiff = None
    db = None
    ledger = None

    def ask(self, query):
        return json.loads(self.db.run(
            "SELECT coalesce(json_agg(x), '[]') FROM "
            f"({query}) x"), parse_float=Decimal)

    def tuples(self, query):
        return [tuple(x.values()) for x in self.ask(query)]

    def whole(self, table, found):
        """Rows with all of the table's columns, as the fold has them."""
        columns = pme_rows.COLUMNS[table]
        more = {"id", "created_at"} | (
            {"raw"} if table == "event_log" else set())
        for row in found:
            self.assertEqual(row.keys(), columns.keys() | more)
        return [{x: pme_rows.cast(kind, row[x]) for x, kind in columns.items()}
                for row in found]

    def all_of(self, table, condition, order):
        return self.whole(table, self.ask(
            f"SELECT * FROM {table} WHERE {condition} ORDER BY {order}"))

    def assert_descending(self, found, wanted, key):
        """In order; those that are level may stand in any."""
        self.assertEqual([key(x) for x in found],
                         sorted(map(key, wanted), reverse=True))
        self.assertEqual(sorted(found, key=repr), sorted(wanted, key=repr))

    def test_q01_open_orders_newest_first(self):
        self.assertEqual(
            self.all_of("orders", "state = 'O'", "entry_at DESC"),
            self.ledger.of("orders", 23, 26, 31, 15))

    def test_q02_orders_of_a_participant(self):
        self.assertEqual(
            self.all_of("orders", "participant_code = 'QX'", "entry_at DESC"),
            self.ledger.of("orders", 30, 28, 23, 25, 22, 26, 21, 17, 13, 11))

    def test_q03_open_contracts_with_their_trade(self):
        found = self.ask(
            "SELECT c.*, t.kpei_reff AS trade_reff, t.matched_at AS trade_at "
            "FROM contracts c JOIN trades t ON c.trade_nid = t.nid "
            "WHERE c.state = 'O' ORDER BY c.matched_at DESC")
        trades = [(x.pop("trade_reff"),
                   pme_rows.cast("instant", x.pop("trade_at")))
                  for x in found]
        self.assertEqual(self.whole("contracts", found),
                         self.ledger.of("contracts", 21, 22, 11, 12))
        self.assertEqual(trades, [
            (x["kpei_reff"], x["matched_at"])
            for x in self.ledger.of("trades", 2, 2, 1, 1)])

    def test_q04_fees_of_open_contracts(self):
        self.assertCountEqual(self.tuples(
            "SELECT account_participant_code, side, sum(fee_val_accumulated) "
            "AS total_fees, count(*) AS contract_count FROM contracts WHERE "
            "state = 'O' GROUP BY account_participant_code, side"),
            [("QX", "BORR", Decimal("42.75"), 2),
             ("QX", "LEND", Decimal("5.5"), 1), ("ZV", "LEND", 7, 1)])

    def test_q05_open_quantities_by_instrument(self):
        self.assertCountEqual(self.tuples(
            "SELECT instrument_code, coalesce(sum(quantity) FILTER (WHERE "
            "side = 'BORR'), 0) AS borrow_quantity, coalesce(sum(quantity) "
            "FILTER (WHERE side = 'LEND'), 0) AS lend_quantity FROM orders "
            "WHERE state IN ('O', 'P') GROUP BY instrument_code"),
            [("ABCD", 40, 0), ("GRND", 50, 960), ("MLRC", 1077, 5000)])

    def test_q06_the_log_by_type_with_first_and_last(self):
        found = self.tuples(
            "SELECT event_type, count(*) AS count, min(timestamp) AS "
            "first_event, max(timestamp) AS last_event FROM event_log "
            "GROUP BY event_type ORDER BY count DESC")
        self.assertEqual([x[:2] for x in found[:3]],
                         [("Order", 19), ("OrderAck", 14), ("Trade", 6)])
        self.assert_descending(found, self.ledger.types(), lambda x: x[1])

    def test_q07_the_log_by_type(self):
        self.assert_descending(self.tuples(
            "SELECT event_type, count(*) AS count FROM event_log "
            "GROUP BY event_type ORDER BY count DESC"),
            [x[:2] for x in self.ledger.types()], lambda x: x[1])

    def test_q08_the_newest_ten(self):
        found = self.ask(
            "SELECT id, event_type, timestamp, event_data FROM event_log "
            "ORDER BY timestamp DESC LIMIT 10")
        self.assertEqual(len({x.pop("id") for x in found}), 10)
        for row in found:
            row["event_data"] = pme_rows.cast("json", row["event_data"])
        self.assertEqual(found, [
            {x: row[x] for x in ("event_type", "timestamp", "event_data")}
            for row in self.ledger.log()[:10]])

    def test_q09_row_counts(self):
        self.assertEqual(self.tuples("SELECT " + ", ".join(
            f"(SELECT count(*) FROM {x}) AS {x}" for x in (
                "participants", "instruments", "accounts", "orders", "trades",
                "contracts"))), [(2, 3, 3, 18, 6, 12)])

    def test_q10_orders_against_order_events(self):
        self.assertEqual(self.tuples(
            "SELECT (SELECT count(*) FROM orders) AS orders_count, (SELECT "
            "count(*) FROM event_log WHERE event_type LIKE 'Order%') AS "
            "order_events_count"), [(18, 36)])

    def test_q11_the_log_searched_for_a_text(self):
        found = self.all_of("event_log", "event_data::text LIKE '%error%'",
                            "timestamp DESC")
        self.assertEqual([x["event_type"] for x in found],
                         ["TradeNak", "OrderNak", "OrderNak"])
        self.assertEqual(found, self.ledger.log(
            lambda x: "error" in x["event_data"].get("message", "")))

    def test_q12_trades_of_a_time(self):
        since, until = (text_of(self.ledger.matched[x]) for x in (1, 2))
        self.assertEqual(
            self.all_of("trades", f"matched_at >= '{since}' AND "
                        f"matched_at < '{until}'", "matched_at DESC"),
            self.ledger.of("trades", 3, 6, 1))

    def test_q13_trades_since_today_by_instrument(self):
        self.assertEqual(self.tuples(
            "SELECT instrument_code, count(*) AS trade_count, sum(quantity) "
            "AS total_quantity FROM trades "
            "WHERE matched_at >= date_trunc('day', now(), 'UTC') "
            "GROUP BY instrument_code ORDER BY total_quantity DESC"),
            [("MLRC", 2, 170), ("ABCD", 1, 160), ("GRND", 1, 90)])

    def test_q14_orders_since_today_by_account(self):
        self.assertCountEqual(self.tuples(
            "SELECT account_code, count(*) FILTER (WHERE side = 'BORR') AS "
            "borr_orders, count(*) FILTER (WHERE side = 'LEND') AS "
            "lend_orders, coalesce(sum(quantity) FILTER (WHERE side = 'BORR' "
            "AND state = 'M'), 0) AS borr_matched, coalesce(sum(quantity) "
            "FILTER (WHERE side = 'LEND' AND state = 'M'), 0) AS lend_matched "
            "FROM orders WHERE entry_at >= date_trunc('day', now(), 'UTC') "
            "GROUP BY account_code"),
            [("QX-1", 4, 0, 250, 0), ("QX-2", 1, 2, 0, 100),
             ("ZV-1", 2, 2, 90, 150)])

    def test_q15_rejected_orders_by_day_with_reasons(self):
        self.assertEqual(self.tuples(
            "SELECT (reject_at AT TIME ZONE 'UTC')::date AS date, count(*) AS "
            "rejection_count, string_agg(reject_message, '; ' ORDER BY "
            "reject_at) AS reasons "
            "FROM orders WHERE state = 'R' GROUP BY 1 ORDER BY 1 DESC"),
            [(date_of(self.ledger.today), 1, "error: too late"),
             (date_of(self.ledger.before), 2,
              "Quantity: must be in multiples of 100 shares; an error of the "
              "source")])

    def test_q16_orders_of_an_account(self):
        """A node writes several orders at one time."""
        found = self.ask("SELECT * FROM orders WHERE account_code = 'ZV-1' "
                         "ORDER BY created_at DESC")
        made = [datetime.fromisoformat(x["created_at"]) for x in found]
        self.assertEqual(made, sorted(made, reverse=True))
        self.assertGreater(len(set(made)), 1)
        self.assertCountEqual(
            self.whole("orders", found),
            self.ledger.of("orders", 12, 14, 15, 16, 24, 27, 29, 31))

    def test_q17_how_far_the_tables_are_behind_the_events(self):
        made = max(datetime.fromisoformat(x["created_at"])
                   for x in self.ask("SELECT created_at FROM orders"))
        newest = max(x.time_ms for x in self.ledger.events)
        self.assertEqual(self.tuples(
            "SELECT extract(epoch FROM max(created_at)) * 1000 - (SELECT "
            "max(timestamp) FROM event_log) AS lag FROM orders"),
            [(Decimal((made - pme_fold.EPOCH) // timedelta(microseconds=1))
              / 1000 - newest,)])
