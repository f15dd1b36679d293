#!/usr/bin/env python3
"""A storm: real servers, nodes, and faults by a seeded schedule, while a
checker that shares no code with the ingest path looks on. `tests/run chaos`
calls it.

Exit code 0: every invariant held; 1: one was violated; 2: the command line is
wrong; 3: the storm could not be made; 77: this machine cannot.
"""

import argparse
import json
import random
import signal
import sys
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import faults  # noqa: E402
import network  # noqa: E402
import report  # noqa: E402
import spared  # noqa: E402
from events import ENTITIES  # noqa: E402
from laboratory import memory_bound_mib, millrace_kinds  # noqa: E402
from storm import CATCH_UP_S, Storm  # noqa: E402
from world import MEMORY_MIB, TOPOLOGIES  # noqa: E402

SKIPPED = 77
KEPT = ("seed", "minutes", "faults", "topology", "nodes", "rate", "burst",
        "entities", "floor_interval", "catch_up")
# Descriptors of a node: those of PostgreSQL, Kafka and its peers, and one for
# each idle connection that `garbage` makes.
FILES = 200 + faults.IDLE_CONNECTIONS


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/run chaos", description=__doc__.split("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="faults:\n" + "\n".join(
            f"  {name:15} {x.number:2}  {x.about}"
            for name, x in faults.CATALOG.items())
        + "\n\nThe numbers are those of the fault matrix. FAULT may be 'all', "
        "and -FAULT leaves one out.")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, help="default: another each time")
    parser.add_argument("--faults", default="all", metavar="LIST",
                        help="names, comma-separated (default: all)")
    parser.add_argument("--topology", choices=TOPOLOGIES,
                        help="one node; several by a static table; several "
                        "that share partitions by a consumer group (default: "
                        "by the seed)")
    parser.add_argument("--nodes", type=int, choices=(1, 2, 3),
                        help="default: by the seed")
    parser.add_argument("--rate", type=int, default=300,
                        help="records per second (default: 300)")
    parser.add_argument("--burst", type=float, default=0, metavar="SECONDS",
                        help="they come together every so many seconds "
                        "(default: 0, steadily)")
    parser.add_argument("--entities", type=int, default=ENTITIES, metavar="N",
                        help="what the records are about: four times as many "
                        "of the larger tenant, these of the smaller one "
                        f"(default: {ENTITIES})")
    parser.add_argument("--floor-interval", type=int, default=1,
                        metavar="SECONDS", help="the nodes' "
                        "limits.floor_interval (default: 1)")
    parser.add_argument("--catch-up", type=float, default=CATCH_UP_S,
                        metavar="SECONDS", help="after the last fault all "
                        "must be written within them (default: "
                        f"{CATCH_UP_S})")
    parser.add_argument("--out", type=Path, help="folder for report.html, "
                        "report.txt, run.json and logs (default: "
                        "build/storm-SEED)")
    parser.add_argument("--replay", metavar="DIR|SEED",
                        help="the storm of an earlier report, or of a seed")
    parser.add_argument("--until-violation", action="store_true",
                        help="end with the first violation")
    parser.add_argument("--bin", type=Path, default=Path("build/ci/bin"),
                        help="folder of the programs (default: build/ci/bin)")
    parser.add_argument("--log-program", help="default: millrace-log of --bin")
    parser.add_argument("--bug", help=argparse.SUPPRESS)  # see bugs.py
    options = parser.parse_args()
    if options.replay:
        replay(options, parser)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    if not isinstance(options.faults, list):
        options.faults = names_of(options.faults, parser)
    chance = random.Random(f"world {options.seed}")
    topology, nodes = chance.choice(TOPOLOGIES), chance.choice((2, 3))
    options.topology = options.topology or topology
    options.nodes = 1 if options.topology == "alone" else (
        options.nodes or nodes)
    options.disk = "disk" in options.faults
    options.bin = options.bin.resolve()
    options.log_program = options.log_program or options.bin / "millrace-log"
    options.out = options.out or Path(f"build/storm-{options.seed}")
    return options


