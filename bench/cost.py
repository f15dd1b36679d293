"""What exactly once costs: the same node with the claim that opens every flush,
and with one that says yes to everything."""

import subprocess

from machine import CannotMeasure, median, say
from shapes import SHAPES
from throughput import TOPIC, Race

# In the place of control migration 002's, in a database of the bench's own. It
# neither compares nor locks, and moves the lane four times a second only: a
# node whose lanes stand still begins to read for them once more.
YES = """CREATE OR REPLACE FUNCTION millrace.claim({arguments})
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM millrace.lane l WHERE l.pipeline = in_pipeline
             AND l.tenant = in_tenant AND l.shard = in_shard
             AND l.updated < clock_timestamp() - interval '250 ms') THEN
    UPDATE millrace.lane l
    SET next_off = millrace.moved(l.next_off, slots, tos),
        next_seq = in_next_seq + in_seqs, updated = clock_timestamp()
    WHERE l.pipeline = in_pipeline AND l.tenant = in_tenant
      AND l.shard = in_shard;
  END IF;
  RETURN in_next_seq;
END $$;"""


class Costs(Race):
    def side(self, database, claims):
        self.sql("postgres", f"CREATE DATABASE {database}")
        config = self.home / f"{database}.toml"
        config.write_text(self.config(database, self.shape, TOPIC))
        done = subprocess.run(
            [str(self.bin / "millrace"), "migrate", "up", "--config",
             str(config)], text=True, capture_output=True, check=False)
        if done.returncode:
            raise CannotMeasure(f"millrace migrate: {done.stderr.strip()}")
        if not claims:
            self.sql(database, YES.format(arguments=self.sql(
                database, "SELECT pg_get_function_arguments("
                "'millrace.claim'::regproc)")))
        run = self.millrace_run(database, made=True)
        run["lane_updates"] = int(self.sql(
            database, "SELECT n_tup_upd FROM pg_stat_all_tables WHERE relid = "
            "'millrace.lane'::regclass"))
        self.drop(database)
        say(f"  {'with' if claims else 'without'} claims: "
            f"{run['rows_per_second']:,.0f} rows/s")
        return run

    def pairs(self):
        """In turns, and each side first in every other pair."""
        found = []
        for i in range(self.options.runs):
            order = (True, False) if i % 2 == 0 else (False, True)
            pair = {x: self.side(f"cost_{i}_{int(x)}", x) for x in order}
            found.append({"with": pair[True], "without": pair[False]})
        return found


def measure(options):
    with Costs(options, SHAPES["ticks"](options)) as bench:
        where = bench.circumstances()
        say(f"filling the topic with {options.rows:,} records")
        bench.fill_topic()
        pairs = bench.pairs()
    for pair in pairs:
        if pair["without"]["lane_updates"] * 2 > pair["with"]["lane_updates"]:
            raise CannotMeasure("lanes were claimed without claims as well")
    rates = {x: median([p[x] for p in pairs], "rows_per_second")
             for x in ("with", "without")}
    cpu = {x: median([p[x] for p in pairs], "cpu", "pg")
           for x in ("with", "without")}
    ratios = sorted(x["with"]["rows_per_second"]
                    / x["without"]["rows_per_second"] for x in pairs)

    def show():
        print(f"with claims {rates['with']:,.0f} rows/s, without "
              f"{rates['without']:,.0f}: {rates['with'] / rates['without']:.3f}"
              f" (pairs {ratios[0]:.3f} to {ratios[-1]:.3f}); PostgreSQL's CPU "
              f"per million rows {cpu['with']:.2f} s and {cpu['without']:.2f} "
              f"s; {pairs[0]['with']['rows_per_flush']:,.0f} rows a flush")

    good = all(run["exact"] for pair in pairs for run in pair.values())
    return {"circumstances": where, "runs": pairs, "rows_per_second": rates,
            "pg_cpu_seconds_per_million_rows": cpu}, show, good
