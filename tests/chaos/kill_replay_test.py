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
import os
import random
import subprocess
import sys
import time
import tomllib
from decimal import Decimal
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "deploy" / "lib"))

import millrace_kinds  # noqa: E402
import millrace_servers  # noqa: E402

FEED = TOP / "deploy/data/ticks-2026-01-19.ndjson.xz"
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
    pack = tomllib.loads((TOP / "config/packs/ticks.toml").read_text())
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
        self.bin = options.bin
        self.kills = options.kills
        self.chance = random.Random(options.seed)
        self.servers = millrace_servers.up(
            f"kill-{os.getpid()}", only=["pg", "kafka"], kafka="real",
            owner=os.getpid())
        self.environment = {**os.environ, **self.servers.environment}
        self.directory = Path(self.servers.directory)
        self.config = self.directory / "node.toml"
        self.config.write_text(f"""
[node]
name = "victim"
[node.admin]
port = 0
[postgresql]
url = {{ env = "MILLRACE_PG_URL" }}
[kafka]
bootstrap = "{self.environment['MILLRACE_KAFKA']}"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
topics = ["ticks"]
""")
        self.node = None
        self.producer = None

    def spawn(self, *words):
        with open(self.directory / f"{words[0]}.log", "ab") as log:
            return subprocess.Popen(
                [self.bin / "millrace", *map(str, words)],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)

    def query(self, sql):
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql,
             self.environment["MILLRACE_PG_URL"]], capture_output=True,
            text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [tuple(line.split("|", 5)) if "|" in line else line
                for line in done.stdout.splitlines()]

    def rows(self):
        try:
            return int(self.query("SELECT count(*) FROM tenant_demo.ticks")[0])
        except (RuntimeError, IndexError, subprocess.TimeoutExpired):
            return 0  # no table yet, or PostgreSQL is on its way back

    def replay(self, total):
        # Half of it before the node is there at all, so that it has work from
        # its first moment; the rest while it is being killed.
        seconds = self.kills * 2.8
        self.producer = self.spawn(
            "produce", "ticks", FEED, "--key", "symbol", "--partitions", 4,
            "--bootstrap", self.environment["MILLRACE_KAFKA"],
            "--rate", int(total / seconds))
        killed_at_work = 0
        for i in range(self.kills):
            before = self.rows()
            self.node = self.spawn("node", self.config)
            self.wait_until(lambda: self.rows() > before
                            or self.producer.poll() is not None, 30)
            time.sleep(self.chance.uniform(0, 1.2))
            if i == self.kills // 2:
                self.servers.restart("pg", mode="immediate")
                print("  PostgreSQL restarted", flush=True)
                time.sleep(self.chance.uniform(0, 1.0))
            if self.node.poll() is not None:
                raise AssertionError(
                    f"the node ended by itself: {self.node.returncode}")
            self.node.kill()
            self.node.wait()
            done = self.rows()
            killed_at_work += 0 < done < total
            print(f"  kill {i + 1}: {done:,} of {total:,} rows", flush=True)
        if killed_at_work < self.kills // 2:
            raise AssertionError("too few kills hit a node at work: "
                                 f"{killed_at_work} of {self.kills}")
        self.node = self.spawn("node", self.config)
        if self.producer.wait(120) != 0:
            raise AssertionError("the replay failed")
        self.wait_until(lambda: self.rows() >= total, CATCH_UP_S)

    def end(self):
        self.node.terminate()
        if self.node.wait(30) != 0:
            raise AssertionError(
                f"an orderly stop ended with {self.node.returncode}")

    @staticmethod
    def wait_until(done, seconds):
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            time.sleep(.1)

    def verdict(self, expected):
        problems = []
        found = [tuple(x) for x in self.query(FOLD)]
        for want, got in zip(expected, found):
            if want != got:
                problems.append(f"{want[0]}: expected {want}, found {got}")
        if len(expected) != len(found):
            problems.append(f"{len(expected)} symbols expected, "
                            f"{len(found)} found")
        if self.query(TWICE) != ["0"]:
            problems.append("a (partition, offset) is there twice")
        if self.query("SELECT count(*) FROM millrace.dead_letter") != ["0"]:
            problems.append("there are dead letters")
        check = subprocess.run(
            [self.bin / "millrace-check", "--quiet", "--wait", "30", "--pack",
             TOP / "config/packs/ticks.toml"], env=self.environment)
        if check.returncode:
            problems.append(f"millrace-check says {check.returncode}")
        # The node still runs: whatever it wrote too much is there by now.
        self.end()
        return problems

    def close(self, failed):
        for process in (self.producer, self.node):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if failed:
            for name in ("node.log", "produce.log"):
                log = self.directory / name
                if log.exists():
                    lines = log.read_text(errors="replace").splitlines()
                    print(f"--- the end of {name}", *lines[-40:], sep="\n")
        self.servers.down()


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
