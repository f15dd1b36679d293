"""The same events through Kafka Connect with Debezium's JDBC sink, which most
would take otherwise: appends and upserts, tuned as well as we know. The tables
are compared by content, as UNNEST loses the offsets of times."""

import base64
import json
import os
import random
import subprocess
import time
from pathlib import Path

from machine import TOP, CannotMeasure, cpu_seconds, peak_bytes, say
from shapes import Shape, keys
from throughput import TOPIC, Race, show, summary

POM = TOP / "bench/connect/pom.xml"

WORKER = """bootstrap.servers={kafka}
listeners=http://127.0.0.1:0
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=true
value.converter.schema.content={schema}
offset.storage.file.filename={home}/connect.offsets
offset.flush.interval.ms=10000
plugin.path={plugins}
plugin.discovery=service_load
"""

SINK = {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "tasks.max": "2",
    "topics": TOPIC,
    "collection.name.format": "flat",
    "primary.key.mode": "record_value",
    "primary.key.fields": "id",
    "schema.evolution": "none",
    "delete.enabled": "false",
    "batch.size": "10000",
    "dialect.postgres.unnest.insert.enabled": "true",
    "consumer.override.max.poll.records": "10000",
    "consumer.override.max.partition.fetch.bytes": "8388608",
    "consumer.override.fetch.max.bytes": "67108864",
    "consumer.override.auto.offset.reset": "earliest",
}

# It has ended when PostgreSQL's log stood still for so long; the clock is that
# of the last change.
QUIET_S = 1.0
# PostgreSQL's own bookkeeping writes less.
ROWS_LOG_BYTES = 8192

