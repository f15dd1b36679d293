"""Two days in one topic, of which a node is to write the second: what
pme_node_test.py sends, and looks at afterwards."""

import json
import re
from datetime import datetime, timezone

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
        self.events = before.events + after.events
        self.seam_ms = after.events[0].time_ms
        self.before = [record(x) for x in before.events]
        self.after = [record(x) for x in after.events]
        half = len(self.after) // 2
        self.first, self.second = self.after[:half], self.after[half:]

    def exporter_s_log(self):
        """As it has it: partition 0 from the beginning, at each start again."""
        return 2 * [
            (x.kind, json.dumps({**x.body, "timestamp": text_of(x.time_ms)}))
            for x in self.events if x.partition == 0]


class Tests:
    """Over `db`, which has written `days` from the offsets `begins` on."""

    def test_each_record_from_the_seam_on_is_there_once_and_none_before(self):
        self.assertEqual(self.db.values(
            "SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset)) "
            "AS d FROM event_log"), [(len(self.days.after),) * 2])
        self.assertEqual(self.db.values(
            "SELECT kafka_partition, min(kafka_offset) AS m FROM event_log "
            "GROUP BY 1 ORDER BY 1"), list(enumerate(self.begins)))
        self.assertEqual(self.db.value("SELECT count(*) FROM orders"), 20)

    def test_what_was_open_before_the_seam_is_a_held_fact(self):
        self.assertEqual(self.db.values(
            "SELECT kind, waits_for FROM held_facts"), [("OrderAck", 3001)])

    def test_the_page_s_comparison_finds_both_logs_the_same(self):
        page = (TOP / "docs/from-pme-exporter.md").read_text()
        blocks = [x for x in re.findall(r"```sql\n(.*?)```", page, re.S)
                  if "public.event_log" in x]
        ours = blocks[0].split(";")[0].replace("tenant_kpei", "tenant_east")
        theirs = blocks[1].split(";")[0].replace(
            "2026-11-20T01:00:00Z", text_of(self.days.seam_ms))
        self.db.run("CREATE TABLE public.event_log (event_type text, "
                    "event_data jsonb)")
        for kind, data in self.days.exporter_s_log():
            self.db.run("INSERT INTO public.event_log VALUES "
                        f"('{kind}', '{data}')")
        found = self.db.values(ours)
        self.assertGreater(len(found), 1)
        self.assertEqual(found, self.db.values(theirs))
