"""The invariants of a storm, by their numbers: each is a rule over the model
and one snapshot of the tables, and yields counter-examples.

A rule is a function of a Facts; what it yields is a sentence about something
that is not as it must be. `RULES` has them all.
"""

from collections import Counter
from dataclasses import dataclass

import history
from facts import at
from model import LANE_NAMES, TENANTS, WRITTEN, text_digest

# SQLSTATE classes of what is wrong with an event.
DATA = ("22", "23")
# Of the feed's poison only one kind comes as far as PostgreSQL.
REFUSED = "23514"
READING = ("decode", "map")


# -- in one snapshot, also while faults go on ---------------------------------

def tallies(model, positions, found):
    """14: per lane and partition, what is in rows, waiting and dead letters
    has the count and the sums of what the log has below the lane's position.
    `found`: rows of TALLY. Yields (lane, partition, sentence)."""
    there = {(lane, int(p)): (int(n), int(s), int(q))
             for lane, p, n, s, q in found}
    for (lane, p), effective in positions.items():
        due, here = model.below(lane, p, effective), there.pop(
            (lane, p), (0, 0, 0))
        if due != here:
            yield lane, p, (
                f"{lane} stands at {effective} of partition {p}: {due[0]} "
                f"events are due below, {here[0]} are there"
                + ("" if due[0] != here[0] else ", and others"))
    for lane, p in there:
        yield lane, p, (f"{lane} has events of partition {p} and no position "
                        "there")


def differences(model, lane, partition, effective, offsets):
    """Which ones: counter-examples to what `tallies` found."""
    due, here = Counter(model.due(lane, partition, effective)), Counter(
        offsets)
    for what, some in (("is nowhere", due - here),
                       ("is there and not due, or twice", here - due)):
        for offset in sorted(some)[:5]:
            known = model.outcome(partition, offset)
            yield (f"{lane}: partition {partition} offset {offset} {what}"
                   + (f" ({known[2]} of {known[1]})" if known else ""))


def commits(model, positions, committed, passed):
    """16: whatever is below what Kafka has as committed is written, or the lane
    has nothing there. `passed`: by partition, the log's end when a crash or a
    failover may last have taken lanes back; what is said of a lane that has
    not come there again may be of before. Yields sentences."""
    for (lane, p), effective in positions.items():
        to = committed.get(p, 0)
        if to <= effective or effective < passed.get(p, 0):
            continue
        lacks = model.below(lane, p, to)[0] - model.below(lane, p,
                                                          effective)[0]
        if lacks:
            yield (f"Kafka has {to} of partition {p} as committed, {lane} "
                   f"stands at {effective} and lacks {lacks} events below")


# -- at the end ---------------------------------------------------------------

def all_somewhere(f):
    for p, log in f.model.logs.items():
        for offset, outcome, lane in zip(log.offsets, log.outcomes,
                                         log.lanes):
            effective = f.positions.get((LANE_NAMES[lane], p), 0)
            if outcome == WRITTEN and offset < effective and not (
                    (p, offset) in f.trace or (p, offset) in f.waiting):
                also = " but is a dead letter: " + f.letters[p, offset][0][4] \
                    if (p, offset) in f.letters else ""
                yield (f"{at((p, offset))} of {LANE_NAMES[lane]} is below its "
                       f"position {effective} and not written{also}")


def none_twice(f):
    for where, found in f.trace.items():
        if len(found) > 1:
            yield f"{at(where)} is written {len(found)} times: {found}"
        if where in f.waiting or where in f.letters:
            yield f"{at(where)} is written and waits or is a dead letter"
        if (f.model.outcome(*where) or (None,))[0] != WRITTEN:
            yield f"{at(where)} is written; the log has {f.model.outcome(*where)}"
    for found in (f.letters, f.waiting):
        for where, rows in found.items():
            if len(rows) > 1:
                yield f"{at(where)} is {len(rows)} times: {rows[0][4]}"


def at_the_end(f):
    for (lane, p), effective in f.positions.items():
        if effective != f.ends.get(p, 0):
            yield (f"{lane} stands at {effective} of partition {p}, whose end "
                   f"is {f.ends.get(p, 0)}")
    for lane, p in sorted(f.model.columns.keys() - f.positions.keys()):
        yield (f"{lane} has no position in partition {p}, and events are due "
               "there")
    for where, rows in f.waiting.items():
        yield f"{at(where)} still waits: {rows[0][4]}"


