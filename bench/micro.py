"""What single steps take: decoding and mapping by kind of payload, folding
writes with the same key, and the claim that opens every flush."""

import json
import subprocess
import time

import pme
from machine import CannotMeasure, say
from shapes import SHAPES
from throughput import TOPIC, Race

KINDS = ["ticks", "keyless", "wide", "upsert"]
FOLDED_KEYS = [100, 10_000, 90_000]
CLAIMS = 5_000


class Steps(Race):
    programs = ("millrace", "micro")
    servers_wanted = ("pg",)

    def micro(self, *words):
        done = subprocess.run([str(self.bin / "micro"), *map(str, words)],
                              text=True, capture_output=True, check=False)
        if done.returncode:
            raise CannotMeasure(done.stderr.strip())
        return json.loads(done.stdout)

    def decoded(self, name, text, file, recorded):
        database = f"micro_{name}"
        self.sql("postgres", f"CREATE DATABASE {database}")
        config = self.home / f"{database}.toml"
        config.write_text(text(database))
        found = self.micro("decode", config, file, self.options.seconds,
                           *(["--recorded"] if recorded else []))
        say(f"  {name}: {found['median_ns']} ns a record")
        return {"kind": name, **found}

    def kinds(self):
        runs = []
        for name in KINDS:
            shape = SHAPES[name](self.options)
            file, how = shape.feed(self.home)
            runs.append(self.decoded(
                name, lambda db, x=shape: self.config(db, x, TOPIC), file,
                "--recorded" in how))
        runs.append(self.decoded(
            "pme", lambda db: pme.node_config(self, db),
            pme.generated_day(self), True))
        return runs

    def claims(self):
        """One lane's claims one after the other, each a transaction of its
        own: what the exact place costs when nothing is written beside it."""
        database = f"micro_{KINDS[0]}"
        self.sql(database, """
INSERT INTO millrace.pipeline (pipeline, map_fingerprint, lanes)
VALUES ('bench', 1, 1);
INSERT INTO millrace.lane (pipeline, tenant, shard, epoch, owner, map_version,
  shape, next_off) VALUES ('bench', 'demo', 0, 1, gen_random_uuid(), 1, 1,
  '{0,0,0,0}');
INSERT INTO millrace.topic (pipeline, uuid, name, partitions, start_offsets)
VALUES ('bench', gen_random_uuid(), 'bench', 4, '{0,0,0,0}');
INSERT INTO millrace.partition_floor (pipeline, topic, partition, slot, floor,
  map_version)
SELECT 'bench', t.uuid, x - 1, x, 0, 1
FROM generate_series(1, 4) x, millrace.topic t WHERE t.pipeline = 'bench'""")
        owner = self.sql(database, "SELECT owner FROM millrace.lane WHERE "
                         "pipeline = 'bench'")
        rates = {}
        at = 0
        for commit in ("on", "off"):
            script = self.home / f"claims-{commit}.sql"
            script.write_text(
                f"SET synchronous_commit = {commit};\n\\o /dev/null\n"
                + "".join(
                    "SELECT millrace.claim('bench','demo',0,1,"
                    f"'{owner}',{n + 1},1,1,1,'{{1,2,3,4}}',"
                    f"'{{{n},{n},{n},{n}}}','{{{n},{n},{n},{n}}}',"
                    f"'{{{n + 1},{n + 1},{n + 1},{n + 1}}}',"
                    f"'{{{n},{n},{n},{n}}}');\n"
                    for n in range(at, at + CLAIMS)))
            at += CLAIMS
            begun = time.monotonic()
            self.play(database, [script])
            rates[commit] = CLAIMS / (time.monotonic() - begun)
            say(f"  claims, synchronous_commit {commit}: "
                f"{rates[commit]:,.0f} a second")
        return rates


def measure(options):
    with Steps(options, SHAPES["ticks"](options)) as bench:
        where = bench.circumstances()
        kinds = bench.kinds()
        folds = [bench.micro("fold", keys, options.seconds)
                 for keys in FOLDED_KEYS]
        claims = bench.claims()

    def show():
        print(f"{'decode and map':16}{'ns a record':>12}{'best':>8}"
              f"{'bytes':>8}{'rows':>6}{'allocations':>13}")
        for x in kinds:
            print(f"{x['kind']:16}{x['median_ns']:>12,}{x['best_ns']:>8,}"
                  f"{x['payload_bytes'] / x['records']:>8,.0f}"
                  f"{x['rows'] / x['records']:>6.2f}{x['allocations']:>13,}")
        for x in folds:
            print(f"fold upserts with {x['keys']:,} keys of {x['rows']:,} "
                  f"rows: {x['median_ns']} ns a row")
        print(f"claims one after the other, four partitions each: "
              f"{claims['on']:,.0f} a second; without waiting for the disk "
              f"{claims['off']:,.0f}")

    good = all(x["written"] == x["records"] for x in kinds)
    return {"circumstances": where, "decode": kinds, "fold": folds,
            "claims_per_second": claims}, show, good
