#!/usr/bin/env python3
"""The demos where there is no Kafka, and where a producer fails.

    demo_test.py --bin FOLDER
"""

import argparse
import os
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
        self.assertFalse((Path(self.place.name) / "s").exists())

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
