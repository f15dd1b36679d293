#!/usr/bin/env python3
"""Black box: two nodes on one machine, partitions on one and lanes on the
other; whatever happens to either, every record is in the tables exactly once.

    cluster_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import base64
import json
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

from case import Case, run
from certificates import certify, tls
from laboratory import BUSY, free_ports, table


class Cluster(Case):
    def laboratory(self, more):
        return super().laboratory(more=more, lanes=4)

    def reader_and_writer(self):
        """One node reads everything, the other one writes everything."""
        one, two = free_ports(2)
        return self.laboratory(table(
            ("reader", one, 'partitions = ["ticks/*"]'),
            ("writer", two, 'lanes = ["ticks/*"]')))

    def spread(self):
        """Half of both on each."""
        one, two = free_ports(2)
        lab = self.laboratory(table(("one", one, ""), ("two", two, "")))
        lab.more = table(
            ("one", one, 'lanes = ["ticks/demo/0-1"]\n'
             f'partitions = ["ticks/{lab.topic}/0-1"]'),
            ("two", two, 'lanes = ["ticks/demo/2-3", "ticks/_unrouted/0"]\n'
             f'partitions = ["ticks/{lab.topic}/2-3"]'))
        return lab

    def actor(self, lab, node, name):
        """What /v1/actors says of an actor, or nothing."""
        def walk(x):
            if x.get("name") == name:
                return x
            for child in x.get("children", []):
                found = walk(child)
                if found:
                    return found
            return None
        page = lab.admin(node, "/v1/actors")
        return walk(json.loads(page)) if page else None

    def peer(self, lab, node):
        """What /v1/actors says of the node's only peer. Nothing while the page
        lacks it, because an actor had no time to answer."""
        peers = self.actor(lab, node, "peers") or {}
        return next(iter(peers.get("children", [])), None)

    def peer_state(self, lab, node):
        peer = self.peer(lab, node)
        return peer and peer["state"]

    def test_one_reads_and_the_other_writes(self):
        lab = self.reader_and_writer()
        self.feed_peers(lab, "reader", "writer")
        peer = lab.wait_until(lambda: self.peer(lab, "reader"), 30,
                              "what the reader says of its peers")
        self.assertEqual(peer["name"], "writer")
        self.assertEqual(peer["state"], "connected")
        self.assertIsNone(self.actor(lab, "reader", "tenant demo"))
        metrics = lab.admin("reader", "/metrics")
        self.assertIn("millrace_peers_connected 1", metrics)
        sent = [x for x in metrics.splitlines()
                if x.startswith("millrace_peer_batches_sent_total{")]
        self.assertGreater(float(sent[0].split()[-1]), 0)
        self.prove(lab)

    def test_a_record_that_takes_many_frames(self):
        lab = self.reader_and_writer()
        lab.produce(1_000)
        value = b"no tick " * (5 << 17)
        file = lab.directory / "large.ndjson"
        file.write_text(json.dumps(
            {"value_b64": base64.b64encode(value).decode()}) + "\n")
        lab.tell("millrace", "produce", lab.topic, file, "--recorded",
                 "--bootstrap", lab.kafka, "-X", "message.max.bytes=16000000")
        lab.start_peer("reader")
        lab.start_peer("writer")
        lab.wait_for_rows(1_000)
        self.prove(lab)
        self.assertEqual(lab.query(
            "SELECT octet_length(value) FROM millrace.dead_letter"),
            [str(len(value))])

    def test_each_reads_and_writes_a_half(self):
        lab = self.spread()
        self.feed_peers(lab, "one", "two")
        self.prove(lab)

    def test_a_hash_spreads_what_nobody_lists(self):
        one, two = free_ports(2)
        lab = self.laboratory(table(("one", one, ""), ("two", two, "")))
        self.feed_peers(lab, "two", "one")
        self.prove(lab)

    def test_the_writer_is_killed_and_comes_back(self):
        lab = self.reader_and_writer()
        self.feed_peers(lab, "reader", "writer")
        for _ in range(4):
            time.sleep(random.uniform(0, .5))
            lab.kill_node("writer")
            lab.start_peer("writer")
            self.go_on(lab)
        self.prove(lab)

    def test_the_reader_is_killed_and_comes_back(self):
        lab = self.reader_and_writer()
        self.feed_peers(lab, "reader", "writer")
        for _ in range(4):
            time.sleep(random.uniform(0, .5))
            lab.kill_node("reader")
            lab.start_peer("reader")
            self.go_on(lab)
        self.prove(lab)

    def test_either_is_killed_at_random(self):
        lab = self.spread()
        self.feed_peers(lab, "one", "two", records=40_000)
        while lab.producer.poll() is None:
            victim = random.choice(("one", "two"))
            lab.kill_node(victim)
            time.sleep(random.uniform(0, 1))
            lab.start_peer(victim)
            time.sleep(random.uniform(0, 2))
        self.prove(lab)

    def test_a_peer_that_is_frozen_for_a_while(self):
        lab = self.reader_and_writer()
        self.feed_peers(lab, "reader", "writer")
        for name in ("writer", "reader"):
            lab.nodes[name].send_signal(signal.SIGSTOP)
            time.sleep(4)
            lab.nodes[name].send_signal(signal.SIGCONT)
            self.go_on(lab)
        self.prove(lab)

    def test_a_peer_that_is_frozen_until_it_counts_as_lost(self):
        lab = self.reader_and_writer()
        self.feed_peers(lab, "reader", "writer", records=10_000)
        for frozen, other in (("writer", "reader"), ("reader", "writer")):
            lab.nodes[frozen].send_signal(signal.SIGSTOP)
            lab.wait_until(lambda: "peer-lost" in lab.log_of(other), 90,
                           "the loss to be noticed")
            lab.nodes[frozen].send_signal(signal.SIGCONT)
            lab.wait_until(lambda: self.peer_state(lab, other) == "connected",
                           60, "the nodes to find each other again")
        lab.finish_producing()
        lab.produce(20_000)
        self.prove(lab)

    def test_nodes_with_different_tables_refuse_each_other(self):
        one, two = free_ports(2)
        lab = self.laboratory(table(("one", one, ""), ("two", two, "")))
        lab.produce(100)
        lab.start_peer("one")
        lab.wait_until(lambda: lab.log_of("one"), 30, "it to read its file")
        lab.more = table(("one", one, 'lanes = ["ticks/*"]'),
                         ("two", two, ""))
        lab.start_peer("two")
        for name in ("one", "two"):
            lab.wait_until(lambda: "peer-refused" in lab.log_of(name), 60,
                           f"the refusal in the log of {name}")
            self.assertIn("different tables", lab.log_of(name))
            lab.wait_until(lambda: "different tables" in lab.admin(
                name, "/readyz"), 20, f"{name} to say that it is not ready")

    def test_a_node_that_nobody_lists_does_not_start(self):
        lab = self.reader_and_writer()
        node = lab.start_peer("stranger")
        del lab.nodes["stranger"]
        self.assertEqual(node.wait(BUSY * 60), 2)
        self.assertIn("stranger", lab.log_of("stranger"))

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_nodes_with_certificates_let_no_stranger_in(self):
        lab = self.reader_and_writer()
        plain = lab.more
        for authority in ("ours", "theirs"):
            certify(lab.directory, authority)
        lab.more = plain + tls(lab.directory, "ours")
        self.feed_peers(lab, "reader", "writer")
        lab.kill_node("reader")
        # Without a certificate, and with one of another authority.
        for more in (plain, plain + tls(lab.directory, "theirs")):
            lab.more = more
            lab.start_peer("reader")
            lab.wait_until(lambda: "peer-waiting" in lab.log_of("reader"), 60,
                           "a refusal")
            time.sleep(2)
            state = lab.wait_until(lambda: self.peer_state(lab, "writer"), 30,
                                   "what the writer says of its peer")
            self.assertEqual(state, "expected")
            lab.kill_node("reader")
            (lab.directory / "reader.log").write_text("")
        lab.more = plain + tls(lab.directory, "ours")
        lab.start_peer("reader")
        self.prove(lab)


if __name__ == "__main__":
    sys.exit(run("cluster", Cluster))
