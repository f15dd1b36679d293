#!/usr/bin/env python3
"""Black box: the recorded topic of an exchange through the pack pme-online, in
the order in which it was recorded and spread over three partitions at random;
the node is killed with SIGKILL on the way. Whatever came first, the tables end
in the counts that the recording is known to have.

    pme_pack_test.py --bin FOLDER
"""

import argparse
import json
import lzma
import random
import sys
import time
from pathlib import Path

from laboratory import Laboratory, millrace_kinds, up

SKIPPED = 77
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
        assert done.wait(60) == 0, "millrace produce failed"

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


def run(lab, lines, partitions):
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
    lab.end_nodes()
    return verdict(lab)


def verdict(lab):
    problems = []

    def expect(what, sql, answer):
        found = lab.query(sql)
        if found != [answer]:
            problems.append(f"{lab.name}: {what}: expected {answer}, "
                            f"found {found}")

    for table, states in STATES.items():
        expect(table, "SELECT string_agg(state || n, ' ' ORDER BY state COLLATE "
               f"\"C\") FROM (SELECT state, count(*) n FROM tenant_demo.{table} "
               "GROUP BY state) x", states)
    for table, count in COUNTS.items():
        expect(table, f"SELECT count(*) FROM tenant_demo.{table}", str(count))
    expect("dead letters", "SELECT count(*) FROM millrace.dead_letter", "0")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    options = parser.parse_args()
    why = millrace_kinds.why_no_kafka()
    if why:
        print(f"skipped: no real Kafka ({why})")
        return SKIPPED
    servers = up("exchange")
    problems = []
    begun = time.monotonic()
    try:
        for name, lines, partitions in (
                ("as_recorded", recorded(), 1),
                ("spread", spread(recorded(), random.Random(SEED)), 3)):
            lab = Exchange(options.bin, servers, name)
            failed = True
            try:
                found = run(lab, lines, partitions)
                problems += found
                failed = bool(found)
            finally:
                lab.close(failed=failed)
            print(f"  {name}: {'FAILED' if failed else 'ok'}", flush=True)
    finally:
        servers.down()
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        print(f"2 x {RECORDS} records in {time.monotonic() - begun:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
