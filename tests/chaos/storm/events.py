"""The storm's records, by seed: the same seed makes the same ones, in the form
that `millrace produce --recorded` reads.

    for line in Feed(seed=7).lines(): …

Two tenants of unequal size; per entity a life of upserts, updates and deletes,
some updates before their row is there; arrays, versions that go back, and 1 %
that nobody can write.
"""

import base64
import json
import random
import zlib

PARTITIONS = 6
TENANTS = {"big": 4, "small": 1}  # name: weight
ENTITIES = 400  # per weight
POISON = .01

# Words that want escaping somewhere on the way.
WORDS = ["plain", "tab\there", "line\nbreak", "back\\slash", "quote'\"",
         "null \\N", "ünïcödé", "日本語", "🌾", "\u202eright to left", "%s%n",
         "\x1b[31mred", ""]

# What a record is, and how often.
KINDS = {"tick": 40, "put": 20, "change": 15, "order": 10, "price": 10,
         "remove": 2, "gone": 1, "quiet": 1}


class Entity:
    def __init__(self, tenant, number):
        self.tenant = tenant
        self.key = f"{tenant}-{number}"
        self.partition = zlib.crc32(self.key.encode()) % PARTITIONS
        self.exists = False
        self.put_due = None  # updates wait: by then the row must come
        self.version = 0


class Feed:
    def __init__(self, seed, poison=POISON, entities=ENTITIES):
        self.chance = random.Random(f"feed {seed}")
        self.poison = poison
        self.made = 0
        self.entities = {
            tenant: [Entity(tenant, i) for i in range(weight * entities)]
            for tenant, weight in TENANTS.items()}
        self.due = []

    def lines(self):
        while True:
            yield self.line()

    def line(self):
        self.made += 1
        if self.due and self.due[0].put_due <= self.made:
            return self.put(self.due.pop(0))
        if self.chance.random() < self.poison:
            return self.poisoned()
        tenant, = self.chance.choices(list(TENANTS), TENANTS.values())
        entity = self.chance.choice(self.entities[tenant])
        kind, = self.chance.choices(list(KINDS), KINDS.values())
        return getattr(self, kind)(entity)

    def last_lines(self):
        """What must still come so that nothing waits for ever."""
        due, self.due = self.due, []
        return [self.put(x) for x in due]

    # -- kinds ----------------------------------------------------------------

    def tick(self, entity):
        return self.record(entity, "tick", {
            "n": self.made, "price": self.decimal(), "at": self.instant(),
            "note": self.chance.choice([None, *WORDS])})

    def put(self, entity):
        entity.exists, entity.put_due = True, None
        if entity in self.due:
            self.due.remove(entity)
        return self.record(entity, "put", {
            "name": self.chance.choice(WORDS), "amount": self.decimal()})

    def change(self, entity):
        if not entity.exists and entity.put_due is None:
            entity.put_due = self.made + self.chance.randrange(20, 400)
            self.due.append(entity)
            self.due.sort(key=lambda x: x.put_due)
        return self.record(entity, "change", {
            "note": f"{self.made} {self.chance.choice(WORDS)}"})

    def remove(self, entity):
        if entity.put_due is not None:
            # Behind a waiting update the row's upsert would have to wait, too.
            return self.put(entity)
        entity.exists = False
        return self.record(entity, "remove", {})

    def gone(self, entity):
        if entity.put_due is not None:
            return self.put(entity)
        entity.exists = False
        return self.raw(entity, "gone", None)

    def order(self, entity):
        legs = [{"side": self.chance.choice(("BUY", "SELL")),
                 "price": self.decimal(),
                 "live": self.chance.random() < .8}
                for _ in range(self.chance.randrange(5))]
        return self.record(entity, "order", {"legs": legs})

    def price(self, entity):
        entity.version += 1
        # One of five is an old one that comes late.
        back = self.chance.randrange(1, 4) if self.chance.random() < .2 else 0
        return self.record(entity, "price", {
            "version": entity.version - back, "price": self.decimal()})

    def quiet(self, entity):
        return self.record(entity, "quiet", {"silent": True})

    def poisoned(self):
        entity = self.chance.choice(self.entities[self.chance.choice(
            list(TENANTS))])
        good = json.dumps({"n": self.made, "price": 1,
                           "at": "2026-01-19T00:00:00Z", "note": "x"})
        tick = f'{{"n":{self.made},"price":1,' \
            '"at":"2026-01-19T00:00:00Z","note":%s}'
        kind = self.chance.choice(POISONS)
        headers = [["tenant", entity.tenant], ["event-type", "tick"]]
        value = good.encode()
        if kind == "cut":
            value = value[:self.chance.randrange(1, len(value))]
        elif kind == "nul":
            value = (tick % '"a\\u0000b"').encode()
        elif kind == "utf8":
            value = tick.replace("%s", '"a').encode() + b'\xff"}'
        elif kind == "word":
            value = value.replace(str(self.made).encode(), b'"many"', 1)
        elif kind == "range":
            value = value.replace(str(self.made).encode(), b"%d" % 2**63, 1)
        elif kind == "refused":  # by a check constraint
            value = value.replace(str(self.made).encode(), b"-1", 1)
        elif kind == "deep":
            value = (tick % ("[" * 70 + "]" * 70)).encode()
        elif kind == "root":
            value = b"[%d]" % self.made
        elif kind == "empty":
            value = b""
        elif kind == "type":
            headers[1][1] = "nobody's"
        elif kind == "stranger":
            headers[0][1] = self.chance.choice(("nobody", "", "BIG", "big'--"))
        elif kind == "homeless":
            headers = headers[1:]
        return self.pack(entity, headers, value)

    # -- their form -----------------------------------------------------------

    def decimal(self):
        digits = self.chance.randrange(1, 13)
        return Literal(f"{self.chance.randrange(10**digits)}."
                       f"{self.chance.randrange(10**6):06}"
                       [:digits + self.chance.randrange(2, 8)])

    def instant(self):
        x = self.chance.randrange
        return (f"2026-{x(1, 13):02}-{x(1, 29):02}T{x(24):02}:{x(60):02}:"
                f"{x(60):02}.{x(10**6):06}Z")

    def record(self, entity, kind, members):
        text = "{" + ",".join(
            f"{json.dumps(name)}:{literal(value)}"
            for name, value in {"id": entity.key, **members}.items()) + "}"
        return self.raw(entity, kind, text.encode())

    def raw(self, entity, kind, value):
        return self.pack(entity, [["tenant", entity.tenant],
                                  ["event-type", kind]], value)

    @staticmethod
    def pack(entity, headers, value):
        record = {"partition": entity.partition, "headers": headers,
                  "key_b64": base64.b64encode(entity.key.encode()).decode()}
        if value is not None:
            record["value_b64"] = base64.b64encode(value).decode()
        return json.dumps(record)


POISONS = ("cut", "nul", "utf8", "word", "range", "refused", "deep", "root",
           "empty", "type", "stranger", "homeless")


class Literal(str):
    """A number, digits as they are."""


def literal(x):
    if isinstance(x, Literal):
        return x.rstrip(".") or "0"
    if isinstance(x, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{literal(v)}"
                              for k, v in x.items()) + "}"
    if isinstance(x, list):
        return "[" + ",".join(map(literal, x)) + "]"
    return json.dumps(x, ensure_ascii=False)
