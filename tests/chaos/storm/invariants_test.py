#!/usr/bin/env python3
"""Each invariant is found when it is violated, and by nothing else."""

import sys
import unittest
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import invariants  # noqa: E402
from facts import Change, files_of  # noqa: E402
from model import LANE_NAMES, UNROUTED, digest  # noqa: E402
from sample import MIGRATIONS, TICK, Writer  # noqa: E402


class Case(unittest.TestCase):
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

    def change(self, facts, number, **members):
        """Of the lane's changes, from 0."""
        place = [i for i, x in enumerate(facts.history)
                 if x.lane == self.lane][number]
        facts.history[place] = replace(facts.history[place], **members)


class Invariants(Case):
    def test_nothing_is_violated(self):
        self.assertEqual(self.broken(self.log.facts()), set())

    def test_a_lost_event(self):
        facts = self.log.facts()
        del facts.trace[0, 3]
        self.assertEqual(self.broken(facts), {1})

    def test_what_is_above_the_position_is_not_lost(self):
        facts = self.log.facts(committed={0: 3})
        facts.positions[self.lane, 0] = 3
        for i in (3, 4, 5, 7):
            del facts.trace[0, i]
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
        last = self.log.facts().next_seqs[lane] - 1
        for seq, broken in ((last, set()), (1, {5})):
            facts = self.log.facts()
            facts.trace[0, 8] = [("big", lane, seq, 1)]
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
        lane = self.log.model.outcome(0, 8)[1]
        seq = facts.next_seqs[lane]
        facts.history.append(Change(lane, 1, 1, "me", seq, seq + 1, [10],
                                    [10]))
        facts.next_seqs[lane] += 1
        facts.trace[0, 8] = [("big", lane, seq, 1)]
        facts.trace[0, 9] = [("big", lane, seq - 1, 1)]
        self.assertEqual(self.broken(facts), {6})

    def test_a_row_of_the_wrong_lane(self):
        facts = self.log.facts()
        other = next(x for x in LANE_NAMES if x != self.lane and "big" in x)
        facts.trace[0, 3] = [("big", other, 1, 1)]
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
        self.change(facts, 1, owner="another")
        self.assertEqual(self.broken(facts), {10})

    def test_a_dead_letter_that_is_missing(self):
        facts = self.log.facts()
        facts.letters.clear()
        self.assertEqual(self.broken(facts), {4, 12})

    def letter(self, facts, *why):
        facts.letters[0, 6] = [(*facts.letters[0, 6][0][:3], *why)]

    def test_a_dead_letter_with_other_bytes(self):
        facts = self.log.facts()
        lane, seq, _, *why = facts.letters[0, 6][0]
        facts.letters[0, 6] = [(lane, seq, digest(b"x"), *why)]
        self.assertEqual(self.broken(facts), {12})

    def test_a_dead_letter_that_nobody_expects(self):
        facts = self.log.facts()
        facts.letters[0, 3] = [(self.lane, 4, 0, "23514", "store: ")]
        self.assertEqual(self.broken(facts), {2, 4, 12})

    def test_a_dead_letter_for_a_fault(self):
        for why in (("53100", "store: disk full"),
                    ("42P01", "store: no such table"),
                    ("42501", "store: permission denied"),
                    ("23505", "store: twice"), (None, "store: gone"),
                    (None, "waiting: for ever"), ("23514", "map: no")):
            with self.subTest(why):
                facts = self.log.facts()
                self.letter(facts, *why)
                self.assertEqual(self.broken(facts), {13})

    def test_what_could_not_be_read_never_came_to_postgresql(self):
        self.log.write("tick", b"{")
        for why, broken in (((None, "decode: no JSON"), set()),
                            (("22P02", "store: no number"), {13}),
                            ((None, "waiting: "), {13})):
            with self.subTest(why):
                facts = self.log.facts()
                facts.letters[0, 8] = [(*facts.letters[0, 8][0][:3], *why)]
                self.assertEqual(self.broken(facts), broken)

    def test_a_halt_that_nothing_asks_for(self):
        facts = self.log.facts()
        facts.halts = [("storm", "lane x", "halted", "why")]
        self.assertEqual(self.broken(facts), {22})
        facts.due_halts = {"storm": "GAP"}
        self.assertEqual(self.broken(facts), {22})

    def test_a_halt_that_is_due(self):
        facts = self.log.facts(due_halts={"short": "RETENTION_LOSS"})
        self.assertEqual(self.broken(facts), {22})
        facts.halts = [("short", "lane x", "halted", "RETENTION_LOSS: 7")]
        self.assertEqual(self.broken(facts), set())
        facts.halts.append(("storm", "lane y", "parked", "RETENTION_LOSS"))
        self.assertEqual(self.broken(facts), {22})

    def test_what_kafka_has_beyond_a_lane(self):
        facts = self.log.facts()
        facts.positions[self.lane, 0] = 3
        self.assertIn(16, self.broken(facts))
        facts.committed = {0: 3}
        self.assertNotIn(16, self.broken(facts))

    def test_what_kafka_has_beyond_the_log(self):
        facts = self.log.facts()
        facts.committed[0] += 1
        self.assertEqual(self.broken(facts), {16})

    def test_nothing_is_said_too_early_of_a_lane_that_has_nothing_there(self):
        facts = self.log.facts()
        idle = next(x for x in LANE_NAMES if "small" in x)
        facts.positions[idle, 0] = 0
        self.assertNotIn(16, self.broken(facts))

    def test_a_lane_that_was_taken_back_is_judged_once_it_has_come_again(self):
        model, committed = self.log.model, {0: 6}
        for effective, passed, broken in ((3, 0, 1), (3, 4, 0), (5, 4, 1),
                                          (6, 4, 0)):
            found = list(invariants.commits(
                model, {(self.lane, 0): effective}, committed, {0: passed}))
            self.assertEqual(len(found), broken)

    def test_migrations_of_which_one_is_not_there(self):
        for wrong in ([], MIGRATIONS[1:], [MIGRATIONS[0], MIGRATIONS[2]],
                      [*MIGRATIONS, (4, "beyond", "d4")],
                      [MIGRATIONS[1], MIGRATIONS[0], MIGRATIONS[2]],
                      [MIGRATIONS[0], (2, "claim", "edited")]):
            facts = self.log.facts(migrations=wrong)
            self.assertEqual(self.broken(facts), {21})

    def test_migrations_that_are_still_to_come_are_not_missing(self):
        facts = self.log.facts(migrations=MIGRATIONS[:2])
        self.assertEqual(self.broken(facts), set())

    def test_the_files_are_those_of_the_control_schema(self):
        found = files_of()
        self.assertEqual([x[0] for x in found], [*range(1, len(found) + 1)])
        self.assertEqual(found[0][1], "tables")
        self.assertEqual({len(x[2]) for x in found}, {64})

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


if __name__ == "__main__":
    unittest.main()
