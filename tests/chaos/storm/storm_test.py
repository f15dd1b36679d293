#!/usr/bin/env python3
"""The storm's pure parts: feed, fold, lanes, schedule."""

import base64
import itertools
import json
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import check  # noqa: E402
from events import KINDS, POISONS, Feed  # noqa: E402
from lanes import xxh64  # noqa: E402
from model import (DEAD, FILTERED, UNROUTED, WRITTEN,  # noqa: E402
                   Model, text_digest)
from sample import TICK, Writer, headers  # noqa: E402
from schedule import Agenda, Planned, plan  # noqa: E402
from snapshot import field  # noqa: E402


class Hash(unittest.TestCase):
    def test_known_values(self):
        # Of the reference implementation.
        for data, hash_ in ((b"", 0xef46db3751d8e999),
                            (b"a", 0xd24ec4f1a98c6e5b),
                            (b"abc", 0x44bc2cf5ad770999)):
            self.assertEqual(xxh64(data), hash_)


class TheFeed(unittest.TestCase):
    def test_a_seed_makes_the_same_records(self):
        one, two, other = ([*itertools.islice(Feed(x).lines(), 2000)]
                           for x in (7, 7, 8))
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)

    def test_it_has_every_kind_and_nothing_undecided(self):
        model, ends = Model(), {}
        for line in itertools.islice(Feed(1).lines(), 30_000):
            x = json.loads(line)
            at = ends[x["partition"]] = ends.get(x["partition"], -1) + 1
            value = x.get("value_b64")
            model.take(x["partition"], at, base64.b64decode(x["key_b64"]),
                       headers(**{a.replace("-", "_"): b
                                  for a, b in x["headers"]}),
                       None if value is None else base64.b64decode(value))
        kinds = {x for log in model.logs.values() for x in log.kinds}
        self.assertEqual(kinds, {*KINDS, "poison"})
        self.assertEqual(model.undecided, [])
        self.assertTrue(model.waited)
        self.assertLess(.007, len(model.letters) / 30_000)
        self.assertGreater(.013, len(model.letters) / 30_000)

    def test_each_poison_is_a_dead_letter(self):
        feed = Feed(2)
        for kind in POISONS:
            feed.chance.choice, kept = (
                lambda x, kind=kind, kept=feed.chance.choice:
                kind if x is POISONS else kept(x)), feed.chance.choice
            x = json.loads(feed.poisoned())
            feed.chance.choice = kept
            model = Model()
            model.take(0, 0, b"e", headers(
                **{a.replace("-", "_"): b for a, b in x["headers"]}),
                base64.b64decode(x["value_b64"]))
            with self.subTest(kind):
                self.assertEqual(model.outcome(0, 0)[0], DEAD)


class TheFold(unittest.TestCase):
    def setUp(self):
        self.log = Writer()

    def test_updates_wait_for_their_row(self):
        self.log.write("change", {"note": "early"})
        self.assertIsNone(self.log.entity())
        self.log.write("put", {"name": "a", "amount": 1})
        self.assertEqual(self.log.entity(), ("a", "1", "early"))

    def test_an_upsert_keeps_what_it_does_not_write(self):
        self.log.write("put", {"name": "a", "amount": 1})
        self.log.write("change", {"note": "n"})
        self.log.write("put", {"name": "b", "amount": 2})
        self.assertEqual(self.log.entity(), ("b", "2", "n"))

    def test_after_a_delete_a_row_begins_anew(self):
        for kind, value in (("remove", {}), ("gone", None)):
            self.log.write("put", {"name": "a", "amount": 1})
            self.log.write("change", {"note": "n"})
            self.log.write(kind, value)
            self.assertIsNone(self.log.entity())
        self.log.write("put", {"name": "b", "amount": 2})
        self.assertEqual(self.log.entity(), ("b", "2", None))

    def test_versions_that_go_back_are_passed_over(self):
        for version in (3, 5, 4, 5):
            self.log.write("price", {"version": version, "price": version})
        self.assertEqual(self.log.model.prices["big", "e"], (5, "5"))

    def test_digits_stay_as_sent(self):
        self.log.write("put", b'{"name":"a","amount":1.500}')
        self.assertEqual(self.log.entity(), ("a", "1.500", None))

    def test_outcomes(self):
        for wanted, kind, value in (
                (WRITTEN, "tick", TICK), (DEAD, "tick", {**TICK, "n": -1}),
                (DEAD, "tick", {**TICK, "n": "many"}),
                (DEAD, "tick", {**TICK, "note": "\0"}),
                (DEAD, "tick", b"{"), (DEAD, "tick", b""),
                (DEAD, "tick", b'{"n":1} '
                 b'x'), (DEAD, "tick", None), (WRITTEN, "gone", {}),
                (DEAD, "other", {}), (FILTERED, "quiet", {"silent": True})):
            with self.subTest(kind=kind, value=value):
                self.assertEqual(self.log.write(kind, value), wanted)

    def test_strangers_have_a_lane_of_their_own(self):
        self.log.write("tick", TICK, tenant="nobody")
        self.assertEqual(self.log.model.outcome(0, 0)[:2], (DEAD, UNROUTED))


