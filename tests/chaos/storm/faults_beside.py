"""Faults in front of which something must halt, loudly, or wait: each has a
pipeline of its own (side.py), and is made once in a storm."""

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


class Beside(Fault):
    pipeline = ""
    weight, longest_s = 2, 5
    spares = ("big",)

    @classmethod
    def why_not(cls, storm):
        if cls.pipeline not in storm.world.sides:
            return "its pipeline is not there"

    def begin(self):
        if self.pipeline in self.storm.made_once:
            raise RuntimeError("once in a storm")
        self.storm.made_once.add(self.pipeline)
        return self.make()

    def feed(self, *values):
        side.feed(self.world, self.pipeline, *values)

    def written(self):
        rows = self.storm.sql("SELECT count(*) FROM "
                              f"tenant_small.side_{self.pipeline}")
        return int(rows[0]) if rows else 0

    def wait_for(self, n):
        """So many records are written."""
        end = time.monotonic() + BUSY * 20
        while self.written() < n:
            if time.monotonic() > end:
                raise RuntimeError("its records are not written")
            time.sleep(.2)


class Breaker(Beside):
    pipeline, number = "broken", 19
    about = "all records of a pipeline are bad"

    def make(self):
        self.feed(*[b"{"] * MANY)
        self.storm.due_halt(self.pipeline, "max_reject_ratio")


class Recreated(Beside):
    pipeline, number = "again", 17
    about = "a topic is deleted and made again"

    def make(self):
        self.feed(*side.good(*range(FEW)))
        self.wait_for(FEW + 1)  # with the one that made the topic
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


class Retention(Beside):
    track, pipeline, number, spares = NODES, "short", 17, ()
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


# Nobody makes a partition of that table.
BLOCK = """
CREATE FUNCTION storm.block() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands()
             WHERE object_identity LIKE 'tenant_small.side_parts%') THEN
    RAISE EXCEPTION 'the storm wants no partitions' USING ERRCODE = '42501';
  END IF;
END $$;
CREATE EVENT TRIGGER storm_block ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION storm.block();
"""
UNBLOCK = ("DROP EVENT TRIGGER IF EXISTS storm_block; "
           "DROP FUNCTION IF EXISTS storm.block()")
# The one furthest ahead, and a moment in it.
LAST = """
SELECT relname, to_char(to_timestamp(right(relname, 13), 'YYYY_MM_DD_HH24')
  + interval '30 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM pg_class WHERE relnamespace = 'tenant_small'::regnamespace
  AND relispartition AND relname LIKE 'side_parts_%'
ORDER BY right(relname, 13) DESC LIMIT 1
"""


class Partitions(Beside):
    pipeline, number, longest_s = "parts", 23, 10
    about = "a partition is not there and cannot be made"

    def make(self):
        rows = self.world.query("SET timezone = 'UTC'; " + LAST)
        if not rows:
            raise RuntimeError("the table has no partitions yet")
        name, at = rows[0].split("|")
        self.wait_for(1)
        self.world.query(BLOCK)
        # Without it the rows would have their place.
        self.world.query("SET lock_timeout = '5s'; "
                         f"DROP TABLE tenant_small.{name}")
        self.feed(*side.good(*range(1, FEW + 1), at=at))
        self.storm.promises.append(self.is_written)
        return name

    def end(self):
        self.storm.sql(UNBLOCK, patience_s=30)

    def undo(self):
        self.end()

    def is_written(self):
        """What is wrong at the end, or nothing: the lane has waited, and gone
        on by itself."""
        self.end()  # a failover may have taken that back
        rows = self.storm.sql(
            "SELECT count(*), count(DISTINCT v), (SELECT count(*) FROM "
            "millrace.dead_letter WHERE pipeline = 'parts') FROM "
            "tenant_small.side_parts", patience_s=30)
        if rows != [f"{FEW + 1}|{FEW + 1}|0"]:
            return ("rows, different ones and dead letters of the pipeline "
                    f"parts are {rows[0]}, due {FEW + 1}|{FEW + 1}|0")