def entities_in_order(f):
    last = {}
    for where in sorted(f.trace):
        known = f.model.outcome(*where)
        # What makes a row may overtake what waits for it.
        if known is None or known[2] not in ("change", "remove", "gone"):
            continue
        key = (where[0], f.model.key(*where))
        seq = f.trace[where][0][2]
        if seq < last.get(key, (0, None))[0]:
            yield (f"{at(where)} of {key[1]} has seq {seq}, below that of "
                   f"{at(last[key][1])}: {last[key][0]}")
        last[key] = (seq, where)


KEYLESS = {
    "ticks": ("0", "id, n, price, to_char(at, 'YYYY-MM-DD HH24:MI:SS.US'), "
              "note"),
    "legs": ("i", "id, i, price, side"),
}


def tables_equal(f):
    for tenant in TENANTS:
        for table, (number, columns) in KEYLESS.items():
            due = dict(f.model.rows.get((tenant, table), {}))
            for p, o, i, *row in f.ask(
                    f"SELECT p, o, {number}, {columns} "
                    f"FROM tenant_{tenant}.{table}"):
                where = (int(p), int(o), int(i))
                wanted = due.pop(where, None)
                if wanted != text_digest(*row):
                    yield (f"{tenant}.{table}: {at(where)} is {row}, "
                           + ("twice or not due" if wanted is None
                              else "the log says otherwise"))
            yield from (f"{tenant}.{table}: {at(x)} is missing" for x in due)
        due = {key: x.row for (of, key), x in f.model.entities.items()
               if of == tenant and x.row}
        for key, *row in f.ask("SELECT id, name, amount, note "
                               f"FROM tenant_{tenant}.entities"):
            wanted = due.pop(key, None)
            if wanted != tuple(row):
                yield f"{tenant}.entities: {key} is {row}, due {wanted}"
        yield from (f"{tenant}.entities: {x} is missing" for x in due)


def guards_held(f):
    for tenant in TENANTS:
        due = {key: x for (of, key), x in f.model.prices.items()
               if of == tenant}
        for key, version, price in f.ask(
                f"SELECT id, version, price FROM tenant_{tenant}.prices"):
            wanted = due.pop(key, None)
            if wanted != (int(version), price):
                yield (f"{tenant}.prices: {key} is {(version, price)}, due "
                       f"{wanted}")
        yield from (f"{tenant}.prices: {x} is missing" for x in due)


def lanes_right(f):
    for where, rows in f.trace.items():
        known = f.model.outcome(*where)
        for tenant, lane, _, _ in rows:
            if known and lane != known[1] or lane.split("/")[1] != tenant:
                yield (f"{at(where)} is in the schema of {tenant}, written by "
                       f"{lane}; due {known}")
    for found in (f.letters, f.waiting):
        for where, rows in found.items():
            known = f.model.outcome(*where)
            if known and rows[0][0] != known[1]:
                yield (f"{at(where)} is a dead letter or waits in "
                       f"{rows[0][0]}, due in {known[1]}")


def letters_exact(f):
    yield from history.letters_with_their_claim(f)
    for where, wanted in f.model.letters.items():
        if where[1] >= f.positions.get(
                (f.model.outcome(*where)[1], where[0]), 0):
            continue
        found = f.letters.get(where)
        if not found:
            yield f"{at(where)} should be a dead letter"
        elif found[0][2] != wanted:
            yield f"{at(where)}: the dead letter has other bytes than the log"
    for where, found in f.letters.items():
        if where not in f.model.letters:
            yield f"{at(where)} is a dead letter: {found[0][4]}"


def no_infrastructure_letters(f):
    """Each says about the event what is wrong with it, and nothing else."""
    for where, rows in f.letters.items():
        due = where in f.model.letters
        refused = where in f.model.refused
        for _, _, _, code, reason in rows:
            stage = reason.partition(":")[0]
            if refused:
                right = (stage, code) == ("store", REFUSED)
            elif due:
                right = stage in READING and code is None
            else:  # 12 tells that it is there at all
                right = code is None or code.startswith(DATA)
            if not right:
                yield f"{at(where)}: {code}, {reason}"


