#!/usr/bin/env python3
"""Black box: a topic of two gigabytes stands behind a node while PostgreSQL is
stalled for a minute: it takes connections and answers nothing. The node's
memory stays within what its configuration says, and the node goes on after it.

    memory_test.py --bin FOLDER [--stall SECONDS] [--bytes BYTES]
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from laboratory import (FREED, Laboratory, memory_bound_mib,
                        millrace_kinds, up)

SKIPPED = 77
MIB = 1 << 20
LINE_BYTES = 2048
LINES = 4096

MEMORY_MIB = 256  # of the configuration below

CONFIG = """
[node]
name = "{node}"
memory_bytes = "%dMiB"
[node.admin]
port = 0
[postgresql]
url = {{ env = "LAB_PG_URL" }}
[kafka]
bootstrap = "{kafka}"
[[tenant]]
name = "demo"
[pipeline.ticks]
topics = ["{topic}"]
tenant = "'demo'"
lanes = {lanes}
{more}
[[pipeline.ticks.event]]
name = "tick"
route = ".symbol"
[[pipeline.ticks.event.write]]
table = "kept"
[pipeline.ticks.event.write.columns]
part = "@partition"
off = "@offset"
payload = "@payload"
""" % MEMORY_MIB


class Bounded(Laboratory):
    def __init__(self, *words, **options):
        super().__init__(*words, lanes=8, config=CONFIG, **options)
        self.query(
            f"SET ROLE {self.role}; CREATE SCHEMA tenant_demo; "
            "CREATE TABLE tenant_demo.kept "
            "(part int, off bigint, payload text, PRIMARY KEY (part, off))")

    def environment(self):
        """What is freed is to be free, also in a sanitized build."""
        return FREED

    def rows(self):
        return int(self.query("SELECT count(*) FROM tenant_demo.kept")[0])

    def produce_bytes(self, total):
        """Lines that compress well: a fetch brings a hundred times its bytes,
        and the bound is for what it brings."""
        lines = self.directory / "lines.ndjson"
        with lines.open("w") as out:
            for i in range(LINES):
                head = f'{{"symbol":"S{i % 97}","n":{i},"pad":"'
                out.write(head + "x" * (LINE_BYTES - len(head) - 3) + '"}\n')
        self.producer = self.spawn(
            "produce", "millrace", "produce", self.topic, lines, "--bootstrap",
            self.kafka, "--key", "symbol", "--partitions", 4, "--quiet",
            "--repeat", "forever", "--limit", total // LINE_BYTES,
            "-X", "compression.type=lz4", "-X", "linger.ms=50")


class Stalled:
    """All processes of a PostgreSQL stand still within the block."""

    def __init__(self, servers):
        self.data = Path(servers.status()["servers"]["pg"]["data"])

    def pids(self):
        postmaster = int((self.data / "postmaster.pid").read_text()
                         .splitlines()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
        return [postmaster, *map(int, children.read_text().split())]

    def __enter__(self):
        # The postmaster first, so that none is added.
        self.stopped = []
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)
            self.stopped.append(pid)

    def __exit__(self, *_):
        for pid in self.stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def peak_mib(pid):
    """The highest resident memory since the last call."""
    proc = Path(f"/proc/{pid}")
    peak = next(int(x.split()[1]) for x in
                (proc / "status").read_text().splitlines()
                if x.startswith("VmHWM:"))
    (proc / "clear_refs").write_text("5")
    return peak / 1024


def run(lab, servers, options):
    bound = memory_bound_mib(lab.bin / "millrace", MEMORY_MIB)
    peaks = {}
    lab.produce_bytes(options.bytes)
    time.sleep(2)
    node = lab.start_node("one")
    lab.wait_for_rows(1000)
    with Stalled(servers):
        began = time.monotonic()
        lab.finish_producing(100)
        produced = time.monotonic() - began
        time.sleep(max(0, options.stall - produced))
        peaks["stalled"] = peak_mib(node.pid)
    print(f"  produced {options.bytes / MIB:,.0f} MiB, for {produced:.0f} s of "
          f"a stall of {time.monotonic() - began:.0f} s")
    rows = lab.rows()
    began = time.monotonic()
    lab.wait_for_rows(rows + options.after)
    peaks["catching up"] = peak_mib(node.pid)
    print(f"  {options.after:,} rows, {time.monotonic() - began:.1f} s after "
          "the stall")
    lab.end_nodes()
    problems = []
    for when, peak in peaks.items():
        print(f"  {when}: VmHWM {peak:,.0f} MiB of {bound:,.0f}")
        if peak > bound:
            problems.append(f"{when}: {peak:,.0f} MiB of {bound:,.0f}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--stall", type=float, default=60)
    parser.add_argument("--bytes", type=int, default=2 << 30)
    parser.add_argument("--after", type=int, default=150_000)
    options = parser.parse_args()
    why = millrace_kinds.why_no_kafka()
    if why:
        print(f"skipped: no real Kafka ({why})")
        return SKIPPED
    servers = up("memory", settings={"pg": {"fsync": "off"}})
    try:
        lab = Bounded(options.bin.resolve(), servers, "memory")
        problems = ["it did not come to an end"]
        try:
            problems = run(lab, servers, options)
        finally:
            lab.close(failed=bool(problems))
    finally:
        servers.down()
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
