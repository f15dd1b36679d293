#!/usr/bin/env python3
"""Black box: real servers, one fault per test, and afterwards every record is
in the tables exactly once.

    faults_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import random
import signal
import sys
import time
from pathlib import Path

from case import RATE, Case, run
from laboratory import Standby

OPEN_FLUSH = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
  AND application_name LIKE 'millrace writer %' AND xact_start IS NOT NULL
  AND state <> 'idle'
"""


class Faults(Case):
    def test_two_nodes_with_the_same_lanes_are_harmless(self):
        lab = self.laboratory()
        self.feed(lab, "one", "two")
        self.prove(lab)

    def test_a_node_frozen_past_its_takeover_writes_nothing(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        lab.nodes["one"].send_signal(signal.SIGSTOP)
        before = lab.rows()
        lab.start_node("two")
        self.reach(lab, before + 1000)
        lab.nodes["one"].send_signal(signal.SIGCONT)
        self.prove(lab)

    def test_a_node_frozen_between_claim_and_commit(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        frozen = lab.nodes["one"]

        def caught_in_a_flush():
            # A flush has claimed its lane and waits for the table; once it has
            # it, PostgreSQL waits for rows from a node that stands still.
            with self.locked_ticks(lab) as outside:
                self.wait_for_a_waiting_flush(lab)
                frozen.send_signal(signal.SIGSTOP)
                outside.stdin.write("ROLLBACK;\n")
                outside.stdin.flush()
            time.sleep(.5)  # what the server can finish by itself, it does
            if int(lab.query(OPEN_FLUSH)[0]) > 0:
                return True
            frozen.send_signal(signal.SIGCONT)
            return False

        lab.wait_until(caught_in_a_flush, 60, "a flush that stands open")
        before = lab.rows()
        lab.start_node("two")
        self.reach(lab, before + 1000)  # past the row that was locked
        frozen.send_signal(signal.SIGCONT)
        self.prove(lab)

    def locked_ticks(self, lab):
        """A session from outside that holds the table, but not before a
        deadlock with it would be found by others."""
        return lab.session("BEGIN", "SET deadlock_timeout = '60s'",
                           "LOCK TABLE tenant_demo.ticks IN SHARE MODE")

    def wait_for_a_waiting_flush(self, lab):
        def waits():
            self.flow_on(lab)
            return lab.query(
                "SELECT count(*) FROM pg_locks WHERE NOT granted "
                "AND relation = 'tenant_demo.ticks'::regclass") != ["0"]

        lab.wait_until(waits, 30, "a flush that waits for the table")

    def test_fast_restarts_of_postgresql(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        for _ in range(3):
            self.servers.restart("pg", mode="fast")
            self.go_on(lab)
        self.prove(lab)

    def test_crashes_of_postgresql(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        for _ in range(3):
            self.servers.restart("pg", mode="immediate")
            self.go_on(lab)
        self.prove(lab)

    def test_backends_ended_at_random(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        ended = 0
        deadline = time.monotonic() + 240
        while (lab.producer.poll() is None or ended <= 3) \
                and time.monotonic() < deadline:
            if ended <= 3:
                self.flow_on(lab)
            ended += sum(x == "t" for x in lab.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE usename = '{lab.role}' AND random() < .4"))
            time.sleep(random.uniform(.05, .4))
        self.assertGreater(ended, 3)
        self.prove(lab)

    def test_crashes_of_the_broker(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        for _ in range(2):
            self.servers.restart("kafka", mode="kill")
            self.go_on(lab)
        self.prove(lab)

    def test_a_failover_that_loses_the_last_commits(self):
        lab = self.laboratory()
        standby = Standby(lab.server_url, lab.directory / "standby")
        self.addCleanup(standby.down)
        here, there = (x.split("@")[1].split("/")[0]
                       for x in (lab.node_url, standby.url))
        lab.node_url = (f"postgresql://{lab.role}@{here},{there}/{lab.name}"
                        "?target_session_attrs=read-write")
        self.addCleanup(self.servers.start, "pg")
        self.feed(lab, "one")
        # From here on the standby misses what the primary commits.
        lab.query("ALTER SYSTEM SET primary_conninfo = ''", url=standby.url)
        lab.query("SELECT pg_reload_conf()", url=standby.url)
        lab.wait_until(lambda: lab.query(
            "SELECT count(*) FROM pg_stat_wal_receiver", url=standby.url)
            == ["0"], 20, "the standby to be cut off")
        lab.admin_url = lab.url(standby.url, database=lab.name)
        kept = lab.rows()
        lab.admin_url = lab.url(lab.server_url, database=lab.name)
        self.reach(lab, kept + 2000)
        self.servers.stop("pg", mode="immediate")
        lab.admin_url = lab.url(standby.url, database=lab.name)
        self.assertLess(lab.rows(), kept + 2000)
        lab.query("SELECT pg_promote()", url=standby.url)
        self.prove(lab)

    def test_no_connection_is_left_for_a_while(self):
        lab = self.laboratory()
        self.feed(lab, "one")
        lab.query(f"ALTER ROLE {lab.role} CONNECTION LIMIT 1")
        lab.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  f"WHERE usename = '{lab.role}'")
        time.sleep(2)
        lab.query(f"ALTER ROLE {lab.role} CONNECTION LIMIT 0")
        lab.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  f"WHERE usename = '{lab.role}'")
        time.sleep(2)
        lab.query(f"ALTER ROLE {lab.role} CONNECTION LIMIT -1")
        self.prove(lab)

    def test_a_deadlock_made_from_outside(self):
        lab = self.laboratory()
        self.feed(lab, "one", rate=RATE // 4)
        for _ in range(2):
            # The flush holds its lane's row and wants the table; we hold the
            # table and want the row.
            with self.locked_ticks(lab) as outside:
                self.wait_for_a_waiting_flush(lab)
                outside.stdin.write(
                    "UPDATE millrace.lane SET updated = updated;\n"
                    "ROLLBACK;\n")
                outside.stdin.flush()
                time.sleep(2.5)
            self.go_on(lab)
        self.prove(lab)

    def test_idle_lanes_cost_no_statements(self):
        beside = []
        for lanes in (2, 1000):  # and as many of `_unrouted`
            lab = self.laboratory(lanes=lanes, suffix=str(lanes))
            lab.query(f"ALTER ROLE {lab.role} SET log_statement = 'all'",
                      url=lab.server_url)
            self.feed(lab, "one", records=1)
            lab.finish_producing()
            lab.produce(1300, rate=100, wait=False)
            self.reach(lab, 100)
            before = self.statements()
            time.sleep(8)
            flushes, others = (now - then for now, then in
                               zip(self.statements(), before))
            self.assertGreater(flushes, 0)
            beside.append(others)
            self.prove(lab)
        # One statement a minute and idle lane would be 260 in this time.
        self.assertLess(beside[1] - beside[0], 60, beside)

    def statements(self):
        """How many the server has been sent so far by roles whose statements
        it logs: flushes, and all others."""
        said = Path(self.servers.directory) / "pg" / "pg.log"
        flushes = others = 0
        for line in said.read_text(errors="replace").splitlines():
            if "LOG:  statement: " in line or "LOG:  execute " in line:
                flush = "SET LOCAL application_name" in line
                flushes += flush
                others += not flush
        return flushes, others


if __name__ == "__main__":
    sys.exit(run("faults", Faults))