class TheSchedule(unittest.TestCase):
    TRACKS = [{"kill": (3, 2), "freeze": (1, 9)}, {"pg": (1, 4)}]

    def test_a_seed_makes_the_same_schedule(self):
        self.assertEqual(plan(1, 300, self.TRACKS), plan(1, 300, self.TRACKS))
        self.assertNotEqual(plan(1, 300, self.TRACKS),
                            plan(2, 300, self.TRACKS))

    def test_faults_of_a_track_follow_each_other_and_end_in_time(self):
        for seed in range(50):
            found = plan(seed, 300, self.TRACKS)
            for names in self.TRACKS:
                at = 0
                for x in found:
                    if x.fault in names:
                        self.assertGreater(x.begin_s, at)
                        self.assertLessEqual(x.length_s, names[x.fault][1])
                        at = x.begin_s + x.length_s
                self.assertLessEqual(at, 300.01)
                self.assertGreater(at, 250)

    def test_some_that_may_be_long_are(self):
        tracks = [{"locked": (1, 60), "kill": (1, 3)}]
        found = [x for seed in range(20) for x in plan(seed, 600, tracks)]
        lengths = [x.length_s for x in found if x.fault == "locked"]
        self.assertGreater(max(lengths), 40)
        self.assertLess(sorted(lengths)[len(lengths) // 2], 10)
        # Not where one of them would be all there is.
        short = [x for seed in range(20) for x in plan(seed, 100, tracks)]
        self.assertLessEqual(max(x.length_s for x in short), 10)


class TheAgenda(unittest.TestCase):
    PLANNED = [Planned(5, 2, "kill", 1), Planned(6, 1, "pg", 2),
               Planned(10, 2, "kill", 3), Planned(20, 2, "kill", 4)]

    def setUp(self):
        self.agenda = Agenda(self.PLANNED, 30, {"kill": "nodes",
                                                "pg": "ground"}.get)

    def due(self, now, *busy):
        return [x.seed for x in self.agenda.due(now, busy)]

    def test_each_track_for_itself(self):
        self.assertEqual(self.due(4), [])
        self.assertEqual(self.due(6, "ground"), [1])
        self.assertEqual(self.due(6, "nodes"), [2])
        self.assertEqual(self.due(10), [3])

    def test_what_took_long_puts_off_the_rest_of_its_track(self):
        first, = [x for x in self.agenda.due(5, ())]
        self.agenda.over(first, 13)  # six seconds late
        self.assertEqual(self.due(15), [2])
        self.assertEqual(self.due(16), [3])
        self.assertEqual(self.due(25), [])
        self.assertEqual(self.due(26), [4])

    def test_what_ends_in_time_puts_nothing_off(self):
        self.agenda.over(self.PLANNED[0], 6)
        self.assertEqual(self.due(10), [1, 2])

    def test_one_at_a_time(self):
        self.assertEqual(self.due(25), [1, 2])
        self.assertEqual(self.due(25), [3])

    def test_what_would_begin_after_the_end_is_left_out(self):
        self.agenda.over(self.PLANNED[0], 17)
        self.assertEqual(self.due(29), [1, 2])
        self.assertEqual(self.due(99), [3])
        self.assertEqual(self.due(99), [])


class TheLogsEnd(unittest.TestCase):
    """A verdict waits until the end was told anew: one of before the last fault
    may lack what was fed since."""

    def setUp(self):
        self.checker = check.Checker.__new__(check.Checker)
        self.checker.log = self.log = mock.Mock(
            failure=None, records=9, rounds={0: 5, 1: 7})

    def test_an_old_end_is_none(self):
        self.assertFalse(self.checker.read_to_the_end({0: 5, 1: 7}, 0))
        self.log.rounds = {0: 7, 1: 7}
        self.assertFalse(self.checker.read_to_the_end({0: 5, 1: 7}, 0))
        self.log.rounds = {0: 7, 1: 9}
        self.assertTrue(self.checker.read_to_the_end({0: 5, 1: 7}, 0))

    def test_a_log_without_what_was_fed_is_not_at_its_end(self):
        self.log.rounds = {0: 7, 1: 9}
        self.assertFalse(self.checker.read_to_the_end({0: 5, 1: 7}, 10))
        self.assertTrue(self.checker.read_to_the_end({0: 5, 1: 7}, 9))

    def test_a_reader_that_ended_is_told(self):
        self.log.failure = "millrace-log ended"
        with self.assertRaises(RuntimeError):
            self.checker.read_to_the_end({}, 0)


class Answers(unittest.TestCase):
    def test_fields_of_copy(self):
        self.assertIsNone(field(r"\N"))
        self.assertEqual(field(r"a\tb\\N\n"), "a\tb\\N\n")

    def test_a_row_is_not_another_one(self):
        self.assertNotEqual(text_digest("a", None), text_digest("a", ""))
        self.assertNotEqual(text_digest("ab", "c"), text_digest("a", "bc"))


if __name__ == "__main__":
    unittest.main()
