#!/usr/bin/env python3
"""Black box: the recorded topic of an exchange through the pack pme-online, in
the order in which it was recorded and spread over three partitions at random;
the node is killed with SIGKILL on the way. Whatever came first, the tables end
in the counts that the recording is known to have.

    pme_pack_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import json
import lzma
import random
import sys
from pathlib import Path

from case import Case, run
from laboratory import BUSY, Laboratory

TOP = Path(__file__).resolve().parent.parent.parent
RECORDING = TOP / "deploy/data/pme-ledger-one-partition.ndjson.xz"
RECORDS = 2479
SEED = 20261121

CONFIG = """
[node]
name = "exchange"
[node.admin]
port = 0
[postgresql]
url = {{ env = "LAB_PG_URL" }}
[kafka]
bootstrap = "{kafka}"
[[tenant]]
name = "demo"
[pipeline.pme]
pack = "pme-online"
topics = ["{topic}"]
tenant = "'demo'"
lanes = 3
limits.batch_rows = 50
"""

STATES = {
    "orders": "A48 G30 M320 O63 P31 R85 W39",
    "trades": "C113 O297 S29",
    "contracts": "C226 O594 S58",
}

COUNTS = {
    "participants": 6, "instruments": 11, "accounts": 10, "holidays": 4,
    "parameters": 2, "session_times": 2, "service_starts": 5,
    "event_log": RECORDS,
}


class Exchange(Laboratory):
    def environment(self):
        return {"MILLRACE_PACK_DIR": str(TOP / "config/packs")}

    def start(self):
        config = self.directory / "exchange.toml"
        config.write_text(CONFIG.format(kafka=self.kafka, topic=self.topic))
        self.nodes["exchange"] = self.spawn("exchange", "millrace", "node",
                                            config)

    def feed(self, lines, partitions):
        file = self.directory / "recorded.ndjson"
        file.write_text("".join(json.dumps(x) + "\n" for x in lines))
        done = self.spawn("produce", "millrace", "produce", self.topic, file,
                          "--recorded", "--bootstrap", self.kafka,
                          "--partitions", partitions)
        assert done.wait(BUSY * 60) == 0, "millrace produce failed"

    def number(self, sql):
        try:
            return int(self.query(sql)[0])
        except RuntimeError:
            return 0  # no table yet

    def logged(self):
        return self.number("SELECT count(*) FROM tenant_demo.event_log")


def recorded():
    with lzma.open(RECORDING, "rt") as file:
        return [json.loads(line) for line in file]


def spread(lines, chance):
    for line in lines:
        line["partition"] = chance.randrange(3)
    return lines


class Day(Case):
    def pass_through(self, lines, partitions):
        lab = self.laboratory(kind=Exchange)
        lab.feed(lines, partitions)
        lab.start()
        for share in (5, 2):
            lab.wait_until(lambda: lab.logged() >= RECORDS // share, 90,
                           f"a {share}th of the records")
            lab.kill_node("exchange")
            lab.start()
        lab.wait_until(
            lambda: lab.logged() >= RECORDS
            and lab.number("SELECT count(*) FROM millrace.waiting") == 0, 90,
            "all records")
        # The last life may have found nothing left to do.
        lab.wait_until(lambda: "node-ready" in lab.log_of("exchange").split(
            "node-starting")[-1], 60, "the node to be up")
        lab.end_nodes()
        self.prove_counts(lab)

    def prove_counts(self, lab):
        def expect(what, sql, answer):
            with self.subTest(what):
                self.assertEqual(lab.query(sql), [answer])

        for table, states in STATES.items():
            expect(f"states of {table}",
                   "SELECT string_agg(state || n, ' ' ORDER BY state COLLATE "
                   f"\"C\") FROM (SELECT state, count(*) n FROM "
                   f"tenant_demo.{table} GROUP BY state) x", states)
        for table, count in COUNTS.items():
            expect(table, f"SELECT count(*) FROM tenant_demo.{table}",
                   str(count))
        expect("dead letters", "SELECT count(*) FROM millrace.dead_letter",
               "0")

    def test_as_it_was_recorded(self):
        self.pass_through(recorded(), 1)

    def test_spread_over_three_partitions(self):
        self.pass_through(spread(recorded(), random.Random(SEED)), 3)


if __name__ == "__main__":
    sys.exit(run("exchange", Day))
