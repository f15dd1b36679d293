#!/usr/bin/env python3
"""The checker is checked: storms with a node that has a defect, which must be
found, by a rule that this defect breaks. A storm of the same program and the
same faults without a defect must be clean, or the table shows nothing. Prints
after how long each was found. `tests/run chaos-bugs` calls it.

Needs the program millrace-seeded (CMake option MILLRACE_SEEDED_BUGS). Exit code
0: all were found, and the control was clean; 1: not so.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from report import figures, is_good

HERE = Path(__file__).resolve().parent
CONTROL = "control"
# What flows, by name: words of run.py. A control of each is clean.
TRAFFIC = {
    "steady": ("--rate", "100"),
    # Floors that move seldom, but more often than most lanes have something to
    # do, so that it is the floor that comes first after a failover.
    "thin": ("--rate", "2", "--floor-interval", "10"),
    # What was sent last is often a lane's last for a while.
    "few": ("--rate", "40"),
    # Several records of one key in each flush, in the last one as well.
    "bursts": ("--entities", "4", "--burst", "2"),
}
PATIENCE_S = 240  # to catch up; this is about what is found, not how soon

# The claim without some of its conditions (migrations/control/002_claim.sql).
OWN = "AND l.epoch = in_epoch AND l.owner = in_owner"
SEQ = "AND l.next_seq = in_next_seq"
FROM = "AND r.lo <= greatest(r.old, f.floor)"
OFFSETS = ("AND (SELECT coalesce(bool_and(coalesce(", "ON f.pipeline = "
           "in_pipeline AND f.slot = r.slot)")


@dataclass(frozen=True)
class Bug:
    name: str
    about: str
    faults: str
    rules: tuple  # the invariants of which one must tell
    in_node: bool = True  # a defect of the program, by this name
    cuts: tuple = ()  # conditions that the claim lacks
    sql: str = ""
    traffic: str = "steady"
    minutes: float = 3  # at most; of what is seen at the end alone, enough


# What a takeover does.
DROP_WAITING = """
CREATE FUNCTION storm.drop_waiting() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER AS $$
BEGIN
  DELETE FROM millrace.waiting WHERE (pipeline, tenant, shard)
    = (NEW.pipeline, NEW.tenant, NEW.shard);
  RETURN NULL;
END $$;
CREATE TRIGGER drop_waiting AFTER UPDATE ON millrace.lane FOR EACH ROW
  WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION storm.drop_waiting();
"""

# In a session of its own, whatever becomes of the flush.
LETTERS_APART = """
CREATE EXTENSION IF NOT EXISTS dblink SCHEMA public;
CREATE FUNCTION storm.letter_apart() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER AS $$
BEGIN
  IF current_setting('storm.apart', true) = 'yes' THEN
    RETURN NEW;
  END IF;
  PERFORM public.dblink_exec(
    format('host=127.0.0.1 port=%s dbname=%s user=millrace '
           'options=''-c storm.apart=yes''', inet_server_port(),
           current_database()),
    format('INSERT INTO millrace.dead_letter SELECT * FROM '
           'json_populate_record(NULL::millrace.dead_letter, %L) '
           'ON CONFLICT DO NOTHING', row_to_json(NEW)));
  RETURN NULL;
END $$;
CREATE TRIGGER letter_apart BEFORE INSERT ON millrace.dead_letter
  FOR EACH ROW EXECUTE FUNCTION storm.letter_apart();
