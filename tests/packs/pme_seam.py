"""Two days in one topic, of which a node is to write the second: what
pme_node_test.py sends, and looks at afterwards."""

import collections
import json
import os
import re
import textwrap
from datetime import datetime, timedelta, timezone

from pme_day import Day
from pme_node import record
from support import TOP


def text_of(time_ms):
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).isoformat()


class Days:
    """Two days: the first is the exporter's alone. Then the ledger opens anew,
    and an acknowledgement comes whose order was the day before."""

    def __init__(self):
        before, after = Day(8).open(), Day(9)
        before.order(3001)
        after.time_ms = before.time_ms + 3_600_000
        after.open()
        after.ack(3001)
        for nid in range(3101, 3121):
            after.order(nid)
            after.ack(nid)
        # As a Go service may send it: in any case, and no more than it must.
        short = after.order(3121)
        short.body = {"NID": 3121, **{x: short.body[x] for x in (
            "account_code", "participant_code", "instrument_code", "side")},
                      "rate": None}
        self.events = before.events + after.events
        self.seam_ms = after.events[0].time_ms
        self.before = [record(x) for x in before.events]
        self.after = [record(x) for x in after.events]
        half = len(self.after) // 2
        self.first, self.second = self.after[:half], self.after[half:]

    def exporter_s_log(self):
        """As it has it: partition 0 from the beginning, at each start again,
        with times of its own zone; and what it could not or would not write
        left out. Of that, what is as late as the seam."""
        logged, left_out = [], []
        codes = set()
        for x in self.events:
            if x.partition != 0:
                continue
            # What names somebody that it has not read of fails there.
            fails = any(x.body[y] not in codes
                        for y in ("participant_code", "account_code",
                                  "instrument_code") if y in x.body)
            if fails:
                if x.time_ms >= self.seam_ms:
                    left_out.append(x.kind)
                continue
            if "code" in x.body:
                codes.add(x.body["code"])
            zone = timezone(timedelta(hours=7))
            at = datetime.fromtimestamp(x.time_ms / 1000, zone).isoformat()
            logged.append((x.kind, json.dumps({**x.body, "timestamp": at})))
        return 2 * logged, collections.Counter(left_out)


class Tests:
    """Over `db`, which has written `days` from the offsets `begins` on."""

    def test_each_record_from_the_seam_on_is_there_once_and_none_before(self):
        self.assertEqual(self.db.values(
            "SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset)) "
            "AS d FROM event_log"), [(len(self.days.after),) * 2])
        self.assertEqual(self.db.values(
            "SELECT kafka_partition, min(kafka_offset) AS m FROM event_log "
            "GROUP BY 1 ORDER BY 1"), list(enumerate(self.begins)))
        self.assertEqual(self.db.value("SELECT count(*) FROM orders"), 21)

    def test_members_that_are_missing_are_zero(self):
        self.assertEqual(self.db.values(
            "SELECT quantity, rate, aro, periode, settlement_date, "
            "instruction, state FROM orders WHERE nid = 3121"),
            [(0, 0, False, 0, None, "", "S")])

    def test_what_was_open_before_the_seam_is_a_held_fact(self):
        self.assertEqual(self.db.values(
            "SELECT kind, waits_for FROM held_facts"), [("OrderAck", 3001)])

    def test_the_page_s_comparison_finds_what_the_exporter_left_out(self):
        missing, left_out = [
            x.replace("tenant_kpei", "tenant_east").replace(
                "FROM public.event_log",
                "FROM public.event_log WHERE (event_data->>'timestamp')"
                f"::timestamptz >= '{text_of(self.days.seam_ms)}'")
            .rstrip().rstrip(";")
            for x in blocks_of_page("public.event_log")]
        self.db.run("CREATE TABLE public.event_log (event_type text, "
                    "event_data jsonb)")
        logged, wanted = self.days.exporter_s_log()
        for kind, data in logged:
            self.db.run("INSERT INTO public.event_log VALUES "
                        f"('{kind}', '{data}')")
        self.assertGreater(len(wanted), 0)
        self.assertEqual(self.db.values(missing), [])
        self.assertEqual(dict(self.db.values(left_out)), wanted)
        # One that Millrace does not have is found.
        self.db.run("INSERT INTO public.event_log SELECT event_type, "
                    "jsonb_set(event_data, '{order_nid}', '1') FROM "
                    "public.event_log WHERE event_type = 'OrderAck' "
                    "AND (event_data->>'order_nid')::bigint > 3100 LIMIT 1")
        self.assertEqual(len(self.db.values(missing)), 1)

    def test_readers_are_pointed_to_the_new_schema_as_the_page_says(self):
        role = f"reports_{os.getpid()}"
        self.db.run(f"CREATE ROLE {role}")
        try:
            block, = blocks_of_page("ALTER ROLE")
            self.db.run(block.replace("tenant_kpei", "tenant_east")
                        .replace("reports", role))
            path = self.db.value(
                "SELECT substr(setconfig[1], 13) FROM pg_db_role_setting "
                f"WHERE setrole = '{role}'::regrole")
            self.db.run(f"SET ROLE {role}; SET search_path = {path}")
            self.assertEqual(self.db.value("SELECT count(*) FROM orders"), 21)
        finally:
            self.db.run("RESET ROLE; SET search_path = tenant_east, public; "
                        f"DROP OWNED BY {role}; DROP ROLE {role}")


def blocks_of_page(word):
    """Its blocks of SQL with that in it."""
    page = (TOP / "docs/from-pme-exporter.md").read_text()
    return [textwrap.dedent(x)
            for x in re.findall(r"```sql\n(.*?)```", page, re.S) if word in x]
