#!/usr/bin/env python3
"""Black box: a node is killed ten times with SIGKILL while it ingests the
recorded ticks, and PostgreSQL once in between; afterwards the tables are held
against a fold of the file that shares no code with Millrace.

    kill_replay_test.py --bin FOLDER [--seed N] [--kills N]
"""

import argparse
import collections
import hashlib
import json
import lzma
import random
import sys
import time
import tomllib
from decimal import Decimal
from pathlib import Path

from laboratory import FEED, PACK, Laboratory, millrace_kinds, up

SKIPPED = 77
CATCH_UP_S = 120

FOLD = """
SELECT symbol_name, symbol_id, count(*), sum(bid_price), sum(ask_price),
  md5(string_agg(concat_ws('|', to_char(tick_time AT TIME ZONE 'UTC',
    'YYYY-MM-DD HH24:MI:SS.US'), bid_price, ask_price, spread, lp, broker_id),
    E'\\n' ORDER BY src_partition, src_offset))
FROM tenant_demo.ticks GROUP BY symbol_name, symbol_id ORDER BY symbol_name
"""
TWICE = """
SELECT count(*) FROM (SELECT src_partition, src_offset FROM tenant_demo.ticks
  GROUP BY 1, 2 HAVING count(*) > 1) x
"""


def plain(text):
    """A JSON number as PostgreSQL's numeric prints it: all digits as sent."""
    return format(Decimal(text), "f")


def utc_micros(text):
    """Rounded as PostgreSQL's input does: the fraction as a double, to the
    nearest microsecond, ties to even."""
    stamp, zone = text[:-6], text[-6:]
    whole, _, digits = stamp.partition(".")
    seconds = int(time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
                  - time.timezone)
    sign = 1 if zone[0] == "+" else -1
    seconds -= sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    micros = round(float("0." + (digits or "0")) * 1e6)
    seconds, micros = seconds + micros // 1_000_000, micros % 1_000_000
    return (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
            + f".{micros:06d}")


def fold_of_the_file():
    """What the table must hold, per symbol, in the order of the file: one
    symbol's records share a key, hence a partition."""
    pack = tomllib.loads(PACK.read_text())
    ids = pack["pipeline"]["ticks"]["codes"]["symbols"]
    lines = collections.defaultdict(list)
    bids, asks = collections.Counter(), collections.Counter()
    with lzma.open(FEED, "rt") as feed:
        for line in feed:
            x = json.loads(line, parse_float=str, parse_int=str)
            name = x["symbol"]
            lines[name].append("|".join((
                utc_micros(x["timestamp"]), plain(x["bid"]), plain(x["ask"]),
                plain(x["spread"]), x["lp"], x["broker_id"])))
            bids[name] += Decimal(x["bid"])
            asks[name] += Decimal(x["ask"])
    return [(name, str(ids[name]), str(len(rows)), plain(bids[name]),
             plain(asks[name]),
             hashlib.md5("\n".join(rows).encode()).hexdigest())
            for name, rows in sorted(lines.items())]


class Run:
    def __init__(self, options):
        self.kills = options.kills
        self.chance = random.Random(options.seed)
        self.servers = up("kill")
        self.lab = Laboratory(options.bin, self.servers, "kill", lanes=4)

    def replay(self, total):
        # Half of it before the node is there at all, so that it has work from
        # its first moment; the rest while it is being killed.
        lab = self.lab
        seconds = self.kills * 2.8
        lab.produce(total, rate=int(total / seconds), wait=False)
        killed_at_work = 0
        for i in range(self.kills):
            before = lab.rows()
            node = lab.start_node("victim")
            wait_for(lambda: lab.rows() > before
                     or lab.producer.poll() is not None, 30)
            time.sleep(self.chance.uniform(0, 1.2))
            if i == self.kills // 2:
                self.servers.restart("pg", mode="immediate")
                print("  PostgreSQL restarted", flush=True)
                time.sleep(self.chance.uniform(0, 1.0))
            if node.poll() is not None:
                raise AssertionError(
                    f"the node ended by itself: {node.returncode}")
            lab.kill_node("victim")
            done = lab.rows()
            killed_at_work += 0 < done < total
            print(f"  kill {i + 1}: {done:,} of {total:,} rows", flush=True)
        if killed_at_work < self.kills // 2:
            raise AssertionError("too few kills hit a node at work: "
                                 f"{killed_at_work} of {self.kills}")
        lab.start_node("victim")
        lab.finish_producing()
        wait_for(lambda: lab.rows() >= total, CATCH_UP_S)

    def verdict(self, expected):
        problems = []
        found = [tuple(x.split("|", 5)) for x in self.lab.query(FOLD)]
        for want, got in zip(expected, found):
            if want != got:
                problems.append(f"{want[0]}: expected {want}, found {got}")
        if len(expected) != len(found):
            problems.append(f"{len(expected)} symbols expected, "
                            f"{len(found)} found")
        if self.lab.query(TWICE) != ["0"]:
            problems.append("a (partition, offset) is there twice")
        if self.lab.query("SELECT count(*) FROM millrace.dead_letter") \
                != ["0"]:
            problems.append("there are dead letters")
        try:
            self.lab.check(30)
        except AssertionError as error:
            problems.append(f"millrace-check says {error}")
        # The node still runs: whatever it wrote too much is there by now.
        self.lab.end_nodes()
        return problems

    def close(self, failed):
        self.lab.close(failed)
        self.servers.down()


def wait_for(done, patience_s):
    """Until it is done, or not: the verdict tells."""
    end = time.monotonic() + patience_s
    while not done() and time.monotonic() < end:
        time.sleep(.1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    why = millrace_kinds.why_no_kafka()
    if why:
        print(f"skipped: no real Kafka ({why})")
        return SKIPPED
    print(f"seed {options.seed}: repeat with --seed {options.seed}")
    expected = fold_of_the_file()
    total = sum(int(x[2]) for x in expected)
    run = Run(options)
    problems = ["it did not come to an end"]
    try:
        run.replay(total)
        problems = run.verdict(expected)
    finally:
        run.close(failed=bool(problems))
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        print(f"{total:,} rows, {len(expected)} symbols: equal to the fold "
              "of the file")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
