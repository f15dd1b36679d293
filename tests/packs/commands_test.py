#!/usr/bin/env python3
"""The pack trading-engine as its operators know it: by the commands, in both
spellings, on a database that has nothing, each test by its number in the sheet.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

import sheet  # noqa: E402
import support  # noqa: E402


class Commands(unittest.TestCase):
    bin = None
    schema = "tenant_demo"

    def setUp(self):
        self.database = f"commands_{os.getpid()}_{self.id()[-12:].lower()}"
        server = support.Session("postgres")
        self.addCleanup(server.close)
        server.run(f'CREATE DATABASE "{self.database}"')
        self.addCleanup(server.run,
                        f'DROP DATABASE "{self.database}" WITH (FORCE)')
        self.db = support.Session(self.database)
        self.addCleanup(self.db.close)
        # There is no folder of migrations beside it.
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def migrate(self, *words, sets=True):
        """What it prints, which must succeed. A single dash goes with a
        command that is spelled so."""
        more = ["--set", "trading-engine", "--tenant", "demo"] if sets else []
        done = subprocess.run(
            [self.bin / "millrace", "migrate", *words,
             "-conn" if words[0].startswith("-") else "--conn",
             support.with_database(self.database), *more],
            cwd=self.folder.name, capture_output=True, text=True, timeout=300,
            stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_07_10_11_a_dry_run_of_an_empty_database_tells_all_and_does_nothing(
            self):
        plan = self.migrate("-cmd", "up", "-dry-run", "-verbose")
        for words in ("trading-engine/001_core.sql up", "CREATE TABLE orders",
                      "trading-engine/005_risk.sql up"):
            self.assertIn(words, plan)
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM pg_namespace WHERE nspname IN "
            "('millrace', 'tenant_demo')"), 0)
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM pg_database WHERE datname LIKE "
            "'millrace_rehearsal_%' AND datname LIKE "
            f"'%{self.database}%'"), 0)

    def test_q01_q20_02_14_up_down_and_up_again_end_in_the_same_schema(self):
        self.migrate("up", sets=False)
        self.migrate("-up")
        self.assertEqual([x[:2] for x in self.db.values(
            "SELECT version, name, description, applied_at, execution_time_ms "
            "FROM tenant_demo.schema_migrations ORDER BY version DESC")],
            [(5, "risk"), (4, "liquidity"), (3, "audit"),
             (2, "core_indexes"), (1, "core")])
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM tenant_demo.schema_migrations WHERE "
            "description IS NULL OR applied_at IS NULL OR execution_time_ms "
            "IS NULL OR length(checksum) <> 64"), 0)
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0)
        before = sheet.dump(self.db, self.schema)
        self.assert_status(5, 0)
        # Down by number, and down to a version.
        self.migrate("down", "2")
        self.assert_status(3, 2)
        self.migrate("-version=0")
        self.assert_status(0, 5)
        self.migrate("-cmd", "up")
        self.assert_status(5, 0)
        self.assertEqual(sheet.dump(self.db, self.schema), before)

    def assert_status(self, applied, pending):
        text = self.migrate("-cmd", "status")
        self.assertIn(f"Total migrations: {applied + pending} | "
                      f"Applied: {applied} | Pending: {pending}", text)
        self.assertEqual(text.count(" Applied "), applied + 1)  # the heading


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--env-file")
    parser.add_argument("--bin", type=Path, required=True)
    own, rest = parser.parse_known_args()
    support.read_environment(own.env_file)
    Commands.bin = own.bin.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
