"""What is measured: the events of a shape, the table that they go into, and the
pipeline between both. Each says what it is for in its first line.

    shape = SHAPES["wide"](options)
    shape.feed(folder)      # what `millrace produce` shall send, and how
    shape.pipeline(topic)   # TOML
    shape.tables()          # SQL, for each tenant's schema
"""

import base64
import json
import random
import zlib
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
FEED = TOP / "deploy/data/ticks-2026-01-19.ndjson.xz"
DIFFERENT = 100_000  # events that differ; then they repeat


def keys(chance, number, repeated):
    """So many numbers from 0 on; this share of them had come before."""
    fresh = 0
    for _ in range(number):
        if fresh and chance.random() < repeated:
            yield chance.randrange(fresh)
        else:
            yield fresh
            fresh += 1


class Shape:
    tenants = ["demo"]
    kind = "append"
    table = None
    migrated = True  # its tables are a set of the bench's own

    def __init__(self, options):
        self.options = options

    def feed(self, folder):
        """(file, arguments of `millrace produce` beside topic and limit)."""
        raise NotImplementedError

    def pipeline(self, topic):
        raise NotImplementedError

    def tables(self):
        return ""

    def tenant_tables(self):
        return [f"tenant_{x}.{self.table}" for x in self.tenants]

    def write(self, folder, lines):
        path = folder / "feed.ndjson"
        with open(path, "w", encoding="utf-8") as out:
            for line in lines:
                out.write(line + "\n")
        return path

    def head(self, topic, tenant="'demo'"):
        return f"""[pipeline.bench]
topics = ["{topic}"]
tenant = "{tenant}"
lanes = {self.options.lanes}
"""


class Ticks(Shape):
    """recorded ticks of 200 bytes into the pack's table, a partition a day"""

    table = "ticks"
    columns = ("symbol_id, symbol_name, tick_time, bid_price, ask_price, "
               "spread, bid_volume, ask_volume, lp, broker_id, "
               "src_partition, src_offset")
    migrated = False

    def feed(self, folder):
        return FEED, ["--key", "symbol", "--repeat", "forever"]

    def pipeline(self, topic):
        return f"""[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
topics = ["{topic}"]
lanes = {self.options.lanes}
"""


class Quotes(Shape):
    """the same ticks into one plain table with a primary key"""

    table = "quotes"
    columns = ("symbol, at, bid, ask, spread, bid_volume, ask_volume, lp, "
               "broker_id, src_partition, src_offset")
    key = ", PRIMARY KEY (src_partition, src_offset)"

    def feed(self, folder):
        return FEED, ["--key", "symbol", "--repeat", "forever"]

    def tables(self):
        return f"""CREATE TABLE quotes (
  symbol varchar(50) NOT NULL, at timestamptz NOT NULL,
  bid numeric NOT NULL, ask numeric NOT NULL, spread numeric,
  bid_volume numeric, ask_volume numeric, lp text, broker_id text,
  src_partition int NOT NULL, src_offset bigint NOT NULL{self.key});"""

    def pipeline(self, topic):
        return self.head(topic) + """
[[pipeline.bench.event]]
name = "tick"
route = ".symbol"
[[pipeline.bench.event.write]]
table = "quotes"
columns = { symbol = ".symbol", at = ".timestamp", bid = ".bid", \
ask = ".ask", spread = ".spread", bid_volume = ".bid_size", \
ask_volume = ".ask_size", lp = ".lp", broker_id = ".broker_id", \
src_partition = "@partition", src_offset = "@offset" }
"""


class Keyless(Quotes):
    """the same ticks into one plain table without any index"""

    key = ""


