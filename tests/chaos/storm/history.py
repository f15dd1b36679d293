"""Rules over what became of lanes, floors and the coordinator in time."""

from collections import defaultdict

from facts import at


class Claims:
    """Who took which number. The rows of a flush have its first one, each of
    its dead letters and of the events that it puts aside one of the others."""

    def __init__(self, history):
        self.heads = {}  # (lane, number): the flush's Change
        self.tails = {}  # the same, of the other numbers
        for x in history:
            if x.seq > x.seq_was:
                self.heads[x.lane, x.seq_was] = x
            for seq in range(x.seq_was + 1, x.seq):
                self.tails[x.lane, seq] = x


def chained(f):
    """Each change of a lane begins where the one before ended, from its
    beginning to its row of today."""
    last = {}
    for x in f.history:
        if x.lane not in last and (x.seq_was, x.epoch_was) != (x.seq, x.epoch):
            yield f"{x.lane}: what came before seq {x.seq_was} is not known"
        if x.lane in last and x.seq_was != last[x.lane]:
            yield f"{x.lane}: seq goes from {last[x.lane]} on with {x.seq_was}"
        last[x.lane] = x.seq
    for lane, seq in f.next_seqs.items():
        if last.get(lane, seq) != seq:
            yield f"{lane}: its row has seq {seq}, the last claim {last[lane]}"
        if lane not in last:
            yield f"{lane}: nobody made it"


def seqs_gapless(f):
    yield from chained(f)
    claims = Claims(f.history)
    for where, found in f.trace.items():
        for _, lane, seq, _ in found:
            if (lane, seq) not in claims.heads:
                yield f"{at(where)}: no flush of {lane} began at seq {seq}"
    yield from apart(claims.heads, f.row_xids, "a row")
    users = defaultdict(set)
    for where, found in f.letters.items():
        for lane, seq, *_ in found:
            users[lane, seq].add(where)
    for lane, seq, p, o in f.aside:
        users[lane, seq].add((p, o))
    for key, places in users.items():
        if key not in claims.tails:
            yield (f"{at(min(places))}: nobody claimed seq {key[1]} of "
                   f"{key[0]} for it")
        if len(places) > 1:
            yield f"{key[0]}: seq {key[1]} is that of {len(places)} events"
    for lane, seq in claims.tails.keys() - users.keys():
        yield f"{lane}: seq {seq} is nobody's"


def apart(claims, found, what):
    """Those that are not of the transaction that claimed their number."""
    for lane, seq, xid in found:
        claim = claims.get((lane, seq))
        if claim and claim.xid != xid:
            yield (f"{lane}: {what} of seq {seq} came in transaction {xid}, "
                   f"the claim in {claim.xid}")


def letters_with_their_claim(f):
    yield from apart(Claims(f.history).tails, f.letter_xids, "a dead letter")


def within_its_flush(f):
    """A flush writes what it claims: between the offsets that it moves. What
    may have waited comes in a later one."""
    claims = Claims(f.history)
    found = [(where, lane, claims.heads.get((lane, seq)))
             for where, rows in f.trace.items() for _, lane, seq, _ in rows]
    found += [(where, lane, claims.tails.get((lane, seq)))
              for where, rows in f.letters.items() for lane, seq, *_ in rows]
    for where, lane, claim in found:
        slot = f.slots.get(where[0])
        if claim is None or slot is None or f.model.outcome(*where) is None:
            continue  # of which other rules tell
        begin = entry(claim.off_was, slot)
        end = entry(claim.off, slot)
        if where[1] >= end or (where[1] < begin
                               and not f.model.may_have_waited(*where)):
            yield (f"{at(where)} came with seq {claim.seq_was} of {lane}, "
                   f"which moved from {begin} to {end}")


def entry(offsets, slot):
    return (offsets[slot] if slot < len(offsets) else None) or 0


def seqs_in_order(f):
    """What may have waited may come later than its offset says, never
    earlier; among such events only the entity's own order is known."""
    yield from within_its_flush(f)
    last = {}
    for where in sorted(f.trace):
        if f.model.outcome(*where) is None:
            continue
        lane, seq = f.trace[where][0][1:3]
        key = (lane, where[0])
        if seq < last.get(key, (0, None))[0]:
            yield (f"{at(where)} of {lane} has seq {seq}, below that of "
                   f"{at(last[key][1])}: {last[key][0]}")
        elif not f.model.may_have_waited(*where):
            last[key] = (seq, where)


def epochs_grow(f):
    last, owners = {}, {}
    for x in f.history:
        if x.epoch < last.get(x.lane, 0):
            yield (f"{x.lane}: epoch {x.epoch} at seq {x.seq} after "
                   f"{last[x.lane]}")
        last[x.lane] = max(x.epoch, last.get(x.lane, 0))
        if x.owner and owners.setdefault((x.lane, x.epoch),
                                         x.owner) != x.owner:
            yield f"{x.lane}: epoch {x.epoch} has two owners"
    rows = defaultdict(list)
    for where, found in f.trace.items():
        for _, lane, seq, epoch in found:
            rows[lane].append((seq, epoch, where))
    for lane, found in rows.items():
        found.sort()
        for (_, a, _), (seq, b, where) in zip(found, found[1:]):
            if b < a:
                yield (f"{at(where)} of {lane}: epoch {b} at seq {seq}, after "
                       f"{a}")


def one_coordinator(f):
    """A term has one owner, and begins when the one before is over."""
    for (a, who, until, _), (b, whose, _, when) in zip(f.terms, f.terms[1:]):
        if b < a:
            yield f"the coordinator's epoch went from {a} to {b}"
        elif b == a and whose != who:
            yield f"epoch {a} of the coordinator is {who}'s and {whose}'s"
        elif b > a and when < until:
            yield (f"epoch {b} of the coordinator began {until - when:.3f} s "
                   f"before the lease of {a} was over")


def positions_monotone(f):
    last = {}
    for x in f.history:
        for slot, (a, b) in enumerate(zip(x.off_was, x.off), 1):
            if a is not None and (b is None or b < a):
                yield (f"{x.lane}: slot {slot} goes from {a} to {b} at seq "
                       f"{x.seq}")
        if x.lane in last and last[x.lane] != x.off_was:
            yield (f"{x.lane}: {x.off_was} at seq {x.seq}, after "
                   f"{last[x.lane]}")
        last[x.lane] = x.off
    for (lane, p), offset in f.offsets.items():
        if lane in last and entry(last[lane], f.slots[p]) != (offset or 0):
            yield (f"{lane}: its row has offset {offset} of partition {p}, its "
                   f"last change {entry(last[lane], f.slots[p])}")
    yield from floors_monotone(f)


def floors_monotone(f):
    last = {}
    for p, was, floor in f.floor_history:
        if floor < was:
            yield f"partition {p}: the floor goes from {was} to {floor}"
        if last.get(p, was) != was:
            yield f"partition {p}: the floor goes from {last[p]} on with {was}"
        last[p] = floor
    for p, floor in f.floors.items():
        if last.get(p, floor) != floor:
            yield (f"partition {p}: its row has the floor {floor}, its last "
                   f"change {last[p]}")