JAVA = ["-Xms1500m", "-Xmx1500m", "-Xmn1000m", "-XX:+UseParallelGC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


class Flat(Shape):
    """flat events of 150 bytes by number, the same through both"""

    table, name = "flat", "flat"
    columns = "id, symbol, price, quantity, note"
    fields = [("id", "int64"), ("symbol", "string"), ("price", "double"),
              ("quantity", "int64"), ("note", "string")]

    def __init__(self, options):
        super().__init__(options)
        self.kind = options.mode
        self.repeated = .1 if options.mode == "upsert" else 0

    def events(self):
        chance = random.Random(8)
        for key in keys(chance, self.options.rows, self.repeated):
            yield key % self.options.partitions, (
                key, f"SYM{key % 64:02}", chance.randrange(10**7) / 100,
                chance.randrange(10**6),
                "what a venue says of a trade in about as many words")

    def feed(self, folder):
        def line(partition, row):
            value = json.dumps(dict(zip((x for x, _ in self.fields), row)))
            return json.dumps({
                "partition": partition,
                "key_b64": base64.b64encode(b"%d" % row[0]).decode(),
                "value_b64": base64.b64encode(value.encode()).decode()})

        return self.write(folder, (line(*x) for x in self.events())), \
            ["--recorded"]

    def tables(self):
        return """CREATE TABLE flat (id bigint PRIMARY KEY,
  symbol text NOT NULL, price double precision NOT NULL,
  quantity bigint NOT NULL, note text);"""

    def pipeline(self, topic):
        keyed = 'kind = "upsert"\nkey = ["id"]\n' \
            if self.kind == "upsert" else ""
        return self.head(topic) + f"""
[[pipeline.bench.event]]
name = "trade"
route = "@key"
[[pipeline.bench.event.write]]
table = "flat"
{keyed}columns = {{ {", ".join(f'{x} = ".{x}"' for x, _ in self.fields)} }}
"""


class Peers(Race):
    def __init__(self, options):
        super().__init__(options, Flat(options))
        self.libs = self.home_of_jars()

    @staticmethod
    def home_of_jars():
        """Where deploy/setup keeps the broker's."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(os.environ.get("MILLRACE_CACHE")
                    or Path(cache) / "millrace") / "bench-connect"

    def fetch(self):
        done = self.libs / "complete"
        if done.exists() and done.read_text() == POM.read_text():
            return
        say("fetching Kafka Connect and the JDBC sink")
        fetched = subprocess.run(
            ["mvn", "-q", "-B", "-f", POM, "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={self.libs}"],
            check=False)
        if fetched.returncode:
            raise CannotMeasure("the jars of bench/connect/pom.xml could not "
                                "be fetched from Maven Central")
        done.write_text(POM.read_text())

    def proved(self, database, shape, events):
        return True  # both are compared by content, below

    def content(self, database):
        return self.sql(database, (
            "SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM "
            "tenant_demo.flat x"))

    def connect_run(self, database, number):
        """Into the table that Millrace has left, emptied."""
        self.sql(database, "TRUNCATE tenant_demo.flat")
        self.sql("postgres", "CHECKPOINT")
        schema = json.dumps({
            "type": "struct", "name": "flat", "optional": False,
            "fields": [{"field": name, "type": kind, "optional": False}
                       for name, kind in Flat.fields]})
        worker = self.home / "worker.properties"
        worker.write_text(WORKER.format(
            kafka=self.environment["MILLRACE_KAFKA"], schema=schema,
            home=self.home, plugins=self.libs))
        user, _, at = self.url(database).removeprefix(
            "postgresql://").partition("@")
        sink = self.home / "sink.properties"
        sink.write_text("".join(f"{k}={v}\n" for k, v in {
            **SINK, "name": f"bench-{number}",
            "insert.mode": "upsert" if self.shape.kind == "upsert"
            else "insert",
            "use.reduction.buffer": str(self.shape.kind == "upsert").lower(),
            "connection.url": f"jdbc:postgresql://{at}"
            "?reWriteBatchedInserts=true&currentSchema=tenant_demo",
            "connection.username": user.partition(":")[0] or "millrace",
            "connection.password": user.partition(":")[2],
        }.items()))
        before = {x: cpu_seconds(self.pid(x)) for x in ("pg", "kafka")}
        begun = time.monotonic()
        log = self.home / f"connect-{number}.log"
        with open(log, "wb") as out:
            java = subprocess.Popen(
                ["java", *JAVA, "-cp", f"{self.libs}/*",
                 "org.apache.kafka.connect.cli.ConnectStandalone", worker,
                 sink], stdout=out, stderr=out, cwd=self.home)
        try:
            return self.watched(database, java, log, begun, before)
        finally:
            java.terminate()
            java.wait()

    def watched(self, database, java, log, begun, before):
        due = len({row[0] for _, row in self.shape.events()})
        first, written, log_end = None, begun, 0
        while True:
            found = int(self.sql(database, "SELECT pg_current_wal_insert_lsn()"
                                 " - '0/0'"))
            now = time.monotonic()
            if found - log_end > ROWS_LOG_BYTES:
                log_end, written = found, now
            if first is None:
                # A small table is counted in no time.
                count = int(self.sql(
                    database, "SELECT count(*) FROM tenant_demo.flat"))
                first = (time.monotonic(), count) if count else None
            elif now - written > QUIET_S:
                count = int(self.sql(
                    database, "SELECT count(*) FROM tenant_demo.flat"))
                # An upsert's last pages may change rows that were there.
                if count >= due and self.is_at_end(java):
                    break
            if java.poll() is not None or b"task threw" in log.read_bytes():
                raise CannotMeasure(f"Kafka Connect ended; see {log}")
            if now - begun > self.options.timeout:
                raise CannotMeasure(f"Kafka Connect: fewer than {due} rows "
                                    f"after {self.options.timeout} s")
            time.sleep(.2)
        last = written
        events = self.options.rows
        share = 1 - first[1] / due
        cpu = {x: (cpu_seconds(self.pid(x)) - before[x]) * 1e6 / events
               for x in before}
        cpu["millrace"] = cpu_seconds(java.pid) * 1e6 / events
        return {"seconds": last - begun,
                "rows_per_second": events * share / (last - first[0]),
                "cpu": cpu, "peak": {"millrace": peak_bytes(java.pid)}}

    def is_at_end(self, java):
        """It has used little for a moment: what is left is to be counted."""
        before = cpu_seconds(java.pid)
        time.sleep(.2)
        return cpu_seconds(java.pid) - before < .1

    def race(self):
        self.fetch()
        say(f"filling the topic with {self.options.rows:,} records")
        self.fill_topic()
        runs = {"millrace": [], "Kafka Connect": []}
        for i in range(self.options.runs):
            say(f"run {i + 1} of {self.options.runs}")
            database = f"bench_{i}"
            ours = self.millrace_run(database)
            kept = self.content(database)
            theirs = self.connect_run(database, i)
            ours["exact"] = kept == self.content(database)
            self.drop(database)
            for side, run in (("millrace", ours), ("Kafka Connect", theirs)):
                runs[side].append(run)
                say(f"  {side:16} {run['rows_per_second']:>10,.0f} rows/s")
        return runs


def measure(options):
    with Peers(options) as bench:
        where = bench.circumstances()
        runs = bench.race()
    sums = summary(runs)
    return {"circumstances": where, "runs": runs, "summary": sums}, \
        lambda: show(where, bench.shape, sums), sums["exact"]
