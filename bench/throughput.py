"""Rows per second: Kafka → Millrace → tables, and beside it what PostgreSQL's
own loader needs for the same rows in the same tables. The sides take turns."""

import time

from machine import (Bench, CannotMeasure, cpu_seconds, median, peak_bytes,
                     say, stat_of)
from millrace_panel import read_metrics, total
from shapes import SHAPES

TOPIC = "bench"


class Race(Bench):
    def __init__(self, options, shape=None):
        super().__init__(options)
        self.shape = shape or SHAPES[options.shape](options)

    # -- the topic -------------------------------------------------------------

    def fill_topic(self, topic=TOPIC, shape=None):
        shape, options = shape or self.shape, self.options
        file, more = shape.feed(self.home)
        return self.produce(topic, file, "--partitions", options.partitions,
                            "--limit", options.rows, *more)

    # -- a run of Millrace -------------------------------------------------------

    def millrace_run(self, database, programs=None, shape=None, topic=TOPIC,
                     made=False):
        """Kafka to tables, in a database of its own. The rate counts from the
        first committed rows to the last, so that start-up stays apart."""
        shape, events = shape or self.shape, self.options.rows
        if not made:
            self.sql("postgres", f"CREATE DATABASE {database}")
        self.sql("postgres", "CHECKPOINT")
        before = {x: cpu_seconds(self.pid(x)) for x in ("pg", "kafka")}
        begun = time.monotonic()
        port = self.start_node(
            database, self.config(database, shape, topic), programs)
        first = last = None
        while True:
            self.check_node()
            metrics = read_metrics(port) or {}
            now = time.monotonic()
            rows = total(metrics, "millrace_rows_written_total")
            if rows and first is None:
                first = last = (now, rows)
            if first and rows != last[1]:
                last = (now, rows)
            if rows and total(metrics, "millrace_events_read_total") \
                    >= events and not total(metrics, "millrace_lag_messages"):
                break
            if now - begun > self.options.timeout:
                raise CannotMeasure(
                    f"only {rows:.0f} rows of {events} events after "
                    f"{self.options.timeout} s; see {self.log}")
            time.sleep(.1)
        # What was seen first had come before the clock began.
        share = 1 - first[1] / last[1]
        flushes = total(metrics, "millrace_flushes_total")
        result = {
            "start_seconds": first[0] - begun,
            "seconds": last[0] - begun,
            "rows_per_second": events * share / max(last[0] - first[0], .001),
            "rows_per_second_with_start": events / (last[0] - begun),
            "cpu": {x: (cpu_seconds(self.pid(x)) - before[x]) * 1e6 / events
                    for x in before},
            "peak": {"kafka": peak_bytes(self.pid("kafka")),
                     "millrace": peak_bytes(self.node.pid)},
            "rows_per_flush": events / flushes,
        }
        result["cpu"]["millrace"] = stat_of(self.node.pid)[1] * 1e6 / events
        self.stop_node()
        result["exact"] = self.proved(database, shape, events)
        return result

    def proved(self, database, shape, events):
        """Each event once: by place in the log, or by key."""
        if shape.kind == "upsert":
            due = len({row[0] for _, row in shape.events()})
            return due == int(self.sql(
                database, f"SELECT count(*) FROM {shape.tenant_tables()[0]}"))
        rows = " UNION ALL ".join(
            f"SELECT src_partition p, src_offset o FROM {x}"
            for x in shape.tenant_tables())
        found = self.sql(database, (
            "SELECT sum(n), bool_and(n = d AND least = 0 AND most = n - 1) FROM "
            "(SELECT count(*) n, count(DISTINCT o) d, min(o) least, max(o) most "
            f"FROM ({rows}) x GROUP BY p) x"))
        if found != f"{events}|t":
            say(f"NOT EXACT: {found} of {events}")
        return found == f"{events}|t"

    # -- the other side ----------------------------------------------------------

    def save_rows(self, database):
        """The rows in the order in which they lie in the table, as text and in
        PostgreSQL's binary form."""
        paths = {}
        for form in ("text", "binary"):
            paths[form] = self.home / f"rows.{form}"
            self.sql(database, (
                f"\\copy (SELECT {self.shape.columns} FROM "
                f"{self.shape.tenant_tables()[0]}) TO '{paths[form]}' "
                f"(FORMAT {form})"))
        return paths

    def copy_run(self, database, path, form):
        """psql's \\copy of the same rows into the same table, emptied."""
        table, rows = self.shape.tenant_tables()[0], self.options.rows
        self.sql(database, f"TRUNCATE {table}")
        self.sql("postgres", "CHECKPOINT")
        before = cpu_seconds(self.pid("pg"))
        begun = time.monotonic()
        self.sql(database, f"\\copy {table} ({self.shape.columns}) FROM "
                 f"'{path}' (FORMAT {form})")
        seconds = time.monotonic() - begun
        count = int(self.sql(database, f"SELECT count(*) FROM {table}"))
        if count != rows:
            raise CannotMeasure(f"\\copy wrote {count} rows, expected {rows}")
        return self.account(seconds, before)

    def account(self, seconds, before):
        rows = self.options.rows
        return {"seconds": seconds, "rows_per_second": rows / seconds,
                "cpu": {"pg": (cpu_seconds(self.pid("pg")) - before)
                        * 1e6 / rows}}

    def upsert_scripts(self, events_at_once):
        """Bare SQL for the same events: a session per partition, as many
        events in a transaction as Millrace had, sorted by key, one event of a
        key in each."""
        waiting = [[] for _ in range(self.options.partitions)]
        paths = [self.home / f"upsert-{p}.sql"
                 for p in range(self.options.partitions)]
        files = [open(x, "w", encoding="utf-8") for x in paths]
        table = self.shape.tenant_tables()[0]
        columns = self.shape.columns
        others = ", ".join(f"{x} = excluded.{x}"
                           for x in columns.split(", ")[1:])

        def transaction(p):
            rows = {row[0]: row for row in waiting[p]}
            waiting[p].clear()
            out = files[p]
            out.write(f"BEGIN;\nCOPY stage ({columns}) FROM STDIN;\n")
            for key in sorted(rows):
                out.write("\t".join(map(str, rows[key])) + "\n")
            out.write(f"\\.\nINSERT INTO {table} ({columns}) SELECT {columns} "
                      f"FROM stage ON CONFLICT (id) DO UPDATE SET {others};\n"
                      "COMMIT;\n")

        for out in files:
            out.write(f"CREATE TEMP TABLE stage ON COMMIT DELETE ROWS AS "
                      f"SELECT {columns} FROM {table} WITH NO DATA;\n")
        for p, row in self.shape.events():
            waiting[p].append(row)
            if len(waiting[p]) == events_at_once:
                transaction(p)
        for p, out in enumerate(files):
            if waiting[p]:
                transaction(p)
            out.close()
        return paths

    def sql_run(self, database, paths):
        self.sql(database, f"TRUNCATE {self.shape.tenant_tables()[0]}")
        self.sql("postgres", "CHECKPOINT")
        before = cpu_seconds(self.pid("pg"))
        begun = time.monotonic()
        self.play(database, paths)
        return self.account(time.monotonic() - begun, before)

    # -- the whole ---------------------------------------------------------------

    def race(self):
        """Runs by side; the first is what all others are compared with."""
        say(f"filling the topic with {self.options.rows:,} records")
        self.fill_topic()
        runs = {}

        def note(side, run):
            runs.setdefault(side, []).append(run)
            say(f"  {side:24} {run['rows_per_second']:>10,.0f} rows/s")

        other = None
        if self.shape.name in ("tenants",):
            other = SHAPES["tenant"](self.options)
            self.fill_topic("one_tenant", other)
        prepared = None
        for i in range(self.options.runs):
            say(f"run {i + 1} of {self.options.runs}")
            database = f"bench_{i}"
            note("millrace", self.millrace_run(database))
            if other:
                note("one tenant", self.millrace_run(
                    f"one_{i}", shape=other, topic="one_tenant"))
                self.drop(f"one_{i}")
            elif self.shape.kind == "upsert":
                prepared = prepared or self.upsert_scripts(
                    round(runs["millrace"][0]["rows_per_flush"]))
                note("bare SQL", self.sql_run(database, prepared))
            else:
                prepared = prepared or self.save_rows(database)
                for form, path in prepared.items():
                    note(f"\\copy, {form}", self.copy_run(database, path, form))
            self.drop(database)
            if self.against:
                note("the other build", self.millrace_run(
                    f"against_{i}", self.against))
                self.drop(f"against_{i}")
        return runs

    def drop(self, database):
        self.sql("postgres", f"DROP DATABASE {database} WITH (FORCE)")


