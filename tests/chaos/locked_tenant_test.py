#!/usr/bin/env python3
"""Black box: two tenants share one partition, and the table of one of them is
locked for some seconds. The other's rows keep arriving; once the lock is gone
the first one catches up, and every record is there exactly once.

    locked_tenant_test.py --bin FOLDER
"""

import argparse
import itertools
import lzma
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "deploy" / "lib"))

import millrace_kinds  # noqa: E402
import millrace_servers  # noqa: E402

FEED = TOP / "deploy/data/ticks-2026-01-19.ndjson.xz"
SKIPPED = 77
LINES = 15_000
RATE = 1_500
LOCK_S = 60  # at most
CATCH_UP_S = 120

ONCE = """
SELECT count(*) - count(DISTINCT (src_partition, src_offset))
FROM tenant_{}.ticks
"""


class Run:
    def __init__(self, options):
        self.bin = options.bin
        self.servers = millrace_servers.up(
            f"lock-{os.getpid()}", only=["pg", "kafka"], kafka="real",
            owner=os.getpid())
        self.environment = {**os.environ, **self.servers.environment}
        self.directory = Path(self.servers.directory)
        self.feed = self.directory / "lines.ndjson"
        with lzma.open(FEED, "rb") as feed, self.feed.open("wb") as lines:
            lines.writelines(itertools.islice(feed, LINES))
        self.config = self.directory / "node.toml"
        # Small limits, so that a lane runs out of credit soon.
        self.config.write_text(f"""
[node]
name = "one"
[node.admin]
port = 0
[postgresql]
url = {{ env = "MILLRACE_PG_URL" }}
[kafka]
bootstrap = "{self.environment['MILLRACE_KAFKA']}"
[[tenant]]
name = "north"
[[tenant]]
name = "south"
[pipeline.ticks]
pack = "ticks"
tenant = "header('tenant')"
topics = ["ticks"]
[pipeline.ticks.limits]
batch_bytes = "16KiB"
credit_bytes = "64KiB"
detach_after = "1s"
""")
        self.processes = []

    def spawn(self, name, *words):
        with open(self.directory / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                list(map(str, words)), env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def produce(self, tenant):
        return self.spawn(
            f"produce-{tenant}", self.bin / "millrace", "produce", "ticks",
            self.feed, "--key", "symbol", "--header", f"tenant={tenant}",
            "--partitions", 1, "--rate", RATE,
            "--bootstrap", self.environment["MILLRACE_KAFKA"])

    def query(self, sql):
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql,
             self.environment["MILLRACE_PG_URL"]], capture_output=True,
            text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def rows(self, tenant):
        try:
            return int(self.query(f"SELECT count(*) FROM tenant_{tenant}.ticks"))
        except RuntimeError:
            return 0  # no table yet

    def log(self):
        return (self.directory / "node.log").read_text(errors="replace")

    @staticmethod
    def wait_until(what, done, seconds):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(.1)

    def go(self):
        node = self.spawn("node", self.bin / "millrace", "node", self.config)
        producers = [self.produce("north"), self.produce("south")]
        self.wait_until("rows of both tenants", lambda: all(
            self.rows(x) > 0 for x in ("north", "south")), 60)
        # Readers are let through: this test counts rows meanwhile.
        lock = self.spawn(
            "lock", "psql", "-Xq", "-c", "BEGIN; LOCK TABLE tenant_north.ticks "
            f"IN EXCLUSIVE MODE; SELECT pg_sleep({LOCK_S}); COMMIT",
            self.environment["MILLRACE_PG_URL"])
        self.wait_until("the lane of north is left behind",
                        lambda: "lane-detached" in self.log(), LOCK_S)
        north, south = self.rows("north"), self.rows("south")
        self.wait_until("a second's rows of the neighbour",
                        lambda: self.rows("south") >= south + RATE, LOCK_S)
        problems = []
        if lock.poll() is None and self.rows("north") != north:
            problems.append("the lock did not hold")
        lock.send_signal(signal.SIGINT)
        lock.wait(60)
        for process in producers:
            if process.wait(120) != 0:
                problems.append("a replay failed")
        self.wait_until("all rows", lambda: all(
            self.rows(x) >= LINES for x in ("north", "south")), CATCH_UP_S)
        self.wait_until("the lane of north rejoins", lambda: "lane-rejoined"
                        in self.log(), 30)
        check = subprocess.run(
            [self.bin / "millrace-check", "--quiet", "--wait", "30",
             "--schema", "tenant_north", "--schema", "tenant_south", "--pack",
             TOP / "config/packs/ticks.toml"], env=self.environment)
        if check.returncode:
            problems.append(f"millrace-check says {check.returncode}")
        # Whatever is written too often comes within this time.
        time.sleep(1)
        node.terminate()
        if node.wait(30) != 0:
            problems.append(f"an orderly stop ended with {node.returncode}")
        return problems + self.verdict()

    def verdict(self):
        problems = []
        for tenant in ("north", "south"):
            if self.rows(tenant) != LINES:
                problems.append(f"{tenant}: {self.rows(tenant)} rows")
            if self.query(ONCE.format(tenant)) != "0":
                problems.append(f"{tenant}: an offset is there twice")
        if self.query("SELECT count(*) FROM millrace.dead_letter") != "0":
            problems.append("there are dead letters")
        left = [x for x in self.log().splitlines() if "lane-detached" in x]
        print(*(f"  {x}" for x in left[:5]), sep="\n")
        if not all("/north/" in x for x in left):
            problems.append("a lane of south was left behind, too")
        if "partition-restart" in self.log():
            problems.append("the partition started again")
        return problems

    def close(self, failed):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        if failed:
            for log in sorted(self.directory.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()
                print(f"--- the end of {log.name}", *lines[-30:], sep="\n")
        self.servers.down()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    options = parser.parse_args()
    why = millrace_kinds.why_no_kafka()
    if why:
        print(f"skipped: no real Kafka ({why})")
        return SKIPPED
    run = Run(options)
    problems = ["it did not come to an end"]
    try:
        problems = run.go()
    finally:
        run.close(failed=bool(problems))
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        print(f"{2 * LINES:,} rows, each once")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
