#!/usr/bin/env python3
"""The demos where there is no Kafka, and where a producer fails.

    demo_test.py --bin FOLDER
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DEMO = TOP / "deploy" / "lib" / "millrace_demo.py"
PME_DEMO = TOP / "deploy" / "lib" / "millrace_demo_pme.py"
BIN = None

NO_PRODUCER = """#!/bin/sh
if [ "$1" = produce ]; then
  echo "the feed is gone" >&2
  exit 3
fi
exec {bin}/millrace "$@"
"""


class Demo(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory(prefix="mr-demo-")
        self.addCleanup(self.place.cleanup)
        os.chmod(self.place.name, 0o755)  # PostgreSQL's user goes through it

    def run_demo(self, build, *options, patience_s=150, program=DEMO):
        return subprocess.run(
            [sys.executable, "-B", program, "--build", build, "--plain",
             *options], capture_output=True, text=True, timeout=patience_s,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "MILLRACE_STATE": self.place.name + "/s"})

    def test_it_proves_itself_with_the_embedded_broker(self):
        ended = self.run_demo(BIN.parent, "--for", "8s", "--calm", "2s",
                              "--kafka", "embedded")
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertIn("kill -9 of the node", ended.stdout)
        self.assertRegex(ended.stdout, "every offset is accounted for exactly "
                         "once: [1-9][0-9],[0-9]{3} records")
        self.assertFalse((Path(self.place.name) / "s").exists())

    def test_a_day_of_the_exchange_proves_itself_beside_the_ticks(self):
        ended = self.run_demo(BIN.parent, "--for", "2s", "--kafka", "embedded",
                              program=PME_DEMO)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertIn("kill -9 of the node", ended.stdout)
        self.assertRegex(ended.stdout, "every offset is accounted for exactly")
        self.assertRegex(ended.stdout, "The exchange's day: [0-9,]+ rows of "
                         "11 tables are as its rules have them")
        self.assert_shows_the_exchange(ended.stdout)
        self.assertFalse((Path(self.place.name) / "s").exists())

    def assert_shows_the_exchange(self, output):
        """States, a bar for each instrument that is borrowed, and how many
        records nobody could use, by reason."""
        shown = output.split("The exchange at the end of its day:\n", 1)[1]
        self.assertRegex(shown, r"orders +S \d+ +G \d+ +O \d+ +P \d+ +M "
                         r"[1-9]\d* +A \d+ +W \d+ +R \d+")
        self.assertRegex(shown, r"contracts +S \d+ +E \d+ +O [1-9]\d* ")
        chart, letters = shown.split("dead letters of the exchange:\n", 1)
        chart = chart.split("open interest, borrowed shares:\n", 1)[1]
        bars = [(len(bar), int(shares.replace(",", ""))) for bar, shares in
                re.findall(r"^  [A-Z]+ +(█+) ([0-9,]+)$", chart, re.M)]
        self.assertEqual(len(bars), chart.count("\n"), chart)
        self.assertGreater(len(bars), 0)
        most = bars[0][1]
        self.assertEqual(bars, [
            (max(1, round(30 * x / most)), x)
            for x in sorted((x for _, x in bars), reverse=True)])
        letters = re.findall(r"^ +([1-9]\d*)  (\S.*\S)$", letters, re.M)
        reasons = " ".join(reason for _, reason in letters)
        self.assertRegex(reasons, "not JSON|found")
        total = re.search(r"column by column; (\d+) dead letters", output)
        self.assertEqual(sum(int(n) for n, _ in letters), int(total[1]))

    def test_it_stops_at_once_when_its_producer_fails(self):
        bin_folder = Path(self.place.name) / "build" / "bin"
        bin_folder.mkdir(parents=True)
        for program in BIN.iterdir():
            if program.name != "millrace":
                (bin_folder / program.name).symlink_to(program)
        millrace = bin_folder / "millrace"
        millrace.write_text(NO_PRODUCER.format(bin=BIN))
        millrace.chmod(0o755)
        began = time.monotonic()
        ended = self.run_demo(bin_folder.parent, "--for", "100s", "--kafka",
                              "embedded")
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("`millrace produce` ended with exit code 3",
                      ended.stderr)
        self.assertIn("the feed is gone", ended.stderr)
        self.assertLess(time.monotonic() - began, 60)
        self.assertFalse((Path(self.place.name) / "s").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    known, rest = parser.parse_known_args()
    BIN = known.bin.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
