#!/usr/bin/env python3
"""The storm's pure parts: feed, fold, lanes, invariants, schedule."""

import base64
import itertools
import json
import struct
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import check  # noqa: E402
import invariants  # noqa: E402
from events import KINDS, POISONS, Feed  # noqa: E402
from invariants import Facts  # noqa: E402
from lanes import xxh64  # noqa: E402
from model import (DEAD, FILTERED, LANE_NAMES, UNROUTED,  # noqa: E402
                   WRITTEN, Model, digest, text_digest)
from schedule import plan  # noqa: E402
from snapshot import field  # noqa: E402


def headers(**members):
    return b"".join(struct.pack(">i", len(x)) + x
                    for name, value in members.items()
                    for x in (name.replace("_", "-").encode(),
                              value.encode()))


class Writer:
    """Records into a model, one after another in partition 0."""

    def __init__(self):
        self.model = Model()
        self.next = 0

    def write(self, kind, value, key=b"e", tenant="big"):
        at, self.next = self.next, self.next + 1
        if isinstance(value, dict):
            value = json.dumps(value).encode()
        self.model.take(0, at, key, headers(tenant=tenant, event_type=kind),
                        value)
        return self.model.outcome(0, at)[0]

    def entity(self, key="e"):
        return self.model.entities["big", key].row

    def facts(self, **members):
        model = self.model
        ends = dict(model.ends)
        trace = {}
        for i, offset in enumerate(model.logs[0].offsets):
            outcome, lane, _ = model.outcome(0, offset)
            if outcome == WRITTEN:
                trace[0, offset] = [(lane.split("/")[1], lane, i + 1, 1)]
        letters = {
            where: [(model.outcome(*where)[1], where[1] + 1, x, "22P02",
                     "map: no number")]
            for where, x in model.letters.items()}
        history = [(lane, 1, 1, "me", i + 1, i + 2, [i], [i + 1])
                   for lane in LANE_NAMES for i in range(self.next)]
        positions = {(lane, 0): ends[0] for lane in LANE_NAMES}
        facts = Facts(model, ends, positions,
                      {x: ("active", None) for x in LANE_NAMES},
                      {0: ("active", None)}, lambda sql: [], trace, letters,
                      {}, history)
        for name, value in members.items():
            setattr(facts, name, value)
        return facts


TICK = {"n": 1, "price": 2, "at": "2026-01-19T00:00:00Z", "note": "x"}


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