def nothing_hangs(f):
    for pid, what in f.ask(
            "SELECT pid, locktype || ' ' || mode FROM pg_locks WHERE NOT "
            "granted AND pid <> pg_backend_pid()"):
        yield f"backend {pid} waits for a lock: {what}"
    for pid, name, since in f.ask(
            "SELECT pid, application_name, now() - xact_start "
            "FROM pg_stat_activity WHERE state = 'idle in transaction' "
            "AND xact_start < now() - interval '30 s' "
            "AND application_name <> 'storm checker'"):
        yield f"backend {pid} ({name}) stands in a transaction for {since}"
    for name, in f.ask("SELECT indexrelid::regclass FROM pg_index "
                       "WHERE NOT indisvalid"):
        yield f"index {name} is not valid"
    for name, in f.ask("SELECT inhrelid::regclass FROM pg_inherits "
                       "WHERE inhdetachpending"):
        yield f"partition {name} is half detached"


def halts_as_due(f):
    """What loses data halts, and says why; nothing else does."""
    found = {}
    for pipeline, who, state, reason in f.halts:
        found.setdefault(pipeline, []).append((who, state, reason or ""))
    for pipeline, wanted in f.due_halts.items():
        for who, state, reason in found.pop(pipeline, ()):
            if wanted in reason:
                break
        else:
            yield f"nothing of {pipeline} is halted with {wanted}"
    for pipeline, rows in found.items():
        for who, state, reason in rows:
            yield f"{pipeline}: {who} is {state}: {reason}"


def commits_behind(f):
    yield from commits(f.model, f.positions, f.committed, {})
    for p, to in f.committed.items():
        if to > f.ends.get(p, 0):
            yield (f"Kafka has {to} of partition {p} as committed, whose end "
                   f"is {f.ends.get(p, 0)}")


def migrations_a_prefix(f):
    """Each file once, in order, none left out, none edited since."""
    if not f.migrations:
        yield "no migration of the control schema was applied"
    for place, (version, name, checksum) in enumerate(f.migrations):
        if place >= len(f.files):
            yield f"migration {version:03}_{name} has no file"
        elif (version, name) != f.files[place][:2]:
            due = "{:03}_{}".format(*f.files[place])
            yield (f"migration {version:03}_{name} was applied where {due} is "
                   "due")
        elif checksum != f.files[place][2]:
            yield (f"migration {version:03}_{name} has the checksum "
                   f"{checksum}, its file {f.files[place][2]}")


@dataclass
class Rule:
    number: int
    name: str
    rule: str
    find: object


RULES = [Rule(*x) for x in (
    (1, "nothing lost", "every event below its lane's position is in rows, "
     "waiting or dead letters", all_somewhere),
    (2, "nothing twice", "no (topic, partition, offset) is there twice",
     none_twice),
    (3, "at the end", "every lane that events are due in stands at the log's "
     "end, nothing waits",
     at_the_end),
    (4, "seqs gapless", "each claim of a lane begins at the seq where the one "
     "before ended; its first one is of all its rows, which its transaction "
     "writes, each other one of one dead letter or event put aside",
     history.seqs_gapless),
    (5, "in order", "per lane and partition, seqs go as offsets do, and each "
     "row lies between the offsets that its flush moves "
     "(what may have waited may come later, never earlier)",
     history.seqs_in_order),
    (6, "entities in order", "per entity, updates and deletes have seqs that "
     "go as offsets do", entities_in_order),
    (7, "tables equal", "ticks, legs and entities equal the fold of the log, "
     "to the digit, deletes and tombstones included", tables_equal),
    (8, "guards held", "prices have the greatest version of the log",
     guards_held),
    (9, "right lane", "each row is in its tenant's schema, each event in the "
     "lane of its route", lanes_right),
    (10, "epochs grow", "per lane, in the order of seqs, epochs never go back, "
     "and each has one owner", history.epochs_grow),
    (11, "one coordinator", "a term has one owner and begins when the lease of "
     "the one before is over", history.one_coordinator),
    (12, "dead letters exact", "they are those of the log's own reading, "
     "bytes identical, and come in the transaction of their flush",
     letters_exact),
    (13, "no letter for a fault", "each dead letter has the stage and the "
     "SQLSTATE of what is wrong with its event", no_infrastructure_letters),
    (15, "positions monotone", "within a timeline no change takes an offset "
     "of a lane or a floor back, and each begins where the last one ended",
     history.positions_monotone),
    (16, "Kafka's commits behind", "what Kafka has as committed is written: no "
     "lane lacks an event below it, also in each snapshot",
     commits_behind),
    (20, "nothing hangs", "no lock waits, no transaction stands open, indexes "
     "valid, partitions attached", nothing_hangs),
    (21, "migrations a prefix", "the history of the control schema has its "
     "files one after another, with their checksums", migrations_a_prefix),
    (22, "halts", "what loses data halts with its reason, and nothing else "
     "does", halts_as_due),
)]
