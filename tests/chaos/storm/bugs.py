#!/usr/bin/env python3
"""The checker is checked: storms with a node that has a defect, which must be
found. Prints after how long each was. `tests/run chaos-bugs` calls it.

Needs the program millrace-seeded (CMake option MILLRACE_SEEDED_BUGS). Exit code
0: all were found; 1: some were not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

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
    in_node: bool = True  # a defect of the program, by this name
    cuts: tuple = ()  # conditions that the claim lacks
    sql: str = ""
    topology: str = "alone"


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

BUGS = (
    Bug("no-from-check", "batches beyond the tail are taken", "kill,backends,"
        "doubt,pg-crash", cuts=(FROM,)),
    Bug("no-claim", "the claim compares nothing", "zombie",
        in_node=False, cuts=(OWN, SEQ, "OFFSETS")),
    Bug("dead-letters-apart", "dead letters in a transaction of their own",
        "doubt,backends,kill", in_node=False, sql=LETTERS_APART),
    Bug("kafka-resume", "reads on from Kafka's committed offset",
        "kill,failover"),
    Bug("ack-early", "acknowledges before the commit", "kill,backends,doubt"),
    Bug("collapse-reversed", "of one key the first row wins", "kill"),
    Bug("stale-floor", "the floor follows acks in memory",
        "failover,pg-async,kill"),
    Bug("doubt-failed", "what is in doubt counts as failed (and the claim "
        "compares only epoch and owner)", "doubt", cuts=(SEQ, "OFFSETS")),
    Bug("doubt-committed", "what is in doubt counts as committed", "doubt"),
    Bug("waiting-dropped", "waiting events are dropped at a takeover",
        "kill,zombie", in_node=False, sql=DROP_WAITING),
)


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


def seek(bug, options, folder):
    out = folder / bug.name
    done = subprocess.run(
        [sys.executable, "-B", HERE / "run.py", "--bug", bug.name, "--bin",
         folder / "bin", "--log-program", options.bin / "millrace-log",
         "--minutes", str(options.minutes), "--seed", str(options.seed),
         "--faults", bug.faults, "--topology", bug.topology, "--out", out,
         "--until-violation"], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        return None, f"no storm: {done.stdout[-500:]}"
    run = json.loads((out / "run.json").read_text())
    if run["violations"]:
        first = run["violations"][0]
        return first["t"], (f"{first['invariant']}: {first['what']}"
                            + "".join("; " + x for x in first["examples"][:1]))
    # A world that stands still violates some whatever the defect.
    still = () if run["verdict"]["settled"] else (3, 7, 8)
    broken = [x for x in run["verdict"]["invariants"]
              if x["violations"] and x["number"] not in still]
    if broken:
        return run["timeline"][-1]["t"], (
            f"{broken[0]['number']} (at the end): {broken[0]['examples'][0]}")
    return None, "not found"


def main():
    parser = argparse.ArgumentParser(prog="tests/run chaos-bugs",
                                     description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", type=Path, default=Path("build/seeded/bin"))
    parser.add_argument("--minutes", type=float, default=3,
                        help="for each at most (default: 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("bug", nargs="*", metavar="BUG",
                        help="default: all: " + ", ".join(
                            x.name for x in BUGS))
    options = parser.parse_args()
    options.bin = options.bin.resolve()
    lines, missed = [], 0
    with tempfile.TemporaryDirectory(prefix="storm-bugs-") as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        (folder / "bin" / "millrace").symlink_to(
            options.bin / "millrace-seeded")
        for bug in BUGS:
            if options.bug and bug.name not in options.bug:
                continue
            at, what = seek(bug, options, folder)
            missed += at is None
            lines.append(f"{bug.name:20} {'' if at is None else f'{at:.0f} s':>7}"
                         f"  {what}")
            print(lines[-1], flush=True)
    print(f"\n{'defect':20} {'found':>7}  by", *lines, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