def replay(options, parser):
    place = Path(options.replay) / "run.json"
    if options.replay.isdigit():
        options.seed = int(options.replay)
    elif place.exists():
        kept = json.loads(place.read_text())
        for name in KEPT:
            if name in kept:
                setattr(options, name, kept[name])
    else:
        parser.error(f"--replay: {options.replay} is no seed, and there is no "
                     f"{place}")


def names_of(text, parser):
    words = [x for x in text.split(",") if x]
    names = list(faults.CATALOG) if "all" in words or all(
        x.startswith("-") for x in words) else []
    for word in words:
        name = word.removeprefix("-")
        if name != "all" and name not in faults.CATALOG:
            parser.error(f"there is no fault '{name}', only "
                         + ", ".join(faults.CATALOG))
        if word.startswith("-"):
            names.remove(name)
        elif name != "all" and name not in names:
            names.append(name)
    return names


def bounds(run, most_bytes):
    """19: what the nodes had at most."""
    for seen in run["nodes_seen"]:
        for name, (memory, files) in seen["nodes"].items():
            if memory > most_bytes or files > FILES:
                yield violation(19, seen["t"], f"node {name}: {memory} bytes "
                                f"of {most_bytes}, {files} files of {FILES}")


def late(run):
    """23: whether all was there in time."""
    took, settled = run["verdict"]["seconds"], run["verdict"]["settled"]
    if not settled:
        yield violation(23, run["timeline"][-1]["t"], "not all was written "
                        f"within {took:.0f} s after the last fault")
    elif took > run["catch_up"]:
        yield violation(23, run["timeline"][-1]["t"], "all was written "
                        f"{took:.0f} s after the last fault, due within "
                        f"{run['catch_up']:g} s")


def violation(number, t, what):
    return {"kind": "violation", "invariant": number, "t": t, "what": what,
            "examples": []}


def run_of(storm, options):
    run = {name: getattr(options, name) for name in KEPT}
    run |= {"timeline": storm.timeline, "samples": storm.samples,
            "nodes_seen": storm.nodes_seen, "violations": storm.violations,
            "verdict": storm.verdict, "skipped": storm.choice.skipped,
            "recoveries": storm.recoveries(),
            "tracks": {name: x.track for name, x in faults.CATALOG.items()},
            "spares": {name: x.spares for name, x in faults.CATALOG.items()}}
    most = memory_bound_mib(options.bin / "millrace", MEMORY_MIB) * (1 << 20)
    run["violations"] += list(bounds(run, most))[:5]
    run["violations"] += [violation(18, *x)
                          for x in spared.violations(run)][:5]
    if not options.until_violation:
        run["violations"] += late(run)
    return run


def end_in_order():
    """What a signal ends takes with it what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def close(storm):
    """To its end: a second signal would leave the rest behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    storm.close()


def main():
    options = arguments()
    why = millrace_kinds.why_no_kafka()
    if why:
        print(f"skipped: no real Kafka ({why})")
        return SKIPPED
    network.apart()
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, {options.topology}, nodes: {options.nodes}\n"
          f"again: {report.again({x: getattr(options, x) for x in KEPT})}",
          flush=True)
    end_in_order()
    storm = None
    try:
        storm = Storm(options, options.out,
                      lambda x: print(report.line_of(x), flush=True))
        storm.begin()
        storm.run()
        storm.finish()
    except Exception:  # whatever it was, the servers go
        traceback.print_exc()
        return 3
    finally:
        if storm:
            close(storm)
    run = run_of(storm, options)
    (options.out / "run.json").write_text(json.dumps(run))
    text = report.text(run)
    (options.out / "report.txt").write_text(text)
    (options.out / "report.html").write_text(report.page(run))
    # The time line was printed as it came.
    print(text[text.index("\ninvariant"):], end="")
    print(f"report: {options.out / 'report.html'}")
    return 0 if report.is_good(run) else 1


if __name__ == "__main__":
    sys.exit(main())
