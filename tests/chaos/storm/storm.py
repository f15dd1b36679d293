"""One storm: servers, a world, a feed, the checker, and faults by schedule."""

import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import bugs
import disks
import faults
import network
import side
from events import Feed
from laboratory import BUSY, up
from millrace_server import ServerError
from model import PIPELINE
from nodes import HaltWatch, peak_bytes
from schedule import Agenda, plan
from spare import Spare
from world import World

HERE = Path(__file__).resolve().parent
SAMPLE_S = 2
EVIDENCE = {
    "lanes": "SELECT * FROM millrace.lane ORDER BY pipeline, tenant, shard",
    "floors": "SELECT * FROM millrace.partition_floor",
    "waiting": "SELECT tenant, shard, seq, partition, \"offset\", "
               "encode(key, 'escape'), reason, since FROM millrace.waiting "
               "ORDER BY tenant, shard, seq",
    "sessions": "SELECT now(), pid, application_name, state, query_start, "
                "left(query, 300) FROM pg_stat_activity",
}
CATCH_UP_S = 60  # of a machine that does nothing else
# What a fault that cannot be made complains with.
NOT_MADE = (AssertionError, RuntimeError, OSError, ServerError,
            subprocess.SubprocessError)
PAUSE_S = .1


class Storm:
    def __init__(self, options, out, say):
        self.options = options
        self.out = Path(out)
        self.say = say
        self.timeline = []
        self.samples = []
        self.nodes_seen = []
        self.violations = []
        self.verdict = None
        self.spares = []
        self.active = []  # (end, planned, fault)
        self.made_once = set()  # pipelines whose fault was
        self.promises = []  # what must be so at the end
        self.halts = HaltWatch(PIPELINE)
        self.heard = queue.Queue()
        self.feeding = True
        self.servers = up("storm")
        self.why_no_network = network.why_no_rules()
        home = Path(self.servers.directory)
        self.disk, self.wal_disk = home / "disk", home / "wal"
        self.why_no_disk = self.mount("disk", disks.tablespace, self.disk)
        self.why_no_wal_disk = self.mount("wal-disk", disks.mounted,
                                          self.wal_disk)
        if not self.why_no_wal_disk:
            disks.move_log(self.servers, self.wal_disk)
        self.world = World(options.bin, self.servers, "storm",
                           topology=options.topology, nodes=options.nodes,
                           sides=[x for x, fault in side.SIDES.items()
                                  if fault in options.faults],
                           floor_s=options.floor_interval)
        self.bug = bugs.named(options.bug)
        if self.bug and self.bug.in_node:
            self.world.defect = {"MILLRACE_SEEDED_BUG": self.bug.name}
        self.choice = faults.choose(self, options.faults)

    # -- set up ---------------------------------------------------------------

    def mount(self, fault, how, place):
        """A disk for that fault, or why there is none."""
        return how(place) if fault in self.options.faults else "not asked for"

    def begin(self):
        world = self.world
        before = {}
        if not self.why_no_disk:
            world.query(f"CREATE TABLESPACE small OWNER {world.role} "
                        f"LOCATION '{self.disk / 'space'}'",
                        url=world.server_url)
            before["small"] = "SET default_tablespace = small;"
        world.make_tables(before)
        world.open_topic()
        for name in world.names:
            world.start(name)
        world.note_history()
        if self.bug:
            bugs.sabotage(self.bug, world)
        world.tell_checker()
        place = world.directory / "world.json"
        place.write_text(world.describe())
        self.checker = subprocess.Popen(
            [sys.executable, "-B", HERE / "check.py", "--world", place,
             "--log-program", self.options.log_program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=open(world.directory / "checker.log", "wb"))
        threading.Thread(target=self.listen, daemon=True).start()
        self.feed = Feed(self.options.seed, entities=self.options.entities)
        self.producer = world.open_feed()
        threading.Thread(target=self.pour, daemon=True).start()

    def listen(self):
        for line in self.checker.stdout:
            self.heard.put(json.loads(line))

    def pour(self):
        """Records at a rate, whatever goes on: steadily, or in bursts."""
        begin, made = time.monotonic(), 0
        try:
            while self.feeding:
                due = int((time.monotonic() - begin) * self.options.rate)
                for _ in range(due - made):
                    self.producer.stdin.write(self.feed.line() + "\n")
                made = due
                self.producer.stdin.flush()
                time.sleep(max(.05, self.options.burst))
            for line in self.feed.last_lines():
                self.producer.stdin.write(line + "\n")
            self.producer.stdin.close()
        except OSError:
            pass  # its exit code tells

    # -- what faults ask for ----------------------------------------------------

    def restart(self, name, environment=None):
        self.world.start(name, environment)

    def sql(self, statement, patience_s=0):
        """Tried once, or again and again while the server is away."""
        end = time.monotonic() + BUSY * patience_s
        while True:
            try:
                return self.world.query(statement)
            except (RuntimeError, subprocess.TimeoutExpired):
                if time.monotonic() >= end:
                    if patience_s:
                        raise
                    return []
                time.sleep(.1)

    def stop_pg(self, mode):
        if self.world.primary:
            self.world.primary.halt(mode)
        else:
            self.servers.stop("pg", mode=mode)

    def start_pg(self):
        if self.world.primary:
            self.world.primary.again()
        else:
            self.start_server("pg")

    def start_server(self, name):
        """Its own patience is that of a machine with nothing else to do."""
        for left in range(BUSY - 1, -1, -1):
            try:
                return self.servers.start(name)
            except ServerError:
                if not left:
                    raise

    def new_spare(self):
        """A standby; it ends with the storm, whatever becomes of it."""
        self.spares.append(Spare(self.world, self.world.directory
                                 / f"spare{len(self.spares) + 1}"))
        return self.spares[-1]

    def due_halt(self, pipeline, why):
        """From here on it must be halted, with this in its reason."""
        due = json.loads(self.world.due.read_text()) \
            if self.world.due.exists() else {}
        self.world.due.write_text(json.dumps({**due, pipeline: why}))

    # -- the run ----------------------------------------------------------------

    def note(self, kind, **members):
        event = {"t": round(self.now(), 2), "kind": kind, **members}
        self.timeline.append(event)
        self.say(event)

    def hear(self):
        while True:
            try:
                said = self.heard.get_nowait()
            except queue.Empty:
                return
            said["t"] = round(said.pop("at") - self.zero_wall, 2)
            if said["kind"] == "sample":
                self.samples.append(said)
            elif said["kind"] == "violation":
                self.violations.append(said)
                self.say(said)
            elif said["kind"] == "verdict":
                self.verdict = said
            elif said["kind"] == "unanswered":
                self.timeline.append(said)

    def look_at_nodes(self):
        self.look_for_dead_nodes()
        for name in self.world.names:
            for line in self.halts.look(self.world.directory / f"{name}.log"):
                self.violate(22, f"node {name}: {line}")
        if self.producer.poll() is not None and self.feeding:
            raise RuntimeError("the feed ended: "
                               f"exit code {self.producer.returncode}")
        if self.checker.poll() is not None:
            raise RuntimeError("the checker ended: " + (
                self.world.directory / "checker.log").read_text()[-2000:])
        now = self.now()
        if self.nodes_seen and now < self.nodes_seen[-1]["t"] + SAMPLE_S:
            return
        seen = {"t": round(now, 2), "nodes": {}}
        for name, node in list(self.world.nodes.items()):
            try:
                files = len(list(Path(f"/proc/{node.pid}/fd").iterdir()))
                seen["nodes"][name] = [peak_bytes(node.pid), files]
            except OSError:
                pass
        self.nodes_seen.append(seen)

    def violate(self, number, what):
        said = {"kind": "violation", "invariant": number, "what": what,
                "examples": [], "t": round(self.now(), 2)}
        self.violations.append(said)
        self.say(said)

    def run(self):
        seconds = self.options.minutes * 60
        planned = plan(self.options.seed, seconds, self.choice.tracks)
        self.zero, self.zero_wall = time.monotonic(), time.time()
        for name, why in self.choice.skipped.items():
            self.note("skipped", fault=name, why=why)
        agenda = Agenda(planned, seconds,
                        lambda fault: faults.CATALOG[fault].track)
        while self.active or self.now() < seconds:
            now = self.now()
            for item in [x for x in self.active if x[0] <= now]:
                item[2].end()
                self.active.remove(item)
                self.note("end", fault=item[1].fault)
                agenda.over(item[1], self.now())
            busy = {faults.CATALOG[x[1].fault].track for x in self.active}
            for x in [] if self.enough() else agenda.due(now, busy):
                if not self.make(x):
                    agenda.over(x, self.now())
            for item in self.active:
                item[2].step()
            self.hear()
            self.look_at_nodes()
            if self.enough() and not self.active:
                break
            time.sleep(PAUSE_S)
        self.note("healed")
        self.healed = time.monotonic()

    def now(self):
        """Seconds of the storm."""
        return time.monotonic() - self.zero

    def make(self, planned):
        """Whether it is under way."""
        fault = faults.CATALOG[planned.fault](self, planned.seed)
        item = (float("inf"), planned, fault)
        self.active.append(item)  # a signal may come at any time
        try:
            what = fault.begin()
        except NOT_MADE as error:
            fault.undo()
            self.active.remove(item)
            self.note("not made", fault=planned.fault, why=str(error)[:200])
            return False
        self.note("begin", fault=planned.fault, what=what or "")
        self.active[-1] = (self.now() + planned.length_s, planned, fault)
        return True

    def enough(self):
        """Whether what is looked for has been seen: of a defect, what it
        breaks."""
        return self.options.until_violation and any(
            not self.bug or x["invariant"] in self.bug.rules
            for x in self.violations)

    def finish(self):
        """All is well from here on; what is the verdict?"""
        self.feeding = False
        end = self.healed + BUSY * CATCH_UP_S
        code = self.producer.wait(BUSY * CATCH_UP_S)
        if code:
            raise RuntimeError(f"the feed ended with exit code {code}")
        self.note("fed", records=self.feed.made)
        patience = 5 if self.enough() else max(5, end - time.monotonic())
        fed_s = time.monotonic() - self.healed
        # What opened the topic is in it, too.
        fed = 0 if self.enough() else self.feed.made + 1
        self.checker.stdin.write(f"final {patience} {fed}\n")
        self.checker.stdin.close()
        limit = time.monotonic() + BUSY * CATCH_UP_S + 600
        while self.checker.poll() is None and time.monotonic() < limit:
            self.hear()
            self.look_for_dead_nodes()
            time.sleep(PAUSE_S)
        time.sleep(PAUSE_S)
        self.hear()
        if self.verdict is None:
            raise RuntimeError("no verdict: " + (
                self.world.directory / "checker.log").read_text()[-2000:])
        self.verdict["seconds"] += fed_s
        self.keep_promises()
        if not self.verdict["settled"]:
            self.keep_evidence()
        self.history = self.world.query(
            "SELECT node, extract(epoch FROM at) FROM storm.history WHERE "
            "seq > seq_was AND node IS NOT NULL ORDER BY at")
        self.note("verdict")

    def keep_promises(self):
        """22: what must be halted, by what nodes say, and what not."""
        for promise in self.promises:
            end = time.monotonic() + BUSY * CATCH_UP_S / 2
            while (wrong := promise()) and time.monotonic() < end:
                time.sleep(.5)
            if wrong:
                self.violate(22, wrong)

    def look_for_dead_nodes(self):
        for name, code in self.world.ended().items():
            self.violate(0, f"node {name} ended by itself, exit code {code}")
            self.world.nodes.pop(name)
            self.restart(name)

    def keep_evidence(self):
        """What the nodes and the tables say while it lasts."""
        for name in self.world.names:
            for page in ("actors", "metrics"):
                path = "/metrics" if page == "metrics" else f"/v1/{page}"
                (self.out / f"{name}.{page}").write_text(
                    self.world.admin(name, path))
        for name, sql in EVIDENCE.items():
            lines = self.world.query(sql)
            (self.out / f"{name}.txt").write_text("\n".join(lines) + "\n")

    def recoveries(self):
        """From each start after a kill to the node's first commit."""
        commits = {}
        for line in self.history:
            node, at = line.split("|")
            commits.setdefault(node, []).append(float(at))
        found = []
        for name in self.world.names:
            starts = [x for who, x in self.world.started if who == name]
            for start, following in zip(starts[1:],
                                        [*starts[2:], float("inf")]):
                first = next((x for x in commits.get(name, ())
                              if start <= x < following), None)
                if first is not None:
                    found.append(round(first - start, 2))
        return found

    def close(self):
        self.feeding = False
        for _, _, fault in self.active:
            try:
                fault.undo()
            except (*NOT_MADE, AttributeError):
                pass  # what it began ends with the servers
        for process in (getattr(self, "checker", None),
                        getattr(self, "producer", None)):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.world.close()
        for log in self.world.directory.glob("*.log"):
            shutil.copy(log, self.out / log.name)
        pg = Path(self.servers.directory) / "pg" / "pg.log"
        if pg.exists():
            shutil.copy(pg, self.out / "pg.log")
        for spare in self.spares:
            spare.down()
        if not self.why_no_network:
            network.tried("nft", "delete", "table", "inet", "storm")
        for why, disk in ((self.why_no_disk, self.disk),
                          (self.why_no_wal_disk, self.wal_disk)):
            if not why:
                network.tried("umount", "--lazy", str(disk))
        self.servers.down()
