"""An exchange's ledger through the pack pme-online, beside the same rows by bare
SQL: COPY into staging tables, INSERT … SELECT into the tables of the pack, as
many events in a transaction as Millrace had."""

import subprocess
import time

from machine import (NOWHERE, Bench, CannotMeasure, cpu_seconds, median,
                     peak_bytes, say, stat_of)
from millrace_panel import read_metrics, total

TOPIC = "pme-ledger"
SEED = 20261121

# What others name by foreign keys: written before the rest, by one session.
PARENTS = ["fact1_holiday", "fact1_instrument", "fact1_parameter",
           "fact1_participant", "fact1_service_start", "fact1_session_time",
           "fact2_account", "fact3_account_limit"]
CHILDREN = ["event_log", "fact3_order", "fact4_order_event", "fact4_trade",
            "fact5_contract", "fact5_trade_event"]
DERIVED = ["orders", "trades", "contracts"]

# Of a generated day, by the generator's own weights: what the pipeline writes.
ROWS_PER_EVENT = 2.37


# -- both sides ----------------------------------------------------------------


def generated_day(bench):
    """Its partitions get the events at random, as from their producers."""
    file = bench.home / "day.ndjson"
    done = subprocess.run(
        [str(bench.bin / "millrace"), "generate", "pme", "--events",
         str(int(bench.options.rows / ROWS_PER_EVENT) + 1), "--partitions",
         str(bench.options.partitions), "--seed", str(SEED), "--out",
         str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMeasure(f"millrace generate: {done.stderr}")
    return file


def node_config(bench, database):
    return f"""# Written by bench/run.
[node]
name = "bench"
[node.admin]
port = 0
[postgresql]
url = "{bench.url(database)}"
sessions = {bench.options.sessions}
[kafka]
bootstrap = "{bench.environment.get('MILLRACE_KAFKA', NOWHERE)}"
[[tenant]]
name = "demo"
sessions = {bench.options.sessions}
[pipeline.pme]
pack = "pme-online"
tenant = "'demo'"
topics = ["{TOPIC}"]
lanes = {bench.options.lanes}
max_reject_ratio = 1
"""


class Ledger(Bench):
    """The pack, its tables, and the rows of a run as scripts."""

    def fill_topic(self):
        return self.produce(
            TOPIC, self.options.feed or generated_day(self), "--recorded",
            "--partitions", self.options.partitions)["records"]

    def millrace_run(self, database, events):
        self.sql("postgres", f"CREATE DATABASE {database}")
        self.sql("postgres", "CHECKPOINT")
        before = {x: cpu_seconds(self.pid(x)) for x in ("pg", "kafka")}
        begun = time.monotonic()
        port = self.start_node(database, node_config(self, database))
        first = None
        while True:
            self.check_node()
            metrics = read_metrics(port) or {}
            now = time.monotonic()
            rows = total(metrics, "millrace_rows_written_total") \
                if metrics else 0
            if rows and first is None:
                first = (now, rows)
            if rows and total(metrics, "millrace_events_read_total") >= events \
                    and not total(metrics, "millrace_lag_messages") \
                    and not total(metrics, "millrace_waiting_events"):
                break
            if now - begun > self.options.timeout:
                raise CannotMeasure(
                    f"{rows:.0f} rows after {self.options.timeout} s; see "
                    f"{self.log}")
            time.sleep(.05)
        flushes = total(metrics, "millrace_flushes_total")
        result = {
            "rows": rows, "events": events, "seconds": now - begun,
            "rows_per_second": (rows - first[1]) / max(now - first[0], .001),
            "events_per_flush": events / flushes,
            "cpu": {x: (cpu_seconds(self.pid(x)) - before[x]) * 1e6 / rows
                    for x in before},
            "peak_bytes": peak_bytes(self.node.pid)}
        result["cpu"]["millrace"] = stat_of(self.node.pid)[1] * 1e6 / rows
        self.stop_node()
        result["dead_letters"] = int(self.sql(
            database, "SELECT count(*) FROM millrace.dead_letter"))
        return result

    def columns(self, database, table):
        """What the pipeline fills, the offset last."""
        names = self.sql(database, (
            "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute "
            f"WHERE attrelid = 'tenant_demo.{table}'::regclass AND attnum > 0 "
            "AND NOT attisdropped AND NOT atthasdef AND attidentity = ''"))
        names = names.split(",")
        names.remove("kafka_offset")
        return ",".join([*names, "kafka_offset"])

    def script(self, database, name, tables, partition, events_at_once):
        """The rows of a partition, or of all, as one session's script."""
        where = "" if partition is None \
            else f"WHERE kafka_partition = {partition}"
        columns = {x: self.columns(database, x) for x in tables}
        chunks = {}
        for table in tables:
            dump = self.home / "dump.tsv"
            self.sql(database, f"\\copy (SELECT {columns[table]} FROM "
                     f"tenant_demo.{table} {where}) TO '{dump}'")
            with open(dump, "rb") as file:
                for line in file:
                    at = int(line[line.rindex(b"\t") + 1:]) // events_at_once
                    chunks.setdefault(at, {}).setdefault(table, []).append(line)
            dump.unlink()
        path = self.home / f"{name}.sql"
        with open(path, "wb") as out:
            def say_sql(text):
                out.write(text.encode() + b"\n")
            say_sql("SET search_path = tenant_demo;")
            for table in tables:
                say_sql(f"CREATE TEMP TABLE stage_{table} AS SELECT "
                        f"{columns[table]} FROM {table} WITH NO DATA;")
            for at in sorted(chunks):
                say_sql("BEGIN;")
                for table in sorted(chunks[at]):
                    say_sql(f"COPY stage_{table} FROM STDIN;")
                    out.writelines(chunks[at][table])
                    say_sql("\\.")
                    say_sql(f"INSERT INTO {table} ({columns[table]}) SELECT * "
                            f"FROM stage_{table}; TRUNCATE stage_{table};")
                say_sql("COMMIT;")
        return path

    def scripts(self, database, events_at_once):
        """Parents first, then as many sessions as there are partitions."""
        return (self.script(database, "parents", PARENTS, None, 10**18),
                [self.script(database, f"children-{p}", CHILDREN, p,
                             events_at_once)
                 for p in range(self.options.partitions)])

    def sql_run(self, database, scripts, rows):
        self.sql("postgres", f"CREATE DATABASE {database}")
        config = self.home / f"{database}.toml"
        config.write_text(node_config(self, database))
        done = subprocess.run(
            [str(self.bin / "millrace"), "migrate", "up", "--config",
             str(config)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotMeasure(f"millrace migrate up: {done.stderr}")
        self.sql("postgres", "CHECKPOINT")
        before = cpu_seconds(self.pid("pg"))
        begun = time.monotonic()
        self.play(database, scripts[:1])
        self.play(database, scripts[1])
        seconds = time.monotonic() - begun
        return {"seconds": seconds, "rows_per_second": rows / seconds,
                "cpu": {"pg": (cpu_seconds(self.pid("pg")) - before) * 1e6
                        / rows}}

    def fingerprint(self, database):
        """Of what is derived: both ways must end in the same."""
        return [self.sql(database, (
            f"SELECT count(*) || ' ' || md5(string_agg(md5((nid, state, "
            f"quantity, last_update)::text), '' ORDER BY nid)) FROM "
            f"tenant_demo.{x}")) for x in DERIVED]

    def compare(self):
        say("filling the topic")
        events = self.fill_topic()
        runs = {"millrace": [], "sql": []}
        scripts = None
        for i in range(self.options.runs):
            ours, theirs = f"bench_{i}", f"bench_{i}_sql"
            one = self.millrace_run(ours, events)
            at_once = max(1, round(one["events_per_flush"]))
            if scripts is None:
                say(f"{events:,} events in {one['rows']:,.0f} rows; writing "
                    f"the scripts, {at_once} events a transaction")
                scripts = self.scripts(ours, at_once)
            two = self.sql_run(theirs, scripts, one["rows"])
            two["same"] = self.fingerprint(ours) == self.fingerprint(theirs)
            runs["millrace"].append(one)
            runs["sql"].append(two)
            say(f"run {i + 1} of {self.options.runs}: millrace "
                f"{one['rows_per_second']:,.0f} rows/s, SQL "
                f"{two['rows_per_second']:,.0f} rows/s")
            for database in (ours, theirs):
                self.sql("postgres", f"DROP DATABASE {database} WITH (FORCE)")
        return runs


def show(where, runs):
    ours, theirs = runs["millrace"], runs["sql"]
    rate, base = (median(x, "rows_per_second") for x in (ours, theirs))
    cpu = {x: median(ours, "cpu", x) for x in ("millrace", "pg", "kafka")}
    ratios = sorted(a["rows_per_second"] / b["rows_per_second"]
                    for a, b in zip(ours, theirs))
    events = ours[0]["events"]
    print(f"{events:,} events, {ours[0]['rows']:,.0f} rows, medians of "
          f"{where['runs']} runs that took turns, {where['partitions']} "
          f"partitions and sessions of SQL, {where['lanes']} lanes, "
          f"{where['sessions']} sessions of Millrace")
    print()
    lines = [
        ("SQL from staging tables", f"{base:>12,.0f} rows/s"),
        ("Kafka -> millrace -> the same tables", f"{rate:>12,.0f} rows/s"),
        ("", f"{rate * events / ours[0]['rows']:>12,.0f} events/s"),
        ("ratio", f"{rate / base:>12.2f}  "
         f"({ratios[0]:.2f} to {ratios[-1]:.2f})"),
        ("events per transaction",
         f"{median(ours, 'events_per_flush'):>12,.0f}"),
        ("CPU s per million rows: millrace", f"{cpu['millrace']:>12.2f}"),
        ("                        PostgreSQL", f"{cpu['pg']:>12.2f}"),
        ("                        Kafka", f"{cpu['kafka']:>12.2f}"),
        ("                        PostgreSQL, SQL alone",
         f"{median(theirs, 'cpu', 'pg'):>12.2f}"),
        ("peak memory of millrace",
         f"{max(x['peak_bytes'] for x in ours) / 2**20:>12,.0f} MiB"),
        ("dead letters", f"{ours[0]['dead_letters']:>12}"),
        ("both end in the same derived rows",
         f"{'yes' if all(x['same'] for x in theirs) else 'NO':>12}")]
    for name, value in lines:
        print(f"{name:46} {value}")


def measure(options):
    with Ledger(options) as bench:
        where = bench.circumstances()
        runs = bench.compare()
    return {"circumstances": where, "runs": runs}, \
        lambda: show(where, runs), all(x["same"] for x in runs["sql"])