# -- the account -------------------------------------------------------------------


def summary(runs):
    ours = runs["millrace"]
    rate = median(ours, "rows_per_second")
    result = {"rows_per_second": rate,
              "rows_per_second_with_start": median(
                  ours, "rows_per_second_with_start"),
              "exact": all(x["exact"] for x in ours), "sides": {}}
    for side, found in runs.items():
        ratios = sorted(a["rows_per_second"] / b["rows_per_second"]
                        for a, b in zip(ours, found))
        result["sides"][side] = {
            "rows_per_second": median(found, "rows_per_second"),
            "least": min(x["rows_per_second"] for x in found),
            "most": max(x["rows_per_second"] for x in found),
            "millrace_to_it": rate / median(found, "rows_per_second"),
            "pairs": [ratios[0], ratios[-1]],
            "cpu_seconds_per_million_rows": {
                x: median(found, "cpu", x) for x in found[0]["cpu"]},
            "peak_bytes": {x: max(run["peak"][x] for run in found)
                           for x in found[0].get("peak", ())},
        }
    return result


def show(where, shape, sums):
    print(f"{where['rows']:,} rows: {shape.__doc__}; medians of "
          f"{where['runs']} runs that took turns, {where['partitions']} "
          f"partitions, {where['lanes']} lanes, {where['sessions']} sessions")
    print(f"\n{'':20}{'rows/s':>9}{'least':>9}{'most':>9}{'Millrace is':>12}"
          f"{'':16}{'CPU s per million rows':>30}")
    print(f"{'':75}{'Millrace':>10}{'PostgreSQL':>12}{'Kafka':>8}"
          f"{'MiB':>6}")
    for side, x in sums["sides"].items():
        ratio = "" if side == "millrace" else (
            f"{x['millrace_to_it']:>10.2f} × "
            f"({x['pairs'][0]:.2f} to {x['pairs'][1]:.2f})")
        cpu = x["cpu_seconds_per_million_rows"]
        peak = x["peak_bytes"].get("millrace")
        print(f"{side:20}{x['rows_per_second']:>9,.0f}{x['least']:>9,.0f}"
              f"{x['most']:>9,.0f}{ratio:<28}"
              f"{number(cpu.get('millrace')):>10}{number(cpu.get('pg')):>12}"
              f"{number(cpu.get('kafka')):>8}"
              f"{'' if peak is None else f'{peak / 2**20:.0f}':>6}")
    print(f"\nwith the start of the node: "
          f"{sums['rows_per_second_with_start']:,.0f} rows/s; every event "
          f"exactly once: {'yes' if sums['exact'] else 'NO'}")


def number(x):
    return "" if x is None else f"{x:.2f}"


def measure(options):
    with Race(options) as bench:
        where = bench.circumstances()
        runs = bench.race()
    sums = summary(runs)
    return {"circumstances": where, "runs": runs, "summary": sums}, \
        lambda: show(where, bench.shape, sums), sums["exact"]
