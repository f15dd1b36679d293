"""What the tests with faults from outside have in common: a set of servers for
the whole program, a laboratory per test, nodes at work on a topic that grows,
and the proof at the end.

    class Faults(Case):
        def test_something(self): …

    if __name__ == "__main__":
        sys.exit(run("faults", Faults))
"""

import argparse
import sys
import time
import unittest
from pathlib import Path

from laboratory import Laboratory, millrace_kinds, up

SKIPPED = 77
RECORDS = 20_000
RATE = 5_000
MORE = 1_000


class Case(unittest.TestCase):
    bin = None
    servers = None

    def laboratory(self, suffix="", kind=Laboratory, **options):
        name = self.id().rsplit(".", 1)[-1].removeprefix("test_")[:40] + suffix
        lab = kind(self.bin, self.servers, name, **options)
        self.addCleanup(lambda: lab.close(failed=self.failed()))
        return lab

    def failed(self):
        result = self._outcome.result
        return any(getattr(test, "test_case", test) is self
                   for test, _ in result.errors + result.failures)

    def feed(self, lab, *names, records=RECORDS, rate=RATE, start=None):
        """Nodes at work on a topic that grows. `start`: how each of them
        begins, unless as a node of its own."""
        lab.produce(records, rate=rate, wait=False)
        time.sleep(.5)
        for name in names:
            (start or lab.start_node)(name)
        lab.wait_for_rows(1)

    def feed_peers(self, lab, *names, **options):
        """The same for nodes of one cluster."""
        self.feed(lab, *names, start=lab.start_peer, **options)

    def flow_on(self, lab):
        """More records, where all have been produced."""
        if lab.producer is None or lab.producer.poll() is not None:
            if lab.producer:
                lab.finish_producing()
            lab.produce(MORE, wait=False)

    def go_on(self, lab, more=False):
        """Waits for the next row, unless all have been produced; with `more`
        there is one in any case."""
        before = lab.rows()

        def grown():
            if more:
                self.flow_on(lab)
            return lab.rows() > before or (
                not more and lab.producer.poll() is not None)

        lab.wait_until(grown, 60, "a row")

    def reach(self, lab, rows):
        """Waits for that many rows. However quick the nodes are: where all
        records have been produced, there are more."""
        def reached():
            self.flow_on(lab)
            return lab.rows() >= rows

        lab.wait_until(reached, 90, f"{rows} rows")

    def prove(self, lab):
        if lab.producer:
            lab.finish_producing()
        lab.check()
        lab.end_nodes()
        lab.check(1)


def run(name, kind, **options):
    """The tests of one class, or those that the command line names; returns
    the program's exit code. `options`: as of `laboratory.up`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    known, rest = parser.parse_known_args()
    why = millrace_kinds.why_no_kafka()
    if why:
        print(f"skipped: no real Kafka ({why})")
        return SKIPPED
    Case.bin = known.bin.resolve()
    Case.servers = up(name, **options)
    try:
        names = [x if "." in x else f"{kind.__name__}.{x}" for x in rest]
        program = unittest.main(argv=[sys.argv[0], "-v", *names], exit=False)
        return 0 if program.result.wasSuccessful() else 1
    finally:
        Case.servers.down()