"""

# What a rule finds is what the defect does: 1 and 14 what is lost, 2 and 14 what
# is written twice, 7 and 8 what the rows hold; 16 what is said of more than is
# written.
LOST, TWICE, CONTENTS, TOLD = (1, 14), (2, 14), (7, 8), (16,)
BUGS = (
    # Only what was durable and is not any more makes such a batch.
    Bug("no-from-check", "batches beyond the tail are taken",
        "failover,pg-async", LOST, cuts=(FROM,)),
    Bug("no-claim", "the claim compares nothing", "zombie", TWICE,
        in_node=False, cuts=(OWN, SEQ, "OFFSETS")),
    Bug("dead-letters-apart", "dead letters in a transaction of their own",
        "doubt,backends,kill", (*TWICE, 12), in_node=False,
        sql=LETTERS_APART, minutes=1),
    # Nothing is where the reading should have begun: written by nobody, or a
    # gap in front of which the partition halts.
    Bug("kafka-resume", "reads on from Kafka's committed offset",
        "failover", (*LOST, 22)),
    # The rows are written all the same, as nothing goes by what was said but
    # Kafka's offsets: while flushes stand still these are ahead of the rows.
    Bug("ack-early", "acknowledges before the commit", "locked,kill,backends",
        (*TOLD, *LOST)),
    Bug("collapse-reversed", "of one key the first row wins", "kill",
        CONTENTS, traffic="bursts", minutes=1),
    # A lane with something to do tells that it was taken back.
    Bug("stale-floor", "the floor follows acks in memory",
        "failover,pg-async", LOST, traffic="thin"),
    Bug("doubt-failed", "what is in doubt counts as failed (and the claim "
        "compares only epoch and owner)", "doubt", TWICE,
        cuts=(SEQ, "OFFSETS")),
    Bug("doubt-committed", "what is in doubt counts as committed", "doubt",
        (*TOLD, *LOST), traffic="few"),
    Bug("waiting-dropped", "waiting events are dropped at a takeover",
        "kill,zombie", LOST, in_node=False, sql=DROP_WAITING),
)


def named(name):
    """The defect of that name, or nothing."""
    return next((x for x in BUGS if x.name == name), None)


def sabotage(bug, world):
    """The database's part of the defect."""
    if bug.cuts:
        body = "\n".join(world.query(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = "
            "'claim' AND pronamespace = 'millrace'::regnamespace"))
        for cut in bug.cuts:
            if cut == "OFFSETS":
                begin, end = (body.index(x) for x in OFFSETS)
                body = body[:begin] + body[end + len(OFFSETS[1]):]
            else:
                assert cut in body, f"the claim has no '{cut}' any more"
                body = body.replace(cut, "")
        world.query(body)
    if bug.sql:
        world.query(bug.sql)


# -- what a storm showed --------------------------------------------------------

@dataclass(frozen=True)
class Finding:
    """Whether a storm showed what it is for: `at` seconds after it began."""
    good: bool
    at: float
    by: int  # the invariant; 0: none
    what: str


def others(run, rules):
    """What is violated beside, which says nothing about this defect."""
    found = {x["invariant"] for x in run["violations"]} | {
        x["number"] for x in run["verdict"]["invariants"] if x["violations"]}
    return ", ".join(str(x) for x in sorted(found - set(rules)))


def judged(bug, run):
    """Of a storm with a defect."""
    for x in run["violations"]:
        if x["invariant"] in bug.rules:
            return Finding(True, x["t"], x["invariant"], "; ".join(
                [x["what"], *x["examples"][:1]]))
    # A world that stands still violates some whatever the defect.
    still = () if run["verdict"]["settled"] else (3, 7, 8)
    for x in run["verdict"]["invariants"]:
        if x["violations"] and x["number"] in bug.rules \
                and x["number"] not in still:
            return Finding(True, run["timeline"][-1]["t"], x["number"],
                           f"at the end: {x['examples'][0]}")
    beside = others(run, bug.rules)
    return Finding(False, 0, 0, "not found by "
                   + " or ".join(map(str, bug.rules))
                   + (f", though {beside} violated" if beside else ""))


def judged_control(run):
    """Of the storm without one."""
    made = figures(run)["faults"]
    end = run["timeline"][-1]["t"]
    if not is_good(run):
        return Finding(False, end, 0, f"violated: {others(run, ()) or 'unjudged'}")
    if not made:
        return Finding(False, end, 0, "no fault was made: it shows nothing")
    return Finding(True, end, 0, f"clean: {made} faults, "
                   f"{figures(run)['in_flight_checks']} snapshots")


