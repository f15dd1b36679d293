#!/usr/bin/env python3
"""Nothing that deploy/dev-servers starts outlives its set."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "deploy" / "lib"))

import millrace_kinds as kinds  # noqa: E402
import millrace_servers as servers  # noqa: E402

STATE = Path(tempfile.gettempdir()) / f"millrace-leaks-{os.getpid()}"
PROGRAM = str(TOP / "deploy" / "dev-servers")
ROUNDS = 20
ROUNDS_WITH_KAFKA = 2


def processes():
    """Whatever works below the state directory, or names it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            where = os.readlink(entry / "cwd")
        except OSError:
            continue
        if str(STATE) in where or str(STATE).encode() in line:
            found[int(entry.name)] = line.decode(errors="replace")
    return found


def shared_memory(creators):
    """System V segments that one of these processes created."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [line for line in lines if int(line.split()[4]) in creators]


def ports(one):
    return [int(url.rsplit(":", 1)[1].split("/")[0])
            for key, url in one.environment.items()
            if key in ("MILLRACE_PG_URL", "MILLRACE_KAFKA", "MILLRACE_REDIS")]


class DevServers(unittest.TestCase):
    def setUp(self):
        os.environ["MILLRACE_STATE"] = str(STATE)
        self.creators = set()

    def tearDown(self):
        for one in servers.every():
            one.down()
        shutil.rmtree(STATE, ignore_errors=True)

    def up(self, name, only, **options):
        one = servers.up(name, only=only, **options)
        if "pg" in only:
            self.creators.add(one.status()["servers"]["pg"]["pid"])
        return one

    def nothing_left(self, patience_s=0.0):
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and (processes() or STATE.exists()):
            time.sleep(0.05)
        self.assertEqual(processes(), {})
        self.assertFalse(STATE.exists(), f"{STATE} is still there")
        self.assertEqual(shared_memory(self.creators), [])

    def closed(self, numbers):
        for number in numbers:
            with self.subTest(port=number), socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex(("127.0.0.1", number)), 0)

    def test_twenty_times_up_and_down(self):
        kafka = [] if kinds.why_no_kafka() else ["kafka"]
        for turn in range(ROUNDS):
            extra = kafka if turn < ROUNDS_WITH_KAFKA else []
            one = self.up("again", ["pg", "redis", *extra])
            used = ports(one)
            self.assertEqual(len(used), 2 + len(extra))
            one.down()
            self.closed(used)
            self.nothing_left()

    def test_sets_stand_side_by_side(self):
        first = self.up("first", ["redis"])
        second = self.up("second", ["redis"])
        self.assertNotEqual(ports(first), ports(second))
        first.down()
        self.assertEqual(second.status()["servers"]["redis"]["state"],
                         "running")
        second.down()
        self.nothing_left()

    def test_up_is_idempotent(self):
        before = self.up("same", ["redis"]).status()
        self.assertEqual(self.up("same", ["redis"]).status(), before)

    def test_a_set_ends_with_its_owner(self):
        owner = subprocess.Popen(["sleep", "600"])
        one = self.up("owned", ["pg", "redis"], owner=owner.pid)
        used = ports(one)
        owner.kill()
        owner.wait()
        self.nothing_left(patience_s=10)
        self.closed(used)

    def test_a_set_ends_with_its_pipe(self):
        reader, writer = os.pipe()
        self.up("piped", ["redis"], owner_fd=reader)
        os.close(reader)
        self.assertTrue(processes())
        os.close(writer)
        self.nothing_left(patience_s=10)

    def test_a_set_ends_when_its_keeper_is_killed(self):
        one = self.up("orphan", ["pg", "redis"])
        used = ports(one)
        os.kill(one.status()["keeper"], signal.SIGKILL)
        self.nothing_left(patience_s=10)
        self.closed(used)

    def test_a_killed_server_is_seen_and_leaves_nothing(self):
        one = self.up("killed", ["pg"])
        os.kill(one.status()["servers"]["pg"]["pid"], signal.SIGKILL)
        deadline = time.monotonic() + 5
        while one.status()["servers"]["pg"]["state"] == "running":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertIn("died", one.status()["servers"]["pg"]["state"])
        one.down()
        self.nothing_left()

    def test_an_interrupted_up_leaves_nothing(self):
        for wait_s in (0.02, 0.05, 0.1, 0.3, 0.6):
            starting = subprocess.Popen([PROGRAM, "up", "--only", "pg,redis"],
                                        stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
            time.sleep(wait_s)
            starting.kill()
            starting.wait()
            self.nothing_left(patience_s=15)

    def test_a_server_that_cannot_start_says_why(self):
        with self.assertRaisesRegex(servers.ServerError, "shared_buffers"):
            self.up("bad", ["pg", "redis"],
                       settings={"pg": {"shared_buffers": "lots"}})
        self.nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
