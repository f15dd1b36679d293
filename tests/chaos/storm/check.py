#!/usr/bin/env python3
"""The checker of a storm, a program of its own: folds the raw log and holds
the tables against it, about every second in one snapshot, and once more when
all is quiet.

    check.py --world FILE --log-program millrace-log [--final SECONDS]

Standard output is lines of JSON: `sample` (how far things are), `violation`,
and at the end `verdict`. Standard input: the line `final SECONDS [RECORDS]` asks
for the verdict, once the log has as many records and the lanes are at its end, or
the time is over.
"""

import argparse
import json
import queue
import sys
import threading
import time
from pathlib import Path

import broker
import facts
import invariants
from model import TENANTS, Model
from rawlog import RawLog
from snapshot import Session, Unanswered

PAUSE_S = 1.0
IDLE_S = 30  # in a transaction: twice what the server allows a node
LOG_PATIENCE_S = 5  # for the log's reader to come where the lanes are
EXAMPLES = 5
KAFKA_PATIENCE_S = 1  # of a look
END_PATIENCE_S = 60  # all is up


class Checker:
    def __init__(self, world, program):
        self.world = world
        self.database = Path(world["database"])
        self.model = Model()
        self.lock = threading.Lock()
        self.log = RawLog(program, world["kafka"], world["topic"], sys.stderr)
        self.log.start(self.model.take, self.lock)
        self.session = None
        self.url = None
        self.started = time.time()
        self.found = 0
        self.forget()
        self.passed = {}  # nothing can have been taken back yet

    def tell(self, kind, **members):
        print(json.dumps({"kind": kind, "at": time.time(), **members}),
              flush=True)

    def connected(self):
        url = self.database.read_text().strip()
        if url != self.url:
            # Another server, another timeline.
            self.close()
            self.url = url
        if self.session is None:
            self.session = Session(url)
            self.rounds = dict(self.log.rounds)
        return self.session

    def forget(self):
        """What was seen last: a crash may take back what was not yet on the
        disk, if its session asked for that, and a failover what was."""
        self.coordinator = 0
        self.last = {}
        self.passed = None  # until the log's end of now is known
        self.rounds = {}

    def close(self):
        if self.session:
            self.session.close()
        self.session = None
        self.forget()

    def caught_up(self, positions):
        """Whether the log's reader has come where the lanes are."""
        end = time.monotonic() + LOG_PATIENCE_S
        while time.monotonic() < end:
            if self.log.failure:
                raise RuntimeError(self.log.failure)
            if all(self.log.ends.get(p, 0) >= effective
                   for (_, p), effective in positions.items()):
                return True
            time.sleep(.05)
        return False

    # -- while faults go on ---------------------------------------------------

    def look(self):
        """One snapshot. Returns what it took, or nothing when it could not be
        judged."""
        session = self.connected()
        # Before the positions, which only grow.
        committed = self.committed({p for _, p in self.last})
        begin = time.monotonic()
        session.begin()
        rows = session.rows(facts.POSITIONS)
        positions = facts.positions_of(rows)
        tallies = session.rows(facts.TALLY)
        took = time.monotonic() - begin
        self.look_at_coordinator(session)
        self.look_back(positions)
        self.look_at_sessions(session)
        judged, commits = self.caught_up(positions), 0
        if judged:
            with self.lock:
                found = list(invariants.tallies(self.model, positions,
                                                tallies))
                for lane, p, sentence in found:
                    self.violate(14, sentence, self.examples(
                        session, lane, p, positions.get((lane, p), 0)))
            commits = self.look_at_commits(committed, positions)
        self.sample(positions, tallies, session, judged, commits)
        session.end()
        return took

    def committed(self, partitions):
        """What Kafka has as such, of each that it tells of."""
        try:
            return broker.committed(self.world["kafka"], self.world["group"],
                                    self.world["topic"], sorted(partitions),
                                    KAFKA_PATIENCE_S) if partitions else {}
        except broker.Refused as why:
            self.tell("unanswered", why=f"Kafka's commits: {why}"[:200])
            return {}

    def look_at_commits(self, committed, positions):
        """16. After a crash or a failover a node may say for a while what it
        has in memory: until a lane has come where the log ended then. Returns
        of how many partitions it was judged."""
        if self.passed is None and self.told_since(self.rounds):
            self.passed = dict(self.log.ends)
        if self.passed is None:
            return 0
        known = {p: to for p, to in committed.items()
                 if to <= self.log.ends.get(p, 0)}
        with self.lock:
            found = list(invariants.commits(self.model, positions, known,
                                            self.passed))
        for sentence in found:
            self.violate(16, sentence, [])
        return len(known)

    def told_since(self, rounds):
        """Whether the broker has told each partition's end anew: the one of
        before may lack what came after it."""
        return bool(self.log.rounds) and all(
            n >= rounds.get(p, 0) + 2 for p, n in self.log.rounds.items())

    def examples(self, session, lane, partition, effective):
        offsets = [int(x) for x, in session.rows(
            f"SELECT o FROM ({facts.EVERYWHERE}) x WHERE p = {partition} "
            f"AND lane = '{lane}'")]
        return list(invariants.differences(self.model, lane, partition,
                                           effective, offsets))

    def look_at_coordinator(self, session):
        """11: terms of who coordinates never go back within a timeline."""
        (epoch,), = session.rows("SELECT epoch FROM millrace.coordinator")
        if int(epoch) < self.coordinator:
            self.violate(11, f"the coordinator's epoch went from "
                         f"{self.coordinator} to {epoch}", [])
        self.coordinator = int(epoch)

    def look_back(self, positions):
        """15: nor does what is durable."""
        for (lane, p), effective in positions.items():
            if effective < self.last.get((lane, p), 0):
                self.violate(15, f"{lane} went from {self.last[lane, p]} of "
                             f"partition {p} back to {effective}", [])
        self.last = positions

    def look_at_sessions(self, session):
        """19: how many there are, and how long one holds a transaction. One
        that is aborted holds nothing; after an error inside COPY the server
        ends it by transaction_timeout alone, as data that still comes switch
        its idle timeout off."""
        rows = session.rows(
            "SELECT pid, application_name, coalesce(extract(epoch FROM "
            "clock_timestamp() - state_change) * (state = 'idle in "
            "transaction')::int, 0) FROM pg_stat_activity WHERE usename = "
            f"'{self.world['role']}' AND datname = current_database()")
        self.sessions = len(rows)
        if len(rows) > self.world["sessions"]:
            self.violate(19, f"the nodes have {len(rows)} sessions, at most "
                         f"{self.world['sessions']} are due", [])
        for pid, name, idle in rows:
            if float(idle) > IDLE_S:
                self.violate(19, f"backend {pid} ({name}) has stood in a "
                             f"transaction for {float(idle):.0f} s", [])

    def violate(self, number, sentence, examples):
        self.found += 1
        if self.found <= 50:
            self.tell("violation", invariant=number, what=sentence,
                      examples=examples[:EXAMPLES])

    def sample(self, positions, tallies, session, judged, commits):
        lag = dict.fromkeys(TENANTS, 0)
        with self.lock:
            for (lane, p), effective in positions.items():
                tenant = lane.split("/")[1]
                if tenant in lag:
                    due = self.model.below(lane, p, 1 << 62)[0]
                    lag[tenant] += due - self.model.below(lane, p,
                                                          effective)[0]
        self.tell("sample", records=self.log.records, judged=judged,
                  commits=commits,
                  sessions=self.sessions,
                  there=sum(int(x[2]) for x in tallies), lag=lag,
                  waiting=int(session.rows(
                      "SELECT count(*) FROM millrace.waiting")[0][0]))

    # -- when all is quiet ----------------------------------------------------

    def quiet(self, session):
        session.begin()
        rows = session.rows(facts.POSITIONS)
        waiting = session.rows("SELECT count(*) FROM millrace.waiting")
        session.end()
        positions = facts.positions_of(rows)
        return waiting == [["0"]] and positions and all(
            effective == self.log.ends.get(p, 0)
            for (_, p), effective in positions.items())

    def due_halts(self):
        """By pipeline, the word of why it must be halted; faults wrote it."""
        place = Path(self.world["due"])
        return json.loads(place.read_text()) if place.exists() else {}

    def read_to_the_end(self, rounds, records):
        """Whether the broker has told each partition's end since, and all that
        was fed is there."""
        if self.log.failure:
            raise RuntimeError(self.log.failure)
        return self.log.records >= records and self.told_since(rounds)

    def final(self, patience_s, records=0):
        """`records`: what the log must have at least."""
        begin = time.monotonic()
        rounds = dict(self.log.rounds)
        settled = False
        while not settled and time.monotonic() < begin + patience_s:
            try:
                time.sleep(.5)
                settled = self.read_to_the_end(rounds, records) and self.quiet(
                    self.connected())
            except Unanswered:
                self.close()
                time.sleep(.5)
        if records and self.log.records < records:
            raise RuntimeError(f"the log has {self.log.records} records of "
                               f"{records} that were fed")
        took = time.monotonic() - begin
        session = self.connected()
        committed = broker.committed(self.world["kafka"], self.world["group"],
                                     self.world["topic"], sorted(self.log.ends),
                                     END_PATIENCE_S)
        session.begin()
        verdict = []
        with self.lock:
            if self.model.undecided:
                raise RuntimeError("the log has what no fold can decide: "
                                   f"{self.model.undecided[:3]}")
            seen = facts.facts_of(self.model, dict(self.log.ends), session,
                                  self.due_halts(), committed)
            for rule in invariants.RULES:
                found = list(rule.find(seen))
                verdict.append({
                    "number": rule.number, "name": rule.name,
                    "rule": rule.rule, "violations": len(found),
                    "examples": found[:EXAMPLES]})
        session.end()
        events = sum(len(x.offsets) for x in self.model.logs.values())
        self.tell("verdict", invariants=verdict, records=events,
                  rows=len(seen.trace), dead_letters=len(seen.letters),
                  settled=settled, seconds=took, in_flight=self.found)
        return self.found == 0 and not any(x["violations"] for x in verdict)

    def run(self, orders):
        pause = PAUSE_S
        while True:
            try:
                order = orders.get(timeout=pause)
                break
            except queue.Empty:
                pass
            try:
                # It shall not be what the server is busy with.
                pause = max(PAUSE_S, 10 * self.look())
            except Unanswered as error:
                self.tell("unanswered", why=str(error)[:200])
                self.close()
        try:
            return self.final(*order)
        finally:
            self.close()
            self.log.close()


def listen(orders):
    for line in sys.stdin:
        word, *numbers = line.split()
        if word == "final":
            orders.put((float(numbers[0]), *map(int, numbers[1:])))
            return
    orders.put((0,))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--log-program", required=True)
    parser.add_argument("--final", type=float,
                        help="only the verdict, after so long at most")
    options = parser.parse_args()
    checker = Checker(json.loads(options.world.read_text()),
                      options.log_program)
    orders = queue.Queue()
    if options.final is None:
        threading.Thread(target=listen, args=(orders,), daemon=True).start()
    else:
        orders.put((options.final,))
    return 0 if checker.run(orders) else 1


if __name__ == "__main__":
    sys.exit(main())
