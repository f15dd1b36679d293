#!/usr/bin/env python3
"""The pack pme-online, whatever the interleaving: days go through the pack's
program and its lanes into PostgreSQL, in random orders of arrival, over three
partitions and three lanes that write at the same time and end without a word
now and then; and they end in the rows of an independent fold.

    pme_permutations_test.py --bin FOLDER [--runs N] [--spreads N] [--seed N]
"""

import argparse
import base64
import collections
import functools
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path

sys.dont_write_bytecode = True

import pme_fold  # noqa: E402
import pme_rows  # noqa: E402
import support  # noqa: E402

RECORDING = support.TOP / "deploy/data/pme-ledger-one-partition.ndjson.xz"
PARTITIONS = 3
# Of the days that are brought in many orders of arrival.
SEEDS = (1, 3, 6, 7, 8)

STATES = {
    "orders": {"A": 48, "G": 30, "M": 320, "O": 63, "P": 31, "R": 85, "W": 39},
    "trades": {"C": 113, "O": 297, "S": 29},
    "contracts": {"C": 226, "O": 594, "S": 58},
}
COUNTS = {"participants": 6, "instruments": 11, "accounts": 10, "holidays": 4,
          "parameters": 2, "session_times": 2, "service_starts": 5,
          "event_log": 2479}


HAPPENINGS = {"OrderWithdrawAck": "withdrawal", "OrderNak": "reject",
              "TradeNak": "dropped trade", "TradeReimburse": "reimbursement"}
ALL_HAPPENINGS = {*HAPPENINGS.values(), "amendment", "recall", "partial match",
                  "full match"}


def options():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--spreads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--env-file", type=Path)
    return parser.parse_known_args()


