#!/usr/bin/env python3
"""Black box: the storm's checker, on real tables. Each violation is made by
hand and must be found, by the rule that it violates.

    storm_checker_test.py --bin FOLDER
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "storm"))

import broker  # noqa: E402
from case import Case, run  # noqa: E402
from events import PARTITIONS, Feed  # noqa: E402
from laboratory import BUSY  # noqa: E402
from world import World  # noqa: E402

CHECK = Path(__file__).resolve().parent / "storm" / "check.py"
RECORDS = 3_000

# (which invariants at least, statement)
ONE = "ctid = (SELECT ctid FROM tenant_big.{0} ORDER BY {1} LIMIT 1)"
VIOLATIONS = (
    ({1}, "DELETE FROM tenant_big.trace WHERE " + ONE.format("trace", "o")),
    ({2}, "INSERT INTO tenant_big.trace SELECT * FROM tenant_big.trace "
          "WHERE " + ONE.format("trace", "o")),
    ({3}, "UPDATE millrace.lane SET next_off[1] = next_off[1] + 1 "
          "WHERE tenant = 'big' AND shard = 0"),
    ({3}, "DELETE FROM millrace.lane WHERE tenant = 'big' AND shard = 0"),
    ({3}, "DELETE FROM millrace.partition_floor WHERE partition = 1"),
    ({4}, "DELETE FROM storm.history WHERE ctid = (SELECT ctid FROM "
          "storm.history WHERE seq > seq_was ORDER BY at OFFSET 5 LIMIT 1)"),
    # A number that is nobody's, and a row of another flush.
    ({4}, "UPDATE millrace.lane SET next_seq = next_seq + 2 "
          "WHERE tenant = 'big' AND shard = 0"),
    ({5}, "UPDATE tenant_big.trace t SET seq = (SELECT max(seq_was) FROM "
          "storm.history h WHERE h.lane = t.lane AND h.seq > h.seq_was) "
          "WHERE kind = 'tick' AND o < 20"),
    ({5}, "UPDATE tenant_big.trace SET seq = 0 WHERE ctid = (SELECT ctid FROM "
          "tenant_big.trace WHERE kind = 'tick' ORDER BY seq DESC, o DESC "
          "LIMIT 1)"),
    ({7}, "UPDATE tenant_big.ticks SET price = price * 1.0 WHERE "
          + ONE.format("ticks", "o")),
    ({7}, "DELETE FROM tenant_small.entities WHERE id = (SELECT min(id) FROM "
          "tenant_small.entities)"),
    ({7}, "UPDATE tenant_big.entities SET note = 'another' WHERE "
          + ONE.format("entities", "id")),
    ({8}, "UPDATE tenant_big.prices SET version = version - 1 WHERE "
          + ONE.format("prices", "id")),
    ({9}, "WITH x AS (DELETE FROM tenant_big.trace WHERE "
          + ONE.format("trace", "o")
          + " RETURNING *) INSERT INTO tenant_small.trace SELECT * FROM x"),
    ({10}, "UPDATE tenant_big.trace SET epoch = 99 WHERE "
           + ONE.format("trace", "seq, o")),
    ({11}, "UPDATE millrace.coordinator SET owner = gen_random_uuid()"),
    ({12}, "UPDATE millrace.dead_letter SET value = value || 'x' WHERE "
           "seq = (SELECT min(seq) FROM millrace.dead_letter WHERE value "
           "IS NOT NULL)"),
    ({12}, "DELETE FROM millrace.dead_letter"),
    ({13}, "UPDATE millrace.dead_letter SET sqlstate = '42P01', stage = "
           "'store'"),
    ({15}, "UPDATE millrace.partition_floor SET floor = floor - 1 "
           "WHERE partition = 1"),
    # What the nodes have told Kafka is there no more.
    ({16}, "UPDATE millrace.lane SET next_off = array_fill(0::bigint, "
           "ARRAY[cardinality(next_off)]); UPDATE millrace.partition_floor "
           "SET floor = 0"),
    ({21}, "UPDATE millrace.schema_migrations SET checksum = '0' "
           "WHERE pack = 'control' AND version = 3"),
    ({21}, "DELETE FROM millrace.schema_migrations "
           "WHERE pack = 'control' AND version = 3"),
    ({22}, "UPDATE millrace.lane SET state = 'halted' WHERE shard = 1"),
)


class Checker(Case):
    def verdict(self, lab):
        """Numbers of what is violated."""
        program = lab.directory / "world.json"
        done = subprocess.run(
            [sys.executable, "-B", CHECK, "--world", program, "--log-program",
             self.bin / "millrace-log", "--final", str(3)],
            capture_output=True, text=True, timeout=BUSY * 60)
        said = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(said["kind"], "verdict", done.stdout + done.stderr)
        found = {x["number"]: x["examples"] for x in said["invariants"]
                 if x["violations"]}
        self.assertEqual(done.returncode, 1 if found else 0)
        return found

    def test_each_violation_is_found(self):
        lab = World(self.bin, self.servers, "checked", topology="alone",
                    nodes=1)
        self.addCleanup(lambda: lab.close(failed=self.failed()))
        lab.make_tables({})
        lab.open_topic()
        lab.start("one")
        lab.note_history()
        lab.tell_checker()
        (lab.directory / "world.json").write_text(lab.describe())
        feed = Feed(11)
        with lab.open_feed() as producer:
            for line in [*itertools.islice(feed.lines(), RECORDS),
                         *feed.last_lines()]:
                producer.stdin.write(line + "\n")
        self.assertEqual(producer.returncode, 0)
        lab.wait_until(lambda: self.verdict(lab) == {}, 60,
                       "a verdict without a violation")
        lab.wait_until(lambda: any(n > RECORDS / PARTITIONS / 4
                                   for n in broker.committed(
            lab.kafka, lab.group, lab.topic, range(PARTITIONS), 60).values()),
            60, "what nodes tell Kafka")
        lab.end_nodes()
        for numbers, statement in VIOLATIONS:
            with self.subTest(statement):
                self.try_one(lab, numbers, statement)

    def try_one(self, lab, numbers, statement):
        """As it was before, after it: by a copy of the database."""
        name = lab.name
        self.alone(lab, f"CREATE DATABASE kept TEMPLATE {name}")
        lab.query(statement)
        try:
            found = self.verdict(lab)
            self.assertLessEqual(numbers, set(found))
        finally:
            self.alone(lab, f"DROP DATABASE {name} WITH (FORCE)")
            self.alone(lab, f"ALTER DATABASE kept RENAME TO {name}")

    @staticmethod
    def alone(lab, statement):
        """What an extension's worker in the database may refuse for a
        moment."""
        def done():
            try:
                lab.query(statement, url=lab.server_url)
                return True
            except RuntimeError as error:
                if "accessed by other users" not in str(error):
                    raise
                return False

        lab.wait_until(done, 30, statement)


if __name__ == "__main__":
    sys.exit(run("storm_checker", Checker))
