"""What the tables must hold, worked out from the raw log by plain code, one
record after another. Shares nothing with the ingest path: JSON, lanes and the
meaning of each kind of record are its own.

    model = Model()
    model.take(partition, offset, key, headers, value)
    model.outcome(partition, offset)
"""

import hashlib
import json
from array import array
from bisect import bisect_left

from lanes import shard_of

PIPELINE = "storm"
LANES = 3  # per tenant
TENANTS = ("big", "small")
UNROUTED = f"{PIPELINE}/_unrouted/0"
LANE_NAMES = [f"{PIPELINE}/{tenant}/{shard}" for tenant in TENANTS
              for shard in range(LANES)] + [UNROUTED]
DEEPEST = 64

# Outcomes.
WRITTEN, DEAD, FILTERED = range(3)
OUTCOMES = ("written", "dead letter", "filtered")


class Bad(Exception):
    """A record that nobody can write, and why."""


class Refused(Bad):
    """One that PostgreSQL refuses."""


def digest(*parts):
    """8 bytes that stand for a row; None is unlike any text."""
    hash_ = hashlib.blake2b(digest_size=8)
    for x in parts:
        x = b"-" if x is None else b"+%d:" % len(x) + x
        hash_.update(x)
    return int.from_bytes(hash_.digest(), "big")


def text_digest(*parts):
    return digest(*(None if x is None else str(x).encode() for x in parts))


# -- reading a record -----------------------------------------------------------

def header_list(data):
    """Names and values from int32 length and bytes, -1 for null."""
    found, at = [], 0

    def part():
        nonlocal at
        size = int.from_bytes(data[at:at + 4], "big", signed=True)
        at += 4
        if size < 0:
            return None
        at += size
        return data[at - size:at]

    while at < len(data):
        name = part()
        found.append((name.decode(), part()))
    return found


def no_constant(name):
    raise Bad(f"{name} is no JSON")


def depth(x):
    if isinstance(x, dict):
        return 1 + max(map(depth, x.values()), default=0)
    if isinstance(x, list):
        return 1 + max(map(depth, x), default=0)
    return 0


class Number(str):
    """A JSON number, as sent."""


