#!/usr/bin/env python3
"""Black box: a node whose commits are injured at an exact point, by a proxy
that understands PostgreSQL's frames. Whatever the node cannot know, every
record is in the tables exactly once.

    doubt_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import sys
from urllib.parse import urlsplit

from case import Case, run
from pg_proxy import PgProxy

PLAIN = "?sslmode=disable&gssencmode=disable"


class CommitInDoubt(Case):
    def injured(self, how):
        """A node that has worked through injuries of this kind."""
        lab = self.laboratory()
        proxy = PgProxy(urlsplit(lab.node_url).port, how, every=3)
        self.addCleanup(proxy.close)
        lab.node_url = lab.url(lab.node_url, port=proxy.port) + PLAIN
        self.feed(lab, "one", records=10_000, rate=1_000)
        lab.finish_producing()
        lab.check()
        # Few on a busy machine, where flushes are large. Not more than were
        # injured: none of the others was in doubt.
        doubts = lab.log_of("one").count("flush-in-doubt")
        self.assertGreater(doubts, 0)
        self.assertLessEqual(doubts, proxy.injured)
        return lab, proxy

    def test_a_commit_that_never_reached_the_server(self):
        lab, _ = self.injured("lost")
        self.prove(lab)

    def test_a_commit_whose_answer_was_lost(self):
        lab, _ = self.injured("unanswered")
        self.prove(lab)

    def test_a_commit_behind_a_connection_that_only_the_server_holds(self):
        lab, proxy = self.injured("half-open")
        # Whoever takes the lane up again ends what holds its row.
        self.assertEqual(proxy.still_held(), 0)
        self.prove(lab)


if __name__ == "__main__":
    sys.exit(run("doubt", CommitInDoubt))
