#!/usr/bin/env python3
"""When a defect counts as found, and what the control must be."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bugs  # noqa: E402
import faults  # noqa: E402
import invariants  # noqa: E402
import report  # noqa: E402

LOSS = bugs.Bug("loss", "loses", "kill", (1, 14))


def rule(number, violations=0):
    return {"number": number, "name": "n", "rule": "r",
            "violations": violations, "examples": ["an example"]}


def seen(number, t=7.0):
    return {"kind": "violation", "invariant": number, "t": t, "what": "what",
            "examples": ["offset 3"]}


def run(*violations, rules=(rule(1), rule(7)), settled=True):
    return {"violations": list(violations), "recoveries": [],
            "samples": [{"judged": True, "commits": 6}],
            "timeline": [{"t": 3, "kind": "begin", "fault": "kill"},
                         {"t": 90, "kind": "verdict"}],
            "verdict": {"settled": settled, "seconds": 1,
                        "invariants": list(rules)}}


class Defects(unittest.TestCase):
    def found(self, *words, **options):
        return bugs.judged(LOSS, run(*words, **options))

    def test_one_is_found_by_its_own_rule(self):
        found = self.found(seen(0, 2.0), seen(14))
        self.assertEqual((found.good, found.at, found.by), (True, 7.0, 14))
        self.assertIn("offset 3", found.what)

    def test_at_the_end_as_well(self):
        found = self.found(rules=(rule(7, 1), rule(1, 2)))
        self.assertEqual((found.good, found.at, found.by), (True, 90, 1))

    def test_what_another_rule_finds_is_another_defect(self):
        found = self.found(seen(0), rules=(rule(1), rule(7, 1)))
        self.assertFalse(found.good)
        self.assertEqual(found.what, "not found by 1 or 14, though 0, 7 "
                         "violated")

    def test_none_is_not_found(self):
        self.assertFalse(self.found().good)

    def test_a_world_that_stands_still_says_nothing_of_contents(self):
        contents = bugs.Bug("wrong", "writes", "kill", (7, 8))
        for settled in (False, True):
            found = bugs.judged(contents, run(rules=(rule(7, 1),),
                                              settled=settled))
            self.assertEqual(found.good, settled)


class Control(unittest.TestCase):
    def test_it_must_be_clean(self):
        self.assertTrue(bugs.judged_control(run()).good)
        for bad in (run(seen(23)), run(rules=(rule(1, 1),)), run(rules=())):
            self.assertFalse(bugs.judged_control(bad).good)

    def test_it_must_have_been_a_storm(self):
        calm = run()
        calm["timeline"] = calm["timeline"][1:]
        self.assertFalse(bugs.judged_control(calm).good)
        blind = run()
        blind["samples"] = []
        self.assertFalse(bugs.judged_control(blind).good)

    def test_it_has_the_faults_of_all(self):
        one, = bugs.controls([LOSS, bugs.Bug("b", "", "doubt,kill", (1,))])
        self.assertEqual((one.name, one.faults), (bugs.CONTROL, "kill,doubt"))

    def test_each_traffic_has_one_of_its_own(self):
        some = [LOSS, bugs.Bug("b", "", "doubt", (1,), traffic="thin",
                               minutes=2)]
        self.assertEqual(
            [(x.name, x.faults, x.traffic, x.minutes)
             for x in bugs.controls(some)],
            [("control", "kill", "steady", 3),
             ("control, thin", "doubt", "thin", 2)])


class Catalog(unittest.TestCase):
    def test_every_defect_names_rules_and_faults_that_there_are(self):
        known = {x.number for x in invariants.RULES} | {
            x[0] for x in report.MEANWHILE}
        for bug in bugs.BUGS:
            with self.subTest(bug.name):
                self.assertTrue(bug.rules)
                self.assertIn(bug.traffic, bugs.TRAFFIC)
                self.assertLessEqual(set(bug.rules), known)
                self.assertLessEqual(set(bug.faults.split(",")),
                                     set(faults.CATALOG))


if __name__ == "__main__":
    unittest.main()