def read(value):
    try:
        found = json.loads(value.decode("utf-8"), parse_float=Number,
                           parse_int=Number, parse_constant=no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Bad(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Bad("no object")
    if depth(found) > DEEPEST:
        raise Bad("too deep")
    return found


def text(x):
    if x is None:
        return None
    if not isinstance(x, str) or "\0" in x:
        raise Bad(f"{x!r} is no text")
    return x


def whole(x):
    try:
        number = int(x)
    except (TypeError, ValueError):
        raise Bad(f"{x!r} is no whole number") from None
    if not -2**63 <= number < 2**63:
        raise Bad(f"{number} is out of range")
    return number


def decimal(x):
    if not isinstance(x, Number):
        raise Bad(f"{x!r} is no number")
    return str(x)


def instant(x):
    """As PostgreSQL writes it, in UTC to the microsecond."""
    date, _, time = text(x).rstrip("Z").partition("T")
    clock, _, digits = time.partition(".")
    return f"{date} {clock}.{digits:0<6}"


# -- what becomes of it -----------------------------------------------------------

class Column:
    """Numbers of one lane's records of one partition, in order: counts and
    sums up to any offset."""

    def __init__(self):
        self.offsets = array("q")
        self.sums = array("q", [0])
        self.squares = array("q", [0])

    def add(self, offset):
        self.offsets.append(offset)
        self.sums.append(self.sums[-1] + offset)
        self.squares.append(self.squares[-1] + square(offset))

    def below(self, offset):
        n = bisect_left(self.offsets, offset)
        return n, self.sums[n], self.squares[n]


def square(offset):
    """The last digits tell apart what has equal counts and sums."""
    return offset * offset % 1000003


class Log:
    """One partition's outcomes, by place; `offsets` says of which record."""

    def __init__(self):
        self.offsets = array("q")
        self.outcomes = bytearray()
        self.lanes = bytearray()
        self.kinds = []

    def place(self, offset):
        i = bisect_left(self.offsets, offset)
        return i if i < len(self.offsets) and self.offsets[i] == offset \
            else None


class Entity:
    __slots__ = ("row", "pending")

    def __init__(self):
        self.row = None  # name, amount, note
        self.pending = []  # notes of updates that came before the row


class Model:
    def __init__(self):
        self.logs = {}
        self.ends = {}  # by partition: the end of what has been read
        self.columns = {}  # (lane, partition): what ends up somewhere
        self.waited = set()  # entities of which an event may have waited
        self.entities = {}  # (tenant, key)
        self.prices = {}
        self.rows = {}  # (tenant, table): {(partition, offset, n): digest}
        self.letters = {}  # (partition, offset): digest of the raw record
        self.refused = set()  # those of them that PostgreSQL refuses
        self.keys = {}  # partition: the key of each record, by place
        self.undecided = []

    def take(self, partition, offset, key, headers, value):
        known = dict(header_list(headers))
        lane = self.lane(known, key)
        try:
            kind = self.write(partition, offset, key, known, value, lane)
            outcome = FILTERED if kind == "quiet" else WRITTEN
        except Bad as why:
            kind, outcome = "poison", DEAD
            if isinstance(why, Refused):
                self.refused.add((partition, offset))
            self.letters[partition, offset] = digest(key, headers, value)
        log = self.logs.setdefault(partition, Log())
        log.offsets.append(offset)
        log.outcomes.append(outcome)
        log.lanes.append(LANE_NAMES.index(lane))
        log.kinds.append(kind)
        self.keys.setdefault(partition, []).append(key)
        if outcome != FILTERED:
            self.columns.setdefault((lane, partition), Column()).add(offset)
        self.ends[partition] = offset + 1

    @staticmethod
    def lane(headers, key):
        tenant = (headers.get("tenant") or b"").decode()
        if tenant not in TENANTS:
            return UNROUTED
        return f"{PIPELINE}/{tenant}/{shard_of(key, LANES)}"

    def write(self, partition, offset, key, headers, value, lane):
        if value == b"":
            raise Bad("empty")
        event = None if value is None else read(value)
        if lane == UNROUTED:
            raise Bad("no such tenant")
        tenant, name = lane.split("/")[1], key.decode()
        kind = (headers.get("event-type") or b"").decode()
        if kind not in WRITES or (value is None
                                  and kind not in ("remove", "gone")):
            raise Bad(f"no event {kind!r}")
        WRITES[kind](self, tenant, name, event, (partition, offset))
        return kind

    def put_row(self, tenant, table, where, *parts):
        self.rows.setdefault((tenant, table), {})[where] = text_digest(*parts)

    # -- kinds ----------------------------------------------------------------

    def tick(self, tenant, key, event, at):
        n = whole(event.get("n"))
        row = (key, n, decimal(event.get("price")), instant(event.get("at")),
               text(event.get("note")))
        if n < 0:
            raise Refused("the table refuses it")
        self.put_row(tenant, "ticks", (*at, 0), *row)

    def order(self, tenant, key, event, at):
        legs = [(i, decimal(x.get("price")), text(x.get("side")), x)
                for i, x in enumerate(event.get("legs") or [])]
        for i, price, side, x in legs:
            if x.get("live") is True:
                self.put_row(tenant, "legs", (*at, i), key, i, price, side)

    def entity(self, tenant, key):
        return self.entities.setdefault((tenant, key), Entity())

    def put(self, tenant, key, event, at):
        entity = self.entity(tenant, key)
        note = entity.row[2] if entity.row else None
        for x in entity.pending:
            note = x
        entity.pending.clear()
        entity.row = (text(event.get("name")), decimal(event.get("amount")),
                      note)

    def change(self, tenant, key, event, at):
        entity = self.entity(tenant, key)
        note = text(event.get("note"))
        if entity.row:
            entity.row = (*entity.row[:2], note)
        else:
            entity.pending.append(note)
            self.waited.add((tenant, key))

    def remove(self, tenant, key, event, at):
        entity = self.entity(tenant, key)
        if entity.pending:
            self.undecided.append(at)
        entity.row = None

    def price(self, tenant, key, event, at):
        version, price = whole(event.get("version")), decimal(
            event.get("price"))
        found = self.prices.get((tenant, key))
        if found is None or version > found[0]:
            self.prices[tenant, key] = (version, price)

    def quiet(self, tenant, key, event, at):
        if event.get("silent") is not True:
            raise Bad("not silent")

    # -- questions ------------------------------------------------------------

    def outcome(self, partition, offset):
        """(outcome, lane, kind), or nothing where the log has no record."""
        log = self.logs.get(partition)
        place = log.place(offset) if log else None
        if place is None:
            return None
        return (log.outcomes[place], LANE_NAMES[log.lanes[place]],
                log.kinds[place])

    def key(self, partition, offset):
        place = self.logs[partition].place(offset)
        return None if place is None else self.keys[partition][place]

    def may_have_waited(self, partition, offset):
        tenant = self.outcome(partition, offset)[1].split("/")[1]
        key = self.key(partition, offset) or b""
        return (tenant, key.decode(errors="replace")) in self.waited

    def below(self, lane, partition, offset):
        """Count, sum, sum of squares of what is due somewhere below it."""
        column = self.columns.get((lane, partition))
        return column.below(offset) if column else (0, 0, 0)

    def due(self, lane, partition, offset):
        """Offsets that are due somewhere below it."""
        column = self.columns.get((lane, partition))
        if not column:
            return []
        return column.offsets[:bisect_left(column.offsets, offset)].tolist()


WRITES = {"tick": Model.tick, "order": Model.order, "put": Model.put,
          "change": Model.change, "remove": Model.remove,
          "gone": Model.remove, "price": Model.price, "quiet": Model.quiet}
