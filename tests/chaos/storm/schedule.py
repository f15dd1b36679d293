"""When which fault begins and ends, by seed. Two tracks go on side by side:
one for the nodes themselves, one for what they stand on."""

import random
from dataclasses import dataclass

QUIET_AT_FIRST_S = 5


@dataclass(frozen=True)
class Planned:
    begin_s: float
    length_s: float
    fault: str
    seed: int  # for the choices of the fault itself


# Of the faults that may be longer than others, and where there is time.
LONG_ONES = .25


def plan(seed, seconds, tracks, on_s=(1, 10), off_s=(1, 10)):
    """`tracks`: for each, {fault: (weight, greatest length in seconds)}. A
    fault ends before the next of its track begins; all end in time. Some that
    may last longer than `on_s` do, where that leaves most of the time."""
    planned = []
    for number, faults in enumerate(tracks):
        if not faults:
            continue
        chance = random.Random(f"schedule {seed} {number}")
        at = QUIET_AT_FIRST_S + chance.uniform(0, 3)
        while True:
            name, = chance.choices(list(faults),
                                   [x[0] for x in faults.values()])
            longest = faults[name][1]
            length = min(chance.uniform(*on_s), longest)
            if chance.random() < LONG_ONES and on_s[1] < longest \
                    and longest < seconds / 4:
                length = chance.uniform(on_s[1], longest)
            if at + length > seconds:
                break
            planned.append(Planned(round(at, 2), round(length, 2), name,
                                   chance.randrange(2**31)))
            at += length + chance.uniform(*off_s)
    return sorted(planned, key=lambda x: (x.begin_s, x.fault))


class Agenda:
    """Whose turn it is. On a busy machine faults take longer than planned; then
    the rest of their track comes that much later, so that the pauses stay, and
    what would begin after the end is left out."""

    def __init__(self, planned, seconds, track_of):
        """`track_of`: of a fault's name."""
        self.waiting = list(planned)
        self.seconds = seconds
        self.track_of = track_of
        self.late_s = {}  # by track

    def begin_s(self, x):
        return x.begin_s + self.late_s.get(self.track_of(x.fault), 0)

    def due(self, now, busy):
        """The next of each track, but those in `busy`, if its time has come."""
        self.waiting = [x for x in self.waiting
                        if self.begin_s(x) < self.seconds]
        found = {}
        for x in self.waiting:
            track = self.track_of(x.fault)
            if track not in busy and self.begin_s(x) <= now:
                found.setdefault(track, x)
        for x in found.values():
            self.waiting.remove(x)
        return list(found.values())

    def over(self, x, now):
        """It has ended, or could not be made."""
        track = self.track_of(x.fault)
        self.late_s[track] = max(self.late_s.get(track, 0),
                                 now - x.begin_s - x.length_s)
