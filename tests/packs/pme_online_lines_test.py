#!/usr/bin/env python3
"""The pack pme-online: the queries its document promises (section 6 of the
sheet), and what it must do right (7) as far as the schema decides."""

import sys

sys.dont_write_bytecode = True

import pme_events  # noqa: E402
import pme_fold  # noqa: E402
import pme_queries  # noqa: E402
import support  # noqa: E402
from pme_case import PmeTest, flush  # noqa: E402
from pme_day import OPENS, ZERO, Day  # noqa: E402


def log(session, event, partition=None, offset=None):
    """The row that the pipeline always writes."""
    body = pme_events.json.dumps(
        {**event.body, "timestamp": pme_fold.sent_at(event.time_ms)},
        default=str)
    session.run(
        "INSERT INTO event_log (event_type, event_data, timestamp, "
        "kafka_partition, kafka_offset) VALUES ("
        f"'{event.kind}', {support.quote(body)}, {event.time_ms}, "
        f"{event.partition if partition is None else partition}, "
        f"{event.offset if offset is None else offset})")


class Queries(pme_queries.Tests, PmeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = pme_queries.Ledger()
        # Each in a transaction of its own: rows are made one after the other.
        for event in cls.ledger.events:
            flush(cls.db, [event])
            log(cls.db, event)

    def setUp(self):
        pass


class WhatItGetsWrong(PmeTest):
    """Named by the line of section 7."""

    def test_01_one_log_row_per_partition_and_offset(self):
        event = Day().add("Sod", date=ZERO)
        log(self.db, event)
        self.assert_refused("23505", "INSERT INTO event_log (event_type, "
                            "timestamp, kafka_partition, kafka_offset) VALUES "
                            f"('SOD', {event.time_ms}, {event.partition}, "
                            f"{event.offset})")

    def test_02_a_repeated_order_changes_nothing(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1), day.trade(1, 500, 1))
        before = self.db.rows("SELECT * FROM orders")
        repeat = day.order(1, quantity=7)
        self.said(day, repeat)
        self.assertEqual(self.db.rows("SELECT * FROM orders"), before)

    def test_02_the_first_order_counts_also_when_it_comes_last(self):
        day = self.opened()
        first, repeat = day.order(1), day.order(1, quantity=7)
        self.said(day, repeat, first)
        self.assertEqual(self.db.values(
            "SELECT quantity, ms_of(entry_at) AS at FROM orders"),
            [(150000, first.time_ms)])

    def test_06_an_account_waits_for_its_participant(self):
        day = Day()
        account = day.add("Account", nid=1, code="QX-1", sid="S", name="n",
                          participant_code="QX")
        sql = pme_events.insert([account])
        self.assert_refused("23503", sql)
        self.said(day, day.add("Participant", nid=2, code="QX", name="n",
                               borr_eligibility=True, lend_eligibility=True))
        self.db.run(sql)

    def test_06_a_limit_waits_for_its_account_and_is_never_reset(self):
        day = self.opened()
        limit = day.add("AccountLimit", code="QX-2", trade_limit=5,
                        pool_limit="1e+21")
        self.assert_refused("23503", pme_events.insert([limit]))
        account = {"nid": 9, "code": "QX-2", "sid": "S2",
                   "participant_code": "QX"}
        self.said(day, day.add("Account", name="first", **account), limit,
                  day.add("Account", name="second", **account))
        self.assertEqual(self.db.values(
            "SELECT name, trade_limit::text, pool_limit::text FROM accounts "
            "WHERE code = 'QX-2'"),
            [("second", "5", "1000000000000000000000")])

    def test_06_facts_lie_until_what_they_are_about_is_there(self):
        day = self.opened()
        late = [day.order(1), day.ack(1)]
        self.said(day, day.trade(1, 500, 1), late[1],
                  day.of_trade("TradeAck", 2))
        self.assertEqual(
            sorted(self.db.values("SELECT kind, waits_for FROM held_facts")),
            [("Contract", 1), ("OrderAck", 1), ("TradeAck", 2)])
        self.said(day, late[0])
        self.assertEqual(self.order(1), ("P", 500))
        self.assertEqual(self.state("contracts", 11), "S")
        self.assertEqual(self.db.values("SELECT kind FROM held_facts"),
                         [("TradeAck",)])

    def test_07_a_trade_and_its_contracts_come_at_once(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1))
        other = self.open()
        self.db.run("BEGIN;" + pme_events.insert([day.trade(1, 500, 1)]))
        seen = "SELECT (SELECT count(*) FROM trades) AS t, " \
               "(SELECT count(*) FROM contracts) AS c"
        self.assertEqual(other.values(seen), [(0, 0)])
        self.db.run("COMMIT")
        self.assertEqual(other.values(seen), [(1, 1)])

    def test_09_acknowledgements_leave_the_done_quantity(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1), day.trade(1, 500, 1),
                  day.ack(1), day.add("OrderNak", order_nid=1, message="x"))
        self.assertEqual(self.order(1), ("P", 500))
        self.said(day, day.add("OrderWithdrawAck", order_nid=1))
        self.assertEqual(self.order(1), ("W", 500))

    def test_11_contracts_follow_their_trade(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1), day.trade(1, 500, 1))
        close = None
        for kind, state in (("TradeWait", "E"), ("TradeAck", "O"),
                            ("TradeReimburse", "C"), ("TradeAck", "C")):
            event = day.of_trade(kind, 1)
            close = event.time_ms if state == "C" and not close else close
            self.said(day, event)
            self.assertEqual(self.state("trades", 1), state)
            self.assertEqual(self.state("contracts", 11), state)
        self.assertEqual(self.db.values(
            "SELECT ms_of(reimburse_at) FROM trades UNION ALL "
            "SELECT ms_of(reimburse_at) FROM contracts"),
            [(close,), (close,)])

    def test_12_an_amended_and_a_withdrawn_order_say_when(self):
        day = self.opened()
        self.said(day, day.order(1), day.ack(1), day.order(2, prev=1),
                  day.order(3), day.ack(3))
        amend = day.ack(2)
        withdraw = day.add("OrderWithdrawAck", order_nid=3)
        self.said(day, amend, withdraw)
        self.assertEqual(self.db.values(
            "SELECT state, ms_of(amend_at) AS a, ms_of(withdraw_at) AS w "
            "FROM orders ORDER BY nid"),
            [("A", amend.time_ms, None), ("O", None, None),
             ("W", None, withdraw.time_ms)])

    def test_12_a_withdrawal_after_the_full_match_is_kept_as_a_fact(self):
        day = self.opened()
        self.said(day, day.order(1, quantity=100), day.ack(1),
                  day.trade(1, 250, 1),
                  day.add("OrderWithdrawAck", order_nid=1))
        self.assertEqual(self.order(1), ("M", 250))
        self.assertIsNotNone(self.db.value("SELECT withdraw_at FROM orders"))

    def test_13_a_pending_order_is_g(self):
        day = self.opened()
        pending = day.add("OrderPending", order_nid=1)
        self.said(day, day.order(1, at=OPENS), pending)
        self.assertEqual(self.db.values(
            "SELECT state, ms_of(pending_at) AS p FROM orders"),
            [("G", pending.time_ms)])

    def test_14_the_reasons_have_columns(self):
        day = self.opened()
        self.said(day, day.order(1), day.order(2), day.ack(2),
                  day.trade(1, 5, 2),
                  day.add("OrderNak", order_nid=1, message="no such account"),
                  day.of_trade("TradeNak", 1, message="not approved"))
        self.assertEqual(self.db.values(
            "SELECT reject_message FROM orders WHERE nid = 1 UNION ALL "
            "SELECT message FROM trades"),
            [("no such account",), ("not approved",)])

    def test_14_the_withdraw_reference_is_that_of_the_open_request(self):
        day = self.opened()
        ask = day.add("OrderWithdraw", order_nid=1, reff_request_id="WD-1")
        refuse = day.add("OrderWithdrawNak", order_nid=1, message="x")
        again = day.add("OrderWithdraw", order_nid=1, reff_request_id="WD-2")
        reference = "SELECT withdraw_reff_request_id FROM orders"
        self.said(day, day.order(1), again)
        self.assertEqual(self.db.value(reference), "WD-2")
        self.said(day, refuse, ask)
        self.assertEqual(self.db.value(reference), "WD-2")

    def test_15_times_are_those_of_the_events(self):
        day = self.opened()
        order, ack = day.order(1), day.ack(1)
        self.said(day, order, ack)
        self.assertEqual(self.db.values(
            "SELECT ms_of(entry_at) AS e, ms_of(open_at) AS o, last_update "
            "FROM orders"), [(order.time_ms, ack.time_ms, ack.time_ms)])

    def parameter(self, day, nid, fee):
        return day.add("Parameter", nid=nid, description="d", flat_fee=fee,
                       lending_fee=0, borrowing_fee=0, max_quantity=1,
                       borrow_max_open_day=1, denomination_limit=1)

    def test_16_one_parameter_row_is_current_and_the_others_stay(self):
        day = self.opened()
        old, new = self.parameter(day, 1, 1), self.parameter(day, 2, 2)
        other = self.open()
        current = "SELECT nid FROM parameters WHERE current"
        self.said(day, new, old)
        self.assertEqual(self.db.values(current), [(2,)])
        newest = self.parameter(day, 3, 3)
        self.db.run("BEGIN;" + pme_events.insert([newest]))
        self.assertEqual(other.values(current), [(2,)])
        self.db.run("COMMIT")
        self.assertEqual(other.values(current), [(3,)])
        self.assertEqual(self.db.value("SELECT count(*) FROM parameters"), 3)

    def test_16_session_times_keep_the_time_of_day_alone(self):
        day = self.opened()
        self.said(day, day.add(
            "SessionTime", nid=1, description="d",
            session1_start="0000-01-01T09:00:00Z",
            session1_end="0000-01-01T12:00:00Z",
            session2_start="0000-01-01T13:30:00Z",
            session2_end="0000-01-01T15:49:59Z"))
        self.assertEqual(self.db.values(
            "SELECT session1_start, session2_end, current "
            "FROM session_times"), [("09:00:00", "15:49:59", True)])

    def test_17_every_service_s_start_is_there_once(self):
        day = self.opened()
        for service in ("pmeoms", "pmeapi", "pmeapi"):
            self.said(day, day.add(
                "ServiceStart", id=service, start_id=service + "_1",
                start_time="2025-12-03T08:59:00.120394+07:00"))
        self.assertEqual(self.db.values(
            "SELECT service_name, started_at FROM service_starts ORDER BY 1"),
            [("pmeapi", 1764727140120), ("pmeoms", 1764727140120)])

    def test_19_29_reference_data_of_one_code_is_one_row(self):
        day = self.opened()
        row = {"code": "NN", "borr_eligibility": True,
               "lend_eligibility": False}
        old = day.add("Participant", nid=7, name="old", **row)
        day.time_ms += 1
        new = day.add("Participant", nid=8, name="new", **row)
        # Another code under an id that is taken.
        same = day.add("Participant", nid=8, name="x", **{**row, "code": "OO"})
        self.said(day, new, old, same)
        self.assertEqual(self.db.values(
            "SELECT code, nid, name FROM participants WHERE nid > 6 "
            "ORDER BY code"), [("NN", 7, "new"), ("OO", 8, "x")])

    def test_19_a_second_trade_with_a_reference_is_refused(self):
        day = self.opened()
        self.said(day, day.trade(1, 5, reff="PME-X"))
        self.assert_refused("23505", pme_events.insert(
            [day.trade(2, 5, reff="PME-X")]))
        # The same trade once more is none.
        self.said(day, day.trade(1, 5, reff="PME-X"))

    def test_20_a_body_that_is_no_json_is_logged_raw(self):
        self.db.run(
            "INSERT INTO event_log (event_type, raw, timestamp, "
            "kafka_partition, kafka_offset) VALUES ('Order', "
            f"'\\x7b6e6f', {OPENS}, 0, 0)")
        self.assertEqual(self.db.value(
            "SELECT convert_from(raw, 'UTF8') FROM event_log"), "{no")

    def test_25_log_ids_have_64_bits(self):
        self.assertEqual(self.db.value(
            "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE "
            "attrelid = 'event_log'::regclass AND attname = 'id'"), "bigint")

    def test_26_an_offset_is_not_lost(self):
        day = self.opened()
        self.said(day, day.order(1))
        self.assertEqual(self.db.value(
            "SELECT (settlement_date AT TIME ZONE 'UTC')::text FROM orders"),
            "2025-12-02 17:00:00")

    def test_27_money_keeps_its_digits(self):
        day = self.opened()
        event = day.order(1)
        event.body["market_price"] = pme_events.Decimal(
            "304767.12328767125000001")
        self.said(day, event)
        self.assertEqual(self.db.value(
            "SELECT market_price::text FROM orders"),
            "304767.12328767125000001")

    def test_28_the_investor_comes_from_the_account(self):
        day = self.opened()
        self.said(day, day.order(1), day.trade(1, 5, 1))
        self.assertEqual(self.db.value("SELECT account_sid FROM contracts"),
                         "SIDQ1")

    def test_30_the_log_lies_in_months_and_takes_any_time(self):
        event = Day().add("Sod", date=ZERO)
        event.time_ms = 1_924_992_000_000  # 2031-01-01
        log(self.db, event)
        table = "SELECT tableoid::regclass::text FROM event_log"
        self.assertEqual(self.db.value(table), "event_log_default")
        self.assertEqual(self.db.value(
            "SELECT ensure_event_log_months('2031-01-01', '2031-02-01')"), 2)
        self.assertEqual(self.db.value(table), "event_log_2031_01")
        # Identities go on where they were.
        event.offset += 1
        log(self.db, event)
        self.assertEqual(self.db.value(
            "SELECT count(DISTINCT id) FROM event_log"), 2)
        self.db.run("DROP TABLE event_log_2031_01, event_log_2031_02")

    def test_a_role_that_owns_nothing_can_write(self):
        """With another search path, as a pool's sessions may have."""
        day = self.opened()
        role = f"pme_writer_{support.os.getpid()}"
        self.db.run(
            f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA north TO {role}; "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
            f"north TO {role}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA north "
            f"TO {role}")
        try:
            facts = pme_events.insert([day.order(1), day.ack(1),
                                       day.trade(1, 500, 1)])
            self.db.run(
                f"BEGIN; SET LOCAL ROLE {role}; SET LOCAL search_path = '';\n"
                + facts.replace("INSERT INTO ", "INSERT INTO north.")
                + "\nCOMMIT")
            self.assertEqual(self.order(1), ("P", 500))
        finally:
            self.db.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


if __name__ == "__main__":
    support.main()
