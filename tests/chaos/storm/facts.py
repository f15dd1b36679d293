"""What one snapshot of the tables says, and the questions it is asked."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from model import PIPELINE, TENANTS, digest
from snapshot import bytes_of

EVERYWHERE = " UNION ALL ".join(
    [f"SELECT lane, p, o FROM tenant_{x}.trace" for x in TENANTS]
    + [f"SELECT concat_ws('/', pipeline, tenant, shard), partition, \"offset\""
       f" FROM millrace.{x} WHERE pipeline = '{PIPELINE}'"
       for x in ("dead_letter", "waiting")])
TALLY = (f"SELECT lane, p, count(*), sum(o), sum(o * o % 1000003) "
         f"FROM ({EVERYWHERE}) x GROUP BY 1, 2")
POSITIONS = f"""
SELECT concat_ws('/', l.pipeline, l.tenant, l.shard), f.partition,
  greatest(l.next_off[f.slot], f.floor), l.next_off[f.slot], f.floor, f.slot,
  l.next_seq
FROM millrace.lane l JOIN millrace.partition_floor f USING (pipeline)
WHERE l.pipeline = '{PIPELINE}' ORDER BY 1, 2
"""
# Of every pipeline: what stands still, and why.
HALTS = """
SELECT pipeline, 'lane ' || concat_ws('/', pipeline, tenant, shard), state,
  reason FROM millrace.lane WHERE state <> 'active'
