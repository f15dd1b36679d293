#!/usr/bin/env python3
"""What a storm leaves behind however it ends: nothing. And what it says of
memory and of the time to catch up."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import check  # noqa: E402
import faults  # noqa: E402
import run  # noqa: E402
from faults_beside import Beside  # noqa: E402
from millrace_server import ServerError  # noqa: E402
from sample import TICK, Writer  # noqa: E402
from schedule import Planned  # noqa: E402
from storm import Storm  # noqa: E402

# Starts a node as the laboratory does, and tells its number.
STARTER = """
import sys
sys.path[:0] = [{0!r}]
from pathlib import Path
from laboratory import Laboratory
lab = Laboratory.__new__(Laboratory)
lab.bin = lab.directory = Path({1!r})
lab.node_url = ""
print(lab.spawn("node", "sleeper").pid, flush=True)
sys.stdin.read()
"""


def storm():
    """One without servers."""
    it = Storm.__new__(Storm)
    for name in ("timeline", "violations", "active", "spares", "promises"):
        setattr(it, name, [])
    it.made_once, it.zero, it.feeding = set(), 0, True
    it.say, it.world, it.servers = mock.Mock(), mock.Mock(), mock.Mock()
    it.disk = it.wal_disk = None
    it.why_no_network = it.why_no_disk = it.why_no_wal_disk = "not asked for"
    return it


class Ends(unittest.TestCase):
    def test_a_node_goes_with_the_runner_even_if_that_is_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            sleeper = Path(folder) / "sleeper"
            sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
            sleeper.chmod(0o755)
            runner = subprocess.Popen(
                [sys.executable, "-B", "-c", STARTER.format(
                    str(Path(run.__file__).resolve().parents[1]), folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            with runner:
                number = int(runner.stdout.readline())
                node = os.pidfd_open(number)
                # From here on the kernel knows whose end is its own.
                end = time.monotonic() + 60
                while Path(f"/proc/{number}/comm").read_text() != "sleep\n":
                    self.assertLess(time.monotonic(), end)
                    time.sleep(.01)
                self.assertEqual(select.select([node], [], [], 0)[0], [])
                runner.kill()
            gone = select.select([node], [], [], 30)[0]
            if not gone:
                signal.pidfd_send_signal(node, signal.SIGKILL)
            os.close(node)
            self.assertTrue(gone)

    def test_a_signal_takes_the_orderly_way(self):
        kept = {x: signal.getsignal(x) for x in (signal.SIGTERM,
                                                 signal.SIGHUP)}
        try:
            run.end_in_order()
            for number in kept:
                with self.assertRaises(SystemExit) as end:
                    os.kill(os.getpid(), number)
                    signal.sigtimedwait([], 5)
                self.assertEqual(end.exception.code, 128 + number)
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)

    def ended(self, it):
        with tempfile.TemporaryDirectory() as folder:
            it.world.directory = it.servers.directory = Path(folder)
            it.close()

    def test_every_standby_goes_not_only_the_last(self):
        it = storm()
        it.spares = spares = [mock.Mock(), mock.Mock()]
        self.ended(it)
        for spare in spares:
            spare.down.assert_called_once_with()

    def test_a_fault_that_is_under_way_is_undone(self):
        it = storm()
        frozen = mock.Mock()
        zombie = faults.Zombie(it, 1)
        zombie.frozen = frozen
        it.active = [(9, None, zombie)]
        self.ended(it)
        frozen.kill.assert_called_once_with()
        it.servers.down.assert_called_once_with()

    def test_one_that_cannot_be_undone_holds_nothing_up(self):
        it = storm()
        it.active = [(9, None, faults.Zombie(it, 1))]  # nothing is frozen yet
        self.ended(it)
        it.servers.down.assert_called_once_with()


class Makes(unittest.TestCase):
    def make(self, error):
        it, fault = storm(), mock.Mock()
        fault.begin.side_effect = error
        planned = Planned(0, 5, "kill", 1)
        with mock.patch.dict(faults.CATALOG, kill=lambda *_: fault):
            it.make(planned)
        return it, fault

    def test_what_a_server_refuses_is_not_made_and_undone(self):
        for error in (ServerError("too slow"), RuntimeError("no")):
            it, fault = self.make(error)
            fault.undo.assert_called_once_with()
            self.assertEqual(it.active, [])
            self.assertEqual(it.timeline[0]["kind"], "not made")

    def test_what_begins_is_under_way_until_its_end(self):
        it, fault = self.make(None)
        fault.undo.assert_not_called()
        (end, planned, under_way), = it.active
        self.assertIs(under_way, fault)
        self.assertLess(end, float("inf"))

    def test_what_has_a_pipeline_of_its_own_is_made_once(self):
        it = storm()
        with mock.patch.object(Beside, "make", create=True) as make:
            fault = Beside(it, 1)
            fault.begin()
            with self.assertRaises(RuntimeError):
                fault.begin()
            make.assert_called_once_with()

    def test_each_fault_of_the_matrix_is_made_or_says_why_not(self):
        # 4 is 2 in a consumer group.
        self.assertEqual({x.number for x in faults.CATALOG.values()},
                         {*range(1, 24)} - {4})
        it = storm()
        it.world.topology, it.world.sides = "group", []
        self.assertTrue(faults.CATALOG["redis"].why_not(it))
        self.assertTrue(faults.CATALOG["retention"].why_not(it))


class Bounds(unittest.TestCase):
    def test_memory_and_descriptors(self):
        seen = {"t": 1, "nodes": {"one": [100, 10]}}
        self.assertEqual(list(run.bounds({"nodes_seen": [seen]}, 100)), [])
        for most, files in ((99, 10), (100, run.FILES + 1)):
            seen["nodes"]["one"][1] = files
            found, = run.bounds({"nodes_seen": [seen]}, most)
            self.assertEqual(found["invariant"], 19)

    def test_late_is_a_violation_and_never_as_well(self):
        for took, settled, broken in ((59, True, 0), (61, True, 1),
                                      (59, False, 1)):
            found = list(run.late({
                "catch_up": 60, "timeline": [{"t": 9}],
                "verdict": {"seconds": took, "settled": settled}}))
            self.assertEqual([x["invariant"] for x in found], [23] * broken)


class Meanwhile(unittest.TestCase):
    """What the checker sees while faults go on."""

    def setUp(self):
        self.checker = check.Checker.__new__(check.Checker)
        self.checker.found, self.checker.session = 0, None
        self.checker.world = {"role": "me", "sessions": 3}
        self.told = []
        self.checker.tell = lambda kind, **x: self.told.append(
            x["invariant"])
        self.checker.forget()

    def session(self, rows):
        return SimpleNamespace(rows=lambda sql: rows)

    def test_positions_that_go_back(self):
        self.checker.look_back({("lane", 0): 7})
        self.checker.look_back({("lane", 0): 7})
        self.assertEqual(self.told, [])
        self.checker.look_back({("lane", 0): 6})
        self.assertEqual(self.told, [15])

    def test_a_crash_may_take_them_back(self):
        self.checker.look_back({("lane", 0): 7})
        self.checker.close()
        self.checker.look_back({("lane", 0): 6})
        self.assertEqual(self.told, [])

    def commits(self, effective):
        log = Writer()
        for i in range(6):
            log.write("tick", {**TICK, "n": i})
        self.checker.model, self.checker.lock = log.model, threading.Lock()
        self.checker.log = mock.Mock(ends={0: 6}, rounds={0: 2})
        lane = log.model.outcome(0, 0)[1]
        return self.checker.look_at_commits({0: 6, 1: 9},
                                            {(lane, 0): effective})

    def test_kafka_is_told_of_what_is_not_written(self):
        self.checker.passed = {}
        # Of the other partition the log has not been read so far.
        self.assertEqual((self.commits(6), self.told), (1, []))
        self.assertEqual((self.commits(5), self.told), (1, [16]))

    def test_after_a_crash_once_the_log_has_been_read_to_its_end(self):
        self.checker.rounds = {0: 1}
        self.assertEqual((self.commits(5), self.told), (0, []))
        self.checker.rounds = {0: 0}
        self.assertEqual((self.commits(5), self.told), (1, []))
        self.assertEqual(self.checker.passed, {0: 6})

    def test_too_many_sessions(self):
        for n, told in ((3, []), (4, [19])):
            self.checker.look_at_sessions(self.session(
                [["1", "a", "0"]] * n))
            self.assertEqual(self.told, told)

    def test_a_session_that_stands_in_its_transaction(self):
        for idle, told in (("29.5", []), ("31", [19])):
            self.checker.look_at_sessions(self.session([["1", "a", idle]]))
            self.assertEqual(self.told, told)


if __name__ == "__main__":
    unittest.main()
