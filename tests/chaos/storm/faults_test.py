#!/usr/bin/env python3
"""Single faults, what a broker answers, and whom a fault spares."""

import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import broker  # noqa: E402
import faults  # noqa: E402
import nodes  # noqa: E402
import side  # noqa: E402
import spared  # noqa: E402


class FitsAndStarts(unittest.TestCase):
    """A broker that is stopped and goes on."""

    def setUp(self):
        self.broker = subprocess.Popen(["sleep", "600"])
        self.addCleanup(self.broker.wait)
        self.addCleanup(self.broker.kill)
        storm = mock.Mock()
        storm.servers.status.return_value = {
            "servers": {"kafka": {"pid": self.broker.pid}}}
        self.fault = faults.SlowBroker(storm, 1)

    def assert_stands(self, wanted):
        """The kernel takes a moment."""
        end = time.monotonic() + 30
        while True:
            status = Path(f"/proc/{self.broker.pid}/stat").read_text()
            stands = status.rpartition(")")[2].split()[0] == "T"
            if stands == wanted or time.monotonic() > end:
                return self.assertEqual(stands, wanted)
            time.sleep(.01)

    def test_it_stands_moves_and_is_left_moving(self):
        self.fault.begin()
        for stands in (True, False, True):
            self.fault.step()
            self.assert_stands(stands)
            self.fault.until = 0
        self.fault.end()
        self.assert_stands(False)

    def test_it_is_undone_though_it_never_began(self):
        self.fault.undo()
        self.fault.begin()
        self.fault.step()
        self.fault.undo()
        self.assert_stands(False)


class Halts(unittest.TestCase):
    """22: also one that no table tells of."""

    LINES = [
        "2026-01-19T12:00:00Z ERROR partition-halted pipeline=storm "
        "topic=storm partition=2 cause=GAP reason=why",
        "2026-01-19T12:00:00Z ERROR lane-halted lane=storm/big/1 cause=data",
        "2026-01-19T12:00:00Z ERROR lane-halted lane=short/small/0 cause=x",
        "2026-01-19T12:00:00Z ERROR partition-halted pipeline=again topic=x",
        "2026-01-19T12:00:00Z ERROR lane-parked lane=storm/big/1 reason=\" "
        "ERROR lane\"", ""]

    def test_those_of_the_storms_own_pipeline_each_once(self):
        watch = nodes.HaltWatch("storm")
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "one.log"
            self.assertEqual(watch.look(log), [])
            log.write_text("\n".join(self.LINES))
            self.assertEqual(watch.look(log), [x[len("2026-01-19T12:00:00Z "):]
                                               for x in self.LINES[:2]])
            self.assertEqual(watch.look(log), [])
            with open(log, "a") as more:
                more.write(self.LINES[0][:40])
                more.flush()
                self.assertEqual(watch.look(log), [])
                more.write(self.LINES[0][40:] + "\n")
            self.assertEqual(len(watch.look(log)), 1)


class APartition(unittest.TestCase):
    """What is due after one was not there."""

    def wrong(self, rows, distinct, letters):
        fault = faults.Partitions(mock.Mock(), 1)
        fault.storm.sql.side_effect = lambda sql, **_: [
            f"{rows}|{distinct}|{letters}"] if "SELECT" in sql else []
        return fault.is_written()

    def test_each_record_is_written_once_and_is_no_dead_letter(self):
        self.assertIsNone(self.wrong(21, 21, 0))
        for wrong in ((20, 20, 0), (22, 21, 0), (20, 20, 1), (21, 21, 1)):
            self.assertIn("due 21|21|0", self.wrong(*wrong))

    def test_only_its_own_table_has_partitions(self):
        for name, fault in side.SIDES.items():
            parted = fault == "partitions"
            self.assertEqual("PARTITION BY" in side.table(name), parted)
            self.assertEqual(".partition]]" in side.config([name]), parted)


class Spared(unittest.TestCase):
    """18: who is not meant goes on."""

    def found(self, *timeline, lag=0, t=50):
        run_ = {"rate": 100, "burst": 0, "catch_up": 60, "timeline": list(timeline),
                "spares": {"locked": ["big"]},
                "samples": [{"t": t, "lag": {"big": lag, "small": 9_999}}]}
        return len(list(spared.looked_at(run_))), len(
            list(spared.violations(run_)))

    @staticmethod
    def begin(t, fault="locked"):
        return {"kind": "begin", "fault": fault, "t": t}

    def test_it_lacks_no_more_than_that_of_some_seconds(self):
        bound = 100 * .8 * 20
        for lag, broken in ((bound, 0), (bound + 1, 1)):
            self.assertEqual(self.found(self.begin(10), lag=lag),
                             (1, broken))

    def test_without_a_fault_nobody_looks(self):
        self.assertEqual(self.found(lag=9_999), (0, 0))

    def test_what_somebody_else_does_spares_nobody(self):
        for other in (self.begin(49, "kill"),
                      {"kind": "not made", "fault": "failover", "t": 45}):
            self.assertEqual(self.found(self.begin(10), other, lag=9_999),
                             (0, 0))

    def test_nor_what_it_did_a_moment_ago(self):
        for end, seen in ((30, 0), (29, 1)):
            kill = (self.begin(5, "kill"),
                    {"kind": "end", "fault": "kill", "t": end})
            self.assertEqual(self.found(*kill, self.begin(10))[0], seen)


class Commits(unittest.TestCase):
    """What a broker answers."""

    @staticmethod
    def answer(*partitions):
        return struct.pack(">i", len(partitions)) + b"".join(
            struct.pack(">iqh", number, offset, len(words) if words else -1)
            + (words or b"") + struct.pack(">h", code)
            for number, offset, words, code in partitions)

    def test_offsets_of_partitions_that_have_one(self):
        self.assertEqual(broker.offsets_of(self.answer(
            (0, 7, b"", 0), (1, -1, None, 0), (2, 9, b"words", 0))),
            {0: 7, 2: 9})

    def test_an_error_is_no_offset(self):
        with self.assertRaises(broker.Refused):
            broker.offsets_of(self.answer((0, 7, b"", 0), (1, -1, b"", 14)))


if __name__ == "__main__":
    unittest.main()