class Wide(Shape):
    """events of 20 members into 20 columns and the coordinates, with a key"""

    table = "fills"
    numbers = ["price", "quantity", "fee", "rebate", "bid", "ask"]
    wholes = ["order_id", "trade_id", "account", "sequence", "venue_seq",
              "leaves"]
    texts = ["symbol", "venue", "side", "strategy", "currency"]
    times = ["traded_at", "acked_at"]
    flags = ["maker"]

    @property
    def members(self):
        return [*self.texts, *self.wholes, *self.numbers, *self.times,
                *self.flags]

    @property
    def columns(self):
        return ", ".join([*self.members, "src_partition", "src_offset"])

    def feed(self, folder):
        chance = random.Random(20)

        def event():
            x = {"symbol": chance.choice(["EURUSD", "XAUUSD", "GBPJPY",
                                          "AUDNZD"]),
                 "venue": chance.choice(["XLON", "XNYS", "XTKS"]),
                 "side": chance.choice(["BUY", "SELL"]),
                 "strategy": f"strategy-{chance.randrange(40)}",
                 "currency": chance.choice(["EUR", "USD", "GBP"])}
            x |= {name: chance.randrange(10**9) for name in self.wholes}
            x |= {name: chance.randrange(10**7) / 10**4
                  for name in self.numbers}
            x |= {name: f"2026-01-19T{chance.randrange(24):02}:"
                  f"{chance.randrange(60):02}:{chance.randrange(60):02}."
                  f"{chance.randrange(10**6):06}Z" for name in self.times}
            x["maker"] = chance.random() < .5
            return json.dumps(x, separators=(",", ":"))

        return (self.write(folder, (event() for _ in range(DIFFERENT))),
                ["--key", "symbol", "--repeat", "forever"])

    def tables(self):
        kinds = [(self.texts, "text"), (self.wholes, "bigint"),
                 (self.numbers, "numeric"), (self.times, "timestamptz"),
                 (self.flags, "boolean")]
        columns = [f"{name} {kind} NOT NULL" for names, kind in kinds
                   for name in names]
        return (f"CREATE TABLE fills ({', '.join(columns)}, "
                "src_partition int NOT NULL, src_offset bigint NOT NULL, "
                "PRIMARY KEY (src_partition, src_offset));")

    def pipeline(self, topic):
        columns = ", ".join(f'{x} = ".{x}"' for x in self.members)
        return self.head(topic) + f"""
[[pipeline.bench.event]]
name = "fill"
route = ".symbol"
[[pipeline.bench.event.write]]
table = "fills"
columns = {{ {columns}, src_partition = "@partition", src_offset = "@offset" }}
"""


class Upsert(Shape):
    """states of 6 members by key, one of ten keys had come before"""

    table = "states"
    columns = "id, symbol, price, quantity, at, note"
    kind = "upsert"
    repeated = .1

    def events(self):
        """(partition, members in the columns' order), in the log's order."""
        chance = random.Random(6)
        for key in keys(chance, self.options.rows, self.repeated):
            # Keys that come one after another are neighbours nowhere.
            key = key * 2_654_435_761 % 2**32
            yield zlib.crc32(b"%d" % key) % self.options.partitions, (
                key, f"S{key % 64:02}", f"{chance.randrange(10**6) / 100:.2f}",
                f"{chance.randrange(10**4)}",
                f"2026-01-19T{chance.randrange(24):02}:"
                f"{chance.randrange(60):02}:{chance.randrange(60):02}."
                f"{chance.randrange(10**6):06}Z", "as it was sent")

    def feed(self, folder):
        def line(partition, row):
            key, symbol, price, quantity, at, note = row
            value = (f'{{"id":{key},"symbol":"{symbol}","price":{price},'
                     f'"quantity":{quantity},"at":"{at}","note":"{note}"}}')
            return (f'{{"partition":{partition},"key_b64":"'
                    f'{base64.b64encode(b"%d" % key).decode()}","value_b64":"'
                    f'{base64.b64encode(value.encode()).decode()}"}}')

        return (self.write(folder, (line(*x) for x in self.events())),
                ["--recorded"])

    def tables(self):
        return """CREATE TABLE states (id bigint PRIMARY KEY,
  symbol text NOT NULL, price numeric NOT NULL, quantity numeric NOT NULL,
  at timestamptz NOT NULL, note text);"""

    def pipeline(self, topic):
        return self.head(topic) + """
[[pipeline.bench.event]]
name = "state"
route = "@key"
[[pipeline.bench.event.write]]
table = "states"
kind = "upsert"
key = ["id"]
columns = { id = ".id", symbol = ".symbol", price = ".price", \
quantity = ".quantity", at = ".at", note = ".note" }
"""


class Tenants(Quotes):
    """ticks of 100 tenants in one topic, each into its own table"""

    count = 100

    def __init__(self, options):
        super().__init__(options)
        self.tenants = [f"t{i:04}" for i in range(self.count)]

    def feed(self, folder):
        chance = random.Random(100)

        def event(i):
            bid = chance.randrange(10**5, 2 * 10**5) / 10**5
            value = json.dumps({
                "broker_id": "default", "symbol": "EURUSD", "bid": bid,
                "ask": round(bid + .0002, 5), "spread": .0002,
                "timestamp": f"2026-01-19T{i // 3600 % 24:02}:"
                             f"{i // 60 % 60:02}:{i % 60:02}.894957Z",
                "bid_size": i, "ask_size": i + 1, "lp": "LP-1"})
            return json.dumps({
                "headers": [["tenant", chance.choice(self.tenants)]],
                "partition": i % self.options.partitions,
                "value_b64": base64.b64encode(value.encode()).decode()})

        return (self.write(folder, map(event, range(DIFFERENT))),
                ["--recorded", "--repeat", "forever"])

    def head(self, topic, tenant=None):
        return super().head(topic, "header('tenant')")


class OneTenant(Tenants):
    """the same as tenants, with one of them"""

    count = 1


SHAPES = {"ticks": Ticks, "wide": Wide, "quotes": Quotes, "keyless": Keyless,
          "upsert": Upsert, "tenants": Tenants, "tenant": OneTenant}
for _name, _shape in SHAPES.items():
    _shape.name = _name