UNION ALL SELECT pipeline, 'partition ' || partition, state, reason
FROM millrace.partition_floor WHERE state <> 'active'
"""

# The control schema's own, as they came about.
MIGRATIONS = """
SELECT version, name, checksum FROM millrace.schema_migrations
WHERE pack = 'control' ORDER BY applied_at, version
"""
FILES = Path(__file__).resolve().parents[3] / "migrations" / "control"


@dataclass
class Change:
    """Of a lane, by one transaction: from what to what."""
    lane: str
    epoch_was: int
    epoch: int
    owner: str
    seq_was: int
    seq: int
    off_was: list  # by slot, from 0; None: no offset yet
    off: list
    xid: str = ""  # the transaction


@dataclass
class Facts:
    """What one snapshot says, and the log."""
    model: object
    ends: dict  # by partition: the log's end
    positions: dict  # (lane, partition): effective offset
    ask: object  # rows of a SELECT, in this snapshot
    halts: list = field(default_factory=list)  # (pipeline, who, state, why)
    due_halts: dict = field(default_factory=dict)  # pipeline: word of why
    next_seqs: dict = field(default_factory=dict)  # lane: its row's
    slots: dict = field(default_factory=dict)  # partition: from 0
    offsets: dict = field(default_factory=dict)  # (lane, partition): its row's
    floors: dict = field(default_factory=dict)  # partition: its row's
    # (p, o): [(tenant, lane, seq, epoch)]
    trace: dict = field(default_factory=dict)
    # (p, o): [(lane, seq, digest, SQLSTATE, "stage: reason")]
    letters: dict = field(default_factory=dict)
    waiting: dict = field(default_factory=dict)
    history: list = field(default_factory=list)  # Change
    # By whom, in which transaction: (lane, seq, xid)
    row_xids: list = field(default_factory=list)
    letter_xids: list = field(default_factory=list)
    floor_history: list = field(default_factory=list)  # (p, was, floor)
    aside: list = field(default_factory=list)  # (lane, seq, p, o)
    terms: list = field(default_factory=list)  # (epoch, owner, until, at)
    committed: dict = field(default_factory=dict)  # partition: Kafka's offset
    # (version, name, SHA-256), as applied and as in the files
    migrations: list = field(default_factory=list)
    files: list = field(default_factory=list)


def positions_of(rows):
    return {(lane, int(p)): int(effective)
            for lane, p, effective, *_ in rows}


def files_of(folder=FILES):
    """Of each migration: version, name and SHA-256, in order."""
    found = []
    for place in sorted(folder.glob("[0-9]*_*.sql")):
        number, _, name = place.stem.partition("_")
        found.append((int(number), name,
                      hashlib.sha256(place.read_bytes()).hexdigest()))
    return found


def facts_of(model, ends, session, due_halts=None, committed=None):
    """All of the facts, of the session's snapshot. `committed`: what Kafka had
    as such before it."""
    rows = session.rows(POSITIONS)
    facts = Facts(model, ends, positions_of(rows), session.rows,
                  session.rows(HALTS), due_halts or {})
    for lane, p, _, offset, floor, slot, seq in rows:
        facts.next_seqs[lane] = int(seq)
        facts.slots[int(p)] = int(slot) - 1
        facts.floors[int(p)] = int(floor)
        facts.offsets[lane, int(p)] = None if offset is None else int(offset)
    for tenant in TENANTS:
        for p, o, lane, seq, epoch in session.rows(
                f"SELECT p, o, lane, seq, epoch FROM tenant_{tenant}.trace"):
            facts.trace.setdefault((int(p), int(o)), []).append(
                (tenant, lane, int(seq), int(epoch)))
    for name, into in (("dead_letter", facts.letters),
                       ("waiting", facts.waiting)):
        stage = "stage" if name == "dead_letter" else "'waits'"
        for p, o, lane, seq, key, headers, value, code, said, reason in \
                session.rows(
                    "SELECT partition, \"offset\", concat_ws('/', pipeline, "
                    "tenant, shard), seq, key, headers, value, sqlstate, "
                    f"{stage}, reason FROM millrace.{name} "
                    f"WHERE pipeline = '{PIPELINE}'"):
            into.setdefault((int(p), int(o)), []).append(
                (lane, int(seq), digest(bytes_of(key), bytes_of(headers),
                                        bytes_of(value)), code,
                 f"{said}: {reason}"))
    facts.history = [
        Change(lane, int(epoch_was), int(epoch), owner, int(was), int(seq),
               numbers(off_was), numbers(off), xid)
        for lane, epoch_was, epoch, owner, was, seq, off_was, off, xid in
        session.rows("SELECT lane, epoch_was, epoch, owner, seq_was, seq, "
                     "off_was, off, xmin FROM storm.history WHERE lane LIKE "
                     f"'{PIPELINE}/%' ORDER BY lane, n")]
    facts.row_xids = [
        (lane, int(seq), xid) for tenant in TENANTS for lane, seq, xid in
        session.rows("SELECT DISTINCT lane, seq, xmin::text "
                     f"FROM tenant_{tenant}.trace")]
    facts.letter_xids = [
        (lane, int(seq), xid) for lane, seq, xid in session.rows(
            "SELECT concat_ws('/', pipeline, tenant, shard), seq, xmin FROM "
            f"millrace.dead_letter WHERE pipeline = '{PIPELINE}'")]
    facts.floor_history = [tuple(map(int, x)) for x in session.rows(
        "SELECT partition, was, floor FROM storm.floors WHERE pipeline = "
        f"'{PIPELINE}' ORDER BY n")]
    facts.aside = [(lane, int(seq), int(p), int(o)) for lane, seq, p, o in
                   session.rows("SELECT lane, seq, p, o FROM storm.aside "
                                f"WHERE lane LIKE '{PIPELINE}/%'")]
    facts.terms = [
        (int(epoch), owner, float(until), float(at)) for epoch, owner, until,
        at in session.rows("SELECT epoch, owner, extract(epoch FROM "
                           "lease_until), extract(epoch FROM at) "
                           "FROM storm.terms ORDER BY n")]
    facts.committed = committed or {}
    facts.migrations = [(int(version), name, checksum) for version, name,
                        checksum in session.rows(MIGRATIONS)]
    facts.files = files_of()
    return facts


def numbers(array):
    return [None if x == "NULL" else int(x)
            for x in array.strip("{}").split(",") if x]


def at(where):
    return f"partition {where[0]} offset {where[1]}"
