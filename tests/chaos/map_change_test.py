#!/usr/bin/env python3
"""Black box: the map of a pipeline changes while records flow and nodes run,
and every record is written exactly once.

    map_change_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import signal
import sys
import time

import laboratory
from case import Case, run
from laboratory import BUSY, FEED, Laboratory, free_ports, table

RECORDS = 12_000
RATE = 1_000

CONFIG = """
[node]
name = "{node}"
[node.admin]
port = 0
[postgresql]
url = {{ env = "LAB_PG_URL" }}
[kafka]
bootstrap = "{kafka}"
{tenants}
[pipeline.ticks]
pack = "ticks"
tenant = "{expression}"
topics = ["{topic}"]
lanes = {lanes}
limits.floor_interval = "1s"
{more}
"""


class MapLaboratory(Laboratory):
    """All its nodes and commands have one file, which `configure` writes."""

    tenants = ("demo",)
    expression = "'demo'"
    route = ".symbol"
    filter = ""

    def configure(self):
        packs = self.directory / "packs"
        packs.mkdir(exist_ok=True)
        pack = laboratory.PACK.read_text()
        assert pack.count('route = ".symbol"') == 1
        (packs / "ticks.toml").write_text(
            pack.replace('route = ".symbol"',
                         f'route = "{self.route}"\n{self.filter}'))
        self.config = self.directory / "shared.toml"
        # In one step: nodes read it at any time.
        new = self.directory / "shared.toml.new"
        new.write_text(CONFIG.format(
            node="one", kafka=self.kafka, topic=self.topic,
            lanes=self.lanes, expression=self.expression, more=self.more,
            tenants="\n".join(f'[[tenant]]\nname = "{x}"'
                              for x in self.tenants)))
        new.rename(self.config)

    def start(self, *names):
        self.configure()
        for name in names:
            self.nodes[name] = self.spawn(
                name, "millrace", "node", self.config, "--name", name,
                "--port-file", self.directory / f"{name}.port",
                "--pack-dir", self.directory / "packs")

    def feed(self, tenant, records, rate):
        return self.spawn(
            f"produce-{tenant}", "millrace", "produce", self.topic, FEED,
            "--bootstrap", self.kafka, "--key", "symbol", "--partitions",
            laboratory.PARTITIONS, "--limit", records, "--rate", rate,
            "--header", f"tenant={tenant}")

    def change(self, *words, wait=True):
        """The command, with the file as it is now."""
        self.configure()
        started = time.monotonic()
        process = self.spawn(
            "change", "millrace", "lanes", "change", "--config", self.config,
            "--pipeline", "ticks", "--reason", "a test", "--yes", "--pack-dir",
            self.directory / "packs", *words)
        if not wait:
            return process
        code = process.wait(BUSY * 90)
        print(f"  map change: {time.monotonic() - started:.1f} s, "
              f"code {code}", flush=True)
        return code

    def map(self):
        """Version and lanes per tenant."""
        return self.query("SELECT map_version || ' ' || lanes FROM "
                          "millrace.pipeline")[0]

    def plans(self):
        return self.query("SELECT state FROM millrace.map_change "
                          "ORDER BY planned")


class Nodes(Case):
    """What the tests of this file have in common."""

    def laboratory(self, **options):
        return super().laboratory(kind=MapLaboratory, **options)

    def flow(self, lab, *names, records=RECORDS):
        self.feed(lab, *names, records=records, rate=RATE, start=lab.start)

    def wait_for_plan(self, lab):
        lab.wait_until(lambda: lab.plans()[-1:] == ["planned"], 30, "a plan")


class MapChange(Nodes):
    """The map of a pipeline changes (rule 25)."""

    def test_lanes_grow_and_shrink(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        lab.lanes = 5
        self.assertEqual(lab.change(), 0)
        self.assertEqual(lab.map(), "2 5")
        # However late the change was, there are records after it.
        self.go_on(lab, more=True)
        lab.wait_until(lambda: int(lab.query(
            "SELECT count(*) FROM millrace.lane WHERE shard >= 2 AND tenant = "
            "'demo' AND owner IS NOT NULL")[0]) > 0, 30, "a new lane at work")
        lab.lanes = 1
        self.assertEqual(lab.change(), 0)
        self.assertEqual(lab.map(), "3 1")
        # A lane that comes back gives no seq twice.
        before = int(lab.query("SELECT max(next_seq) FROM millrace.lane")[0])
        lab.lanes = 3
        self.assertEqual(lab.change(), 0)
        after = int(lab.query("SELECT min(next_seq) FROM millrace.lane")[0])
        self.assertGreaterEqual(after, before)
        self.go_on(lab)
        # Nothing to change.
        self.assertEqual(lab.change(), 1)
        self.prove(lab)
        self.assertEqual(lab.query(
            "SELECT command, object, reason, before->>'lanes', "
            "after->>'lanes' FROM millrace.admin_action ORDER BY id LIMIT 1"),
            ["lanes change|ticks|a test|2|5"])

    def test_a_tenant_comes_and_goes(self):
        lab = self.laboratory()
        lab.tenants = ("north", "west")
        lab.expression = "header('tenant')"
        records, rate = 12_000, 3_000
        tenants = ("north", "south")
        producers = [lab.feed(x, records, rate) for x in tenants]
        lab.start("one")
        count = ("SELECT count(*) FROM tenant_north.ticks")
        lab.wait_until(lambda: self.number(lab, count) > 0, 60, "a row")
        lab.tenants = ("north", "south")
        self.configure_tables(lab)
        self.assertEqual(lab.change(), 0)
        # However late the change was, there are records after it.
        producers += [lab.feed(x, records, rate) for x in tenants]
        lab.wait_until(lambda: self.number(
            lab, "SELECT count(*) FROM tenant_south.ticks") > 0, 60, "a row")
        for process in producers:
            self.assertEqual(process.wait(BUSY * 60), 0)
        records *= 2
        # Each record of either tenant in one place.
        places = ("SELECT src_partition, src_offset FROM tenant_north.ticks "
                  "UNION ALL SELECT src_partition, src_offset FROM "
                  "tenant_south.ticks UNION ALL SELECT partition, \"offset\" "
                  "FROM millrace.dead_letter")
        lab.wait_until(lambda: self.number(
            lab, f"SELECT count(*) FROM ({places}) x") >= 2 * records, 60,
            "all records")
        lab.end_nodes()
        self.assertEqual(lab.query(
            f"SELECT count(*), count(DISTINCT x) FROM ({places}) x"),
            [f"{2 * records}|{2 * records}"])
        self.assertEqual(lab.query(
            "SELECT count(*) FROM tenant_north.ticks"), [str(records)])
        self.assertEqual(lab.query(
            "SELECT DISTINCT tenant FROM millrace.lane ORDER BY 1"),
            ["_unrouted", "north", "south"])
        # The dead letters are the beginning of the new tenant, no more.
        self.assertEqual(lab.query(
            "SELECT count(*) FROM millrace.dead_letter d JOIN "
            "tenant_south.ticks t ON t.src_partition = d.partition AND "
            "t.src_offset < d.\"offset\""), ["0"])

    def configure_tables(self, lab):
        lab.configure()
        self.assertEqual(lab.spawn(
            "migrate", "millrace", "migrate", "up", "--config", lab.config,
            "--pack-dir", lab.directory / "packs").wait(BUSY * 60), 0)

    def number(self, lab, sql):
        try:
            return int(lab.query(sql)[0])
        except RuntimeError:
            return 0  # no table yet

    def test_another_route_and_filter(self):
        lab = self.laboratory(lanes=4)
        self.flow(lab, "one")
        lab.route = ".lp"
        self.assertEqual(lab.change(), 0)
        self.assertEqual(lab.map(), "2 4")
        self.go_on(lab, more=True)
        lab.filter = 'when = ".bid > 0"'  # as all of them are
        self.assertEqual(lab.change(), 0)
        self.assertEqual(lab.map(), "3 4")
        self.go_on(lab)
        self.prove(lab)

    def test_the_command_dies(self):
        lab = self.laboratory()
        # Node two lets nobody come together.
        self.flow(lab, "one")
        with lab.session("BEGIN", "LOCK TABLE tenant_demo.ticks IN SHARE MODE"):
            lab.lanes = 4
            command = lab.change(wait=False)
            self.wait_for_plan(lab)
            lab.wait_until(lambda: "partition-waits-for-map" in
                           lab.log_of("one"), 30, "a consumer at its barrier")
            command.kill()
            command.wait()
        # They go on by themselves, and the next command finds its way free.
        lab.wait_until(lambda: "partition-goes-on" in lab.log_of("one"), 60,
                       "consumers that go on")
        self.assertEqual(lab.map(), "1 2")
        self.go_on(lab)
        self.assertEqual(lab.change(), 0)
        self.assertEqual(lab.plans(), ["aborted", "switched"])
        self.prove(lab)

    def test_a_node_dies_at_the_barrier(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        with lab.session("BEGIN", "LOCK TABLE tenant_demo.ticks IN SHARE MODE"):
            lab.lanes = 4
            command = lab.change(wait=False)
            lab.wait_until(lambda: "partition-waits-for-map" in
                           lab.log_of("one"), 30, "a consumer at its barrier")
            lab.kill_node("one")
        # With the old map, which is not on the disk any more, it can be
        # brought to its end.
        lab.lanes = 2
        lab.start("two")
        self.assertEqual(command.wait(BUSY * 90), 0)
        lab.lanes = 4
        lab.configure()
        self.go_on(lab)
        self.prove(lab)

    def test_two_nodes(self):
        one, two = free_ports(2)
        lab = self.laboratory(lanes=4)

        def spread(lanes):
            half = lanes // 2
            lab.lanes = lanes
            lab.more = table(
                ("one", one, f'lanes = ["ticks/demo/0-{half - 1}"]\n'
                 f'partitions = ["ticks/{lab.topic}/0-1"]'),
                ("two", two, f'lanes = ["ticks/demo/{half}-{lanes - 1}", '
                 '"ticks/_unrouted/0"]\n'
                 f'partitions = ["ticks/{lab.topic}/2-3"]'))
        spread(4)
        self.flow(lab, "one", "two")
        spread(6)
        self.assertEqual(lab.change(), 0)
        self.go_on(lab)
        lab.wait_until(lambda: all(
            "node-reloaded" in lab.log_of(x) for x in ("one", "two")), 60,
            "both nodes with the new map")
        self.prove(lab)

    def test_a_halted_lane_aborts(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        lab.query("UPDATE millrace.lane SET state = 'halted', reason = 'a "
                  "test' WHERE tenant = 'demo' AND shard = 1")
        lab.lanes = 4
        self.assertEqual(lab.change(), 1)
        self.assertIn("lanes resume ticks/demo/1", lab.log_of("change"))
        self.assertEqual(lab.map(), "1 2")
        lab.query("UPDATE millrace.lane SET state = 'active', reason = NULL")
        self.assertEqual(lab.change(), 0)
        self.prove(lab)

    def test_too_late(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        with lab.session("BEGIN", "LOCK TABLE tenant_demo.ticks IN SHARE MODE"):
            lab.lanes = 4
            self.assertEqual(lab.change("--patience", "6s"), 1)
        self.assertIn("waited in vain", lab.log_of("change"))
        self.assertEqual(lab.plans(), ["aborted"])
        self.go_on(lab)
        lab.wait_until(lambda: lab.log_of("one").count("partition-goes-on")
                       >= lab.log_of("one").count("partition-waits-for-map"),
                       30, "consumers that go on")
        self.prove(lab)

    def test_a_file_that_is_late_or_bad(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        old = lab.config.read_text()
        lab.lanes = 3
        lab.configure()
        elsewhere = lab.directory / "elsewhere.toml"
        elsewhere.write_text(lab.config.read_text())
        lab.config.write_text(old)
        done = lab.spawn(
            "change", "millrace", "lanes", "change", "--config", elsewhere,
            "--pipeline", "ticks", "--reason", "a test", "--yes", "--pack-dir",
            lab.directory / "packs").wait(BUSY * 90)
        self.assertEqual(done, 0)
        lab.wait_until(lambda: "program of pipeline ticks" in lab.admin(
            "one", "/readyz?verbose"), 30, "the node to say what it lacks")
        lab.config.write_text("[node\n")
        lab.nodes["one"].send_signal(signal.SIGHUP)
        lab.wait_until(lambda: "reload-refused" in lab.log_of("one"), 30,
                       "the bad file to be refused")
        lab.configure()
        lab.nodes["one"].send_signal(signal.SIGHUP)
        self.go_on(lab)
        lab.wait_until(lambda: "program of pipeline ticks" not in lab.admin(
            "one", "/readyz?verbose"), 30, "a node that is well")
        self.prove(lab)


class Tables(Nodes):
    """DDL on tables that are written (rule 26)."""

    def test_a_column_is_added_and_one_changes_its_type(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        lab.query("ALTER TABLE tenant_demo.ticks ADD COLUMN note text")
        self.go_on(lab)
        self.assertNotIn("MR005", lab.log_of("one"))
        # As wide as before: COPY would take the bytes of the one for the
        # other.
        lab.query("ALTER TABLE tenant_demo.ticks ALTER COLUMN symbol_id TYPE "
                  "double precision")
        self.go_on(lab, more=True)
        lab.wait_until(lambda: "node-reloaded" in lab.log_of("one"), 30,
                       "a new program")
        self.prove(lab)
        self.assertEqual(lab.query(
            "SELECT count(*) FROM tenant_demo.ticks WHERE symbol_id < 1"),
            ["0"])
        self.assertEqual(lab.query(
            "SELECT stage, sqlstate, reason FROM millrace.dead_letter"), [])
        self.assertEqual(lab.query(
            "SELECT count(DISTINCT shape) FROM millrace.lane"), ["1"])

    def test_a_column_goes_and_comes_back(self):
        lab = self.laboratory()
        self.flow(lab, "one")
        lab.query("ALTER TABLE tenant_demo.ticks RENAME COLUMN lp TO lp2")
        self.flow_on(lab)
        lab.wait_until(lambda: "reload-refused" in lab.log_of("one"), 60,
                       "the node to say what it lacks")
        lab.wait_until(lambda: "lp2" in lab.admin("one", "/readyz?verbose")
                       or "MR005" in lab.admin("one", "/readyz?verbose"), 30,
                       "the reason")
        lab.query("ALTER TABLE tenant_demo.ticks RENAME COLUMN lp2 TO lp")
        self.go_on(lab)
        self.prove(lab)


if __name__ == "__main__":
    sys.exit(run("map", MapChange))
