"""Records and what a right world makes of them, for the tests."""

import json
import struct

from facts import Change, Facts
from model import DEAD, LANE_NAMES, WRITTEN, Model

MIGRATIONS = [(1, "tables", "a1"), (2, "claim", "b2"), (3, "more", "c3")]
TICK = {"n": 1, "price": 2, "at": "2026-01-19T00:00:00Z", "note": "x"}


def headers(**members):
    return b"".join(struct.pack(">i", len(x)) + x
                    for name, value in members.items()
                    for x in (name.replace("_", "-").encode(),
                              value.encode()))


class Writer:
    """Records into a model, one after another in partition 0."""

    def __init__(self):
        self.model = Model()
        self.next = 0

    def write(self, kind, value, key=b"e", tenant="big"):
        at, self.next = self.next, self.next + 1
        if isinstance(value, dict):
            value = json.dumps(value).encode()
        self.model.take(0, at, key, headers(tenant=tenant, event_type=kind),
                        value)
        return self.model.outcome(0, at)[0]

    def entity(self, key="e"):
        return self.model.entities["big", key].row

    def facts(self, **members):
        """A flush for each record, with the first number; a dead letter has
        the one behind it."""
        model = self.model
        seqs = dict.fromkeys(LANE_NAMES, 1)
        at = dict.fromkeys(LANE_NAMES, 0)
        history = [Change(x, 1, 1, "me", 1, 1, [0], [0]) for x in LANE_NAMES]
        trace, letters = {}, {}
        for offset in model.logs[0].offsets:
            outcome, lane, _ = model.outcome(0, offset)
            first = seqs[lane]
            seqs[lane] += 2 if outcome == DEAD else 1
            history.append(Change(lane, 1, 1, "me", first, seqs[lane],
                                  [at[lane]], [offset + 1]))
            at[lane] = offset + 1
            if outcome == WRITTEN:
                trace[0, offset] = [(lane.split("/")[1], lane, first, 1)]
            elif outcome == DEAD:
                why = ("23514", "store: no") if (0, offset) in model.refused \
                    else (None, "map: no number")
                letters[0, offset] = [
                    (lane, first + 1, model.letters[0, offset], *why)]
        ends = dict(model.ends)
        for lane in LANE_NAMES:  # the last ranges have nothing for them
            history.append(Change(lane, 1, 1, "me", seqs[lane],
                                  seqs[lane] + 1, [at[lane]], [ends[0]]))
        history.sort(key=lambda x: x.lane)
        facts = Facts(
            model, ends, {(lane, 0): ends[0] for lane in LANE_NAMES},
            lambda sql: [], next_seqs={x: seqs[x] + 1 for x in LANE_NAMES},
            slots={0: 0}, offsets={(x, 0): ends[0] for x in LANE_NAMES},
            floors={0: 2}, trace=trace, letters=letters, history=history,
            floor_history=[(0, 0, 0), (0, 0, 2)],
            terms=[(1, "a", 10.0, 0.0), (1, "a", 15.0, 5.0),
                   (1, "a", 7.0, 7.0), (2, "b", 17.0, 7.5)],
            committed={0: ends[0]}, migrations=list(MIGRATIONS),
            files=list(MIGRATIONS))
        for name, value in members.items():
            setattr(facts, name, value)
        return facts
