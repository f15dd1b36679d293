#!/usr/bin/env python3
"""Black box: fifty tenants share a pipeline whose table gets a column, another
type and loses a column while records flow (rule 26). Every record is written
exactly once and with its own values, and who is not being changed goes on.

    tenants_migrate_test.py --bin FOLDER
"""

import json
import re
import signal
import sys

from case import Case, run
from laboratory import BUSY, PARTITIONS, Laboratory

TENANTS = [f"t{i:02}" for i in range(50)]
HELD = "t07"
MORE = 5_000  # records that are sent at a time, as many to each tenant
RATE = 1_000
KEY = 4711  # of the lock that keeps one tenant's migration open

CONFIG = """
[node]
name = "one"
admin.port = 0
[postgresql]
url = { env = "LAB_PG_URL" }
sessions = 1
max_sessions = 20
[kafka]
bootstrap = "KAFKA"
TENANTS
[[migrations]]
set = "readings"
folder = "readings"
[pipeline.readings]
topics = ["TOPIC"]
tenant = ".tenant"
lanes = 1
limits.linger = "200ms"
limits.floor_interval = "1s"
[[pipeline.readings.event]]
name = "reading"
route = "required(.id)"
[[pipeline.readings.event.write]]
table = "readings"
[pipeline.readings.event.write.columns]
id = ".id"
price = ".price"
note = ".note"
COLUMNS
"""

FIRST = """CREATE TABLE readings (id bigint NOT NULL, price bigint NOT NULL,
  note text NOT NULL, unit text)"""
ADD = "ALTER TABLE readings ADD COLUMN source text NOT NULL DEFAULT 'kafka'"
# Eight bytes before and after: rows of the old shape would be taken, and hold
# other numbers. One tenant's transaction stays open for as long as the test
# has the lock.
RETYPE = f"""ALTER TABLE readings ALTER COLUMN price TYPE double precision;
DO $$ BEGIN
  IF current_schema() = 'tenant_{HELD}' THEN
    PERFORM pg_advisory_xact_lock({KEY});
  END IF;
END $$"""
DROP = "ALTER TABLE readings DROP COLUMN unit"


class TenantsLaboratory(Laboratory):
    sent = 0

    def configure(self, columns):
        self.file = self.directory / "node.toml"
        text = (CONFIG.replace("KAFKA", self.kafka)
                .replace("TOPIC", self.topic).replace("COLUMNS", columns)
                .replace("TENANTS", "".join(
                    f'[[tenant]]\nname = "{x}"\n' for x in TENANTS)))
        # In one step: the node reads it at any time.
        new = self.directory / "node.toml.new"
        new.write_text(text)
        new.rename(self.file)

    def write_migration(self, name, sql):
        folder = self.directory / "readings"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(
            f"-- description: {name}\n-- millrace:up\n{sql};\n")

    def migrate(self, log="migrate"):
        """At once for all tenants, four at a time."""
        return self.spawn(log, "millrace", "migrate", "up", "--config",
                          self.file, "--lock-timeout", "120s")

    def flow(self):
        """Sends more, unless there is some under way."""
        if self.producer and self.producer.poll() is None:
            return
        if self.producer:
            self.finish_producing()
        lines = self.directory / "readings.ndjson"
        first, self.sent = self.sent, self.sent + MORE
        with lines.open("w") as out:
            for i in range(first, self.sent):
                out.write(json.dumps({
                    "tenant": TENANTS[i % len(TENANTS)], "id": i,
                    "price": 7 * i + 1, "note": f"n{i}", "unit": "x"}) + "\n")
        self.producer = self.spawn(
            "produce", "millrace", "produce", self.topic, lines,
            "--bootstrap", self.kafka, "--key", "id", "--partitions",
            PARTITIONS, "--rate", RATE, "-X", "linger.ms=50")

    def counts(self):
        """Rows by tenant, of one moment. Readers wait for no lane, only for
        the table that is being changed: its rows are not asked for."""
        found = self.query(" UNION ALL ".join(
            f"SELECT '{x}', count(*) FROM tenant_{x}.readings"
            for x in TENANTS if x != HELD))
        return {x: int(n) for x, _, n in (y.partition("|") for y in found)}

    def state(self, version):
        """How many tenants have that version."""
        return int(self.query("SELECT sum(n) FROM (" + " UNION ALL ".join(
            f"SELECT count(*) AS n FROM tenant_{x}.schema_migrations WHERE "
            f"pack = 'readings' AND version = {version}"
            for x in TENANTS) + ") x")[0])

    def next_seq(self, tenant):
        return int(self.query("SELECT next_seq FROM millrace.lane WHERE "
                              f"tenant = '{tenant}'")[0])


