"""Faults in front of which something must halt, loudly: each has a pipeline of
its own (side.py), and is made once in a storm."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import broker  # noqa: E402
import side  # noqa: E402
from fault import NODES, Fault  # noqa: E402
from laboratory import BUSY  # noqa: E402

FEW = 20
MANY = 2_000
ANEW = 1_000_000  # from here on: records of the topic that was made again


class Halting(Fault):
    pipeline = ""
    weight, longest_s = 2, 5

    @classmethod
    def why_not(cls, storm):
        if cls.pipeline not in storm.world.sides:
            return "its pipeline is not there"

    def begin(self):
        if self.pipeline in self.storm.halting:
            raise RuntimeError("once in a storm")
        self.storm.halting.add(self.pipeline)
        return self.make()

    def feed(self, *values):
        side.feed(self.world, self.pipeline, *values)

    def written(self):
        rows = self.storm.sql("SELECT count(*) FROM "
                              f"tenant_small.side_{self.pipeline}")
        return int(rows[0]) if rows else 0


class Breaker(Halting):
    pipeline, number = "broken", 19
    about = "all records of a pipeline are bad"

    def make(self):
        self.feed(*[b"{"] * MANY)
        self.storm.due_halt(self.pipeline, "max_reject_ratio")


class Recreated(Halting):
    pipeline, number = "again", 17
    about = "a topic is deleted and made again"

    def make(self):
        self.feed(*side.good(*range(FEW)))
        end = time.monotonic() + BUSY * 20
        # The first one is that which made the topic.
        while self.written() < FEW + 1:
            if time.monotonic() > end:
                raise RuntimeError("its records are not written")
            time.sleep(.2)
        broker.delete_topic(self.world.kafka, side.topic_of(self.pipeline))
        self.storm.promises.append(self.is_halted)

    def end(self):
        # Fewer records than before: all lie below the old positions.
        self.feed(*side.good(ANEW, ANEW + 1))

    def is_halted(self):
        """What is wrong at the end, or nothing."""
        rows = self.storm.sql(f"SELECT count(*) FROM tenant_small.side_again "
                              f"WHERE v >= {ANEW}", patience_s=30)
        if rows != ["0"]:
            return f"{rows[0]} records of the new topic are written"
        topic = side.topic_of(self.pipeline)
        for name in self.world.names:
            for line in self.world.admin(name, "/metrics").splitlines():
                if line.startswith("millrace_partitions_halted{") \
                        and topic in line and not line.endswith(" 0"):
                    return None
        return f"no node says that the partition of {topic} is halted"


class Retention(Halting):
    track, pipeline, number = NODES, "short", 17
    about = "retention takes records that no lane has written (nodes down)"

    def make(self):
        for name in list(self.world.nodes):
            self.world.kill_node(name)
        self.feed(*side.good(*range(FEW)))
        broker.delete_records(self.world.kafka,
                              side.topic_of(self.pipeline), 0)
        self.storm.due_halt(self.pipeline, "RETENTION_LOSS")

    def end(self):
        for name in self.world.names:
            if name not in self.world.nodes:
                self.storm.restart(name)

    def undo(self):
        self.end()