@dataclass(frozen=True)
class Control:
    """A storm without a defect for all of one traffic."""
    name: str
    faults: str
    traffic: str
    minutes: float


def controls(bugs):
    """With the faults of all, each once, for as long as the longest."""
    found = []
    for traffic in TRAFFIC:
        some = [x for x in bugs if x.traffic == traffic]
        if some:
            found.append(Control(
                CONTROL if traffic == "steady" else f"{CONTROL}, {traffic}",
                ",".join(dict.fromkeys(
                    x for bug in some for x in bug.faults.split(","))),
                traffic, max(x.minutes for x in some)))
    return found


# -- storms -----------------------------------------------------------------------

def storm(options, what, *words):
    """Its run.json, or why there is none."""
    out = options.out / what.name.replace(", ", "-")
    place = out / "run.json"
    place.unlink(missing_ok=True)  # of an earlier one
    done = subprocess.run(
        [sys.executable, "-B", HERE / "run.py", "--bin", options.programs,
         "--log-program", options.bin / "millrace-log", "--minutes",
         str(min(options.minutes, what.minutes)), "--seed", str(options.seed),
         "--faults", what.faults, "--topology", "alone", "--catch-up",
         str(PATIENCE_S), "--out", out, *TRAFFIC[what.traffic], *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode not in (0, 1) or not place.exists():
        return f"no storm (exit code {done.returncode}): {done.stdout[-500:]}"
    return json.loads(place.read_text())


def look_into(name, run, judge):
    """One line of the table."""
    found = Finding(False, 0, 0, run) if isinstance(run, str) else judge(run)
    at = f"{found.at:.0f} s" if found.good else "-"
    faults = 0 if isinstance(run, str) else figures(run)["faults"]
    line = f"{name:20} {at:>7} {faults:>7} {found.by or '-':>5}  {found.what}"
    print(line, flush=True)
    return found.good, line


def main():
    parser = argparse.ArgumentParser(prog="tests/run chaos-bugs",
                                     description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", type=Path, default=Path("build/seeded/bin"))
    parser.add_argument("--minutes", type=float, default=3,
                        help="for each at most (default: 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder that keeps the "
                        "reports (default: none is kept)")
    parser.add_argument("bug", nargs="*", metavar="BUG",
                        help="default: all: " + ", ".join(
                            [CONTROL, *(x.name for x in BUGS)]))
    options = parser.parse_args()
    wrong = [x for x in options.bug if x != CONTROL and not named(x)]
    if wrong:
        parser.error(f"there is no defect '{wrong[0]}', only "
                     + ", ".join([CONTROL, *(x.name for x in BUGS)]))
    options.bin = options.bin.resolve()
    with tempfile.TemporaryDirectory(prefix="storm-bugs-") as name:
        options.out = (options.out or Path(name)).resolve()
        options.programs = Path(name) / "bin"
        options.programs.mkdir()
        (options.programs / "millrace").symlink_to(
            options.bin / "millrace-seeded")
        return table(options)


def table(options):
    chosen = [x for x in BUGS if not options.bug or x.name in options.bug]
    # A table without its control shows nothing, whichever defects were asked
    # for.
    found = [look_into(x.name, storm(options, x), judged_control)
             for x in controls(chosen or BUGS)]
    for bug in chosen:
        found.append(look_into(bug.name, storm(
            options, bug, "--bug", bug.name, "--until-violation"),
            lambda run, bug=bug: judged(bug, run)))
    print(f"\n{'defect':20} {'found':>7} {'faults':>7} {'rule':>5}  by",
          *(line for _, line in found), sep="\n")
    return 0 if all(good for good, _ in found) else 1


if __name__ == "__main__":
    sys.exit(main())