class Tenants(Case):
    def test_tables_of_fifty_tenants_change_while_records_flow(self):
        lab = self.laboratory(kind=TenantsLaboratory)
        lab.topic = "readings"
        lab.write_migration("001_readings.sql", FIRST)
        lab.configure('unit = ".unit"')
        # The node brings up the user's own set by itself.
        lab.flow()
        lab.nodes["one"] = lab.spawn("one", "millrace", "node", lab.file)
        lab.wait_until(lambda: self.made(lab) == len(TENANTS), 60, "tables")
        lab.wait_until(lambda: min(lab.counts().values()) > 0, 60,
                       "rows of each tenant")

        lab.write_migration("002_source.sql", ADD)
        self.assertEqual(lab.migrate().wait(BUSY * 60), 0)
        self.go_on_all(lab, "after a column was added")

        lab.write_migration("003_price.sql", RETYPE)
        with lab.session(f"SELECT pg_advisory_lock({KEY})"):
            migration = lab.migrate()
            lab.wait_until(lambda: lab.query(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                f"AND NOT granted AND objid = {KEY}") == ["1"], 60,
                "the held tenant's migration")
            # Its lane is locked and its table has two types, and all others
            # are changed meanwhile and go on being written.
            stands = lab.next_seq(HELD)
            lab.wait_until(lambda: lab.state(3) == len(TENANTS) - 1, 60,
                           "the other tenants' migrations")
            self.go_on_all(lab, "while one tenant is being changed")
            self.assertEqual(lab.next_seq(HELD), stands)
            self.assertIsNone(migration.poll())
        self.assertEqual(migration.wait(BUSY * 60), 0)
        self.go_on_all(lab, "after all were changed")
        lab.wait_until(lambda: lab.next_seq(HELD) > stands, 60,
                       "rows of the tenant that was held")

        # What is still written cannot go: first the mapping, then the column.
        lab.configure("")
        lab.nodes["one"].send_signal(signal.SIGHUP)
        lab.wait_until(lambda: re.search(
            "node-reloading asked=true.*node-reloaded", lab.log_of("one"),
            re.DOTALL), 60, "the node's other mapping")
        lab.write_migration("004_unit.sql", DROP)
        self.assertEqual(lab.migrate().wait(BUSY * 60), 0)

        self.go_on_all(lab, "after the column was dropped")

        lab.finish_producing()
        lab.wait_until(lambda: self.written(lab) >= lab.sent, 90,
                       "all records")
        lab.end_nodes()
        self.check(lab)

    @staticmethod
    def made(lab):
        try:
            return lab.state(1)
        except RuntimeError:
            return 0

    def go_on_all(self, lab, when):
        """Each tenant but the one that is held commits more rows."""
        before = lab.counts()

        def grown():
            lab.flow()
            return all(n > before[x] for x, n in lab.counts().items())

        lab.wait_until(grown, 60, "rows of each tenant " + when)

    @staticmethod
    def written(lab):
        return int(lab.query("SELECT sum(n) FROM (" + " UNION ALL ".join(
            f"SELECT count(*) AS n FROM tenant_{x}.readings"
            for x in TENANTS) + ") x")[0])

    def check(self, lab):
        each = lab.sent // len(TENANTS)
        for i, tenant in enumerate(TENANTS):
            self.assertEqual(lab.query(
                "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE "
                f"id % {len(TENANTS)} <> {i} OR price <> 7 * id + 1 OR note <> "
                "'n' || id OR source <> 'kafka') FROM "
                f"tenant_{tenant}.readings"), [f"{each}|{each}|0"], tenant)
            self.assertEqual(lab.query(
                "SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' "
                "ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND NOT "
                f"attisdropped AND attrelid = 'tenant_{tenant}.readings'"
                "::regclass"),
                ["id bigint, price double precision, note text, source text"])
        self.assertEqual(lab.query("SELECT count(*) FROM millrace.dead_letter "
                                   "UNION ALL SELECT count(*) FROM "
                                   "millrace.lane WHERE state <> 'active'"),
                         ["0", "0"])


if __name__ == "__main__":
    sys.exit(run("tenants", Tenants))
