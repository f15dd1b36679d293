#!/usr/bin/env python3
"""Black box: nodes that share the partitions of a topic by a consumer group.
Whoever comes, dies, freezes or returns, every record is in the tables exactly
once, and the group's offsets tell monitors where the nodes are.

    group_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import json
import random
import signal
import sys
import time

from case import Case, run
from laboratory import PARTITIONS, free_ports, table

SESSION_MS = 6000
LONG_SESSION_MS = 30_000  # more than a node takes to come back here


class Group(Case):
    def shared(self, session_ms=SESSION_MS):
        """One node writes; it and two others read."""
        ports = free_ports(3)
        nodes = zip(("writer", "one", "two"), ports,
                    ('lanes = ["ticks/*"]', "", ""))
        lab = self.laboratory(lanes=4, more=table(*nodes))
        lab.kafka_more = (f'group = "{lab.name[:40]}"\n[kafka.properties]\n'
                          f'"session.timeout.ms" = {session_ms}\n')
        return lab

    def held(self, lab, node):
        """Partitions that the group gave the node."""
        page = lab.admin(node, "/v1/actors")

        def walk(x):
            if x.get("name") == "source":
                return x.get("counters", {}).get("partitions", 0)
            return sum(map(walk, x.get("children", [])))
        return walk(json.loads(page)) if page else 0

    def shared_by(self, lab, *names):
        lab.wait_until(
            lambda: all(self.held(lab, x) > 0 for x in names)
            and sum(self.held(lab, x) for x in names) == PARTITIONS, 60,
            f"the partitions to be shared by {names}")

    def feed_peers(self, lab, *names, records=12_000):
        super().feed_peers(lab, *names, records=records, rate=1_000)

    def test_partitions_move_to_a_node_that_comes_and_back_from_one_killed(
            self):
        lab = self.shared()
        self.feed_peers(lab, "writer", "one")
        self.shared_by(lab, "writer", "one")
        lab.start_peer("two")
        self.shared_by(lab, "writer", "one", "two")
        lab.kill_node("one")
        self.shared_by(lab, "writer", "two")
        before = lab.rows()
        lab.wait_until(lambda: lab.rows() > before
                       or lab.producer.poll() is not None, 30, "a row")
        self.prove(lab)

    def test_a_member_frozen_past_its_session_comes_back(self):
        lab = self.shared()
        self.feed_peers(lab, "writer", "one")
        self.shared_by(lab, "writer", "one")
        frozen = lab.nodes["one"]
        frozen.send_signal(signal.SIGSTOP)
        lab.wait_until(lambda: self.held(lab, "writer") == PARTITIONS, 60,
                       "the others to get its partitions")
        frozen.send_signal(signal.SIGCONT)
        self.shared_by(lab, "writer", "one")
        self.prove(lab)

    def test_a_node_that_comes_back_at_once_moves_nothing(self):
        lab = self.shared(LONG_SESSION_MS)
        self.feed_peers(lab, "writer", "one")
        self.shared_by(lab, "writer", "one")
        changes = lab.log_of("writer").count("group-changed")
        lab.kill_node("one")
        lab.start_peer("one")
        self.shared_by(lab, "writer", "one")
        self.assertEqual(lab.log_of("writer").count("group-changed"), changes)
        self.prove(lab)

    def test_nodes_that_come_and_go_at_random(self):
        lab = self.shared()
        self.feed_peers(lab, "writer", "one", "two", records=30_000)
        while lab.producer.poll() is None:
            victim = random.choice(("one", "two"))
            lab.kill_node(victim)
            time.sleep(random.uniform(0, SESSION_MS / 500))
            lab.start_peer(victim)
            time.sleep(random.uniform(0, 3))
        self.prove(lab)


if __name__ == "__main__":
    sys.exit(run("group", Group))