class Lanes:
    """The program that brings days into a database of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.database = f"pme_permutations_{os.getpid()}"
        self.server = support.Session("postgres")
        self.server.run(f"CREATE DATABASE {self.database}")
        self.server.run(f"ALTER DATABASE {self.database} SET "
                        "synchronous_commit = off")
        self.process = subprocess.Popen(
            [OPTIONS.bin / "millrace-pme-lanes"], text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ,
                 "DB_URL": support.with_database(self.database)})

    def bring(self, lines, seed, crashes, batch=20, flush=8192):
        """The account, and all rows."""
        file = Path(self.folder) / "day.ndjson"
        file.write_text("".join(json.dumps(x) + "\n" for x in lines))
        print(seed, crashes, batch, flush, file, file=self.process.stdin,
              flush=True)
        account, rows = (self.process.stdout.readline() for _ in range(2))
        if not rows:
            raise RuntimeError("the lanes gave up; see above")
        return (json.loads(account),
                json.loads(rows, parse_float=Decimal))

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)
        self.server.run(f"DROP DATABASE {self.database} WITH (FORCE)")
        self.server.close()


@functools.cache
def generate(*words):
    done = subprocess.run([OPTIONS.bin / "millrace", "generate", "pme",
                           *map(str, words)], check=True, capture_output=True,
                          text=True)
    return [json.loads(x) for x in done.stdout.splitlines()]


def recorded():
    with lzma.open(RECORDING, "rt") as file:
        return [json.loads(x) for x in file]


def spread(lines, chance, window=None):
    """Each record in a partition of its own choosing, in any order or up to
    `window` places from its own."""
    lines = [x | {"partition": chance.randrange(PARTITIONS)} for x in lines]
    if window is None:
        chance.shuffle(lines)
        return lines
    places = [i + chance.random() * window for i in range(len(lines))]
    return [lines[i] for i in sorted(range(len(lines)),
                                     key=places.__getitem__)]


def happenings(day):
    """What is special in a day, beyond the types of its events."""
    orders, found = {}, set()
    for line in day:
        kind = dict(line["headers"])["event-type"]
        body = json.loads(base64.b64decode(line["value_b64"]))
        if kind == "Order":
            orders[body["nid"]] = body
            if body["prev_nid"]:
                found.add("amendment")
            if body["reff_request_id"].endswith("-RECALL"):
                found.add("recall")
        elif kind == "Trade":
            for contract in body["Borrower"] + body["Lender"]:
                of = orders[contract["order_nid"]]
                found.add("partial match" if body["quantity"] < of["quantity"]
                          else "full match")
        elif kind in HAPPENINGS:
            found.add(HAPPENINGS[kind])
    return found


def raw_of(record):
    """What the log has of a body that is no JSON, as PostgreSQL shows it."""
    if record.body is not None:
        return None
    return "\\x" + base64.b64decode(record.line["value_b64"]).hex()


class Permutations(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.lanes = Lanes(cls.folder.name)
        cls.totals = collections.Counter()

    @classmethod
    def tearDownClass(cls):
        cls.lanes.close()
        cls.folder.cleanup()

    def bring(self, lines, seed, crashes, dead=0):
        """Brings the day in, and returns its rows in the fold's form."""
        account, found = self.lanes.bring(
            lines, seed, crashes, batch=3 + seed % 60,
            flush=(512, 4096, 65536)[seed % 3])
        self.totals.update(account)
        self.assertEqual(found["dead_letter"], dead)
        self.assertEqual(found["waiting"], 0)
        self.assertEqual(found["touched"], 0)
        self.assertEqual(
            {(x["kafka_partition"], x["kafka_offset"]): x["raw"]
             for x in found["event_log"]},
            {(x.partition, x.offset): raw_of(x)
             for x in pme_fold.records_of(lines)})
        return {x: pme_rows.normal(x, found[x]) for x in pme_rows.KEYS}

    def compare(self, rows, lines):
        wanted, _ = pme_fold.expected(pme_fold.records_of(lines))
        self.assertEqual(pme_rows.differences(rows, wanted)[:20], [])

    def test_a_day_ends_in_the_folds_rows_in_any_order_of_arrival(self):
        before = self.totals.copy()
        for run in range(OPTIONS.runs):
            seed = OPTIONS.seed * 100_000 + run
            chance = random.Random(seed)
            # A few days, each in many orders: these must end alike, too.
            day = generate("--events", 150, "--seed",
                           SEEDS[run % len(SEEDS)])
            lines = spread(day, chance,
                           None if run % 5 == 0 else chance.randrange(1, 60))
            with self.subTest(seed=seed):
                self.assertEqual(
                    len({dict(x["headers"])["event-type"] for x in day}), 23)
                rows = self.bring(lines, seed, crashes=3)
                self.compare(rows, lines)
                rows.pop("event_log")  # has the coordinates
                self.assertEqual(rows, self.first.setdefault(run % len(SEEDS), rows))
        now = self.totals - before
        print(f"{OPTIONS.runs} runs: {dict(now)}", file=sys.stderr)
        # Else this has not tested what it says.
        for what in ("crashes", "cut_flushes", "shared_steps"):
            self.assertGreater(now[what], 0, what)

    first = {}

    def test_each_day_has_all_that_can_happen(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertEqual(
                    happenings(generate("--events", 150, "--seed", seed)),
                    ALL_HAPPENINGS)

    def test_records_that_nobody_can_use_are_dead_letters_and_change_no_row(
            self):
        for run in range(2):
            seed = OPTIONS.seed * 100_000 + run
            day = generate("--events", 150, "--seed", run + 1, "--poison",
                           "10%")
            lines = spread(day, random.Random(seed), window=20)
            _, dead = pme_fold.expected(pme_fold.records_of(lines))
            with self.subTest(seed=seed):
                self.assertGreater(len(dead), 3)
                self.compare(self.bring(lines, seed, 3, len(dead)), lines)

    def test_the_recording_ends_in_its_counts_however_it_is_spread(self):
        for run in range(OPTIONS.spreads):
            seed = OPTIONS.seed * 100_000 + run
            lines = spread(recorded(), random.Random(seed), window=1)
            with self.subTest(seed=seed):
                rows = self.bring(lines, seed, crashes=1)
                self.compare(rows, lines)
                for table, states in STATES.items():
                    self.assertEqual(dict(collections.Counter(
                        x["state"] for x in rows[table].values())), states)
                for table, count in COUNTS.items():
                    self.assertEqual(len(rows[table]), count, table)


if __name__ == "__main__":
    OPTIONS, rest = options()
    if OPTIONS.env_file:
        rest += ["--env-file", str(OPTIONS.env_file)]
    sys.argv[1:] = rest
    support.main()