class Invariants(unittest.TestCase):
    """Each is found when it is violated, and by nothing else."""

    def setUp(self):
        self.log = Writer()
        for i in range(6):
            self.log.write("tick", {**TICK, "n": i})
        self.log.write("tick", {**TICK, "n": -1})
        self.log.write("put", {"name": "a", "amount": 1})
        self.lane = self.log.model.outcome(0, 0)[1]

    def broken(self, facts):
        """7 and 8 ask the tables, which are not here."""
        return {x.number for x in invariants.RULES
                if x.number not in (7, 8) and list(x.find(facts))}

    def test_nothing_is_violated(self):
        self.assertEqual(self.broken(self.log.facts()), set())

    def test_a_lost_event(self):
        facts = self.log.facts()
        del facts.trace[0, 3]
        self.assertEqual(self.broken(facts), {1})

    def test_what_is_above_the_position_is_not_lost(self):
        facts = self.log.facts()
        facts.positions[self.lane, 0] = 3
        for i in (3, 4, 5, 7):
            del facts.trace[0, i]
        del facts.letters[0, 6]
        self.assertEqual(self.broken(facts), {3})

    def test_an_event_twice(self):
        facts = self.log.facts()
        facts.trace[0, 3] *= 2
        self.assertEqual(self.broken(facts), {2})

    def test_an_event_that_still_waits(self):
        facts = self.log.facts()
        del facts.trace[0, 3]
        facts.waiting[0, 3] = [(self.lane, 3, 0, None, "waits: ")]
        self.assertEqual(self.broken(facts), {3})

    def test_a_gap_in_the_seqs(self):
        facts = self.log.facts()
        facts.history = [x for x in facts.history if x[4] != 4]
        self.assertIn(4, self.broken(facts))

    def test_seqs_against_the_offsets(self):
        facts = self.log.facts()
        facts.trace[0, 2], facts.trace[0, 3] = (facts.trace[0, 3],
                                                facts.trace[0, 2])
        self.assertEqual(self.broken(facts), {5})

    def test_what_may_have_waited_comes_later_and_never_earlier(self):
        self.log.write("change", {"note": "x"}, key=b"late")
        self.log.write("tick", TICK)
        lane = self.log.model.outcome(0, 8)[1]
        self.assertEqual(lane, self.log.model.outcome(0, 9)[1])
        for seq, broken in ((20, set()), (1, {5})):
            facts = self.log.facts()
            facts.trace[0, 8] = [("big", lane, seq, 1)]
            facts.history = [(x, 1, 1, "me", i, i + 1, [i], [i + 1])
                             for x in LANE_NAMES for i in range(1, 30)]
            self.assertEqual(self.broken(facts), broken)

    def test_a_lane_without_a_position(self):
        facts = self.log.facts()
        del facts.positions[self.lane, 0]
        self.assertIn(3, self.broken(facts))

    def test_an_entity_out_of_order(self):
        for _ in range(2):
            self.log.write("change", {"note": "x"}, key=b"late")
        facts = self.log.facts()
        self.assertEqual(self.broken(facts), set())
        facts.trace[0, 8], facts.trace[0, 9] = (facts.trace[0, 9],
                                                facts.trace[0, 8])
        self.assertEqual(self.broken(facts), {6})

    def test_a_row_of_the_wrong_lane(self):
        facts = self.log.facts()
        other = next(x for x in LANE_NAMES if x != self.lane and "big" in x)
        facts.trace[0, 3] = [("big", other, 4, 1)]
        self.assertEqual(self.broken(facts), {9})

    def test_a_row_of_the_wrong_tenant(self):
        facts = self.log.facts()
        facts.trace[0, 3] = [("small", self.lane, 4, 1)]
        self.assertEqual(self.broken(facts), {9})

    def test_an_old_epoch_after_a_newer_one(self):
        facts = self.log.facts()
        facts.trace[0, 3] = [("big", self.lane, 4, 2)]
        self.assertEqual(self.broken(facts), {10})

    def test_an_epoch_of_two_owners(self):
        facts = self.log.facts()
        lane, *_ = facts.history[0]
        facts.history[1] = (lane, 1, 1, "another", *facts.history[1][4:])
        self.assertEqual(self.broken(facts), {10})

    def test_a_dead_letter_that_is_missing(self):
        facts = self.log.facts()
        facts.letters.clear()
        self.assertEqual(self.broken(facts), {12})

    def test_a_dead_letter_with_other_bytes(self):
        facts = self.log.facts()
        facts.letters[0, 6] = [(self.lane, 7, digest(b"x"), None, "map: ")]
        self.assertEqual(self.broken(facts), {12})

    def test_a_dead_letter_that_nobody_expects(self):
        facts = self.log.facts()
        facts.letters[0, 3] = [(self.lane, 4, 0, "23514", "store: ")]
        self.assertEqual(self.broken(facts), {2, 12})

    def test_a_dead_letter_for_a_fault(self):
        facts = self.log.facts()
        facts.letters[0, 6] = [(*facts.letters[0, 6][0][:3], "53100",
                                "store: disk full")]
        self.assertEqual(self.broken(facts), {13})

    def test_a_position_that_goes_back(self):
        facts = self.log.facts()
        x = facts.history[1]
        facts.history[1] = (*x[:6], x[6], [0])
        self.assertEqual(self.broken(facts), {15})

    def test_a_halted_lane(self):
        facts = self.log.facts()
        facts.lanes[self.lane] = ("halted", "why")
        self.assertEqual(self.broken(facts), {22})

    def test_tables_that_differ(self):
        answers = {}
        facts = self.log.facts(
            ask=lambda sql: next((x for name, x in answers.items()
                                  if name in sql), []))
        due = [["0", str(i), "0", "e", str(i), "2",
                "2026-01-19 00:00:00.000000", "x"] for i in range(6)]
        answers |= {"tenant_big.ticks": due,
                    "tenant_big.entities": [["e", "a", "1", None]]}
        self.assertEqual(list(invariants.tables_equal(facts)), [])
        for wrong in (due[1:], [*due, due[0]],
                      [[*due[0][:-1], "y"], *due[1:]]):
            answers["tenant_big.ticks"] = wrong
            self.assertEqual(len(list(invariants.tables_equal(facts))), 1)
        answers["tenant_big.ticks"] = due
        for wrong in ([], [["e", "a", "1.0", None]],
                      [["e", "a", "1", None], ["f", "a", "1", None]]):
            answers["tenant_big.entities"] = wrong
            self.assertEqual(len(list(invariants.tables_equal(facts))), 1)

    def test_guards(self):
        self.log.write("price", {"version": 2, "price": 3})
        facts = self.log.facts(ask=lambda sql: [["e", "1", "3"]]
                               if "tenant_big.prices" in sql else [])
        self.assertEqual(len(list(invariants.guards_held(facts))), 1)

    def test_tallies_name_the_lane_and_then_the_event(self):
        model = self.log.model
        positions = {(self.lane, 0): 8}
        right = [self.lane, "0", *map(str, model.below(self.lane, 0, 8))]
        self.assertEqual(list(invariants.tallies(model, positions, [right])),
                         [])
        for wrong in ([], [[*right[:2], str(int(right[2]) + 1), *right[3:]]],
                      [[*right[:3], str(int(right[3]) + 1), right[4]]],
                      [right, [UNROUTED, "0", "1", "0", "0"]]):
            self.assertEqual(
                len(list(invariants.tallies(model, positions, wrong))), 1)
        offsets = [0, 1, 1, 2, 4, 5, 6, 7]
        found = list(invariants.differences(model, self.lane, 0, 8, offsets))
        self.assertEqual(len(found), 2)
        self.assertIn("offset 3 is nowhere", found[0])
        self.assertIn("offset 1 is there and not due, or twice", found[1])


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
