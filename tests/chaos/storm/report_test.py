#!/usr/bin/env python3
"""The report of a storm."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import report  # noqa: E402


class TheReport(unittest.TestCase):
    def run_(self, **members):
        return {"seed": 1, "minutes": 1, "topology": "alone", "nodes": 1,
                "rate": 9, "burst": 0, "entities": 400, "floor_interval": 1,
                "catch_up": 60, "faults": ["kill"], "violations": [],
                "recoveries": [3, 1, 2], "tracks": {"kill": "nodes"},
                "spares": {"kill": []}, "skipped": {}, "nodes_seen": [],
                "samples": [{"t": i, "there": i * 9, "lag":
                             {"big": i, "small": 0}, "waiting": 0,
                             "judged": i != 2, "commits": 6 * (i > 2)}
                            for i in range(5)],
                "timeline": [
                    {"t": 1, "kind": "begin", "fault": "kill",
                     "what": "<one>"},
                    {"t": 2, "kind": "end", "fault": "kill"}],
                "verdict": {"records": 9, "rows": 8, "dead_letters": 1,
                            "seconds": 2, "settled": True, "invariants": [
                                {"number": 1, "name": "nothing lost",
                                 "rule": "r", "violations": 0,
                                 "examples": []}]}, **members}

    def test_a_good_run(self):
        run = self.run_()
        self.assertTrue(report.is_good(run))
        self.assertIn("every invariant held", report.text(run))
        self.assertEqual(report.figures(run)["recovery_median_s"], 2)
        self.assertEqual(report.figures(run)["in_flight_checks"], 4)
        self.assertEqual(report.figures(run)["commits_checked"], 2)
        self.assertIn("--seed 1 --minutes 1 --topology alone --nodes 1 --rate "
                      "9 --faults kill", report.page(run))
        page = report.page(run)
        self.assertNotIn("<one>", page)
        self.assertNotIn("http://", page.replace(
            "http://www.w3.org/2000/svg", ""))
        self.assertEqual(page.count("<polyline"), 4)

    def test_a_violation_is_not_overlooked(self):
        bad = {"kind": "violation", "invariant": 14, "t": 3, "what": "lost",
               "examples": ["offset 3 is nowhere"]}
        run = self.run_(violations=[bad])
        self.assertFalse(report.is_good(run))
        self.assertIn("offset 3 is nowhere", report.text(run))
        run = self.run_()
        run["verdict"]["invariants"][0]["violations"] = 1
        self.assertFalse(report.is_good(run))
        self.assertFalse(report.is_good(self.run_(verdict=None)))

    def test_what_was_not_judged_is_not_good(self):
        run = self.run_()
        for sample in run["samples"]:
            sample["judged"] = False
        self.assertFalse(report.is_good(run))
        run = self.run_()
        run["verdict"]["invariants"] = []
        self.assertFalse(report.is_good(run))


if __name__ == "__main__":
    unittest.main()
