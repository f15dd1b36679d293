#!/usr/bin/env python3
"""What became of lanes, floors and the coordinator: each violation is found."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from invariants_test import Case  # noqa: E402


class Seqs(Case):
    """4: the last change of the lane has no row."""

    def test_a_claim_that_is_not_there(self):
        facts = self.log.facts()
        facts.history.remove([x for x in facts.history
                              if x.lane == self.lane][4])
        self.assertIn(4, self.broken(facts))

    def test_the_last_claim_is_not_there(self):
        facts = self.log.facts()
        facts.history.remove([x for x in facts.history
                              if x.lane == self.lane][-1])
        facts.offsets = {}
        self.assertEqual(self.broken(facts), {4})

    def test_the_first_ones_are_not_there(self):
        facts = self.log.facts()
        for _ in range(2):
            facts.history.remove(next(x for x in facts.history
                                      if x.lane == self.lane))
        self.assertIn(4, self.broken(facts))

    def test_a_lane_of_which_nothing_is_known(self):
        facts = self.log.facts()
        facts.next_seqs["storm/big/99"] = 1
        self.assertEqual(self.broken(facts), {4})

    def test_a_number_that_is_nobodys(self):
        facts = self.log.facts()
        last = facts.next_seqs[self.lane]
        self.change(facts, -1, seq=last + 1)
        facts.next_seqs[self.lane] = last + 1
        self.assertEqual(self.broken(facts), {4})
        facts.aside = [(self.lane, last, 0, 5)]
        self.assertEqual(self.broken(facts), set())

    def test_a_number_of_two_events(self):
        facts = self.log.facts()
        seq = facts.letters[0, 6][0][1]
        facts.aside = [(self.lane, seq, 0, 5)]
        self.assertEqual(self.broken(facts), {4})

    def test_a_number_that_nobody_claimed(self):
        facts = self.log.facts()
        facts.aside = [(self.lane, 999, 0, 5)]
        self.assertEqual(self.broken(facts), {4})

    def test_a_row_with_the_number_of_a_dead_letter(self):
        facts = self.log.facts()
        facts.trace[0, 5] = [("big", self.lane, facts.letters[0, 6][0][1], 1)]
        self.assertIn(4, self.broken(facts))


class Transactions(Case):
    """4 and 12: what a flush writes comes with its claim, or not at all. One
    that came apart looks right once the flush has been repeated."""

    def broken_by(self, **members):
        facts = self.log.facts()
        for i in range(len([x for x in facts.history
                            if x.lane == self.lane])):
            self.change(facts, i, xid=str(700 + i))
        self.letter = facts.letters[0, 6][0][1]
        for name, values in members.items():
            setattr(facts, name, [(self.lane, seq or self.letter, xid)
                                  for seq, xid in values])
        return self.broken(facts)

    def test_with_the_claim(self):
        # The lane's beginning is 700, the record at 0 701.
        self.assertEqual(self.broken_by(row_xids=[(4, "704")],
                                        letter_xids=[(None, "707")]), set())

    def test_rows_apart(self):
        self.assertEqual(self.broken_by(row_xids=[(4, "704"), (4, "799")]),
                         {4})

    def test_a_dead_letter_apart(self):
        self.assertEqual(self.broken_by(letter_xids=[(None, "799")]), {12})


class Flushes(Case):
    """5: rows of one flush have one number, so that it says nothing about
    their order; what the flush claimed does."""

    def test_rows_beyond_what_the_flush_claimed(self):
        facts = self.log.facts()
        seq = facts.trace[0, 2][0][2]
        facts.trace[0, 3] = [("big", self.lane, seq, 1)]
        self.assertEqual(self.broken(facts), {5})

    def test_rows_behind_it(self):
        facts = self.log.facts()
        self.change(facts, 4, off_was=[4])  # wrote the record at 3
        self.assertIn(5, self.broken(facts))

    def test_a_dead_letter_of_another_flush(self):
        facts = self.log.facts()
        last = facts.next_seqs[self.lane]
        self.change(facts, -1, seq=last + 1)
        facts.next_seqs[self.lane] = last + 1
        lane, _, *rest = facts.letters[0, 6][0]
        facts.letters[0, 6] = [(lane, last, *rest)]
        self.assertIn(5, self.broken(facts))


class Positions(Case):
    """15: also where the next change hides it."""

    def test_an_offset_that_goes_back(self):
        facts = self.log.facts()
        self.change(facts, -1, off=[1])
        facts.offsets[self.lane, 0] = 1
        self.assertEqual(self.broken(facts), {15})

    def test_an_offset_that_nobody_claimed(self):
        facts = self.log.facts()
        facts.offsets[self.lane, 0] += 1
        self.assertEqual(self.broken(facts), {15})

    def test_a_floor_that_goes_back(self):
        facts = self.log.facts()
        facts.floor_history.append((0, 2, 1))
        facts.floors = {0: 1}
        self.assertEqual(self.broken(facts), {15})

    def test_a_floor_that_was_moved_unseen(self):
        facts = self.log.facts()
        facts.floors = {0: 3}
        self.assertEqual(self.broken(facts), {15})
        facts.floors = {0: 5}
        facts.floor_history.append((0, 3, 5))
        self.assertEqual(self.broken(facts), {15})


class Terms(Case):
    """11"""

    def test_terms_that_overlap(self):
        facts = self.log.facts()
        facts.terms = [(1, "a", 10, 0), (2, "b", 19, 9)]
        self.assertEqual(self.broken(facts), {11})

    def test_a_term_of_two(self):
        facts = self.log.facts()
        facts.terms = [(1, "a", 10, 0), (1, "b", 20, 11)]
        self.assertEqual(self.broken(facts), {11})

    def test_a_term_that_comes_back(self):
        facts = self.log.facts()
        facts.terms = [(2, "b", 10, 0), (1, "a", 20, 11)]
        self.assertEqual(self.broken(facts), {11})


if __name__ == "__main__":
    unittest.main()
